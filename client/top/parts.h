/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A line of parts, the most important first: those that do not fit any more are left out whole. Pure. */
#pragma once

#include "client/screen/grid.h"

struct parts {
        struct pen pen;
        uint32_t left; /* where the parts begin: the first one is cut off rather than left out */
        bool is_full;  /* one was left out: what comes after it is less important still */
};

struct parts parts_at(struct grid *grid, uint32_t x, uint32_t y, uint32_t end);

/* Two blanks before it but for the first, then n_bytes that are safe for a terminal. */
void parts_put(struct parts *parts, enum style style, const char *bytes, size_t n_bytes);
void parts_printf(struct parts *parts, enum style style, const char *format, ...) PRINTF_LIKE(3, 4); /* such text */
