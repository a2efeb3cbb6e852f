/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One table for all processes of a trace, because records name threads by tid alone. It is what tells a thread that is
 * reported twice (seen at the attach and by its FORK) from two threads, so that the last one's end can be recognized.
 */
#include "daemon/engine/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MIN_THREADS 64 /* power of two */

void threads_deinit(struct threads *threads)
{
        free(threads->slots);
        *threads = (struct threads){0};
}

static size_t home_of(const struct threads *threads, pid_t tid)
{
        return (uint32_t)tid * UINT32_C(2654435761) & (threads->size - 1);
}

/* The slot that holds tid, or the free one where it belongs. There is always a free one. */
static struct thread *find(const struct threads *threads, pid_t tid)
{
        size_t i = home_of(threads, tid);

        while (threads->slots[i].tid && threads->slots[i].tid != tid)
                i = (i + 1) & (threads->size - 1);
        return &threads->slots[i];
}

static struct thread *find_known(const struct threads *threads, pid_t tid)
{
        struct thread *thread = threads->size ? find(threads, tid) : NULL;

        return thread && thread->tid ? thread : NULL;
}

static int reserve(struct threads *threads)
{
        struct threads larger = {.n = threads->n, .size = threads->size ? threads->size * 2 : MIN_THREADS};

        if (threads->n * 2 < threads->size)
                return 0;
        larger.slots = calloc(larger.size, sizeof(*larger.slots));
        if (!larger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < threads->size; i++)
                if (threads->slots[i].tid)
                        *find(&larger, threads->slots[i].tid) = threads->slots[i];
        free(threads->slots);
        *threads = larger;
        return 0;
}

static int put(struct threads *threads, pid_t pid, pid_t tid, const char *comm)
{
        struct thread *thread;
        int r = reserve(threads);

        if (r < 0)
                return r;
        thread = find(threads, tid);
        r = !thread->tid;
        threads->n += (size_t)r;
        *thread = (struct thread){.tid = tid, .pid = pid};
        memcpy(thread->comm, comm, strnlen(comm, sizeof(thread->comm) - 1));
        return r;
}

int threads_name(struct threads *threads, pid_t tid, const char *comm)
{
        const struct thread *thread = find_known(threads, tid);
        int r = put(threads, thread ? thread->pid : 0, tid, comm);

        return r < 0 ? r : 0;
}

int threads_born(struct threads *threads, pid_t pid, pid_t tid, pid_t parent_tid)
{
        const struct thread *parent = find_known(threads, parent_tid);
        char comm[sizeof(parent->comm)] = "";

        if (parent)
                memcpy(comm, parent->comm, sizeof(comm));
        return put(threads, pid, tid, comm);
}

/* Open addressing without tombstones: move later members of the run back into the hole. */
static void forget(struct threads *threads, struct thread *thread)
{
        size_t mask = threads->size - 1, hole = (size_t)(thread - threads->slots);

        thread->tid = 0;
        threads->n--;
        for (size_t i = (hole + 1) & mask; threads->slots[i].tid; i = (i + 1) & mask)
                if (((i - home_of(threads, threads->slots[i].tid)) & mask) >= ((i - hole) & mask)) {
                        threads->slots[hole] = threads->slots[i];
                        threads->slots[i].tid = 0;
                        hole = i;
                }
}

int threads_exited(struct threads *threads, pid_t tid)
{
        struct thread *thread = find_known(threads, tid);

        if (!thread)
                return 0;
        forget(threads, thread);
        return 1;
}

void threads_executed(struct threads *threads, pid_t pid)
{
        for (size_t i = 0; i < threads->size; i++) {
                struct thread *thread = &threads->slots[i];

                /* What moves into the hole may be another of them. */
                while (thread->tid && thread->pid == pid && thread->tid != pid)
                        forget(threads, thread);
        }
}

void threads_note(const struct threads *threads, struct fault *fault)
{
        if (threads->size)
                memcpy(fault->comm, find(threads, fault->tid)->comm, sizeof(fault->comm));
}

uint32_t threads_id(struct threads *threads, struct dict *dict, const struct fault *fault)
{
        struct thread *thread = find_known(threads, fault->tid);
        char comm[sizeof(fault->comm) + 1] = "";
        /* The name of a thread that was not known then is the one that was found out since. */
        const char *name = thread && fault->comm[0] == '\0' ? thread->comm : fault->comm;
        bool has_name = thread && memcmp(thread->comm, name, sizeof(fault->comm)) == 0;

        if (has_name && thread->epoch == dict_epoch(dict))
                return thread->id;
        memcpy(comm, name, sizeof(fault->comm));
        if (!has_name)
                return dict_thread(dict, fault->pid, fault->tid, comm);
        thread->id = dict_thread(dict, fault->pid, fault->tid, comm);
        thread->epoch = dict_epoch(dict);
        return thread->id;
}
