/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STATUS of one client: its question on the way to the monitor, and the answer on the way back, row by row as there is
 * room. engine_private.h has the functions.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/proto.h"

struct status {
        bool is_asked; /* the monitor was, and has not answered */
        bool is_held;  /* `next` waits to be asked; until then nothing more of the client is read */
        struct proto_status next;
        uint64_t asked_ns; /* the last time; 0 = never */
        int rows_fd;       /* owned: struct status_row (daemon/link/status.h); -1 = none */
        uint32_t n_rows, n_sent;
};
