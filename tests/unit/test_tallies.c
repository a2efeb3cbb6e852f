/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Figures on a page, and their sums by user and unit: nothing gets lost, whatever names there are and however many. */
#include "daemon/monitor/tallies.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#define USER 1000
#define OTHER_USER 1001

static size_t get(struct tallies *tallies, uid_t uid, const char *unit)
{
        size_t index = SIZE_MAX;

        assert_int_equal(tallies_get(tallies, uid, unit, &index), 0);
        assert_true(index < tallies->n);
        return index;
}

static struct tally *get_tally(struct tallies *tallies, uid_t uid, const char *unit)
{
        size_t index = get(tallies, uid, unit); /* which may move them */

        return &tallies->tallies[index];
}

/* ---- figures ---- */

/* Each bucket holds what is above the bound before it and not above its own. */
static void test_buckets(void **state)
{
        assert_int_equal(figures_bucket(0), 0);
        assert_int_equal(figures_bucket(1), 0);
        for (unsigned int i = 0; i < PROTO_LATENCY_BUCKETS - 1; i++) {
                assert_int_equal(figures_bucket(PROTO_LATENCY_BOUND_NS(i)), i);
                assert_int_equal(figures_bucket(PROTO_LATENCY_BOUND_NS(i) + 1), i + 1);
                assert_int_equal(figures_bucket(PROTO_LATENCY_BOUND_NS(i) - 1), i);
        }
        assert_int_equal(figures_bucket(UINT64_MAX - 1), PROTO_LATENCY_BUCKETS - 1);
}

static void count(struct figures *figures, enum cause cause, enum outcome outcome, uint64_t latency_ns, uint8_t flags)
{
        figures_count(figures, &(struct proto_event){
                                       .cause = cause, .outcome = outcome, .latency_ns = latency_ns, .flags = flags});
}

static void test_counting(void **state)
{
        struct figures figures = {0}, expected = {0};

        count(&figures, CAUSE_ZERO_FILL, OUTCOME_MINOR, 5000, 0);
        count(&figures, CAUSE_ZERO_FILL, OUTCOME_MINOR, PROTO_UNKNOWN, PROTO_EVENT_KERNEL_MODE);
        count(&figures, CAUSE_FILE_MAJOR, OUTCOME_MAJOR, 1500, 0);
        count(&figures, CAUSE_SWAP_IN, OUTCOME_MAJOR, 3 * NSEC_PER_SEC, 0);
        count(&figures, CAUSE_FILE_MAJOR, OUTCOME_MAJOR, PROTO_UNKNOWN, 0);
        count(&figures, CAUSE_UNKNOWN, OUTCOME_NONE, 7, PROTO_EVENT_INCOMPLETE);
        expected.n_by_cause[CAUSE_ZERO_FILL] = 2;
        expected.n_by_cause[CAUSE_FILE_MAJOR] = 2;
        expected.n_by_cause[CAUSE_SWAP_IN] = 1;
        expected.n_by_cause[CAUSE_UNKNOWN] = 1;
        expected.n_by_outcome[OUTCOME_MINOR] = 2;
        expected.n_by_outcome[OUTCOME_MAJOR] = 3;
        expected.n_by_outcome[OUTCOME_NONE] = 1;
        expected.n_major_by_latency[1] = 1;
        expected.n_major_by_latency[PROTO_LATENCY_BUCKETS - 1] = 1;
        expected.major_ns = 1500 + 3 * NSEC_PER_SEC;
        expected.n_incomplete = 1;
        assert_memory_equal(&figures, &expected, sizeof(figures));
        figures = figures_read(&expected);
        assert_memory_equal(&figures, &expected, sizeof(figures));
}

/* ---- sums ---- */

static void test_users_and_units_are_told_apart(void **state)
{
        CLEANUP(tallies_deinit) struct tallies tallies = {.max_of_user = TALLIES_MAX_OF_USER};
        size_t a = get(&tallies, USER, "a.service"), b = get(&tallies, USER, "b.service");
        size_t other = get(&tallies, OTHER_USER, "a.service"), none = get(&tallies, USER, "");

        assert_int_equal(tallies.n, 4);
        assert_true(a != b && a != other && a != none && b != other && b != none && other != none);
        assert_int_equal(get(&tallies, USER, "a.service"), a);
        assert_int_equal(get(&tallies, USER, "b.service"), b);
        assert_int_equal(get(&tallies, OTHER_USER, "a.service"), other);
        assert_int_equal(get(&tallies, USER, ""), none);
        assert_int_equal(tallies.n, 4);
        assert_int_equal(tallies.tallies[other].uid, OTHER_USER);
        assert_string_equal(tallies.tallies[other].unit, "a.service");
}

static void test_sums(void **state)
{
        CLEANUP(tallies_deinit) struct tallies tallies = {0};
        struct tally *tally;
        struct figures figures, expected;

        for (size_t i = 0; i < FIGURES_N; i++) {
                ((uint64_t *)&figures)[i] = i + 1;
                ((uint64_t *)&expected)[i] = (i + 1) * 3;
        }
        tally = get_tally(&tallies, USER, "a.service");
        tallies_add(tally, 1, &figures);
        tallies_add(tally, 0, &figures);
        tallies_add(tally, 4, &figures);
        assert_int_equal(tally->n_traces, 5);
        assert_memory_equal(&tally->sums, &expected, sizeof(expected));
}

/* An engine can write what it likes: a sum does not begin again at 0. */
static void test_hostile_figures(void **state)
{
        CLEANUP(tallies_deinit) struct tallies tallies = {0};
        struct tally *tally = get_tally(&tallies, USER, "a.service");
        struct figures figures, some = {.n_lost = 7};

        memset(&figures, 0xff, sizeof(figures));
        tallies_add(tally, 1, &some);
        tallies_add(tally, 1, &figures);
        tallies_add(tally, UINT64_MAX, &some);
        assert_memory_equal(&tally->sums, &figures, sizeof(figures));
        assert_true(tally->n_traces == UINT64_MAX);
}

static void test_long_names(void **state)
{
        CLEANUP(tallies_deinit) struct tallies tallies = {0};
        char name[2 * TALLY_UNIT_BYTES];
        size_t at;

        memset(name, 'x', sizeof(name) - 1);
        name[sizeof(name) - 1] = '\0';
        at = get(&tallies, USER, name);
        assert_int_equal(strlen(tallies.tallies[at].unit), TALLY_UNIT_BYTES - 1);
        assert_int_equal(get(&tallies, USER, name), at);
        name[TALLY_UNIT_BYTES - 1] = '\0';
        assert_int_equal(get(&tallies, USER, name), at);
}

static size_t get_numbered(struct tallies *tallies, uid_t uid, size_t i)
{
        char name[32];

        (void)snprintf(name, sizeof(name), "u%zu.service", i);
        return get(tallies, uid, name);
}

/* The last place of a user is for the rest; what was there before stays where it was. */
static void test_one_user_takes_no_more_than_his_share(void **state)
{
        CLEANUP(tallies_deinit) struct tallies tallies = {.max_of_user = TALLIES_MAX_OF_USER};
        size_t rest;

        for (size_t i = 0; i < TALLIES_MAX_OF_USER - 1; i++)
                assert_int_equal(get_numbered(&tallies, USER, i), i);
        rest = get_numbered(&tallies, USER, TALLIES_MAX_OF_USER - 1);
        assert_string_equal(tallies.tallies[rest].unit, TALLY_REST);
        assert_int_equal(tallies.tallies[rest].uid, USER);
        for (size_t i = TALLIES_MAX_OF_USER; i < 5000; i++)
                assert_int_equal(get_numbered(&tallies, USER, i), rest);
        assert_int_equal(tallies.n, TALLIES_MAX_OF_USER);
        for (size_t i = 0; i < TALLIES_MAX_OF_USER - 1; i++)
                assert_int_equal(get_numbered(&tallies, USER, i), i);
        assert_string_equal(get_tally(&tallies, OTHER_USER, "u5000.service")->unit, "u5000.service");
}

/* As many users as there are: the last place of all is everybody's. */
static void test_all_users_together(void **state)
{
        CLEANUP(tallies_deinit) struct tallies tallies = {.max_of_user = TALLIES_MAX_OF_USER};
        size_t rest;

        for (uid_t uid = 0; uid < TALLIES_MAX - 1; uid++)
                assert_int_equal(get(&tallies, uid, "a.service"), uid);
        rest = get(&tallies, TALLIES_MAX, "a.service");
        assert_int_equal(rest, TALLIES_MAX - 1);
        assert_string_equal(tallies.tallies[rest].unit, TALLY_REST);
        assert_true(tallies.tallies[rest].uid == TALLY_NOBODY);
        assert_int_equal(get(&tallies, TALLIES_MAX + 1, "b.service"), rest);
        assert_int_equal(get(&tallies, 5, "b.service"), rest);
        assert_int_equal(get(&tallies, 5, "a.service"), 5);
        assert_int_equal(tallies.n, TALLIES_MAX);
}

static void test_without_a_bound_for_users(void **state)
{
        CLEANUP(tallies_deinit) struct tallies tallies = {0};

        for (size_t i = 0; i < TALLIES_MAX - 1; i++)
                assert_int_equal(get_numbered(&tallies, USER, i), i);
        assert_int_equal(get_numbered(&tallies, USER, TALLIES_MAX), TALLIES_MAX - 1);
        assert_int_equal(get_numbered(&tallies, USER, TALLIES_MAX + 1), TALLIES_MAX - 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_buckets),
                cmocka_unit_test(test_counting),
                cmocka_unit_test(test_users_and_units_are_told_apart),
                cmocka_unit_test(test_sums),
                cmocka_unit_test(test_hostile_figures),
                cmocka_unit_test(test_long_names),
                cmocka_unit_test(test_one_user_takes_no_more_than_his_share),
                cmocka_unit_test(test_all_users_together),
                cmocka_unit_test(test_without_a_bound_for_users),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
