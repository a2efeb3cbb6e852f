/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of /proc/PID/maps and the VmFlags of /proc/PID/smaps as values (proc_pid_maps(5), proc_pid_smaps(5)). Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

#define PROCMAPS_UNESCAPED_BYTES 4096 /* PATH_MAX; a longer path keeps its escapes */

/*
 * The kernel writes a newline in a path as \012 and nothing else so, not even a backslash (show_vma_header_prefix(),
 * fs/proc/task_mmu.c; mangle_path(), fs/seq_file.c): a file that is called \012 reads as one that is called newline.
 * Records of perf events have paths without escapes. Not to be copied: path may point into it.
 */
struct procmaps_line {
        uint64_t start, end, offset;
        char perms[4]; /* "rwxp" or 's' */
        uint32_t major, minor;
        uint64_t inode;
        const char *path; /* as it is: within the text, or `unescaped` where the kernel escaped something in it */
        size_t n_path;    /* may be 0 */
        char unescaped[PROCMAPS_UNESCAPED_BYTES];
};

/*
 * Parse the line at *offset and move behind it. 1 = a line, 0 = end of text, -EBADMSG = not a maps line (offset moved
 * behind it all the same; *ret is untouched). A last line without newline is a line.
 */
int procmaps_next(const char *text, size_t n_text, size_t *offset, struct procmaps_line *ret) MUST_CHECK;

/* Ranges of a smaps text whose VmFlags contain the two-letter flag: calls found() for each. Returns how many. */
size_t procmaps_find_flag(const char *smaps, size_t n_smaps, const char flag[static 2],
                          void (*found)(void *user, uint64_t start, uint64_t end), void *user);
