/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pipeline of one trace. Order of things that must not change: the clock is read before the ring heads (order.h);
 * data_tail is published before events are flushed, so that a successor never repeats what a client may have been
 * sent; sideband records and faults come through one merge, so that the address space is that of the time of the fault.
 *
 * A story stands in that order by its own time. It was sent before its thread went on, so whoever reads the clock first
 * and the stories next finds each story before any record that its thread wrote afterwards.
 */
#include "daemon/engine/trace.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/engine/degraded.h"
#include "daemon/engine/feed.h"
#include "daemon/engine/figures.h"
#include "daemon/link/clock.h"

#define DICT_CAP_BYTES ((size_t)16 << 20)
#define RECORDS_PER_PASS 65536
#define PASS_NS (UINT64_C(10) * NSEC_PER_MSEC) /* other traces, and clients, wait meanwhile */
#define CACHE_LINE_BYTES 64
#define FETCHED_LINES 10
#define RECORDS_PER_PUBLISH 64 /* of records with stacks: their room in the ring is wanted back soon */
#define NAME_QUESTIONS_PER_PASS 16
#define STORIES_PER_PASS 256
#define REST_WAIT_NS (UINT64_C(50) * NSEC_PER_MSEC)
#define STATUS_WAIT_NS (UINT64_C(300) * NSEC_PER_MSEC)
#define PAGE_BYTES 4096

/* ---- birth and death ---- */

static void unmap_rings(struct trace *trace)
{
        for (size_t i = 0; trace->maps && i < trace->info.n_cpus * 2; i++) {
                if (trace->maps[i].base)
                        (void)munmap(trace->maps[i].base, trace->maps[i].mapped_bytes);
                cleanup_close(&trace->maps[i].fd);
        }
}

struct trace *trace_free(struct trace *trace)
{
        if (!trace)
                return NULL;
        figures_unmap(trace);
        stories_free(trace->stories);
        fanout_deinit(&trace->fanout);
        pair_free(trace->pair);
        resolve_deinit(&trace->resolve);
        order_free(trace->order);
        unmap_rings(trace);
        free(trace->maps);
        free(trace->rings);
        free(trace->cpus);
        free(trace->scratch);
        event_ids_free(trace->ids);
        processes_deinit(&trace->processes);
        dict_free(trace->dict);
        free(trace);
        return NULL;
}

/* A table that the monitor wrote into a memfd: n entries of size bytes. */
static int read_table(int fd, size_t n, size_t size, void **ret)
{
        CLEANUP_FREE void *table = calloc(n ? n : 1, size);

        if (!table)
                return -ENOMEM;
        if (pread(fd, table, n * size, 0) != (ssize_t)(n * size))
                return -EIO;
        *ret = TAKE_PTR(table);
        return 0;
}

static int load_ids(struct trace *trace, const struct link_trace *info, int fd)
{
        CLEANUP_FREE void *table = NULL;
        struct event_ids *ids;
        int r = read_table(fd, info->n_ids, sizeof(struct link_event_id), &table);

        if (r >= 0)
                r = event_ids_new(table, info->n_ids, &ids);
        if (r < 0)
                return r;
        event_ids_free(trace->ids);
        trace->ids = ids;
        trace->layout.ids = ids;
        return 0;
}

int trace_add_ids(struct trace *trace, struct link_received *received)
{
        CLEANUP_FREE void *table = NULL;
        size_t n = received->message.ids.n_ids;
        int r = received->n_fds ? read_table(received->fds[0], n, sizeof(struct link_event_id), &table) : -EBADMSG;

        return r < 0 ? r : event_ids_add(trace->ids, table, n);
}

/* of: counts those that are new, or NULL. */
static int add_threads(struct trace *trace, pid_t pid, struct process *of, size_t n, int fd)
{
        CLEANUP_FREE void *table = NULL;
        const struct link_thread *threads;
        int r = read_table(fd, n, sizeof(struct link_thread), &table);

        threads = table;
        for (size_t i = 0; r >= 0 && i < n; i++) {
                char comm[sizeof(threads[i].comm) + 1] = "";

                memcpy(comm, threads[i].comm, sizeof(threads[i].comm));
                r = threads_born(&trace->resolve.threads, pid, threads[i].tid, 0);
                if (r > 0 && of)
                        process_thread_born(of);
                if (r >= 0)
                        r = threads_name(&trace->resolve.threads, threads[i].tid, comm);
        }
        return r;
}

/* The threads at the attach: the target's, or a unit's, of whose processes nothing is known yet. */
static int load_threads(struct trace *trace, int fd)
{
        return add_threads(trace, trace->pid, trace->processes.target, trace->info.n_threads, fd);
}

int trace_name_threads(struct trace *trace, struct link_received *received)
{
        const struct link_follow *followed = &received->message.follow;

        return add_threads(trace, followed->pid, NULL, followed->n_threads, received->fds[received->n_fds - 1]);
}

static int allocate_rings(struct trace *trace)
{
        size_t n = (size_t)trace->info.n_cpus * 2;

        trace->maps = calloc(n, sizeof(*trace->maps));
        trace->rings = calloc(n, sizeof(*trace->rings));
        trace->cpus = calloc(n, sizeof(*trace->cpus));
        trace->scratch = malloc(n * RING_SCRATCH_BYTES);
        if (!trace->maps || !trace->rings || !trace->cpus || !trace->scratch)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                trace->maps[i].fd = -1;
        return 0;
}

static int init_processes(struct trace *trace, struct link_received *received)
{
        int r;

        processes_init(&trace->processes, trace->info.flags & LINK_ATTACH_FOLLOW, trace->info.rights & LINK_RIGHT_EVER);
        r = trace->pid ? processes_add_target(&trace->processes, trace->pid) : 0;
        if (r >= 0 && trace->pid)
                addresses_give(trace->processes.target->addresses, TAKE_FD(received->fds[LINK_FD_MAPS]),
                               TAKE_FD(received->fds[LINK_FD_SMAPS]));
        return r;
}

static int init_stages(struct trace *trace, struct names *names, struct unwind *unwind, bool hide_kernel)
{
        const struct link_trace *info = &trace->info;
        bool has_tracepoints = info->detail == DETAIL_FULL && !(info->degraded & 1u << LINK_LACKS_TRACEPOINTS);
        int r = dict_new(trace->id, DICT_CAP_BYTES, &trace->dict);

        if (r >= 0)
                r = pair_new(info->detail, has_tracepoints, &trace->pair);
        if (r < 0)
                return r;
        trace->fanout = (struct fanout){.trace = trace->id, .dict = trace->dict};
        trace->resolve = (struct resolve){
                .places = {.names = names, .dict = trace->dict, .trace = trace->id, .hide_kernel = hide_kernel},
                .stack_bytes = info->stack_bytes,
                .has_lines = info->flags & LINK_ATTACH_LINES,
                .unwind = unwind,
                .processes = &trace->processes};
        return resolve_init(&trace->resolve);
}

int trace_new(struct link_received *received, struct names *names, struct unwind *unwind, bool hide_kernel,
              struct trace **ret)
{
        struct trace *trace = calloc(1, sizeof(*trace));
        int r;

        if (!trace)
                return -ENOMEM;
        trace->info = received->message.trace;
        trace->id = trace->info.trace;
        trace->pid = trace->info.pid;
        trace->restarted = trace->info.restarted;
        trace->records_per_publish = trace->info.stack_bytes ? RECORDS_PER_PUBLISH : RECORDS_PER_PASS;
        trace->layout = (struct sample_layout){
                .detail = trace->info.detail, .physical = trace->info.physical, .stacks = trace->info.stacks};
        r = received->n_fds == N_LINK_TRACE_FDS ? 0 : -EBADMSG;
        if (r >= 0)
                r = init_processes(trace, received);
        if (r >= 0)
                r = stories_new(TAKE_FD(received->fds[LINK_FD_STORIES]), &trace->stories);
        if (r >= 0)
                r = figures_map(trace, received->fds[LINK_FD_FIGURES]);
        if (r >= 0)
                r = init_stages(trace, names, unwind, hide_kernel);
        if (r >= 0)
                r = allocate_rings(trace);
        if (r >= 0)
                r = load_ids(trace, &trace->info, received->fds[LINK_FD_IDS]);
        if (r >= 0)
                r = load_threads(trace, received->fds[LINK_FD_THREADS]);
        if (r < 0) {
                trace_free(trace);
                return r;
        }
        *ret = trace;
        return 0;
}

int trace_replace_ids(struct trace *trace, struct link_received *received)
{
        if (received->n_fds != N_LINK_TRACE_FDS)
                return -EBADMSG;
        trace->info.n_threads = received->message.trace.n_threads;
        threads_deinit(&trace->resolve.threads);
        if (trace->processes.target)
                trace->processes.target->n_threads = 0;
        return load_ids(trace, &received->message.trace, received->fds[LINK_FD_IDS]) < 0
                       ? -EBADMSG
                       : load_threads(trace, received->fds[LINK_FD_THREADS]);
}

/* ---- rings ---- */

static struct perf_event_mmap_page *control_page(const struct trace *trace, size_t i)
{
        return trace->maps[i].base;
}

static int map_ring(struct trace *trace, size_t i, uint32_t cpu, size_t data_bytes, int *fd)
{
        struct perf_event_mmap_page *page;
        void *base = mmap(NULL, PAGE_BYTES + data_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);

        if (base == MAP_FAILED)
                return -errno;
        page = base;
        trace->maps[i] = (struct trace_ring){.fd = TAKE_FD(*fd), .base = base, .mapped_bytes = PAGE_BYTES + data_bytes};
        trace->cpus[i] = cpu;
        /* data_tail is where we, or the engine before us, stopped reading. */
        trace->rings[i] = (struct ring){.data = (const uint8_t *)base + PAGE_BYTES,
                                        .size_bytes = data_bytes,
                                        .tail = page->data_tail,
                                        .head = page->data_tail,
                                        .scratch = trace->scratch + i * RING_SCRATCH_BYTES};
        return 0;
}

int trace_add_rings(struct trace *trace, struct link_received *received)
{
        const struct link_rings *rings = &received->message.rings;
        size_t n_cpus = trace->info.n_cpus;
        int r = 0;

        if (rings->n > LINK_RINGS_PER_MESSAGE || rings->first + (size_t)rings->n > n_cpus ||
            received->n_fds != (size_t)rings->n * 2)
                return -EBADMSG;
        for (size_t i = 0; i < rings->n && r >= 0; i++) {
                size_t at = rings->first + i;

                r = map_ring(trace, at, rings->cpu[i], trace->info.ring_bytes, &received->fds[i * 2]);
                if (r >= 0)
                        r = map_ring(trace, n_cpus + at, rings->cpu[i], trace->info.side_bytes,
                                     &received->fds[i * 2 + 1]);
        }
        if (r < 0)
                return r;
        trace->n_rings_got += rings->n;
        if (trace->n_rings_got < n_cpus)
                return 0;
        r = order_new(trace->rings, n_cpus * 2, &trace->layout, &trace->order);
        return r < 0 ? r : 1;
}

static void read_heads(struct trace *trace)
{
        for (size_t i = 0; i < trace->info.n_cpus * 2; i++)
                trace->rings[i].head = __atomic_load_n(&control_page(trace, i)->data_head, __ATOMIC_ACQUIRE);
}

static void publish_tails(struct trace *trace)
{
        for (size_t i = 0; i < trace->info.n_cpus * 2; i++)
                __atomic_store_n(&control_page(trace, i)->data_tail, trace->rings[i].tail, __ATOMIC_RELEASE);
}

/* ---- in ---- */

/* Maps that were not told of: each memory is read again. */
static int read_all_maps(struct trace *trace)
{
        int r = 0;

        trace->lost_maps = false;
        for (struct process *process = trace->processes.first; process && r != -ENOMEM; process = process->next)
                r = addresses_snapshot(process->addresses); /* the process may just have gone */
        return r == -ENOMEM ? r : 0;
}

/*
 * The next record of this ring: another processor has just written it, so that every line of it is waited for. Asked
 * for now, it is there when this record is done with. Header and registers, then what is at the stack pointer.
 */
static void fetch_ahead(const struct ring *ring)
{
        const uint8_t *next = ring->data + (ring->tail & (ring->size_bytes - 1));

        for (size_t i = 0; i < FETCHED_LINES; i++)
                __builtin_prefetch(next + i * CACHE_LINE_BYTES);
}

/* *budget records at most, less those taken. */
static int drain_records(struct trace *trace, uint64_t until_ns, uint64_t now_ns, size_t *budget)
{
        struct record record;
        uint64_t until_clock_ns = monotonic_ns() + PASS_NS;
        size_t ring;
        int r, outcome = ORDER_END;

        read_heads(trace);
        order_begin(trace->order, until_ns);
        while (*budget && (outcome = order_next(trace->order, &record, &ring)) != ORDER_END) {
                --*budget;
                r = 0;
                if (trace->info.stack_bytes)
                        fetch_ahead(&trace->rings[ring]);
                if (outcome == ORDER_BAD)
                        trace->n_bad_records++;
                else
                        r = feed_record(trace, &record, ring, now_ns);
                if (r < 0)
                        return r;
                if (*budget % trace->records_per_publish != 0)
                        continue;
                publish_tails(trace); /* not before: what the record points to is in the ring */
                if (monotonic_ns() > until_clock_ns)
                        *budget = 0;
        }
        publish_tails(trace);
        if (trace->lost_maps && read_all_maps(trace) < 0)
                return -ENOMEM;
        return outcome == ORDER_END && *budget ? TRACE_DRAINED : TRACE_MORE;
}

/* Each story in its place among the records. */
static int drain_stories(struct trace *trace, uint64_t until_ns, uint64_t now_ns, size_t *budget)
{
        const struct story *story;

        for (unsigned int n = 0; (story = stories_peek(trace->stories)) && story->time_ns <= until_ns; n++) {
                int r = n < STORIES_PER_PASS ? drain_records(trace, story->time_ns, now_ns, budget) : TRACE_MORE;

                if (r == TRACE_DRAINED)
                        r = feed_story(trace, story, now_ns);
                if (r != TRACE_DRAINED)
                        return r;
                stories_pop(trace->stories);
        }
        return TRACE_DRAINED;
}

int trace_drain(struct trace *trace, uint64_t until_ns, uint64_t now_ns)
{
        size_t budget = RECORDS_PER_PASS;
        int r;

        trace->processes.name_budget = NAME_QUESTIONS_PER_PASS;
        r = drain_stories(trace, until_ns, now_ns, &budget);
        if (r == TRACE_DRAINED)
                r = drain_records(trace, until_ns, now_ns, &budget);
        if (r != TRACE_DRAINED)
                return r;
        trace->drained_ns = until_ns;
        return feed_overdue(trace, until_ns, now_ns);
}

/* ---- out ---- */

static int send_signal(struct trace *trace, const struct outgoing *outgoing, uint64_t now_ns)
{
        CLEANUP_OUTFRAME struct outframe *frame = NULL;
        int r = fanout_flush(&trace->fanout);

        if (r >= 0)
                r = resolve_tell(&trace->resolve, outgoing, now_ns, &frame);
        return r < 0 ? r : fanout_message_in_order(&trace->fanout, frame);
}

static int send_outgoing(struct trace *trace, const struct outgoing *outgoing, const struct proto_event *event,
                         uint64_t now_ns)
{
        int r = 0;

        if (outgoing->is_hidden) {
                if (outgoing->has_fault)
                        fanout_count(&trace->fanout);
                return 0;
        }
        if (outgoing->has_fault) {
                figures_count(trace->figures, event);
                r = fanout_fault(&trace->fanout, &outgoing->fault, event);
        }
        if (r >= 0 && outgoing->told) {
                figures_add(&trace->figures->n_signals, 1);
                r = send_signal(trace, outgoing, now_ns);
        }
        if (r >= 0 && outgoing->message)
                r = fanout_message_in_order(&trace->fanout, outgoing->message);
        return r;
}

static int tell_cut_stacks(struct trace *trace)
{
        CLEANUP_OUTFRAME struct outframe *frame = NULL;
        unsigned int percent;
        uint32_t bytes;

        if (!stacks_are_cut(&trace->resolve.stacks, &percent, &bytes))
                return 0;
        frame = degraded_stacks_frame(trace->id, trace->info.stack_bytes, percent, bytes);
        return frame ? fanout_message_in_order(&trace->fanout, frame) : -ENOMEM;
}

static int deliver(struct trace *trace, uint64_t now_ns)
{
        struct proto_event event;
        struct outgoing outgoing;
        int r = 0;

        while (r >= 0 && resolve_next(&trace->resolve, now_ns, &outgoing, &event)) {
                r = send_outgoing(trace, &outgoing, &event, now_ns);
                resolve_release(&outgoing);
        }
        if (r >= 0 && trace->resolve.places.saw_32bit)
                r = trace_degrade(trace, LINK_LACKS_STACKS, 0);
        if (r >= 0)
                r = tell_cut_stacks(trace);
        if (r >= 0)
                r = fanout_flush(&trace->fanout);
        figures_note(trace);
        return r;
}

int trace_degrade(struct trace *trace, enum link_detail what, int error)
{
        CLEANUP_OUTFRAME struct outframe *frame = NULL;

        if (what == LINK_LACKS_HOLD)
                trace->is_held = false;
        if (trace->started.degraded & 1u << what)
                return 0;
        trace->started.degraded |= 1u << what;
        trace->started.degraded_errno[what] = error;
        frame = degraded_frame(trace->id, what, error);
        return frame ? fanout_message_in_order(&trace->fanout, frame) : -ENOMEM;
}

static void end_all(struct trace *trace)
{
        struct fanout *fanout = &trace->fanout;

        while (fanout->subscriptions) {
                bool limited = subscription_reached_limit(fanout->subscriptions);

                subscription_end(fanout, fanout->subscriptions, limited ? END_COUNT : trace->end_reason, &trace->totals,
                                 trace->end_text);
        }
        trace->state = TRACE_OVER;
}

static uint64_t anchors(const struct trace *trace, const uint64_t *of_kind)
{
        return event_anchors((enum detail)trace->info.detail, of_kind);
}

/* Anchors that the kernel counted and that have not come out. */
static uint64_t unaccounted(const struct trace *trace)
{
        uint64_t n_known = trace->totals.lost + trace->fanout.n_faults + trace->resolve.n_faults;

        return trace->totals.kernel > n_known ? trace->totals.kernel - n_known : 0;
}

int trace_drain_all(struct trace *trace, uint64_t now_ns)
{
        int r;

        while ((r = trace_drain(trace, UINT64_MAX, now_ns)) == TRACE_MORE)
                ;
        return r;
}

/* What is open then stays open. */
static int take_rest(struct trace *trace, uint64_t now_ns)
{
        int r = trace_drain_all(trace, now_ns);

        return r < 0 ? r : feed_end(trace, now_ns);
}

/*
 * The kernel counts a fault before it writes its record, and the counters are read meanwhile: a processor that was
 * taken away from a virtual machine in between commits the record late.
 */
static bool may_still_come(const struct trace *trace, uint64_t now_ns)
{
        return !trace->restarted && unaccounted(trace) && now_ns < trace->rest_until_ns;
}

static bool awaits_status(const struct trace *trace, uint64_t now_ns)
{
        return feed_awaits_status(trace) && !trace->stories->has_ended && now_ns < trace->status_until_ns;
}

static void settle(struct trace *trace)
{
        /* A kernel that does not count losses still counts anchors: what did not arrive was lost. */
        if (trace->info.degraded & 1u << LINK_LACKS_LOST_COUNT && !trace->restarted)
                trace->totals.lost = trace->totals.kernel - pair_stats(trace->pair)->n_anchors;
        trace->totals.dropped_daemon = unaccounted(trace);
        end_all(trace);
}

int trace_deliver(struct trace *trace, uint64_t now_ns)
{
        int r = deliver(trace, now_ns);

        if (r < 0 || trace->state != TRACE_ENDING || trace->resolve.n)
                return r;
        if (may_still_come(trace, now_ns) || awaits_status(trace, now_ns)) {
                r = take_rest(trace, now_ns);
                return r < 0 ? r : deliver(trace, now_ns);
        }
        r = feed_tell_ends(trace, now_ns);
        if (r >= 0)
                r = deliver(trace, now_ns);
        if (r >= 0 && !trace->resolve.n)
                settle(trace);
        return r;
}

/* A ring that stays full to the end has no room for the record that tells of it. */
static void count_lost_records(struct trace *trace, const struct link_counts *counts)
{
        uint64_t n = 0;

        for (size_t i = 0; i < N_EVENT_KINDS; i++)
                n += counts->lost[i];
        if (!trace->restarted) /* else some were told by the engine before this one */
                trace->n_lost_records = MAX_OF(trace->n_lost_records, n);
}

int trace_finish(struct trace *trace, const struct link_counts *counts, enum end_reason reason, const char *text,
                 uint64_t now_ns)
{
        int r;

        trace->totals = (struct subscription_totals){.kernel = anchors(trace, counts->count),
                                                     .lost = anchors(trace, counts->lost),
                                                     .unseen = counts->unseen,
                                                     .time_ns = counts->time_ns};
        trace->end_reason = reason;
        trace->end_text = text;
        count_lost_records(trace, counts);
        trace->state = TRACE_ENDING;
        trace->rest_until_ns = now_ns + REST_WAIT_NS;
        trace->status_until_ns = now_ns + STATUS_WAIT_NS;
        r = take_rest(trace, now_ns);
        return r < 0 ? r : trace_deliver(trace, now_ns);
}

void trace_fail(struct trace *trace, const char *text, uint64_t now_ns)
{
        trace->totals = (struct subscription_totals){
                .kernel = trace->fanout.n_faults, .unseen = PROTO_UNSEEN_UNKNOWN, .time_ns = now_ns};
        trace->end_reason = END_ERROR;
        trace->end_text = text;
        end_all(trace);
}

void trace_end_one(struct trace *trace, struct subscription *subscription, enum end_reason reason, uint64_t now_ns)
{
        struct subscription_totals totals = {.kernel = trace->fanout.n_faults,
                                             .lost = subscription->lost_base,
                                             .unseen = PROTO_UNSEEN_UNKNOWN,
                                             .time_ns = now_ns};

        subscription_end(&trace->fanout, subscription, reason, &totals, NULL);
}
