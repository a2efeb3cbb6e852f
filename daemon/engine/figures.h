/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page on which a trace counts (daemon/link/figures.h), mapped. */
#pragma once

#include "daemon/engine/trace.h"
#include "daemon/link/figures.h"

/* From TRACE's descriptor, which stays the caller's: ->figures. 0 or -errno. */
int figures_map(struct trace *trace, int fd) MUST_CHECK;
void figures_unmap(struct trace *trace);
/* What is not counted fault by fault: drops, and what the trace is found to lack. Once in a pass. */
void figures_note(struct trace *trace);
