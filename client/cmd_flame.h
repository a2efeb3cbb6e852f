/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faultline flame: the call stacks of the faults as a flame graph. */
#pragma once

#include "client/options.h"

/* The process's exit status, as cmd_trace(); 1 also when the file cannot be written. */
int cmd_flame(const struct options *options);
