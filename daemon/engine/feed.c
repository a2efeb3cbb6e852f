/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of things within one record matters: first the fault that it finishes, with maps as they were, then what it
 * changes. Of stories likewise: trace.c has fed every record up to a story's time, so that the fault that a signal is
 * about is the one that its thread has open.
 */
#include "daemon/engine/feed.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/engine/model/classify.h"
#include "daemon/link/figures.h"

#define HOPELESS_AFTER_NS (UINT64_C(20) * NSEC_PER_MSEC)
#define HOPELESS_HELD_NS NSEC_PER_SEC /* a story should come, and says more */
#define STATUS_WAIT_NS (UINT64_C(500) * NSEC_PER_MSEC)
#define SILENCE_WAIT_NS (UINT64_C(500) * NSEC_PER_MSEC) /* for events that are opened anew */

/* ---- whose ---- */

/* Whose a record other than a fault's is. NULL: nobody's in this trace, or no memory. */
static struct process *owner_of(struct trace *trace, pid_t pid, uint64_t now_ns)
{
        struct process *process;

        /* A child's FORK is reported although it is not followed. */
        if (!trace->processes.follows)
                return pid == trace->pid ? trace->processes.target : NULL;
        return processes_get(&trace->processes, pid, now_ns, &process) < 0 ? NULL : process;
}

static void put_fault(struct trace *trace, struct fault *fault, uint64_t now_ns)
{
        struct process *process;
        int r = processes_get(&trace->processes, fault->pid, now_ns, &process);

        if (r >= 0)
                r = resolve_put(&trace->resolve, process, fault, now_ns);
        else
                resolve_release_fault(fault);
        if (r < 0)
                trace->n_dropped++;
}

static void put_finished(struct trace *trace, uint64_t now_ns)
{
        struct fault fault;

        while (pair_next(trace->pair, &fault))
                put_fault(trace, &fault, now_ns);
}

/* ---- life ---- */

/* shown_with: whoever may see this process may see the message. */
static int tell_life(struct trace *trace, struct process *shown_with, const struct proto_life *life)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        CLEANUP_OUTFRAME struct outframe *frame = NULL;
        int r = proto_encode_life(&buffer, trace->id, life);

        if (r < 0)
                return r;
        frame = outframe_new(MESSAGE_LIFE, bytes, buffer.n_bytes);
        return frame ? resolve_put_message(&trace->resolve, shown_with, life->time_ns, frame) : -ENOMEM;
}

static int tell_end(struct trace *trace, struct process *process)
{
        struct proto_life life = {.time_ns = process->over_ns,
                                  .kind = LIFE_EXIT,
                                  .pid = process->pid,
                                  .tid = process->pid,
                                  .has_status = process->has_status,
                                  .status = (uint16_t)process->status};

        process->is_told = true;
        return tell_life(trace, process, &life);
}

/* Where somebody holds the process it is about to be known how it ended. */
static int note_end(struct trace *trace, struct process *process)
{
        if (!process->is_over || process->is_told || (trace->is_held && !process->has_status))
                return 0;
        return tell_end(trace, process);
}

bool feed_awaits_status(const struct trace *trace)
{
        for (const struct process *process = trace->processes.first; process; process = process->next)
                if (trace->is_held && process->is_over && !process->is_told)
                        return true;
        return false;
}

int feed_tell_ends(struct trace *trace, uint64_t now_ns)
{
        int r = 0;

        for (struct process *process = trace->processes.first; process && r >= 0; process = process->next)
                if (process->is_over && !process->is_told)
                        r = tell_end(trace, process);
        return r;
}

static int tell_revoked(struct trace *trace, const struct process *process, uint64_t time_ns, const char *reason,
                        uint64_t now_ns)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 512];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_revoked revoked = {.time_ns = time_ns,
                                        .pid = process->pid,
                                        .reason = {.data = reason, .n_bytes = (uint32_t)strlen(reason)}};
        CLEANUP_OUTFRAME struct outframe *frame = NULL;
        int r = proto_encode_revoked(&buffer, trace->id, &revoked);

        if (r < 0)
                return r;
        frame = outframe_new(MESSAGE_REVOKED, bytes, buffer.n_bytes);
        return frame ? resolve_put_message(&trace->resolve, NULL, now_ns, frame) : -ENOMEM;
}

/* The monitor said so. */
static int tell_denied(struct trace *trace, const struct process *process, uint64_t now_ns)
{
        int error = process->revoked_errno;
        char reason[256];

        if (error == 0 || error == EPERM || error == EACCES)
                (void)snprintf(reason, sizeof(reason),
                               "it executed a program that you may not trace (set-user-ID, with capabilities, or "
                               "unreadable); attach to it as root");
        else
                (void)snprintf(reason, sizeof(reason),
                               "it executed a program whose events the kernel removes (set-user-ID, with capabilities, "
                               "or unreadable), and no more could be opened for it in this trace (%s); attach to it "
                               "by itself",
                               strerror(error));
        return tell_revoked(trace, process, process->hidden_ns, reason, now_ns);
}

/* Where others are followed the trace goes on without it; else it ends, and says why. */
static int tell_silence(struct trace *trace, struct process *process, uint64_t until_ns, uint64_t now_ns)
{
        uint64_t wait_ns = trace->is_held ? SILENCE_WAIT_NS : 0;

        if (!trace->processes.follows || !process->is_silent || process->is_silence_told ||
            until_ns < process->over_ns + wait_ns)
                return 0;
        process->is_silence_told = true;
        return tell_revoked(trace, process, process->over_ns,
                            "it executed a program whose events the kernel removes (set-user-ID, with capabilities, or "
                            "unreadable), and nobody held it in its exec; --ptrace=hold goes on where you may trace "
                            "that program",
                            now_ns);
}

/* ---- records ---- */

static int feed_comm(struct trace *trace, const struct record *record, uint64_t now_ns)
{
        struct process *process = owner_of(trace, record->pid, now_ns);
        const char *comm = record->comm.comm;
        struct proto_life life = {.time_ns = record->time_ns,
                                  .kind = LIFE_EXEC,
                                  .pid = record->pid,
                                  .tid = record->tid,
                                  .comm = {.data = comm, .n_bytes = (uint32_t)strnlen(comm, 64)}};
        int r = threads_name(&trace->resolve.threads, record->tid, comm);

        if (r < 0 || !record->comm.exec || !process)
                return r;
        threads_executed(&trace->resolve.threads, record->pid);
        r = process_exec(&trace->processes, process, record->time_ns);
        return r < 0 ? r : tell_life(trace, process, &life);
}

static int feed_birth(struct trace *trace, const struct record *record, uint64_t now_ns)
{
        struct proto_life life = {.time_ns = record->time_ns,
                                  .kind = LIFE_FORK,
                                  .pid = record->pid,
                                  .tid = record->tid,
                                  .parent = record->task.parent_pid};
        struct process *process;
        int r;

        if (!trace->processes.follows)
                return 0;
        r = threads_born(&trace->resolve.threads, record->pid, record->tid, record->task.parent_tid);
        if (r >= 0)
                r = processes_fork(&trace->processes, record->pid, record->task.parent_pid, now_ns, &process);
        if (r < 0)
                return r;
        process_thread_born(process);
        return tell_life(trace, processes_of(&trace->processes, record->task.parent_pid), &life);
}

static int feed_fork(struct trace *trace, const struct record *record, uint64_t now_ns)
{
        struct process *process;
        int r;

        if (record->pid != record->task.parent_pid)
                return feed_birth(trace, record, now_ns);
        process = owner_of(trace, record->pid, now_ns);
        if (!process)
                return 0;
        r = threads_born(&trace->resolve.threads, record->pid, record->tid, record->task.parent_tid);
        if (r > 0)
                process_thread_born(process);
        return r < 0 ? r : 0;
}

static int feed_exit(struct trace *trace, const struct record *record)
{
        struct process *process = processes_of(&trace->processes, record->pid);

        if (!process || record->pid != process->pid)
                return 0;
        /* Its name is still needed where only the events have ended. */
        if (!process_is_stripped_by(process, record->tid) && !threads_exited(&trace->resolve.threads, record->tid) &&
            process->counts_threads)
                return 0;
        process_thread_ended(process, record->tid, record->time_ns);
        return note_end(trace, process);
}

struct keeper {
        struct trace *trace;
        struct addresses *addresses;
};

static void keep_map(void *user, struct fault *fault)
{
        const struct keeper *keeper = user;
        const struct process *process = processes_of(&keeper->trace->processes, fault->pid);

        if (process && process->addresses == keeper->addresses)
                resolve_keep_map(keeper->addresses, fault);
}

/* Something else is about to be in [start, start + len_bytes) of the process's memory. */
static void keep_maps(struct trace *trace, struct process *process, uint64_t start, uint64_t len_bytes)
{
        struct keeper keeper = {.trace = trace, .addresses = process->addresses};

        pair_each_open(trace->pair, start, start + len_bytes, keep_map, &keeper);
}

static int feed_map(struct trace *trace, const struct record *record, uint64_t now_ns)
{
        struct process *process = owner_of(trace, record->pid, now_ns);
        int r;

        if (!process)
                return 0;
        keep_maps(trace, process, record->map.start, record->map.len_bytes);
        process->has_mapped = true;
        r = addresses_record(process->addresses, record);
        if (r >= 0 && record->map.prot & PROT_EXEC)
                resolve_want_code(&trace->resolve, process,
                                  aspace_lookup(process->addresses->aspace, record->map.start), now_ns);
        return r;
}

static int feed_unmap(struct trace *trace, const struct record *record, uint64_t now_ns)
{
        struct process *process = owner_of(trace, record->pid, now_ns);

        if (!process)
                return 0;
        keep_maps(trace, process, record->unmap.start, record->unmap.len_bytes);
        return addresses_unmap(process->addresses, record);
}

/* While its bytes are in the ring, and what was mapped then is mapped still. */
static void take_stack(struct trace *trace, struct record *record, uint64_t now_ns)
{
        struct process *process;

        if (record->fault.user_registers && processes_get(&trace->processes, record->pid, now_ns, &process) >= 0)
                record->fault.callstack = resolve_take_stack(&trace->resolve, process, &record->fault, now_ns);
}

int feed_record(struct trace *trace, struct record *record, size_t ring, uint64_t now_ns)
{
        int r;

        if (record->kind == RECORD_FAULT)
                take_stack(trace, record, now_ns);
        r = pair_feed(trace->pair, record, trace->cpus[ring]);
        if (r < 0)
                return r;
        put_finished(trace, now_ns);
        switch (record->kind) {
        case RECORD_MAP:
                return feed_map(trace, record, now_ns);
        case RECORD_UNMAP:
                return feed_unmap(trace, record, now_ns);
        case RECORD_COMM:
                return feed_comm(trace, record, now_ns);
        case RECORD_FORK:
                return feed_fork(trace, record, now_ns);
        case RECORD_EXIT:
                return feed_exit(trace, record);
        case RECORD_LOST:
                trace->lost_maps |= ring >= trace->info.n_cpus;
                trace->n_lost_records += record->lost.n;
                if (ring < trace->info.n_cpus)
                        figures_add(&trace->figures->n_lost, record->lost.n);
                return 0;
        default:
                return 0;
        }
}

/* ---- stories ---- */

/* The kernel sent it for an access, and says to which address (sigaction(2)). */
static bool is_of_fault(const struct story_signal *signal)
{
        return signal->code > 0 && signal->code != SI_KERNEL;
}

static int feed_signal(struct trace *trace, const struct story *story, uint64_t now_ns)
{
        struct process *process = owner_of(trace, story->pid, now_ns);
        struct fault fault;
        bool is_told = false;
        int r = 0;

        if (!process)
                return 0;
        if (is_of_fault(&story->signal))
                r = pair_fail(trace->pair, story->tid, story->signal.addr);
        while (r >= 0 && pair_next(trace->pair, &fault)) {
                if (fault.signalled) {
                        r = resolve_put_signal(&trace->resolve, process, &fault, story, now_ns);
                        is_told = true;
                } else {
                        put_fault(trace, &fault, now_ns);
                }
        }
        return r < 0 || is_told ? r : resolve_put_signal(&trace->resolve, process, NULL, story, now_ns);
}

static int feed_kinship(struct trace *trace, const struct story *story, uint64_t now_ns)
{
        struct process *parent, *child;

        if (!trace->processes.follows || !story->fork.shares_memory)
                return 0;
        parent = owner_of(trace, story->pid, now_ns);
        child = owner_of(trace, story->fork.child, now_ns);
        if (parent && child)
                process_share(child, parent);
        return 0;
}

static int feed_status(struct trace *trace, const struct story *story)
{
        struct process *process = processes_of(&trace->processes, story->pid);

        if (!process || process->pid != story->pid || process->is_told)
                return 0;
        if (!process->is_over)
                process->over_ns = story->time_ns;
        process->is_over = process->has_status = true;
        process->is_silent = false;
        process->status = story->exit.status;
        return note_end(trace, process);
}

int feed_story(struct trace *trace, const struct story *story, uint64_t now_ns)
{
        switch (story->type) {
        case STORY_SIGNAL:
                return feed_signal(trace, story, now_ns);
        case STORY_FORK:
                return feed_kinship(trace, story, now_ns);
        default:
                return feed_status(trace, story);
        }
}

/* ---- what does not come ---- */

static bool is_hopeless(void *user, const struct fault *fault)
{
        struct trace *trace = user;
        const struct process *process = processes_of(&trace->processes, fault->pid);
        enum access access = classify_access(fault);
        const struct map *map;

        if (!process || process->is_unmapped)
                return false;
        map = fault->has_map_then ? fault->map_then : aspace_lookup(process->addresses->aspace, fault->addr);
        if (map && map_permits(map, access))
                return false; /* it waits: for storage, or for user space */
        if (!fault->has_map_then)
                map = addresses_of_fault(process->addresses, fault, access);
        return !map || !map_permits(map, access);
}

static int expire_faults(struct trace *trace, uint64_t until_ns, uint64_t now_ns)
{
        uint64_t after_ns = trace->is_held ? HOPELESS_HELD_NS : HOPELESS_AFTER_NS;
        int r;

        if (until_ns == UINT64_MAX || until_ns < after_ns)
                return 0;
        r = pair_expire(trace->pair, until_ns - after_ns, is_hopeless, trace);
        put_finished(trace, now_ns);
        return r;
}

int feed_overdue(struct trace *trace, uint64_t until_ns, uint64_t now_ns)
{
        int r = expire_faults(trace, until_ns, now_ns);

        for (struct process *process = trace->processes.first; process && r >= 0; process = process->next) {
                if (process_settle(process, until_ns))
                        r = tell_denied(trace, process, now_ns);
                if (r >= 0)
                        r = tell_silence(trace, process, until_ns, now_ns);
                if (r >= 0 && process->is_over && !process->is_told &&
                    (!trace->is_held || now_ns > process->over_ns + STATUS_WAIT_NS))
                        r = tell_end(trace, process);
        }
        processes_sweep(&trace->processes);
        return r;
}

int feed_end(struct trace *trace, uint64_t now_ns)
{
        int r = pair_end(trace->pair);

        put_finished(trace, now_ns);
        return r;
}
