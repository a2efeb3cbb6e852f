/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers short enough for a column that is looked at ten times a second: at most three digits that matter, and a unit.
 * Rounded to the nearest, halves up; the same in every locale. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FIGURE_BYTES_MAX 32

struct figure {
        char text[FIGURE_BYTES_MAX]; /* ASCII, NUL-terminated */
        uint32_t n_bytes;            /* without the NUL; cells as well */
};

struct figure figure_count(uint64_t n);       /* "9999", "12.3 k", "340 k", "1.2 M" */
struct figure figure_rate(double per_second); /* as a count; below ten with a decimal */
struct figure figure_time(uint64_t ns);       /* "850 ns", "1.2 us", "340 ms", "16.7 min" */
struct figure figure_bytes(uint64_t n_bytes); /* "512 B", "4.0 KiB", "1.2 GiB" */
struct figure figure_share(double share);     /* of 0 to 1, in percent: "0.4", "12.3", "100" */
struct figure figure_clock(uint64_t ns);      /* "0:07", "12:34", "1:02:03" */
struct figure figure_exact(uint64_t n);       /* "1 234 567" */
static inline struct figure figure_share_of(uint64_t part, uint64_t whole)
{
        return figure_share(whole > 0 ? (double)part / (double)whole : 0);
}
