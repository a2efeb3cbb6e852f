/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a target is traced with ptrace(2): held, only while attaching, or not at all. */
#pragma once

#include "daemon/monitor/attachment.h"

/* ->mode of what was asked for and what is possible; what is not is noted in ->level. After authorization. */
void mode_choose(struct attachment *trace);
/* The target cannot be had, error says why: ->mode becomes OFF. A target that ended is no reason to complain. */
void mode_refused(struct attachment *trace, int error);
/* It was held and is no more: ->mode becomes LIGHT, and the engine is told. */
void mode_let_go(struct attachment *trace, int error);
