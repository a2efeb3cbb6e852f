/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What /proc tells of one process, read by descriptor of its folder so that all of it is of the same process, with the
 * rights of whoever runs us. Nothing is written, nobody is stopped. All errors are -errno, most often -EACCES (not
 * ours: ptrace access is needed, ptrace(2)) and -ESRCH (it has gone).
 */
#pragma once

#include <sys/types.h>

#include "client/proc/smaps.h"
#include "client/text.h"

struct process {
        pid_t pid;
        int folder_fd; /* /proc/PID */
};

int process_open(pid_t pid, struct process *ret) MUST_CHECK;
void process_close(struct process *process);

/* A whole file of it: "maps", "status", "auxv". Appends. */
int process_read(const struct process *process, const char *name, struct text *out) MUST_CHECK;

/* smaps, or where that may not be read (or the kernel has none) maps. */
int process_smaps(const struct process *process, bool with_amounts, struct smaps *ret) MUST_CHECK;

/* For reading: "pagemap", "mem"; the caller's. -errno. */
int process_open_file(const struct process *process, const char *name) MUST_CHECK;

/* The file behind a map, also one that was deleted: /proc/PID/map_files, and where that may not be opened (it needs
 * CAP_CHECKPOINT_RESTORE) the path as the process sees it, if device and inode are the map's. A regular file for
 * reading; the caller's. -errno; -ESTALE: another file is there now. */
int process_open_map(const struct process *process, const struct smaps_map *map) MUST_CHECK;

/* 4 or 5: how the machine takes addresses apart (la57 in the flags of /proc/cpuinfo and a kernel that uses it). */
unsigned int machine_n_levels(void);
