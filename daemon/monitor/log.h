/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines for the administrator on standard error; under systemd with the <N> priority prefix of sd-daemon(3). */
#pragma once

#include "proto/base.h"

enum log_priority { LOG_PRIORITY_ERROR = 3, LOG_PRIORITY_WARNING = 4, LOG_PRIORITY_NOTICE = 5, LOG_PRIORITY_INFO = 6 };

/* One line, without newline in format. Control characters in it (names come from strangers) are printed as '?'. */
void log_line(enum log_priority priority, const char *format, ...) PRINTF_LIKE(2, 3);
