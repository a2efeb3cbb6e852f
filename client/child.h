/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command of "faultline -- COMMAND": forked at once, executed when it is released, reaped at the end. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <sys/types.h>

#include "proto/base.h"

struct child {
        pid_t pid;      /* 0: none, or reaped */
        int hold_fd;    /* a byte releases it, closing it makes it exit; -1 afterwards */
        int status_fd;  /* the errno of a failed exec, or end of file; -1 when read */
        int exec_error; /* errno, 0 while the exec has not failed */
        int status;     /* once reaped: what a shell reports, the exit status, 128 + signal, 126 or 127 */
};

#define CHILD_NONE                                                                                                     \
        {                                                                                                              \
                .hold_fd = -1, .status_fd = -1                                                                         \
        }

/* Its standard streams: descriptors that it gets instead of ours; -1: it shares ours. Borrowed. */
struct child_streams {
        int fds[3];
};

/*
 * Fork the command and hold it before its execve(2). mask: the signal mask that the command gets. tracer: a process
 * that may ptrace it where the Yama security module restricts that, 0 = none. 0; -errno.
 */
int child_start(char *const *command, const sigset_t *mask, pid_t tracer, const struct child_streams *streams,
                struct child *ret) MUST_CHECK;

/* Let it execute. 0; -errno. */
int child_release(struct child *child) MUST_CHECK;

/* When status_fd is readable: the exec has succeeded, or exec_error says why not. */
void child_read_status(struct child *child);

/* Ended, and reaped now or before? Does not wait. */
bool child_reap(struct child *child);

/* Close the descriptors; a command that was never released exits without being run. Does not reap. */
void child_close(struct child *child);
