/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A set of its own for each exec, so that it can be closed when its process ends: somebody who is followed for days
 * executes set-user-ID programs without end, and descriptors are few. What was counted until then stays in ->retired.
 * The ids stay as well: their records may still be in the rings when a new engine comes.
 */
#include "daemon/monitor/added.h"

#include <errno.h>
#include <string.h>

#include "daemon/monitor/log.h"
#include "daemon/monitor/prepare.h"

#define MAX_IDS_BYTES ((size_t)1 << 20) /* of one trace: for the ids of some 5000 execs on two CPUs */

struct added {
        struct added *next;
        pid_t pid;
        struct event_set events;
};

static struct added *added_close(struct attachment *trace, struct added *added)
{
        events_close(&added->events, trace->context->closer);
        free(added);
        return NULL;
}

int added_join_ids(struct attachment *trace, int fd, uint32_t n)
{
        size_t n_old_bytes = trace->n_ids * sizeof(struct link_event_id),
               n_new_bytes = n * sizeof(struct link_event_id);
        CLEANUP_FREE char *bytes = malloc(n_old_bytes + n_new_bytes);
        int joined;

        if (bytes == NULL)
                return -ENOMEM;
        if (pread(trace->ids_file, bytes, n_old_bytes, 0) != (ssize_t)n_old_bytes ||
            pread(fd, bytes + n_old_bytes, n_new_bytes, 0) != (ssize_t)n_new_bytes)
                return -EIO;
        joined = make_sealed_file("faultline-ids", bytes, n_old_bytes + n_new_bytes);
        if (joined < 0)
                return joined;
        cleanup_close(&trace->ids_file);
        trace->ids_file = joined;
        trace->n_ids += n;
        return 0;
}

/* What the trace said of its records holds for all of them. */
static bool is_same_level(const struct event_level *a, const struct event_level *b)
{
        return a->detail == b->detail && a->physical == b->physical && a->kernel_mode == b->kernel_mode &&
               a->tracepoints == b->tracepoints && a->lost_count == b->lost_count && a->unmaps == b->unmaps &&
               a->stack_bytes == b->stack_bytes;
}

static int open_events(struct attachment *trace, const struct target *process, struct added *added)
{
        struct event_request request = prepare_event_request(trace, trace->unit == NULL); /* held in its exec */
        struct event_level level = trace->level;
        int r;

        request.target = process;
        r = events_add_process(&request, &level, trace->context->closer, &added->events);

        return r == 0 && !is_same_level(&level, &trace->level) ? -EACCES : r;
}

int added_open(struct attachment *trace, const struct target *process, int *ret_ids, uint32_t *ret_n_ids)
{
        struct added *added;
        int fd = -1, r;

        added_retire(trace, process->pid);
        if (trace->n_added_ids * sizeof(struct link_event_id) > MAX_IDS_BYTES)
                return -EMFILE;
        added = calloc(1, sizeof(*added));
        if (added == NULL)
                return -ENOMEM;
        *added = (struct added){.pid = process->pid, .events = EVENT_SET_INIT};
        r = open_events(trace, process, added);
        if (r == 0)
                r = fd = events_make_id_file(&added->events, 0);
        if (r >= 0)
                r = added_join_ids(trace, fd, (uint32_t)added->events.n);
        if (r < 0) {
                cleanup_close(&fd);
                added_close(trace, added);
                return r;
        }
        trace->n_added_ids += (uint32_t)added->events.n;
        added->next = trace->added;
        trace->added = added;
        *ret_ids = fd;
        *ret_n_ids = (uint32_t)added->events.n;
        return 0;
}

static const struct added *find(const struct attachment *trace, pid_t pid)
{
        for (const struct added *a = trace->added; a != NULL; a = a->next)
                if (a->pid == pid)
                        return a;
        return NULL;
}

bool added_has(const struct attachment *trace, pid_t pid)
{
        return find(trace, pid) != NULL;
}

size_t added_pids(const struct attachment *trace, pid_t *ret)
{
        size_t n = 0;

        for (const struct added *a = trace->added; a != NULL; a = a->next, n++)
                if (ret != NULL)
                        ret[n] = a->pid;
        return n;
}

/* A thread born during the first round may have inherited its events disabled. */
void added_enable(struct attachment *trace, pid_t pid)
{
        const struct added *added = find(trace, pid);

        for (int round = 0; added != NULL && round < 2; round++) {
                size_t at = 0;

                while (events_enable(&added->events, &at))
                        continue;
        }
}

void added_retire(struct attachment *trace, pid_t pid)
{
        if (trace->state >= ATTACHMENT_STOPPING) /* all are being counted */
                return;
        for (struct added **p = &trace->added; *p != NULL;) {
                struct added *added = *p;
                size_t at = 0;
                int r = 1;

                if (added->pid != pid) {
                        p = &added->next;
                        continue;
                }
                *p = added->next;
                while (r == 1)
                        r = events_read(&added->events, trace->level.lost_count, &at, &trace->retired);
                if (r < 0)
                        log_line(LOG_PRIORITY_ERROR, "cannot read the counters of process %d: %s", pid,
                                 strerrordesc_np(-r));
                added_close(trace, added);
        }
}

void added_free(struct attachment *trace)
{
        while (trace->added != NULL) {
                struct added *added = trace->added;

                trace->added = added->next;
                added_close(trace, added);
        }
}

const struct event_set *added_set(const struct attachment *trace, const struct added *at)
{
        return at == NULL ? &trace->events : &at->events;
}

bool added_next(const struct attachment *trace, const struct added **at)
{
        *at = *at == NULL ? trace->added : (*at)->next;
        return *at != NULL;
}
