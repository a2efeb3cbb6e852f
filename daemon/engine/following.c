/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The processes of a trace between records, which tell of them too late to be asked, and the monitor, which knows them
 * and may not be asked by anybody else. Questions go out once in a pass, for all processes; answers come when they
 * come, and name a process by its pid and a memory by its id, either of which may be gone by then.
 */
#include "daemon/engine/engine_private.h"

#include <errno.h>
#include <fcntl.h>

#include "daemon/engine/procfile.h"
#include "daemon/link/clock.h"

int following_read(struct engine *engine, const struct trace *trace, const struct addresses *addresses,
                   enum job_kind kind)
{
        int fd = kind == JOB_MAPS ? addresses->maps_fd : addresses->smaps_fd;
        int copy = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        struct job *job;

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
        job->addresses = addresses->id;
        worker_submit(engine->workers[WORKER_PROC], job);
        return 0;
}

/* ---- questions ---- */

/* An exec since: the old descriptors answer for the old memory. */
static void ask_files(struct engine *engine, const struct trace *trace, struct process *process)
{
        process->wants_files = false;
        for (uint32_t kind = LINK_OPEN_MAPS; kind <= LINK_OPEN_SMAPS; kind++)
                engine_tell(engine,
                            &(struct link_message){.type = LINK_OPEN,
                                                   .open = {.trace = trace->id,
                                                            .req = process->addresses->id,
                                                            .kind = kind,
                                                            .pid = trace->processes.follows ? process->pid : 0}});
}

static void ask_jit(struct engine *engine, const struct trace *trace, const struct process *process)
{
        process->addresses->jit.is_wanted = false;
        engine_tell(engine, &(struct link_message){.type = LINK_OPEN,
                                                   .open = {.trace = trace->id,
                                                            .req = process->addresses->id,
                                                            .kind = LINK_OPEN_PERF_MAP,
                                                            .pid = trace->processes.follows ? process->pid : 0}});
}

static void ask_about(struct engine *engine, struct trace *trace, struct process *process)
{
        struct addresses *addresses = process->addresses;

        if (process->question == PROCESS_TO_ASK) {
                process->question = PROCESS_ASKED;
                engine_tell(engine, &(struct link_message){.type = LINK_FOLLOW,
                                                           .follow = {.trace = trace->id,
                                                                      .pid = process->pid,
                                                                      .n_threads = !process->counts_threads}});
        }
        if (process->wants_files && process->question == PROCESS_ANSWERED)
                ask_files(engine, trace, process);
        if (process->is_unmapped && !process->is_being_read && addresses->maps_fd >= 0)
                process->is_being_read = following_read(engine, trace, addresses, JOB_MAPS) >= 0;
        if (addresses->jit.is_wanted)
                ask_jit(engine, trace, process);
        if (!addresses->userfault_wanted)
                return;
        addresses->userfault_wanted = false;
        if (following_read(engine, trace, addresses, JOB_SMAPS) < 0)
                addresses->userfault_pending = false;
}

void following_ask(struct engine *engine, struct trace *trace)
{
        for (struct process *process = trace->processes.first; process; process = process->next)
                ask_about(engine, trace, process);
}

/* ---- answers ---- */

enum followed_fd { /* of LINK_FOLLOWED, in this order */
                   FOLLOWED_FD_MAPS,
                   FOLLOWED_FD_SMAPS,
                   FOLLOWED_FD_THREADS,
                   N_FOLLOWED_FDS
};

/*
 * One that a unit has is told of before any record of it. Its maps are read at once: it runs on, and may execute
 * another program the moment after, with which the file says nothing any more.
 */
static int meet(struct trace *trace, const struct link_received *received)
{
        CLEANUP_FREE char *maps = NULL;
        pid_t pid = received->message.follow.pid;
        uint64_t now_ns = monotonic_ns();
        struct process *process;
        size_t n_maps;
        int r;

        if (received->n_fds == 0 || !trace->processes.follows || processes_of(&trace->processes, pid))
                return 0;
        r = processes_get(&trace->processes, pid, now_ns, &process);
        if (r < 0)
                return r;
        process->is_unmapped = procfile_read(received->fds[FOLLOWED_FD_MAPS], &maps, &n_maps) < 0 ||
                               addresses_take_maps(process->addresses, maps, n_maps, now_ns) < 0;
        return 0;
}

int following_take_answer(struct engine *engine, struct link_received *received)
{
        const struct link_follow *answer = &received->message.follow;
        struct trace *trace = engine_find_trace(engine, answer->trace);
        bool has_fds = received->n_fds > FOLLOWED_FD_SMAPS;
        struct process *process, *of;
        int r;

        if (!trace)
                return 0;
        r = meet(trace, received);
        if (r >= 0 && received->n_fds == N_FOLLOWED_FDS)
                r = trace_name_threads(trace, received);
        if (r < 0)
                return r;
        process = processes_answer(&trace->processes, answer->pid, answer->error,
                                   has_fds ? TAKE_FD(received->fds[FOLLOWED_FD_MAPS]) : -1,
                                   has_fds ? TAKE_FD(received->fds[FOLLOWED_FD_SMAPS]) : -1);
        if (!answer->error)
                trace->empty_ns = 0; /* that one lives */
        of = answer->shares_memory_of ? processes_of(&trace->processes, answer->shares_memory_of) : NULL;
        if (process && of && of != process)
                process_share(process, of);
        return 0;
}

void following_take_empty(struct engine *engine, uint32_t id)
{
        struct trace *trace = engine_find_trace(engine, id);

        if (trace)
                trace->empty_ns = monotonic_ns();
}

bool following_is_over(const struct trace *trace)
{
        return trace->empty_ns && trace->drained_ns >= trace->empty_ns && !processes_are_asked(&trace->processes);
}

enum ids_fd { /* of LINK_IDS, in this order */
              IDS_FD_IDS,
              IDS_FD_MAPS,
              IDS_FD_SMAPS,
              IDS_FD_TEXT,
              N_IDS_FDS
};

/* Its birth may still be in the rings: what came by the link is newer than what has been read of them. */
static struct process *find_born(struct trace *trace, pid_t pid, uint64_t until_ns)
{
        struct process *process = processes_of(&trace->processes, pid);
        /* A trace taken over leaves its records where they are until its clients have come back. */
        bool may_read = until_ns > trace->drained_ns && (!trace->restarted || trace->fanout.subscriptions);
        int r = TRACE_MORE;

        while (!process && may_read && r == TRACE_MORE)
                r = trace_drain(trace, until_ns, monotonic_ns());
        return process ? process : processes_of(&trace->processes, pid);
}

int following_take_ids(struct engine *engine, struct link_received *received)
{
        struct trace *trace = engine_find_trace(engine, received->message.ids.trace);
        struct process *process;
        char *text = NULL;
        size_t n_text = 0;
        int r;

        if (!trace)
                return 0;
        r = received->n_fds >= N_IDS_FDS - 1 ? trace_add_ids(trace, received) : -EBADMSG;
        process = r < 0 ? NULL : find_born(trace, received->message.ids.pid, received->message.ids.time_ns);
        if (!process)
                return r;
        if (received->n_fds < N_IDS_FDS || procfile_read(received->fds[IDS_FD_TEXT], &text, &n_text) < 0)
                text = NULL;
        process_reopened(process, TAKE_FD(received->fds[IDS_FD_MAPS]), TAKE_FD(received->fds[IDS_FD_SMAPS]), text,
                         n_text, received->message.ids.time_ns);
        return 0;
}

void following_take_revoked(struct engine *engine, const struct link_follow *revoked)
{
        struct trace *trace = engine_find_trace(engine, revoked->trace);
        struct process *process = trace ? processes_of(&trace->processes, revoked->pid) : NULL;

        if (process)
                process_revoke(process, revoked->error, monotonic_ns());
}

static void take_jit(struct engine *engine, const struct trace *trace, struct addresses *addresses, int fd)
{
        struct job *job = fd < 0 ? NULL : calloc(1, sizeof(*job));

        if (!job) {
                cleanup_close(&fd);
                jit_take(&addresses->jit, NULL, monotonic_ns());
                return;
        }
        *job = (struct job){.kind = JOB_PERF_MAP, .fd = fd, .trace = trace->id, .addresses = addresses->id};
        worker_submit(engine->workers[NAMES_LARGE_FILES], job); /* it may be large */
}

void following_take_file(struct engine *engine, const struct link_opened *opened, int fd)
{
        struct trace *trace = engine_find_trace(engine, opened->trace);
        struct addresses *addresses = trace ? processes_addresses(&trace->processes, opened->req) : NULL;
        int *to;

        if (!addresses) { /* of a memory that is gone */
                cleanup_close(&fd);
                return;
        }
        if (opened->kind == LINK_OPEN_PERF_MAP) {
                take_jit(engine, trace, addresses, fd);
                return;
        }
        to = opened->kind == LINK_OPEN_MAPS ? &addresses->maps_fd : &addresses->smaps_fd;
        cleanup_close(to);
        *to = fd;
}
