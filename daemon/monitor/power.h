/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the monitor may do. It takes at the start what can be had once (limits, kernel symbols), finds out which of its
 * capabilities this kernel asks for, and gives up all others for good.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "proto/base.h"

#define POWER_TEXT_BYTES 512

struct power {
        uint64_t held;     /* 1 << capability: in the permitted and the effective set, and in no other */
        uint64_t given_up; /* was there at the start */
};

/*
 * Soft limits up to the hard ones where descriptors, locked memory and real-time priority are concerned, and the hard
 * ones up as well where we may.
 */
void power_raise_limits(void);

/*
 * Descriptor of /proc/kallsyms that shows addresses, the caller's; -EPERM: it would show zeros; another -errno. What
 * counts is who opened it (kallsyms_open(), kernel/kallsyms.c): with CAP_SYSLOG we do, without it the service manager
 * may have, as our standard input.
 */
int power_open_kallsyms(void) MUST_CHECK;

/*
 * From now on files are opened with the rights that this user has as their owner and this group as theirs
 * (setfsuid(2)), and with our capabilities as before. That is how a service with CAP_SETUID does without
 * CAP_DAC_READ_SEARCH; with it, or without either, nothing changes. Of the calling thread.
 */
void power_files_as(uid_t uid, gid_t gid);

/*
 * To be called after everything that needs more, and while there is one thread, for capabilities are a thread's. Keeps
 * of the capabilities that we have what attaching needs; CAP_SYS_ADMIN only if something does not work without it, the
 * others only if no resource limit does instead. n_ring_bytes: what all rings together may lock. one_user: nobody else
 * than our own user is ever served. The bounding set is emptied, so that nothing we fork has one either (needs
 * CAP_SETPCAP at the start), and no program that we execute could gain rights. 0 or -errno: not all could be dropped.
 */
int power_reduce(uint64_t n_ring_bytes, bool one_user, struct power *ret) MUST_CHECK;

/* "CAP_KILL, CAP_SETGID", or "none". Truncated at a name if it does not fit. */
void power_text(uint64_t capabilities, char text[static POWER_TEXT_BYTES]);
