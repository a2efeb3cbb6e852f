/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * machine CASE: what the machine does, or does not have, while somebody is traced.
 *
 *   comes, goes            a CPU that comes, or goes and comes back, with the target on it
 *   unit-comes, unit-goes  the same for a unit, whose events the kernel takes away with the CPU
 *   fewer-descriptors      too few for full detail on all threads: basic detail, and it is said
 *   no-descriptors         too few even for that: a line with the number that would do; with that number it goes
 *   thousand MODE          threads
 *
 * The CPU is put back whatever happens.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/support/groups.h"
#include "tests/support/harness.h"

#define PAGE_BYTES 4096
#define N_STEPS 16
#define N_THREADS 101    /* of "threads existing 100" */
#define N_BASIC_EVENTS 3 /* completions with and without waiting, the sideband */
#define TOO_FEW "300"
#define SCARCE "1000"
#define N_THOUSAND 1000
#define MOST_ATTACH_NS (10 * NSEC_PER_SEC)

/* ---- a CPU ---- */

static char cpu_file[64];
static size_t cpu;

static void set_cpu(const char *state)
{
        CLEANUP_CLOSE int fd = open(cpu_file, O_WRONLY | O_CLOEXEC);

        CHECK(fd >= 0 && write(fd, state, 1) == 1, "%s: %s", cpu_file, strerror(errno));
}

static void restore_cpu(void)
{
        CLEANUP_CLOSE int fd = open(cpu_file, O_WRONLY | O_CLOEXEC);

        if (fd >= 0 && write(fd, "1", 1) < 0)
                (void)fprintf(stderr, "%s: %s\n", cpu_file, strerror(errno));
}

/* The last one that is there and may go. */
static void choose_cpu(void)
{
        cpu_set_t allowed;

        CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "sched_getaffinity: %s", strerror(errno));
        for (cpu = CPU_SETSIZE - 1; cpu > 0; cpu--) {
                (void)snprintf(cpu_file, sizeof(cpu_file), "/sys/devices/system/cpu/cpu%zu/online", cpu);
                if (CPU_ISSET(cpu, &allowed) && access(cpu_file, W_OK) == 0) {
                        (void)atexit(restore_cpu);
                        return;
                }
        }
        skip("there is no processor that can be taken offline");
}

/* true: to that CPU, false: anywhere else. */
static void move_to_cpu(pid_t pid, bool there)
{
        cpu_set_t set;

        CPU_ZERO(&set);
        for (size_t i = 0; i < CPU_SETSIZE; i++)
                if ((i == cpu) == there)
                        CPU_SET(i, &set);
        CHECK(sched_setaffinity(pid, sizeof(set), &set) == 0, "sched_setaffinity: %s", strerror(errno));
}

struct walker {
        struct target target;
        size_t n_steps;
};

static void walk(struct client *client, struct walker *walker)
{
        for (size_t i = 0; i < N_STEPS; i++, walker->n_steps++) {
                child_release(&walker->target.child);
                client_read_until_done(client, &walker->target);
        }
}

static void check_step(const json_t *fault, const struct walker *walker, size_t i)
{
        uint64_t start = address_of(json_array_get(walker->target.expected, 0), "addr");

        CHECK(address_of(fault, "addr") == start + i * PAGE_BYTES && strcmp(text_of(fault, "cause"), "zero-fill") == 0,
              "not step %zu: %s", i, json_dumps(fault, 0));
}

/* Every step, in its place; bits of `there`: which bouts of N_STEPS were made on that CPU. */
static void check_walk(const struct client *client, const struct walker *walker, unsigned int there)
{
        CHECK(client->n_faults == walker->n_steps, "%" PRIu64 " faults in %zu steps", client->n_faults,
              walker->n_steps);
        for (size_t i = 0; i < walker->n_steps; i++) {
                const json_t *fault = json_array_get(client->faults, i);

                check_step(fault, walker, i);
                CHECK((number_of(fault, "cpu") == cpu) == ((there >> i / N_STEPS & 1) != 0),
                      "step %zu on another processor: %s", i, json_dumps(fault, 0));
        }
        check_nothing_missing(client);
}

static void start(struct client *client, struct walker *walker)
{
        target_start(&walker->target, "step", "step", NULL);
        client_attach(client, walker->target.pid);
}

static void end_walk(struct client *client, struct walker *walker)
{
        CHECK(client_stop(client) == 0, "the client failed");
        CHECK(kill(walker->target.pid, SIGKILL) == 0, "the target is gone");
}

static void leave(struct client *client, struct walker *walker)
{
        client_free(client);
        (void)target_finish(&walker->target);
}

static void comes(void)
{
        struct walker walker = {0};
        struct client client;

        choose_cpu();
        set_cpu("0");
        start(&client, &walker);
        walk(&client, &walker);
        set_cpu("1");
        move_to_cpu(walker.target.pid, true);
        walk(&client, &walker);
        move_to_cpu(walker.target.pid, false);
        walk(&client, &walker);
        end_walk(&client, &walker);
        check_walk(&client, &walker, 2);
        leave(&client, &walker);
}

static void goes(void)
{
        struct walker walker = {0};
        struct client client;

        choose_cpu();
        start(&client, &walker);
        move_to_cpu(walker.target.pid, true);
        walk(&client, &walker);
        set_cpu("0");
        walk(&client, &walker);
        set_cpu("1");
        move_to_cpu(walker.target.pid, true);
        walk(&client, &walker);
        end_walk(&client, &walker);
        check_walk(&client, &walker, 5);
        leave(&client, &walker);
}

/* ---- a CPU and a unit ---- */

static bool has_degraded(const struct client *client, const char *what)
{
        json_t *line;
        size_t i;

        json_array_foreach(client->others, i, line) if (strcmp(text_of(line, "type"), "degraded") == 0 &&
                                                        strcmp(text_of(line, "what"), what) == 0) return true;
        return false;
}

static void wait_for_degraded(struct client *client, const char *what)
{
        harness_doing(what);
        while (!has_degraded(client, what))
                CHECK(client_read(client), "it does not say what is lacking: %s", what);
}

static void start_in_unit(struct client *client, struct walker *walker)
{
        char name[64];
        const char *group, *args[] = {"-u", NULL, NULL};

        groups_begin();
        (void)snprintf(name, sizeof(name), "faultline-machine-%d.service", (int)getpid());
        group = group_make(NULL, name);
        target_start(&walker->target, "step", "step", NULL);
        group_move_in(group, walker->target.pid);
        args[1] = group_name(group);
        client_start(client, args);
        (void)client_wait_for(client, "attached");
}

/* The events of a unit come late to a CPU that comes, and that is said: steps until one on it is seen. */
static void walk_until_seen(struct client *client, struct walker *walker)
{
        size_t n_before = client->n_faults;

        harness_doing("waiting for faults on a processor that has come");
        while (client->n_faults == n_before) {
                struct pollfd fd = {.fd = client->child.out.fd, .events = POLLIN};

                child_release(&walker->target.child);
                client_read_until_done(client, &walker->target);
                walker->n_steps++;
                if (poll(&fd, 1, 1) > 0)
                        CHECK(client_read(client), "the client ended");
        }
}

/* Onto the CPU that has just come, and then some: nothing but the first of these steps may be missing. */
static void finish_on_cpu(struct client *client, struct walker *walker)
{
        size_t n_before = walker->n_steps, n_missing;

        while (client->n_faults < n_before) /* what comes later is of that CPU */
                CHECK(client_read(client), "the client ended");
        set_cpu("1");
        move_to_cpu(walker->target.pid, true);
        walk_until_seen(client, walker);
        walk(client, walker);
        end_walk(client, walker);
        CHECK(client->n_faults > n_before && client->n_faults <= walker->n_steps, "%" PRIu64 " faults in %zu steps",
              client->n_faults, walker->n_steps);
        n_missing = walker->n_steps - client->n_faults;
        for (size_t i = 0; i < client->n_faults; i++) {
                const json_t *fault = json_array_get(client->faults, i);

                check_step(fault, walker, i < n_before ? i : i + n_missing);
                CHECK(i < n_before || number_of(fault, "cpu") == cpu, "on another processor: %s", json_dumps(fault, 0));
        }
        check_nothing_missing(client);
        leave(client, walker);
}

static void unit_comes(void)
{
        struct walker walker = {0};
        struct client client;

        choose_cpu();
        set_cpu("0");
        start_in_unit(&client, &walker);
        wait_for_degraded(&client, "cpus");
        walk(&client, &walker);
        finish_on_cpu(&client, &walker);
}

static void unit_goes(void)
{
        struct walker walker = {0};
        struct client client;

        choose_cpu();
        start_in_unit(&client, &walker);
        move_to_cpu(walker.target.pid, true);
        walk(&client, &walker);
        CHECK(!has_degraded(&client, "cpus"), "all processors are there");
        set_cpu("0");
        wait_for_degraded(&client, "cpus");
        walk(&client, &walker);
        finish_on_cpu(&client, &walker);
}

/* ---- descriptors ---- */

static void start_limited(struct daemon *daemon, const char *limit)
{
        char command[64];
        const char *wrapper[] = {"sh", "-c", command, "sh", NULL};

        (void)snprintf(command, sizeof(command), "ulimit -n %s && exec \"$@\"", limit);
        daemon_start(daemon, wrapper);
}

static void start_client(struct client *client, const struct target *target, const struct daemon *daemon)
{
        CLEANUP_FREE char *option = daemon_option(daemon);
        char pid[16];
        const char *args[] = {option, "-p", pid, NULL};

        (void)snprintf(pid, sizeof(pid), "%d", (int)target->pid);
        client_start(client, args);
}

/* Every fault at basic detail, and why not more. */
static void trace_scarcely(const char *limit)
{
        struct daemon daemon;
        struct target target;
        struct client client;

        start_limited(&daemon, limit);
        target_start(&target, "threads", "existing", "100");
        start_client(&client, &target, &daemon);
        CHECK(strcmp(text_of(client_wait_for(&client, "attached"), "detail"), "basic") == 0, "not basic detail: %s",
              json_dumps(client_find(&client, "attached"), 0));
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        CHECK(has_degraded(&client, "descriptors"), "it does not say why");
        check_nothing_missing(&client);
        compare_faults(&client, &target, COMPARE_ADDRESS);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

/* How many are needed, as the refusal says. */
static unsigned long ask_for_number(void)
{
        static const char words[] = " threads on ";
        CLEANUP_FREE char *errors = NULL;
        struct daemon daemon;
        struct target target;
        struct client client;
        unsigned long n_threads, n_cpus, n_events, n_needed;
        const char *at;

        start_limited(&daemon, TOO_FEW);
        target_start(&target, "threads", "existing", "100");
        start_client(&client, &target, &daemon);
        check_refused(&client, "few descriptors", "RLIMIT_NOFILE");
        errors = child_errors(&client.child);
        at = strstr(errors, words);
        CHECK(at && sscanf(at + strlen(words),
                           "%lu CPUs need %lu file descriptors even at basic detail, with all others of the daemon %lu",
                           &n_cpus, &n_events, &n_needed) == 3,
              "no number: %s", errors);
        while (at > errors && at[-1] >= '0' && at[-1] <= '9')
                at--;
        n_threads = strtoul(at, NULL, 10);
        CHECK(n_threads == N_THREADS && n_cpus == (unsigned long)sysconf(_SC_NPROCESSORS_CONF) &&
                      n_events == n_threads * n_cpus * N_BASIC_EVENTS,
              "other numbers: %s", errors);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
        return n_needed;
}

static void no_descriptors(void)
{
        char number[24];

        (void)snprintf(number, sizeof(number), "%lu", ask_for_number());
        trace_scarcely(number);
}

/* ---- threads ---- */

static uint64_t now_ns(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void check_threads(const struct client *client)
{
        json_t *tids = json_object(), *fault;
        char key[24];
        size_t i;

        json_array_foreach(client->faults, i, fault)
        {
                (void)snprintf(key, sizeof(key), "%" PRIu64, number_of(fault, "tid"));
                CHECK(json_object_set_new(tids, key, json_true()) == 0, "out of memory");
        }
        CHECK(json_object_size(tids) == N_THOUSAND, "faults of %zu threads", json_object_size(tids));
        json_decref(tids);
}

static void thousand(const char *mode)
{
        char option[32], pid[16];
        const char *args[] = {option, "-p", pid, NULL};
        struct target target;
        struct client client;
        uint64_t began_ns, took_ns;
        const json_t *attached;

        (void)snprintf(option, sizeof(option), "--ptrace=%s", mode);
        target_start(&target, "threads", "existing", "1000");
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        began_ns = now_ns();
        client_start(&client, args);
        attached = client_wait_for(&client, "attached");
        took_ns = now_ns() - began_ns;
        CHECK(strcmp(text_of(attached, "ptrace"), mode) == 0 && strcmp(text_of(attached, "detail"), "full") == 0 &&
                      number_of(attached, "threads") == N_THOUSAND + 1,
              "not as asked for: %s", json_dumps(attached, 0));
        printf("%s: attached to %d threads in %" PRIu64 " ms\n", mode, N_THOUSAND + 1, took_ns / NSEC_PER_MSEC);
        CHECK(took_ns < MOST_ATTACH_NS, "the attach took %" PRIu64 " ms", took_ns / NSEC_PER_MSEC);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        CHECK(!has_degraded(&client, "threads") && !has_degraded(&client, "descriptors"), "something is lacking: %s",
              json_dumps(client.others, 0));
        check_nothing_missing(&client);
        compare_faults(&client, &target, COMPARE_ALL);
        check_threads(&client);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

int main(int argc, char **argv)
{
        const char *which = argc > 1 ? argv[1] : "";

        harness_begin(80);
        harness_need_full();
        if (strcmp(which, "comes") == 0)
                comes();
        else if (strcmp(which, "goes") == 0)
                goes();
        else if (strcmp(which, "unit-comes") == 0)
                unit_comes();
        else if (strcmp(which, "unit-goes") == 0)
                unit_goes();
        else if (strcmp(which, "fewer-descriptors") == 0)
                trace_scarcely(SCARCE);
        else if (strcmp(which, "no-descriptors") == 0)
                no_descriptors();
        else if (strcmp(which, "thousand") == 0 && argc == 3)
                thousand(argv[2]);
        else
                fail("no case %s", which);
        return 0;
}
