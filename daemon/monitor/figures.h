/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page of a trace's figures (daemon/link/figures.h), and what becomes of it in the sums of its unit. */
#pragma once

#include "daemon/monitor/attachment.h"

/* Make the page, unless it is there: ->figures_file for the engines, ->figures for us. 0 or -errno. */
int figures_open(struct attachment *trace) MUST_CHECK;
/* It counts from now on: as a trace of its target's unit, which is found out here. */
void figures_begin(struct attachment *trace);
/* It is over: its figures go into the sums. Also of one that has not begun. */
void figures_close(struct attachment *trace);
