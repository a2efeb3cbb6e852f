/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faultline stat: a table of the faults in groups. */
#pragma once

#include "client/options.h"

/* The process's exit status, as cmd_trace(). */
int cmd_stat(const struct options *options);
