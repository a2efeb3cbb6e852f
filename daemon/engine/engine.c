/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The composition root of the engine: one loop over the link to the monitor, the worker, the clients and the rings. It
 * owns peers, traces and the attaches under way, and moves values between the stages; decisions are theirs.
 *
 * Rings are read when one passes its watermark, and every TICK_NS while anybody watches; without watchers the loop
 * sleeps.
 */
#include "daemon/engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "daemon/engine/degraded.h"
#include "daemon/engine/names.h"
#include "daemon/engine/sandbox.h"
#include "daemon/engine/serve/peer.h"
#include "daemon/engine/trace.h"
#include "daemon/engine/worker.h"
#include "daemon/link/link.h"

#define TICK_NS (UINT64_C(10) * NSEC_PER_MSEC)
#define SETTINGS_INTERVAL_NS NSEC_PER_SEC
#define ABANDONED_NS (UINT64_C(2) * NSEC_PER_SEC)
#define READY_WAIT_NS (UINT64_C(200) * NSEC_PER_MSEC)
#define CLOSING_NS (UINT64_C(2500) * NSEC_PER_MSEC)
#define STRIPPED_NS (UINT64_C(500) * NSEC_PER_MSEC) /* the monitor learns of a death within that */
#define MAX_EVENTS 64
#define MESSAGES_PER_PEER 16
#define ENOMEM_TEXT "the daemon ran out of memory; try again with fewer traces"

/* What an epoll event is about; peers and traces are found again through their pointer. */
enum source { SOURCE_LINK, SOURCE_WORKER, SOURCE_PEER, SOURCE_RING };

struct attach { /* asked of the monitor, not yet started */
        struct attach *next;
        uint32_t req; /* ours */
        struct peer *peer;
        uint32_t client_req;
        uint64_t count_limit;
        struct proto_filter filter; /* map_glob owned */
        struct trace *trace;        /* once TRACE has come */
};

struct peer_entry { /* a peer and its place in the loop */
        struct peer_entry *next;
        struct peer *peer;
        bool watching_write, gone;
};

struct engine {
        int link_fd, epoll_fd, swaps_fd, numa_fd; /* the last two in /proc, -1 = this kernel has none */
        struct worker *worker;                    /* images */
        struct worker *reader;                    /* /proc files, which may wait for a target's locks */
        struct names *names;
        struct peer_entry *peers;
        struct trace *traces;
        struct attach *attaches;
        uint32_t next_req;
        uint64_t next_tick_ns, settings_read_ns;
        bool swap_in_use, numa_balancing, ring_ready, backlog, stop;
        uint64_t closing_until_ns; /* the monitor has gone: bring clients their END until then; 0 = it is there */
};

static uint64_t now(void)
{
        struct timespec ts;

        (void)clock_gettime(CLOCK_MONOTONIC, &ts);
        return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

static int watch(struct engine *engine, int op, int fd, uint32_t events, enum source source, void *owner)
{
        /* Pointers from malloc leave the two lowest bits free for the kind of source. */
        struct epoll_event event = {.events = events, .data.u64 = (uintptr_t)owner | source};

        return epoll_ctl(engine->epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

/* To the monitor; without it the engine has no purpose but to finish. */
static void tell(struct engine *engine, const struct link_message *message)
{
        if (!engine->closing_until_ns && link_send(engine->link_fd, message, NULL, 0) < 0)
                engine->stop = true;
}

static void tell_id(struct engine *engine, enum link_type type, uint32_t id)
{
        tell(engine, &(struct link_message){.type = type, .id.id = id});
}

static struct trace *find_trace(const struct engine *engine, uint32_t id)
{
        struct trace *trace = engine->traces;

        while (trace && trace->id != id)
                trace = trace->next;
        return trace;
}

/* ---- attaches ---- */

static void attach_free(struct attach *attach)
{
        free((char *)(uintptr_t)attach->filter.map_glob.data);
        free(attach);
}

static void remove_attach(struct engine *engine, struct attach *attach)
{
        struct attach **at = &engine->attaches;

        while (*at != attach)
                at = &(*at)->next;
        *at = attach->next;
        attach_free(attach);
}

static int copy_filter(struct proto_filter *to, const struct proto_filter *from)
{
        char *glob = NULL;

        if (from->map_glob.n_bytes) {
                glob = malloc(from->map_glob.n_bytes);
                if (!glob)
                        return -ENOMEM;
                memcpy(glob, from->map_glob.data, from->map_glob.n_bytes);
        }
        *to = *from;
        to->map_glob.data = glob;
        return 0;
}

/* Without kernel-mode faults there is no kernel code to name. */
static bool lacks(const struct trace *trace, unsigned int bit)
{
        uint32_t degraded = trace->started.degraded;

        if (degraded & 1u << LINK_LACKS_KERNEL_MODE)
                degraded &= ~(1u << LINK_LACKS_KALLSYMS);
        return degraded & 1u << bit;
}

static void tell_degraded(struct trace *trace, struct subscription *subscription)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 2048];

        for (unsigned int bit = 0; bit < N_LINK_LACKS; bit++) {
                struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
                CLEANUP_OUTFRAME struct outframe *frame = NULL;
                struct proto_degraded message;
                char reason[LINK_TEXT_BYTES];

                if (!lacks(trace, bit))
                        continue;
                message.what.data = degraded_what(bit);
                message.what.n_bytes = (uint32_t)strlen(message.what.data);
                degraded_reason(bit, trace->started.degraded_errno[bit], reason, sizeof(reason));
                message.reason = (struct proto_string){.data = reason, .n_bytes = (uint32_t)strlen(reason)};
                if (proto_encode_degraded(&buffer, trace->id, &message) >= 0)
                        frame = outframe_new(MESSAGE_DEGRADED, bytes, buffer.n_bytes);
                if (!frame || queue_push(&subscription->queue, frame) < 0)
                        return; /* no memory: the trace itself goes on */
        }
}

static void tell_attached(struct trace *trace, struct subscription *subscription, uint32_t client_req)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_attached message = {
                .req = client_req,
                .pid = trace->pid,
                .detail = (uint8_t)trace->info.detail,
                .n_threads = trace->started.n_threads,
                .time_ns = trace->started.time_ns,
                .kernel_base = subscription->kernel_base,
                .lost_base = subscription->lost_base,
                .comm = {.data = trace->info.comm, .n_bytes = (uint32_t)strnlen(trace->info.comm, 16)},
        };

        if (proto_encode_attached(&buffer, trace->id, &message) >= 0)
                peer_message(subscription->peer, MESSAGE_ATTACHED, &buffer);
}

static struct subscription *subscribe(struct engine *engine, struct trace *trace, const struct subscription_spec *spec)
{
        struct subscription *subscription;

        if (fanout_join(&trace->fanout, spec, &subscription) < 0)
                return NULL;
        subscription->next_in_peer = spec->peer->subscriptions;
        spec->peer->subscriptions = subscription;
        return subscription;
}

static void finish_attach(struct engine *engine, struct attach *attach)
{
        struct trace *trace = attach->trace;
        struct subscription_spec spec = {.peer = attach->peer,
                                         .filter = attach->filter,
                                         .count_limit = attach->count_limit,
                                         .hide_kernel = attach->peer->hide_kernel};
        struct subscription *subscription = subscribe(engine, trace, &spec);

        if (subscription) {
                tell_attached(trace, subscription, attach->client_req);
                tell_degraded(trace, subscription);
        } else {
                peer_error(attach->peer, attach->client_req, ENOMEM, ENOMEM_TEXT);
                attach->peer->n_subscriptions--;
        }
        remove_attach(engine, attach);
}

static void refuse_attach(struct engine *engine, struct attach *attach, int error, const char *text)
{
        peer_error(attach->peer, attach->client_req, error, text);
        attach->peer->n_subscriptions--;
        remove_attach(engine, attach);
}

static void ask_attach(struct engine *engine, struct peer *peer, const struct proto_attach *request)
{
        struct attach *attach;

        const struct proto_string *glob = &request->filter.map_glob;

        if (peer->n_subscriptions >= PEER_MAX_SUBSCRIPTIONS) {
                peer_error(peer, request->req, EUSERS, "a client may trace 64 processes at a time; use another client");
                return;
        }
        if (glob->n_bytes && memchr(glob->data, 0, glob->n_bytes)) {
                peer_error(peer, request->req, EINVAL, "the pattern for map paths holds a NUL byte; leave it out");
                return;
        }
        attach = calloc(1, sizeof(*attach));
        if (!attach || copy_filter(&attach->filter, &request->filter) < 0) {
                free(attach);
                peer_error(peer, request->req, ENOMEM, ENOMEM_TEXT);
                return;
        }
        attach->req = engine->next_req++;
        attach->peer = peer;
        attach->client_req = request->req;
        attach->count_limit = request->count_limit;
        attach->next = engine->attaches;
        engine->attaches = attach;
        peer->n_subscriptions++;
        tell(engine, &(struct link_message){
                             .type = LINK_ATTACH,
                             .attach = {.conn = peer->conn,
                                        .req = attach->req,
                                        .pid = request->pid,
                                        .detail = request->detail,
                                        .flags = request->flags & PROTO_ATTACH_FROM_EXEC ? LINK_ATTACH_FROM_EXEC : 0}});
}

/* ---- traces ---- */

static void stop_trace(struct engine *engine, struct trace *trace)
{
        if (trace->state >= TRACE_STOPPING)
                return;
        trace->state = TRACE_STOPPING;
        tell_id(engine, LINK_STOP, trace->id);
}

static void close_trace(struct engine *engine, struct trace *trace)
{
        struct trace **at = &engine->traces;

        for (size_t i = 0; i < (size_t)trace->info.n_cpus * 2; i++)
                if (trace->maps[i].fd >= 0)
                        (void)epoll_ctl(engine->epoll_fd, EPOLL_CTL_DEL, trace->maps[i].fd, NULL);
        while (*at != trace)
                at = &(*at)->next;
        *at = trace->next;
        tell_id(engine, LINK_CLOSE, trace->id);
        names_trace_closed(engine->names, trace->id);
        trace_free(trace);
        if (!engine->traces)
                names_forget(engine->names);
}

/* Another subscription goes on: end this one here. The last one ends with the kernel's own counters. */
static void end_subscription(struct engine *engine, struct trace *trace, struct subscription *subscription,
                             enum end_reason reason)
{
        if (trace->fanout.subscriptions == subscription && !subscription->next_in_fanout)
                stop_trace(engine, trace);
        else if (fanout_flush(&trace->fanout) >= 0)
                trace_end_one(trace, subscription, reason, now());
}

static void fail_trace(struct trace *trace)
{
        trace_fail(trace, "the daemon ran out of memory", now());
}

static bool is_running(const struct trace *trace)
{
        /* Until its clients have come back, a trace taken over leaves its faults in the rings. */
        return trace->state == TRACE_RUNNING && (!trace->restarted || trace->fanout.subscriptions);
}

static void ask_proc_files(struct engine *engine, struct trace *trace)
{
        for (uint32_t kind = LINK_OPEN_MAPS; kind <= LINK_OPEN_SMAPS; kind++)
                tell(engine, &(struct link_message){.type = LINK_OPEN, .open = {.trace = trace->id, .kind = kind}});
        trace->exec_pending = false;
}

static void drain_trace(struct engine *engine, struct trace *trace)
{
        uint64_t now_ns = now();
        int r = trace_drain(trace, now_ns, now_ns);

        if (r < 0)
                fail_trace(trace);
        if (r == TRACE_MORE)
                engine->backlog = true;
        if (trace->exec_pending)
                ask_proc_files(engine, trace);
        /* Its events are over, yet the monitor has not seen it die: the exec took them (see trace.h). */
        if (trace->is_silent && now() - trace->silent_ns > STRIPPED_NS)
                stop_trace(engine, trace);
}

static void check_limits(struct engine *engine, struct trace *trace)
{
        for (struct subscription *s = trace->fanout.subscriptions, *next; s; s = next) {
                next = s->next_in_fanout;
                if (subscription_reached_limit(s))
                        end_subscription(engine, trace, s, END_COUNT);
        }
}

/* A client that is far behind reads of the gap late: its trace waits for it as long as it is there. */
static bool is_awaited(const struct engine *engine, const struct trace *trace)
{
        for (const struct attach *attach = engine->attaches; attach; attach = attach->next)
                if (attach->trace == trace)
                        return true;
        for (const struct peer_entry *entry = engine->peers; entry && trace->restarted; entry = entry->next)
                if (!entry->gone && entry->peer->conn == trace->info.conn)
                        return trace->state != TRACE_OVER && !trace->was_resumed;
        return false;
}

static void check_abandoned(struct engine *engine, struct trace *trace, uint64_t now_ns)
{
        if (trace->fanout.subscriptions || is_awaited(engine, trace)) {
                trace->abandoned_ns = 0;
                return;
        }
        if (!trace->abandoned_ns)
                trace->abandoned_ns = now_ns;
        /* The connections come after the traces, from a monitor that may be busy. */
        if (!trace->restarted || trace->was_resumed || now_ns - trace->abandoned_ns > ABANDONED_NS)
                close_trace(engine, trace);
}

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

static void tell_ready(struct engine *engine, struct trace *trace);
static void read_wanted(struct engine *engine, struct trace *trace);

static void run_traces(struct engine *engine)
{
        uint64_t now_ns = now();
        bool due = engine->ring_ready || engine->backlog || now_ns >= engine->next_tick_ns;

        engine->ring_ready = engine->backlog = false;
        if (due)
                engine->next_tick_ns = now_ns + TICK_NS;
        for (struct trace *trace = engine->traces, *next; trace; trace = next) {
                next = trace->next;
                trace->resolve.swap_in_use = engine->swap_in_use;
                trace->resolve.numa_balancing = engine->numa_balancing;
                trace->resolve.is_threaded = trace->n_threads > 1;
                if (due && is_running(trace))
                        drain_trace(engine, trace);
                if (is_running(trace) || trace->state == TRACE_ENDING) {
                        if (trace_deliver(trace, now_ns) < 0)
                                fail_trace(trace);
                        check_limits(engine, trace);
                }
                read_wanted(engine, trace);
                if (trace->ready_by_ns && now_ns >= trace->ready_by_ns)
                        tell_ready(engine, trace);
                check_abandoned(engine, trace, now_ns);
        }
}

/* ---- the monitor's messages ---- */

static void drop_peer(struct engine *engine, struct peer_entry *entry)
{
        struct peer *peer = entry->peer;

        for (struct attach *attach = engine->attaches, *next; attach; attach = next) {
                next = attach->next;
                if (attach->peer == peer)
                        remove_attach(engine, attach);
        }
        for (struct subscription *s = peer->subscriptions; s; s = s->next_in_peer) {
                struct trace *trace = find_trace(engine, s->trace);

                if (trace && !s->ended)
                        fanout_leave(&trace->fanout, s);
        }
        (void)epoll_ctl(engine->epoll_fd, EPOLL_CTL_DEL, peer->fd, NULL);
        tell_id(engine, LINK_CONN_CLOSED, peer->conn);
        entry->peer = peer_free(peer);
        entry->gone = true;
}

static void send_gap(struct peer *peer)
{
        static const char reason[] = "the daemon's engine died and was started again";
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_gap gap = {.reason = {.data = reason, .n_bytes = sizeof(reason) - 1}};

        if (proto_encode_gap(&buffer, 0, &gap) >= 0)
                peer_message(peer, MESSAGE_GAP, &buffer);
}

static int take_conn(struct engine *engine, struct link_received *received)
{
        const struct link_conn *conn = &received->message.conn;
        struct peer_entry *entry;
        int r;

        if (received->n_fds != 1)
                return -EBADMSG;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return -ENOMEM;
        r = peer_new(received->fds[0], conn->conn, !(conn->rights & LINK_RIGHT_KERNEL), conn->restarted, &entry->peer);
        if (r < 0) {
                free(entry);
                return r;
        }
        received->fds[0] = -1;
        entry->next = engine->peers;
        engine->peers = entry;
        if (conn->restarted)
                send_gap(entry->peer);
        return watch(engine, EPOLL_CTL_ADD, entry->peer->fd, EPOLLIN, SOURCE_PEER, entry);
}

static int take_trace(struct engine *engine, struct link_received *received)
{
        const struct link_trace *info = &received->message.trace;
        struct attach *attach = engine->attaches;
        struct trace *trace = find_trace(engine, info->trace);
        int r;

        while (attach && attach->req != info->req)
                attach = attach->next;
        if (info->error) {
                if (attach)
                        refuse_attach(engine, attach, info->error, info->text);
                return 0;
        }
        if (trace)
                return trace_replace_ids(trace, received);
        r = trace_new(received, engine->names, !(info->rights & LINK_RIGHT_KERNEL), &trace);
        if (r < 0) {
                if (attach)
                        refuse_attach(engine, attach, -r, ENOMEM_TEXT);
                tell_id(engine, LINK_CLOSE, info->trace);
                return 0;
        }
        trace->next = engine->traces;
        engine->traces = trace;
        if (attach)
                attach->trace = trace;
        return 0;
}

static void tell_ready(struct engine *engine, struct trace *trace)
{
        trace->ready_by_ns = 0;
        tell_id(engine, LINK_READY, trace->id);
}

/* Have a /proc file read. The job has a descriptor of its own: the trace may end or execute meanwhile. */
static int read_file(struct engine *engine, struct trace *trace, enum job_kind kind, int fd)
{
        struct job *job;
        int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);

        if (copy < 0)
                return -EBADF;
        job = calloc(1, sizeof(*job));
        if (!job) {
                cleanup_close(&copy);
                return -ENOMEM;
        }
        job->kind = kind;
        job->fd = copy;
        job->trace = trace->id;
        job->generation = trace->addresses.generation;
        worker_submit(engine->reader, job);
        return 0;
}

static void read_wanted(struct engine *engine, struct trace *trace)
{
        struct addresses *addresses = &trace->addresses;

        if (!addresses->userfault_wanted)
                return;
        addresses->userfault_wanted = false;
        if (read_file(engine, trace, JOB_SMAPS, addresses->smaps_fd) < 0)
                addresses->userfault_pending = false;
}

/* What is mapped is known; VmFlags are worth a moment too, so that the first causes can be measured. */
static void maps_read(struct engine *engine, struct trace *trace, const struct job *job)
{
        if (job->error < 0 ||
            addresses_take_maps(&trace->addresses, job->text, job->n_text, job->begun_ns) == -ENOMEM ||
            trace->info.flags & LINK_ATTACH_FROM_EXEC ||
            !addresses_await_userfault(&trace->addresses, UINT64_MAX, now()))
                tell_ready(engine, trace);
}

static void file_read(struct engine *engine, struct job *job)
{
        struct trace *trace = find_trace(engine, job->trace);

        if (trace && job->generation == trace->addresses.generation) {
                if (job->kind == JOB_MAPS)
                        maps_read(engine, trace, job);
                else
                        addresses_take_smaps(&trace->addresses, job->text, job->error < 0 ? 0 : job->n_text,
                                             job->begun_ns, job->ended_ns);
                if (job->kind == JOB_SMAPS && trace->ready_by_ns)
                        tell_ready(engine, trace);
        }
        job_free(job);
}

static int take_rings(struct engine *engine, struct link_received *received)
{
        struct trace *trace = find_trace(engine, received->message.rings.trace);
        int r;

        if (!trace)
                return 0; /* its client has gone meanwhile */
        r = trace_add_rings(trace, received);
        if (r <= 0)
                return r;
        for (size_t i = 0; i < (size_t)trace->info.n_cpus * 2 && r >= 0; i++)
                r = watch(engine, EPOLL_CTL_ADD, trace->maps[i].fd, EPOLLIN, SOURCE_RING, NULL);
        if (r < 0)
                return r;
        trace->state = TRACE_READY;
        /* A trace taken over runs already: its records must not come before what they change. */
        if (trace->restarted)
                return addresses_snapshot(&trace->addresses) == -ENOMEM ? -ENOMEM : 0;
        trace->ready_by_ns = now() + READY_WAIT_NS;
        if (read_file(engine, trace, JOB_MAPS, trace->addresses.maps_fd) < 0)
                tell_ready(engine, trace);
        return 0;
}

static void take_started(struct engine *engine, const struct link_started *started)
{
        struct trace *trace = find_trace(engine, started->trace);

        if (!trace)
                return;
        trace->started = *started;
        if (started->n_unstopped && !(started->degraded & 1u << LINK_LACKS_BARRIER)) {
                trace->started.degraded |= 1u << LINK_LACKS_BARRIER;
                trace->started.degraded_errno[LINK_LACKS_BARRIER] = ETIMEDOUT;
        }
        trace->state = TRACE_RUNNING;
        engine->settings_read_ns = 0;
        for (struct attach *attach = engine->attaches, *next; attach; attach = next) {
                next = attach->next;
                if (attach->trace == trace)
                        finish_attach(engine, attach);
        }
}

static int take_opened(struct engine *engine, struct link_received *received)
{
        const struct link_opened *opened = &received->message.opened;
        int fd = received->n_fds == 1 ? TAKE_FD(received->fds[0]) : -1;
        struct trace *trace;

        if (opened->kind != LINK_OPEN_MAPS && opened->kind != LINK_OPEN_SMAPS)
                return names_opened(engine->names, opened, fd);
        trace = find_trace(engine, opened->trace);
        if (!trace) {
                cleanup_close(&fd);
                return 0;
        }
        int *to = opened->kind == LINK_OPEN_MAPS ? &trace->addresses.maps_fd : &trace->addresses.smaps_fd;

        cleanup_close(to);
        *to = fd;
        return 0;
}

static void take_counts(struct engine *engine, const struct link_counts *counts)
{
        struct trace *trace = find_trace(engine, counts->trace);
        enum end_reason reason = END_STOPPED;
        const char *text = NULL;

        if (!trace || trace->state >= TRACE_ENDING)
                return;
        if (trace->restarted && !trace->fanout.subscriptions) {
                trace->held = *counts;
                trace->has_held = true;
                return;
        }
        if (counts->reason == LINK_EXITED)
                reason = END_EXITED;
        if (counts->reason == LINK_STOPPED && trace->is_silent) {
                reason = END_STRIPPED;
                text = "the target executed a program that the kernel lets nobody watch through events (set-user-ID or "
                       "unreadable); attach to it again as root";
        }
        if (trace->state < TRACE_RUNNING) { /* it died before it was started */
                for (struct attach *attach = engine->attaches, *next; attach; attach = next) {
                        next = attach->next;
                        if (attach->trace == trace)
                                refuse_attach(engine, attach, ESRCH, "the process ended while it was being attached");
                }
                trace->state = TRACE_OVER;
                return;
        }
        if (trace_finish(trace, counts, reason, text, now()) < 0)
                fail_trace(trace);
}

static int take_message(struct engine *engine, struct link_received *received)
{
        switch (received->message.type) {
        case LINK_CONN:
                return take_conn(engine, received);
        case LINK_TRACE:
                return take_trace(engine, received);
        case LINK_RINGS:
                return take_rings(engine, received);
        case LINK_STARTED:
                take_started(engine, &received->message.started);
                return 0;
        case LINK_OPENED:
                return take_opened(engine, received);
        case LINK_COUNTS:
                take_counts(engine, &received->message.counts);
                return 0;
        default:
                return -EBADMSG;
        }
}

static void read_link(struct engine *engine)
{
        struct link_received received;
        int r;

        r = link_receive(engine->link_fd, &received);
        if (r == -EAGAIN)
                return;
        if (r > 0) {
                r = take_message(engine, &received);
                link_close_fds(&received);
                if (r >= 0)
                        return;
                (void)fprintf(stderr, "<3>faultlined engine: a message of the monitor could not be served: %s\n",
                              strerror(-r));
                engine->stop = true;
                return;
        }
        /* The monitor has gone. It has told how every trace ended; the clients are still to hear of it. */
        (void)epoll_ctl(engine->epoll_fd, EPOLL_CTL_DEL, engine->link_fd, NULL);
        engine->closing_until_ns = now() + CLOSING_NS;
}

/* ---- clients ---- */

static void resume(struct engine *engine, struct peer *peer, const struct peer_command *command)
{
        struct trace *trace = find_trace(engine, command->trace);
        struct subscription_spec spec = {.peer = peer,
                                         .filter = command->resume.filter,
                                         .count_limit = command->resume.count_limit,
                                         .hide_kernel = peer->hide_kernel,
                                         .resume = &command->resume};
        struct subscription *subscription = NULL;

        if (trace && trace->restarted && trace->info.conn == peer->conn && trace->state == TRACE_RUNNING &&
            peer->n_subscriptions < PEER_MAX_SUBSCRIPTIONS)
                subscription = subscribe(engine, trace, &spec);
        if (!subscription) {
                peer_error(peer, command->resume.req, ESRCH, "the trace ended while the daemon's engine was restarted");
                return;
        }
        peer->n_subscriptions++;
        tell_attached(trace, subscription, command->resume.req);
        trace->was_resumed = true;
        if (trace->has_held)
                take_counts(engine, &trace->held);
}

static void stop_command(struct engine *engine, struct peer *peer, uint32_t id)
{
        struct trace *trace = find_trace(engine, id);

        for (struct subscription *s = peer->subscriptions; s; s = s->next_in_peer)
                if (s->trace == id && !s->ended && trace) {
                        end_subscription(engine, trace, s, END_STOPPED);
                        return;
                }
}

static void apply(struct engine *engine, struct peer *peer, const struct peer_command *command)
{
        switch (command->kind) {
        case PEER_COMMAND_ATTACH:
                ask_attach(engine, peer, &command->attach);
                break;
        case PEER_COMMAND_RESUME:
                resume(engine, peer, command);
                break;
        case PEER_COMMAND_STOP:
                stop_command(engine, peer, command->trace);
                break;
        }
}

static void read_peer(struct engine *engine, struct peer_entry *entry)
{
        struct peer_command command;
        bool again = true;

        for (unsigned int n = 0; again && n < MESSAGES_PER_PEER; n++) {
                int r = peer_receive(entry->peer, &command, &again);

                if (r < 0) {
                        drop_peer(engine, entry);
                        return;
                }
                if (r > 0)
                        apply(engine, entry->peer, &command);
        }
}

static void write_peers(struct engine *engine)
{
        for (struct peer_entry *entry = engine->peers; entry; entry = entry->next) {
                if (entry->gone)
                        continue;
                if (peer_send(entry->peer) < 0) {
                        drop_peer(engine, entry);
                        continue;
                }
                if (entry->peer->wants_write != entry->watching_write) {
                        entry->watching_write = entry->peer->wants_write;
                        (void)watch(engine, EPOLL_CTL_MOD, entry->peer->fd,
                                    EPOLLIN | (entry->watching_write ? EPOLLOUT : 0), SOURCE_PEER, entry);
                }
        }
}

static void forget_gone_peers(struct engine *engine)
{
        for (struct peer_entry **at = &engine->peers; *at;) {
                struct peer_entry *entry = *at;

                if (!entry->gone) {
                        at = &entry->next;
                        continue;
                }
                *at = entry->next;
                free(entry);
        }
}

/* ---- the loop ---- */

static int timeout_ms(const struct engine *engine)
{
        uint64_t now_ns = now();

        if (engine->backlog)
                return 0;
        if (engine->closing_until_ns)
                return TICK_NS / NSEC_PER_MSEC;
        for (const struct trace *trace = engine->traces; trace; trace = trace->next)
                if (trace->state == TRACE_RUNNING || trace->state == TRACE_ENDING || trace->ready_by_ns)
                        return now_ns >= engine->next_tick_ns
                                       ? 0
                                       : (int)((engine->next_tick_ns - now_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC);
        return -1;
}

static void handle(struct engine *engine, const struct epoll_event *event)
{
        void *owner = (void *)(uintptr_t)(event->data.u64 & ~UINT64_C(3)); /* NOLINT: see watch() */
        struct peer_entry *entry = owner;
        struct job *job;

        switch ((enum source)(event->data.u64 & 3)) {
        case SOURCE_LINK:
                read_link(engine);
                break;
        case SOURCE_WORKER:
                while ((job = worker_done(owner)))
                        if (owner == engine->reader)
                                file_read(engine, job);
                        else if (names_loaded(engine->names, job) < 0)
                                engine->stop = true;
                break;
        case SOURCE_PEER:
                if (!entry->gone && event->events & (EPOLLIN | EPOLLHUP | EPOLLERR))
                        read_peer(engine, entry);
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
                        is_told &= !s->ended && !find_trace(engine, s->trace);
        return is_told || now() >= engine->closing_until_ns;
}

static int loop(struct engine *engine)
{
        struct epoll_event events[MAX_EVENTS];

        while (!engine->stop) {
                int n = epoll_wait(engine->epoll_fd, events, MAX_EVENTS, timeout_ms(engine));

                if (n < 0 && errno != EINTR)
                        return -errno;
                read_settings(engine, now());
                for (int i = 0; i < n; i++)
                        handle(engine, &events[i]);
                run_traces(engine);
                write_peers(engine);
                forget_gone_peers(engine);
                if (engine->closing_until_ns && is_finished(engine))
                        break;
        }
        return 0;
}

static int engine_init(struct engine *engine, int link_fd)
{
        int r;

        *engine = (struct engine){.link_fd = link_fd, .next_req = 1};
        engine->swaps_fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
        engine->numa_fd = open("/proc/sys/kernel/numa_balancing", O_RDONLY | O_CLOEXEC);
        engine->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
        if (engine->epoll_fd < 0 || fcntl(link_fd, F_SETFL, 0) < 0)
                return -errno;
        r = worker_new(&engine->worker);
        if (r >= 0)
                r = worker_new(&engine->reader);
        if (r >= 0)
                r = names_new(link_fd, engine->worker, &engine->names);
        if (r >= 0)
                r = watch(engine, EPOLL_CTL_ADD, link_fd, EPOLLIN, SOURCE_LINK, NULL);
        if (r >= 0)
                r = watch(engine, EPOLL_CTL_ADD, worker_fd(engine->worker), EPOLLIN, SOURCE_WORKER, engine->worker);
        if (r >= 0)
                r = watch(engine, EPOLL_CTL_ADD, worker_fd(engine->reader), EPOLLIN, SOURCE_WORKER, engine->reader);
        return r < 0 ? r : sandbox_enter();
}

static void engine_deinit(struct engine *engine)
{
        while (engine->attaches)
                remove_attach(engine, engine->attaches);
        for (struct peer_entry *entry = engine->peers; entry; entry = entry->next)
                if (!entry->gone)
                        drop_peer(engine, entry);
        forget_gone_peers(engine);
        while (engine->traces) {
                struct trace *trace = engine->traces;

                engine->traces = trace->next;
                trace_free(trace);
        }
        engine->worker = worker_free(engine->worker);
        engine->reader = worker_free(engine->reader);
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
