/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The signals of a runtime that preempts its threads, as Go's does: a timer wakes the scheduler thousands of times a
 * second, which sends SIGURG to every thread, and never a second one before the first was heard of.
 *
 * A thread that computes hears of one when it has the processor, which among others who compute is not often. So there
 * are threads that wait, too, which a signal wakes: enough of them for a storm on a machine that others keep busy.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "steadfast.h"

#define N_COMPUTING 2
#define N_WAITING 30
#define N_THREADS (N_COMPUTING + N_WAITING)
#define WAIT_MS 100
#define TICK_NS 100000
#define N_SPINS 10000

static struct preempted {
        pthread_t thread;
        _Atomic pid_t tid;
        uint64_t n_sent;
        _Atomic uint64_t n_received;
} threads[N_THREADS];
static __thread struct preempted *self;

static void on_preempt(int signo, siginfo_t *info, void *context)
{
        (void)signo, (void)context;
        if (info->si_code != SI_TKILL || info->si_pid != getpid())
                changed("a preemption came with code %d from %d", info->si_code, (int)info->si_pid);
        count(COUNT_RECEIVED, 1);
        atomic_fetch_add(&self->n_received, 1);
}

static void *compute(void *data)
{
        self = data;
        atomic_store(&self->tid, gettid());
        while (!told_to_stop() || atomic_load(&self->tid) > 0)
                if (steadfast_spin(N_SPINS) != 0)
                        changed("a register does not hold what was put into it");
        return NULL;
}

static void *wait_for_signals(void *data)
{
        self = data;
        atomic_store(&self->tid, gettid());
        while (!told_to_stop() || atomic_load(&self->tid) > 0)
                (void)poll(NULL, 0, WAIT_MS);
        return NULL;
}

static void storm_begin(void)
{
        on_signal(SIGURG, on_preempt);
        for (size_t i = 0; i < N_THREADS; i++) {
                void *(*run)(void *) = i < N_COMPUTING ? compute : wait_for_signals;

                if (pthread_create(&threads[i].thread, NULL, run, &threads[i]) != 0)
                        changed("creating a thread");
                while (!atomic_load(&threads[i].tid))
                        (void)sched_yield();
        }
}

static void preempt(struct preempted *c)
{
        uint64_t n_received = atomic_load(&c->n_received);

        if (n_received > c->n_sent) {
                count(COUNT_DOUBLED, n_received - c->n_sent);
                changed("%llu preemptions sent, %llu received", (unsigned long long)c->n_sent,
                        (unsigned long long)n_received);
        }
        if (n_received != c->n_sent)
                return; /* it has not had the last one yet */
        c->n_sent++;
        count(COUNT_SENT, 1);
        if (tgkill(getpid(), c->tid, SIGURG) < 0)
                changed("tgkill: %s", strerror(errno));
}

static void storm_round(void)
{
        rest_ns(TICK_NS);
        for (size_t i = 0; i < N_THREADS; i++)
                preempt(&threads[i]);
}

/* What was lost never comes: then the supervisor sees that the numbers differ. */
static void storm_end(void)
{
        uint64_t until = now_ns() + 5000000000ULL;

        for (size_t i = 0; i < N_THREADS; i++) {
                while (atomic_load(&threads[i].n_received) != threads[i].n_sent && now_ns() < until)
                        (void)sched_yield();
                if (atomic_load(&threads[i].n_received) < threads[i].n_sent)
                        count(COUNT_LOST, threads[i].n_sent - threads[i].n_received);
                atomic_store(&threads[i].tid, -1);
                (void)pthread_join(threads[i].thread, NULL);
        }
}

const struct variant variant_storm = {"storm", storm_begin, storm_round, storm_end};
