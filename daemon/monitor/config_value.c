/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict on purpose: what strtoull(3) would take besides (signs, spaces, octal and hexadecimal numbers, what overflows)
 * is no value here, because a limit that is not what its administrator thinks is worse than none.
 */
#include "daemon/monitor/config_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
        const char *name;
        uint64_t size;
};

static const struct unit count_units[] = {{"", 1}, {NULL, 0}};
/* The largest first, for printing. */
static const struct unit byte_units[] = {{"T", (uint64_t)1 << 40},
                                         {"G", (uint64_t)1 << 30},
                                         {"M", (uint64_t)1 << 20},
                                         {"K", (uint64_t)1 << 10},
                                         {"", 1},
                                         {NULL, 0}};
static const struct unit time_units[] = {{"d", UINT64_C(86400000000)},
                                         {"h", UINT64_C(3600000000)},
                                         {"min", UINT64_C(60000000)},
                                         {"s", UINT64_C(1000000)},
                                         {"ms", UINT64_C(1000)},
                                         {"", UINT64_C(1000000)},
                                         {NULL, 0}};

static int parse_number(const char *text, uint64_t *ret, const char **ret_end)
{
        unsigned long long value;
        char *end;

        if (!isdigit((unsigned char)*text) || (text[0] == '0' && isdigit((unsigned char)text[1])))
                return -EINVAL;
        errno = 0;
        value = strtoull(text, &end, 10);
        if (errno != 0)
                return -ERANGE;
        *ret = value;
        *ret_end = end;
        return 0;
}

static int parse(const char *text, const struct unit *units, uint64_t *ret)
{
        uint64_t value;
        const char *end;
        int r = parse_number(text, &value, &end);

        if (r < 0)
                return r;
        for (const struct unit *u = units; u->name != NULL; u++)
                if (strcmp(end, u->name) == 0)
                        return __builtin_mul_overflow(value, u->size, ret) ? -ERANGE : 0;
        return -EINVAL;
}

static int parse_within(const char *text, const struct unit *units, uint64_t min, uint64_t max, uint64_t *ret)
{
        uint64_t value;
        int r = parse(text, units, &value);

        if (r < 0)
                return r;
        if (value < min || value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

int config_parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
        return parse_within(text, count_units, min, max, ret);
}

int config_parse_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
        return parse_within(text, byte_units, min, max, ret);
}

int config_parse_time(const char *text, uint64_t min_usec, uint64_t max_usec, uint64_t *ret_usec)
{
        uint64_t value;

        if (strcmp(text, "infinity") == 0 || (parse(text, time_units, &value) == 0 && value == 0)) {
                *ret_usec = 0;
                return 0;
        }
        return parse_within(text, time_units, min_usec, max_usec, ret_usec);
}

static void format(uint64_t value, const struct unit *units, char text[static CONFIG_VALUE_BYTES])
{
        const struct unit *unit = units;

        while (unit[1].name != NULL && value % unit->size != 0)
                unit++;
        (void)snprintf(text, CONFIG_VALUE_BYTES, "%" PRIu64 "%s", value / unit->size, unit->name);
}

void config_format_bytes(uint64_t bytes, char text[static CONFIG_VALUE_BYTES])
{
        format(bytes, byte_units, text);
}

void config_format_time(uint64_t usec, char text[static CONFIG_VALUE_BYTES])
{
        if (usec == 0)
                (void)snprintf(text, CONFIG_VALUE_BYTES, "infinity");
        else
                format(usec, time_units, text);
}
