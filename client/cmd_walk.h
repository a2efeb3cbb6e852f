/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client/options.h"

/* faultline walk: the process's exit status. */
int cmd_walk(const struct options *options) MUST_CHECK;
