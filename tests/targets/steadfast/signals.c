/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every signal counts: what the process sends to itself is there when kill(2) returns (POSIX), what is queued comes in
 * order, a timer that expires n times is heard of n times (overruns included), and the supervisor queues as well.
 *
 * Handlers run with all signals blocked: of several pending ones the kernel would otherwise begin the handlers in
 * order, and so finish them in the opposite one.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "steadfast.h"

#define N_EACH 8
#define N_BURST 16
#define MAX_OUTSTANDING 64
#define N_PINGS_PER_TURN 4
#define TICK_NS 2000000ULL
#define ONE_SHOT_NS 100000
#define NSEC 1000000000ULL
#define ROUND_REST_NS 2000000

#define SIGNAL_QUEUE_A SIGRTMIN
#define SIGNAL_QUEUE_B (SIGRTMIN + 1)
#define SIGNAL_PING (SIGRTMIN + 2)
#define SIGNAL_SHOT (SIGRTMIN + 3)
#define SIGNAL_TICK (SIGRTMIN + 4)
#define SIGNAL_THREAD (SIGRTMIN + 5)
#define SIGNAL_THREAD_END (SIGRTMIN + 6)

static struct sequence queue_a = {.name = "queue A"}, queue_b = {.name = "queue B"}, to_thread = {.name = "tgkill"};
static struct sequence pings = {.name = "the supervisor's queue"};
static _Atomic uint64_t n_plain, n_directed, n_shots, n_ticks;
static timer_t shot, tick;
static uint64_t tick_start_ns;
static atomic_bool ticks_agree, thread_ends;
static pthread_t thread;
static _Atomic pid_t thread_tid;

void sequence_take(struct sequence *sequence, uint64_t number)
{
        uint64_t expected = atomic_fetch_add(&sequence->n_received, 1) + 1;

        count(COUNT_RECEIVED, 1);
        if (number == expected)
                return;
        if (number > expected)
                count(COUNT_LOST, number - expected);
        else
                count(COUNT_DOUBLED, 1);
        changed("%s: number %llu came when %llu was due", sequence->name, (unsigned long long)number,
                (unsigned long long)expected);
        atomic_store(&sequence->n_received, number);
}

void on_signal(int signo, void (*handler)(int, siginfo_t *, void *))
{
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        action.sa_sigaction = handler;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        (void)sigfillset(&action.sa_mask);
        if (sigaction(signo, &action, NULL) < 0)
                changed("sigaction: %s", strerror(errno));
}

static void on_plain(int signo, siginfo_t *info, void *context)
{
        (void)context;
        count(COUNT_RECEIVED, 1);
        if (info->si_pid != getpid() || info->si_code != (signo == SIGUSR1 ? SI_USER : SI_TKILL))
                changed("signal %d came with code %d from %d", signo, info->si_code, (int)info->si_pid);
        atomic_fetch_add(signo == SIGUSR1 ? &n_plain : &n_directed, 1);
}

static void on_queued(int signo, siginfo_t *info, void *context)
{
        uint64_t number = (uintptr_t)info->si_value.sival_ptr;

        (void)context;
        if (signo == SIGNAL_PING) {
                sequence_take(&pings, number);
                atomic_store(&report->ponged, number);
        } else
                sequence_take(signo == SIGNAL_QUEUE_A   ? &queue_a
                              : signo == SIGNAL_QUEUE_B ? &queue_b
                                                        : &to_thread,
                              number);
}

static void on_shot(int signo, siginfo_t *info, void *context)
{
        (void)signo, (void)info, (void)context;
        count(COUNT_RECEIVED, 1);
        atomic_fetch_add(&n_shots, 1);
}

static void on_tick(int signo, siginfo_t *info, void *context)
{
        uint64_t n = atomic_load(&n_ticks) + 1 + (uint64_t)info->si_overrun;
        uint64_t due = (now_ns() - tick_start_ns) / TICK_NS;

        (void)signo, (void)context;
        atomic_store(&n_ticks, n);
        count(COUNT_TIMERS, 1);
        if (n > due)
                changed("a timer told of %llu expiries when only %llu could have been", (unsigned long long)n,
                        (unsigned long long)due);
        atomic_store(&ticks_agree, n == due);
}

static void on_thread_end(int signo, siginfo_t *info, void *context)
{
        (void)signo, (void)info, (void)context;
        atomic_store(&thread_ends, true);
}

static void *be_signalled(void *data)
{
        sigset_t wanted;

        (void)sigfillset(&wanted);
        (void)sigdelset(&wanted, SIGNAL_THREAD);
        (void)sigdelset(&wanted, SIGNAL_THREAD_END);
        atomic_store(&thread_tid, gettid());
        while (!atomic_load(&thread_ends))
                (void)sigsuspend(&wanted); /* all are blocked outside of it */
        return data;
}

static void start_thread(void)
{
        sigset_t all, before;

        (void)sigfillset(&all);
        (void)pthread_sigmask(SIG_SETMASK, &all, &before);
        if (pthread_create(&thread, NULL, be_signalled, NULL) != 0)
                changed("creating a thread");
        (void)sigaddset(&before, SIGNAL_THREAD);
        (void)sigaddset(&before, SIGNAL_THREAD_END);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        while (!atomic_load(&thread_tid))
                (void)sched_yield();
}

static void make_timer(int signo, timer_t *ret)
{
        struct sigevent event;

        memset(&event, 0, sizeof(event));
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = signo;
        if (timer_create(CLOCK_MONOTONIC, &event, ret) < 0)
                changed("timer_create: %s", strerror(errno));
}

static struct timespec time_of(uint64_t ns)
{
        return (struct timespec){.tv_sec = (time_t)(ns / NSEC), .tv_nsec = (long)(ns % NSEC)};
}

static void signals_begin(void)
{
        struct itimerspec every = {.it_interval = time_of(TICK_NS)};

        on_signal(SIGUSR1, on_plain);
        on_signal(SIGUSR2, on_plain);
        on_signal(SIGNAL_QUEUE_A, on_queued);
        on_signal(SIGNAL_QUEUE_B, on_queued);
        on_signal(SIGNAL_PING, on_queued);
        on_signal(SIGNAL_THREAD, on_queued);
        on_signal(SIGNAL_THREAD_END, on_thread_end);
        on_signal(SIGNAL_SHOT, on_shot);
        on_signal(SIGNAL_TICK, on_tick);
        start_thread();
        make_timer(SIGNAL_SHOT, &shot);
        make_timer(SIGNAL_TICK, &tick);
        tick_start_ns = now_ns();
        every.it_value = time_of(tick_start_ns + TICK_NS);
        (void)timer_settime(tick, TIMER_ABSTIME, &every, NULL);
}

/* A signal to oneself is handled before the call that sends it returns. */
static void check_sent(const char *what, uint64_t received, uint64_t sent)
{
        if (received < sent)
                count(COUNT_LOST, sent - received);
        if (received > sent)
                count(COUNT_DOUBLED, received - sent);
        if (received != sent)
                changed("%s: %llu sent, %llu received", what, (unsigned long long)sent, (unsigned long long)received);
}

static void send_plain(void)
{
        static uint64_t n_sent;

        for (size_t i = 0; i < N_EACH; i++) {
                count(COUNT_SENT, 2);
                n_sent++;
                (void)kill(getpid(), SIGUSR1);
                check_sent("kill", atomic_load(&n_plain), n_sent);
                (void)tgkill(getpid(), gettid(), SIGUSR2);
                check_sent("tgkill", atomic_load(&n_directed), n_sent);
        }
}

static void queue_one(struct sequence *sequence, int signo)
{
        union sigval value = {.sival_ptr = (void *)(uintptr_t)++sequence->n_sent};

        count(COUNT_SENT, 1);
        if (sigqueue(getpid(), signo, value) < 0)
                changed("sigqueue: %s", strerror(errno));
}

static void send_burst(void)
{
        sigset_t both, before;

        (void)sigemptyset(&both);
        (void)sigaddset(&both, SIGNAL_QUEUE_A);
        (void)sigaddset(&both, SIGNAL_QUEUE_B);
        (void)sigprocmask(SIG_BLOCK, &both, &before);
        for (size_t i = 0; i < N_BURST; i++)
                queue_one(i % 2 ? &queue_a : &queue_b, i % 2 ? SIGNAL_QUEUE_A : SIGNAL_QUEUE_B);
        (void)sigprocmask(SIG_SETMASK, &before, NULL);
        check_sent("queue A", atomic_load(&queue_a.n_received), queue_a.n_sent);
        check_sent("queue B", atomic_load(&queue_b.n_received), queue_b.n_sent);
}

static void send_to_thread(void)
{
        siginfo_t info;

        memset(&info, 0, sizeof(info));
        info.si_code = SI_QUEUE;
        info.si_pid = getpid();
        for (size_t i = 0; i < N_EACH; i++) {
                info.si_value.sival_ptr = (void *)(uintptr_t)++to_thread.n_sent;
                count(COUNT_SENT, 1);
                if (syscall(SYS_rt_tgsigqueueinfo, getpid(), thread_tid, SIGNAL_THREAD, &info) < 0)
                        changed("rt_tgsigqueueinfo: %s", strerror(errno));
        }
        while (atomic_load(&to_thread.n_received) < to_thread.n_sent)
                (void)sched_yield();
}

static void shoot(void)
{
        static uint64_t n_sent;
        struct itimerspec once = {.it_value = time_of(ONE_SHOT_NS)};

        count(COUNT_SENT, 1);
        n_sent++;
        (void)timer_settime(shot, 0, &once, NULL);
        while (atomic_load(&n_shots) < n_sent)
                (void)sched_yield();
        check_sent("a timer", atomic_load(&n_shots), n_sent);
}

static void signals_round(void)
{
        struct timespec t = time_of(ROUND_REST_NS);

        send_plain();
        send_burst();
        send_to_thread();
        shoot();
        (void)nanosleep(&t, NULL); /* which a tick may end */
}

/* Whoever lost a tick stays behind for ever; one that is only late agrees with the clock again. */
static void signals_end(void)
{
        siginfo_t info;

        while (atomic_load(&report->ponged) < atomic_load(&report->pinged))
                (void)sched_yield();
        atomic_store(&ticks_agree, false);
        for (uint64_t until = counted(COUNT_TIMERS) + 500; counted(COUNT_TIMERS) < until && !ticks_agree;)
                (void)sched_yield();
        if (!ticks_agree) {
                count(COUNT_LOST, 1);
                changed("a timer expired more often than it told");
        }
        (void)timer_delete(tick);
        memset(&info, 0, sizeof(info));
        info.si_code = SI_QUEUE;
        (void)syscall(SYS_rt_tgsigqueueinfo, getpid(), thread_tid, SIGNAL_THREAD_END, &info);
        (void)pthread_join(thread, NULL);
}

/* From outside, with as many on their way as the worker is behind. */
void supervise_signals(pid_t worker)
{
        for (size_t i = 0; i < N_PINGS_PER_TURN; i++) {
                union sigval value = {.sival_ptr = (void *)(uintptr_t)(atomic_load(&report->pinged) + 1)};

                if (atomic_load(&report->pinged) >= atomic_load(&report->ponged) + MAX_OUTSTANDING)
                        return;
                count(COUNT_SENT, 1);
                (void)atomic_fetch_add(&report->pinged, 1);
                if (sigqueue(worker, SIGNAL_PING, value) < 0)
                        changed("sigqueue from outside: %s", strerror(errno));
        }
}

const struct variant variant_signals = {"signals", signals_begin, signals_round, signals_end};
