/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Characters of names that others chose: which bytes are one, and which may be shown to people as they are. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

/*
 * Length in bytes of the well-formed UTF-8 sequence at the start of s (RFC 3629: no surrogates, no overlong forms),
 * with its code point; 0 when there is none.
 */
size_t utf8_decode(const char *s, size_t n_bytes, uint32_t *ret_point);

/* May it be shown as it is? false: control characters, invisible and direction-changing ones. */
bool utf8_is_safe(uint32_t point);

struct utf8_range {
        uint32_t first, last;
};

bool utf8_in_ranges(const struct utf8_range *ranges, size_t n_ranges, uint32_t point);
