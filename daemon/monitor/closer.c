/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * perf_event_release of a tracepoint's last event waits for grace periods (kernel/trace/trace_event_perf.c,
 * perf_trace_event_unreg). The monitor's loop must go on serving everyone else meanwhile. One thread, one list; it
 * has all signals blocked, so that those of the monitor arrive where they are expected.
 */
#include "daemon/monitor/closer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>

struct closer_batch {
        struct closer_batch *next;
        int *fds;
        size_t n;
};

struct closer {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t wake;
        struct closer_batch *first; /* order does not matter */
        bool ending;
};

static void close_fds(int *fds, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (fds[i] >= 0)
                        (void)close(fds[i]);
        free(fds);
}

static void *closer_thread(void *user)
{
        struct closer *closer = user;

        pthread_mutex_lock(&closer->lock);
        for (;;) {
                struct closer_batch *batch = closer->first;

                if (batch == NULL && closer->ending)
                        break;
                if (batch == NULL) {
                        pthread_cond_wait(&closer->wake, &closer->lock);
                        continue;
                }
                closer->first = batch->next;
                pthread_mutex_unlock(&closer->lock);
                close_fds(batch->fds, batch->n);
                free(batch);
                pthread_mutex_lock(&closer->lock);
        }
        pthread_mutex_unlock(&closer->lock);
        return NULL;
}

int closer_new(struct closer **ret)
{
        CLEANUP_FREE struct closer *closer = calloc(1, sizeof(*closer));
        sigset_t all, before;
        int r;

        if (closer == NULL)
                return -ENOMEM;
        pthread_mutex_init(&closer->lock, NULL);
        pthread_cond_init(&closer->wake, NULL);
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&closer->thread, NULL, closer_thread, closer);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r != 0)
                return -r;
        *ret = TAKE_PTR(closer);
        return 0;
}

struct closer *closer_free(struct closer *closer)
{
        if (closer == NULL)
                return NULL;
        pthread_mutex_lock(&closer->lock);
        closer->ending = true;
        pthread_cond_signal(&closer->wake);
        pthread_mutex_unlock(&closer->lock);
        pthread_join(closer->thread, NULL);
        pthread_cond_destroy(&closer->wake);
        pthread_mutex_destroy(&closer->lock);
        free(closer);
        return NULL;
}

void closer_close(struct closer *closer, int *fds, size_t n)
{
        struct closer_batch *batch = n > 0 ? malloc(sizeof(*batch)) : NULL;

        if (batch == NULL) { /* slow is better than leaked */
                close_fds(fds, n);
                return;
        }
        *batch = (struct closer_batch){.fds = fds, .n = n};
        pthread_mutex_lock(&closer->lock);
        batch->next = closer->first;
        closer->first = batch;
        pthread_cond_signal(&closer->wake);
        pthread_mutex_unlock(&closer->lock);
}
