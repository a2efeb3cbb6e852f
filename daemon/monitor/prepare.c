/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Authorization is asked twice because the target can execute a setuid program at any moment: the first answer keeps
 * strangers from making us open events on a process that is not theirs; the second, after everything was opened, is the
 * one that counts: the kernel removes the events of a process at an exec that changes its credentials
 * (begin_new_exec(), fs/exec.c), so what was opened while the peer was allowed can never show what came later. Nothing
 * is handed to the engine before the second answer.
 */
#include "daemon/monitor/prepare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "daemon/monitor/figures.h"
#include "daemon/monitor/limits.h"
#include "daemon/monitor/mode.h"
#include "daemon/monitor/refusal.h"
#include "daemon/monitor/run.h"
#include "daemon/monitor/tell.h"
#include "daemon/monitor/unit.h"

#define STACK_USUAL_BYTES 8192
#define STACK_SMALLEST_BYTES 1024 /* unless it is asked for */
#define RECORDS_PER_RING 1024

/* The question was not answered for lack of something that comes back. */
static bool is_busy(int error)
{
        return error == EAGAIN || error == ETIMEDOUT || error == ENOMEM || error == EMFILE || error == ENFILE;
}

static void fail_unauthorized(struct attachment *trace, int result)
{
        char text[LINK_TEXT_BYTES];
        int error = is_busy(-result) ? EAGAIN : result == -ESRCH ? ESRCH : EPERM;

        if (error == ESRCH)
                (void)snprintf(text, sizeof(text), "cannot trace process %d: it has just ended", trace->target.pid);
        else if (error == EAGAIN)
                (void)snprintf(text, sizeof(text),
                               "cannot trace process %d: faultlined is too busy to find out whether user %u may trace "
                               "it (%s); try again",
                               trace->target.pid, trace->peer.uid, strerrordesc_np(-result));
        else if (result == -EPERM)
                (void)snprintf(text, sizeof(text),
                               "cannot trace process %d: user %u may not trace it (it belongs to another user, runs a "
                               "setuid program or is protected); ask as its user or as root",
                               trace->target.pid, trace->peer.uid);
        else
                (void)snprintf(text, sizeof(text),
                               "cannot trace process %d: it cannot be found out whether user %u may trace it (%s); ask "
                               "as root",
                               trace->target.pid, trace->peer.uid, strerrordesc_np(-result));
        attachment_fail(trace, error, text);
}

static int make_files(struct attachment *trace)
{
        int ids = events_make_id_file(&trace->events, 0);
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

/*
 * As much of each stack as lets a burst of some thousand faults wait in the rings; what a user asks for as long as four
 * records fit, for else nearly all would be lost.
 */
static void choose_stack_bytes(struct attachment *trace)
{
        size_t ring_bytes = trace->rings.ring_bytes, wanted_bytes = STACK_USUAL_BYTES, bytes;

        if (trace->level.stack_bytes == 0)
                return;
        if (trace->level.stack_bytes == LINK_STACK_AUTO) {
                bytes = MIN_OF(wanted_bytes, MAX_OF(ring_bytes / RECORDS_PER_RING, (size_t)STACK_SMALLEST_BYTES));
        } else {
                wanted_bytes = (trace->level.stack_bytes + 7) & ~(size_t)7;
                bytes = MIN_OF(wanted_bytes, ring_bytes / 4);
        }
        trace->level.stack_bytes = (uint32_t)bytes;
        if (bytes < wanted_bytes)
                event_level_lack(&trace->level, LINK_LACKS_STACK_SIZE, trace->rings.small_errno);
}

/* Which of the two limits it was: the one that leaves less. */
static void explain_ring_memory(const struct attachment *trace, char text[static LINK_TEXT_BYTES])
{
        const struct context *context = trace->context;
        const struct ring_budget *budget = &context->budget;
        uint64_t unused_bytes = budget->used_bytes < budget->size_bytes ? budget->size_bytes - budget->used_bytes : 0;
        bool is_user = limits_ring_memory_left(trace) < unused_bytes;

        (void)snprintf(text, LINK_TEXT_BYTES,
                       "cannot trace process %d: even the smallest ring buffers for one more trace would exceed the "
                       "%llu KiB that %s (%s= in faultlined.conf(5)); end another trace first",
                       trace->target.pid,
                       (is_user ? context->settings.limits.ring_memory_per_user_bytes : budget->size_bytes) / 1024ULL,
                       is_user ? "this user may have" : "all traces may have together",
                       is_user ? "RingMemoryPerUser" : "RingMemory");
}

static int open_rings(struct attachment *trace, char text[static LINK_TEXT_BYTES])
{
        struct ring_budget *budget = &trace->context->budget;
        size_t wanted_bytes = trace->level.stack_bytes != 0 ? RING_WANTED_WITH_STACKS_BYTES : RING_WANTED_BYTES;
        int r = rings_open(budget, limits_ring_memory_left(trace), wanted_bytes, &trace->rings);

        if (r == -ENOSPC)
                explain_ring_memory(trace, text);
        else if (r == -EACCES)
                refusal_of_everything(trace->target.pid, text);
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

struct event_request prepare_event_request(const struct attachment *trace, bool is_stopped)
{
        return (struct event_request){
                .target = &trace->target,
                .rings = &trace->rings,
                .tracefs = &trace->context->tracefs,
                .warm = &trace->context->warm,
                .from_exec = (trace->request.flags & LINK_ATTACH_FROM_EXEC) != 0,
                .follow = (trace->request.flags & LINK_ATTACH_FOLLOW) != 0,
                .is_cgroup = unit_cgroup(trace) >= 0,
                .cgroup = unit_cgroup(trace),
                .is_stopped = is_stopped,
                .n_free = limits_descriptors_left(trace),
                .n_allowed = trace->context->settings.limits.descriptors_per_user,
        };
}

static int on_target_exit(sd_event_source *source, int fd, uint32_t events, void *user)
{
        (void)sd_event_source_set_enabled(source, SD_EVENT_OFF);
        attachment_target_exited(user);
        return 0;
}

static void announce(struct attachment *trace, int result)
{
        char text[LINK_TEXT_BYTES];
        int r;

        if (result < 0) {
                fail_unauthorized(trace, result);
                return;
        }
        r = trace->target.pidfd < 0 ? 0
                                    : sd_event_add_io(trace->context->event, &trace->exit_source, trace->target.pidfd,
                                                      EPOLLIN, on_target_exit, trace);
        if (r < 0) {
                (void)snprintf(text, sizeof(text), "cannot trace process %d: %s", trace->target.pid,
                               strerrordesc_np(-r));
                attachment_fail(trace, -r, text);
                return;
        }
        mode_choose(trace);
        trace->state = ATTACHMENT_OPENED;
        tell_trace(trace, false);
        tell_rings(trace);
}

static int open_files(struct attachment *trace, char text[static LINK_TEXT_BYTES])
{
        int r = make_files(trace);

        if (r == 0)
                r = figures_open(trace);
        if (r == 0 && trace->stories[0] < 0 &&
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, trace->stories) < 0)
                r = -errno;
        if (r < 0) {
                (void)snprintf(text, LINK_TEXT_BYTES, "cannot trace process %d: %s", trace->target.pid,
                               strerrordesc_np(-r));
                return r;
        }
        r = open_maps(trace);
        if (r == -EACCES || r == -EPERM)
                refusal_of_rights(trace->target.pid, "its memory map may not be read", text);
        else if (r < 0)
                (void)snprintf(text, LINK_TEXT_BYTES, "cannot trace process %d: its memory map cannot be read: %s",
                               trace->target.pid, strerrordesc_np(-r));
        return r;
}

/* Its end, or more execs by its threads than we could wait for. -errno */
static int explain_no_thread(const struct attachment *trace, char text[static LINK_TEXT_BYTES])
{
        bool is_dead = target_is_dead(&trace->target);

        (void)snprintf(text, LINK_TEXT_BYTES, "cannot trace process %d: %s", trace->target.pid,
                       is_dead ? "it has just ended"
                               : "none of its threads could be had for a second, for one of them is about to execute a "
                                 "program; try again");
        return is_dead ? -ESRCH : -EAGAIN;
}

/* The next slice of the events; `step` calls this. 1 = `step` is called again, 0, or -errno with text. */
static int open_events(struct attachment *trace, bool is_stopped, void (*step)(struct attachment *trace),
                       char text[static LINK_TEXT_BYTES])
{
        struct event_request request = prepare_event_request(trace, is_stopped);
        int r = events_open(&request, &trace->level, trace->context->closer, &trace->events, text);

        if (r == 1)
                attachment_later(trace, step);
        if (r != EVENTS_NO_THREAD)
                return r;
        return attachment_retry(trace, step) ? 1 : explain_no_thread(trace, text);
}

static void prepare_more(struct attachment *trace)
{
        char text[LINK_TEXT_BYTES] = "";
        int r = open_events(trace, false, prepare_more, text);

        if (r == 1)
                return;
        if (r == 0 && unit_cgroup(trace) >= 0)
                unit_list_threads(trace);
        if (r == 0)
                r = open_files(trace, text);
        if (r < 0)
                attachment_fail(trace, -r, text);
        else
                attachment_authorize(trace, announce);
}

static void prepare_rings(struct attachment *trace, int result)
{
        char text[LINK_TEXT_BYTES] = "";
        int r;

        if (result < 0) {
                fail_unauthorized(trace, result);
                return;
        }
        target_keep_root(&trace->target);
        if (trace->context->kallsyms < 0)
                event_level_lack(&trace->level, LINK_LACKS_KALLSYMS, trace->context->kallsyms_error);
        r = open_rings(trace, text);
        if (r < 0) {
                attachment_fail(trace, -r, text);
                return;
        }
        choose_stack_bytes(trace);
        prepare_more(trace);
}

void attachment_prepare(struct attachment *trace)
{
        attachment_authorize(trace, prepare_rings);
}

/* --- opening anew, while the threads are held --- */

static void end_without_counting(struct attachment *trace)
{
        events_close(&trace->events, trace->context->closer);
        attachment_begin(trace);
        attachment_stop(trace);
}

void attachment_refused(struct attachment *trace)
{
        if (trace->state < ATTACHMENT_RUNNING) {
                events_close(&trace->events, trace->context->closer);
                attachment_begin(trace); /* an engine knows no end without a beginning */
                trace->has_difference = false;
        }
        attachment_stripped(trace);
}

static void announce_again(struct attachment *trace, int result)
{
        if (trace->state != ATTACHMENT_BARRIER) /* its engine stopped it meanwhile */
                return;
        if (result < 0) {
                attachment_refused(trace);
                return;
        }
        tell_trace(trace, false);
        attachment_begin(trace);
}

static void reopen_more(struct attachment *trace)
{
        char text[LINK_TEXT_BYTES] = "";
        int r = open_events(trace, trace->n_unstopped == 0, reopen_more, text);

        if (r == 1)
                return;
        if (r == 0)
                r = open_files(trace, text);
        if (r < 0) {
                complain(&trace->context->complaints, trace->peer.uid, LOG_PRIORITY_WARNING, "%s", text);
                end_without_counting(trace);
        } else {
                attachment_authorize(trace, announce_again);
        }
}

void attachment_reopen(struct attachment *trace)
{
        events_reset(&trace->events, trace->context->closer);
        reopen_more(trace);
}
