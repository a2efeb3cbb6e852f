/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracees, replayed: each table is a sequence of what is put in and the exact actions that must come out, in order.
 * Those marked "recorded" are what waitid(2) and PTRACE_GETEVENTMSG returned for real programs on Linux 6.18, with
 * their numbers; the others are orders that happen too rarely to be recorded.
 *
 *   time MS                       tracees_time()
 *   barrier PID | go PID          seized TID PID | refused PID ERRNO | unknown PID | scanned PID ERRNO
 *   zombie TID
 *   watch W PID FOLLOWS           unwatch W PID
 *   stop TID STATUS [MESSAGE [CHILD-PID [PID]]]
 *   exit TID WAIT-STATUS
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/tracer/tracee.h"

/* This one instead of libc's, so that memory can run out. */
static bool has_no_memory;

void *reallocarray(void *p, size_t n, size_t n_bytes)
{
        return has_no_memory ? NULL : realloc(p, n * n_bytes);
}

struct step {
        const char *in, *out;
};

static void put_in(struct tracees *t, const char *in)
{
        int a = 0, b = 0, c = 0, d = 0, e = 0;
        char what[16];

        assert_int_not_equal(sscanf(in, "%15s %i %i %i %i %i", what, &a, &b, &c, &d, &e), 0);
        if (strcmp(what, "time") == 0)
                tracees_time(t, (uint64_t)a * NSEC_PER_MSEC);
        else if (strcmp(what, "barrier") == 0)
                tracees_barrier(t, a);
        else if (strcmp(what, "go") == 0)
                tracees_go(t, a);
        else if (strcmp(what, "seized") == 0)
                tracees_seized(t, a, b);
        else if (strcmp(what, "refused") == 0)
                tracees_refused(t, a, b);
        else if (strcmp(what, "unknown") == 0)
                tracees_unknown(t, a);
        else if (strcmp(what, "scanned") == 0)
                tracees_scanned(t, a, b);
        else if (strcmp(what, "zombie") == 0)
                tracees_zombie(t, a);
        else if (strcmp(what, "watch") == 0)
                tracees_watch(t, (unsigned int)a, b, c != 0);
        else if (strcmp(what, "unwatch") == 0)
                tracees_unwatch(t, (unsigned int)a, b);
        else if (strcmp(what, "exit") == 0)
                tracees_exit(t, a, b);
        else if (strcmp(what, "stop") == 0)
                tracees_stop(t, &(struct tracee_stop){.tid = a, .status = b, .message = c, .child_pid = d, .pid = e});
        else
                fail_msg("no such input: %s", in);
}

static void put_action(char *out, size_t n_out, const struct tracee_action *x)
{
        unsigned long watches = (unsigned long)x->watches;

        switch (x->kind) {
        case TRACEE_CONT:
                snprintf(out, n_out, "cont %d %d", x->tid, x->signal);
                break;
        case TRACEE_LISTEN:
                snprintf(out, n_out, "listen %d", x->tid);
                break;
        case TRACEE_INTERRUPT:
                snprintf(out, n_out, "interrupt %d", x->tid);
                break;
        case TRACEE_SETOPTIONS:
                snprintf(out, n_out, "options %d %#x", x->tid, x->options);
                break;
        case TRACEE_DETACH:
                snprintf(out, n_out, "detach %d %d", x->tid, x->signal);
                break;
        case TRACEE_REAP:
                snprintf(out, n_out, "reap %d", x->tid);
                break;
        case TRACEE_SCAN:
                snprintf(out, n_out, "scan %d", x->pid);
                break;
        case TRACEE_LOOK:
                snprintf(out, n_out, "look %d", x->tid);
                break;
        case TRACEE_STOPPED:
                snprintf(out, n_out, "stopped %d %u/%u", x->pid, x->n_threads, x->n_unstopped);
                break;
        case TRACEE_FAILED:
                snprintf(out, n_out, "failed %d %d", x->pid, x->error);
                break;
        case TRACEE_EXECED:
                snprintf(out, n_out, "execed %d", x->pid);
                break;
        case TRACEE_BUSY:
                snprintf(out, n_out, "busy %u", x->n_signals);
                break;
        case TRACEE_SIGNAL:
                snprintf(out, n_out, "signal %d:%d %d to %#lx", x->pid, x->tid, x->signal, watches);
                break;
        case TRACEE_FORK:
                snprintf(out, n_out, "fork %d:%d %d event %d to %#lx", x->pid, x->tid, x->child, x->event, watches);
                break;
        case TRACEE_EXIT:
                snprintf(out, n_out, "exit %d %#x to %#lx", x->pid, (unsigned int)x->status, watches);
                break;
        }
}

/* All that the tracees ask for, separated by "; ". */
static const char *take_out(struct tracees *t)
{
        static char out[4096];
        struct tracee_action action;
        size_t n = 0;

        out[0] = '\0';
        while (tracees_next(t, &action)) {
                if (n > 0)
                        n += (size_t)snprintf(out + n, sizeof(out) - n, "; ");
                put_action(out + n, sizeof(out) - n, &action);
                n += strlen(out + n);
        }
        return out;
}

static void play(struct tracees *t, const struct step *steps, size_t n_steps)
{
        for (size_t i = 0; i < n_steps; i++) {
                put_in(t, steps[i].in);
                const char *out = take_out(t);

                if (strcmp(out, steps[i].out) != 0)
                        fail_msg("step %zu, %s: \"%s\" instead of \"%s\"", i, steps[i].in, out, steps[i].out);
        }
}

#define PLAY(t, ...) play(t, (const struct step[]){__VA_ARGS__}, ARRAY_SIZE(((const struct step[]){__VA_ARGS__})))

/* A process of one thread under watch 0. */
static void hold(struct tracees *t, pid_t pid, bool follows)
{
        tracees_time(t, NSEC_PER_SEC);
        tracees_barrier(t, pid);
        tracees_seized(t, pid, pid);
        tracees_scanned(t, pid, 0);
        tracees_stop(t, &(struct tracee_stop){.tid = pid, .status = 0x8005});
        tracees_scanned(t, pid, 0);
        tracees_watch(t, 0, pid, follows);
        tracees_go(t, pid);
        take_out(t);
}

#define REPLAY(pid, follows, ...)                                                                                      \
        do {                                                                                                           \
                struct tracees t = {0};                                                                                \
                                                                                                                       \
                hold(&t, pid, follows);                                                                                \
                PLAY(&t, __VA_ARGS__);                                                                                 \
                assert_false(t.is_out_of_memory);                                                                      \
                tracees_free(&t);                                                                                      \
        } while (false)

/* ---------------------------------------------------------------- recorded */

static void test_clone(void **state)
{
        REPLAY(27317, false, {"stop 27317 0x305 27318 27317", "cont 27317 0"}, {"stop 27318 0x8005", "cont 27318 0"},
               {"exit 27318 0x700", "reap 27318"}, {"exit 27317 0x700", "exit 27317 0x700 to 0x1; reap 27317"});
}

/* The other order, which a thread does not mind. */
static void test_clone_child_first(void **state)
{
        REPLAY(100, false, {"stop 101 0x8005 0 0 100", "options 101 0x18; cont 101 0"},
               {"stop 100 0x305 101 100", "cont 100 0"}, {"stop 101 0xa", "cont 101 10"}, {"exit 101 0", "reap 101"},
               /* ... and where it has ended before its parent's event is seen */
               {"stop 100 0x305 102 0", "cont 100 0"});
}

static void test_fork(void **state)
{
        REPLAY(27322, true, {"stop 27322 0x105 27323 27323", "fork 27322:27322 27323 event 1 to 0x1; cont 27322 0"},
               {"stop 27323 0x8005", "cont 27323 0"}, {"exit 27323 0x300", "exit 27323 0x300 to 0x1; reap 27323"},
               {"stop 27322 0x11", "cont 27322 17"}, {"exit 27322 0x700", "exit 27322 0x700 to 0x1; reap 27322"});
}

static void test_vfork(void **state)
{
        REPLAY(27327, true, {"stop 27327 0x205 27328 27328", "fork 27327:27327 27328 event 2 to 0x1; cont 27327 0"},
               {"stop 27328 0x8005", "cont 27328 0"}, {"exit 27328 0x300", "exit 27328 0x300 to 0x1; reap 27328"},
               {"stop 27327 0x11", "cont 27327 17"});
}

/* clone(CLONE_VM) without an end signal: a process; its first stop came first. */
static void test_clone_process(void **state)
{
        REPLAY(27332, true, {"stop 27333 0x8005 0 0 27333", ""},
               {"stop 27332 0x305 27333 27333", "fork 27332:27332 27333 event 3 to 0x1; cont 27333 0; cont 27332 0"},
               {"exit 27333 0x300", "exit 27333 0x300 to 0x1; reap 27333"},
               {"exit 27332 0x700", "exit 27332 0x700 to 0x1; reap 27332"});
        /* The same where nobody follows, in both orders. */
        REPLAY(27332, false, {"stop 27333 0x8005 0 0 27333", "detach 27333 0"},
               {"stop 27332 0x305 27333 0", "cont 27332 0"});
        REPLAY(27332, false, {"stop 27332 0x305 27333 27333", "cont 27332 0"}, {"stop 27333 0x8005", "detach 27333 0"});
}

static void test_exec(void **state)
{
        REPLAY(27337, false, {"stop 27337 0x405 27337", "execed 27337"}, {"go 27337", "cont 27337 0"},
               {"exit 27337 0", "exit 27337 0 to 0x1; reap 27337"});
}

/* An exec by the second of three threads. */
static void test_exec_by_thread(void **state)
{
        REPLAY(25923, true, {"stop 25923 0x305 25924 25923", "cont 25923 0"}, {"stop 25924 0x8005", "cont 25924 0"},
               {"stop 25923 0x305 25925 25923", "cont 25923 0"}, {"stop 25925 0x8005", "cont 25925 0"},
               {"exit 25924 0", "reap 25924"}, {"stop 25923 0x405 25925", "execed 25923"}, {"go 25923", "cont 25923 0"},
               {"exit 25923 0", "exit 25923 0 to 0x1; reap 25923"});
}

static void test_zombie_leader(void **state)
{
        REPLAY(27396, false, {"stop 27396 0x305 27397 27396", "cont 27396 0"}, {"stop 27397 0x8005", "cont 27397 0"},
               {"exit 27397 0", "reap 27397"}, {"exit 27396 0", "exit 27396 0 to 0x1; reap 27396"});
}

static void test_group_stop(void **state)
{
        REPLAY(27406, true, {"stop 27406 0x305 27407 27406", "cont 27406 0"}, {"stop 27407 0x8005", "cont 27407 0"},
               {"stop 27408 0x8005 0 0 27408", ""},
               {"stop 27406 0x105 27408 27408", "fork 27406:27406 27408 event 1 to 0x1; cont 27408 0; cont 27406 0"},
               {"stop 27406 0x13", "cont 27406 19"}, {"stop 27406 0x8013", "listen 27406"},
               {"stop 27407 0x8013", "listen 27407"}, {"exit 27408 0", "exit 27408 0 to 0x1; reap 27408"},
               {"stop 27407 0x8005", "cont 27407 0"}, {"stop 27406 0x8005", "cont 27406 0"},
               {"stop 27407 0x11", "cont 27407 17"}, {"stop 27407 0x12", "cont 27407 18"},
               {"exit 27407 0", "reap 27407"}, {"exit 27406 0x700", "exit 27406 0x700 to 0x1; reap 27406"});
        /* SIGTSTP, SIGTTIN, SIGTTOU */
        REPLAY(100, false, {"stop 100 0x8014", "listen 100"}, {"stop 100 0x8015", "listen 100"},
               {"stop 100 0x8016", "listen 100"});
}

static void test_killed_in_group_stop(void **state)
{
        REPLAY(27412, false, {"stop 27412 0x13", "cont 27412 19"}, {"stop 27412 0x8013", "listen 27412"},
               {"exit 27412 9", "exit 27412 0x9 to 0x1; reap 27412"});
}

/* Stopped by its parent before it was seized: told at once, by PTRACE_SEIZE. */
static void test_stopped_before(void **state)
{
        struct tracees t = {0};

        PLAY(&t, {"time 1000", ""}, {"barrier 27421", "scan 27421"}, {"seized 27421 27421", "interrupt 27421"},
             {"scanned 27421 0", "look 27421"}, {"stop 27421 0x8013", "scan 27421"},
             {"scanned 27421 0", "stopped 27421 1/0"}, {"watch 0 27421 0", ""}, {"go 27421", "listen 27421"},
             /* a barrier: it is stopped as it is, and SIGCONT does not get it out */
             {"barrier 27421", "scan 27421"}, {"scanned 27421 0", "stopped 27421 1/0"}, {"stop 27421 0x8005", ""},
             {"go 27421", "cont 27421 0"}, {"stop 27421 0x12", "cont 27421 18"});
        tracees_free(&t);
        /* Without a watch it stays as it was. */
        PLAY(&t, {"time 1000", ""}, {"barrier 27421", "scan 27421"}, {"seized 27421 27421", "interrupt 27421"},
             {"stop 27421 0x8013", ""}, {"scanned 27421 0", "scan 27421"}, {"scanned 27421 0", "stopped 27421 1/0"},
             {"go 27421", "detach 27421 0"});
        assert_true(tracees_is_idle(&t));
        tracees_free(&t);
}

static void test_storm(void **state)
{
        REPLAY(27417, false, {"stop 27417 0xa", "cont 27417 10"}, {"stop 27417 0xa", "cont 27417 10"},
               {"stop 27417 0xa", "cont 27417 10"}, {"exit 27417 0x700", "exit 27417 0x700 to 0x1; reap 27417"});
}

/* ---------------------------------------------------------------- signals and stories */

static void test_failed_faults(void **state)
{
        REPLAY(100, false, {"stop 100 0xb", "signal 100:100 11 to 0x1; cont 100 11"},
               {"stop 100 0x7", "signal 100:100 7 to 0x1; cont 100 7"}, {"watch 3 100 0", ""},
               {"stop 100 0xb", "signal 100:100 11 to 0x9; cont 100 11"}, {"unwatch 0 0", ""},
               {"stop 100 0xb", "signal 100:100 11 to 0x8; cont 100 11"},
               {"exit 100 0x8b", "exit 100 0x8b to 0x8; reap 100"});
}

/* Events that were not asked for go on all the same. */
static void test_other_events(void **state)
{
        REPLAY(100, false, {"stop 100 0x605 9", "cont 100 0"}, {"stop 100 0x505 101", "cont 100 0"},
               {"stop 100 0x705", "cont 100 0"}, {"stop 100 0x5", "cont 100 5"});
}

static void storm(struct tracees *t, unsigned int n, uint64_t time_ns, const char *last)
{
        for (unsigned int i = 0; i < n; i++) {
                tracees_time(t, time_ns);
                tracees_stop(t, &(struct tracee_stop){.tid = 100, .status = SIGUSR1});
                assert_string_equal(take_out(t), i + 1 < n ? "cont 100 10" : last);
        }
}

static void test_busy(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, false);
        storm(&t, TRACER_BUSY_SIGNALS - 1, 2 * NSEC_PER_SEC, "cont 100 10");
        /* The first of them was a second ago: exactly not any more, and just so. */
        storm(&t, 1, 3 * NSEC_PER_SEC, "cont 100 10");
        storm(&t, TRACER_BUSY_SIGNALS - 1, 4 * NSEC_PER_SEC - 1, "cont 100 10; busy 500");
        /* Once a second. */
        storm(&t, TRACER_BUSY_SIGNALS, 5 * NSEC_PER_SEC - 2, "cont 100 10");
        storm(&t, 1, 5 * NSEC_PER_SEC - 1, "cont 100 10; busy 500");
        tracees_free(&t);
}

/* ---------------------------------------------------------------- barrier */

static void test_barrier(void **state)
{
        struct tracees t = {0};

        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"},
             {"seized 101 100", "interrupt 101"}, {"seized 102 100", "interrupt 102"}, {"scanned 100 0", ""},
             /* whatever stop it is, it will do */
             {"stop 100 0xb", ""}, {"stop 101 0x8013", ""}, {"stop 102 0x305 103 100", ""},
             {"stop 103 0x8005", "scan 100"}, {"seized 104 100", "interrupt 104"}, {"scanned 100 0", ""},
             {"stop 104 0x8005", "scan 100"}, {"scanned 100 0", "stopped 100 5/0"});
        assert_int_equal(t.n_untaken, 1);
        assert_int_equal(tracees_deadline(&t), (1000 + TRACER_HOLD_MS) * NSEC_PER_MSEC);
        PLAY(&t, {"time 1499", ""}, {"watch 5 100 1", ""},
             {"go 100", "options 100 0x1e; signal 100:100 11 to 0x20; cont 100 11; options 101 0x1e; listen 101; "
                        "options 102 0x1e; cont 102 0; options 103 0x1e; cont 103 0; options 104 0x1e; cont 104 0"},
             {"go 100", ""}, {"go 999", ""});
        assert_int_equal(t.n_untaken, 0);
        assert_int_equal(tracees_deadline(&t), UINT64_MAX);
        assert_false(tracees_is_idle(&t));
        tracees_free(&t);
}

/* A pass over the list that finds nobody new is no proof while the process has more threads than are known. */
static void test_unknown(void **state)
{
        struct tracees t = {0};

        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"},
             {"unknown 100", ""}, {"scanned 100 0", "look 100"}, {"stop 100 0x8005", "scan 100"}, {"unknown 100", ""},
             {"unknown 100", ""}, {"scanned 100 0", "scan 100"}, {"unknown 100", ""},
             {"seized 105 100", "interrupt 105"}, {"scanned 100 0", ""}, {"stop 105 0x8005", "scan 100"},
             {"scanned 100 0", "stopped 100 2/0"}, {"unknown 77", ""});
        tracees_free(&t);
        /* It is not complete, and said so: the proof would not change that. */
        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"},
             {"scanned 100 0", "look 100"}, {"stop 100 0x8005", "scan 100"}, {"unknown 100", ""},
             {"refused 100 16", ""}, {"scanned 100 0", "stopped 100 1/1"});
        tracees_free(&t);
        /* A chain that is never had is one thread that was not stopped. */
        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"},
             {"scanned 100 0", "look 100"}, {"stop 100 0x8005", "scan 100"});
        for (int i = 2; i < 64; i++)
                PLAY(&t, {"unknown 100", ""}, {"scanned 100 0", "scan 100"});
        PLAY(&t, {"unknown 100", ""}, {"scanned 100 0", "stopped 100 1/1"});
        tracees_free(&t);
}

/* A thread was late and inside clone(2) when it was seized. At the next barrier it is still there when the list is
 * read, gives birth to a thread that nobody attached, and stops. */
static void test_born_of_late(void **state)
{
        struct tracees t = {0};

        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"},
             {"seized 101 100", "interrupt 101"}, {"scanned 100 0", ""}, {"stop 100 0x8005", ""},
             {"time 1020", "scan 100"}, {"scanned 100 0", "stopped 100 1/1"}, {"watch 0 100 0", ""},
             {"go 100", "cont 100 0"}, {"barrier 100", "interrupt 100; interrupt 101; scan 100"}, {"scanned 100 0", ""},
             {"stop 100 0x8005", ""}, {"stop 101 0x8005", "scan 100"}, {"seized 102 100", "interrupt 102"},
             {"scanned 100 0", ""}, {"stop 102 0x8005", "scan 100"}, {"scanned 100 0", "stopped 100 3/0"});
        tracees_free(&t);
}

static void test_light(void **state)
{
        struct tracees t = {0};

        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"},
             {"seized 101 100", "interrupt 101"}, {"seized 102 100", "interrupt 102"}, {"scanned 100 0", ""},
             {"stop 100 0xa", ""}, {"stop 101 0x8005", ""}, {"time 1020", "scan 100"},
             {"scanned 100 0", "stopped 100 2/1"});
        assert_false(tracees_is_idle(&t));
        /* The one that did not stop goes with the tracer; it is detached if it does before. */
        PLAY(&t, {"go 100", "detach 100 10; detach 101 0"});
        assert_true(tracees_is_idle(&t));
        PLAY(&t, {"stop 102 0x11", "detach 102 17"});
        assert_int_equal(t.n_tracees, 0);
        assert_int_equal(t.n_processes, 0);
        tracees_free(&t);
}

/* One thread is late: it is let through at once, its children too, and the next barrier waits for it anew. */
static void test_late(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, false);
        PLAY(&t, {"stop 100 0x305 101 100", "cont 100 0"}, {"stop 101 0x8005", "cont 101 0"}, {"time 2000", ""},
             {"barrier 100", "interrupt 100; interrupt 101; scan 100"}, {"scanned 100 0", ""});
        assert_int_equal(tracees_deadline(&t), (2000 + TRACER_FIRST_MS) * NSEC_PER_MSEC);
        PLAY(&t, {"stop 101 0x8005", "look 100"}, {"time 2019", "look 100"}, {"time 2020", "stopped 100 1/1"},
             {"stop 100 0x305 102 100", "cont 100 0"}, {"stop 102 0x8005", "cont 102 0"},
             {"stop 103 0x8005 0 0 100", "options 103 0x18; cont 103 0"}, {"stop 100 0x8005", "cont 100 0"},
             {"go 100", "cont 101 0"},
             {"barrier 100", "interrupt 100; interrupt 101; interrupt 102; interrupt 103; scan 100"},
             {"scanned 100 0", ""}, {"stop 103 0x8005", ""}, {"stop 101 0x8005", ""}, {"stop 102 0x8005", "look 100"},
             {"stop 100 0x8005", "scan 100"}, {"scanned 100 0", "stopped 100 4/0"});
        tracees_free(&t);
}

static void test_no_answer(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, false);
        PLAY(&t, {"barrier 100", "interrupt 100; scan 100"}, {"stop 100 0xa", ""}, {"scanned 100 0", "scan 100"},
             {"scanned 100 0", "stopped 100 1/0"}, {"time 1499", ""}, {"time 1500", "cont 100 10"},
             /* The answer comes after the next question. */
             {"barrier 100", "interrupt 100; scan 100"}, {"stop 100 0xa", ""}, {"scanned 100 0", "scan 100"},
             {"scanned 100 0", "stopped 100 1/0"}, {"go 100", ""}, {"go 100", "cont 100 10"}, {"scanned 100 0", ""});
        tracees_free(&t);
        /* Nobody watches: detached, the first of three and the last. */
        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"},
             {"stop 100 0xa", ""}, {"scanned 100 0", "scan 100"}, {"scanned 100 0", "stopped 100 1/0"},
             {"barrier 300", "scan 300"}, {"seized 300 300", "interrupt 300"}, {"stop 300 0x8005", ""},
             {"scanned 300 0", "scan 300"}, {"scanned 300 0", "stopped 300 1/0"}, {"time 1400", ""},
             {"barrier 200", "scan 200"}, {"seized 200 200", "interrupt 200"}, {"stop 200 0xa", ""},
             {"scanned 200 0", "scan 200"}, {"scanned 200 0", "stopped 200 1/0"},
             {"time 1500", "detach 100 10; detach 300 0"}, {"go 200", "detach 200 10"});
        assert_int_equal(t.n_processes, 0);
        tracees_free(&t);
}

static void test_zombie(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, false);
        PLAY(&t, {"stop 100 0x305 101 100", "cont 100 0"}, {"stop 101 0x8005", "cont 101 0"},
             {"barrier 100", "interrupt 100; interrupt 101; scan 100"}, {"scanned 100 0", ""},
             {"stop 101 0x8005", "look 100"}, {"zombie 100", "scan 100"}, {"scanned 100 0", "stopped 100 1/0"},
             {"zombie 100", ""}, {"zombie 77", ""}, {"go 100", "cont 101 0"},
             /* it stays one, and is not told to stop any more */
             {"barrier 100", "interrupt 101; scan 100"}, {"stop 101 0x8005", ""}, {"scanned 100 0", "scan 100"},
             {"scanned 100 0", "stopped 100 1/0"}, {"unwatch 0 0", ""}, {"go 100", "detach 101 0"},
             {"exit 100 0", "reap 100"});
        assert_int_equal(t.n_processes, 0);
        tracees_free(&t);
}

/* The leader has ended, another thread executes a program and takes its place. */
static void test_zombie_leader_execs(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, true);
        PLAY(&t, {"stop 100 0x305 101 100", "cont 100 0"}, {"stop 101 0x8005", "cont 101 0"}, {"zombie 100", ""},
             {"stop 100 0x405 101", "execed 100"}, {"go 100", "cont 100 0"});
        tracees_free(&t);
        /* It had ended before we came. */
        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 101 100", "interrupt 101"},
             {"scanned 100 0", ""}, {"stop 101 0x8005", "scan 100"}, {"scanned 100 0", "stopped 100 1/0"},
             {"watch 0 100 0", ""}, {"go 100", "cont 101 0"}, {"stop 100 0x405 101 0 100", "execed 100"},
             {"go 100", "cont 100 0"});
        assert_int_equal(t.n_tracees, 1);
        tracees_free(&t);
}

static void test_failed(void **state)
{
        struct tracees t = {0};

        /* Gone. */
        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"scanned 100 3", "failed 100 3"});
        assert_true(tracees_is_idle(&t));
        assert_int_equal(t.n_processes, 0);
        /* Another tracer has it, or part of it. */
        PLAY(&t, {"barrier 100", "scan 100"}, {"refused 100 16", ""}, {"scanned 100 0", "failed 100 16"},
             {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"}, {"refused 100 16", ""},
             {"scanned 100 0", "look 100"}, {"stop 100 0x8005", "scan 100"}, {"refused 100 16", ""},
             {"scanned 100 0", "stopped 100 1/1"}, {"go 100", "detach 100 0"});
        /* None stops in time: let go of by the end of the tracer. */
        PLAY(&t, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"}, {"scanned 100 0", "look 100"},
             {"time 1199", "look 100"}, {"time 1200", "scan 100"}, {"scanned 100 0", "failed 100 11"});
        assert_true(tracees_is_idle(&t));
        PLAY(&t, {"stop 100 0x8005", "detach 100 0"});
        /* It ends on the way. */
        PLAY(&t, {"barrier 100", "scan 100"}, {"seized 100 100", "interrupt 100"}, {"exit 100 9", "reap 100"});
        for (int i = 0; i < 63; i++)
                PLAY(&t, {"scanned 100 0", "scan 100"});
        PLAY(&t, {"scanned 100 0", "failed 100 3"}, {"scanned 100 0", ""}, {"refused 100 16", ""});
        assert_int_equal(t.n_processes, 0);
        tracees_free(&t);
}

/* In the middle of an exec there is nothing to be had at first. */
static void test_nothing_at_first(void **state)
{
        struct tracees t = {0};

        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"scanned 100 0", "scan 100"},
             {"seized 100 100", "interrupt 100"}, {"scanned 100 0", "look 100"}, {"stop 100 0x8005", "scan 100"},
             {"scanned 100 0", "stopped 100 1/0"});
        tracees_free(&t);
}

/* Late threads that go on making new ones do not keep the others for ever. */
static void test_endless(void **state)
{
        struct tracees t = {0};
        char in[32], out[32];

        PLAY(&t, {"time 1000", ""}, {"barrier 100", "scan 100"}, {"seized 99 100", "interrupt 99"},
             {"scanned 100 0", ""}, {"stop 99 0x8005", "scan 100"});
        for (int i = 2; i <= 64; i++) {
                snprintf(in, sizeof(in), "seized %d 100", 100 + i);
                snprintf(out, sizeof(out), "interrupt %d", 100 + i);
                PLAY(&t, {in, out}, {"time 1020", ""});
                put_in(&t, "scanned 100 0");
                assert_string_equal(take_out(&t), i < 64 ? "scan 100" : "stopped 100 1/63");
        }
        tracees_free(&t);
}

/* Two traces: the second barrier waits until the first question is answered. */
static void test_second_barrier(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, false);
        PLAY(&t, {"barrier 100", "interrupt 100; scan 100"}, {"stop 100 0x8005", ""}, {"scanned 100 0", "scan 100"},
             {"scanned 100 0", "stopped 100 1/0"}, {"barrier 100", ""}, {"go 100", "scan 100"},
             {"scanned 100 0", "stopped 100 1/0"}, {"barrier 100", ""},
             {"exit 100 9", "exit 100 0x9 to 0x1; reap 100; failed 100 3"});
        assert_int_equal(t.n_processes, 0);
        tracees_free(&t);
}

/* Each process has its own. */
static void test_two_barriers(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, true);
        PLAY(&t, {"stop 100 0x105 50 50", "fork 100:100 50 event 1 to 0x1; cont 100 0"},
             {"stop 50 0x8005", "cont 50 0"}, {"barrier 100", "interrupt 100; scan 100"},
             {"barrier 50", "interrupt 50; scan 50"}, {"scanned 50 0", "look 50"}, {"stop 100 0x8005", ""},
             {"scanned 100 0", "scan 100"}, {"scanned 100 0", "stopped 100 1/0"}, {"time 1010", "look 50"});
        assert_int_equal(tracees_deadline(&t), (1000 + TRACER_FIRST_MS) * NSEC_PER_MSEC);
        PLAY(&t, {"stop 50 0xa", "scan 50"}, {"scanned 50 0", "stopped 50 1/0"}, {"go 100", "cont 100 0"},
             {"go 50", "cont 50 10"});
        tracees_free(&t);
}

/* ---------------------------------------------------------------- births */

static void test_options(void **state)
{
        REPLAY(100, false, {"watch 1 100 1", ""}, {"stop 100 0x8013", "options 100 0x1e; listen 100"},
               {"unwatch 1 0", ""}, {"stop 100 0x8005", "options 100 0x18; cont 100 0"},
               {"stop 100 0xa", "cont 100 10"});
}

/* The parent was killed before its event, or is slow: whoever it may have been, nobody sees the child. */
static void test_parent_missing(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, true);
        PLAY(&t, {"stop 100 0x8005", "cont 100 0"}, {"stop 101 0x8005 0 0 101", ""}, {"time 1010", ""},
             {"stop 102 0x8005 0 0 102", ""});
        assert_int_equal(tracees_deadline(&t), (1000 + TRACER_BIRTH_MS) * NSEC_PER_MSEC);
        PLAY(&t, {"time 1099", ""}, {"time 1100", "detach 101 0"}, {"time 1109", ""}, {"time 1110", "detach 102 0"},
             /* late, and no news any more */
             {"stop 100 0x105 101 0", "cont 100 0"});
        assert_int_equal(tracees_deadline(&t), UINT64_MAX);
        PLAY(&t, {"stop 103 0x8005 0 0 103", ""}, {"exit 103 9", "reap 103"});
        assert_int_equal(tracees_deadline(&t), UINT64_MAX);
        /* Asked about meanwhile: it waits for the answer, and the event is too late all the same. */
        PLAY(&t, {"stop 103 0x8005 0 0 103", ""}, {"barrier 103", "scan 103"}, {"scanned 103 0", "stopped 103 1/0"},
             {"time 1210", ""}, {"stop 100 0x105 103 103", "cont 100 0"}, {"go 103", "detach 103 0"},
             /* its watch ends while it waits */
             {"stop 104 0x8005 0 0 104", ""}, {"unwatch 0 0", ""}, {"time 1310", "detach 104 0"});
        tracees_free(&t);
}

/* The last one to want anything: the threads that run are not stopped for it, the end of the tracer lets go of them. */
static void test_nothing_wanted(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, true);
        PLAY(&t, {"stop 100 0x305 101 100", "cont 100 0"}, {"stop 101 0x8005", "cont 101 0"},
             {"stop 100 0x105 102 102", "fork 100:100 102 event 1 to 0x1; cont 100 0"},
             {"stop 102 0x8005", "cont 102 0"}, {"watch 1 102 0", ""}, {"unwatch 0 0", "interrupt 100; interrupt 101"});
        assert_false(tracees_is_idle(&t));
        PLAY(&t, {"stop 101 0x8005", "detach 101 0"}, {"unwatch 1 0", ""});
        assert_true(tracees_is_idle(&t));
        assert_int_equal(t.n_tracees, 2);
        tracees_free(&t);
        /* While another process is asked about there is somebody. */
        hold(&t, 100, true);
        PLAY(&t, {"barrier 200", "scan 200"}, {"unwatch 0 0", "interrupt 100"}, {"scanned 200 3", "failed 200 3"});
        assert_true(tracees_is_idle(&t));
        tracees_free(&t);
}

static void test_strangers(void **state)
{
        REPLAY(100, true, {"stop 300 0x8005 0 0 0", "detach 300 0"}, {"stop 300 0xa 0 0 0", "detach 300 10"},
               {"stop 301 0x8005 0 0 300", "detach 301 0"}, {"exit 300 9", "reap 300"},
               /* a child that has gone again; one that says to be a thread of another process */
               {"stop 100 0x105 101 0", "cont 100 0"}, {"stop 100 0x105 101 102", "cont 100 0"});
}

/* Those who do not follow do not see children, and not the children of what they may not see. */
static void test_followers(void **state)
{
        REPLAY(100, true, {"watch 1 100 0", ""}, {"watch 2 100 1", ""},
               {"stop 100 0x105 101 101", "fork 100:100 101 event 1 to 0x5; cont 100 0"},
               {"stop 101 0xb", "signal 101:101 11 to 0x5; cont 101 11"}, {"unwatch 0 101", ""},
               {"stop 101 0x105 102 102", "fork 101:101 102 event 1 to 0x4; cont 101 0"},
               {"unwatch 2 0", "interrupt 101; interrupt 102"}, {"stop 101 0xb", "detach 101 11"},
               {"stop 102 0x8005", "detach 102 0"}, {"stop 100 0xb", "signal 100:100 11 to 0x3; cont 100 11"});
}

/* ---------------------------------------------------------------- exec */

/* Nothing is told of the new program until the monitor has judged it, even if that takes too long. */
static void test_exec_unanswered(void **state)
{
        struct tracees t = {0};

        hold(&t, 100, true);
        PLAY(&t, {"stop 100 0x8005", "cont 100 0"}, {"stop 100 0x405 100", "execed 100"});
        assert_int_equal(tracees_deadline(&t), (1000 + TRACER_EXEC_MS) * NSEC_PER_MSEC);
        PLAY(&t, {"time 1499", ""}, {"time 1500", "cont 100 0"}, {"stop 100 0xb", "cont 100 11"},
             {"stop 100 0x105 101 101", "cont 100 0"}, {"stop 101 0x8005", "detach 101 0"},
             /* a second exec: the first answer is not meant for it */
             {"stop 100 0x405 100", "execed 100"}, {"go 100", ""}, {"time 2000", "cont 100 0"}, {"go 100", ""},
             {"stop 100 0xb", "signal 100:100 11 to 0x1; cont 100 11"}, {"stop 100 0x405 100", "execed 100"},
             {"exit 100 9", "reap 100"}, {"go 100", ""});
        tracees_free(&t);
}

static void test_exec_revoked(void **state)
{
        REPLAY(100, false, {"stop 100 0x405 100", "execed 100"}, {"unwatch 0 100", ""}, {"go 100", "detach 100 0"},
               {"unwatch 0 100", ""});
        /* Nobody is there to be told. */
        REPLAY(100, false, {"barrier 100", "interrupt 100; scan 100"}, {"unwatch 0 0", ""}, {"stop 100 0x405 100", ""},
               {"scanned 100 0", "scan 100"}, {"scanned 100 0", "stopped 100 1/0"}, {"go 100", "detach 100 0"});
        REPLAY(100, false, {"unwatch 0 0", ""}, {"stop 100 0x405 100", "detach 100 0"});
}

/* One question after the other. */
static void test_exec_and_barrier(void **state)
{
        REPLAY(100, false, {"barrier 100", "interrupt 100; scan 100"}, {"stop 100 0x405 100", ""},
               {"scanned 100 0", "scan 100"}, {"scanned 100 0", "stopped 100 1/0"}, {"go 100", "execed 100"},
               {"barrier 100", ""}, {"go 100", "scan 100"}, {"scanned 100 0", "stopped 100 1/0"},
               {"go 100", "cont 100 0"});
}

/* By a thread of which nothing was known: its clone and its exec are all that is seen of it. */
static void test_exec_by_stranger(void **state)
{
        REPLAY(100, false, {"stop 100 0x405 177", "execed 100"}, {"go 100", "options 100 0x18; cont 100 0"});
}

/* Not the leader, while threads are held: the others vanish without a word. */
static void test_exec_in_barrier(void **state)
{
        REPLAY(100, true, {"stop 100 0x305 101 100", "cont 100 0"}, {"stop 101 0x8005", "cont 101 0"},
               {"stop 102 0x8005 0 0 100", "options 102 0x1e; cont 102 0"},
               {"barrier 100", "interrupt 100; interrupt 101; interrupt 102; scan 100"}, {"scanned 100 0", ""},
               {"stop 100 0xa", ""}, {"stop 101 0xb", ""}, {"time 1020", "stopped 100 2/1"}, {"exit 101 9", "reap 101"},
               {"stop 100 0x405 102", ""}, {"go 100", "execed 100"}, {"go 100", "cont 100 0"},
               {"exit 100 0", "exit 100 0 to 0x1; reap 100"});
}

/* ---------------------------------------------------------------- the table */

static void test_round(void **state)
{
        struct tracees t = {0};

        assert_null(tracees_round(&t, 0));
        assert_true(tracees_is_idle(&t));
        hold(&t, 200, false);
        for (pid_t tid = 199; tid > 100; tid--)
                tracees_seized(&t, tid, 200);
        assert_int_equal(t.n_tracees, 100);
        for (pid_t tid = 101; tid <= 200; tid++)
                assert_int_equal(tracees_find(&t, tid)->tid, tid);
        assert_null(tracees_find(&t, 100));
        assert_null(tracees_find(&t, 201));
        assert_int_equal(tracees_round(&t, 0)->tid, 101);
        assert_int_equal(tracees_round(&t, 150)->tid, 151);
        assert_int_equal(tracees_round(&t, 200)->tid, 101);
        /* The leader's end is that of all. */
        take_out(&t);
        PLAY(&t, {"exit 200 0", "exit 200 0 to 0x1; reap 200"});
        assert_int_equal(t.n_tracees, 0);
        PLAY(&t, {"watch 1 200 0", ""}, {"unwatch 1 200", ""});
        tracees_free(&t);
}

/* 64 is what there is room for at first: that many threads of one process, or processes. */
static void without_memory(bool has_processes, const char *in)
{
        struct tracees t = {0};

        hold(&t, 100, true);
        for (pid_t id = 101; id < 164; id++)
                if (has_processes)
                        tracees_barrier(&t, id + 1000);
                else
                        tracees_seized(&t, id, 100);
        take_out(&t);
        has_no_memory = true;
        put_in(&t, in);
        has_no_memory = false;
        assert_true(t.is_out_of_memory);
        tracees_free(&t);
}

static void test_no_memory(void **state)
{
        struct tracees t = {0};

        without_memory(false, "seized 300 100");
        without_memory(false, "stop 300 0x8005 0 0 100");
        without_memory(false, "stop 100 0x105 300 300");
        without_memory(true, "barrier 300");
        without_memory(true, "stop 100 0x105 300 300");
        has_no_memory = true;
        tracees_exit(&t, 1, 0);
        has_no_memory = false;
        assert_true(t.is_out_of_memory);
        assert_string_equal(take_out(&t), "");
        tracees_free(&t);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_clone),
                cmocka_unit_test(test_clone_child_first),
                cmocka_unit_test(test_fork),
                cmocka_unit_test(test_vfork),
                cmocka_unit_test(test_clone_process),
                cmocka_unit_test(test_exec),
                cmocka_unit_test(test_exec_by_thread),
                cmocka_unit_test(test_zombie_leader),
                cmocka_unit_test(test_group_stop),
                cmocka_unit_test(test_killed_in_group_stop),
                cmocka_unit_test(test_stopped_before),
                cmocka_unit_test(test_storm),
                cmocka_unit_test(test_failed_faults),
                cmocka_unit_test(test_other_events),
                cmocka_unit_test(test_busy),
                cmocka_unit_test(test_barrier),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_born_of_late),
                cmocka_unit_test(test_light),
                cmocka_unit_test(test_late),
                cmocka_unit_test(test_no_answer),
                cmocka_unit_test(test_zombie),
                cmocka_unit_test(test_zombie_leader_execs),
                cmocka_unit_test(test_failed),
                cmocka_unit_test(test_nothing_at_first),
                cmocka_unit_test(test_endless),
                cmocka_unit_test(test_second_barrier),
                cmocka_unit_test(test_two_barriers),
                cmocka_unit_test(test_options),
                cmocka_unit_test(test_parent_missing),
                cmocka_unit_test(test_nothing_wanted),
                cmocka_unit_test(test_strangers),
                cmocka_unit_test(test_followers),
                cmocka_unit_test(test_exec_unanswered),
                cmocka_unit_test(test_exec_revoked),
                cmocka_unit_test(test_exec_and_barrier),
                cmocka_unit_test(test_exec_by_stranger),
                cmocka_unit_test(test_exec_in_barrier),
                cmocka_unit_test(test_round),
                cmocka_unit_test(test_no_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
