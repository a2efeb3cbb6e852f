/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faultline trace: a line for each fault. */
#pragma once

#include "client/options.h"

/* The process's exit status, as faultline(1) describes. Has said on standard error why it is not 0. */
int cmd_trace(const struct options *options);
