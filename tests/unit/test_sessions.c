/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of traces that outlive the daemon (daemon/monitor/sessions.h), and what was missed while there was none. */
#include "daemon/monitor/sessions.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "daemon/monitor/keeper.h"

static struct sessions table;

static struct session_record record_of(uint32_t uid, uint64_t key)
{
        return (struct session_record){.uid = uid, .pid = 42, .key = {.high = key, .low = ~key}};
}

static struct session_record *find(uint32_t uid, uint64_t high, uint64_t low)
{
        return sessions_find(&table, &(struct proto_key){.high = high, .low = low}, uid);
}

static void test_key_and_user(void **state)
{
        const struct session_record mine = record_of(1000, 7), other = record_of(1001, 8);
        struct session_record *record;

        sessions_init(&table);
        record = sessions_add(&table, &mine);
        assert_non_null(record);
        assert_non_null(sessions_add(&table, &other));
        assert_ptr_equal(find(1000, 7, ~UINT64_C(7)), record);
        assert_null(find(1001, 7, ~UINT64_C(7)));
        assert_null(find(0, 7, ~UINT64_C(7)));
        assert_null(find(1000, 7, ~UINT64_C(7) ^ 1));
        assert_null(find(1000, 6, ~UINT64_C(7)));
        sessions_remove(record);
        assert_null(find(1000, 7, ~UINT64_C(7)));
        assert_null(find(1000, 0, 0)); /* the key of what is free */
}

static void test_serials_are_not_used_again(void **state)
{
        const struct session_record values = record_of(0, 1);
        struct session_record *record;

        sessions_init(&table);
        for (uint64_t i = 1; i <= 3; i++) {
                record = sessions_add(&table, &values);
                assert_true(record->serial == i);
                assert_ptr_equal(record, &table.records[0]);
                assert_ptr_equal(sessions_find_serial(&table, i), record);
                sessions_remove(record);
                assert_null(sessions_find_serial(&table, i));
        }
        assert_null(sessions_find_serial(&table, 0));
}

static void test_full(void **state)
{
        sessions_init(&table);
        for (uint64_t i = 1; i <= SESSIONS_MAX; i++) {
                const struct session_record values = record_of(0, i);

                assert_non_null(sessions_add(&table, &values));
        }
        const struct session_record one_more = record_of(0, 1000);
        assert_null(sessions_add(&table, &one_more));
        sessions_remove(&table.records[17]);
        assert_ptr_equal(sessions_add(&table, &one_more), &table.records[17]);
}

/* Nothing of another version is believed. */
static void test_other_versions(void **state)
{
        sessions_init(&table);
        assert_true(sessions_are_known(&table, sizeof(table)));
        assert_false(sessions_are_known(&table, sizeof(table) - 1));
        assert_false(sessions_are_known(&table, sizeof(table) + 1));
        table.version++;
        assert_false(sessions_are_known(&table, sizeof(table)));
        sessions_init(&table);
        table.magic = 0;
        assert_false(sessions_are_known(&table, sizeof(table)));
        sessions_init(&table);
        table.record_bytes--;
        assert_false(sessions_are_known(&table, sizeof(table)));
        sessions_init(&table);
        table.n_records++;
        assert_false(sessions_are_known(&table, sizeof(table)));
}

/* Of two checkpoints one is whole at any time, whatever the index says. */
static void test_checkpoints(void **state)
{
        struct session_record record = {.current = 0xfffffffe};

        for (uint64_t i = 1; i < 5; i++) {
                const struct session_checkpoint before = *session_read(&record), checkpoint = {.time_ns = i};

                session_write(&record, &checkpoint);
                assert_true(session_read(&record)->time_ns == i);
                assert_true(record.checkpoints[(record.current & 1) ^ 1].time_ns == before.time_ns);
        }
        record.current = UINT32_MAX;
        assert_ptr_equal(session_read(&record), &record.checkpoints[1]);
}

#define ALL (SESSION_HAS_FAULTS | SESSION_HAS_EVENTS)
#define UNKNOWN PROTO_UNKNOWN

static void test_missed(void **state)
{
        static const struct {
                const char *what;
                struct session_checkpoint then, now;
                struct link_attach resume;
                uint64_t min_flt, maj_flt;
                bool is_exact;
        } cases[] = {
                {"the daemon told all",
                 {.min_flt = 100,
                  .maj_flt = 10,
                  .n_minor = 50,
                  .n_major = 5,
                  .flags = ALL | SESSION_IS_LAST | SESSION_IS_EXACT},
                 {.min_flt = 130, .maj_flt = 11, .flags = ALL},
                 {.is_whole = 1},
                 30,
                 1,
                 true},
                {"... but could not compare at the end",
                 {.min_flt = 100, .maj_flt = 10, .n_minor = 50, .n_major = 5, .flags = ALL | SESSION_IS_LAST},
                 {.min_flt = 130, .maj_flt = 11, .flags = ALL},
                 {.is_whole = 1},
                 30,
                 1,
                 false},
                {"... or not at the beginning",
                 {.min_flt = 100, .maj_flt = 10, .flags = ALL | SESSION_IS_LAST | SESSION_IS_EXACT},
                 {.min_flt = 130, .maj_flt = 11, .flags = SESSION_HAS_FAULTS},
                 {.is_whole = 1},
                 30,
                 1,
                 false},
                {"the client did not hear it: 50 + 5 were counted, it has 40 + 5",
                 {.min_flt = 100,
                  .maj_flt = 10,
                  .n_minor = 50,
                  .n_major = 5,
                  .flags = ALL | SESSION_IS_LAST | SESSION_IS_EXACT},
                 {.min_flt = 130, .maj_flt = 11, .flags = ALL},
                 {.n_minor = 40, .n_major = 5},
                 40,
                 1,
                 false},
                {"the daemon was killed; the client has more than at the last checkpoint",
                 {.min_flt = 100, .maj_flt = 10, .n_minor = 50, .n_major = 5, .flags = ALL},
                 {.min_flt = 130, .maj_flt = 11, .flags = ALL},
                 {.n_minor = 60, .n_major = 5},
                 20,
                 1,
                 false},
                {"what was filtered is taken for minor: the sum is right",
                 {.min_flt = 100, .maj_flt = 10, .n_minor = 50, .n_major = 5, .flags = ALL},
                 {.min_flt = 100, .maj_flt = 12, .flags = ALL},
                 {.n_minor = 51, .n_major = 5},
                 0,
                 1,
                 false},
                {"a client that says too much",
                 {.min_flt = 100, .maj_flt = 10, .n_minor = 50, .n_major = 5, .flags = ALL},
                 {.min_flt = 130, .maj_flt = 11, .flags = ALL},
                 {.n_minor = 1000, .n_major = 5},
                 0,
                 0,
                 false},
                {"events counted before an exec took them",
                 {.min_flt = 100, .maj_flt = 10, .flags = SESSION_HAS_FAULTS},
                 {.min_flt = 130, .maj_flt = 11, .flags = ALL},
                 {.n_minor = 1000},
                 30,
                 1,
                 false},
                {"a unit", {.flags = 0}, {.flags = 0}, {.n_minor = 3}, UNKNOWN, UNKNOWN, false},
                {"a process that was reaped",
                 {.min_flt = 1, .flags = ALL},
                 {.flags = 0},
                 {.n_minor = 3},
                 UNKNOWN,
                 UNKNOWN,
                 false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct session_checkpoint then = cases[i].then, now = cases[i].now;
                struct proto_missed missed;

                then.time_ns = 1000;
                now.time_ns = 2000;
                missed = session_missed(&then, &cases[i].resume, &now);
                if (missed.min_flt != cases[i].min_flt || missed.maj_flt != cases[i].maj_flt ||
                    missed.is_exact != cases[i].is_exact)
                        fail_msg("%s: %llu minor, %llu major, exact %d", cases[i].what,
                                 (unsigned long long)missed.min_flt, (unsigned long long)missed.maj_flt,
                                 missed.is_exact);
                assert_true(missed.since_ns == 1000 && missed.until_ns == 2000);
        }
}

static void test_names_of_descriptors(void **state)
{
        static const char *const strangers[] = {"",         "trace-",  "trace-0",   "trace-x",
                                                "trace-1x", "session", "sessionsx", "TRACE-1"};
        uint64_t serial = 99;

        assert_true(keeper_parse_name("sessions", &serial) && serial == 0);
        assert_true(keeper_parse_name("trace-17", &serial) && serial == 17);
        for (size_t i = 0; i < ARRAY_SIZE(strangers); i++) {
                serial = 99;
                assert_false(keeper_parse_name(strangers[i], &serial));
                assert_true(serial == 99);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_key_and_user),
                cmocka_unit_test(test_serials_are_not_used_again),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_other_versions),
                cmocka_unit_test(test_checkpoints),
                cmocka_unit_test(test_missed),
                cmocka_unit_test(test_names_of_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
