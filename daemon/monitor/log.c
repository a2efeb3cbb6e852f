/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Standard error and not sd_journal_print(): the private daemon writes to its user's terminal, and the journal takes
 * the priority from the prefix just as well; what has fields goes another way (journal.h). Whether the journal listens
 * is told by JOURNAL_STREAM (systemd.exec(5)), which must name the very file behind standard error: a daemon started
 * from a shell inherits the variable, not the stream.
 */
#include "daemon/monitor/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/utf8.h"

bool log_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        uintmax_t device, inode;
        struct stat st;

        return stream != NULL && sscanf(stream, "%ju:%ju", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
               st.st_dev == device && st.st_ino == inode;
}

void log_clean(char *text)
{
        for (size_t i = 0, n_bytes = strlen(text); i < n_bytes;) {
                uint32_t point = 0;
                size_t length = utf8_decode(text + i, n_bytes - i, &point);
                bool is_safe = length > 0 && utf8_is_safe(point);

                length = MAX_OF(length, (size_t)1);
                if (!is_safe)
                        memset(text + i, '?', length);
                i += length;
        }
}

void log_clean_line(enum log_priority priority, const char *text)
{
        if (log_is_journal())
                (void)dprintf(STDERR_FILENO, "<%d>%s\n", (int)priority, text);
        else
                (void)dprintf(STDERR_FILENO, "faultlined: %s\n", text);
}

void log_line(enum log_priority priority, const char *format, ...)
{
        char line[1024];
        va_list args;

        va_start(args, format);
        (void)vsnprintf(line, sizeof(line), format, args);
        va_end(args);
        log_clean(line);
        log_clean_line(priority, line);
}
