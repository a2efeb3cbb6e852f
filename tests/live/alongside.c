/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * alongside CASE: others who have to do with the target. A debugger that came first keeps it, one that comes later gets
 * it where we let go of it; a shell's jobs stop and go on as they always do; a storm of signals makes us let go by
 * ourselves.
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>

#include "tests/support/harness.h"
#include "tests/support/observe.h"

#define MAX_TRANSCRIPT (1 << 16)
#define STORM_SIGNALS 500 /* in a second are too many to hold on */

/* It waits at its gate again, with a tracer or without. */
static void await_tracer(pid_t pid, bool wanted)
{
        process_wait_tracer(pid, wanted);
        process_wait_state(pid, 'S');
}

static void attach(struct client *client, pid_t pid, const char *option, const char *expected)
{
        char number[16];
        const char *args[] = {"-p", number, option, NULL};
        json_t *attached;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start(client, args);
        attached = client_wait_for(client, "attached");
        CHECK(strcmp(text_of(attached, "ptrace"), expected) == 0, "not %s: %s", expected, json_dumps(attached, 0));
}

static const json_t *wait_degraded(struct client *client, const char *what)
{
        harness_doing(what);
        while (!client_find_degraded(client, what))
                CHECK(client_read(client), "the client ended, and nothing was degraded");
        return client_find_degraded(client, what);
}

/* Until its own end: both have the whole output by then. */
static void finish_target(struct client *client, struct target *target)
{
        client_read_until_done(client, target);
        CHECK(client_stop(client) == 0, "the client failed");
        compare_faults(client, target, COMPARE_ALL);
        check_nothing_missing(client);
        client_free(client);
}

/* --- a debugger --- */

static void start_gdb(struct child *gdb, pid_t pid)
{
        char number[16];
        const char *argv[] = {"gdb", "-nx", "-q", "-p", number, NULL};
        static const char commands[] = "set pagination off\nset confirm off\nbreak target_done\ncontinue\n"
                                       "print 6*7\nbacktrace 1\ndetach\nquit\n";

        harness_need_program("gdb");
        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(gdb, argv, &(struct child_options){.dies_with_us = true});
        CHECK(write(gdb->in_fd, commands, sizeof(commands) - 1) == (ssize_t)sizeof(commands) - 1, "gdb is gone");
}

/* Its breakpoint was hit, and it can look at what it found there. Its last line may have no end. */
static void check_gdb(struct child *gdb)
{
        const char *text;

        harness_doing("waiting for gdb");
        while (!gdb->out.eof)
                lines_fill(&gdb->out);
        CHECK(child_wait(gdb) == 0, "gdb left with %d", gdb->status);
        text = gdb->out.data;
        gdb->out.data[gdb->out.end] = '\0';
        CHECK(strstr(text, "Breakpoint 1, ") && strstr(text, " = 42\n") && strstr(text, "#0  "), "gdb says: %s", text);
        CHECK(strstr(text, "target_done"), "gdb says: %s", text);
        child_close(gdb);
}

static void test_gdb_first(void)
{
        struct target target;
        struct client client;
        struct child gdb;

        target_start(&target, "anon", "zero-fill", NULL);
        start_gdb(&gdb, target.pid);
        harness_doing("waiting for gdb to attach");
        await_tracer(target.pid, true);
        attach(&client, target.pid, NULL, "off");
        CHECK(strstr(text_of(wait_degraded(&client, "hold"), "reason"), "gdb"), "it does not say why: %s",
              json_dumps(client_find_degraded(&client, "hold"), 0));
        target_open_gate(&target);
        finish_target(&client, &target);
        check_gdb(&gdb);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void test_gdb_later(void)
{
        struct target target;
        struct client client;
        struct child gdb;

        target_start(&target, "anon", "zero-fill", NULL);
        attach(&client, target.pid, "--ptrace=light", "light");
        harness_doing("waiting for the tracer to let go");
        await_tracer(target.pid, false);
        start_gdb(&gdb, target.pid);
        harness_doing("waiting for gdb to attach");
        await_tracer(target.pid, true);
        target_open_gate(&target);
        finish_target(&client, &target);
        check_gdb(&gdb);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void start_strace(struct child *strace, pid_t pid)
{
        char number[16];
        const char *argv[] = {"strace", "-e", "trace=write", "-o", "/dev/stdout", "-p", number, NULL};

        harness_need_program("strace");
        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(strace, argv, &(struct child_options){.dies_with_us = true});
        harness_doing("waiting for strace to attach");
        await_tracer(pid, true);
}

static void check_strace(struct child *strace)
{
        char *line = lines_next(&strace->out);

        CHECK(line && strstr(line, "write(1, \"done\\n\", 5)"), "strace says: %s", line ? line : "nothing");
        CHECK(kill(strace->pid, SIGINT) == 0, "strace is gone");
        while (lines_next(&strace->out))
                ;
        (void)child_wait(strace);
        child_close(strace);
}

static void test_strace(bool first)
{
        struct target target;
        struct client client;
        struct child strace;

        target_start(&target, "anon", "zero-fill", NULL);
        if (first)
                start_strace(&strace, target.pid);
        attach(&client, target.pid, first ? NULL : "--ptrace=light", first ? "off" : "light");
        if (!first) {
                await_tracer(target.pid, false);
                start_strace(&strace, target.pid);
        }
        target_open_gate(&target);
        finish_target(&client, &target);
        check_strace(&strace);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void test_strace_first(void)
{
        test_strace(true);
}

static void test_strace_later(void)
{
        test_strace(false);
}

/* --- a shell and its jobs --- */

struct terminal {
        int fd;
        pid_t shell;
        char text[MAX_TRANSCRIPT];
        size_t n;
};

#define PROMPT "<ready>"

static void terminal_start(struct terminal *t)
{
        const struct winsize size = {.ws_row = 24, .ws_col = 200};
        struct termios plain;

        memset(t, 0, sizeof(*t));
        t->shell = forkpty(&t->fd, NULL, NULL, &size);
        CHECK(t->shell >= 0, "forkpty: %s", strerror(errno));
        if (t->shell > 0)
                return;
        if (tcgetattr(0, &plain) == 0) {
                plain.c_lflag &= ~(tcflag_t)ECHO;
                (void)tcsetattr(0, TCSANOW, &plain);
        }
        (void)setenv("PS1", PROMPT, 1);
        (void)setenv("TERM", "dumb", 1);
        (void)setenv("LC_ALL", "C", 1);
        (void)execlp("bash", "bash", "--norc", "--noprofile", "--noediting", "-i", (char *)NULL);
        _exit(127);
}

static void await_prompt(struct terminal *t)
{
        while (t->n < strlen(PROMPT) || memcmp(t->text + t->n - strlen(PROMPT), PROMPT, strlen(PROMPT)) != 0) {
                ssize_t n = read(t->fd, t->text + t->n, sizeof(t->text) - 1 - t->n);

                CHECK(n > 0, "the shell ended: %s", t->text);
                t->n += (size_t)n;
        }
}

static void type(struct terminal *t, const char *text)
{
        CHECK(write(t->fd, text, strlen(text)) == (ssize_t)strlen(text), "the terminal is gone");
}

static void command(struct terminal *t, const char *text)
{
        harness_doing(text);
        t->text[t->n++] = '\n';
        type(t, text);
        type(t, "\n");
        await_prompt(t);
}

#define CTRL_C "\x03"
#define CTRL_Z "\x1a"

/* Starts or continues a job in the foreground, and ends that from the keyboard once it sleeps there. */
static void run_until(struct terminal *t, const char *text, const char *key)
{
        char path[64], name[32];
        pid_t group;

        harness_doing(text);
        t->text[t->n++] = '\n';
        type(t, text);
        type(t, "\n");
        for (;;) {
                FILE *f;

                group = tcgetpgrp(t->fd);
                (void)snprintf(path, sizeof(path), "/proc/%d/comm", (int)group);
                name[0] = '\0';
                f = group != t->shell ? fopen(path, "re") : NULL;
                if (f && fgets(name, sizeof(name), f))
                        name[strcspn(name, "\n")] = '\0';
                if (f)
                        (void)fclose(f);
                if (strcmp(name, "sleep") == 0 && process_state(group) == 'S')
                        break;
                (void)poll(NULL, 0, 1);
        }
        type(t, key);
        await_prompt(t);
}

static void run_and_stop(struct terminal *t, const char *text)
{
        run_until(t, text, CTRL_Z);
}

/*
 * What the shell says of its jobs, from the first to the last. It learns of a change when SIGCHLD comes; until then it
 * has to look again.
 */
static void run_jobs(struct terminal *t)
{
        await_prompt(t);
        run_and_stop(t, "sleep 1000");
        run_and_stop(t, "sleep 2000");
        command(t, "jobs");
        command(t, "bg %1");
        command(t, "jobs");
        run_and_stop(t, "fg %1");
        command(t, "kill -CONT %2; until [[ $(jobs -r) == *2000* ]]; do :; done");
        command(t, "jobs");
        command(t, "kill -STOP %2; until [[ $(jobs -s) == *2000* ]]; do :; done");
        command(t, "jobs");
        run_and_stop(t, "sleep 3000 | cat");
        command(t, "jobs");
        command(t, "kill -KILL %1; until [[ $(jobs -s) != *1000* ]]; do :; done");
        command(t, "kill -TERM %2; until [[ $(jobs -s) != *2000* ]]; do :; done; wait %2; echo $?");
        run_until(t, "fg %3", CTRL_C);
        command(t, "jobs; echo none left");
        t->text[t->n] = '\0';
}

static void terminal_end(struct terminal *t)
{
        type(t, "exit\n");
        while (waitpid(t->shell, NULL, 0) < 0 && errno == EINTR)
                ;
        (void)close(t->fd);
}

/* Which job is the current one ("[3]+") depends on when the shell heard of the end of another. */
static void hide_marks(char *text)
{
        for (char *p = text; (p = strchr(p, ']')); p++)
                if (p[1] == '+' || p[1] == '-')
                        p[1] = ' ';
}

static void test_jobs(void)
{
        static struct terminal alone, traced;
        struct client client;
        char number[16];
        const char *args[] = {"--follow", "--ptrace=hold", "-p", number, NULL};

        harness_need_program("bash");
        terminal_start(&alone);
        run_jobs(&alone);
        terminal_end(&alone);
        terminal_start(&traced);
        (void)snprintf(number, sizeof(number), "%d", (int)traced.shell);
        process_wait_state(traced.shell, 'S');
        client_start(&client, args);
        client.count_only = true;
        (void)client_wait_for(&client, "attached");
        run_jobs(&traced);
        terminal_end(&traced);
        CHECK(client_finish(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        hide_marks(alone.text);
        hide_marks(traced.text);
        printf("%s\n", alone.text);
        CHECK(strcmp(alone.text, traced.text) == 0, "the shell said otherwise under trace:\n%s", traced.text);
        client_free(&client);
}

/* --- a storm of signals --- */

static void test_storm(void)
{
        struct target target;
        struct client client;
        json_t *said;

        target_start(&target, "steadfast", "storm", NULL);
        attach(&client, target.pid, NULL, "hold");
        harness_doing("waiting for the tracer to let go");
        (void)wait_degraded(&client, "hold");
        process_wait_tracer(target.pid, false);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        client_free(&client);
        child_release(&target.child);
        said = json_loads(lines_next(&target.child.out), 0, NULL);
        printf("%s\n", json_dumps(said, 0));
        CHECK(strcmp(text_of(said, "verdict"), "unchanged") == 0, "the target was changed: %s", json_dumps(said, 0));
        CHECK(number_of(said, "signals_sent") == number_of(said, "signals_received") &&
                      number_of(said, "signals_sent") >= STORM_SIGNALS,
              "no storm: %s", json_dumps(said, 0));
        CHECK(target_finish(&target) == 0, "the target failed");
}

static const struct test_case cases[] = {
        {"gdb-first", test_gdb_first},       {"gdb-later", test_gdb_later}, {"strace-first", test_strace_first},
        {"strace-later", test_strace_later}, {"jobs", test_jobs},           {"storm", test_storm}};

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: alongside CASE");
        harness_begin(50);
        harness_need_full();
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
