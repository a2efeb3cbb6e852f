/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* cgroups (v2) made for a test. Like the harness, each function does what it says or ends the test. */
#pragma once

#include <sys/types.h>

#define GROUP_PATH_BYTES 512

/* Skips the test where none can be made. All that are made are removed at its end. */
void groups_begin(void);
/* parent: another one that was made, NULL = the root. Its directory, which is what a group is in all of these. */
const char *group_make(const char *parent, const char *name);
void group_move_in(const char *group, pid_t pid);
/* As /proc/PID/cgroup has it. */
const char *group_path(const char *group);
/* The last part of its path. */
const char *group_name(const char *group);
