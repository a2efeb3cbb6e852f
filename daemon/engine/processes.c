/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of processes. Two things look like one here and are not: whose a fault is (the pid's: rights, life) and
 * what it hit (the memory's: addresses). A process has a memory, which another one may have as well and which an exec
 * replaces, never changes; whoever holds the old one keeps it.
 *
 * Invariant: nothing is shown of a process for which the monitor has not answered, unless the peer may see everything.
 * What it answers late is lost to the eye, not to the ledger.
 */
#include "daemon/engine/processes.h"

#include <errno.h>

static struct process **bucket_of(struct processes *processes, pid_t pid)
{
        return &processes->buckets[(uint32_t)pid * UINT32_C(2654435761) >> 24];
}

void processes_init(struct processes *processes, bool follows, bool is_trusted)
{
        *processes = (struct processes){.follows = follows, .is_trusted = is_trusted, .next_addresses = 1};
}

struct process *process_ref(struct process *process)
{
        if (process)
                process->n_refs++;
        return process;
}

struct process *process_unref(struct process *process)
{
        if (process && !--process->n_refs) {
                addresses_unref(process->addresses);
                cleanup_close(&process->reopened_maps_fd);
                cleanup_close(&process->reopened_smaps_fd);
                free(process->reopened_maps);
                free(process);
        }
        return NULL;
}

static void leave_memory(struct process *process)
{
        if (!--process->addresses->n_processes)
                addresses_abandon(process->addresses);
}

/* Takes the reference. */
static void set_memory(struct process *process, struct addresses *addresses)
{
        leave_memory(process);
        addresses_unref(process->addresses);
        process->addresses = addresses;
        process->is_being_read = false; /* what is being read is of the old one */
        addresses->n_processes++;
}

static void drop(struct processes *processes, struct process *process)
{
        struct process **at = &processes->first;

        while (*at != process)
                at = &(*at)->next;
        *at = process->next;
        at = bucket_of(processes, process->pid);
        while (*at != process)
                at = &(*at)->next_in_bucket;
        *at = process->next_in_bucket;
        if (processes->last_found == process)
                processes->last_found = NULL;
        leave_memory(process);
        process->is_unmapped = false; /* and stays so: nobody can be asked any more */
        process_unref(process);
}

void processes_deinit(struct processes *processes)
{
        while (processes->first)
                drop(processes, processes->first);
        processes->target = process_unref(processes->target);
}

static struct process *find(struct processes *processes, pid_t pid)
{
        struct process *process = processes->last_found;

        if (process && process->pid == pid)
                return process;
        process = *bucket_of(processes, pid);
        while (process && process->pid != pid)
                process = process->next_in_bucket;
        if (process)
                processes->last_found = process;
        return process;
}

/* Takes the reference to addresses, also on failure. One that has this pid already is no more. */
static int add(struct processes *processes, pid_t pid, struct addresses *addresses, struct process **ret)
{
        struct process *process = calloc(1, sizeof(*process)), **bucket = bucket_of(processes, pid);
        struct process *old = find(processes, pid);

        if (!process) {
                addresses_unref(addresses);
                return -ENOMEM;
        }
        if (old)
                drop(processes, old);
        *process = (struct process){.n_refs = 1,
                                    .pid = pid,
                                    .addresses = addresses,
                                    .hidden_ns = PROCESSES_SHOWN_FOR_EVER,
                                    .reopened_maps_fd = -1,
                                    .reopened_smaps_fd = -1,
                                    .next = processes->first,
                                    .next_in_bucket = *bucket};
        addresses->n_processes++;
        processes->first = *bucket = process;
        *ret = process;
        return 0;
}

static int new_memory(struct processes *processes, struct addresses **ret)
{
        return addresses_new(processes->next_addresses++, &processes->name_budget, ret);
}

int processes_add_target(struct processes *processes, pid_t pid)
{
        struct addresses *addresses;
        struct process *process;
        int r = new_memory(processes, &addresses);

        if (r >= 0)
                r = add(processes, pid, addresses, &process);
        if (r < 0)
                return r;
        process->question = PROCESS_ANSWERED;
        process->is_granted = processes->is_trusted;
        process->counts_threads = true;
        processes->target = process_ref(process);
        return 0;
}

struct process *processes_of(struct processes *processes, pid_t pid)
{
        return processes->follows ? find(processes, pid) : processes->target;
}

static void ask(const struct processes *processes, struct process *process, uint64_t now_ns)
{
        process->question = PROCESS_TO_ASK;
        process->is_granted = processes->is_trusted;
        process->wait_until_ns = now_ns + PROCESSES_WAIT_NS;
}

int processes_get(struct processes *processes, pid_t pid, uint64_t now_ns, struct process **ret)
{
        struct process *process = processes_of(processes, pid);
        struct addresses *addresses;
        int r;

        if (process) {
                *ret = process;
                return 0;
        }
        r = new_memory(processes, &addresses);
        if (r >= 0)
                r = add(processes, pid, addresses, &process);
        if (r < 0)
                return r;
        ask(processes, process, now_ns);
        process->is_unmapped = true;
        *ret = process;
        return 0;
}

struct addresses *processes_addresses(const struct processes *processes, uint32_t id)
{
        for (const struct process *process = processes->first; process; process = process->next)
                if (process->addresses->id == id)
                        return process->addresses;
        return NULL;
}

int processes_fork(struct processes *processes, pid_t pid, pid_t parent, uint64_t now_ns, struct process **ret)
{
        const struct process *from = find(processes, parent);
        struct addresses *addresses;
        struct process *process;
        int r;

        if (from)
                r = addresses_fork(from->addresses, processes->next_addresses++, &addresses);
        else
                r = new_memory(processes, &addresses);
        if (r >= 0)
                r = add(processes, pid, addresses, &process);
        if (r < 0)
                return r;
        ask(processes, process, now_ns);
        process->counts_threads = true;
        process->is_unmapped = !from || from->is_unmapped;
        *ret = process;
        return 0;
}

void process_share(struct process *process, const struct process *of)
{
        bool agrees;

        if (process->executed_ns || process->addresses == of->addresses)
                return;
        agrees = addresses_join(of->addresses, process->addresses);
        set_memory(process, addresses_ref(of->addresses));
        process->is_unmapped = of->is_unmapped || !agrees;
}

int process_exec(struct processes *processes, struct process *process, uint64_t time_ns)
{
        struct addresses *addresses;
        int r = new_memory(processes, &addresses);

        if (r < 0)
                return r;
        addresses_begin_program(addresses);
        set_memory(process, addresses);
        process->executed_ns = time_ns;
        process->has_mapped = process->is_silent = process->is_unmapped = false;
        process->wants_files = process->counts_threads = true;
        process->n_threads = 1; /* the others were killed (execve(2)) */
        return 0;
}

void process_thread_born(struct process *process)
{
        process->n_threads++;
}

/* It goes on in the program that was executed; what the kernel mapped for that, no record tells. */
static void reopen(struct process *process)
{
        process->is_silent = process->is_over = false;
        process->has_mapped = true;
        process->n_threads = 1;
        process->wants_files = false;
        addresses_give(process->addresses, TAKE_FD(process->reopened_maps_fd), TAKE_FD(process->reopened_smaps_fd));
        process->is_unmapped =
                !process->reopened_maps || addresses_take_maps(process->addresses, process->reopened_maps,
                                                               process->n_reopened_maps, process->reopened_ns) < 0;
        free(TAKE_PTR(process->reopened_maps));
        process->reopened_ns = 0;
}

bool process_is_stripped_by(const struct process *process, pid_t tid)
{
        return tid == process->pid && process->executed_ns && !process->has_mapped;
}

void process_thread_ended(struct process *process, pid_t tid, uint64_t time_ns)
{
        if (process->counts_threads ? --process->n_threads > 0 : tid != process->pid)
                return;
        process->over_ns = time_ns;
        process->is_silent = process_is_stripped_by(process, tid);
        process->is_over = !process->is_silent;
        if (process->is_silent && process->reopened_ns)
                reopen(process);
}

struct process *processes_answer(struct processes *processes, pid_t pid, int error, int maps_fd, int smaps_fd)
{
        struct process *process = find(processes, pid);

        /* What was opened before an exec, or of a memory that has its files, is of no use. */
        if (process && !process->executed_ns && process->addresses->maps_fd < 0) {
                addresses_give(process->addresses, maps_fd, smaps_fd);
        } else {
                cleanup_close(&maps_fd);
                cleanup_close(&smaps_fd);
        }
        if (!process || process->question == PROCESS_ANSWERED)
                return NULL;
        process->question = PROCESS_ANSWERED;
        if (error && error != ESRCH)
                process->hidden_ns = 0;
        if (error)
                process->is_unmapped = process->wants_files = false;
        return process;
}

void process_revoke(struct process *process, int error, uint64_t now_ns)
{
        process->revoked_ns = now_ns;
        process->revoked_errno = error;
}

void process_reopened(struct process *process, int maps_fd, int smaps_fd, char *maps, size_t n_maps, uint64_t now_ns)
{
        free(process->reopened_maps);
        process->reopened_maps = maps;
        process->n_reopened_maps = n_maps;
        cleanup_close(&process->reopened_maps_fd);
        cleanup_close(&process->reopened_smaps_fd);
        process->reopened_maps_fd = maps_fd;
        process->reopened_smaps_fd = smaps_fd;
        process->reopened_ns = now_ns;
        process->wait_until_ns = now_ns + PROCESSES_WAIT_NS;
        if (process->is_silent)
                reopen(process);
}

/* Not even the program's name is for the peer. */
static void hide(struct process *process)
{
        uint64_t since_ns = process->executed_ns ? process->executed_ns : process->revoked_ns;

        process->hidden_ns = MIN_OF(process->hidden_ns, since_ns);
        process->wants_files = process->is_unmapped = false;
        process->revoked_ns = 0;
        if (process->is_silent)
                process->is_over = process->is_told = true; /* what it does now is not even to be counted */
        process->is_silent = false;
}

bool process_settle(struct process *process, uint64_t until_ns)
{
        bool is_revoked = process->revoked_ns && process->revoked_ns <= until_ns;

        if (process->reopened_ns && process->reopened_ns <= until_ns)
                reopen(process);
        if (is_revoked)
                hide(process);
        return is_revoked;
}

/* Until something of the program is mapped it may be one that is not for the peer: see is_silent. */
static bool is_doubtful(const struct process *process, uint64_t time_ns)
{
        return process->executed_ns && time_ns >= process->executed_ns && !process->has_mapped;
}

enum process_answer process_shows(const struct process *process, uint64_t time_ns, uint64_t now_ns)
{
        if (time_ns >= process->hidden_ns)
                return PROCESS_HIDDEN;
        if (process->revoked_ns)
                return PROCESS_WAITS;
        if (process->is_granted)
                return PROCESS_SHOWN;
        if (is_doubtful(process, time_ns))
                return now_ns < process->executed_ns + PROCESSES_EXEC_WAIT_NS ? PROCESS_WAITS : PROCESS_HIDDEN;
        if (process->question == PROCESS_ANSWERED)
                return PROCESS_SHOWN;
        return now_ns < process->wait_until_ns ? PROCESS_WAITS : PROCESS_HIDDEN;
}

bool processes_are_asked(const struct processes *processes)
{
        for (const struct process *process = processes->first; process; process = process->next)
                if (process->question != PROCESS_ANSWERED)
                        return true;
        return false;
}

bool processes_are_silent(const struct processes *processes, uint64_t before_ns)
{
        bool any = false;

        for (const struct process *process = processes->first; process; process = process->next) {
                if (!process->is_over && (!process->is_silent || process->over_ns >= before_ns))
                        return false;
                any |= process->is_silent;
        }
        return any;
}

bool processes_end_silent(const struct processes *processes)
{
        uint64_t silent_ns = 0, ended_ns = processes->ended_ns;

        for (const struct process *process = processes->first; process; process = process->next) {
                if (process->is_silent)
                        silent_ns = MAX_OF(silent_ns, process->over_ns);
                else if (process->is_over)
                        ended_ns = MAX_OF(ended_ns, process->over_ns);
                else
                        return false;
        }
        return silent_ns > ended_ns;
}

void processes_sweep(struct processes *processes)
{
        for (struct process *process = processes->first, *next; process && processes->follows; process = next) {
                next = process->next;
                if (process->is_over && process->is_told && !process->is_being_read &&
                    process->question == PROCESS_ANSWERED) {
                        processes->ended_ns = MAX_OF(processes->ended_ns, process->over_ns);
                        drop(processes, process);
                }
        }
}

bool process_is_threaded(const struct process *process)
{
        return !process->counts_threads || process->n_threads > 1 || process->addresses->n_processes > 1;
}
