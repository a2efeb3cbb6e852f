/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The events themselves do not tell: poll(2) reports a removed one, but takes the ring's wakeup away from the engine
 * (perf_poll(), kernel/events/core.c), and with children there is always one left. What decides is whether the new
 * memory is dumpable, and the kernel says that of a pidfd: PIDFD_GET_INFO, since Linux 6.16.
 *
 * On older kernels the owner of the files in /proc/PID tells: root, if the process is not dumpable (task_dump_owner(),
 * fs/proc/base.c), else the process's effective user and group. That leaves root's own processes, where the change of
 * an id is what makes them so; root's processes that gain capabilities by an exec are not recognized there.
 */
#include "daemon/monitor/dumpable.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioctl.h>
#include <linux/types.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

/* include/uapi/linux/pidfd.h, as of Linux 6.16. */
struct pidfd_info_6_16 {
        __u64 mask, cgroupid;
        __u32 pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid, exit_code;
        __u32 coredump_mask, reserved;
};

#define INFO_COREDUMP (1u << 4)
#define COREDUMP_USER (1u << 2) /* what would be dumped belongs to the user: SUID_DUMP_USER */
#define GET_INFO _IOWR(0xff, 11, struct pidfd_info_6_16)

/* 1 = yes, 0 = no, -ENOTTY = this kernel does not tell. */
static int ask_pidfd(int pidfd)
{
        struct pidfd_info_6_16 info = {.mask = INFO_COREDUMP};

        if (ioctl(pidfd, GET_INFO, &info) < 0 || (info.mask & INFO_COREDUMP) == 0)
                return -ENOTTY;
        return (info.coredump_mask & COREDUMP_USER) != 0;
}

static bool changed_ids(const struct target *target, const char *name, unsigned int *ret_effective)
{
        unsigned int real;
        char text[64];

        return target_read_status(target, name, text, sizeof(text)) == 0 &&
               sscanf(text, "%u %u", &real, ret_effective) == 2 && real != *ret_effective;
}

static bool belongs_to_root(const struct target *target)
{
        unsigned int uid = 0, gid = 0;
        CLEANUP_CLOSE int maps = target_open(target, "maps", O_PATH);
        struct stat st;

        if (changed_ids(target, "Uid", &uid) || changed_ids(target, "Gid", &gid))
                return true;
        return maps >= 0 && fstat(maps, &st) == 0 && (st.st_uid != uid || st.st_gid != gid);
}

bool target_lost_its_events(const struct target *target)
{
        int r = ask_pidfd(target->pidfd);

        return r < 0 ? belongs_to_root(target) : r == 0;
}
