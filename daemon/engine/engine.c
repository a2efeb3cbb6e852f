/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The composition root of the engine: one loop over the link to the monitor, the workers, the clients and the rings.
 * It owns them all and moves values between the stages; decisions are theirs. What a message of the monitor does is in
 * messages.c, what a client's command does in clients.c; attaches.c, tracing.c and following.c are what they do it to.
 *
 * Each round has the same order: the kernel's settings, the clock, the monitor's messages and the other events, a pass
 * over the traces up to that time of the clock, then the sending, then the closing of what is over; what an event
 * changed is thus sent in the same round, and what the monitor said before a record was written is known when the
 * record is read. Rings are read when one passes its watermark, and every TICK_NS while anybody watches; without
 * watchers the loop sleeps.
 */
#include "daemon/engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "daemon/engine/engine_private.h"
#include "daemon/link/clock.h"
#include "daemon/link/sandbox.h"

#define SETTINGS_INTERVAL_NS NSEC_PER_SEC
#define MAX_EVENTS 64
#define REST_INTERVAL_NS (UINT64_C(100) * NSEC_PER_MSEC)
#define REST_NS ((long)(200 * NSEC_PER_USEC)) /* a fraction of what a ring holds */

/* ---- for all parts ---- */

int engine_watch(struct engine *engine, int op, int fd, uint32_t events, enum source source, void *owner)
{
        /* Pointers from malloc leave the three lowest bits free for the kind of source. */
        struct epoll_event event = {.events = events, .data.u64 = (uintptr_t)owner | source};

        return epoll_ctl(engine->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

void engine_unwatch(struct engine *engine, int fd)
{
        (void)epoll_ctl(engine->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

void engine_tell(struct engine *engine, const struct link_message *message)
{
        if (!engine->closing_until_ns && link_send(engine->link_fd, message, NULL, 0) < 0)
                engine->stop = true;
}

void engine_tell_id(struct engine *engine, enum link_type type, uint32_t id)
{
        engine_tell(engine, &(struct link_message){.type = type, .id.id = id});
}

struct trace *engine_find_trace(const struct engine *engine, uint32_t id)
{
        struct trace *trace = engine->traces;

        while (trace && trace->id != id)
                trace = trace->next;
        return trace;
}

/* ---- the loop ---- */

static void read_settings(struct engine *engine, uint64_t now_ns)
{
        char text[512];
        ssize_t n;

        if (engine->swaps_fd < 0 ||
            (engine->settings_read_ns && now_ns - engine->settings_read_ns < SETTINGS_INTERVAL_NS))
                return;
        engine->settings_read_ns = now_ns;
        n = pread(engine->swaps_fd, text, sizeof(text), 0);
        /* A head line, then one line for each swap area (proc_swaps(5)). */
        engine->swap_in_use = n > 0 && memchr(text, '\n', (size_t)n) != text + n - 1;
        engine->numa_balancing = engine->numa_fd >= 0 && pread(engine->numa_fd, text, 1, 0) == 1 && text[0] != '0';
}

/* When the loop has to wake by itself; UINT64_MAX = never. */
static uint64_t due_ns(const struct engine *engine)
{
        uint64_t status_ns = status_due_ns(engine);

        for (const struct trace *trace = engine->traces; trace; trace = trace->next)
                if (trace->state == TRACE_RUNNING || trace->state == TRACE_ENDING || trace->ready_by_ns)
                        return MIN_OF(engine->next_tick_ns, status_ns);
        return status_ns;
}

static int timeout_ms(const struct engine *engine)
{
        uint64_t due, now_ns = monotonic_ns();

        if (engine->backlog)
                return 0;
        if (engine->closing_until_ns)
                return TICK_NS / NSEC_PER_MSEC;
        due = due_ns(engine);
        if (due == UINT64_MAX)
                return -1;
        return now_ns >= due ? 0 : (int)((due - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
}

static void take_jobs(struct engine *engine, struct worker *worker)
{
        struct job *job;

        while ((job = worker_done(worker)))
                if (worker == engine->workers[WORKER_PROC] || job->kind == JOB_PERF_MAP)
                        tracing_file_read(engine, job);
                else if (names_loaded(engine->names, job) < 0)
                        engine->stop = true;
}

static void handle(struct engine *engine, const struct epoll_event *event)
{
        void *owner = (void *)(uintptr_t)(event->data.u64 & ~UINT64_C(7)); /* NOLINT: see engine_watch() */
        struct peer_entry *entry = owner;

        switch ((enum source)(event->data.u64 & 7)) {
        case SOURCE_LINK: /* read already */
                break;
        case SOURCE_WORKER:
                take_jobs(engine, owner);
                break;
        case SOURCE_PEER:
                if (!entry->gone && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                        clients_read(engine, entry, event->events);
                break;
        case SOURCE_RING:
                engine->ring_ready = true;
                break;
        }
}

/* Nobody is left who could still be told something, or they have not listened. */
static bool is_finished(const struct engine *engine)
{
        bool is_told = true;

        for (const struct peer_entry *entry = engine->peers; entry; entry = entry->next)
                for (const struct subscription *s = entry->peer ? entry->peer->subscriptions : NULL; s;
                     s = s->next_in_peer)
                        is_told &= !s->ended && !engine_find_trace(engine, s->trace);
        return is_told || monotonic_ns() >= engine->closing_until_ns;
}

/* A real-time thread that never sleeps keeps everybody else from its processor, and the kernel kills it. */
static void rest(struct engine *engine, uint64_t now_ns)
{
        if (!engine->is_real_time || now_ns - engine->rested_ns < REST_INTERVAL_NS)
                return;
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){.tv_nsec = REST_NS}, NULL);
        engine->rested_ns = now_ns;
}

static int loop(struct engine *engine)
{
        struct epoll_event events[MAX_EVENTS];

        while (!engine->stop) {
                uint64_t now_ns;
                int n = epoll_wait(engine->epoll_fd, events, MAX_EVENTS, timeout_ms(engine));

                if (n < 0 && errno != EINTR)
                        return -errno;
                now_ns = monotonic_ns();
                read_settings(engine, now_ns);
                messages_read(engine);
                for (int i = 0; i < n; i++)
                        handle(engine, &events[i]);
                tracing_run(engine, now_ns);
                reports_look(engine, now_ns);
                status_run(engine, now_ns);
                clients_write(engine);
                tracing_close_unused(engine, now_ns);
                clients_forget_gone(engine);
                if (engine->closing_until_ns && is_finished(engine))
                        break;
                rest(engine, now_ns);
        }
        return 0;
}

/* ---- from beginning to end ---- */

static int start_workers(struct engine *engine)
{
        int r = 0;

        for (size_t i = 0; i < N_WORKERS && r >= 0; i++) {
                r = worker_new(&engine->workers[i]);
                if (r >= 0)
                        r = engine_watch(engine, EPOLL_CTL_ADD, worker_fd(engine->workers[i]), EPOLLIN, SOURCE_WORKER,
                                         engine->workers[i]);
        }
        return r;
}

static bool is_real_time(void)
{
        struct sched_param now;

        return sched_getparam(0, &now) == 0 && now.sched_priority > 0;
}

static int engine_init(struct engine *engine, int link_fd)
{
        int r;

        *engine = (struct engine){.link_fd = link_fd, .next_req = 1, .is_real_time = is_real_time()};
        engine->swaps_fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
        engine->numa_fd = open("/proc/sys/kernel/numa_balancing", O_RDONLY | O_CLOEXEC);
        engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (engine->epoll_fd < 0 || fcntl(link_fd, F_SETFL, 0) < 0)
                return -errno;
        r = start_workers(engine);
        if (r >= 0)
                r = names_new(link_fd, engine->workers, &engine->names);
        if (r >= 0)
                r = unwind_new(&engine->unwind);
        if (r >= 0)
                r = engine_watch(engine, EPOLL_CTL_ADD, link_fd, EPOLLIN, SOURCE_LINK, NULL);
        return r < 0 ? r : sandbox_enter(SANDBOX_ENGINE);
}

static void engine_deinit(struct engine *engine)
{
        attaches_forget(engine, NULL);
        clients_deinit(engine);
        tracing_deinit(engine);
        for (size_t i = 0; i < N_WORKERS; i++)
                engine->workers[i] = worker_free(engine->workers[i]);
        engine->unwind = unwind_free(engine->unwind);
        engine->names = names_free(engine->names);
        cleanup_close(&engine->epoll_fd);
        cleanup_close(&engine->swaps_fd);
        cleanup_close(&engine->numa_fd);
        cleanup_close(&engine->link_fd);
}

int engine_main(int link_fd)
{
        struct engine engine;
        int r = engine_init(&engine, link_fd);

        if (r >= 0)
                r = loop(&engine);
        if (r < 0)
                (void)fprintf(stderr, "<3>faultlined engine: stopped: %s\n", strerror(-r));
        engine_deinit(&engine);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
