/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A user who watches a program wants to know what the watching costs. Of a private daemon all processes can be found,
 * for they are its children; what the system's daemon does for us is not to be told from what it does for others.
 */
#include "client/cost.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
        FAMILY_DEPTH_MAX = 4, /* monitor, engine or tracer; nothing below these */
        STAT_BYTES_MAX = 1024,
        CHILDREN_BYTES_MAX = 4096,
};

/* The beginning of a file, NUL-terminated. 0; -errno. */
static int read_file(const char *path, char *to, size_t size_bytes)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, to, size_bytes - 1) : -1;

        if (n < 0)
                return -errno;
        to[n] = '\0';
        return 0;
}

static int add_process(pid_t pid, struct cost *cost)
{
        char path[64], text[STAT_BYTES_MAX];
        unsigned long user, system;
        long user_of_children, system_of_children, pages;
        const char *behind_name;
        int r;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        r = read_file(path, text, sizeof(text));
        if (r < 0)
                return r;
        behind_name = strrchr(text, ')');
        if (!behind_name || sscanf(behind_name,
                                   ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld %*d %*d %*d %*d %*u "
                                   "%*u %ld",
                                   &user, &system, &user_of_children, &system_of_children, &pages) != 5)
                return -EBADMSG;
        cost->cpu_ns += (user + system + (unsigned long)user_of_children + (unsigned long)system_of_children) *
                        (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
        cost->bytes += (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
        return 0;
}

static void add_children(pid_t pid, unsigned int depth, struct cost *cost)
{
        char path[64], text[CHILDREN_BYTES_MAX];
        const char *p = text;
        int child, n;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
        if (depth == 0 || read_file(path, text, sizeof(text)) < 0)
                return;
        for (; sscanf(p, "%d %n", &child, &n) == 1; p += n)
                if (add_process(child, cost) == 0)
                        add_children(child, depth - 1, cost);
}

int cost_of_family(pid_t pid, struct cost *ret)
{
        struct cost cost = {0};
        int r = add_process(pid, &cost);

        if (r < 0)
                return r;
        add_children(pid, FAMILY_DEPTH_MAX, &cost);
        *ret = cost;
        return 0;
}

static uint64_t ns_of(const struct timeval *time)
{
        return (uint64_t)time->tv_sec * NSEC_PER_SEC + (uint64_t)time->tv_usec * 1000;
}

int cost_of_ourselves(struct cost *ret)
{
        struct rusage usage;
        struct cost cost = {0};
        int r = add_process(getpid(), &cost);

        if (r < 0)
                return r;
        if (getrusage(RUSAGE_SELF, &usage) < 0)
                return -errno;
        cost.cpu_ns = ns_of(&usage.ru_utime) + ns_of(&usage.ru_stime); /* finer than ticks */
        *ret = cost;
        return 0;
}
