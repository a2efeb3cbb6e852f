/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's symbols in memory, for the engines of a service. */
#pragma once

#include "proto/base.h"

/* A sealed file in memory with what this descriptor of /proc/kallsyms shows; the caller's. Or -errno. */
int kallsyms_copy(int from) MUST_CHECK;
