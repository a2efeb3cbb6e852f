/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events are per (thread, CPU) because an inherited event can be redirected only when it is bound to a CPU. A thread
 * that is born while we go through the list may have inherited some events and not others, and events cannot be asked.
 * So after a pass the list is read again: if nothing new is in it and it is known to be complete, whatever is born
 * later descends from threads that were complete. Else everything is closed and opened for the new list; a target that
 * never comes to rest is opened once more while its threads are stopped (prepare.c).
 *
 * An exec by another thread than the leader ends all others, and takes the leader's number: for a moment no thread can
 * be had, and afterwards the leader that the events were opened for is not the one that there is. The kernel hangs up
 * on an event whose task has ended and from which nobody has inherited (perf_poll(), kernel/events/core.c).
 *
 * A thread id of the list may have died and been given to another process before its events were opened: its entry
 * below /proc/PID/task must still be there afterwards, else its events are thrown away.
 *
 * A thousand threads on two CPUs are 14 000 events and a third of a second. Whatever goes through all of them does so
 * in slices, so that the event loop can serve others in between. Opening may wait for others who open or inherit, each
 * time anew (event_mutex), so its slices are bounded in time, too.
 */
#include "daemon/monitor/events.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/refusal.h"
#include "daemon/monitor/warm.h"

#define MAX_PASSES 4
#define MAX_TRIES 16     /* of events_add_process(), which cannot wait */
#define SLICE_EVENTS 256 /* of one call: 5 ms of perf_event_open(2), less of everything else */
#define SLICE_NS (5 * NSEC_PER_MSEC)

static int add_event(struct event_set *events, int fd, enum event_kind kind)
{
        if (events->n == events->n_room) {
                size_t n = events->n_room == 0 ? 64 : events->n_room * 2;
                struct event_fd *grown = reallocarray(events->events, n, sizeof(*grown));

                if (grown == NULL) {
                        (void)close(fd);
                        return -ENOMEM;
                }
                events->events = grown;
                events->n_room = n;
        }
        events->events[events->n++] = (struct event_fd){.fd = fd, .kind = kind};
        return 0;
}

static void close_from(struct event_set *events, size_t n_kept, struct closer *closer)
{
        size_t n = events->n - n_kept;
        int *fds = n > 0 ? malloc(n * sizeof(int)) : NULL;

        for (size_t i = 0; i < n; i++) {
                if (fds != NULL)
                        fds[i] = events->events[n_kept + i].fd;
                else
                        (void)close(events->events[n_kept + i].fd);
        }
        events->n = n_kept;
        closer_close(closer, fds, fds != NULL ? n : 0);
}

/* What the user has left was counted just now, when this set had as many as it has. */
static void begin_counting(const struct event_request *request, struct event_set *events)
{
        events->n_limit = request->n_free < SIZE_MAX - events->n ? events->n + request->n_free : SIZE_MAX;
}

/* The user's share of descriptors has an end as RLIMIT_NOFILE has, and what then happens is the same. */
static bool is_at_limit(const struct event_request *request, const struct event_set *events)
{
        return events->n >= events->n_limit && request->n_free != UINT64_MAX;
}

/* All events of one thread on one CPU. On failure *ret_kind is the refused one. */
static int open_pair(const struct event_request *request, const struct event_level *level, pid_t tid,
                     const struct ring_pair *pair, struct event_set *events, enum event_kind *ret_kind)
{
        uint32_t kinds = event_level_kinds(level);

        for (int kind = 0; kind < N_EVENT_KINDS; kind++) {
                if ((kinds & EVENT_BIT(kind)) == 0)
                        continue;
                int fd = is_at_limit(request, events) ? -EMFILE
                                                      : event_open(request, level, tid, pair, (enum event_kind)kind);
                int r = fd < 0 ? fd : add_event(events, fd, (enum event_kind)kind);

                if (r < 0) {
                        *ret_kind = (enum event_kind)kind;
                        return r;
                }
        }
        return 0;
}

/* On every CPU: those of a thread wait for one that is offline, those of a cgroup cannot be there yet. */
static int open_thread(const struct event_request *request, const struct event_level *level, pid_t tid,
                       struct event_set *events, enum event_kind *ret_kind)
{
        int r = 0;

        for (size_t i = 0; i < request->rings->n && r == 0; i++)
                if (!request->is_cgroup || request->rings->pairs[i].is_online)
                        r = open_pair(request, level, tid, &request->rings->pairs[i], events, ret_kind);
        return r;
}

/*
 * The next threads of the list, until it was SLICE_EVENTS events or SLICE_NS, at the highest level that goes; a thread
 * that is gone is skipped. Only the first thread may lower the level: what it got, the others get, or the process has
 * changed under us.
 */
static int open_threads(const struct event_request *request, struct event_level *level, struct closer *closer,
                        struct event_set *events)
{
        size_t n_end = events->n + SLICE_EVENTS;
        uint64_t end_ns = monotonic_ns() + SLICE_NS;

        while (events->n_visited < events->threads.n && events->n < n_end) {
                pid_t tid = events->threads.threads[events->n_visited++].tid;
                size_t n_before = events->n;
                enum event_kind kind = EVENT_ENTRY;
                int r;

                do {
                        close_from(events, n_before, closer);
                        r = open_thread(request, level, tid, events, &kind);
                } while (r < 0 && n_before == 0 && event_level_down(level, kind, -r));
                if (r == -ESRCH || (r == 0 && !target_has_thread(request->target, tid)))
                        close_from(events, n_before, closer);
                else if (r < 0)
                        return r;
                else if (tid == request->target->pid)
                        events->n_leader_end = events->n;
                if (monotonic_ns() >= end_ns)
                        break;
        }
        return 0;
}

/* One event of a kind on a CPU counts for all of the cgroup, so the list of threads does not matter. */
static int open_cgroup(const struct event_request *request, struct event_level *level, struct closer *closer,
                       struct event_set *events)
{
        enum event_kind kind = EVENT_ENTRY;
        int r;

        do {
                close_from(events, 0, closer);
                r = open_thread(request, level, -1, events, &kind);
        } while (r < 0 && event_level_down(level, kind, -r));
        return r < 0 ? r : events->n == 0 ? -ENODEV : 0;
}

static void close_counters(struct event_set *events)
{
        for (size_t i = 0; i < ARRAY_SIZE(events->counters); i++) {
                cleanup_close(&events->counters[i]);
                events->counters[i] = -1;
        }
}

static int open_counters(const struct event_request *request, const struct event_level *level, struct event_set *events)
{
        static const uint64_t configs[] = {PERF_COUNT_SW_PAGE_FAULTS_MIN, PERF_COUNT_SW_PAGE_FAULTS_MAJ};

        for (size_t i = 0; i < ARRAY_SIZE(configs); i++) {
                events->counters[i] = event_open_counter(level, request->target->pid, configs[i]);
                if (events->counters[i] < 0)
                        return events->counters[i];
        }
        return 0;
}

static bool has_new_threads(const struct target_threads *before, const struct target_threads *now)
{
        for (size_t i = 0; i < now->n; i++)
                if (!target_threads_have(before, now->threads[i].tid))
                        return true;
        return false;
}

/* The last event that was opened for it tells: who has inherited that one has all. */
static bool has_other_leader(const struct event_request *request, const struct event_set *events)
{
        struct pollfd poll_fd = {.events = POLLIN};

        if (events->n_leader_end == 0)
                return false;
        poll_fd.fd = events->events[events->n_leader_end - 1].fd;
        return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLHUP) != 0 && target_has_live_leader(request->target);
}

/* The list is through. 1 = there is a new one to go through, 0 = this is all, EVENTS_NO_THREAD, or -errno. */
static int end_pass(const struct event_request *request, struct closer *closer, struct event_set *events)
{
        struct target_threads now = {0};
        int r;

        if (events->n == 0 || has_other_leader(request, events))
                return EVENTS_NO_THREAD;
        if (request->is_stopped) { /* nobody is born */
                events->is_uncertain = !events->threads.is_complete;
                return 0;
        }
        r = target_list_threads(request->target, &now);
        if (r < 0)
                return r == -ESRCH ? EVENTS_NO_THREAD : r;
        events->is_uncertain = !now.is_complete || has_new_threads(&events->threads, &now);
        if (!events->is_uncertain || ++events->n_passes == MAX_PASSES) {
                free(now.threads);
                return 0;
        }
        close_from(events, 0, closer);
        free(events->threads.threads);
        events->threads = now;
        events->n_visited = 0;
        events->n_leader_end = 0;
        return 1;
}

static int open_more(const struct event_request *request, struct event_level *level, struct closer *closer,
                     struct event_set *events)
{
        int r;

        if (request->warm != NULL && level->tracepoints && warm_up(request->warm, request->tracefs))
                return 1;
        if (request->is_cgroup)
                return open_cgroup(request, level, closer, events);
        r = events->threads.threads == NULL ? target_list_threads(request->target, &events->threads) : 0;
        if (r == -ESRCH)
                return EVENTS_NO_THREAD;
        if (r == 0)
                r = open_threads(request, level, closer, events);
        if (r < 0)
                return r;
        if (events->n_visited < events->threads.n)
                return 1;
        r = end_pass(request, closer, events);
        return r == 0 && request->from_exec ? open_counters(request, level, events) : r;
}

/* Here and not by the closer, because the descriptors are to be used again at once. true = there are more. */
static bool give_back(struct event_set *events, struct closer *closer)
{
        for (size_t i = 0; i < SLICE_EVENTS && events->n > 0; i++)
                (void)close(events->events[--events->n].fd);
        if (events->n > 0)
                return true;
        events_close(events, closer);
        return false;
}

int events_open(const struct event_request *request, struct event_level *level, struct closer *closer,
                struct event_set *events, char text[static LINK_TEXT_BYTES])
{
        int r;

        if (events->is_given_back) {
                events->is_given_back = give_back(events, closer);
                return 1;
        }
        begin_counting(request, events);
        r = open_more(request, level, closer, events);
        if ((r == -EMFILE || r == -ENFILE) && event_level_fewer(level, -r)) {
                events->is_given_back = true;
                return 1;
        }
        if (r == EVENTS_NO_THREAD)
                events_reset(events, closer);
        if (r < 0) {
                struct refused_events refused = {
                        .pid = request->is_cgroup ? 0 : request->target->pid,
                        .n_threads = events->threads.n,
                        .n_cpus = request->rings->n,
                        .n_events = (size_t)__builtin_popcount(event_level_kinds(level)),
                        .n_open = events->n,
                        .n_allowed = is_at_limit(request, events) ? request->n_allowed : 0,
                };

                refusal_of_events(&refused, -r, text);
                events_close(events, closer);
        }
        return r;
}

int events_add_process(const struct event_request *request, struct event_level *level, struct closer *closer,
                       struct event_set *events)
{
        struct event_request added = *request;
        int r = 1, n_tries = 0;

        added.from_exec = false;
        added.is_cgroup = false;
        begin_counting(request, events);
        while (r == 1 || (r == EVENTS_NO_THREAD && n_tries++ < MAX_TRIES && !target_is_dead(added.target))) {
                if (r == EVENTS_NO_THREAD)
                        events_reset(events, closer);
                r = open_more(&added, level, closer, events);
        }
        if (r == EVENTS_NO_THREAD)
                r = -ESRCH;
        if (r < 0)
                events_close(events, closer);
        return r;
}

int events_add_cpu(const struct event_request *request, const struct event_level *level, const struct ring_pair *pair,
                   struct closer *closer, struct event_set *events)
{
        size_t n_before = events->n;
        enum event_kind kind;
        struct event_set fresh;
        size_t at = 0;
        int r;

        begin_counting(request, events);
        r = open_pair(request, level, -1, pair, events, &kind);
        if (r < 0) {
                close_from(events, n_before, closer);
                return r;
        }
        fresh = (struct event_set){.events = events->events + n_before, .n = events->n - n_before};
        while (events_enable(&fresh, &at))
                continue;
        return 0;
}

void events_reset(struct event_set *events, struct closer *closer)
{
        close_from(events, 0, closer);
        close_counters(events);
        free(events->threads.threads);
        events->threads = (struct target_threads){0};
        events->n_visited = 0;
        events->n_leader_end = 0;
        events->n_passes = 0;
        events->is_uncertain = false;
}

void events_close(struct event_set *events, struct closer *closer)
{
        events_reset(events, closer);
        free(events->events);
        *events = EVENT_SET_INIT;
}

/* What makes a fault; everything else only accompanies it (where there is no entry, completions make them). */
static bool is_anchor(const struct event_fd *event)
{
        return event->kind == EVENT_ENTRY || event->kind == EVENT_TP_HIGH;
}

/*
 * Two rounds over all events, so that on a running target no fault is counted whose companions are off: they are
 * enabled first and disabled last. *at counts through both.
 */
static bool control(const struct event_set *events, unsigned long request, bool anchors_first, size_t *at)
{
        size_t end = MIN_OF(*at + SLICE_EVENTS, 2 * events->n);

        for (; *at < end; (*at)++) {
                const struct event_fd *event = &events->events[*at % events->n];
                bool is_first_round = *at < events->n;

                if (event->kind != EVENT_SIDEBAND && (is_anchor(event) == anchors_first) == is_first_round)
                        (void)ioctl(event->fd, request, 0);
        }
        return *at < 2 * events->n;
}

bool events_enable(const struct event_set *events, size_t *at)
{
        return control(events, PERF_EVENT_IOC_ENABLE, false, at);
}

bool events_disable(const struct event_set *events, size_t *at)
{
        return control(events, PERF_EVENT_IOC_DISABLE, true, at);
}

static int read_event(int fd, bool with_lost, uint64_t *ret_count, uint64_t *ret_lost)
{
        uint64_t values[2] = {0};
        ssize_t wanted = (ssize_t)sizeof(uint64_t) * (with_lost ? 2 : 1);

        if (read(fd, values, sizeof(values)) != wanted)
                return errno == 0 ? -EIO : -errno;
        *ret_count += values[0];
        *ret_lost += values[1];
        return 0;
}

int events_read(const struct event_set *events, bool with_lost, size_t *at, struct event_counts *counts)
{
        size_t end = MIN_OF(*at + SLICE_EVENTS, events->n);

        for (; *at < end; (*at)++) {
                uint32_t kind = events->events[*at].kind;
                int r = read_event(events->events[*at].fd, with_lost, &counts->count[kind], &counts->lost[kind]);

                if (r < 0)
                        return r;
        }
        return *at < events->n;
}

static bool is_completion(uint32_t kind)
{
        return kind == EVENT_MIN || kind == EVENT_MAJ;
}

size_t events_n_completions(const struct event_set *events)
{
        size_t n = 0;

        if (events->counters[0] >= 0)
                return ARRAY_SIZE(events->counters);
        for (size_t i = 0; i < events->n; i++)
                n += is_completion(events->events[i].kind);
        return n;
}

int events_read_completions(const struct event_set *events, struct target_faults *ret)
{
        struct target_faults sum = {0};

        if (events->counters[0] >= 0) {
                uint64_t lost = 0;
                int r = read_event(events->counters[0], false, &sum.min_flt, &lost);

                if (r == 0)
                        r = read_event(events->counters[1], false, &sum.maj_flt, &lost);
                if (r == 0)
                        *ret = sum;
                return r;
        }
        for (size_t i = 0; i < events->n; i++) {
                uint64_t value[2];

                if (!is_completion(events->events[i].kind))
                        continue;
                if (read(events->events[i].fd, value, sizeof(value)) < (ssize_t)sizeof(value[0]))
                        return -EIO;
                *(events->events[i].kind == EVENT_MAJ ? &sum.maj_flt : &sum.min_flt) += value[0];
        }
        *ret = sum;
        return 0;
}

int make_sealed_file(const char *name, const void *bytes, size_t n_bytes)
{
        CLEANUP_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        size_t n_written = 0;

        if (fd < 0)
                return -errno;
        while (n_written < n_bytes) {
                ssize_t n = pwrite(fd, (const char *)bytes + n_written, n_bytes - n_written, (off_t)n_written);

                if (n < 0)
                        return -errno;
                n_written += (size_t)n;
        }
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int events_make_id_file(const struct event_set *events, size_t first)
{
        size_t n = events->n - first;
        CLEANUP_FREE struct link_event_id *ids = calloc(n, sizeof(*ids));

        if (ids == NULL)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                const struct event_fd *event = &events->events[first + i];

                if (ioctl(event->fd, PERF_EVENT_IOC_ID, &ids[i].id) < 0)
                        return -errno;
                ids[i].kind = event->kind;
        }
        return make_sealed_file("faultline-ids", ids, n * sizeof(*ids));
}

int events_make_thread_file(const struct event_set *events)
{
        return make_sealed_file("faultline-threads", events->threads.threads,
                                events->threads.n * sizeof(struct link_thread));
}
