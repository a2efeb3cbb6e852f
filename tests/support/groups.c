/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cgroup file system is looked for where it is mounted, not where it could be. What was made is removed whatever
 * happens, with the processes that a failed test leaves in it.
 */
#include "groups.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define MAX_GROUPS 8

static char mount_point[256];
static char groups[MAX_GROUPS][GROUP_PATH_BYTES]; /* made by us, each after its parent */
static size_t n_groups;

static void write_file(const char *group, const char *name, const char *text)
{
        char path[GROUP_PATH_BYTES + 64];
        CLEANUP_CLOSE int fd = -1;

        (void)snprintf(path, sizeof(path), "%s/%s", group, name);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text), "%s: %s", path, strerror(errno));
}

static bool is_populated(const char *group)
{
        char path[GROUP_PATH_BYTES + 64], line[64];
        bool populated = false;
        FILE *f;

        (void)snprintf(path, sizeof(path), "%s/cgroup.events", group);
        f = fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
                populated |= strcmp(line, "populated 1\n") == 0;
        if (f)
                (void)fclose(f);
        return populated;
}

static void remove_groups(void)
{
        for (size_t i = n_groups; i > 0; i--) {
                char path[GROUP_PATH_BYTES + 64];
                CLEANUP_CLOSE int fd = -1;

                (void)snprintf(path, sizeof(path), "%s/cgroup.kill", groups[i - 1]);
                fd = open(path, O_WRONLY | O_CLOEXEC);
                if (fd >= 0 && write(fd, "1", 1) == 1)
                        while (is_populated(groups[i - 1]))
                                (void)poll(NULL, 0, 1);
                (void)rmdir(groups[i - 1]);
        }
}

void groups_begin(void)
{
        char line[1024], type[64];
        FILE *f = fopen("/proc/self/mounts", "re");

        while (f && !*mount_point && fgets(line, sizeof(line), f))
                if (sscanf(line, "%*s %255s %63s", mount_point, type) != 2 || strcmp(type, "cgroup2") != 0)
                        *mount_point = '\0';
        if (f)
                (void)fclose(f);
        if (!*mount_point)
                skip("no cgroup v2 is mounted");
        if (access(mount_point, W_OK) < 0)
                skip("%s: %s", mount_point, strerror(errno));
        (void)atexit(remove_groups);
}

const char *group_make(const char *parent, const char *name)
{
        char *group = groups[n_groups];

        CHECK(n_groups < MAX_GROUPS, "too many groups");
        (void)snprintf(group, GROUP_PATH_BYTES, "%s/%s", parent ? parent : mount_point, name);
        if (mkdir(group, 0755) < 0)
                skip("%s: %s", group, strerror(errno));
        n_groups++;
        return group;
}

void group_move_in(const char *group, pid_t pid)
{
        char number[16];

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        write_file(group, "cgroup.procs", number);
}

const char *group_path(const char *group)
{
        return group + strlen(mount_point);
}

const char *group_name(const char *group)
{
        return strrchr(group, '/') + 1;
}
