/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pipeline of one trace. Order of things that must not change: the clock is read before the ring heads (order.h);
 * data_tail is published before events are flushed, so that a successor never repeats what a client may have been
 * sent; sideband records and faults come through one merge, so that the address space is that of the time of the fault.
 */
#include "daemon/engine/trace.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/engine/model/classify.h"

#define DICT_CAP_BYTES ((size_t)16 << 20)
#define RECORDS_PER_PASS 65536
#define NAME_QUESTIONS_PER_PASS 16
#define HOPELESS_AFTER_NS (UINT64_C(20) * NSEC_PER_MSEC)
#define REST_WAIT_NS (UINT64_C(50) * NSEC_PER_MSEC)
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
        fanout_deinit(&trace->fanout);
        resolve_deinit(&trace->resolve);
        order_free(trace->order);
        unmap_rings(trace);
        free(trace->maps);
        free(trace->rings);
        free(trace->cpus);
        free(trace->scratch);
        event_ids_free(trace->ids);
        pair_free(trace->pair);
        addresses_deinit(&trace->addresses);
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

static int load_threads(struct trace *trace, int fd)
{
        CLEANUP_FREE void *table = NULL;
        const struct link_thread *threads;
        int r = read_table(fd, trace->info.n_threads, sizeof(struct link_thread), &table);

        threads = table;
        for (size_t i = 0; r >= 0 && i < trace->info.n_threads; i++) {
                char comm[sizeof(threads[i].comm) + 1] = "";

                memcpy(comm, threads[i].comm, sizeof(threads[i].comm));
                r = resolve_thread_name(&trace->resolve, threads[i].tid, comm);
        }
        return r;
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

static int init_stages(struct trace *trace, struct names *names, bool hide_kernel, struct link_received *received)
{
        const struct link_trace *info = &trace->info;
        bool has_tracepoints = info->detail == DETAIL_FULL && !(info->degraded & 1u << LINK_LACKS_TRACEPOINTS);
        int r = addresses_init(&trace->addresses, TAKE_FD(received->fds[LINK_FD_MAPS]),
                               TAKE_FD(received->fds[LINK_FD_SMAPS]));

        if (r >= 0)
                r = dict_new(trace->id, DICT_CAP_BYTES, &trace->dict);
        if (r >= 0)
                r = pair_new(info->detail, has_tracepoints, &trace->pair);
        if (r < 0)
                return r;
        trace->fanout = (struct fanout){.trace = trace->id, .dict = trace->dict};
        trace->resolve = (struct resolve){.names = names,
                                          .addresses = &trace->addresses,
                                          .dict = trace->dict,
                                          .trace = trace->id,
                                          .hide_kernel = hide_kernel};
        return resolve_init(&trace->resolve);
}

int trace_new(struct link_received *received, struct names *names, bool hide_kernel, struct trace **ret)
{
        struct trace *trace = calloc(1, sizeof(*trace));
        int r;

        if (!trace)
                return -ENOMEM;
        trace->info = received->message.trace;
        trace->id = trace->info.trace;
        trace->pid = trace->info.pid;
        trace->restarted = trace->info.restarted;
        trace->n_threads = trace->info.n_threads;
        trace->layout = (struct sample_layout){.detail = trace->info.detail, .physical = trace->info.physical};
        trace->addresses.maps_fd = trace->addresses.smaps_fd = -1;
        r = received->n_fds == N_LINK_TRACE_FDS ? 0 : -EBADMSG;
        if (r >= 0)
                r = init_stages(trace, names, hide_kernel, received);
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
        trace->n_threads = trace->info.n_threads;
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

/* ---- records ---- */

static int deliver(struct trace *trace, uint64_t now_ns)
{
        struct proto_event event;
        struct fault fault;
        int r = 0;

        while (r >= 0 && resolve_next(&trace->resolve, now_ns, &fault, &event)) {
                r = fanout_fault(&trace->fanout, &fault, &event);
                resolve_release(&fault);
        }
        return r < 0 ? r : fanout_flush(&trace->fanout);
}

static int tell_life(struct trace *trace, enum life_kind kind, const struct record *record, const char *comm)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_life life = {.time_ns = record->time_ns,
                                  .kind = (uint8_t)kind,
                                  .pid = record->pid,
                                  .tid = record->tid,
                                  .comm = {.data = comm, .n_bytes = (uint32_t)strnlen(comm, 64)}};
        CLEANUP_OUTFRAME struct outframe *frame = NULL;
        int r = proto_encode_life(&buffer, trace->id, &life);

        if (r < 0)
                return r;
        frame = outframe_new(MESSAGE_LIFE, bytes, buffer.n_bytes);
        return frame ? fanout_message(&trace->fanout, frame) : -ENOMEM;
}

static int feed_comm(struct trace *trace, const struct record *record)
{
        int r = resolve_thread_name(&trace->resolve, record->tid, record->comm.comm);

        if (r < 0 || !record->comm.exec)
                return r;
        addresses_exec(&trace->addresses);
        trace->exec_pending = trace->executed = true;
        trace->n_threads = 1; /* the others were killed (execve(2)) */
        r = deliver(trace, record->time_ns);
        return r < 0 ? r : tell_life(trace, LIFE_EXEC, record, record->comm.comm);
}

static int feed_task(struct trace *trace, const struct record *record)
{
        if (record->pid != trace->pid)
                return 0; /* a child process: not counted without --follow */
        if (record->kind == RECORD_FORK) {
                trace->n_threads++;
                return resolve_thread_born(&trace->resolve, record->tid, record->task.parent_tid);
        }
        trace->n_threads--;
        resolve_thread_exited(&trace->resolve, record->tid);
        if (trace->executed && record->tid == trace->pid && trace->n_threads <= 0) {
                trace->is_silent = true;
                trace->silent_ns = record->time_ns;
        }
        return 0;
}

static void keep_map(void *user, struct fault *fault)
{
        resolve_keep_map(user, fault);
}

static int feed_map(struct trace *trace, const struct record *record)
{
        if (record->pid != trace->pid)
                return 0;
        pair_each_open(trace->pair, record->map.start, record->map.start + record->map.len_bytes, keep_map,
                       &trace->resolve);
        return addresses_record(&trace->addresses, record);
}

static int feed_record(struct trace *trace, const struct record *record, size_t ring, uint64_t now_ns)
{
        struct fault fault;
        int r = pair_feed(trace->pair, record, trace->cpus[ring]);

        if (r < 0)
                return r;
        while (pair_next(trace->pair, &fault)) {
                r = resolve_put(&trace->resolve, &fault, now_ns);
                if (r < 0)
                        trace->n_dropped++;
        }
        switch (record->kind) {
        case RECORD_MAP:
                return feed_map(trace, record);
        case RECORD_COMM:
                return feed_comm(trace, record);
        case RECORD_FORK:
        case RECORD_EXIT:
                return feed_task(trace, record);
        case RECORD_LOST:
                trace->lost_maps |= ring >= trace->info.n_cpus;
                return 0;
        default:
                return 0;
        }
}

static bool is_hopeless(void *user, const struct fault *fault)
{
        struct addresses *addresses = user;
        enum access access = classify_access(fault);
        const struct map *map = fault->has_map_then ? fault->map_then : aspace_lookup(addresses->aspace, fault->addr);

        if (map && map_permits(map, access))
                return false; /* it waits: for storage, or for user space */
        if (!fault->has_map_then)
                map = addresses_of_fault(addresses, fault, access);
        return !map || !map_permits(map, access);
}

static int expire(struct trace *trace, uint64_t until_ns, uint64_t now_ns)
{
        struct fault fault;
        int r;

        if (until_ns == UINT64_MAX || until_ns < HOPELESS_AFTER_NS)
                return 0;
        r = pair_expire(trace->pair, until_ns - HOPELESS_AFTER_NS, is_hopeless, &trace->addresses);
        while (r >= 0 && pair_next(trace->pair, &fault))
                if (resolve_put(&trace->resolve, &fault, now_ns) < 0)
                        trace->n_dropped++;
        return r;
}

int trace_drain(struct trace *trace, uint64_t until_ns, uint64_t now_ns)
{
        struct record record;
        size_t n = 0, ring;
        int r, outcome = ORDER_END;

        trace->addresses.name_budget = NAME_QUESTIONS_PER_PASS;
        read_heads(trace);
        order_begin(trace->order, until_ns);
        while (n < RECORDS_PER_PASS && (outcome = order_next(trace->order, &record, &ring)) != ORDER_END) {
                n++;
                if (outcome == ORDER_BAD) {
                        trace->n_bad_records++;
                        continue;
                }
                r = feed_record(trace, &record, ring, now_ns);
                if (r < 0)
                        return r;
        }
        publish_tails(trace);
        if (trace->lost_maps) {
                trace->lost_maps = false;
                r = addresses_snapshot(&trace->addresses);
                if (r == -ENOMEM)
                        return r;
        }
        if (outcome != ORDER_END)
                return TRACE_MORE;
        r = expire(trace, until_ns, now_ns);
        return r < 0 ? r : TRACE_DRAINED;
}

/* ---- out ---- */

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
        if (trace->info.detail == DETAIL_BASIC)
                return of_kind[EVENT_MIN] + of_kind[EVENT_MAJ];
        return of_kind[EVENT_ENTRY] + of_kind[EVENT_TP_HIGH];
}

/* Anchors that the kernel counted and that have not come out. */
static uint64_t unaccounted(const struct trace *trace)
{
        uint64_t n_known = trace->totals.lost + trace->fanout.n_faults + trace->resolve.n;

        return trace->totals.kernel > n_known ? trace->totals.kernel - n_known : 0;
}

/* Everything that is in the rings now; what is open then stays open. */
static int take_rest(struct trace *trace, uint64_t now_ns)
{
        struct fault fault;
        int r;

        while ((r = trace_drain(trace, UINT64_MAX, now_ns)) == TRACE_MORE)
                ;
        if (r >= 0)
                r = pair_end(trace->pair);
        while (r >= 0 && pair_next(trace->pair, &fault))
                if (resolve_put(&trace->resolve, &fault, now_ns) < 0)
                        trace->n_dropped++;
        return r;
}

/*
 * The kernel counts a fault before it writes its record, and the counters are read meanwhile: a processor that was
 * taken away from a virtual machine in between commits the record late.
 */
static bool may_still_come(const struct trace *trace, uint64_t now_ns)
{
        return !trace->restarted && unaccounted(trace) && now_ns < trace->rest_until_ns;
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
        if (may_still_come(trace, now_ns)) {
                r = take_rest(trace, now_ns);
                return r < 0 ? r : deliver(trace, now_ns);
        }
        settle(trace);
        return 0;
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
        trace->state = TRACE_ENDING;
        trace->rest_until_ns = now_ns + REST_WAIT_NS;
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
