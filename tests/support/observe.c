/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Independent witnesses: counting events, which the kernel hands down to children and threads, and /proc. */
#include "observe.h"

#include <dirent.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "harness.h"

static int open_one(pid_t tid)
{
        struct perf_event_attr attr = {
                .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_PAGE_FAULTS, .inherit = 1};
        int fd = (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);

        CHECK(fd >= 0, "perf_event_open: %s", strerror(errno));
        return fd;
}

void counter_open(struct counter *counter, pid_t pid)
{
        char path[64];
        struct dirent *entry;
        DIR *dir;

        (void)snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
        dir = opendir(path);
        CHECK(dir, "%s: %s", path, strerror(errno));
        counter->n = 0;
        while ((entry = readdir(dir))) {
                if (entry->d_name[0] == '.')
                        continue;
                CHECK(counter->n < MAX_COUNTERS, "too many threads");
                counter->fds[counter->n++] = open_one((pid_t)strtol(entry->d_name, NULL, 10));
        }
        (void)closedir(dir);
}

uint64_t counter_read(const struct counter *counter)
{
        uint64_t sum = 0, value;

        for (size_t i = 0; i < counter->n; i++) {
                CHECK(read(counter->fds[i], &value, sizeof(value)) == (ssize_t)sizeof(value), "reading a counter");
                sum += value;
        }
        return sum;
}

/* The first word of a line of /proc/PID/status; "" = there is none. */
static void read_status(pid_t pid, const char *name, char value[64])
{
        char path[64], line[256];
        size_t n = strlen(name);
        FILE *f;

        value[0] = '\0';
        (void)snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                if (strncmp(line, name, n) == 0 && line[n] == ':')
                        (void)sscanf(line + n + 1, "%63s", value);
        if (f)
                (void)fclose(f);
}

pid_t process_tracer(pid_t pid)
{
        char value[64];

        read_status(pid, "TracerPid", value);
        return (pid_t)strtol(value, NULL, 10);
}

void process_wait_tracer(pid_t pid, bool wanted)
{
        while ((process_tracer(pid) != 0) != wanted) {
                CHECK(process_state(pid), "process %d is gone", (int)pid);
                (void)poll(NULL, 0, 1);
        }
}

pid_t process_child_named(pid_t pid, const char *prefix)
{
        char path[64], name[64];
        pid_t child, found = 0;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
        f = fopen(path, "re");
        while (f && !found && fscanf(f, "%d", &child) == 1) {
                read_status(child, "Name", name);
                if (strncmp(name, prefix, strlen(prefix)) == 0)
                        found = child;
        }
        if (f)
                (void)fclose(f);
        return found;
}
