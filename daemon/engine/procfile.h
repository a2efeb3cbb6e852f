/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the engine asks /proc by descriptors that the monitor opened: maps, one map by address, VmFlags. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/engine/model/map.h"
#include "proto/base.h"

/* A whole /proc file from its beginning. *ret_text is the caller's. 0 or -errno (-ESRCH: the process is gone). */
int procfile_read(int fd, char **ret_text, size_t *ret_n) MUST_CHECK;

enum procfile_outcome {
        PROCFILE_MAP = 1, /* *ret is the map that holds addr */
        PROCFILE_GAP = 0, /* nothing is mapped at addr; ret->start and ret->end are the gap's bounds */
};

/*
 * PROCMAP_QUERY (include/uapi/linux/fs.h, since Linux 6.11) on an open /proc/PID/maps. name: room for ret->path. enum
 * procfile_outcome; -ENOTTY: the kernel has no such request; -ESRCH: the memory is gone (exit, or an exec since the
 * file was opened).
 */
int procfile_query(int maps_fd, uint64_t addr, char *name, size_t n_name, struct map_spec *ret) MUST_CHECK;
