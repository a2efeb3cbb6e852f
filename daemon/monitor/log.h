/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines for the administrator on standard error; under systemd with the <N> priority prefix of sd-daemon(3). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "proto/base.h"

enum log_priority { LOG_PRIORITY_ERROR = 3, LOG_PRIORITY_WARNING = 4, LOG_PRIORITY_NOTICE = 5, LOG_PRIORITY_INFO = 6 };

/* One line, without newline in format. It is cleaned (names come from strangers). */
void log_line(enum log_priority priority, const char *format, ...) PRINTF_LIKE(2, 3);
/* The same of a text that is clean. */
void log_clean_line(enum log_priority priority, const char *text);

/* Control characters, and bytes that are no UTF-8 (RFC 3629), become '?': neither a terminal nor a log reader minds. */
void log_clean(char *text);

/* Standard error is a stream to the journal. */
bool log_is_journal(void);
