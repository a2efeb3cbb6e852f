/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * units CASE: -u over a cgroup made for the test.
 *
 *   root      events of the cgroup: every process in it and below it, a child and what it executes, a process that is
 *             moved in, and no other; the trace ends with the last of them
 *   setuid    a set-user-ID program does not end what is seen
 *   nobody    process by process: not those of others; one that is moved in is noticed
 *   names     every way to name it
 *   errors    every way to name something else
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "tests/support/groups.h"
#include "tests/support/harness.h"

#define NAME_BYTES 128
#define OTHER 1 /* a user who is neither root nor nobody */
#define MAX_STEPS 4000
#define N_EXACT_STEPS 32
#define PAGE_BYTES 4096UL

static char folder[] = "faultline-units-XXXXXX";

/* Its only one; of this process, so that tests may run side by side. */
static const char *make_service(void)
{
        char name[NAME_BYTES];

        (void)snprintf(name, sizeof(name), "faultline-test-%d.service", (int)getpid());
        return group_make(NULL, name);
}

/* ---- faults of one of several targets ---- */

static struct client part_of(const struct client *client, pid_t pid)
{
        struct client part = {.faults = json_array()};
        json_t *fault;
        size_t i;

        json_array_foreach(client->faults, i, fault) if (number_of(fault, "pid") == (uint64_t)pid)
                json_array_append(part.faults, fault);
        part.n_faults = json_array_size(part.faults);
        return part;
}

static void compare_part(const struct client *client, const struct target *target, unsigned int fields)
{
        struct client part = part_of(client, target->pid);

        compare_faults(&part, target, fields);
        json_decref(part.faults);
}

static void check_nothing_of(const struct client *client, pid_t pid)
{
        struct client part = part_of(client, pid);
        json_t *line;
        size_t i;

        CHECK(part.n_faults == 0, "%" PRIu64 " faults of process %d are told of", part.n_faults, (int)pid);
        json_array_foreach(client->others, i, line)
                CHECK(!json_object_get(line, "pid") || number_of(line, "pid") != (uint64_t)pid,
                      "told of process %d: %s", (int)pid, json_dumps(line, 0));
        json_decref(part.faults);
}

/* What is announced for it and what descends from it, each once, whoever it is; of the rest nothing is known. */
static void check_announced(const struct client *client, const struct target *target)
{
        size_t i, k;
        json_t *e, *fault;

        json_array_foreach(target->expected, i, e)
        {
                uint64_t start = address_of(e, "addr"), n = number_of(e, "n"), n_seen = 0;

                json_array_foreach(client->faults, k, fault)
                {
                        uint64_t addr = address_of(fault, "addr");

                        if (addr < start || addr >= start + n * number_of(e, "stride"))
                                continue;
                        CHECK(strcmp(text_of(fault, "cause"), text_of(e, "cause")) == 0, "not as announced: %s",
                              json_dumps(fault, 0));
                        CHECK(strcmp(text_of(json_object_get(fault, "code"), "symbol"), "touch_write") == 0,
                              "not from touch_write: %s", json_dumps(fault, 0));
                        n_seen++;
                }
                CHECK(n_seen == n, "%" PRIu64 " faults instead of %" PRIu64 ": %s", n_seen, n, json_dumps(e, 0));
        }
}

/* All that it announced is told: one that nobody knew before it faulted can be asked about only while it lives. */
static void read_until_told(struct client *client, const struct target *target)
{
        size_t n_told = 0;

        harness_doing("waiting for the faults of a process that was moved in");
        while (n_told < target_n_expected(target)) {
                struct client part;

                CHECK(client_read(client), "the client ended");
                part = part_of(client, target->pid);
                n_told = part.n_faults;
                json_decref(part.faults);
        }
}

static bool has_degraded(const struct client *client, const char *what)
{
        json_t *line;
        size_t i;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "degraded") == 0 &&
                                                        strcmp(text_of(line, "what"), what) == 0)
        {
                CHECK(*text_of(line, "reason"), "no reason: %s", json_dumps(line, 0));
                return true;
        }
        return false;
}

static void wait_for_degraded(struct client *client, const char *what)
{
        while (!has_degraded(client, what))
                CHECK(client_read(client), "it does not say what is lacking: %s", what);
}

static void check_attached(struct client *client, const char *unit, const char *mode)
{
        const json_t *attached = client_wait_for(client, "attached");

        CHECK(strcmp(text_of(attached, "unit"), unit) == 0 && strcmp(text_of(attached, "ptrace"), mode) == 0 &&
                      strcmp(text_of(attached, "detail"), "full") == 0,
              "not as it should be: %s", json_dumps(attached, 0));
}

static void check_end(const struct client *client, const char *reason, bool is_whole)
{
        const json_t *end = client_find(client, "end");

        CHECK(end && strcmp(text_of(end, "reason"), reason) == 0, "the end should be \"%s\": %s", reason,
              end ? json_dumps(end, 0) : "none");
        CHECK(has_degraded(client, "unit") == !is_whole, "whose events they are");
        check_nothing_missing(client);
}

/* ---- as root ---- */

static void start_client(struct client *client, const char *unit)
{
        const char *args[] = {"-u", unit, NULL};

        client_start(client, args);
        check_attached(client, unit, "off");
        wait_for_degraded(client, "hold");
}

/* A child of it executes a program, its own or another one; both let go in the end. */
static void run_child(struct client *client, struct target *target, const char *program)
{
        const char *line;

        target_open_gate(target);
        line = lines_next(&target->child.out);
        CHECK(line && strncmp(line, "rights ", 7) == 0, "the target says: %s", line ? line : "nothing");
        client_read_until_done(client, target);
        child_release(&target->child);
        if (!program)
                return;
        client_read_until_done(client, target);
        child_release(&target->child);
}

static void run_gated(struct client *client, struct target *target)
{
        target_open_gate(target);
        client_read_until_done(client, target);
}

/* Reaped, what it announced kept. */
static void finish_target(struct target *target)
{
        json_incref(target->expected);
        CHECK(target_finish(target) == 0, "a target failed");
}

static void root(void)
{
        const char *service = make_service(), *below = group_make(service, "below");
        struct target inside, many, later, family, outside;
        struct client client;

        CHECK(setenv("TARGET_PROGRAM", TARGETS_DIR "/target_setid", 1) == 0, "setenv: %s", strerror(errno));
        target_start(&inside, "anon", "zero-fill", NULL);
        target_start(&many, "threads", "existing", "20");
        target_start(&later, "anon", "zero-page", NULL);
        target_start(&family, "setid", "child", NULL);
        target_start(&outside, "anon", "zero-fill", NULL);
        group_move_in(service, inside.pid);
        group_move_in(below, many.pid);
        group_move_in(service, family.pid);
        start_client(&client, group_name(service));
        CHECK(number_of(client_find(&client, "attached"), "threads") == 23, "not 1 + 21 + 1 threads: %s",
              json_dumps(client_find(&client, "attached"), 0));
        group_move_in(below, later.pid);
        run_gated(&client, &inside);
        run_gated(&client, &outside);
        run_gated(&client, &many);
        run_gated(&client, &later);
        read_until_told(&client, &later);
        run_child(&client, &family, "its own");
        finish_target(&inside);
        finish_target(&many);
        finish_target(&later);
        finish_target(&family);
        CHECK(client_finish(&client) == 0, "the client failed");
        compare_part(&client, &inside, COMPARE_ALL);
        compare_part(&client, &many, COMPARE_ALL);
        compare_part(&client, &later, COMPARE_ALL);
        check_announced(&client, &family);
        check_nothing_of(&client, outside.pid);
        check_end(&client, "exited", true);
        client_free(&client);
        CHECK(target_finish(&outside) == 0, "a target failed");
}

/* ---- a set-user-ID program ---- */

static void remove_folder(void)
{
        char path[GROUP_PATH_BYTES];

        (void)snprintf(path, sizeof(path), "%s/program", folder);
        (void)unlink(path);
        (void)rmdir(folder);
}

static void install_setuid_program(void)
{
        char path[GROUP_PATH_BYTES];
        const char *argv[] = {"install", "--owner=0", "--mode=4755", TARGETS_DIR "/target_setid", path, NULL};
        struct statvfs fs;
        struct child install;

        CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0 && statvfs(folder, &fs) == 0, "%s: %s", folder,
              strerror(errno));
        (void)atexit(remove_folder);
        if (fs.f_flag & ST_NOSUID)
                skip("set-user-ID programs have no effect on this file system");
        (void)snprintf(path, sizeof(path), "%s/program", folder);
        child_start(&install, argv, NULL);
        CHECK(child_wait(&install) == 0, "install: %s", child_errors(&install));
        child_close(&install);
        CHECK(setenv("TARGET_PROGRAM", path, 1) == 0, "setenv: %s", strerror(errno));
}

static void setuid_program(void)
{
        const char *service = make_service();
        struct target target;
        struct client client;

        harness_need_reachable(NOBODY);
        install_setuid_program();
        target_start_as(&target, NOBODY, "setid", "enter", NULL);
        group_move_in(service, target.pid);
        start_client(&client, group_name(service));
        run_child(&client, &target, NULL);
        finish_target(&target);
        CHECK(client_finish(&client) == 0, "the client failed");
        check_announced(&client, &target);
        check_end(&client, "exited", true);
        client_free(&client);
}

/* ---- as somebody else ---- */

/* A target that makes a fault when it is told to, and how many it has made. */
struct walker {
        struct target target;
        size_t n_steps;
};

static void step(struct client *client, struct walker *walker)
{
        child_release(&walker->target.child);
        client_read_until_done(client, &walker->target);
        walker->n_steps++;
}

static uint64_t walker_start(const struct walker *walker)
{
        return address_of(json_array_get(walker->target.expected, 0), "addr");
}

/* The next line, if there is one within a moment. */
static void read_moment(struct client *client)
{
        struct pollfd fd = {.fd = client->child.out.fd, .events = POLLIN};

        if (poll(&fd, 1, 1) > 0)
                CHECK(client_read(client), "the client ended");
}

/* Steps until one is seen; the number of it. */
static size_t step_until_seen(struct client *client, struct walker *walker)
{
        for (;;) {
                struct client part = part_of(client, walker->target.pid);
                const json_t *first = json_array_get(part.faults, 0);
                uint64_t addr = first ? address_of(first, "addr") : 0;

                json_decref(part.faults);
                if (addr)
                        return (addr - walker_start(walker)) / PAGE_BYTES;
                CHECK(walker->n_steps < MAX_STEPS, "not noticed in %d steps", MAX_STEPS);
                step(client, walker);
                read_moment(client);
        }
}

/* All steps from the first that was seen. */
static void check_steps(const struct client *client, const struct walker *walker, size_t first)
{
        struct client part = part_of(client, walker->target.pid);

        CHECK(part.n_faults == walker->n_steps - first, "%" PRIu64 " faults for the steps %zu to %zu", part.n_faults,
              first, walker->n_steps);
        for (size_t i = first; i < walker->n_steps; i++) {
                const json_t *fault = json_array_get(part.faults, i - first);

                CHECK(address_of(fault, "addr") == walker_start(walker) + i * PAGE_BYTES &&
                              strcmp(text_of(fault, "cause"), "zero-fill") == 0,
                      "not step %zu: %s", i, json_dumps(fault, 0));
        }
        json_decref(part.faults);
}

static void end_walker(struct walker *walker)
{
        CHECK(kill(walker->target.pid, SIGKILL) == 0, "the target is gone");
        CHECK(target_finish(&walker->target) == 128 + SIGKILL, "the target failed");
}

static void nobody(void)
{
        const char *service = make_service();
        CLEANUP_FREE char *socket_option = NULL;
        const char *args[] = {"-u", group_path(service), NULL, NULL};
        struct target first, second, foreign;
        struct walker walker = {0};
        struct daemon daemon;
        struct client client;
        size_t first_seen;

        harness_need_reachable(NOBODY);
        harness_need_reachable(OTHER);
        daemon_start(&daemon, NULL);
        daemon_open_to_all(&daemon);
        args[2] = socket_option = daemon_option(&daemon);
        target_start_as(&foreign, OTHER, "anon", "zero-fill", NULL);
        target_start_as(&first, NOBODY, "anon", "zero-fill", NULL);
        target_start_as(&second, NOBODY, "threads", "existing", "20");
        target_start_as(&walker.target, NOBODY, "step", "step", NULL);
        group_move_in(service, foreign.pid);
        group_move_in(service, first.pid);
        group_move_in(service, second.pid);
        client_start_as(&client, NOBODY, args);
        check_attached(&client, group_path(service), "light");
        wait_for_degraded(&client, "hold");
        wait_for_degraded(&client, "unit");
        target_open_gate(&foreign);
        clients_read_until_done(NULL, 0, &foreign);
        run_gated(&client, &first);
        group_move_in(service, walker.target.pid);
        harness_doing("waiting for a process that was moved in");
        first_seen = step_until_seen(&client, &walker);
        for (size_t i = 0; i < N_EXACT_STEPS; i++)
                step(&client, &walker);
        run_gated(&client, &second);
        finish_target(&first);
        finish_target(&second);
        finish_target(&foreign);
        CHECK(kill(walker.target.pid, SIGKILL) == 0, "the target is gone");
        CHECK(client_finish(&client) == 0, "the client failed");
        compare_part(&client, &first, COMPARE_ALL & ~COMPARE_PAGE);
        compare_part(&client, &second, COMPARE_ALL & ~COMPARE_PAGE);
        check_steps(&client, &walker, first_seen);
        check_nothing_of(&client, foreign.pid);
        check_end(&client, "exited", false);
        client_free(&client);
        end_walker(&walker);
        daemon_stop(&daemon);
}

/* ---- names ---- */

static void check_name(const char *service, const char *name)
{
        struct target target;
        struct client client;

        target_start(&target, "anon", "zero-fill", NULL);
        group_move_in(service, target.pid);
        start_client(&client, name);
        run_gated(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        compare_faults(&client, &target, COMPARE_ALL);
        check_end(&client, "stopped", true);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void names(void)
{
        const char *service = make_service();
        char short_name[NAME_BYTES];

        (void)snprintf(short_name, sizeof(short_name), "%.*s", (int)(strlen(group_name(service)) - strlen(".service")),
                       group_name(service));
        check_name(service, short_name);
        check_name(service, group_name(service));
        check_name(service, group_path(service));
        check_name(service, service);
}

/* ---- errors ---- */

static void refuse(const char *what, const char *unit, const char *text)
{
        const char *args[] = {"-u", unit, NULL};
        struct client client;

        client_start(&client, args);
        check_refused(&client, what, text);
        client_free(&client);
}

/* A shell that enters the cgroup and becomes the client. */
static void refuse_inside(const char *group)
{
        char command[2 * GROUP_PATH_BYTES + 256];
        const char *argv[] = {"sh", "-c", command, NULL};
        struct client client = {.faults = json_array(), .others = json_array()};

        (void)snprintf(command, sizeof(command),
                       "echo $$ >%s/cgroup.procs && exec " FAULTLINE_PATH " --private --format=json -u %s", group,
                       group_path(group));
        child_start(&client.child, argv, &(struct child_options){.dies_with_us = true});
        check_refused(&client, "the client inside", "faultline itself runs in it");
        client_free(&client);
}

/* Names that lead out of the file system, or to what is no cgroup, exist as little as any other. */
static void errors(void)
{
        const char *service = make_service(), *below = group_make(service, "below");
        static const char *const unknown[] = {
                "faultline-no-such-unit", "/faultline-no-such-unit", "/../proc", "/..", "..", ".", "/cgroup.procs"};
        char up[GROUP_PATH_BYTES], trick[GROUP_PATH_BYTES];
        struct target target;

        for (size_t i = 0; i < ARRAY_SIZE(unknown); i++)
                refuse(unknown[i], unknown[i], "knows a running unit or cgroup");
        (void)snprintf(up, sizeof(up), "%s/../../etc", group_path(service));
        refuse("out of it", up, "knows a running unit or cgroup");
        (void)snprintf(trick, sizeof(trick), "%s/cgroup.procs", group_path(service));
        refuse("a file", trick, "knows a running unit or cgroup");
        refuse("an empty one", group_path(below), "no process runs in it");
        refuse("an empty unit", group_name(service), "no process runs in it");
        refuse_inside(service);
        (void)group_make(below, group_name(service));
        target_start(&target, "anon", "zero-fill", NULL);
        group_move_in(below, target.pid);
        refuse("an ambiguous name", group_name(service), "several cgroups have this name");
        CHECK(target_finish(&target) == 0, "the target failed");
}

static const struct test_case cases[] = {
        {"root", root}, {"setuid", setuid_program}, {"nobody", nobody}, {"names", names}, {"errors", errors}};

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: units CASE");
        harness_begin(50);
        harness_need_full();
        groups_begin();
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
