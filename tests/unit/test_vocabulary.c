/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words and message numbers that are a contract: dense, unique, and never silently changed. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/proto.h"
#include "proto/vocabulary.h"

struct word {
        unsigned int number;
        const char *name;
        const char *text;
};

#define X_OUTCOME(name, number, text) {(number), #name, text},
static const struct word outcomes[] = {
#include "proto/vocabulary.def"
};
#define X_CAUSE(name, number, text) {(number), #name, text},
static const struct word causes[] = {
#include "proto/vocabulary.def"
};
#define X_ACCESS(name, number, text) {(number), #name, text},
static const struct word accesses[] = {
#include "proto/vocabulary.def"
};
#define X_MODE(name, number, text) {(number), #name, text},
static const struct word modes[] = {
#include "proto/vocabulary.def"
};
#define X_EVIDENCE(name, number, text) {(number), #name, text},
static const struct word evidences[] = {
#include "proto/vocabulary.def"
};
#define X_DETAIL(name, number, text) {(number), #name, text},
static const struct word details[] = {
#include "proto/vocabulary.def"
};
#define X_PTRACE(name, number, text) {(number), #name, text},
static const struct word ptrace_modes[] = {
#include "proto/vocabulary.def"
};
#define X_VERDICT(name, number, text) {(number), #name, text},
static const struct word verdicts[] = {
#include "proto/vocabulary.def"
};
#define X_MESSAGE(name, number, lower, doc) {(number), #name, #lower},
static const struct word messages[] = {
#include "proto/messages.def"
};

/* The words are numbered 0, 1, 2 ... in the order of their table, text() knows each and nothing behind the last. */
static void check_dense(const struct word *words, size_t n, const char *(*text)(unsigned int))
{
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(words[i].number, i);
                assert_string_equal(text(words[i].number), words[i].text);
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(words[k].text, words[i].text);
        }
        assert_null(text((unsigned int)n));
        assert_null(text(255));
        assert_null(text(UINT32_MAX));
}

static void test_words(void **state)
{
        check_dense(outcomes, ARRAY_SIZE(outcomes), outcome_text);
        check_dense(causes, ARRAY_SIZE(causes), cause_text);
        check_dense(accesses, ARRAY_SIZE(accesses), access_text);
        check_dense(modes, ARRAY_SIZE(modes), mode_text);
        check_dense(evidences, ARRAY_SIZE(evidences), evidence_text);
        check_dense(details, ARRAY_SIZE(details), detail_text);
        check_dense(ptrace_modes, ARRAY_SIZE(ptrace_modes), ptrace_mode_text);
        check_dense(verdicts, ARRAY_SIZE(verdicts), verdict_text);
}

static void test_counts_are_complete(void **state)
{
        assert_int_equal(ARRAY_SIZE(outcomes), N_OUTCOMES);
        assert_int_equal(ARRAY_SIZE(causes), N_CAUSES);
        assert_int_equal(ARRAY_SIZE(accesses), N_ACCESSES);
        assert_int_equal(ARRAY_SIZE(verdicts), N_VERDICTS);
}

/* Filter masks are 32 bits by enum value. */
static void test_masks_have_a_bit_for_every_word(void **state)
{
        assert_true(N_OUTCOMES <= 32);
        assert_true(N_CAUSES <= 32);
        assert_true(N_ACCESSES <= 32);
}

/* text is NAME in lower case, with - for _. */
static void check_texts_follow_names(const struct word *words, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(strlen(words[i].name), strlen(words[i].text));
                for (size_t k = 0; words[i].name[k]; k++) {
                        char c = words[i].name[k];

                        assert_int_equal(words[i].text[k], c == '_' ? '-' : c - 'A' + 'a');
                }
        }
}

static void test_texts_follow_names(void **state)
{
        check_texts_follow_names(outcomes, ARRAY_SIZE(outcomes));
        check_texts_follow_names(causes, ARRAY_SIZE(causes));
        check_texts_follow_names(accesses, ARRAY_SIZE(accesses));
        check_texts_follow_names(modes, ARRAY_SIZE(modes));
        check_texts_follow_names(evidences, ARRAY_SIZE(evidences));
        check_texts_follow_names(details, ARRAY_SIZE(details));
        check_texts_follow_names(ptrace_modes, ARRAY_SIZE(ptrace_modes));
        check_texts_follow_names(verdicts, ARRAY_SIZE(verdicts));
}

/* Old peers and recordings hold these numbers. A new word gets a line of its own here. */
static void test_numbers_never_change(void **state)
{
        assert_string_equal(outcome_text(0), "none");
        assert_string_equal(outcome_text(1), "minor");
        assert_string_equal(outcome_text(2), "major");
        assert_string_equal(outcome_text(3), "failed");
        assert_string_equal(outcome_text(4), "interrupted");
        assert_string_equal(outcome_text(5), "emulated");
        assert_string_equal(outcome_text(6), "open");
        assert_string_equal(cause_text(1), "zero-fill");
        assert_string_equal(cause_text(8), "mkwrite");
        assert_string_equal(cause_text(16), "spurious");
        assert_string_equal(cause_text(22), "kernel-address");
        assert_string_equal(access_text(1), "read");
        assert_string_equal(access_text(2), "write");
        assert_string_equal(access_text(3), "exec");
        assert_string_equal(mode_text(1), "kernel");
        assert_string_equal(evidence_text(1), "inferred");
        assert_string_equal(detail_text(3), "unprivileged");
        assert_string_equal(ptrace_mode_text(1), "hold");
        assert_string_equal(ptrace_mode_text(2), "light");
        assert_string_equal(ptrace_mode_text(3), "off");
        assert_string_equal(verdict_text(1), "unmapped");
        assert_string_equal(verdict_text(8), "use-after-unmap");
        assert_string_equal(verdict_text(12), "hardware");
        assert_int_equal(MESSAGE_HELLO, 1);
        assert_int_equal(MESSAGE_WELCOME, 64);
        assert_int_equal(MESSAGE_BYE, 76);
        assert_int_equal(MESSAGE_SIGNAL, 77);
        assert_int_equal(MESSAGE_REVOKED, 78);
        assert_int_equal(MESSAGE_STATUS, 6);
        assert_int_equal(MESSAGE_STATUS_END, 83);
}

/* Clients send 1..63, daemons 64..127; a table sorted by number has no number twice. */
static void test_messages(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
                assert_in_range(messages[i].number, 1, 127);
                assert_true(i == 0 || messages[i - 1].number < messages[i].number);
                assert_string_equal(message_text(messages[i].number), messages[i].text);
        }
        assert_null(message_text(0));
        assert_null(message_text(63));
        assert_null(message_text(128));
        assert_null(message_text(UINT16_MAX));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_words),
                cmocka_unit_test(test_counts_are_complete),
                cmocka_unit_test(test_masks_have_a_bit_for_every_word),
                cmocka_unit_test(test_texts_follow_names),
                cmocka_unit_test(test_numbers_never_change),
                cmocka_unit_test(test_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
