/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text view into a pipe: a header, a line for each fault in its columns, nothing else; the ledger on standard
 * error. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

static size_t column_of(const char *header, const char *title)
{
        const char *found = strstr(header, title);

        CHECK(found, "no column %s in the header: %s", title, header);
        return (size_t)(found - header);
}

static void check_cell(const char *line, size_t column, const char *text)
{
        CHECK(strlen(line) > column && strncmp(line + column, text, strlen(text)) == 0,
              "not \"%s\" in column %zu of: %s", text, column, line);
}

/* Standard error says that the trace runs: the text view has no line for it on standard output. */
static void wait_until_attached(const struct child *child)
{
        harness_doing("waiting for the client to say that it is attached");
        for (;;) {
                CLEANUP_FREE char *text = child_errors(child);

                if (strchr(text, '\n'))
                        return;
                (void)usleep(1000);
        }
}

int main(void)
{
        struct target target;
        struct child client;
        char pid[16], *line;
        const char *argv[] = {FAULTLINE_PATH, "--private", "-p", pid, NULL};
        size_t cause, access_column, outcome, n = 0;

        harness_begin(30);
        harness_need_full();
        target_start(&target, "anon", "hostile-name", NULL);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        child_start(&client, argv, &(struct child_options){.dies_with_us = true});
        wait_until_attached(&client);
        target_open_gate(&target);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        CHECK(kill(client.pid, SIGINT) == 0, "the client is gone");
        line = lines_next(&client.out);
        CHECK(line, "no output");
        cause = column_of(line, "CAUSE");
        access_column = column_of(line, "ACCESS");
        outcome = column_of(line, "OUTCOME");
        for (; (line = lines_next(&client.out)); n++) {
                CHECK(!strchr(line, '\033'), "an escape sequence in a pipe: %s", line);
                check_cell(line, cause, "zero-fill");
                check_cell(line, access_column, "write");
                check_cell(line, outcome, "minor");
        }
        CHECK(n == target_n_expected(&target), "%zu lines instead of %zu", n, target_n_expected(&target));
        CHECK(child_wait(&client) == 0, "the client failed");
        CHECK(strstr(child_errors(&client), "kernel"), "no ledger on standard error");
        child_close(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        return 0;
}
