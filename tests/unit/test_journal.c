/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is handed to the journal, byte by byte, as nothing else sees it before it is there: the fields of a record, and
 * that a stranger's name can neither add one nor reach a terminal with what terminals obey.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/monitor/journal.h"

/* All fields, a line each: "NAME=value\n". A newline within one would show as a line too many. */
static const char *fields_of(const struct journal_record *record)
{
        static char text[16384];
        size_t n = 0;

        for (size_t i = 0; i < record->n; i++) {
                assert_true(n + record->fields[i].iov_len + 2 < sizeof(text));
                memcpy(text + n, record->fields[i].iov_base, record->fields[i].iov_len);
                n += record->fields[i].iov_len;
                text[n++] = '\n';
        }
        text[n] = '\0';
        return text;
}

static void assert_fields(enum journal_id id, const struct journal_facts *facts, const char *message,
                          const char *expected)
{
        struct journal_record record;

        journal_build(id, facts, message, &record);
        assert_string_equal(fields_of(&record), expected);
}

static void test_least(void **state)
{
        assert_fields(JOURNAL_SERVICE_DEGRADED, &(struct journal_facts){.uid = JOURNAL_NOBODY}, "text",
                      "MESSAGE=text\nMESSAGE_ID=5786537cfa084934960a392e048ebb2f\nPRIORITY=4\n"
                      "SYSLOG_IDENTIFIER=faultlined\n");
}

static void test_all_fields(void **state)
{
        struct journal_facts facts = {.uid = 0,
                                      .client_pid = 2,
                                      .pid = 3,
                                      .comm = "name",
                                      .unit = "x.service",
                                      .trace = UINT32_MAX,
                                      .reason = "why",
                                      .limit = "traces",
                                      .error = 13};

        for (unsigned int i = 0; i < N_JOURNAL_COUNTS; i++)
                journal_set_count(&facts, i, i == 0 ? 0 : UINT64_MAX - i);
        assert_fields(JOURNAL_ATTACH_GRANTED, &facts, "text",
                      "MESSAGE=text\nMESSAGE_ID=8db714b7512e4185957c3204761d9171\nPRIORITY=6\n"
                      "SYSLOG_IDENTIFIER=faultlined\nFAULTLINE_UID=0\nFAULTLINE_CLIENT_PID=2\nFAULTLINE_PID=3\n"
                      "FAULTLINE_COMM=name\nFAULTLINE_UNIT=x.service\nFAULTLINE_TRACE=4294967295\n"
                      "FAULTLINE_REASON=why\nFAULTLINE_LIMIT=traces\nFAULTLINE_ERRNO=13\nFAULTLINE_FAULTS=0\n"
                      "FAULTLINE_LOST=18446744073709551614\nFAULTLINE_LOST_RECORDS=18446744073709551613\n"
                      "FAULTLINE_DELIVERED=18446744073709551612\nFAULTLINE_DROPPED=18446744073709551611\n"
                      "FAULTLINE_SUPPRESSED=18446744073709551610\n");
}

static void test_hostile_names(void **state)
{
        assert_fields(JOURNAL_ATTACH_DENIED,
                      &(struct journal_facts){.uid = 1, .comm = "a\nPRIORITY=0", .unit = "\x1b]0;x\x07\x7f\xc2\x9b"},
                      "b\nMESSAGE_ID=0\r\x1b[2J",
                      "MESSAGE=b?MESSAGE_ID=0??[2J\nMESSAGE_ID=e2cca1417f0c402bbc41a941e570143d\nPRIORITY=5\n"
                      "SYSLOG_IDENTIFIER=faultlined\nFAULTLINE_UID=1\nFAULTLINE_COMM=a?PRIORITY=0\n"
                      "FAULTLINE_UNIT=?]0;x????\n");
}

/* The longest of all texts leave room for every field. */
static void test_long(void **state)
{
        static char longest[5000];
        struct journal_facts facts = {.uid = UINT32_MAX - 1,
                                      .client_pid = INT32_MAX,
                                      .pid = INT32_MAX,
                                      .comm = longest,
                                      .unit = longest,
                                      .trace = UINT32_MAX,
                                      .reason = longest,
                                      .limit = longest,
                                      .error = 4095};
        struct journal_record record;

        memset(longest, 'x', sizeof(longest) - 1);
        for (unsigned int i = 0; i < N_JOURNAL_COUNTS; i++)
                journal_set_count(&facts, i, UINT64_MAX);
        journal_build(JOURNAL_LIMIT_REACHED, &facts, longest, &record);
        assert_int_equal(record.n, JOURNAL_FIELDS_MAX);
        assert_int_equal(record.fields[0].iov_len, strlen("MESSAGE=") + JOURNAL_TEXT_BYTES - 1);
        for (size_t i = 0; i < record.n; i++)
                assert_non_null(memchr(record.fields[i].iov_base, '=', record.fields[i].iov_len));
}

static void test_clean(void **state)
{
        static const struct {
                const char *text, *cleaned;
        } cases[] = {
                {"", ""},
                {"plain ~", "plain ~"},
                {"\x01\x1f\x7f", "???"},
                {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
                {"\xc2\x80\xc2\x9f\xc2\xa0", "????\xc2\xa0"},                 /* C1, and the first after it */
                {"\x9b\xff\xc3", "???"},                                      /* alone, never, cut off */
                {"\xc0\xaf\xe0\x80\x8a\xf0\x80\x80\x8a", "?????????"},        /* longer than needed */
                {"\xed\xa0\x80\xed\x9f\xbf", "???\xed\x9f\xbf"},              /* a surrogate, and what is before them */
                {"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80", "\xf4\x8f\xbf\xbf????"}, /* the last character */
                {"\xf8\x88\x80\x80\x80\xe2\x82z", "?????\?\?z"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char text[64];

                (void)snprintf(text, sizeof(text), "%s", cases[i].text);
                log_clean(text);
                assert_string_equal(text, cases[i].cleaned);
        }
}

static void test_ids(void **state)
{
        for (unsigned int i = 0; i < N_JOURNAL_IDS; i++)
                assert_int_equal(strspn(journal_message_id(i), "0123456789abcdef"), 32);
        assert_true(journal_is_for_all(JOURNAL_ENGINE_RESTARTED));
        assert_false(journal_is_for_all(JOURNAL_ATTACH_GRANTED));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_least), cmocka_unit_test(test_all_fields), cmocka_unit_test(test_hostile_names),
                cmocka_unit_test(test_long),  cmocka_unit_test(test_clean),      cmocka_unit_test(test_ids),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
