/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitor's side of daemon/link for one trace. What is handed over here was opened, and then authorized, by those
 * who call this.
 */
#include "daemon/monitor/tell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/attachment.h"
#include "daemon/monitor/log.h"

#define TEXT_FIRST_BYTES ((size_t)16 << 10)
#define TEXT_MAX_BYTES ((size_t)16 << 20) /* what runs on meanwhile may map a lot */

void tell_refusal(struct outbox *outbox, const struct link_attach *request, int error, const char *text)
{
        struct link_message message = {
                .type = LINK_TRACE,
                .trace = {.conn = request->conn, .req = request->req, .pid = request->pid, .error = error}};

        (void)snprintf(message.trace.text, sizeof(message.trace.text), "%s", text);
        outbox_send(outbox, &message, NULL, 0);
}

void tell_over(struct attachment *trace, const struct proto_missed *missed)
{
        struct link_message message = {.type = LINK_TRACE,
                                       .trace = {.conn = trace->request.conn,
                                                 .req = trace->request.req,
                                                 .trace = trace->id,
                                                 .pid = trace->request.pid,
                                                 .detail = DETAIL_BASIC,
                                                 .is_over = true,
                                                 .missed = *missed}};

        memcpy(message.trace.comm, trace->target.comm, sizeof(message.trace.comm));
        outbox_send(trace->outbox, &message, NULL, 0);
}

static int open_or_empty(const struct attachment *trace, const char *name)
{
        int fd = target_open(&trace->target, name, O_RDONLY);

        if (fd == -ESRCH || fd == -ENOENT) /* it ended meanwhile: nothing is mapped any more */
                fd = make_sealed_file("faultline-empty", "", 0);
        return fd;
}

void close_maps(struct attachment *trace)
{
        cleanup_close(&trace->maps);
        cleanup_close(&trace->smaps);
        trace->maps = trace->smaps = -1;
}

int open_maps(struct attachment *trace)
{
        close_maps(trace);
        trace->maps = open_or_empty(trace, "maps");
        trace->smaps = open_or_empty(trace, "smaps");
        int r = MIN_OF(trace->maps, trace->smaps);
        if (r < 0)
                close_maps(trace);
        return r < 0 ? r : 0;
}

void tell_rings(struct attachment *trace)
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

static uint32_t granted_flags(const struct attachment *trace)
{
        return trace->level.unmaps ? trace->request.flags : trace->request.flags & ~(uint32_t)LINK_ATTACH_UNMAPS;
}

void tell_trace(struct attachment *trace, bool restarted)
{
        struct link_message message = {.type = LINK_TRACE,
                                       .trace = {
                                               .conn = trace->request.conn,
                                               .req = trace->request.req,
                                               .trace = trace->id,
                                               .pid = trace->target.pid,
                                               .detail = trace->level.detail,
                                               .physical = trace->level.physical,
                                               .flags = granted_flags(trace),
                                               .ptrace = (uint32_t)trace->mode,
                                               .n_cpus = (uint32_t)trace->rings.n,
                                               .n_ids = trace->n_ids,
                                               .n_threads = trace->n_threads,
                                               .ring_bytes = (uint32_t)trace->rings.ring_bytes,
                                               .side_bytes = (uint32_t)trace->rings.side_bytes,
                                               .stack_bytes = trace->level.stack_bytes,
                                               .stacks = event_level_stacks(&trace->level),
                                               .rights = peer_rights(&trace->peer),
                                               .degraded = trace->level.degraded,
                                               .restarted = restarted,
                                       }};
        const int fds[N_LINK_TRACE_FDS] = {
                [LINK_FD_IDS] = trace->ids_file,       [LINK_FD_THREADS] = trace->threads_file,
                [LINK_FD_MAPS] = trace->maps,          [LINK_FD_SMAPS] = trace->smaps,
                [LINK_FD_STORIES] = trace->stories[1], [LINK_FD_FIGURES] = trace->figures_file,
        };

        memcpy(message.trace.comm, trace->target.comm, sizeof(message.trace.comm));
        memcpy(message.trace.degraded_errno, trace->level.degraded_errno, sizeof(message.trace.degraded_errno));
        outbox_send(trace->outbox, &message, fds, ARRAY_SIZE(fds));
        close_maps(trace);
}

void tell_started(struct attachment *trace)
{
        struct link_message message = {.type = LINK_STARTED, .started = trace->started};

        outbox_send(trace->outbox, &message, NULL, 0);
}

void tell_counts(struct attachment *trace)
{
        struct link_message message = {.type = LINK_COUNTS, .counts = trace->counts};

        outbox_send(trace->outbox, &message, NULL, 0);
}

static void tell(struct attachment *trace, const struct link_message *message, const int *fds, size_t n_fds)
{
        if (trace->resent == NULL)
                outbox_send(trace->outbox, message, fds, n_fds);
}

void tell_degraded(struct attachment *trace, enum link_detail what, int error)
{
        struct link_message message = {.type = LINK_DEGRADED,
                                       .degraded = {.trace = trace->id, .what = what, .error = error}};

        tell(trace, &message, NULL, 0);
}

void tell_followed(struct attachment *trace, const struct link_follow *followed, const int fds[3])
{
        struct link_message message = {.type = LINK_FOLLOWED, .follow = *followed};

        tell(trace, &message, fds, fds == NULL ? 0 : followed->n_threads != 0 ? 3 : 2);
}

void tell_empty(struct attachment *trace)
{
        struct link_message message = {.type = LINK_EMPTY, .id = {.id = trace->id}};

        tell(trace, &message, NULL, 0);
}

/* As far as it can be had; what is empty says nothing. A file in memory, or -errno. */
static int copy_text(int from)
{
        size_t size = TEXT_FIRST_BYTES, n = 0;
        CLEANUP_FREE char *text = malloc(size);
        ssize_t got = 1;

        while (text != NULL && got > 0) {
                if (n == size) {
                        char *larger = size < TEXT_MAX_BYTES ? realloc(text, size * 2) : NULL;

                        if (larger == NULL)
                                return make_sealed_file("faultline-empty", "", 0);
                        text = larger;
                        size *= 2;
                }
                got = pread(from, text + n, size - n, (off_t)n);
                n += got > 0 ? (size_t)got : 0;
        }
        return make_sealed_file("faultline-maps", text, text == NULL || got < 0 ? 0 : n);
}

void tell_ids(struct attachment *trace, pid_t pid, uint32_t n_ids, const int fds[3])
{
        struct link_message message = {
                .type = LINK_IDS, .ids = {.trace = trace->id, .pid = pid, .n_ids = n_ids, .time_ns = monotonic_ns()}};
        CLEANUP_CLOSE int text = copy_text(fds[1]);

        if (text < 0)
                log_line(LOG_PRIORITY_ERROR, "cannot copy the maps of process %d: %s; what it faults on has no names",
                         pid, strerrordesc_np(-text));
        tell(trace, &message, (int[]){fds[0], fds[1], fds[2], text}, text < 0 ? 3 : 4);
}

void tell_revoked(struct attachment *trace, pid_t pid, int error)
{
        struct link_message message = {.type = LINK_REVOKED,
                                       .follow = {.trace = trace->id, .pid = pid, .error = error}};

        tell(trace, &message, NULL, 0);
}
