/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * perf [moved] EVENTS TARGET CASE [ARGUMENT]: perf record on the same target at the same time. It must have seen the
 * same (address, instruction) pairs, as often, and here nothing may be missing: where several observers have the same
 * software event, the kernel writes what it prepared for the first (id, time) into the records of the others.
 *
 * moved: the target is sent from CPU to CPU all the time, above all while it waits for storage. So the pieces of a
 * fault come in several rings, and only their stamps, which may be wrong, say which was first.
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/support/harness.h"

struct pair {
        uint64_t addr, ip;
};

struct pairs {
        struct pair *pairs;
        size_t n, size;
};

static void add(struct pairs *to, uint64_t addr, uint64_t ip)
{
        if (to->n == to->size) {
                to->size = to->size ? 2 * to->size : 1024;
                to->pairs = reallocarray(to->pairs, to->size, sizeof(*to->pairs));
                CHECK(to->pairs, "out of memory");
        }
        to->pairs[to->n++] = (struct pair){.addr = addr, .ip = ip};
}

static int order(const void *a, const void *b)
{
        const struct pair *x = a, *y = b;

        if (x->addr != y->addr)
                return x->addr < y->addr ? -1 : 1;
        return x->ip < y->ip ? -1 : x->ip > y->ip;
}

/* perf record that starts disabled and obeys a pipe: it has begun when it acknowledges. */
struct perf {
        struct child child;
        int control, ack;
        char data[64];
};

static void perf_say(struct perf *perf, const char *command)
{
        char answer[5];

        CHECK(write(perf->control, command, strlen(command)) == (ssize_t)strlen(command), "perf is gone");
        CHECK(read(perf->ack, answer, sizeof(answer)) == (ssize_t)sizeof(answer), "perf does not acknowledge");
}

static void perf_start(struct perf *perf, const char *events, pid_t pid)
{
        int control[2], ack[2];
        char number[16], option[64];
        const char *argv[] = {"perf", "record", "-q",   "-e", events,     "-c1", "-d",   "-m", "1024",
                              "-D",   "-1",     option, "-o", perf->data, "-p",  number, NULL};

        harness_doing("starting perf record");
        CHECK(pipe(control) == 0 && pipe(ack) == 0, "pipe: %s", strerror(errno));
        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        (void)snprintf(option, sizeof(option), "--control=fd:%d,%d", control[0], ack[1]);
        (void)snprintf(perf->data, sizeof(perf->data), "./faultline-perf-%d.data", (int)getpid());
        child_start(&perf->child, argv, &(struct child_options){.dies_with_us = true});
        perf->control = control[1];
        perf->ack = ack[0];
        perf_say(perf, "enable\n");
}

static void perf_collect(struct perf *perf, struct pairs *ret)
{
        const char *argv[] = {"perf", "script", "-i", perf->data, "-F", "event,addr,ip", NULL};
        struct child script;
        uint64_t addr, ip;
        char *line;

        perf_say(perf, "stop\n");
        (void)child_wait(&perf->child);
        child_close(&perf->child);
        harness_doing("reading perf script");
        child_start(&script, argv, NULL);
        while ((line = lines_next(&script.out)))
                if (sscanf(line, " page-faults: %" SCNx64 " %" SCNx64, &addr, &ip) == 2)
                        add(ret, addr, ip);
        CHECK(child_wait(&script) == 0, "perf script failed");
        child_close(&script);
        (void)unlink(perf->data);
}

static void compare(const struct pairs *ours, const struct pairs *theirs)
{
        qsort(ours->pairs, ours->n, sizeof(*ours->pairs), order);
        qsort(theirs->pairs, theirs->n, sizeof(*theirs->pairs), order);
        for (size_t i = 0; i < ours->n && i < theirs->n; i++)
                CHECK(order(&ours->pairs[i], &theirs->pairs[i]) == 0,
                      "ours 0x%" PRIx64 " from 0x%" PRIx64 ", perf's 0x%" PRIx64 " from 0x%" PRIx64,
                      ours->pairs[i].addr, ours->pairs[i].ip, theirs->pairs[i].addr, theirs->pairs[i].ip);
        CHECK(ours->n == theirs->n, "%zu faults here, %zu in perf", ours->n, theirs->n);
}

/* Longer than a move takes, shorter than a fault that waits for storage. */
#define MOVE_EVERY_NS 100000

static void move_for_ever(pid_t pid, const cpu_set_t *allowed)
{
        const struct timespec pause = {.tv_nsec = MOVE_EVERY_NS};

        for (int cpu = 0;; cpu = (cpu + 1) % CPU_SETSIZE) {
                cpu_set_t one;

                if (!CPU_ISSET(cpu, allowed))
                        continue;
                CPU_ZERO(&one);
                CPU_SET(cpu, &one);
                (void)sched_setaffinity(pid, sizeof(one), &one); /* at last the target is gone */
                (void)nanosleep(&pause, NULL);
        }
}

static pid_t mover_start(pid_t pid)
{
        cpu_set_t allowed;
        pid_t mover;

        CHECK(sched_getaffinity(0, sizeof(allowed), &allowed) == 0, "sched_getaffinity: %s", strerror(errno));
        if (CPU_COUNT(&allowed) < 2)
                skip("there is only one CPU to be moved to");
        mover = fork();
        CHECK(mover >= 0, "fork: %s", strerror(errno));
        if (mover == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                move_for_ever(pid, &allowed);
        }
        return mover;
}

static void mover_stop(pid_t mover)
{
        CHECK(kill(mover, SIGKILL) == 0 && waitpid(mover, NULL, 0) == mover, "the mover is gone");
}

int main(int argc, char **argv)
{
        bool moved = argc > 1 && strcmp(argv[1], "moved") == 0;
        pid_t mover = 0;
        struct target target;
        struct client client;
        struct perf perf;
        struct pairs ours = {0}, theirs = {0};
        json_t *fault;
        size_t i;

        argc -= moved;
        argv += moved;
        CHECK(argc == 4 || argc == 5, "usage: perf [moved] EVENTS TARGET CASE [ARGUMENT]");
        harness_begin(50);
        harness_need_full();
        harness_need_program("perf");
        target_start(&target, argv[2], argv[3], argv[4]);
        client_attach(&client, target.pid);
        perf_start(&perf, argv[1], target.pid);
        if (moved)
                mover = mover_start(target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        if (moved)
                mover_stop(mover);
        perf_collect(&perf, &theirs);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        json_array_foreach(client.faults, i, fault) add(&ours, address_of(fault, "addr"), address_of(fault, "ip"));
        compare(&ours, &theirs);
        compare_faults(&client, &target, COMPARE_ALL);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        return 0;
}
