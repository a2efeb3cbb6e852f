/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faultline metrics: the figures of the service for a monitoring system. */
#pragma once

#include "client/options.h"

/* Returns the exit status. */
int cmd_metrics(const struct options *options);
