/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* filter.c: each criterion alone at its edges, and that all of them must pass. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/serve/filter.h"

#define GLOB(text)                                                                                                     \
        {                                                                                                              \
                .data = (text), .n_bytes = sizeof(text) - 1                                                            \
        }

static bool passes(const struct proto_filter *spec, const struct fault *fault)
{
        struct filter filter;
        bool result;

        assert_int_equal(filter_init(&filter, spec), 0);
        result = filter_passes(&filter, fault);
        filter_deinit(&filter);
        return result;
}

/* Every single bit against every single value. */
static void test_masks(void **state)
{
        for (unsigned int bit = 0; bit < 32; bit++) {
                struct proto_filter outcomes = {.outcomes = UINT32_C(1) << bit};
                struct proto_filter causes = {.causes = UINT32_C(1) << bit};
                struct proto_filter accesses = {.accesses = UINT32_C(1) << bit};

                for (unsigned int value = 0; value < N_CAUSES; value++) {
                        struct fault fault = {.cause = (enum cause)value};

                        assert_int_equal(passes(&causes, &fault), value == bit);
                }
                for (unsigned int value = 0; value < N_OUTCOMES; value++) {
                        struct fault fault = {.outcome = (enum outcome)value};

                        assert_int_equal(passes(&outcomes, &fault), value == bit);
                }
                for (unsigned int value = 0; value < N_ACCESSES; value++) {
                        struct fault fault = {.access = (enum access)value};

                        assert_int_equal(passes(&accesses, &fault), value == bit);
                }
        }
}

static void test_latency(void **state)
{
        static const struct {
                uint64_t least, latency_ns;
                bool passes;
        } cases[] = {{0, 0, true},     {0, UINT64_MAX, true},  {100, 99, false},
                     {100, 100, true}, {100, 101, true},       {100, UINT64_MAX, false},
                     {1, 0, false},    {UINT64_MAX, 5, false}, {UINT64_MAX, UINT64_MAX, false}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct proto_filter spec = {.min_latency_ns = cases[i].least};
                struct fault fault = {.latency_ns = cases[i].latency_ns};

                assert_int_equal(passes(&spec, &fault), cases[i].passes);
        }
}

static void test_glob(void **state)
{
        static const struct {
                struct proto_string glob;
                const char *path;
                bool passes;
        } cases[] = {
                {GLOB(""), "/lib/libc.so", true},
                {GLOB("*"), "/lib/libc.so", true},
                {GLOB("*libc*"), "/lib/libc.so", true},
                {GLOB("*libc"), "/lib/libc.so", false},
                {GLOB("[[]heap]"), "[heap]", true},
                {GLOB("[heap]"), "[heap]", false},
                {GLOB("?"), "", false},
                {GLOB("*"), "", true},
                {GLOB("/lib/libc.so"), "/lib/libc.so", true},
                {GLOB("/LIB/*"), "/lib/libc.so", false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct proto_filter spec = {.map_glob = cases[i].glob};
                struct map_spec map = {
                        .start = 0x1000, .end = 0x2000, .path = cases[i].path, .n_path = strlen(cases[i].path)};
                struct fault fault = {.map = map_new(&map)};

                assert_non_null(fault.map);
                assert_int_equal(passes(&spec, &fault), cases[i].passes);
                map_unref(fault.map);
                fault.map = NULL;
                assert_int_equal(passes(&spec, &fault), cases[i].glob.n_bytes == 0);
        }
}

/* The glob is copied with its length: what lies behind it, or happens to it later, does not matter. */
static void test_glob_is_copied(void **state)
{
        char text[] = "/lib/*XYZ";
        struct proto_filter spec = {.map_glob = {.data = text, .n_bytes = 6}};
        struct map_spec map_spec = {.start = 0x1000, .end = 0x2000, .path = "/lib/a", .n_path = 6};
        struct fault fault = {.map = map_new(&map_spec)};
        struct filter filter;

        assert_int_equal(filter_init(&filter, &spec), 0);
        memset(text, 'q', sizeof(text));
        assert_true(filter_passes(&filter, &fault));
        filter_deinit(&filter);
        map_unref(fault.map);
}

static void test_glob_with_nul(void **state)
{
        struct proto_filter spec = {.map_glob = GLOB("/lib\0*")};
        struct filter filter = {.causes = 77};

        assert_int_equal(filter_init(&filter, &spec), -EINVAL);
        assert_int_equal(filter.causes, 77);
}

static void test_all_must_pass(void **state)
{
        const struct map_spec map_spec = {.start = 0x1000, .end = 0x2000, .path = "/x", .n_path = 2};
        const struct proto_filter whole = {.outcomes = 1u << OUTCOME_MINOR,
                                           .causes = 1u << CAUSE_ZERO_FILL,
                                           .accesses = 1u << ACCESS_WRITE,
                                           .min_latency_ns = 10,
                                           .map_glob = GLOB("/x")};
        struct fault fault = {.outcome = OUTCOME_MINOR,
                              .cause = CAUSE_ZERO_FILL,
                              .access = ACCESS_WRITE,
                              .latency_ns = 10,
                              .map = map_new(&map_spec)};

        assert_true(passes(&whole, &fault));
        for (int i = 0; i < 5; i++) {
                struct proto_filter spec = whole;

                spec.outcomes = i == 0 ? 1u << OUTCOME_MAJOR : spec.outcomes;
                spec.causes = i == 1 ? 1u << CAUSE_SHMEM : spec.causes;
                spec.accesses = i == 2 ? 1u << ACCESS_READ : spec.accesses;
                spec.min_latency_ns = i == 3 ? 11 : spec.min_latency_ns;
                spec.map_glob = i == 4 ? (struct proto_string)GLOB("/y") : spec.map_glob;
                assert_false(passes(&spec, &fault));
        }
        map_unref(fault.map);
}

static void test_is_open(void **state)
{
        static const struct {
                struct proto_filter spec;
                bool open;
        } cases[] = {{{.outcomes = 0}, true},  {{.outcomes = 2}, false},       {{.causes = 1}, false},
                     {{.accesses = 1}, false}, {{.min_latency_ns = 1}, false}, {{.map_glob = GLOB("*")}, false}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct filter filter;

                assert_int_equal(filter_init(&filter, &cases[i].spec), 0);
                assert_int_equal(filter_is_open(&filter), cases[i].open);
                filter_deinit(&filter);
                assert_true(filter_is_open(&filter));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_masks),         cmocka_unit_test(test_latency),
                cmocka_unit_test(test_glob),          cmocka_unit_test(test_glob_is_copied),
                cmocka_unit_test(test_glob_with_nul), cmocka_unit_test(test_all_must_pass),
                cmocka_unit_test(test_is_open),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
