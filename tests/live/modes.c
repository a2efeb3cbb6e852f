/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * modes MANUAL CASE: one row of the table "feature by mode" in the source of faultline(1). For each mode a real run
 * finds out what is true, in the words of the table, and the cell has to say it. Every run first checks that the rows
 * of the table are those that have a case here, each once.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "daemon/tracer/tracer.h"
#include "tests/live/modes_table.h"
#include "tests/support/harness.h"
#include "tests/support/observe.h"

#define TARGET_STATUS 42 /* of "leave" */
#define PAGE_BYTES 4096
#define TOO_LATE "too late"

static const char *const modes[] = {"hold", "light", "off"};

/* --- a target and a trace of it --- */

/* Options may be NULL from the first unused one on. */
static void attach(struct client *client, pid_t pid, const char *mode, const char *option, const char *another)
{
        char number[16], mode_option[32];
        const char *args[] = {"-p", number, mode_option, option, another, NULL};
        json_t *attached;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        (void)snprintf(mode_option, sizeof(mode_option), "--ptrace=%s", mode);
        client_start(client, args);
        attached = client_wait_for(client, "attached");
        CHECK(strcmp(text_of(attached, "ptrace"), mode) == 0, "not as asked for: %s", json_dumps(attached, 0));
}

/* On a busy machine a thread may not come to stop in time, and that is said (daemon/engine/degraded.c). */
static bool is_too_late(const json_t *barrier)
{
        return strstr(text_of(barrier, "reason"), "it did not stop in time") != NULL;
}

/* What came too late is tried again. */
static const char *find_in_time(const char *(*find)(const char *mode), const char *mode)
{
        const char *found;

        do
                found = find(mode);
        while (strcmp(found, TOO_LATE) == 0);
        return found;
}

static void finish_target(struct target *target)
{
        CHECK(target_finish(target) == 0, "the target failed");
}

/* "NAME NUMBER", which the target says once it was let go. */
static long read_figure(struct target *target, const char *name)
{
        const char *line = lines_next(&target->child.out);
        char word[16];
        long n;

        CHECK(line && sscanf(line, "%15s %ld", word, &n) == 2 && strcmp(word, name) == 0, "the target says: %s",
              line ? line : "nothing");
        return n;
}

/* From the gate to the end of the process and, with it, of the trace. */
static void run_to_end(struct client *client, const char *mode, const char *name, const char *which)
{
        struct target target;

        target_start(&target, name, which, "0");
        attach(client, target.pid, mode, NULL, NULL);
        target_open_gate(&target);
        CHECK(client_finish(client) == 0, "the client failed");
        check_nothing_missing(client);
        (void)target_finish(&target);
}

/* --- first-instruction coverage at attach: with threads that give birth to threads, is a fault left out? --- */

/* The faults in an area, from the first that was seen on: page by page, and round again. Returns how many. */
static size_t follow_chain(const struct client *client, const json_t *area, size_t n_births)
{
        uint64_t start = address_of(area, "addr"), n_pages = number_of(area, "n");
        size_t i, n_seen = 0, n_faults = 0;
        json_t *fault;

        json_array_foreach(client->faults, i, fault) n_faults +=
                address_of(fault, "addr") - start < n_pages * PAGE_BYTES;
        json_array_foreach(client->faults, i, fault)
        {
                uint64_t offset = address_of(fault, "addr") - start;

                if (offset >= n_pages * PAGE_BYTES)
                        continue;
                CHECK(offset / PAGE_BYTES == (n_births - n_faults + n_seen) % n_pages,
                      "%zu of %zu faults of a chain, and this is not the next one: %s", n_seen, n_births,
                      json_dumps(fault, 0));
                n_seen++;
        }
        return n_seen;
}

static void check_chains(const struct client *client, struct target *target)
{
        json_t *area;
        size_t i;

        json_array_foreach(target->expected, i, area)
        {
                size_t n_births = (size_t)read_figure(target, "births");
                size_t n_seen = follow_chain(client, area, n_births);

                CHECK(n_seen > 0 && n_seen < n_births, "%zu of %zu births, so no attach between them", n_seen,
                      n_births);
        }
        check_nothing_missing(client);
}

/* What the client was told, and that it is so. */
static const char *cover_births(const char *mode)
{
        struct target target;
        struct client client;
        const json_t *barrier;
        const char *found = "yes";

        target_start(&target, "modes", "births", NULL);
        attach(&client, target.pid, mode, NULL, NULL);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        child_release(&target.child);
        CHECK(client_finish(&client) == 0, "the client failed");
        barrier = client_find_degraded(&client, "barrier");
        if (barrier && is_too_late(barrier))
                found = TOO_LATE;
        else if (barrier || client_find_degraded(&client, "threads"))
                found = "no";
        else
                check_chains(&client, &target);
        client_free(&client);
        finish_target(&target);
        return found;
}

static const char *find_coverage(const char *mode)
{
        return find_in_time(cover_births, mode);
}

/*
 * --- attach stop: how often does a thread stop that nothing else would stop, until the trace has begun? Later there
 * may be one more for who was held, to be let go. That it is as short as the code says is for those to show who have
 * the machine to themselves; where it was not, it is said, and who had to be asked again stops again. ---
 */

static const char *count_stops(const char *mode)
{
        static char once[32];
        const json_t *barrier;
        struct target target;
        struct client client;
        const char *found;
        long n_stops, n_later;

        target_start(&target, "modes", "spin", NULL);
        attach(&client, target.pid, mode, NULL, NULL);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        harness_doing("waiting for the tracer to let go");
        process_wait_tracer(target.pid, false);
        child_release(&target.child);
        (void)snprintf(once, sizeof(once), "once, at most %d ms", TRACER_STOP_MS);
        n_stops = read_figure(&target, "stops");
        n_later = read_figure(&target, "later");
        barrier = client_find_degraded(&client, "barrier");
        found = barrier && is_too_late(barrier) ? TOO_LATE : n_stops == 0 ? "none" : once;
        if (strcmp(found, TOO_LATE) != 0) {
                CHECK(n_stops <= 1 && n_later <= (strcmp(mode, "hold") == 0), "%ld stops, and %ld later", n_stops,
                      n_later);
                CHECK((n_stops == 0) == !!barrier, "%ld stops, and the client was told otherwise", n_stops);
        }
        client_free(&client);
        finish_target(&target);
        return found;
}

static const char *find_attach_stop(const char *mode)
{
        return find_in_time(count_stops, mode);
}

/* --- failed-fault reports: is a death by SIGSEGV told? --- */

static const char *find_reports(const char *mode)
{
        struct client client;
        size_t n;

        run_to_end(&client, mode, "verdicts", "unmapped");
        n = client_n(&client, "signal");
        CHECK(n <= 1, "%zu reports of one signal", n);
        client_free(&client);
        return n == 1 ? "yes" : "no";
}

/* --- exit status: is there one, of who exits and of who is killed? --- */

static const json_t *find_exit(const struct client *client)
{
        json_t *line, *found = NULL;
        size_t i;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "life") == 0 &&
                                                        strcmp(text_of(line, "kind"), "exit") == 0)
        {
                CHECK(!found, "two ends of one process: %s", json_dumps(line, 0));
                found = line;
        }
        CHECK(found, "the end of the process is not told");
        return found;
}

static const char *find_exit_status(const char *mode)
{
        struct client left, killed;
        const json_t *status;
        const char *killer;

        run_to_end(&left, mode, "modes", "leave");
        run_to_end(&killed, mode, "verdicts", "unmapped");
        status = json_object_get(find_exit(&left), "status");
        killer = text_of(find_exit(&killed), "signal");
        CHECK(!json_object_get(find_exit(&left), "signal") && !json_object_get(find_exit(&killed), "status"),
              "both a status and a signal");
        CHECK(!status == !*killer, "of only one of two processes");
        CHECK(!status || (json_integer_value(status) == TARGET_STATUS && strcmp(killer, "SIGSEGV") == 0),
              "status %s, signal %s", json_dumps(status, JSON_ENCODE_ANY), killer);
        client_free(&left);
        client_free(&killed);
        return *killer ? "yes" : "no";
}

/* --- exact vfork attribution: what a child maps in its parent's memory is the parent's, what its program maps is not
 */

static void check_attribution(const struct client *client, uint64_t area, pid_t parent, pid_t child)
{
        const struct {
                pid_t pid;
                uint64_t addr;
                const char *cause, *path;
        } expected[] = {{child, area, "zero-fill", ""},
                        {child, area, "shmem", "/memfd:other (deleted)"},
                        {parent, area + PAGE_BYTES, "zero-fill", ""}};
        size_t i, n = 0;
        json_t *fault;

        json_array_foreach(client->faults, i, fault)
        {
                const json_t *map = json_object_get(fault, "map");
                uint64_t addr = address_of(fault, "addr");

                if (addr < area || addr >= area + 2 * PAGE_BYTES)
                        continue;
                CHECK(n < ARRAY_SIZE(expected), "one fault too many: %s", json_dumps(fault, 0));
                CHECK(number_of(fault, "pid") == (uint64_t)expected[n].pid && addr == expected[n].addr &&
                              strcmp(text_of(fault, "cause"), expected[n].cause) == 0 && map &&
                              address_of(map, "start") == area && strcmp(text_of(map, "path"), expected[n].path) == 0,
                      "fault %zu of processes %d and %d is attributed otherwise: %s", n, (int)parent, (int)child,
                      json_dumps(fault, 0));
                n++;
        }
        CHECK(n == ARRAY_SIZE(expected), "%zu of %zu faults", n, ARRAY_SIZE(expected));
}

/* Where nobody holds the target it may be right by luck, which no run can tell from a promise: then nothing is run. */
static const char *find_vfork(const char *mode)
{
        struct target target;
        struct client client;
        long child;

        if (strcmp(mode, "hold") != 0)
                return "no";
        target_start(&target, "modes", "vfork", NULL);
        attach(&client, target.pid, mode, "--follow", NULL);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        child_release(&target.child);
        CHECK(client_finish(&client) == 0, "the client failed");
        child = read_figure(&target, "child");
        check_attribution(&client, address_of(json_array_get(target.expected, 0), "addr"), target.pid, (pid_t)child);
        check_nothing_missing(&client);
        client_free(&client);
        finish_target(&target);
        return "yes";
}

/* --- continuing after a set-user-ID exec: for root, who may trace the new program, and for nobody, who may not --- */

static char setuid_program[64];

static void remove_program(void)
{
        (void)unlink(setuid_program);
}

static void make_program(void)
{
        const char *argv[] = {"install", "-m", "4755", TARGETS_DIR "/target_setid", setuid_program, NULL};
        struct child install;
        struct statvfs fs;

        CHECK(statvfs(".", &fs) == 0, "statvfs: %s", strerror(errno));
        if (fs.f_flag & ST_NOSUID)
                skip("set-user-ID programs have no effect on the file system of the working directory");
        (void)snprintf(setuid_program, sizeof(setuid_program), "./faultline-modes-%d", (int)getpid());
        (void)atexit(remove_program);
        child_start(&install, argv, NULL);
        CHECK(child_wait(&install) == 0, "install: %s", child_errors(&install));
        child_close(&install);
        CHECK(setenv("TARGET_PROGRAM", setuid_program, 1) == 0, "setenv: %s", strerror(errno));
}

static size_t count_in_area(const struct client *client, const json_t *area)
{
        uint64_t start = address_of(area, "addr"), n_bytes = number_of(area, "n") * PAGE_BYTES;
        json_t *fault;
        size_t i, n = 0;

        json_array_foreach(client->faults, i, fault) n += address_of(fault, "addr") - start < n_bytes;
        return n;
}

/* Both areas of the target are seen, or only the one that comes before the new program, and the end says why. */
static bool goes_on(const struct client *client, const struct target *target)
{
        const json_t *inside = json_array_get(target->expected, 0), *before = json_array_get(target->expected, 1);
        size_t n_inside = count_in_area(client, inside);
        const char *reason = text_of(client_find(client, "end"), "reason");
        bool is_whole = n_inside == number_of(inside, "n");

        CHECK(count_in_area(client, before) == number_of(before, "n"), "faults of the old program are missing");
        CHECK(is_whole || n_inside == 0, "%zu faults of the new program", n_inside);
        CHECK(strcmp(reason, is_whole ? "exited" : "stripped") == 0, "%zu faults of the new program, and the end: %s",
              n_inside, reason);
        return is_whole;
}

static bool continues_for(uid_t uid, const char *mode)
{
        CLEANUP_FREE char *socket_option = NULL;
        struct daemon daemon;
        struct target target;
        struct client client;
        char number[16], mode_option[32];
        const char *args[] = {"-p", number, mode_option, NULL, NULL};
        bool continues;

        daemon_start(&daemon, NULL);
        daemon_open_to_all(&daemon);
        args[3] = socket_option = daemon_option(&daemon);
        target_start_as(&target, NOBODY, "setid", "enter", NULL);
        (void)snprintf(number, sizeof(number), "%d", (int)target.pid);
        (void)snprintf(mode_option, sizeof(mode_option), "--ptrace=%s", mode);
        client_start_as(&client, uid, args);
        CHECK(strcmp(text_of(client_wait_for(&client, "attached"), "ptrace"), mode) == 0, "not as asked for");
        target_open_gate(&target);
        CHECK(strncmp(lines_next(&target.child.out), "rights ", 7) == 0, "the new program does not speak");
        client_read_until_done(&client, &target);
        child_release(&target.child);
        CHECK(client_finish(&client) == 0, "the client failed");
        continues = goes_on(&client, &target);
        client_free(&client);
        finish_target(&target);
        daemon_stop(&daemon);
        return continues;
}

static const char *find_continuing(const char *mode)
{
        harness_need_reachable(NOBODY);
        if (!*setuid_program)
                make_program();
        CHECK(!continues_for(NOBODY, mode), "it goes on for who may not trace the new program");
        return continues_for(0, mode) ? "yes, if permitted" : "no";
}

/* --- gdb/strace attaching later: what their first system call meets --- */

static void let_go(pid_t pid)
{
        int status;

        CHECK(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL) == 0 && waitpid(pid, &status, 0) == pid && WIFSTOPPED(status),
              "stopping the target: %s", strerror(errno));
        CHECK(ptrace(PTRACE_DETACH, pid, NULL, NULL) == 0, "detaching: %s", strerror(errno));
}

static const char *find_debugger(const char *mode)
{
        struct target target;
        struct client client;
        bool can_attach;

        target_start(&target, "anon", "zero-fill", NULL);
        attach(&client, target.pid, mode, NULL, NULL);
        if (strcmp(mode, "hold") != 0) { /* it is let go behind the line that told of the attach */
                harness_doing("waiting for the tracer to let go");
                process_wait_tracer(target.pid, false);
        }
        can_attach = ptrace(PTRACE_SEIZE, target.pid, NULL, NULL) == 0;
        CHECK(can_attach || (errno == EPERM && process_tracer(target.pid) > 0), "PTRACE_SEIZE: %s", strerror(errno));
        if (can_attach)
                let_go(target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        compare_faults(&client, &target, COMPARE_ALL);
        check_nothing_missing(&client);
        client_free(&client);
        finish_target(&target);
        return can_attach ? "yes" : "no";
}

/*
 * --- cost per signal/thread/fork: stops of a thread that does these things, and nothing that sleeps. Processes that it
 * starts are the tracer's business with --follow only. Not at full detail: its tracepoint has a lock of the whole
 * machine, for which every thread and process that is born may have to wait. ---
 */

static bool costs_something(const char *mode, bool follow)
{
        struct target target;
        struct client client;
        const char *line;
        long n, n_signals, n_threads, n_forks;

        target_start(&target, "modes", "costs", NULL);
        attach(&client, target.pid, mode, "--detail=basic", follow ? "--follow" : NULL);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        child_release(&target.child);
        CHECK(client_finish(&client) == 0, "the client failed");
        line = lines_next(&target.child.out);
        CHECK(line && sscanf(line, "costs of %ld: %ld %ld %ld", &n, &n_signals, &n_threads, &n_forks) == 4,
              "the target says: %s", line ? line : "nothing");
        CHECK((n_signals == n && n_threads == n && n_forks == (follow ? n : 0)) ||
                      (n_signals | n_threads | n_forks) == 0,
              "neither one stop for each nor none: %s", line);
        client_free(&client);
        finish_target(&target);
        return n_signals != 0;
}

static const char *find_cost(const char *mode)
{
        bool costs = costs_something(mode, true);

        CHECK(costs_something(mode, false) == costs, "--follow decides about the cost of a signal");
        return costs ? "some" : "none";
}

/* --- --lossless (later): whatever the table promises for it, there is no such option yet --- */

static const char *find_lossless(const char *mode)
{
        char option[32];
        const char *argv[] = {FAULTLINE_PATH, "--lossless", option, "-p", "1", NULL};
        CLEANUP_FREE char *errors = NULL;
        struct child child;
        int status;

        (void)snprintf(option, sizeof(option), "--ptrace=%s", mode);
        child_start(&child, argv, NULL);
        status = child_wait(&child);
        errors = child_errors(&child);
        CHECK(status == 2 && strstr(errors, "--lossless"), "exit status %d: %s", status, errors);
        child_close(&child);
        return NULL;
}

/* --- the table --- */

static const struct {
        const char *key, *feature;
        const char *(*find)(const char *mode); /* what the cell has to say; NULL = nobody can know */
} cases[] = {
        {"coverage", "first-instruction coverage at attach", find_coverage},
        {"stop", "attach stop", find_attach_stop},
        {"reports", "failed-fault reports (signal)", find_reports},
        {"status", "exit status of processes", find_exit_status},
        {"vfork", "exact vfork attribution", find_vfork},
        {"setuid", "continuing after a set-user-ID exec", find_continuing},
        {"debugger", "gdb/strace attaching later", find_debugger},
        {"cost", "cost per signal/thread/fork", find_cost},
        {"lossless", "--lossless (later)", find_lossless},
};

static void check_table(void)
{
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                (void)table_cell(cases[i].feature, modes[0]);
        CHECK(table_n_features() == ARRAY_SIZE(cases), "%zu rows, of which %zu are known", table_n_features(),
              ARRAY_SIZE(cases));
}

static void run_case(size_t i)
{
        for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
                const char *cell = table_cell(cases[i].feature, modes[m]), *found = cases[i].find(modes[m]);

                printf("%s, %s: %s\n", cases[i].feature, modes[m], found ? found : "not to be found out");
                CHECK(!found || strcmp(found, cell) == 0, "%s, %s: the manual says \"%s\", found is \"%s\"",
                      cases[i].feature, modes[m], cell, found);
        }
}

int main(int argc, char **argv)
{
        const struct rlimit no_cores = {0};

        CHECK(argc == 3, "usage: modes MANUAL CASE");
        harness_begin(50);
        table_read(argv[1], "# HOLDING THE TARGET");
        check_table();
        harness_need_full();
        CHECK(setrlimit(RLIMIT_CORE, &no_cores) == 0, "setrlimit: %s", strerror(errno));
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                if (strcmp(cases[i].key, argv[2]) == 0) {
                        run_case(i);
                        return 0;
                }
        fail("no case %s", argv[2]);
}
