/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A figure is counted in tenths of its unit, in whole numbers: so no rounding makes "1000 k" of 999 999, and no locale
 * puts a comma in.
 */
#include "client/figures.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/text.h"
#include "proto/base.h"

struct unit {
        uint64_t size;
        const char *name;
};

static const struct unit count_units[] = {
        {UINT64_C(1000), "k"},          {UINT64_C(1000000), "M"},          {UINT64_C(1000000000), "G"},
        {UINT64_C(1000000000000), "T"}, {UINT64_C(1000000000000000), "P"}, {UINT64_C(1000000000000000000), "E"},
};

static const struct unit time_units[] = {
        {1, "ns"},
        {NSEC_PER_USEC, "us"},
        {NSEC_PER_MSEC, "ms"},
        {NSEC_PER_SEC, "s"},
        {60 * NSEC_PER_SEC, "min"},
        {3600 * NSEC_PER_SEC, "h"},
        {24 * 3600 * NSEC_PER_SEC, "d"},
};

static const struct unit byte_units[] = {
        {1, "B"},
        {UINT64_C(1) << 10, "KiB"},
        {UINT64_C(1) << 20, "MiB"},
        {UINT64_C(1) << 30, "GiB"},
        {UINT64_C(1) << 40, "TiB"},
        {UINT64_C(1) << 50, "PiB"},
        {UINT64_C(1) << 60, "EiB"},
};

enum { DECIMALS_BELOW_TENTHS = 1000 }; /* 100: from there on a decimal tells nothing more */

static struct figure format(const char *how, ...) PRINTF_LIKE(1, 2);

static struct figure format(const char *how, ...)
{
        struct figure figure = {.n_bytes = 0};
        va_list args;

        va_start(args, how);
        (void)vsnprintf(figure.text, sizeof(figure.text), how, args);
        va_end(args);
        figure.n_bytes = (uint32_t)strlen(figure.text);
        return figure;
}

/* In the unit, rounded; size is far below 2^64 / 10. */
static uint64_t tenths_of(uint64_t n, uint64_t size)
{
        return n / size * 10 + (size == 1 ? 0 : ((n % size) * 10 + size / 2) / size);
}

static uint64_t whole_of(uint64_t n, uint64_t size)
{
        return n / size + (n % size >= size - n % size && n % size != 0);
}

/* In the smallest unit in which it has at most three digits before the point, and there are two of the next. */
static struct figure in_units(uint64_t n, const struct unit *units, size_t n_units)
{
        size_t i = 0;

        while (i + 1 < n_units && (whole_of(n, units[i].size) >= 1000 || n >= units[i + 1].size))
                i++;
        if (units[i].size > 1 && tenths_of(n, units[i].size) < DECIMALS_BELOW_TENTHS)
                return format("%" PRIu64 ".%" PRIu64 " %s", tenths_of(n, units[i].size) / 10,
                              tenths_of(n, units[i].size) % 10, units[i].name);
        return format("%" PRIu64 " %s", whole_of(n, units[i].size), units[i].name);
}

struct figure figure_count(uint64_t n)
{
        if (n < 10000)
                return format("%" PRIu64, n);
        return in_units(n, count_units, ARRAY_SIZE(count_units));
}

struct figure figure_rate(double per_second)
{
        uint64_t tenths;

        if (!(per_second > 0))
                return figure_count(0);
        if (per_second >= 9.95)
                return figure_count(per_second < 1e19 ? (uint64_t)(per_second + 0.5) : UINT64_MAX);
        tenths = (uint64_t)(per_second * 10 + 0.5);
        return format("%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}

struct figure figure_time(uint64_t ns)
{
        return in_units(ns, time_units, ARRAY_SIZE(time_units));
}

struct figure figure_bytes(uint64_t n_bytes)
{
        return in_units(n_bytes, byte_units, ARRAY_SIZE(byte_units));
}

struct figure figure_share(double share)
{
        double per_mille = share * 1000 + 0.5;
        uint64_t tenths = !(per_mille > 0) ? 0 : per_mille < 1e9 ? (uint64_t)per_mille : UINT64_C(1000000000);

        if (tenths >= DECIMALS_BELOW_TENTHS)
                return format("%" PRIu64, (tenths + 5) / 10);
        return format("%" PRIu64 ".%" PRIu64, tenths / 10, tenths % 10);
}

struct figure figure_clock(uint64_t ns)
{
        uint64_t s = ns / NSEC_PER_SEC;

        if (s < 3600)
                return format("%" PRIu64 ":%02" PRIu64, s / 60, s % 60);
        return format("%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, s / 3600, s / 60 % 60, s % 60);
}

struct figure figure_exact(uint64_t n)
{
        struct figure figure = {.n_bytes = 0};
        char digits[TEXT_U64_MAX_BYTES];
        char *end = digits + sizeof(digits), *from = text_format_u64(end, n);

        while (from < end) {
                figure.text[figure.n_bytes++] = *from++;
                if (from < end && (end - from) % 3 == 0)
                        figure.text[figure.n_bytes++] = ' ';
        }
        figure.text[figure.n_bytes] = '\0';
        return figure;
}
