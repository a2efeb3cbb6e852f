/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tracefs is not mounted everywhere, and mounting it visibly is not a tracer's business: a detached mount (fsopen(2),
 * fsmount(2)) shows it to us alone and goes away with its descriptor.
 */
#include "daemon/monitor/tracefs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>

#include "proto/base.h"

static int read_id(int events, const char *path, uint64_t *ret)
{
        char text[32] = {0};
        CLEANUP_CLOSE int fd = openat(events, path, O_RDONLY | O_CLOEXEC);
        char *end;

        if (fd < 0)
                return -errno;
        if (read(fd, text, sizeof(text) - 1) < 0)
                return -errno;
        errno = 0;
        uint64_t id = strtoull(text, &end, 10);
        if (errno != 0 || end == text || id == 0)
                return -EINVAL;
        *ret = id;
        return 0;
}

static int read_ids(int root, struct tracefs *ret)
{
        int r = read_id(root, "events/exceptions/page_fault_user/id", &ret->page_fault_user);

        if (read_id(root, "events/syscalls/sys_enter_munmap/id", &ret->munmap) < 0 ||
            read_id(root, "events/syscalls/sys_enter_mremap/id", &ret->mremap) < 0)
                ret->munmap = ret->mremap = 0;
        return r < 0 ? r : read_id(root, "events/exceptions/page_fault_kernel/id", &ret->page_fault_kernel);
}

static int open_detached(void)
{
        CLEANUP_CLOSE int context = fsopen("tracefs", FSOPEN_CLOEXEC);

        if (context < 0 || fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
                return -errno;
        int mount = fsmount(context, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_NOSUID);
        return mount < 0 ? -errno : mount;
}

void tracefs_read(struct tracefs *ret)
{
        static const char *const mounts[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
        struct tracefs tracefs = {.error = ENOENT};
        int r;

        for (size_t i = 0; i < ARRAY_SIZE(mounts) && tracefs.error != 0; i++) {
                CLEANUP_CLOSE int root = open(mounts[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

                r = root < 0 ? -errno : read_ids(root, &tracefs);
                if (r != -ENOENT || tracefs.error == ENOENT)
                        tracefs.error = -r; /* "not allowed" says more than "not there" */
        }
        if (tracefs.error != 0) {
                CLEANUP_CLOSE int root = open_detached();

                if (root >= 0 && read_ids(root, &tracefs) == 0)
                        tracefs.error = 0;
        }
        *ret = tracefs;
}
