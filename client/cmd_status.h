/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faultline status: what the service does, and for whom. */
#pragma once

#include "client/options.h"

/* Returns the exit status. */
int cmd_status(const struct options *options);
