/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two lists under one lock: waiting and done. An eventfd tells the pipeline's loop that something is done. */
#include "daemon/engine/worker.h"
#include "daemon/engine/model/image_rows.h"

#include <errno.h>
#include <linux/magic.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>

#include "daemon/engine/model/perfmap.h"
#include "daemon/engine/procfile.h"
#include "daemon/link/clock.h"

struct list {
        struct job *first, **end;
};

struct worker {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t arrived;
        struct list waiting, done;
        bool stop;
        int event;
};

static void list_init(struct list *list)
{
        list->first = NULL;
        list->end = &list->first;
}

static void list_push(struct list *list, struct job *job)
{
        job->next = NULL;
        *list->end = job;
        list->end = &job->next;
}

static struct job *list_pop(struct list *list)
{
        struct job *job = list->first;

        if (job) {
                list->first = job->next;
                if (!list->first)
                        list->end = &list->first;
        }
        return job;
}

struct job *job_free(struct job *job)
{
        if (job) {
                cleanup_close(&job->fd);
                image_free(job->image);
                symtab_free(job->symtab);
                rows_unref(job->rows);
                line_query_free(job->lines);
                free(job->text);
                free(job);
        }
        return NULL;
}

static void run_load(struct job *job)
{
        struct statfs fs;

        if (fstatfs(job->fd, &fs) == 0)
                job->shmem = fs.f_type == TMPFS_MAGIC;
        job->error = image_load(job->fd, &job->image);
}

static void run_kallsyms(struct job *job)
{
        CLEANUP_FREE char *text = NULL;
        size_t n = 0;

        job->error = procfile_read(job->fd, &text, &n);
        if (job->error >= 0)
                job->error = symtab_from_kallsyms(text, n, &job->symtab);
}

static void run_perf_map(struct job *job)
{
        CLEANUP_FREE char *text = NULL;
        size_t n = 0;

        job->error = procfile_read(job->fd, &text, &n);
        if (job->error >= 0)
                job->error = perfmap_parse(text, MIN_OF(n, PERFMAP_MAX_BYTES), &job->symtab);
        job->ended_ns = monotonic_ns();
}

static void run_read(struct job *job)
{
        job->begun_ns = monotonic_ns();
        job->error = procfile_read(job->fd, &job->text, &job->n_text);
        job->ended_ns = monotonic_ns();
}

static void run_job(struct job *job)
{
        switch (job->kind) {
        case JOB_MAPS:
        case JOB_SMAPS:
                run_read(job);
                break;
        case JOB_LOAD:
                run_load(job);
                break;
        case JOB_DEBUG:
                job->error = image_add_debug(job->image, job->fd);
                break;
        case JOB_ROWS:
                job->error = image_compile_rows(job->fd, &job->rows);
                break;
        case JOB_KALLSYMS:
                run_kallsyms(job);
                break;
        case JOB_PERF_MAP:
                run_perf_map(job);
                break;
        case JOB_LINES:
                job->error = line_query_run(job->lines);
                break;
        }
}

static struct job *wait_for_job(struct worker *worker)
{
        struct job *job = NULL;

        pthread_mutex_lock(&worker->lock);
        while (!worker->stop && !(job = list_pop(&worker->waiting)))
                pthread_cond_wait(&worker->arrived, &worker->lock);
        pthread_mutex_unlock(&worker->lock);
        return job;
}

static void *worker_main(void *data)
{
        struct worker *worker = data;
        struct job *job;

        while ((job = wait_for_job(worker))) {
                run_job(job);
                pthread_mutex_lock(&worker->lock);
                list_push(&worker->done, job);
                pthread_mutex_unlock(&worker->lock);
                /* The counter cannot overflow with as many jobs as memory holds. */
                (void)eventfd_write(worker->event, 1);
        }
        return NULL;
}

int worker_new(struct worker **ret)
{
        struct worker *worker = calloc(1, sizeof(*worker));
        sigset_t all, old;
        int r;

        if (!worker)
                return -ENOMEM;
        list_init(&worker->waiting);
        list_init(&worker->done);
        pthread_mutex_init(&worker->lock, NULL);
        pthread_cond_init(&worker->arrived, NULL);
        worker->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (worker->event < 0) {
                r = -errno;
                free(worker);
                return r;
        }
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        r = -pthread_create(&worker->thread, NULL, worker_main, worker);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (r < 0) {
                (void)close(worker->event);
                free(worker);
                return r;
        }
        *ret = worker;
        return 0;
}

struct worker *worker_free(struct worker *worker)
{
        struct job *job;

        if (!worker)
                return NULL;
        pthread_mutex_lock(&worker->lock);
        worker->stop = true;
        pthread_cond_signal(&worker->arrived);
        pthread_mutex_unlock(&worker->lock);
        pthread_join(worker->thread, NULL);
        while ((job = list_pop(&worker->waiting)) || (job = list_pop(&worker->done)))
                job_free(job);
        pthread_cond_destroy(&worker->arrived);
        pthread_mutex_destroy(&worker->lock);
        (void)close(worker->event);
        free(worker);
        return NULL;
}

int worker_fd(const struct worker *worker)
{
        return worker->event;
}

void worker_submit(struct worker *worker, struct job *job)
{
        pthread_mutex_lock(&worker->lock);
        list_push(&worker->waiting, job);
        pthread_cond_signal(&worker->arrived);
        pthread_mutex_unlock(&worker->lock);
}

struct job *worker_done(struct worker *worker)
{
        eventfd_t n;
        struct job *job;

        (void)eventfd_read(worker->event, &n); /* -EAGAIN when another call has taken the count already */
        pthread_mutex_lock(&worker->lock);
        job = list_pop(&worker->done);
        pthread_mutex_unlock(&worker->lock);
        return job;
}
