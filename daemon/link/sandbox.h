/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Closing the door behind each of our processes: whatever a hostile file, client or target makes of it, it can only do
 * what it does anyway. One table says who may call what.
 */
#pragma once

#include "proto/base.h"

enum sandbox_role {
        SANDBOX_MONITOR, /* and whatever it forks, before that takes a role of its own */
        SANDBOX_HELPER,  /* opens files, becomes another user, asks the kernel about processes */
        SANDBOX_TRACER,
        SANDBOX_ENGINE,
        N_SANDBOX_ROLES,
};

/*
 * Compile the filter of a role, for this process and those that it forks: sandbox_enter() then costs one system call.
 * To be called while there is one thread. 0 or -errno.
 */
int sandbox_prepare(enum sandbox_role role) MUST_CHECK;
/*
 * no_new_privs, and a seccomp filter (seccomp(2)) for all threads of the process and what they fork. Filters only add
 * up: who was let in as MONITOR may enter another role. What the engine, a tracer or a helper may not call fails with
 * EPERM. What the monitor may not call fails with ENOSYS, as a system call that this kernel does not have: a C library
 * newer than the table then does it the old way. 0 or -errno.
 */
int sandbox_enter(enum sandbox_role role) MUST_CHECK;
