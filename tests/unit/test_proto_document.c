/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* PROTOCOL.md is the contract: its example is what the encoder writes, and its table of messages is messages.def. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/proto.h"
#include "tests/unit/golden.h"
#include "tests/unit/proto_samples.h"

#define DOCUMENT GOLDEN_DIR "/../../../proto/PROTOCOL.md"
#define EXAMPLE_MAX_BYTES 1024

static FILE *open_document(void)
{
        FILE *file = fopen(DOCUMENT, "re");

        if (!file)
                fail_msg("cannot read %s: %s", DOCUMENT, strerror(errno));
        return file;
}

/* The hexadecimal pairs of a line up to its comment. */
static size_t read_line(const char *line, uint8_t *to, size_t size_bytes)
{
        size_t n = 0;

        for (; *line && *line != '|' && *line != '\n'; line++) {
                if (*line == ' ')
                        continue;
                assert_true(golden_digit(line[0]) >= 0 && golden_digit(line[1]) >= 0 && n < size_bytes);
                to[n++] = (uint8_t)(golden_digit(line[0]) << 4 | golden_digit(line[1]));
                line++;
        }
        return n;
}

/* The block between ```hex and ```. */
static size_t read_example(FILE *file, uint8_t *to, size_t size_bytes)
{
        bool inside = false;
        char line[512];
        size_t n = 0;

        while (fgets(line, sizeof(line), file)) {
                if (strcmp(line, "```hex\n") == 0)
                        inside = true;
                else if (inside && strcmp(line, "```\n") == 0)
                        return n;
                else if (inside)
                        n += read_line(line, to + n, size_bytes - n);
        }
        fail_msg("%s has no block of hexadecimal bytes", DOCUMENT);
        return 0;
}

static void test_example(void **state)
{
        uint8_t expected[EXAMPLE_MAX_BYTES], written[EXAMPLE_MAX_BYTES];
        struct proto_buffer buffer = {.data = expected, .size_bytes = sizeof(expected)};
        FILE *file = open_document();
        size_t n = read_example(file, written, sizeof(written));

        fclose(file);
        append_sample_hello(&buffer);
        append_sample_dict(&buffer);
        append_sample_events(&buffer);
        assert_int_equal(n, buffer.n_bytes);
        assert_memory_equal(written, expected, n);
}

static bool document_has_line_that_begins(const char *start)
{
        FILE *file = open_document();
        bool found = false;
        char line[512];

        while (!found && fgets(line, sizeof(line), file))
                found = strncmp(line, start, strlen(start)) == 0;
        fclose(file);
        return found;
}

static void test_table_of_messages(void **state)
{
        static const struct {
                const char *name;
                unsigned int number;
        } messages[] = {
#define X_MESSAGE(name, number, lower, doc) {#name, (number)},
#include "proto/messages.def"
        };

        for (size_t i = 0; i < ARRAY_SIZE(messages); i++) {
                char row[64];

                snprintf(row, sizeof(row), "| %s | %u | %s |", messages[i].name, messages[i].number,
                         messages[i].number < 64 ? "client" : "daemon");
                if (!document_has_line_that_begins(row))
                        fail_msg("%s has no row \"%s\"", DOCUMENT, row);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_example),
                cmocka_unit_test(test_table_of_messages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
