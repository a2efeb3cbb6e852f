/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Threads that wait in the kernel. Nothing here installs a handler, so signal(7) promises that every one of these calls
 * is restarted after whatever interrupted it, that no time-out comes early, and that what is sent arrives once. The
 * exception is epoll_wait(2), which any stop ends with EINTR: counted, and no deviation.
 */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "steadfast.h"

#define TIMEOUT_MS 5
#define TIMEOUT_NS (TIMEOUT_MS * 1000000ULL)
#define ROUND_REST_NS 1000000
#define NSEC 1000000000ULL

/* Each waits for bytes, numbered; the other end is ours. */
static struct sleeper {
        const char *name;
        void (*wait)(struct sleeper *);
        bool is_timed; /* waits for its own time-out */
        int in, out, epoll;
        pthread_t thread;
        uint32_t futex;
        uint8_t n_posted;
        _Atomic uint8_t n_woken;
        atomic_bool ended;
} sleepers[];

static void failed(const struct sleeper *s)
{
        if (errno == EINTR)
                count(COUNT_EINTR, 1);
        changed("%s: %s", s->name, strerror(errno));
}

static void take_byte(struct sleeper *s)
{
        uint8_t byte;
        ssize_t n = read(s->in, &byte, 1);

        if (n != 1)
                failed(s);
        else if (byte != (uint8_t)(atomic_load(&s->n_woken) + 1))
                changed("%s: byte %u came when %u was due", s->name, byte, atomic_load(&s->n_woken) + 1U);
}

static void wait_recv(struct sleeper *s)
{
        uint8_t byte;

        if (recv(s->in, &byte, 1, MSG_PEEK) != 1)
                failed(s);
        take_byte(s);
}

static void wait_poll(struct sleeper *s)
{
        struct pollfd fd = {.fd = s->in, .events = POLLIN};

        if (poll(&fd, 1, -1) != 1)
                failed(s);
        take_byte(s);
}

static void wait_select(struct sleeper *s)
{
        fd_set fds;

        FD_ZERO(&fds);
        FD_SET(s->in, &fds);
        if (select(s->in + 1, &fds, NULL, NULL, NULL) != 1)
                failed(s);
        take_byte(s);
}

static void wait_epoll(struct sleeper *s)
{
        struct epoll_event event;
        int n;

        while ((n = epoll_wait(s->epoll, &event, 1, -1)) < 0 && errno == EINTR)
                count(COUNT_EINTR_ALLOWED, 1);
        if (n != 1)
                failed(s);
        take_byte(s);
}

static void wait_futex(struct sleeper *s)
{
        uint32_t seen = atomic_load(&s->n_woken);

        while (__atomic_load_n(&s->futex, __ATOMIC_ACQUIRE) == seen)
                if (syscall(SYS_futex, &s->futex, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0) < 0 && errno != EAGAIN)
                        failed(s);
        if (__atomic_load_n(&s->futex, __ATOMIC_ACQUIRE) != (uint8_t)(seen + 1))
                changed("futex: its word is not what was written to it");
}

static void wait_futex_timeout(struct sleeper *s)
{
        const struct timespec t = {.tv_nsec = TIMEOUT_NS};

        if (syscall(SYS_futex, &s->futex, FUTEX_WAIT_PRIVATE, 0, &t, NULL, 0) == 0)
                changed("futex: woken by nobody");
        else if (errno != ETIMEDOUT)
                failed(s);
}

static void wait_poll_timeout(struct sleeper *s)
{
        struct pollfd fd = {.fd = s->in, .events = POLLIN};
        int n = poll(&fd, 1, TIMEOUT_MS);

        if (n < 0)
                failed(s);
        else if (n > 0)
                changed("poll: something came when nothing was sent");
}

static void wait_clock(struct sleeper *s)
{
        uint64_t until = now_ns() + TIMEOUT_NS;
        struct timespec t = {.tv_sec = (time_t)(until / NSEC), .tv_nsec = (long)(until % NSEC)};

        errno = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
        if (errno)
                failed(s);
}

static void wait_sleep(struct sleeper *s)
{
        (void)s;
        rest_ns(TIMEOUT_NS);
}

static struct sleeper sleepers[] = {
        {.name = "read", .wait = take_byte},
        {.name = "recv", .wait = wait_recv},
        {.name = "poll", .wait = wait_poll},
        {.name = "select", .wait = wait_select},
        {.name = "epoll_wait", .wait = wait_epoll},
        {.name = "futex", .wait = wait_futex},
        {.name = "futex with a time-out", .wait = wait_futex_timeout, .is_timed = true},
        {.name = "poll with a time-out", .wait = wait_poll_timeout, .is_timed = true},
        {.name = "clock_nanosleep", .wait = wait_clock, .is_timed = true},
        {.name = "nanosleep", .wait = wait_sleep, .is_timed = true},
};
#define N_SLEEPERS (sizeof(sleepers) / sizeof(sleepers[0]))

static void *sleep_on(void *data)
{
        struct sleeper *s = data;

        while (!atomic_load(&s->ended)) {
                uint64_t begin = now_ns();

                s->wait(s);
                if (s->is_timed && now_ns() - begin < TIMEOUT_NS)
                        changed("%s returned early", s->name);
                atomic_fetch_add(&s->n_woken, 1);
                count(COUNT_WAKES, 1);
        }
        return NULL;
}

static void sleeper_start(struct sleeper *s)
{
        int ends[2];
        struct epoll_event event = {.events = EPOLLIN};

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
                changed("socketpair: %s", strerror(errno));
        s->in = ends[0];
        s->out = ends[1];
        if (s->wait == wait_epoll) {
                s->epoll = epoll_create1(EPOLL_CLOEXEC);
                (void)epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->in, &event);
        }
        if (pthread_create(&s->thread, NULL, sleep_on, s) != 0)
                changed("creating a thread");
}

static void sleeping_begin(void)
{
        for (size_t i = 0; i < N_SLEEPERS; i++)
                sleeper_start(&sleepers[i]);
}

static void post(struct sleeper *s)
{
        uint8_t byte = ++s->n_posted;

        if (s->wait == wait_futex) {
                __atomic_store_n(&s->futex, byte, __ATOMIC_RELEASE);
                (void)syscall(SYS_futex, &s->futex, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        } else if (write(s->out, &byte, 1) != 1)
                changed("%s: sending: %s", s->name, strerror(errno));
}

/* One after the other is woken, and has to say that it was. */
static void sleeping_round(void)
{
        static size_t next;
        struct sleeper *s = &sleepers[next++ % N_SLEEPERS];

        rest_ns(ROUND_REST_NS);
        if (s->is_timed)
                return;
        post(s);
        while (atomic_load(&s->n_woken) != s->n_posted)
                (void)sched_yield();
}

static void sleeping_end(void)
{
        for (size_t i = 0; i < N_SLEEPERS; i++) {
                atomic_store(&sleepers[i].ended, true);
                if (!sleepers[i].is_timed)
                        post(&sleepers[i]);
                (void)pthread_join(sleepers[i].thread, NULL);
        }
}

const struct variant variant_sleeping = {"sleeping", sleeping_begin, sleeping_round, sleeping_end};
