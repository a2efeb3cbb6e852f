/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Standard error and not sd_journal_print(): the private daemon writes to its user's terminal, and the journal takes
 * the priority from the prefix just as well. Whether the journal listens is told by JOURNAL_STREAM (systemd.exec(5)),
 * which must name the very file behind standard error: a daemon started from a shell inherits the variable, not the
 * stream.
 */
#include "daemon/monitor/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

static bool is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        uintmax_t device, inode;
        struct stat st;

        return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
               st.st_dev == device && st.st_ino == inode;
}

void log_line(enum log_priority priority, const char *format, ...)
{
        char line[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        for (char *p = line; *p != '\0'; p++)
                if ((unsigned char)*p < ' ' || *p == 0x7f)
                        *p = '?';
        if (is_journal())
                (void)dprintf(STDERR_FILENO, "<%d>%s\n", (int)priority, line);
        else
                (void)dprintf(STDERR_FILENO, "faultlined: %s\n", line);
}
