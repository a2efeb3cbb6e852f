/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What others write while the screen is not theirs: the command that is traced, a private daemon. It goes to a file in
 * memory, of which only the end is kept, and can be read when the terminal is a plain one again.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/base.h"

#define CAPTURE_KEPT_BYTES (64 * 1024)

struct capture {
        int fd;              /* to write to; owned. -1: none */
        uint64_t read_bytes; /* so much has been given out, or left out */
};

#define CAPTURE_NONE                                                                                                   \
        {                                                                                                              \
                .fd = -1                                                                                               \
        }

int capture_open(struct capture *ret) MUST_CHECK; /* 0; -errno */
void capture_close(struct capture *capture);      /* idempotent; writers are not disturbed */

/* Gives back the memory of all but the last CAPTURE_KEPT_BYTES. Call it now and then: nothing else bounds it. */
void capture_trim(const struct capture *capture);

/* Has anything been written that was not given out yet? */
bool capture_has_more(const struct capture *capture);

/*
 * What was written since the last call goes to fd as it is, at most the last CAPTURE_KEPT_BYTES of it, in whole lines
 * from the first on. Returns how many bytes were left out before it.
 */
uint64_t capture_give(struct capture *capture, int fd);
