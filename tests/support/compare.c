/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client said against what a target announced. Exact: every expected fault once, no other fault, and in every
 * fault what no target needs to announce (a frame number that moves when a page is copied, a map that contains the
 * address). A difference is shown line by line.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "harness.h"

#define MAX_SHOWN 10

/* One address of an expectation. */
struct unit {
        uint64_t addr;
        const json_t *expectation;
        size_t index; /* within the expectation */
        uint64_t n_left;
};

const char *text_of(const json_t *object, const char *key)
{
        const char *text = json_string_value(json_object_get(object, key));

        return text ? text : "";
}

uint64_t number_of(const json_t *object, const char *key)
{
        json_t *value = json_object_get(object, key);

        CHECK(json_is_integer(value), "no number %s in %s", key, json_dumps(object, 0));
        return (uint64_t)json_integer_value(value);
}

static uint64_t number_or(const json_t *object, const char *key, uint64_t otherwise)
{
        return json_object_get(object, key) ? number_of(object, key) : otherwise;
}

uint64_t address_of(const json_t *object, const char *key)
{
        const char *text = text_of(object, key);
        char *end;
        uint64_t value = strtoull(text, &end, 16);

        CHECK(strncmp(text, "0x", 2) == 0 && *end == '\0', "%s is no address in %s", key, json_dumps(object, 0));
        return value;
}

json_t *check_ledger(const struct client *client)
{
        json_t *end = client_find(client, "end"), *ledger = json_object_get(end, "ledger");
        uint64_t sum;

        CHECK(client_n(client, "end") == 1, "%zu end lines instead of one", client_n(client, "end"));
        sum = number_of(ledger, "delivered") + number_of(ledger, "filtered") + number_of(ledger, "dropped_client") +
              number_of(ledger, "dropped_daemon") + number_of(ledger, "lost_kernel") + number_of(ledger, "counted");
        CHECK(number_of(ledger, "kernel") == sum, "the ledger does not add up: %s", json_dumps(ledger, 0));
        CHECK(number_of(ledger, "delivered") == client->n_faults, "%" PRIu64 " fault lines, but: %s", client->n_faults,
              json_dumps(ledger, 0));
        return ledger;
}

void check_nothing_missing(const struct client *client)
{
        static const char *const zero[] = {"filtered",    "dropped_client", "dropped_daemon",
                                           "lost_kernel", "counted",        "incomplete"};
        json_t *ledger = check_ledger(client);

        for (size_t i = 0; i < ARRAY_SIZE(zero); i++)
                CHECK(number_of(ledger, zero[i]) == 0, "%s is not 0: %s", zero[i], json_dumps(ledger, 0));
}

void check_refused(struct client *client, const char *what, const char *text)
{
        CLEANUP_FREE char *errors = NULL;
        size_t n_lines = 0;
        int status = client_finish(client);

        errors = child_errors(&client->child);
        for (const char *p = errors; (p = strchr(p, '\n')); p++)
                n_lines++;
        CHECK(status == 1, "%s: exit status %d instead of 1", what, status);
        CHECK(n_lines == 1, "%s: %zu lines on standard error instead of one", what, n_lines);
        CHECK(strstr(errors, text), "%s: the line does not say \"%s\": %s", what, text, errors);
        CHECK(client->n_faults == 0 && !client_find(client, "attached"), "%s: a trace began", what);
        printf("%-18s %s", what, errors);
}

static int unit_order(const void *a, const void *b)
{
        const struct unit *x = a, *y = b;

        return x->addr < y->addr ? -1 : x->addr > y->addr;
}

static struct unit *expand(const json_t *expected, size_t *ret_n)
{
        struct unit *units = NULL;
        size_t n_units = 0, i;
        json_t *e;

        json_array_foreach(expected, i, e)
        {
                size_t n = number_of(e, "n");

                units = reallocarray(units, n_units + n, sizeof(*units));
                CHECK(units, "out of memory");
                for (size_t k = 0; k < n; k++)
                        units[n_units++] = (struct unit){.addr = address_of(e, "addr") + k * number_or(e, "stride", 0),
                                                         .expectation = e,
                                                         .index = k,
                                                         .n_left = number_or(e, "times", 1)};
        }
        if (n_units)
                qsort(units, n_units, sizeof(*units), unit_order);
        *ret_n = n_units;
        return units;
}

static bool same_text(const json_t *expectation, const char *key, const json_t *object, const char *object_key)
{
        return !json_object_get(expectation, key) ||
               strcmp(text_of(expectation, key), text_of(object, object_key)) == 0;
}

/* text is one of "one|other". */
static bool is_one_of(const char *text, const char *names)
{
        size_t n = strlen(text);

        for (; *names; names += *names == '|') {
                size_t n_name = strcspn(names, "|");

                if (n_name == n && memcmp(names, text, n) == 0)
                        return true;
                names += n_name;
        }
        return false;
}

static bool same_symbol(const json_t *expectation, const char *key, const json_t *object)
{
        return !json_object_get(expectation, key) || is_one_of(text_of(object, "symbol"), text_of(expectation, key));
}

static bool same_file(const json_t *expectation, const char *key, const json_t *object)
{
        const char *image = text_of(object, "image"), *slash = strrchr(image, '/');

        return !json_object_get(expectation, key) || strcmp(slash ? slash + 1 : image, text_of(expectation, key)) == 0;
}

static bool same_names(const struct unit *unit, const json_t *fault)
{
        const json_t *e = unit->expectation, *place = json_object_get(fault, "place");
        uint64_t offset = number_or(e, "offset", 0) + unit->index * number_or(e, "offset_stride", 0);

        if (!same_symbol(e, "code", json_object_get(fault, "code")) ||
            !same_symbol(e, "caller", json_object_get(fault, "caller")) ||
            !same_file(e, "caller_image", json_object_get(fault, "caller")) ||
            !same_text(e, "section", place, "section") || !same_text(e, "symbol", place, "symbol"))
                return false;
        return !json_object_get(e, "symbol") || number_or(place, "offset", UINT64_MAX) == offset;
}

static bool matches(const struct unit *unit, const json_t *fault, unsigned int fields)
{
        const json_t *e = unit->expectation;

        if ((fields & COMPARE_CAUSE) &&
            !(same_text(e, "cause", fault, "cause") && same_text(e, "evidence", fault, "evidence")))
                return false;
        if ((fields & COMPARE_ACCESS) && !same_text(e, "access", fault, "access"))
                return false;
        if ((fields & COMPARE_OUTCOME) &&
            !(same_text(e, "outcome", fault, "outcome") && same_text(e, "mode", fault, "mode")))
                return false;
        if ((fields & COMPARE_PAGE) && json_object_get(e, "page_size") &&
            number_or(fault, "page_size", 0) != number_of(e, "page_size"))
                return false;
        return !(fields & COMPARE_NAMES) || same_names(unit, fault);
}

/* The first unit at the address or behind it. */
static size_t first_at(const struct unit *units, size_t n_units, uint64_t addr)
{
        size_t low = 0, high = n_units;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (units[middle].addr < addr)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static bool take_unit(struct unit *units, size_t n_units, const json_t *fault, unsigned int fields)
{
        uint64_t addr = address_of(fault, "addr");

        for (size_t i = first_at(units, n_units, addr); i < n_units && units[i].addr == addr; i++)
                if (units[i].n_left && matches(&units[i], fault, fields)) {
                        units[i].n_left--;
                        return true;
                }
        return false;
}

static void check_map(const json_t *fault)
{
        const json_t *map = json_object_get(fault, "map");
        uint64_t addr = address_of(fault, "addr");

        if (map)
                CHECK(address_of(map, "start") <= addr && addr < address_of(map, "end"),
                      "the map does not contain the address: %s", json_dumps(fault, 0));
}

/* Frames: a copy moves, a reuse stays, the zero page has none. */
static void check_frames(const json_t *fault)
{
        const char *cause = text_of(fault, "cause");
        uint64_t before, after;

        if (strncmp(cause, "cow-", 4) == 0) {
                before = number_of(fault, "frame_before");
                after = number_of(fault, "frame");
                CHECK(before && after && (before != after) == (strcmp(cause, "cow-copy") == 0),
                      "frames do not fit the cause: %s", json_dumps(fault, 0));
        }
        if (strcmp(cause, "zero-fill") == 0)
                CHECK(number_of(fault, "frame") != 0, "no frame: %s", json_dumps(fault, 0));
        if (strcmp(cause, "zero-page") == 0)
                CHECK(number_of(fault, "frame") == 0, "the zero page has a frame: %s", json_dumps(fault, 0));
}

/* What holds for every fault of any target. */
static void check_fault(const json_t *fault, const struct target *target, unsigned int fields)
{
        static const char *const numbers[] = {"seq", "time_ns", "pid", "tid", "cpu"};
        static const char *const texts[] = {"comm", "addr", "mode", "outcome", "cause", "evidence"};

        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                CHECK(json_is_integer(json_object_get(fault, numbers[i])), "no %s: %s", numbers[i],
                      json_dumps(fault, 0));
        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                CHECK(*text_of(fault, texts[i]), "no %s: %s", texts[i], json_dumps(fault, 0));
        CHECK(!(fields & COMPARE_ACCESS) || *text_of(fault, "access"), "no access: %s", json_dumps(fault, 0));
        CHECK(number_of(fault, "pid") == (uint64_t)target->pid, "a fault of another process: %s", json_dumps(fault, 0));
        check_map(fault);
        if (fields & COMPARE_PAGE)
                check_frames(fault);
}

static size_t show_missing(const struct unit *units, size_t n_units)
{
        size_t n_missing = 0;

        for (size_t i = 0; i < n_units; i++) {
                if (units[i].n_left && n_missing++ < MAX_SHOWN)
                        (void)fprintf(stderr, "missing %" PRIu64 " at 0x%" PRIx64 ": %s\n", units[i].n_left,
                                      units[i].addr, json_dumps(units[i].expectation, 0));
        }
        return n_missing;
}

void compare_faults(const struct client *client, const struct target *target, unsigned int fields)
{
        size_t n_units, n_extra = 0, n_missing, i;
        CLEANUP_FREE struct unit *units = expand(target->expected, &n_units);
        json_t *fault;

        json_array_foreach(client->faults, i, fault)
        {
                check_fault(fault, target, fields);
                if (!take_unit(units, n_units, fault, fields) && n_extra++ < MAX_SHOWN)
                        (void)fprintf(stderr, "not expected: %s\n", json_dumps(fault, 0));
        }
        n_missing = show_missing(units, n_units);
        CHECK(!n_extra && !n_missing, "%zu faults not expected, %zu of %zu places missing", n_extra, n_missing,
              n_units);
}
