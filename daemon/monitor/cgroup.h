/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A control group as a target: found by the name of a systemd unit or by its path, listed, and watched for its end.
 * cgroup v2 only (cgroups(7)).
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#include "daemon/link/link.h"
#include "proto/base.h"

/*
 * Work for a helper (helper.h), because it asks systemd and walks a file system: find the cgroup of `unit`, a unit name
 * ("nginx.service", "nginx"), or the path of a cgroup: as /proc/PID/cgroup has it ("/system.slice/nginx.service"), or
 * in the file system ("/sys/fs/cgroup/system.slice/nginx.service"). A unit is asked of systemd over the system bus, and
 * else, also for units of a user's systemd, looked for in the file system. *ret_fd: its directory (O_RDONLY). 0;
 * -ENOENT: there is none (or it is not running); -ENOTUNIQ: several; -EISDIR: it is the root of
 * them all; -ENOTSUP: no cgroup v2 here; another -errno.
 */
int cgroup_find_work(void *unit, int *ret_fd);

/* One line for the user: why cgroup_find_work() failed. error: positive. */
void cgroup_explain(const char *unit, int error, char text[static LINK_TEXT_BYTES]);

struct cgroup_processes {
        pid_t *pids;
        size_t n;
};

/* The processes in it and below it. 0 or -errno; the caller frees ->pids. */
int cgroup_list(int cgroup, struct cgroup_processes *ret) MUST_CHECK;
/*
 * Descriptor of cgroup.events, which polls EPOLLPRI when "populated" changes (cgroups(7)), or -errno. Read it by
 * cgroup_is_populated() before each wait.
 */
int cgroup_open_events(int cgroup) MUST_CHECK;
/* Whether a process lives in it or below it; -errno when that cannot be read (it was removed): as good as none. */
int cgroup_is_populated(int events_fd) MUST_CHECK;
