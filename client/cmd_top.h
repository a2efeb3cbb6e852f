/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client/options.h"

/* faultline top, faultline maps --live: the process's exit status. */
int cmd_top(const struct options *options) MUST_CHECK;
