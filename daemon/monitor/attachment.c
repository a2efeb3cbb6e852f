/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Authorization is asked twice because the target can execute a setuid program at any moment: the first answer keeps
 * strangers from making us open events on a process that is not theirs; the second, after everything was opened, is the
 * one that counts: the kernel removes the events of a process at an exec that changes its credentials
 * (begin_new_exec(), fs/exec.c), so what was opened while the peer was allowed can never show what came later. Nothing
 * is handed to the engine before the second answer.
 *
 * Events are closed as soon as they are counted: enabled tracepoints cost every process of the machine. The rings stay
 * until the engine has drained them.
 */
#include "daemon/monitor/attachment.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "daemon/monitor/authorize.h"
#include "daemon/monitor/barrier.h"
#include "daemon/monitor/log.h"
#include "daemon/monitor/opens.h"
#include "proto/proto.h"

#define MAX_TRACES_PER_ENGINE 256
#define HOLD_NS (400 * NSEC_PER_MSEC) /* a tracer holds for longer, and then lets go by itself */

uint64_t monotonic_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static void send_refusal(struct outbox *outbox, const struct link_attach *request, int error, const char *text)
{
        struct link_message message = {
                .type = LINK_TRACE,
                .trace = {.conn = request->conn, .req = request->req, .pid = request->pid, .error = error}};

        (void)snprintf(message.trace.text, sizeof(message.trace.text), "%s", text);
        outbox_send(outbox, &message, NULL, 0);
}

static void attachment_fail(struct attachment *trace, int error, const char *text)
{
        if (trace->context->options->private_fd < 0) /* the only client tells its user itself */
                log_line(LOG_PRIORITY_NOTICE, "attach for uid %u refused: %s", trace->peer.uid, text);
        send_refusal(trace->outbox, &trace->request, error, text);
        attachment_free(trace);
}

/* --- authorization --- */

static void on_authorized(void *user, int result, int fd)
{
        struct attachment *trace = user;

        cleanup_close(&fd);
        trace->authorizing = NULL;
        if (result < 0 && result != -ESRCH && result != -EPERM)
                log_line(LOG_PRIORITY_WARNING, "cannot find out whether uid %u may trace process %d: %s",
                         trace->peer.uid, trace->target.pid, strerrordesc_np(-result));
        trace->authorized(trace, result);
}

void attachment_authorize(struct attachment *trace, void (*then)(struct attachment *trace, int result))
{
        struct authorize_question question = {.peer = &trace->peer, .pidfd = trace->target.pidfd};
        int keep[] = {trace->target.pidfd};
        int r;

        if (!trace->needs_check) {
                then(trace, 0);
                return;
        }
        trace->authorized = then;
        r = helper_start(&trace->context->children, keep, ARRAY_SIZE(keep), authorize_work, &question, on_authorized,
                         trace, &trace->authorizing);
        if (r < 0)
                on_authorized(trace, r, -1);
}

static void attachment_fail_unauthorized(struct attachment *trace, int result)
{
        char text[LINK_TEXT_BYTES];

        if (result == -ESRCH)
                (void)snprintf(text, sizeof(text), "cannot trace process %d: it has just ended", trace->target.pid);
        else
                (void)snprintf(text, sizeof(text),
                               "cannot trace process %d: user %u may not trace it (it belongs to another user, runs a "
                               "setuid program or is protected); ask as its user or as root",
                               trace->target.pid, trace->peer.uid);
        attachment_fail(trace, result == -ESRCH ? ESRCH : EPERM, text);
}

/* --- what the engine gets --- */

static int open_or_empty(const struct attachment *trace, const char *name)
{
        int fd = target_open(&trace->target, name);

        if (fd == -ESRCH || fd == -ENOENT) /* it ended meanwhile: nothing is mapped any more */
                fd = make_sealed_file("faultline-empty", "", 0);
        return fd;
}

static void close_maps(struct attachment *trace)
{
        cleanup_close(&trace->maps);
        cleanup_close(&trace->smaps);
        trace->maps = trace->smaps = -1;
}

/* Before the authorization that allows to hand them out. */
static int open_maps(struct attachment *trace)
{
        close_maps(trace);
        trace->maps = open_or_empty(trace, "maps");
        trace->smaps = open_or_empty(trace, "smaps");
        int r = MIN_OF(trace->maps, trace->smaps);
        if (r < 0)
                close_maps(trace);
        return r < 0 ? r : 0;
}

static void send_rings(struct attachment *trace)
{
        for (size_t first = 0; first < trace->rings.n; first += LINK_RINGS_PER_MESSAGE) {
                struct link_message message = {.type = LINK_RINGS,
                                               .rings = {.trace = trace->id, .first = (uint32_t)first}};
                size_t n = MIN_OF(trace->rings.n - first, (size_t)LINK_RINGS_PER_MESSAGE);
                int fds[LINK_MAX_FDS];

                message.rings.n = (uint32_t)n;
                for (size_t i = 0; i < n; i++) {
                        message.rings.cpu[i] = trace->rings.pairs[first + i].cpu;
                        fds[2 * i] = trace->rings.pairs[first + i].fault_fd;
                        fds[2 * i + 1] = trace->rings.pairs[first + i].side_fd;
                }
                outbox_send(trace->outbox, &message, fds, 2 * n);
        }
}

/* LINK_TRACE with the maps that are open, which it uses up. */
static void send_trace(struct attachment *trace, bool restarted)
{
        struct link_message message = {.type = LINK_TRACE,
                                       .trace = {
                                               .conn = trace->request.conn,
                                               .req = trace->request.req,
                                               .trace = trace->id,
                                               .pid = trace->target.pid,
                                               .detail = trace->level.detail,
                                               .physical = trace->level.physical,
                                               .flags = trace->request.flags,
                                               .n_cpus = (uint32_t)trace->rings.n,
                                               .n_ids = trace->n_ids,
                                               .n_threads = trace->n_threads,
                                               .ring_bytes = (uint32_t)trace->rings.ring_bytes,
                                               .side_bytes = (uint32_t)trace->rings.side_bytes,
                                               .rights = peer_rights(&trace->peer),
                                               .degraded = trace->level.degraded,
                                               .restarted = restarted,
                                       }};
        const int fds[N_LINK_TRACE_FDS] = {
                [LINK_FD_IDS] = trace->ids_file,
                [LINK_FD_THREADS] = trace->threads_file,
                [LINK_FD_MAPS] = trace->maps,
                [LINK_FD_SMAPS] = trace->smaps,
        };

        memcpy(message.trace.comm, trace->target.comm, sizeof(message.trace.comm));
        memcpy(message.trace.degraded_errno, trace->level.degraded_errno, sizeof(message.trace.degraded_errno));
        outbox_send(trace->outbox, &message, fds, ARRAY_SIZE(fds));
        close_maps(trace);
}

/* --- opening --- */

static int make_files(struct attachment *trace)
{
        int ids = events_make_id_file(&trace->events);
        int threads = ids < 0 ? ids : events_make_thread_file(&trace->events);

        if (threads < 0) {
                cleanup_close(&ids);
                return threads;
        }
        cleanup_close(&trace->ids_file);
        cleanup_close(&trace->threads_file);
        trace->ids_file = ids;
        trace->threads_file = threads;
        trace->n_ids = (uint32_t)trace->events.n;
        trace->n_threads = (uint32_t)trace->events.threads.n;
        return 0;
}

/* One user may hold half of the budget, so that no user can keep all others out; root may hold all. */
static uint64_t may_use_bytes(const struct attachment *trace)
{
        uint64_t used_bytes = 0, share_bytes = trace->context->budget.size_bytes / 2;

        if (!trace->needs_check)
                return UINT64_MAX;
        for (const struct attachment *t = trace->context->attachments; t != NULL; t = t->next)
                if (t->peer.uid == trace->peer.uid)
                        used_bytes += t->rings.charged_bytes;
        return used_bytes < share_bytes ? share_bytes - used_bytes : 0;
}

static int open_rings(struct attachment *trace, char text[static LINK_TEXT_BYTES])
{
        struct ring_budget *budget = &trace->context->budget;
        int r = rings_open(budget, may_use_bytes(trace), &trace->rings);

        if (r == -ENOSPC)
                (void)snprintf(
                        text, LINK_TEXT_BYTES,
                        "cannot trace process %d: ring buffers for one more trace would exceed the daemon's %llu MiB "
                        "(or this user's half of them); end another trace first",
                        trace->target.pid, (unsigned long long)budget->size_bytes >> 20);
        else if (r == -EPERM)
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace process %d: not even small ring buffers may be locked in memory; end "
                               "another trace, or "
                               "raise RLIMIT_MEMLOCK (ulimit -l) or the sysctl kernel.perf_event_mlock_kb",
                               trace->target.pid);
        else if (r < 0)
                (void)snprintf(text, LINK_TEXT_BYTES, "cannot trace process %d: cannot make ring buffers: %s",
                               trace->target.pid, strerrordesc_np(-r));
        else if (trace->rings.is_small)
                event_level_lack(&trace->level, LINK_LACKS_RING_SIZE, trace->rings.small_errno);
        return r;
}

static struct event_request event_request(const struct attachment *trace, bool is_stopped)
{
        return (struct event_request){
                .target = &trace->target,
                .rings = &trace->rings,
                .tracefs = &trace->context->tracefs,
                .from_exec = (trace->request.flags & LINK_ATTACH_FROM_EXEC) != 0,
                .is_stopped = is_stopped,
        };
}

static void finish(struct attachment *trace, enum link_stop_reason reason);

static int on_target_exit(sd_event_source *source, int fd, uint32_t events, void *user)
{
        struct attachment *trace = user;

        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        trace->is_exited = true;
        if (trace->state == ATTACHMENT_RUNNING)
                finish(trace, LINK_EXITED);
        return 0;
}

static void announce(struct attachment *trace, int result)
{
        char text[LINK_TEXT_BYTES];
        int r;

        if (result < 0) {
                attachment_fail_unauthorized(trace, result);
                return;
        }
        r = sd_event_add_io(trace->context->event, &trace->exit_source, trace->target.pidfd, EPOLLIN, on_target_exit,
                            trace);
        if (r < 0) {
                (void)snprintf(text, sizeof(text), "cannot trace process %d: %s", trace->target.pid,
                               strerrordesc_np(-r));
                attachment_fail(trace, -r, text);
                return;
        }
        trace->state = ATTACHMENT_OPENED;
        send_trace(trace, false);
        send_rings(trace);
}

static int open_files(struct attachment *trace, char text[static LINK_TEXT_BYTES])
{
        int r = make_files(trace);

        if (r < 0) {
                (void)snprintf(text, LINK_TEXT_BYTES, "cannot trace process %d: %s", trace->target.pid,
                               strerrordesc_np(-r));
                return r;
        }
        r = open_maps(trace);
        if (r < 0)
                (void)snprintf(
                        text, LINK_TEXT_BYTES,
                        "cannot trace process %d: its memory map may not be read: %s; run as its user or as root",
                        trace->target.pid, strerrordesc_np(-r));
        return r;
}

static void open_all(struct attachment *trace, int result)
{
        char text[LINK_TEXT_BYTES] = "";
        struct event_request request;
        int r;

        if (result < 0) {
                attachment_fail_unauthorized(trace, result);
                return;
        }
        target_keep_root(&trace->target);
        if (trace->context->kallsyms < 0)
                event_level_lack(&trace->level, LINK_LACKS_KALLSYMS, trace->context->kallsyms_error);
        r = open_rings(trace, text);
        if (r == 0) {
                request = event_request(trace, false);
                r = events_open(&request, &trace->level, trace->context->closer, &trace->events, text);
        }
        if (r == 0)
                r = open_files(trace, text);
        if (r < 0)
                attachment_fail(trace, -r, text);
        else
                attachment_authorize(trace, announce);
}

/* --- opening anew, while the threads are held --- */

static void end_without_counting(struct attachment *trace)
{
        events_close(&trace->events, trace->context->closer);
        attachment_begin(trace);
        attachment_stop(trace);
}

static void announce_again(struct attachment *trace, int result)
{
        if (result < 0) {
                end_without_counting(trace);
                return;
        }
        send_trace(trace, false);
        attachment_begin(trace);
}

void attachment_reopen(struct attachment *trace)
{
        struct event_request request = event_request(trace, trace->n_unstopped == 0);
        char text[LINK_TEXT_BYTES] = "";
        int r;

        events_close(&trace->events, trace->context->closer);
        r = events_open(&request, &trace->level, trace->context->closer, &trace->events, text);
        if (r == 0)
                r = open_files(trace, text);
        if (r < 0) {
                log_line(LOG_PRIORITY_WARNING, "%s", text);
                end_without_counting(trace);
        } else {
                attachment_authorize(trace, announce_again);
        }
}

struct own_question {
        struct context *context;
        const struct peer *peer;
};

static bool is_own_process(void *user, pid_t pid)
{
        const struct own_question *question = user;

        return pid == getpid() || pid == question->peer->pid || children_have(&question->context->children, pid);
}

static int check_request(struct context *context, const struct outbox *outbox, const struct peer *peer,
                         const struct link_attach *request, const char **ret_text)
{
        size_t n = 0;

        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                n += t->outbox == outbox;
        if (n >= MAX_TRACES_PER_ENGINE) {
                *ret_text = "cannot trace one more process: this user has 256 traces already; end another one first";
                return EAGAIN;
        }
        if (peer->is_foreign) {
                *ret_text = "cannot trace: this client runs in another pid namespace, where process ids mean other "
                            "processes; "
                            "run it where the daemon runs";
                return EPERM;
        }
        if ((request->detail != DETAIL_AUTO && request->detail != DETAIL_BASIC && request->detail != DETAIL_FULL) ||
            (request->flags & ~(uint32_t)LINK_ATTACH_FROM_EXEC) != 0) {
                *ret_text = "cannot trace: this daemon does not know one of the options asked for; it is older than "
                            "the client";
                return EINVAL;
        }
        return 0;
}

void attachment_request(struct context *context, struct outbox *outbox, const struct peer *peer,
                        const struct link_attach *request)
{
        struct own_question question = {.context = context, .peer = peer};
        const char *refusal = "cannot trace: out of memory";
        char text[LINK_TEXT_BYTES];
        struct attachment *trace;
        int error = check_request(context, outbox, peer, request, &refusal);

        trace = error == 0 ? calloc(1, sizeof(*trace)) : NULL;
        if (trace == NULL || peer_copy(peer, &trace->peer) < 0) {
                free(trace);
                send_refusal(outbox, request, error != 0 ? error : ENOMEM, refusal);
                return;
        }
        trace->context = context;
        trace->outbox = outbox;
        trace->needs_check = peer_needs_check(peer);
        trace->request = *request;
        trace->id = ++context->last_trace_id;
        trace->target = TARGET_INIT;
        trace->events = EVENT_SET_INIT;
        trace->ids_file = trace->threads_file = trace->maps = trace->smaps = -1;
        trace->tracer_link = -1;
        trace->next = context->attachments;
        context->attachments = trace;
        event_level_init(&trace->level, (enum detail)request->detail);
        error = target_pin(request->pid, is_own_process, &question, &trace->target, text);
        if (error < 0)
                attachment_fail(trace, -error, text);
        else
                attachment_authorize(trace, open_all);
}

/* --- beginning and end --- */

static void send_started(struct attachment *trace)
{
        struct link_message message = {.type = LINK_STARTED, .started = trace->started};

        outbox_send(trace->outbox, &message, NULL, 0);
}

static void send_counts(struct attachment *trace)
{
        struct link_message message = {.type = LINK_COUNTS, .counts = trace->counts};

        outbox_send(trace->outbox, &message, NULL, 0);
}

static bool is_held(const struct attachment *trace)
{
        return (trace->level.degraded & (1u << LINK_LACKS_BARRIER)) == 0 && trace->n_unstopped == 0 &&
               trace->tracer_link >= 0;
}

/* While every thread is held nothing has been counted yet and the process's own counters stand still. */
static int read_first_difference(struct attachment *trace)
{
        uint64_t faults;
        int r;

        if (!is_held(trace))
                return counting_read_difference(&trace->events, &trace->target, &trace->difference);
        r = target_read_faults(&trace->target, &faults);
        if (r == 0)
                trace->difference = (int64_t)faults;
        return r;
}

void attachment_begin(struct attachment *trace)
{
        if (trace->events.is_uncertain)
                event_level_lack(&trace->level, LINK_LACKS_THREADS, EAGAIN);
        if ((trace->request.flags & LINK_ATTACH_FROM_EXEC) == 0) {
                events_enable(&trace->events);
                if (trace->tracer_link >= 0 && monotonic_ns() - trace->held_since_ns > HOLD_NS)
                        event_level_lack(&trace->level, LINK_LACKS_BARRIER, ETIMEDOUT);
                if (!is_held(trace)) /* a thread born during the first round may have inherited its events disabled */
                        events_enable(&trace->events);
        }
        trace->has_difference = read_first_difference(trace) == 0;
        trace->started = (struct link_started){
                .trace = trace->id,
                .n_threads = trace->n_threads,
                .n_unstopped = trace->n_unstopped,
                .degraded = trace->level.degraded,
                .time_ns = monotonic_ns(),
        };
        memcpy(trace->started.degraded_errno, trace->level.degraded_errno, sizeof(trace->started.degraded_errno));
        barrier_release(trace);
        trace->state = ATTACHMENT_RUNNING;
        send_started(trace);
        if (trace->is_exited)
                finish(trace, LINK_EXITED);
}

static uint64_t read_unseen(const struct attachment *trace)
{
        int64_t difference;

        if (!trace->has_difference || counting_read_difference(&trace->events, &trace->target, &difference) < 0 ||
            difference < trace->difference)
                return PROTO_UNSEEN_UNKNOWN;
        return (uint64_t)(difference - trace->difference);
}

static void finish(struct attachment *trace, enum link_stop_reason reason)
{
        struct event_counts counts = {0};
        int r;

        trace->counts = (struct link_counts){.trace = trace->id, .reason = reason, .unseen = PROTO_UNSEEN_UNKNOWN};
        if (trace->state == ATTACHMENT_RUNNING)
                trace->counts.unseen = read_unseen(trace);
        barrier_abort(trace);
        events_disable(&trace->events);
        trace->counts.time_ns = monotonic_ns();
        r = events_read(&trace->events, trace->level.lost_count, &counts);
        if (r < 0)
                log_line(LOG_PRIORITY_ERROR, "cannot read the counters of process %d: %s", trace->target.pid,
                         strerrordesc_np(-r));
        memcpy(trace->counts.count, counts.count, sizeof(counts.count));
        memcpy(trace->counts.lost, counts.lost, sizeof(counts.lost));
        trace->state = ATTACHMENT_STOPPED;
        (void)sd_event_source_set_enabled(trace->exit_source, SD_EVENT_OFF);
        events_close(&trace->events, trace->context->closer);
        send_counts(trace);
}

/* --- requests of the engine --- */

struct attachment *attachment_find(const struct context *context, const struct outbox *outbox, uint32_t id)
{
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->id == id && t->outbox == outbox && t->state != ATTACHMENT_OPENING)
                        return t;
        return NULL;
}

void attachment_ready(struct attachment *trace)
{
        if (trace->state != ATTACHMENT_OPENED)
                return;
        if ((trace->request.flags & LINK_ATTACH_FROM_EXEC) != 0 || trace->is_exited)
                attachment_begin(trace);
        else
                barrier_start(trace);
}

void attachment_stop(struct attachment *trace)
{
        if (trace->state != ATTACHMENT_STOPPED)
                finish(trace, LINK_STOPPED);
}

struct attachment *attachment_free(struct attachment *trace)
{
        struct context *context = trace->context;

        for (struct attachment **p = &context->attachments; *p != NULL; p = &(*p)->next)
                if (*p == trace) {
                        *p = trace->next;
                        break;
                }
        trace->state = ATTACHMENT_STOPPED; /* for whoever looks while this goes on */
        barrier_abort(trace);
        opens_cancel(trace);
        helper_free(trace->authorizing);
        sd_event_source_disable_unref(trace->exit_source);
        events_close(&trace->events, context->closer);
        rings_close(&context->budget, &trace->rings);
        target_deinit(&trace->target);
        cleanup_close(&trace->ids_file);
        cleanup_close(&trace->threads_file);
        close_maps(trace);
        peer_deinit(&trace->peer);
        free(trace);
        return NULL;
}

/* --- all traces of an engine --- */

void attachments_engine_died(struct context *context, const struct outbox *outbox)
{
        struct attachment *next;

        for (struct attachment *t = context->attachments; t != NULL; t = next) {
                next = t->next;
                if (t->outbox != outbox)
                        continue;
                if (t->state < ATTACHMENT_RUNNING) {
                        attachment_free(t);
                } else {
                        opens_cancel(t);
                        t->authorizing = helper_free(t->authorizing);
                        t->resent = NULL;
                }
        }
}

static bool is_resending(const struct context *context, const struct outbox *outbox)
{
        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->outbox == outbox && t->resent != NULL)
                        return true;
        return false;
}

/* The maps may be those of a setuid program by now: a peer who may not see them goes on with what the rings hold. */
static void resend(struct attachment *trace, int result)
{
        void (*resent)(void *user) = trace->resent;

        if (result < 0 || trace->maps < 0) {
                close_maps(trace);
                trace->maps = make_sealed_file("faultline-empty", "", 0);
                trace->smaps = make_sealed_file("faultline-empty", "", 0);
        }
        if (trace->maps < 0 || trace->smaps < 0) {
                log_line(LOG_PRIORITY_ERROR, "cannot pass the trace of process %d to a new engine: out of descriptors",
                         trace->target.pid);
        } else {
                send_trace(trace, true);
                send_rings(trace);
                send_started(trace);
                if (trace->state == ATTACHMENT_STOPPED)
                        send_counts(trace);
        }
        trace->resent = NULL;
        if (!is_resending(trace->context, trace->outbox))
                resent(trace->resent_user);
}

void attachments_resend(struct context *context, const struct outbox *outbox, void (*done)(void *user), void *user)
{
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->outbox == outbox) {
                        t->resent = done;
                        t->resent_user = user;
                }
        if (!is_resending(context, outbox)) {
                done(user);
                return;
        }
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->outbox == outbox) {
                        (void)open_maps(t);
                        attachment_authorize(t, resend);
                }
}

void attachments_free_of(struct context *context, const struct outbox *outbox)
{
        struct attachment *next;

        for (struct attachment *t = context->attachments; t != NULL; t = next) {
                next = t->next;
                if (t->outbox == outbox)
                        attachment_free(t);
        }
}

bool attachments_have(const struct context *context, const struct outbox *outbox)
{
        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->outbox == outbox)
                        return true;
        return false;
}

void attachments_stop_all(struct context *context)
{
        for (struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->state == ATTACHMENT_RUNNING)
                        finish(t, LINK_STOPPED);
}
