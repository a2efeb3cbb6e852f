/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread beside the pipeline, for what may take a second and must not hold up events: one turns files into symbol
 * tables, another reads /proc files, which wait for the target's own locks. Bytes in, tables out; a job belongs to the
 * worker from worker_submit() until worker_done() returns it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/line_query.h"
#include "daemon/engine/model/rows.h"
#include "elf/image.h"
#include "elf/symtab.h"
#include "proto/base.h"

enum job_kind {
        JOB_LOAD,     /* fd -> image, shmem, file_bytes */
        JOB_DEBUG,    /* fd + image -> symbols added to image */
        JOB_ROWS,     /* fd -> rows */
        JOB_KALLSYMS, /* fd -> symtab */
        JOB_MAPS,     /* fd: /proc/PID/maps -> text */
        JOB_SMAPS,    /* fd: /proc/PID/smaps -> text */
        JOB_PERF_MAP, /* fd: /tmp/perf-PID.map -> symtab */
        JOB_LINES,    /* lines: answered */
};

struct job {
        struct job *next;
        enum job_kind kind;
        int fd;      /* owned by the job; -1 once taken out */
        void *owner; /* the submitter's */
        int error;   /* result: 0 or -errno */
        struct image *image;
        struct symtab *symtab;
        struct rows *rows;
        struct line_query *lines;
        uint32_t trace, addresses; /* JOB_MAPS, JOB_SMAPS, JOB_PERF_MAP: whose */
        char *text;
        size_t n_text;
        uint64_t begun_ns, ended_ns; /* CLOCK_MONOTONIC, of the reading */
        bool shmem;                  /* the file lies on tmpfs */
};

struct worker;

int worker_new(struct worker **ret) MUST_CHECK;
/* Waits for the job at hand; jobs not fetched are freed with what they hold. Returns NULL. */
struct worker *worker_free(struct worker *worker);
/* Readable when a job is done. Borrowed. */
int worker_fd(const struct worker *worker);
/* Takes the job. */
void worker_submit(struct worker *worker, struct job *job);
/* A finished job, the caller's again; NULL = none. */
struct job *worker_done(struct worker *worker);
struct job *job_free(struct job *job); /* closes fd, frees what is still in it; returns NULL */
