/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sorted arrays: a thousand threads are found in ten steps, what is iterated over may be forgotten on the way because
 * the key is the cursor, and there is nothing to tune. The counts that decide about a barrier and about the way to wait
 * (n_running, n_untaken, n_births) change in this file only.
 */
#include "daemon/tracer/tracee_table.h"

#include <errno.h>
#include <string.h>

/* Both kinds of entries begin with their id. Index of the first one whose id is not below. */
static size_t lower_bound(const void *entries, size_t n, size_t n_bytes, pid_t id)
{
        size_t low = 0;

        while (low < n) {
                size_t middle = low + (n - low) / 2;
                pid_t key;

                memcpy(&key, (const char *)entries + middle * n_bytes, sizeof(key));
                if (key < id)
                        low = middle + 1;
                else
                        n = middle;
        }
        return low;
}

static size_t tracee_index(const struct tracees *tracees, pid_t tid)
{
        return lower_bound(tracees->tracees, tracees->n_tracees, sizeof(*tracees->tracees), tid);
}

static size_t process_index(const struct tracees *tracees, pid_t pid)
{
        return lower_bound(tracees->processes, tracees->n_processes, sizeof(*tracees->processes), pid);
}

struct tracee *tracee_find(const struct tracees *tracees, pid_t tid)
{
        size_t i = tracee_index(tracees, tid);

        return i < tracees->n_tracees && tracees->tracees[i].tid == tid ? &tracees->tracees[i] : NULL;
}

struct process *process_find(const struct tracees *tracees, pid_t pid)
{
        size_t i = process_index(tracees, pid);

        return i < tracees->n_processes && tracees->processes[i].pid == pid ? &tracees->processes[i] : NULL;
}

struct tracee *tracee_of_process(const struct tracees *tracees, pid_t pid, pid_t after)
{
        for (size_t i = tracee_index(tracees, after + 1); i < tracees->n_tracees; i++)
                if (tracees->tracees[i].pid == pid)
                        return &tracees->tracees[i];
        return NULL;
}

const struct tracee *tracees_find(const struct tracees *tracees, pid_t tid)
{
        return tracee_find(tracees, tid);
}

const struct tracee *tracees_round(const struct tracees *tracees, pid_t tid)
{
        size_t i = tracee_index(tracees, tid + 1);

        return tracees->n_tracees == 0 ? NULL : &tracees->tracees[i < tracees->n_tracees ? i : 0];
}

/* Room for one more. The array as it is now, or NULL, with what there was untouched. */
static void *grow(struct tracees *tracees, void *entries, size_t n, size_t *n_room, size_t n_bytes)
{
        size_t n_wanted = *n_room == 0 ? 64 : *n_room * 2;
        void *grown;

        if (n < *n_room)
                return entries;
        grown = reallocarray(entries, n_wanted, n_bytes);
        if (grown == NULL)
                tracees->is_out_of_memory = true;
        else
                *n_room = n_wanted;
        return grown;
}

struct process *process_add(struct tracees *tracees, pid_t pid)
{
        struct process *found = process_find(tracees, pid), *all;
        size_t i = process_index(tracees, pid);

        if (found != NULL)
                return found;
        all = grow(tracees, tracees->processes, tracees->n_processes, &tracees->n_processes_room, sizeof(*all));
        if (all == NULL)
                return NULL;
        tracees->processes = all;
        memmove(&all[i + 1], &all[i], (tracees->n_processes++ - i) * sizeof(*all));
        all[i] = (struct process){.pid = pid};
        return &all[i];
}

struct tracee *tracee_add(struct tracees *tracees, pid_t tid, pid_t pid, uint32_t options)
{
        struct tracee *found = tracee_find(tracees, tid), *all;
        size_t i = tracee_index(tracees, tid);
        struct process *process;

        if (found != NULL)
                return found;
        process = process_add(tracees, pid);
        all = grow(tracees, tracees->tracees, tracees->n_tracees, &tracees->n_tracees_room, sizeof(*all));
        if (all != NULL)
                tracees->tracees = all;
        if (process == NULL || all == NULL)
                return NULL;
        memmove(&all[i + 1], &all[i], (tracees->n_tracees++ - i) * sizeof(*all));
        /* When all have stopped, or time is up, what is born comes from a thread that is late. */
        all[i] = (struct tracee){
                .tid = tid, .pid = pid, .options = options, .is_late = process->phase == PROCESS_STOPPED};
        process->n_tracees++;
        process->n_running++;
        return &all[i];
}

static bool is_untaken(const struct tracee *tracee)
{
        return tracee->state == TRACEE_HELD && tracee->status >> 8 == 0;
}

void tracee_set_state(struct tracees *tracees, struct tracee *tracee, enum tracee_state state)
{
        struct process *process = process_find(tracees, tracee->pid);

        process->n_running -= tracee->state == TRACEE_RUNNING;
        tracees->n_untaken -= is_untaken(tracee);
        tracee->state = state;
        process->n_running += tracee->state == TRACEE_RUNNING;
        tracees->n_untaken += is_untaken(tracee);
}

void tracee_set_birth(struct tracees *tracees, struct tracee *tracee, uint64_t deadline_ns)
{
        tracees->n_births -= tracee->birth_deadline_ns != 0;
        tracee->birth_deadline_ns = deadline_ns;
        tracees->n_births += tracee->birth_deadline_ns != 0;
}

void process_forget_if_empty(struct tracees *tracees, pid_t pid)
{
        struct process *process = process_find(tracees, pid);
        size_t i = process_index(tracees, pid);

        if (process == NULL || process->n_tracees > 0 || process->phase == PROCESS_STOPPING)
                return;
        if (process->wants_barrier)
                tracees_act(tracees, TRACEE_FAILED, pid, 0)->error = ESRCH;
        memmove(process, process + 1, (--tracees->n_processes - i) * sizeof(*process));
}

void tracee_forget(struct tracees *tracees, struct tracee *tracee)
{
        size_t i = (size_t)(tracee - tracees->tracees);
        pid_t pid = tracee->pid;

        tracee_set_birth(tracees, tracee, 0);
        tracee_set_state(tracees, tracee, TRACEE_ZOMBIE); /* which is in no count */
        process_find(tracees, pid)->n_tracees--;
        memmove(tracee, tracee + 1, (--tracees->n_tracees - i) * sizeof(*tracee));
        process_forget_if_empty(tracees, pid);
}

struct tracee_action *tracees_act(struct tracees *tracees, enum tracee_action_kind kind, pid_t pid, pid_t tid)
{
        struct tracee_action *all = grow(tracees, tracees->actions, tracees->n_actions, &tracees->n_actions_room,
                                         sizeof(*all)),
                             *action = &tracees->spare;

        if (all != NULL) {
                tracees->actions = all;
                action = &all[tracees->n_actions++];
        }
        *action = (struct tracee_action){.kind = kind, .pid = pid, .tid = tid};
        return action;
}

bool tracees_next(struct tracees *tracees, struct tracee_action *ret)
{
        if (tracees->first_action == tracees->n_actions) {
                tracees->first_action = tracees->n_actions = 0;
                return false;
        }
        *ret = tracees->actions[tracees->first_action++];
        return true;
}

void tracees_free(struct tracees *tracees)
{
        free(tracees->tracees);
        free(tracees->processes);
        free(tracees->actions);
        *tracees = (struct tracees){0};
}
