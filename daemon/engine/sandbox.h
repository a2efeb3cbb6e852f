/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closing the door behind the engine: whatever a hostile ELF file or client makes of it, it can only do what it does
 * anyway. */
#pragma once

#include "proto/base.h"

/*
 * no_new_privs, and a seccomp filter (seccomp(2)) that leaves the system calls of the pipeline and its worker; others
 * fail with EPERM. To be called once everything is open and all threads run (the filter is applied to all of them). 0
 * or -errno.
 */
int sandbox_enter(void) MUST_CHECK;
