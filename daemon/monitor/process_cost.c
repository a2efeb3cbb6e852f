/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name in /proc/PID/stat may hold anything, parentheses and spaces too: what comes after it begins at the last one.
 */
#include "daemon/monitor/process_cost.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "proto/base.h"

static void read_text(pid_t pid, const char *name, char *ret, size_t n_ret)
{
        char path[64];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        n = fd < 0 ? 0 : read(fd, ret, n_ret - 1);
        ret[n > 0 ? n : 0] = '\0';
}

void process_cost_read(pid_t pid, uint64_t *ret_cpu_ns, uint64_t *ret_memory_bytes)
{
        unsigned long long user = 0, system = 0, pages = 0;
        char text[1024];
        const char *behind_name;

        read_text(pid, "stat", text, sizeof(text));
        behind_name = strrchr(text, ')');
        if (behind_name != NULL) /* state is field 3, utime 14, stime 15 */
                (void)sscanf(behind_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system);
        *ret_cpu_ns = (user + system) * (NSEC_PER_SEC / (uint64_t)sysconf(_SC_CLK_TCK));
        read_text(pid, "statm", text, sizeof(text));
        (void)sscanf(text, "%*u %llu", &pages);
        *ret_memory_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
}
