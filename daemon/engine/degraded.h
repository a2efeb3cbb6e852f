/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a trace lacks, in words: which detail is missing, why, and what would bring it. */
#pragma once

#include <stddef.h>

#include "daemon/link/link.h"

/* Short word for a bit of enum link_detail. */
const char *degraded_what(unsigned int bit);
/* One line; error: the errno number that the kernel gave, 0 = none. */
void degraded_reason(unsigned int bit, int error, char *ret, size_t n_ret);
