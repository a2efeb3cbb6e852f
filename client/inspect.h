/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that is looked at without a trace: opened, with a line on standard error for whatever stands in the way;
 * and the text about it written out. What goes wrong is said here, callers pass it on.
 */
#pragma once

#include "client/options.h"
#include "client/output.h"
#include "client/proc/process.h"

struct inspection {
        pid_t pid;
        struct process process; /* of another thread where the first one has ended */
        struct smaps smaps;     /* at least one map */
        struct text status;     /* /proc/PID/status, NUL-terminated */
        struct text comm;       /* its name, any bytes */
};

/* 0; -errno, said. */
int inspect_open(pid_t pid, struct inspection *ret) MUST_CHECK;
void inspect_close(struct inspection *inspection); /* contents */

/* What went wrong while its memory was read, a -errno. */
void inspect_complain(const struct inspection *inspection, int error);

/* The number behind "VmPTE" and the like in status, in its unit; false: the kernel has no such line. */
bool inspect_number(const struct inspection *inspection, const char *name, uint64_t *ret);

struct inspect_output {
        struct output output;
        bool color, ascii;
        uint32_t n_columns; /* 0: not a terminal */
};

void inspect_output_open(const struct options *options, struct inspect_output *ret);
void inspect_output_close(struct inspect_output *output);
/* All of it, however slow the reader is. 0; -EPIPE: it has gone, which is not worth a word; -errno, said. */
int inspect_write(const struct inspect_output *output, const struct text *text) MUST_CHECK;
