/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the service manager keeps for us (sd_pid_notify_with_fds(3), FDSTORE=1), by name: the table, and pidfds. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/monitor/sessions.h"

#define KEEPER_TABLE 0 /* in the place of a record's serial number */

/* "trace-17" -> 17, "sessions" -> KEEPER_TABLE. false: it is neither. */
bool keeper_parse_name(const char *name, uint64_t *ret_serial) MUST_CHECK;

/* Send it, for the record with this serial number; it stays the caller's. 0; -ENOTCONN: nobody keeps anything; -errno.
 */
int keeper_keep(int fd, uint64_t serial) MUST_CHECK;
/* It is not to be kept any more. */
void keeper_give_up(uint64_t serial);

/* A new table, which is kept from now on. 0; -ENOTCONN; -errno. The caller unmaps it and closes the descriptor. */
int keeper_make_table(struct sessions **ret_table, int *ret_fd) MUST_CHECK;
/* One that was kept, mapped; NULL: it is none that this daemon knows. */
struct sessions *keeper_take_table(int fd) MUST_CHECK;
