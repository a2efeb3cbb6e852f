/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * PTRACE_SEIZE for every thread of a process. The list of threads is a moving target: it is read again and again until
 * a pass proves that all are known (question.c); what is born of a seized thread is attached by the kernel
 * (PTRACE_O_TRACECLONE) and only then refused to us with EPERM, which TracerPid tells apart from another tracer.
 *
 * The first process is reached by the directory that the monitor pinned, so never another one that has got its pid.
 * A child that we hold cannot lose its pid.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>

#include "daemon/link/clock.h"
#include "daemon/tracer/tracer_private.h"

/* The number, or the letter, behind a field's name. NULL = not there. The name of the program comes first and has its
 * newlines escaped. */
static const char *field_find(const char *text, const char *name)
{
        const char *found = strstr(text, name);

        return found == NULL ? NULL : found + strlen(name);
}

int facts_read(int directory, const char *path, struct facts *ret)
{
        CLEANUP_CLOSE int fd = openat(directory, path, O_RDONLY | O_CLOEXEC);
        char text[4096];
        ssize_t n;

        if (fd < 0)
                return -errno;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        const char *state = field_find(text, "\nState:\t"), *pid = field_find(text, "\nTgid:\t"),
                   *tracer = field_find(text, "\nTracerPid:\t");
        if (state == NULL || pid == NULL || tracer == NULL)
                return -EBADMSG;
        *ret = (struct facts){
                .state = *state, .pid = (pid_t)strtol(pid, NULL, 10), .tracer = (pid_t)strtol(tracer, NULL, 10)};
        return 0;
}

int facts_of_tracee(pid_t tid, struct facts *ret)
{
        struct facts facts;
        char path[40];
        int r;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", tid);
        r = facts_read(AT_FDCWD, path, &facts);
        if (r < 0)
                return r;
        if (facts.tracer != getpid())
                return -ESRCH;
        *ret = facts;
        return 0;
}

/* 0 or an errno number. */
static int try_seize(pid_t tid)
{
        return ptrace(PTRACE_SEIZE, tid, NULL, (void *)(uintptr_t)TRACEE_SEIZE_OPTIONS) < 0 ? errno : 0;
}

/*
 * Refused: the kernel attached it to us already, it is dead, or somebody else has it. Or it was about to take over the
 * leader's place in an exec, which looks like a dead thread to PTRACE_SEIZE and like a sound one a moment later.
 * true = who it is is known, and it stays in the list: a leader does to the last, who is traced until its tracer has
 * taken its end.
 */
static bool seize(struct tracer *tracer, int tasks, pid_t tid, pid_t pid)
{
        int error = try_seize(tid);
        struct facts facts = {0};
        char path[40];

        if (error != 0) {
                (void)snprintf(path, sizeof(path), "%d/status", tid);
                if (error == ESRCH || facts_read(tasks, path, &facts) < 0 || facts.state == 'X')
                        return false;
                if (facts.state == 'Z')
                        return tid == pid || facts.tracer == getpid();
                if (facts.tracer == 0)
                        error = try_seize(tid);
        }
        if (error == 0 || facts.tracer == getpid())
                tracees_seized(&tracer->tracees, tid, pid);
        else if (error != ESRCH)
                tracees_refused(&tracer->tracees, pid, facts.tracer != 0 ? EBUSY : error);
        return error != ESRCH;
}

/* The directory has a link for each thread beside its two (proc_task_getattr(), fs/proc/base.c). */
static bool has_as_many(int tasks, size_t n)
{
        struct stat stat;

        return fstat(tasks, &stat) == 0 && stat.st_nlink == n + 2;
}

static int open_tasks(const struct tracer *tracer, pid_t pid)
{
        char path[40];

        (void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
        return tracer->first_pid == 0 || pid == tracer->first_pid
                       ? openat(tracer->process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                       : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

void attach_scan(struct tracer *tracer, pid_t pid)
{
        int fd = open_tasks(tracer, pid);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        size_t n_known = 0;

        if (dir == NULL) {
                tracees_scanned(&tracer->tracees, pid, errno == ENOENT ? ESRCH : errno);
                return;
        }
        while ((entry = readdir(dir)) != NULL) {
                pid_t tid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;

                if (tid > 0)
                        n_known += tracees_find(&tracer->tracees, tid) != NULL || seize(tracer, fd, tid, pid);
        }
        if (!has_as_many(fd, n_known))
                tracees_unknown(&tracer->tracees, pid);
        (void)closedir(dir);
        tracees_time(&tracer->tracees, monotonic_ns()); /* a thousand threads take a while */
        tracees_scanned(&tracer->tracees, pid, 0);
}
