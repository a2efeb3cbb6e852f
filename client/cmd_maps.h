/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client/options.h"

/* faultline maps: the process's exit status. */
int cmd_maps(const struct options *options) MUST_CHECK;
