/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The monitor's answer to LINK_STATUS: a sealed file in memory of so many rows, each of which becomes one message to
 * the client. The monitor has left out what that client may not see; the engine only encodes.
 */
#pragma once

#include <stdint.h>

#include "proto/proto.h"

#define STATUS_TEXT_BYTES 256
#define STATUS_MAX_ROWS 4096

enum status_text { /* by type */
                   STATUS_TEXT_VERSION = 0,
                   STATUS_TEXT_COMM = 0,
                   STATUS_TEXT_UNIT = 1,
                   STATUS_TEXT_DEGRADED = 2,
                   N_STATUS_TEXTS,
};

struct status_row {
        uint32_t type; /* MESSAGE_STATUS_DAEMON ... MESSAGE_STATUS_END */
        union {        /* strings are empty here: they are in text, in this process's memory */
                struct proto_status_daemon daemon;
                struct proto_status_engine engine;
                struct proto_status_trace trace;
                struct proto_status_unit unit;
                struct proto_status_end end;
        };
        char text[N_STATUS_TEXTS][STATUS_TEXT_BYTES]; /* NUL-terminated */
};
