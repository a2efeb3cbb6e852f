/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order matters: pidfd first, then the directory, then a signal 0 through the pidfd. If the process still exists
 * after the directory was opened, the directory is its (a number is not reused before its process is reaped).
 *
 * What belongs to the memory is reached through a thread that still has some: a leader that called pthread_exit() is a
 * zombie, and its maps, map_files, root and exe are empty while its siblings run on.
 *
 * A thread id carries no such proof, so lists of threads are checked against /proc/PID/task after use (events.c).
 */
#include "daemon/monitor/target.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PF_KTHREAD 0x00200000 /* include/linux/sched.h; field 9 of /proc/PID/stat */
#define MAX_PASSES 16

struct stat_fields {
        char state;
        unsigned int flags;
        uint64_t min_flt, maj_flt;
};

static int read_at(int dir, const char *path, char *buffer, size_t size)
{
        CLEANUP_CLOSE int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        ssize_t n = read(fd, buffer, size - 1);
        if (n < 0)
                return -errno;
        buffer[n] = '\0';
        return 0;
}

static int read_stat(int dir, const char *path, struct stat_fields *ret)
{
        struct stat_fields fields;
        char text[1024];
        int r = read_at(dir, path, text, sizeof(text));

        if (r < 0)
                return r;
        const char *rest = strrchr(text, ')'); /* the name before it may contain anything */
        if (rest == NULL || sscanf(rest + 1, " %c %*d %*d %*d %*d %*d %u %" SCNu64 " %*u %" SCNu64, &fields.state,
                                   &fields.flags, &fields.min_flt, &fields.maj_flt) != 4)
                return -EBADMSG;
        *ret = fields;
        return 0;
}

static bool is_ended_state(char state)
{
        return state == 'Z' || state == 'X' || state == 'x';
}

static void read_comm(int dir, const char *path, char ret[static 16])
{
        char text[32];

        memset(ret, 0, 16);
        if (read_at(dir, path, text, sizeof(text)) < 0)
                return;
        text[strcspn(text, "\n")] = '\0';
        memcpy(ret, text, MIN_OF(strlen(text), (size_t)15));
}

PRINTF_LIKE(4, 5) static int refuse(char *text, pid_t pid, int error, const char *format, ...)
{
        int n = snprintf(text, LINK_TEXT_BYTES, "cannot trace process %d: ", pid);
        va_list args;

        va_start(args, format);
        (void)vsnprintf(text + n, LINK_TEXT_BYTES - (size_t)n, format, args);
        va_end(args);
        return error;
}

/* pidfd_open(2) refused a number that is no process: is it a thread? Its process, or 0. */
static pid_t process_of_thread(pid_t tid)
{
        char path[32], text[4096];
        const char *line;
        pid_t tgid;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", tid);
        if (read_at(AT_FDCWD, path, text, sizeof(text)) < 0)
                return 0;
        line = strstr(text, "\nTgid:");
        return line != NULL && sscanf(line, "\nTgid: %d", &tgid) == 1 && tgid != tid ? tgid : 0;
}

static int open_pinned(pid_t pid, struct target *target, char *text)
{
        char path[32];

        target->pid = pid;
        target->pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
        if (target->pidfd < 0) {
                int error = pid > 0 ? errno : ESRCH;
                pid_t process = pid > 0 ? process_of_thread(pid) : 0;

                if (process != 0)
                        return refuse(text, pid, -EINVAL, "it is a thread of process %d; trace that (-p %d)", process,
                                      process);
                if (error == ESRCH || error == EINVAL || error == ENOENT)
                        return refuse(text, pid, -ESRCH, "there is no such process");
                return refuse(text, pid, -error, "%s", strerrordesc_np(error));
        }
        (void)snprintf(path, sizeof(path), "/proc/%d", pid);
        target->process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (target->process < 0 || (syscall(SYS_pidfd_send_signal, target->pidfd, 0, NULL, 0) < 0 && errno == ESRCH))
                return refuse(text, pid, -ESRCH, "there is no such process");
        return 0;
}

int target_pin(pid_t pid, bool (*is_own)(void *user, pid_t pid), void *user, struct target *ret,
               char text[static LINK_TEXT_BYTES])
{
        CLEANUP(target_deinit) struct target target = TARGET_INIT;
        struct stat_fields fields;
        int r = open_pinned(pid, &target, text);

        if (r < 0)
                return r;
        if (is_own(user, pid))
                return refuse(text, pid, -EINVAL, "it is part of faultline itself, which would trace its own tracing");
        r = read_stat(target.process, "stat", &fields);
        if (r < 0)
                return refuse(text, pid, r, "%s", r == -ESRCH ? "it has just ended" : strerrordesc_np(-r));
        if ((fields.flags & PF_KTHREAD) != 0)
                return refuse(text, pid, -EINVAL, "it is a kernel thread and has no memory of its own to fault on");
        if (target_live_thread(&target) < 0)
                return refuse(text, pid, -ESRCH,
                              "it has ended already and only waits for its parent to collect it (a zombie)");
        read_comm(target.process, "comm", target.comm);
        *ret = target;
        target = TARGET_INIT;
        return 0;
}

int target_pin_process(pid_t pid, struct target *ret)
{
        CLEANUP(target_deinit) struct target target = TARGET_INIT;
        char text[LINK_TEXT_BYTES];
        int r = open_pinned(pid, &target, text);

        if (r < 0)
                return r == -EINVAL ? -ESRCH : r;
        *ret = target;
        target = TARGET_INIT;
        return 0;
}

/* "Pid:" in /proc/self/fdinfo (pidfd_open(2)): the number that it has for us, -1 once it has been reaped. */
static int pid_of_pidfd(int pidfd, pid_t *ret)
{
        char path[64], text[512];
        const char *line;
        pid_t pid;
        int r;

        (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
        r = read_at(AT_FDCWD, path, text, sizeof(text));
        if (r < 0)
                return r;
        line = strstr(text, "\nPid:");
        if (line == NULL || sscanf(line, "\nPid: %d", &pid) != 1)
                return -EBADF;
        if (pid <= 0)
                return -ESRCH;
        *ret = pid;
        return 0;
}

int target_pin_again(int pidfd, struct target *ret)
{
        CLEANUP(target_deinit) struct target target = TARGET_INIT;
        char path[32];
        int r = pid_of_pidfd(pidfd, &target.pid);

        if (r < 0)
                return r;
        target.pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
        if (target.pidfd < 0)
                return -errno;
        (void)snprintf(path, sizeof(path), "/proc/%d", target.pid);
        target.process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (target.process < 0 || (syscall(SYS_pidfd_send_signal, target.pidfd, 0, NULL, 0) < 0 && errno == ESRCH))
                return -ESRCH;
        read_comm(target.process, "comm", target.comm);
        *ret = target;
        target = TARGET_INIT;
        return 0;
}

void target_deinit(struct target *target)
{
        cleanup_close(&target->pidfd);
        cleanup_close(&target->process);
        cleanup_close(&target->root);
        *target = TARGET_INIT;
}

void target_keep_root(struct target *target)
{
        if (target->root < 0)
                target->root = target_open(target, "root", O_PATH | O_DIRECTORY);
}

bool target_is_dead(const struct target *target)
{
        struct pollfd poll_fd = {.fd = target->pidfd, .events = POLLIN};

        return poll(&poll_fd, 1, 0) == 1;
}

/*
 * A list of threads on its way. One pass over /proc/PID/task may leave out anybody: the kernel goes on from the thread
 * at which it is, so where that one ends the list does, whoever comes after it (next_tid(), fs/proc/base.c). But when
 * as many were shown as the process had afterwards, and the next pass shows all of them again, they were all there
 * were.
 */
struct listing {
        struct target_threads threads; /* all that a pass has shown */
        int *passes;                   /* the last one that showed it, for each of them */
        size_t n_room;
        int pass;                   /* under way, from 1 on */
        size_t n_shown, n_again;    /* by it; of those that the one before it had shown */
        size_t n_before, n_counted; /* by the one before; threads that the process had at its end */
};

static void listing_deinit(struct listing *listing)
{
        free(listing->threads.threads);
        free(listing->passes);
}

static int make_room(struct listing *listing)
{
        size_t n = listing->n_room == 0 ? 16 : listing->n_room * 2;
        struct link_thread *threads;
        int *passes;

        if (listing->threads.n < listing->n_room)
                return 0;
        threads = reallocarray(listing->threads.threads, n, sizeof(*threads));
        if (threads == NULL)
                return -ENOMEM;
        listing->threads.threads = threads;
        passes = reallocarray(listing->passes, n, sizeof(*passes));
        if (passes == NULL)
                return -ENOMEM;
        listing->passes = passes;
        listing->n_room = n;
        return 0;
}

/* Behind the last one, and in no pass yet. */
static int add_thread(struct listing *listing, int task, pid_t tid)
{
        int r = make_room(listing);
        char path[32];

        if (r < 0)
                return r;
        listing->passes[listing->threads.n] = 0;
        struct link_thread *thread = &listing->threads.threads[listing->threads.n++];
        thread->tid = tid;
        (void)snprintf(path, sizeof(path), "%d/comm", tid);
        read_comm(task, path, thread->comm);
        return 0;
}

/* Index, or the number of threads. */
static size_t find_thread(const struct target_threads *threads, pid_t tid)
{
        size_t i = 0;

        while (i < threads->n && threads->threads[i].tid != tid)
                i++;
        return i;
}

static int show_thread(struct listing *listing, int task, pid_t tid)
{
        size_t i = find_thread(&listing->threads, tid);
        int r = i == listing->threads.n ? add_thread(listing, task, tid) : 0;

        if (r < 0 || listing->passes[i] == listing->pass)
                return r;
        listing->n_again += listing->pass > 1 && listing->passes[i] == listing->pass - 1;
        listing->passes[i] = listing->pass;
        listing->n_shown++;
        return 0;
}

static int show_all(struct listing *listing, DIR *dir)
{
        const struct dirent *entry;
        int r = 0;

        while (r == 0 && (entry = readdir(dir)) != NULL) {
                pid_t tid = isdigit((unsigned char)entry->d_name[0]) ? (pid_t)strtol(entry->d_name, NULL, 10) : 0;

                if (tid > 0)
                        r = show_thread(listing, dirfd(dir), tid);
        }
        return r;
}

/* The directory has a link for each thread beside its two (proc_task_getattr(), fs/proc/base.c). */
static size_t count_threads(int task)
{
        struct stat stat;

        return fstat(task, &stat) == 0 && stat.st_nlink > 2 ? stat.st_nlink - 2 : 0;
}

/* 0 or -errno. */
static int list_pass(const struct target *target, struct listing *listing)
{
        int fd = openat(target->process, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        int r;

        listing->pass++;
        listing->n_before = listing->n_counted == listing->n_shown ? listing->n_shown : 0;
        listing->n_shown = listing->n_again = listing->n_counted = 0;
        if (dir == NULL) {
                r = -errno;
                cleanup_close(&fd);
                return r;
        }
        r = show_all(listing, dir);
        listing->n_counted = count_threads(fd);
        (void)closedir(dir);
        return r;
}

/* The pass before showed all that there were. */
static bool is_proved(const struct listing *listing)
{
        return listing->n_before > 0 && listing->n_again == listing->n_before;
}

/* While an exec changes who the leader is, no thread may be found for a moment of a process that lives. */
static bool is_gone(int result)
{
        return result == -ENOENT || result == -ESRCH;
}

int target_list_threads(const struct target *target, struct target_threads *ret)
{
        CLEANUP(listing_deinit) struct listing listing = {0};
        int r = 0;

        while (listing.pass < MAX_PASSES && !listing.threads.is_complete) {
                r = list_pass(target, &listing);
                if (r < 0 && !is_gone(r))
                        return r;
                listing.threads.is_complete = is_proved(&listing);
                if (listing.n_shown == 0 && target_is_dead(target))
                        break;
        }
        if (r < 0 || listing.threads.n == 0)
                return -ESRCH;
        *ret = listing.threads;
        listing.threads.threads = NULL;
        return 0;
}

bool target_threads_have(const struct target_threads *threads, pid_t tid)
{
        return find_thread(threads, tid) < threads->n;
}

bool target_has_thread(const struct target *target, pid_t tid)
{
        struct stat st;
        char path[32];

        (void)snprintf(path, sizeof(path), "task/%d", tid);
        return fstatat(target->process, path, &st, 0) == 0; /* faccessat(2) asks without our capabilities */
}

static bool thread_is_live(const struct target *target, pid_t tid)
{
        struct stat_fields fields;
        char path[32];

        (void)snprintf(path, sizeof(path), "task/%d/stat", tid);
        return read_stat(target->process, path, &fields) == 0 && !is_ended_state(fields.state);
}

bool target_has_live_leader(const struct target *target)
{
        return thread_is_live(target, target->pid);
}

static pid_t find_live_thread(const struct target *target)
{
        struct target_threads threads = {0};
        pid_t live = -ESRCH;

        if (thread_is_live(target, target->pid))
                return target->pid;
        if (target_list_threads(target, &threads) < 0)
                return -ESRCH;
        for (size_t i = 0; i < threads.n && live < 0; i++)
                if (thread_is_live(target, threads.threads[i].tid))
                        live = threads.threads[i].tid;
        free(threads.threads);
        return live;
}

/* A thread that executes a program takes the leader's number, and is found by neither if we look in between. */
pid_t target_live_thread(const struct target *target)
{
        pid_t live = -ESRCH;

        for (int pass = 0; pass < MAX_PASSES && live < 0; pass++) {
                live = find_live_thread(target);
                if (live < 0 && target_is_dead(target))
                        break;
        }
        return live;
}

/*
 * /proc/TID of a thread: unlike task/TID it has everything that /proc/PID has (map_files is not in task/TID,
 * fs/proc/base.c, tid_base_stuff). The number may have gone to another process before we opened it, so it must be one
 * of the target's afterwards.
 */
static int open_thread(const struct target *target, pid_t tid)
{
        CLEANUP_CLOSE int fd = -1;
        char path[32];

        (void)snprintf(path, sizeof(path), "/proc/%d", tid);
        fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        return target_has_thread(target, tid) ? TAKE_FD(fd) : -ESRCH;
}

static int open_by_thread(const struct target *target, pid_t tid, const char *name, int flags)
{
        CLEANUP_CLOSE int dir = tid == target->pid ? openat(target->process, ".", O_PATH | O_DIRECTORY | O_CLOEXEC)
                                                   : open_thread(target, tid);
        int fd;

        if (dir < 0)
                return -ESRCH;
        fd = openat(dir, name, flags | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int target_open(const struct target *target, const char *name, int flags)
{
        for (int pass = 0; pass < MAX_PASSES; pass++) {
                pid_t tid = target_live_thread(target);
                int fd;

                if (tid < 0)
                        return tid;
                fd = open_by_thread(target, tid, name, flags);
                if (thread_is_live(target, tid)) /* else it may be the empty file of one that has just ended */
                        return fd;
                cleanup_close(&fd);
        }
        return -ESRCH;
}

int target_read_status(const struct target *target, const char *name, char *ret, size_t size)
{
        CLEANUP_CLOSE int fd = target_open(target, "status", O_RDONLY);
        size_t n_name = strlen(name);
        char text[4096]; /* enough: what comes late in it is not asked for */
        ssize_t n;

        if (fd < 0)
                return fd;
        n = read(fd, text, sizeof(text) - 1);
        if (n < 0)
                return -errno;
        text[n] = '\0';
        for (char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
                *end = '\0';
                if (strncmp(line, name, n_name) == 0 && line[n_name] == ':') {
                        (void)snprintf(ret, size, "%s", line + n_name + 1 + (line[n_name + 1] == '\t'));
                        return 0;
                }
        }
        return -ENOENT;
}

pid_t target_tracer(const struct target *target)
{
        char text[32];

        return target_read_status(target, "TracerPid", text, sizeof(text)) == 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

int target_read_faults(const struct target *target, struct target_faults *ret)
{
        struct stat_fields fields;
        int r = read_stat(target->process, "stat", &fields);

        if (r == 0)
                *ret = (struct target_faults){.min_flt = fields.min_flt, .maj_flt = fields.maj_flt};
        return r;
}
