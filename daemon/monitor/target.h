/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process to be traced, pinned: everything about it is reached through a pidfd and the directory /proc/PID that were
 * opened together, so a recycled process id can never lead us to another process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/link.h"
#include "proto/base.h"

struct target {
        pid_t pid;
        int pidfd;
        int process; /* O_PATH, /proc/PID */
        int root;    /* O_PATH, its root directory; negative = not allowed to see it */
        char comm[16];
};

#define TARGET_INIT ((struct target){.pidfd = -1, .process = -1, .root = -1})

/*
 * Pin a process and refuse what cannot be traced. is_own() tells processes of the daemon. 0, or -errno with `text`
 * saying in one line why and what to do.
 */
int target_pin(pid_t pid, bool (*is_own)(void *user, pid_t pid), void *user, struct target *ret,
               char text[static LINK_TEXT_BYTES]) MUST_CHECK;
/*
 * Pin the process of this pidfd, which was kept while no daemon ran: it stays the caller's. 0, also of a zombie;
 * -ESRCH: it has been reaped; or another -errno. On success the caller target_deinit()s.
 */
int target_pin_again(int pidfd, struct target *ret) MUST_CHECK;
/* Pin a process of a trace that goes on, whatever it is. 0, or -ESRCH: it is gone. */
int target_pin_process(pid_t pid, struct target *ret) MUST_CHECK;
void target_deinit(struct target *target);
/* The root directory, kept for later: the files of a process that ended are still found beneath it. After
 * authorization. */
void target_keep_root(struct target *target);

/* All threads have ended (it may still be a zombie). */
bool target_is_dead(const struct target *target);

struct target_threads {
        struct link_thread *threads;
        size_t n;
        bool is_complete; /* there was a moment, while they were listed, in which the process had no others */
};

/*
 * The threads now, and some that have just ended. A process of which threads end all the time can be listed in vain:
 * then it is not complete. 0 or -errno; the caller frees ->threads.
 */
int target_list_threads(const struct target *target, struct target_threads *ret) MUST_CHECK;
bool target_threads_have(const struct target_threads *threads, pid_t tid);
bool target_has_thread(const struct target *target, pid_t tid);
/* A thread that still has memory (a leader may be a zombie while others live), or -ESRCH. */
pid_t target_live_thread(const struct target *target);
/* The leader is one of them. */
bool target_has_live_leader(const struct target *target);
/*
 * Open NAME below /proc/PID, or below /proc/TID of a live thread when the leader is a zombie. flags: of open(2). It may
 * have to be opened anew when that thread ends. Descriptor or -errno; -ESRCH: no thread is alive.
 */
int target_open(const struct target *target, const char *name, int flags) MUST_CHECK;

/* One line of proc_pid_status(5) of a live thread, behind "NAME:\t". 0, -ENOENT (no such line) or -errno. */
int target_read_status(const struct target *target, const char *name, char *ret, size_t size) MUST_CHECK;

/* Who traces it (ptrace(2)), 0 = nobody, or it has ended. */
pid_t target_tracer(const struct target *target);

struct target_faults {
        uint64_t min_flt, maj_flt;
};

/* Of the whole process (proc_pid_stat(5)); also of a zombie. 0 or -errno. */
int target_read_faults(const struct target *target, struct target_faults *ret) MUST_CHECK;
