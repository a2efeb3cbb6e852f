/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a trace lacks, in words: which detail is missing, why, and what would bring it. */
#pragma once

#include <stddef.h>

#include "daemon/engine/serve/outframe.h"
#include "daemon/link/link.h"

#define DEGRADED_AS_HOLD (-1) /* what was said about LINK_LACKS_HOLD says it all */

/*
 * The DEGRADED message of a trace for a bit of enum link_detail. error: the errno number that says why, 0 = none. The
 * caller's; NULL: out of memory.
 */
struct outframe *degraded_frame(uint32_t trace, unsigned int bit, int error);
/* Many stacks are cut: what size (0 = none) would hold nearly all. */
struct outframe *degraded_stacks_frame(uint32_t trace, uint32_t stack_bytes, unsigned int percent,
                                       uint32_t enough_bytes);
