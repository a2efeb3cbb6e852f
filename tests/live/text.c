/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text view into a pipe: a header, a line for each fault in its columns, nothing else; the summary and the ledger
 * on standard error. And on a terminal, which is a pseudo-terminal here: what is folded, coloured, plain ASCII and cut
 * to the width, at once and whatever happens to the terminal meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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

/* The summary of so many faults, then the ledger. */
static void check_errors(const struct child *client, size_t n_faults)
{
        CLEANUP_FREE char *text = child_errors(client);
        char expected[64];
        const char *summary, *ledger;

        (void)snprintf(expected, sizeof(expected), "\n  %zu faults in ", n_faults);
        summary = strstr(text, expected);
        ledger = strstr(text, "\n  complete: every fault was shown\n");
        CHECK(summary && ledger && summary < ledger, "no summary before a ledger that is complete: %s", text);
        CHECK(strstr(summary, "\n  zero-fill ") && strstr(summary, "\n  in anon "),
              "neither causes nor maps in the summary: %s", text);
}

static void test_pipe(void)
{
        struct target target;
        struct child client;
        char pid[16], *line;
        const char *argv[] = {FAULTLINE_PATH, "--private", "-p", pid, NULL};
        size_t cause, access_column, outcome, n = 0;

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
        check_errors(&client, target_n_expected(&target));
        child_close(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* "faultline ... | head -1": who does not want to hear more is told no more. */
static void test_closed_pipe(void)
{
        struct target target;
        struct child client;
        char pid[16];
        const char *argv[] = {FAULTLINE_PATH, "--private", "-p", pid, NULL};
        CLEANUP_FREE char *errors = NULL;

        target_start(&target, "anon", "zero-fill", NULL);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        child_start(&client, argv, &(struct child_options){.dies_with_us = true});
        wait_until_attached(&client);
        CHECK(lines_next(&client.out), "no header");
        (void)close(client.out.fd);
        client.out.fd = -1;
        harness_doing("waiting for the client to notice that its reader has gone");
        (void)child_wait(&client);
        errors = child_errors(&client);
        CHECK(strncmp(errors, "-- tracing ", 11) == 0 && strchr(errors, '\n')[1] == '\0', "it did not end quietly: %s",
              errors);
        target_open_gate(&target);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        child_close(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

/* --- on a terminal --- */

struct terminal {
        struct child client;
        int fd;     /* of the pseudo-terminal's other side */
        char *text; /* all that was shown so far, NUL-terminated */
        size_t n_bytes;
        bool ended; /* nobody has it open any more */
};

static void terminal_resize(const struct terminal *terminal, unsigned short n_columns)
{
        const struct winsize size = {.ws_row = 24, .ws_col = n_columns};

        CHECK(ioctl(terminal->fd, TIOCSWINSZ, &size) == 0, "cannot resize the terminal: %s", strerror(errno));
}

/* settings: for env(1), NAME=VALUE twice, or "-u" and a NAME; option: of faultline, or NULL. */
static void terminal_start(struct terminal *terminal, pid_t pid, const char *const settings[2], const char *option)
{
        char pid_text[16], onto[96];
        const char *const argv[] = {"env",          settings[0], settings[1], "sh",     "-c",   onto,
                                    FAULTLINE_PATH, "--private", "-p",        pid_text, option, NULL};

        *terminal = (struct terminal){.fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)};
        CHECK(terminal->fd >= 0 && grantpt(terminal->fd) == 0 && unlockpt(terminal->fd) == 0, "no pseudo-terminal: %s",
              strerror(errno));
        terminal_resize(terminal, 80);
        (void)snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
        (void)snprintf(onto, sizeof(onto), "exec \"$0\" \"$@\" >%s", ptsname(terminal->fd));
        child_start(&terminal->client, argv, &(struct child_options){.dies_with_us = true});
        harness_watch(&terminal->client);
}

/* What comes next; carriage returns left out, which the terminal adds. */
static void terminal_read(struct terminal *terminal)
{
        char bytes[4096];
        ssize_t n = read(terminal->fd, bytes, sizeof(bytes));

        CHECK(n > 0 || errno == EIO, "cannot read the terminal: %s", strerror(errno));
        terminal->ended = n <= 0;
        for (ssize_t i = 0; i < n; i++) {
                if (bytes[i] == '\r')
                        continue;
                terminal->text = realloc(terminal->text, terminal->n_bytes + 2);
                CHECK(terminal->text, "out of memory");
                terminal->text[terminal->n_bytes++] = bytes[i];
                terminal->text[terminal->n_bytes] = '\0';
        }
}

static bool shows(const struct terminal *terminal, const char *what)
{
        return terminal->text && strstr(terminal->text, what);
}

static void terminal_wait_for(struct terminal *terminal, const char *what)
{
        harness_doing(what);
        while (!shows(terminal, what)) {
                terminal_read(terminal);
                CHECK(!terminal->ended, "the client ended before it showed \"%s\"", what);
        }
}

static void terminal_stop(struct terminal *terminal)
{
        CHECK(kill(terminal->client.pid, SIGINT) == 0, "the client is gone");
        while (!terminal->ended)
                terminal_read(terminal);
        CHECK(child_wait(&terminal->client) == 0, "the client failed");
}

static void terminal_close(struct terminal *terminal)
{
        child_close(&terminal->client);
        (void)close(terminal->fd);
        free(terminal->text);
}

/* Lines of faults with this cause, and the faults that they are. */
struct shown {
        size_t n_lines, n_folded, n_faults;
};

static struct shown count_shown(const struct terminal *terminal, const char *cause)
{
        struct shown shown = {0};

        for (const char *line = terminal->text; line && *line;) {
                const char *end = strchrnul(line, '\n');
                const char *found = memmem(line, (size_t)(end - line), cause, strlen(cause));
                const char *run = memmem(line, (size_t)(end - line), "x ", 2);

                if (found) {
                        shown.n_lines++;
                        shown.n_folded += run != NULL;
                        shown.n_faults += run ? strtoul(run + 2, NULL, 10) : 1;
                }
                line = *end ? end + 1 : end;
        }
        return shown;
}

static size_t count_of(const char *text, char byte)
{
        size_t n = 0;

        for (; *text; text++)
                n += *text == byte;
        return n;
}

/* No line, without its escape sequences, has more cells than this. */
static void check_width(const struct terminal *terminal, size_t limit)
{
        size_t n_cells = 0;

        for (const char *c = terminal->text; *c; c++) {
                if (*c == '\033')
                        c = strchrnul(c, 'm');
                else if (*c == '\n')
                        n_cells = 0;
                else if ((*c & 0xc0) != 0x80)
                        n_cells++;
                CHECK(n_cells <= limit, "a line of more than %zu cells: %s", limit, terminal->text);
        }
}

/* A run is shown although nothing comes that would end it, its faults are all there, and in colour. */
static void test_folded(void)
{
        static const char *const settings[2] = {"TERM=xterm", "TERM=xterm-256color"};
        struct terminal terminal;
        struct target target;
        struct shown shown;

        target_start(&target, "anon", "zero-fill", NULL);
        terminal_start(&terminal, target.pid, settings, NULL);
        terminal_wait_for(&terminal, "\033[0m\n"); /* behind the header */
        target_open_gate(&target);
        terminal_wait_for(&terminal, " pages, ");
        terminal_stop(&terminal);
        shown = count_shown(&terminal, "zero-fill");
        CHECK(shown.n_folded > 0 && shown.n_lines < shown.n_faults, "nothing was folded: %s", terminal.text);
        CHECK(shown.n_faults == target_n_expected(&target), "%zu faults instead of %zu: %s", shown.n_faults,
              target_n_expected(&target), terminal.text);
        CHECK(shows(&terminal, "\033[32mzero-fill\033[0m"), "no colour: %s", terminal.text);
        check_width(&terminal, 80);
        check_errors(&terminal.client, target_n_expected(&target));
        CHECK(target_finish(&target) == 0, "the target failed");
        terminal_close(&terminal);
}

static void test_not_folded(void)
{
        static const char *const settings[2] = {"TERM=xterm", "TERM=xterm"};
        struct terminal terminal;
        struct target target;
        struct shown shown;

        target_start(&target, "anon", "zero-fill", NULL);
        terminal_start(&terminal, target.pid, settings, "--no-fold");
        terminal_wait_for(&terminal, "\033[0m\n");
        target_open_gate(&target);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        terminal_stop(&terminal);
        shown = count_shown(&terminal, "zero-fill");
        CHECK(shown.n_folded == 0 && shown.n_lines == target_n_expected(&target), "%zu lines instead of %zu: %s",
              shown.n_lines, target_n_expected(&target), terminal.text);
        CHECK(target_finish(&target) == 0, "the target failed");
        terminal_close(&terminal);
}

static void test_colors(void)
{
        static const struct {
                const char *settings[2], *option;
                bool colored;
        } cases[] = {
                {{"TERM=xterm", "NO_COLOR="}, NULL, true},
                {{"TERM=xterm", "NO_COLOR=1"}, NULL, false},
                {{"TERM=xterm", "NO_COLOR=1"}, "--color=always", true},
                {{"TERM=xterm", "TERM=dumb"}, NULL, false},
                {{"TERM=xterm", "TERM="}, NULL, false},
                {{"-u", "TERM"}, NULL, false},
                {{"TERM=xterm", "TERM=xterm"}, "--color=never", false},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct terminal terminal;
                struct target target;

                target_start(&target, "anon", "hostile-name", NULL);
                terminal_start(&terminal, target.pid, cases[i].settings, cases[i].option);
                terminal_wait_for(&terminal, "CODE");
                target_open_gate(&target);
                terminal_wait_for(&terminal, " pages, ");
                terminal_stop(&terminal);
                CHECK((count_of(terminal.text, '\033') > 0) == cases[i].colored, "case %zu: %s", i, terminal.text);
                CHECK(shows(&terminal, "(\\x1b[31m\"},"), "the name was not shown harmlessly: %s", terminal.text);
                CHECK(target_finish(&target) == 0, "the target failed");
                terminal_close(&terminal);
        }
}

/* The kernel faults for a caller: that is shown by an arrow. */
static void test_charsets(void)
{
        static const struct {
                const char *settings[2], *arrow;
                bool ascii;
        } cases[] = {{{"LC_ALL=C.UTF-8", "LC_ALL=C.UTF-8"}, "\xe2\x86\x90 ", false},
                     {{"LC_ALL=C.UTF-8", "LC_ALL=C"}, "<- ", true},
                     {{"LC_ALL=C.UTF-8", "LC_ALL=no_SUCH.UTF-8"}, "<- ", true}};
        locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);

        if (utf8 == (locale_t)0)
                skip("this machine has no locale C.UTF-8");
        freelocale(utf8);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                struct terminal terminal;
                struct target target;

                target_start(&target, "syscall", "read", NULL);
                terminal_start(&terminal, target.pid, cases[i].settings, "--no-fold");
                terminal_wait_for(&terminal, "CODE");
                target_open_gate(&target);
                CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
                terminal_stop(&terminal);
                CHECK(shows(&terminal, cases[i].arrow), "no arrow: %s", terminal.text);
                for (const char *c = terminal.text; *c; c++)
                        CHECK(!cases[i].ascii || !(*c & 0x80), "more than ASCII: %s", terminal.text);
                check_width(&terminal, 80);
                CHECK(target_finish(&target) == 0, "the target failed");
                terminal_close(&terminal);
        }
}

static void step(const struct target *target)
{
        CHECK(write(target->child.in_fd, "s", 1) == 1, "the target is gone: %s", strerror(errno));
}

/* Wider, and stopped for a while with faults to be told: both are taken as they come, and none is missing. */
static void test_resized_and_suspended(void)
{
        static const char *const settings[2] = {"TERM=xterm", "NO_COLOR=1"};
        enum { N_SUSPENDED = 1000 };
        struct terminal terminal;
        struct target target;
        struct shown shown;

        target_start(&target, "step", "step", NULL);
        terminal_start(&terminal, target.pid, settings, NULL);
        terminal_wait_for(&terminal, "CODE\n");
        target_open_gate(&target);
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        terminal_wait_for(&terminal, "zero-fill");
        check_width(&terminal, 80);
        CHECK(!shows(&terminal, "FRAME"), "80 columns are too few for this");
        terminal_resize(&terminal, 200);
        CHECK(kill(terminal.client.pid, SIGSTOP) == 0, "the client is gone");
        process_wait_state(terminal.client.pid, 'T');
        for (size_t i = 0; i < N_SUSPENDED; i++) {
                step(&target);
                CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        }
        CHECK(kill(terminal.client.pid, SIGCONT) == 0, "the client is gone");
        terminal_wait_for(&terminal, "FRAME\n");
        terminal_wait_for(&terminal, " pages, ");
        terminal_stop(&terminal);
        shown = count_shown(&terminal, "zero-fill");
        CHECK(shown.n_faults == 1 + N_SUSPENDED, "%zu faults instead of %d: %s", shown.n_faults, 1 + N_SUSPENDED,
              terminal.text);
        check_errors(&terminal.client, 1 + N_SUSPENDED);
        check_width(&terminal, 200);
        (void)kill(target.pid, SIGKILL); /* it has more steps than these */
        (void)child_wait(&target.child);
        child_close(&target.child);
        terminal_close(&terminal);
}

int main(void)
{
        harness_begin(120);
        harness_need_full();
        (void)setenv("TERM", "xterm", 1);
        (void)setenv("LC_ALL", "C.UTF-8", 1);
        (void)unsetenv("NO_COLOR");
        test_pipe();
        test_closed_pipe();
        test_folded();
        test_not_folded();
        test_colors();
        test_charsets();
        test_resized_and_suspended();
        return 0;
}
