/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The threads of a trace: whose they are, and their names as clients are told them. Makes no system call. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/model/fault.h"
#include "daemon/engine/serve/dict.h"

struct thread {
        pid_t tid;          /* 0 = free */
        pid_t pid;          /* 0 = not known */
        uint32_t epoch, id; /* of comm, in the dictionary */
        char comm[16];
};

struct threads {
        struct thread *slots; /* open addressing */
        size_t n, size;
};

void threads_deinit(struct threads *threads);

/* The thread has this name from now on; a thread not known yet is from now on, of an unknown process. 0 or -ENOMEM. */
int threads_name(struct threads *threads, pid_t tid, const char *comm) MUST_CHECK;
/* It inherits its parent's name. 1 = it is new, 0 = it was known already, or -ENOMEM. */
int threads_born(struct threads *threads, pid_t pid, pid_t tid, pid_t parent_tid) MUST_CHECK;
/* 1 = it was known, 0 = it was not. */
int threads_exited(struct threads *threads, pid_t tid);
/* execve(2): all threads of the process but the one that is now its leader are gone. */
void threads_executed(struct threads *threads, pid_t pid);

/* Write down the thread's name as it is now. */
void threads_note(const struct threads *threads, struct fault *fault);
/* The definition of a thread under the name that was noted: it may have another one by now, or be gone. */
uint32_t threads_id(struct threads *threads, struct dict *dict, const struct fault *fault);
