/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Events are per (thread, CPU) because an inherited event can be redirected only when it is bound to a CPU. A thread
 * that is born while we go through the list may have inherited some events and not others, and events cannot be asked.
 * So after a pass the list is read again: if nothing new is in it, whatever is born later descends from threads that
 * were complete. If there is something new, everything is closed and opened for the new list; a target that never comes
 * to rest is opened once more while its threads are stopped (prepare.c).
 *
 * A thread id of the list may have died and been given to another process before its events were opened: its entry
 * below /proc/PID/task must still be there afterwards, else its events are thrown away.
 *
 * A thousand threads on two CPUs are 14 000 events and a third of a second. Whatever goes through all of them does so in
 * slices, so that the event loop can serve others in between.
 */
#include "daemon/monitor/events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "daemon/monitor/refusal.h"

#define MAX_PASSES 4
#define SLICE_EVENTS 256 /* of one call: 5 ms of perf_event_open(2), less of everything else */

void event_level_init(struct event_level *level, enum detail wanted)
{
        *level = (struct event_level){
                .detail = wanted == DETAIL_BASIC ? DETAIL_BASIC : DETAIL_FULL,
                .physical = true,
                .kernel_mode = true,
                .tracepoints = wanted != DETAIL_BASIC,
                .lost_count = true,
        };
}

void event_level_lack(struct event_level *level, enum link_detail what, int error)
{
        level->degraded |= 1u << what;
        level->degraded_errno[what] = error;
}

static bool is_tracepoint(enum event_kind kind)
{
        return kind == EVENT_TP_USER || kind == EVENT_TP_KERNEL || kind == EVENT_TP_HIGH;
}

static uint32_t kinds_of(const struct event_level *level)
{
        uint32_t kinds = event_kinds(level->detail);

        return level->tracepoints
                       ? kinds
                       : kinds & ~(EVENT_BIT(EVENT_TP_USER) | EVENT_BIT(EVENT_TP_KERNEL) | EVENT_BIT(EVENT_TP_HIGH));
}

static int refused_because_of_rights(int error)
{
        return error == EACCES || error == EPERM;
}

/*
 * The next level below, after an event of `kind` was refused with `error`. false = there is none, or the error has
 * nothing to do with the level. The order is that of what hurts least; a refused tracepoint tells nothing about the
 * others.
 */
static bool level_down(struct event_level *level, enum event_kind kind, int error)
{
        if (error == EINVAL && level->lost_count) {
                level->lost_count = false; /* PERF_FORMAT_LOST came with Linux 6.0 */
                event_level_lack(level, LINK_LACKS_LOST_COUNT, error);
        } else if (is_tracepoint(kind) && (refused_because_of_rights(error) || error == ENOENT || error == ENODEV)) {
                level->tracepoints = false;
                event_level_lack(level, LINK_LACKS_TRACEPOINTS, error);
        } else if (refused_because_of_rights(error) && level->physical) {
                level->physical = false;
                event_level_lack(level, LINK_LACKS_PHYSICAL, error);
        } else if (refused_because_of_rights(error) && level->kernel_mode) {
                level->kernel_mode = false;
                event_level_lack(level, LINK_LACKS_KERNEL_MODE, error);
                if (level->detail == DETAIL_FULL) {
                        level->detail = DETAIL_UNPRIVILEGED;
                        level->tracepoints = false;
                        event_level_lack(level, LINK_LACKS_TRACEPOINTS, error);
                }
        } else {
                return false;
        }
        return true;
}

static void common_attr(const struct event_level *level, struct perf_event_attr *ret)
{
        *ret = (struct perf_event_attr){
                .size = sizeof(*ret),
                .type = PERF_TYPE_SOFTWARE,
                .read_format = level->lost_count ? PERF_FORMAT_LOST : 0,
                .inherit = 1,
                .inherit_thread = 1,
                .exclude_kernel = !level->kernel_mode,
                .exclude_hv = !level->kernel_mode,
        };
}

static void fault_attr(const struct event_level *level, const struct tracefs *tracefs, enum event_kind kind,
                       bool from_exec, struct perf_event_attr *attr)
{
        attr->sample_period = 1;
        attr->disabled = 1;
        attr->enable_on_exec = from_exec;
        switch (kind) {
        case EVENT_TP_KERNEL:
                attr->type = PERF_TYPE_TRACEPOINT;
                attr->config = tracefs->page_fault_kernel;
                attr->sample_regs_user = EVENT_REGS_MASK;
                break;
        case EVENT_TP_USER:
        case EVENT_TP_HIGH:
                attr->type = PERF_TYPE_TRACEPOINT;
                attr->config = tracefs->page_fault_user;
                break;
        case EVENT_ENTRY:
                attr->config = PERF_COUNT_SW_PAGE_FAULTS;
                break;
        case EVENT_MIN:
                attr->config = PERF_COUNT_SW_PAGE_FAULTS_MIN;
                break;
        default:
                attr->config = PERF_COUNT_SW_PAGE_FAULTS_MAJ;
                break;
        }
}

static void sideband_attr(struct perf_event_attr *attr)
{
        attr->config = PERF_COUNT_SW_DUMMY;
        attr->mmap = 1;
        attr->mmap2 = 1;
        attr->mmap_data = 1;
        attr->comm = 1;
        attr->comm_exec = 1;
        attr->task = 1;
}

static int set_filter(int fd, enum event_kind kind)
{
        const char *filter = kind == EVENT_TP_HIGH     ? EVENT_HIGH_FILTER
                             : kind == EVENT_TP_KERNEL ? EVENT_LOW_FILTER
                                                       : NULL;

        return filter != NULL && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter) < 0 ? -errno : 0;
}

static int open_event(const struct event_request *request, const struct event_level *level, pid_t tid,
                      const struct ring_pair *pair, enum event_kind kind)
{
        struct perf_event_attr attr;
        bool is_sideband = kind == EVENT_SIDEBAND;
        int r;

        if (is_tracepoint(kind) && request->tracefs->error != 0)
                return -request->tracefs->error;
        common_attr(level, &attr);
        if (is_sideband)
                sideband_attr(&attr);
        else
                fault_attr(level, request->tracefs, kind, request->from_exec, &attr);
        attr.sample_type = event_sample_type(kind, level->detail, level->physical);
        attr.sample_id_all = 1;
        attr.use_clockid = 1;
        attr.clockid = CLOCK_MONOTONIC;
        attr.watermark = 1;
        attr.wakeup_watermark = (uint32_t)((is_sideband ? request->rings->side_bytes : request->rings->ring_bytes) / 4);
        int fd = (int)syscall(SYS_perf_event_open, &attr, tid, pair->cpu, is_sideband ? pair->side_fd : pair->fault_fd,
                              PERF_FLAG_FD_CLOEXEC | PERF_FLAG_FD_OUTPUT | PERF_FLAG_FD_NO_GROUP);
        if (fd < 0)
                return -errno;
        r = set_filter(fd, kind);
        if (r < 0) {
                (void)close(fd);
                return r;
        }
        return fd;
}

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

/* All events of one thread. On failure *ret_kind is the refused one. A CPU that went offline meanwhile has no faults.
 */
static int open_thread(const struct event_request *request, const struct event_level *level, pid_t tid,
                       struct event_set *events, enum event_kind *ret_kind)
{
        uint32_t kinds = kinds_of(level);

        for (size_t i = 0; i < request->rings->n; i++)
                for (int kind = 0; kind < N_EVENT_KINDS; kind++) {
                        if ((kinds & EVENT_BIT(kind)) == 0)
                                continue;
                        int fd = open_event(request, level, tid, &request->rings->pairs[i], (enum event_kind)kind);

                        if (fd == -ENODEV && !is_tracepoint((enum event_kind)kind))
                                continue;
                        int r = fd < 0 ? fd : add_event(events, fd, (enum event_kind)kind);
                        if (r < 0) {
                                *ret_kind = (enum event_kind)kind;
                                return r;
                        }
                }
        return 0;
}

/*
 * The next threads of the list, SLICE_EVENTS events or a little more, at the highest level that goes; a thread that is
 * gone is skipped. Only the first thread may lower the level: what it got, the others get, or the process has changed
 * under us.
 */
static int open_threads(const struct event_request *request, struct event_level *level, struct closer *closer,
                        struct event_set *events)
{
        size_t n_end = events->n + SLICE_EVENTS;

        while (events->n_visited < events->threads.n && events->n < n_end) {
                pid_t tid = events->threads.threads[events->n_visited++].tid;
                size_t n_before = events->n;
                enum event_kind kind = EVENT_ENTRY;
                int r;

                do {
                        close_from(events, n_before, closer);
                        r = open_thread(request, level, tid, events, &kind);
                } while (r < 0 && n_before == 0 && level_down(level, kind, -r));
                if (r == -ESRCH || (r == 0 && !target_has_thread(request->target, tid)))
                        close_from(events, n_before, closer);
                else if (r < 0)
                        return r;
        }
        return 0;
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
                struct perf_event_attr attr;

                common_attr(level, &attr);
                attr.config = configs[i];
                attr.read_format = 0;
                events->counters[i] =
                        (int)syscall(SYS_perf_event_open, &attr, request->target->pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
                if (events->counters[i] < 0)
                        return -errno;
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

/* The list is through. 1 = there is a new one to go through, 0 = this is all, or -errno. */
static int end_pass(const struct event_request *request, struct closer *closer, struct event_set *events)
{
        struct target_threads now = {0};
        int r;

        if (events->n == 0)
                return -ESRCH;
        if (request->is_stopped)
                return 0;
        r = target_list_threads(request->target, &now);
        if (r < 0)
                return r;
        events->is_uncertain = has_new_threads(&events->threads, &now);
        if (!events->is_uncertain || ++events->n_passes == MAX_PASSES) {
                free(now.threads);
                return 0;
        }
        close_from(events, 0, closer);
        free(events->threads.threads);
        events->threads = now;
        events->n_visited = 0;
        return 1;
}

static int open_more(const struct event_request *request, struct event_level *level, struct closer *closer,
                     struct event_set *events)
{
        int r = events->threads.threads == NULL ? target_list_threads(request->target, &events->threads) : 0;

        if (r == 0)
                r = open_threads(request, level, closer, events);
        if (r < 0)
                return r;
        if (events->n_visited < events->threads.n)
                return 1;
        r = end_pass(request, closer, events);
        return r == 0 && request->from_exec ? open_counters(request, level, events) : r;
}

int events_open(const struct event_request *request, struct event_level *level, struct closer *closer,
                struct event_set *events, char text[static LINK_TEXT_BYTES])
{
        int r = open_more(request, level, closer, events);

        if (r < 0) {
                struct refused_events refused = {
                        .pid = request->target->pid,
                        .n_threads = events->threads.n,
                        .n_cpus = request->rings->n,
                        .n_events = (size_t)__builtin_popcount(kinds_of(level)),
                };

                refusal_of_events(&refused, -r, text);
                events_close(events, closer);
        }
        return r;
}

void events_close(struct event_set *events, struct closer *closer)
{
        close_from(events, 0, closer);
        close_counters(events);
        free(events->events);
        free(events->threads.threads);
        *events = EVENT_SET_INIT;
}

static bool control(const struct event_set *events, unsigned long request, size_t *at)
{
        size_t end = MIN_OF(*at + SLICE_EVENTS, events->n);

        for (; *at < end; (*at)++)
                if (events->events[*at].kind != EVENT_SIDEBAND)
                        (void)ioctl(events->events[*at].fd, request, 0);
        return *at < events->n;
}

bool events_enable(const struct event_set *events, size_t *at)
{
        return control(events, PERF_EVENT_IOC_ENABLE, at);
}

bool events_disable(const struct event_set *events, size_t *at)
{
        return control(events, PERF_EVENT_IOC_DISABLE, at);
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

int events_read_completions(const struct event_set *events, uint64_t *ret)
{
        uint64_t sum = 0;

        if (events->counters[0] >= 0) {
                uint64_t lost = 0;
                int r = read_event(events->counters[0], false, &sum, &lost);

                if (r == 0)
                        r = read_event(events->counters[1], false, &sum, &lost);
                if (r == 0)
                        *ret = sum;
                return r;
        }
        for (size_t i = 0; i < events->n; i++) {
                uint64_t value[2];

                if (events->events[i].kind != EVENT_MIN && events->events[i].kind != EVENT_MAJ)
                        continue;
                if (read(events->events[i].fd, value, sizeof(value)) < (ssize_t)sizeof(value[0]))
                        return -EIO;
                sum += value[0];
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

int events_make_id_file(const struct event_set *events)
{
        CLEANUP_FREE struct link_event_id *ids = calloc(events->n, sizeof(*ids));

        if (ids == NULL)
                return -ENOMEM;
        for (size_t i = 0; i < events->n; i++) {
                if (ioctl(events->events[i].fd, PERF_EVENT_IOC_ID, &ids[i].id) < 0)
                        return -errno;
                ids[i].kind = events->events[i].kind;
        }
        return make_sealed_file("faultline-ids", ids, events->n * sizeof(*ids));
}

int events_make_thread_file(const struct event_set *events)
{
        return make_sealed_file("faultline-threads", events->threads.threads,
                                events->threads.n * sizeof(struct link_thread));
}
