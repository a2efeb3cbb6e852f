/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The images in the maps of the process that the picture of its address space shows: its sections, and the names of
 * single addresses. They are read bit by bit, because a program has hundreds and the screen does not wait. */
#pragma once

#include <stdbool.h>

#include "client/proc/process.h"
#include "client/text.h"
#include "client/top/space.h"

struct image_cache;

struct top_images { /* all zero: none yet */
        struct process process;
        struct image_cache *cache; /* owned; NULL: none yet */
        struct smaps_map *seen;    /* owned; one map of each file that was read, its numbers only */
        size_t n_seen, size_seen;
        uint64_t digest; /* of the maps whose sections were told last, with how many files were read for them */
        bool has_told;
};

void top_images_free(struct top_images *images); /* contents */

/*
 * The sections in these maps of process pid, for space_set_marks(); the caller's to free, the names live as long as
 * `images`. Reads files for some milliseconds at most (the last one to its end); when not all have been read the next
 * call goes on. 1: *ret are new ones; 0: nothing has changed since the last call; -errno.
 */
int top_images_sections(struct top_images *images, int32_t pid, const struct smaps *smaps, struct space_mark **ret,
                        size_t *ret_n_marks) MUST_CHECK;

/* "libc.so.6 .text malloc+0x10", as far as known, appended, raw bytes. 0; -errno. */
int top_images_name(struct top_images *images, int32_t pid, uint64_t address, bool demangles,
                    struct text *out) MUST_CHECK;
