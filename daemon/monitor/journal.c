/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Building a record and sending it are apart, so that what is sent can be looked at without a journal. Fields go out as
 * they are built, one iovec each: a value cannot begin a field of its own, whatever is in it, because
 * sd_journal_sendv(3) writes the length in front of one that holds a newline, and none does after the cleaning.
 *
 * journald listens at a socket in the file system, as any process may use it; it is not asked for anything, and if it
 * is busy the kernel's queue fills and we wait: it is the service manager's own, and a lost record of a denied attach
 * would be worse.
 */
#define SD_JOURNAL_SUPPRESS_LOCATION /* where in our source it was sent says nothing to an administrator */
#include "daemon/monitor/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>

enum teller { ALWAYS, SERVICE };

static const struct {
        const char *id;
        enum log_priority priority;
        enum teller teller;
} records[N_JOURNAL_IDS] = {
#define X_RECORD(name, id, priority, who, doc) {id, LOG_PRIORITY_##priority, who},
#include "daemon/monitor/journal.def"
#undef X_RECORD
};

static const char *const count_fields[N_JOURNAL_COUNTS] = {
        [JOURNAL_FAULTS] = "FAULTLINE_FAULTS",
        [JOURNAL_LOST] = "FAULTLINE_LOST",
        [JOURNAL_LOST_RECORDS] = "FAULTLINE_LOST_RECORDS",
        [JOURNAL_DELIVERED] = "FAULTLINE_DELIVERED",
        [JOURNAL_DROPPED] = "FAULTLINE_DROPPED",
        [JOURNAL_SUPPRESSED_RECORDS] = "FAULTLINE_SUPPRESSED",
};

const char *journal_message_id(enum journal_id id)
{
        return records[id].id;
}

bool journal_is_for_all(enum journal_id id)
{
        return records[id].teller == ALWAYS;
}

/* One that does not fit is left out. */
PRINTF_LIKE(2, 3)
static void add(struct journal_record *record, const char *format, ...)
{
        char *at = record->bytes + record->n_bytes;
        size_t room = sizeof(record->bytes) - record->n_bytes;
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(at, room, format, args);
        va_end(args);
        if (n < 0 || (size_t)n >= room || record->n == JOURNAL_FIELDS_MAX)
                return;
        log_clean(at);
        record->fields[record->n++] = (struct iovec){.iov_base = at, .iov_len = (size_t)n};
        record->n_bytes += (size_t)n + 1;
}

static void add_text(struct journal_record *record, const char *field, const char *value)
{
        if (value != NULL && value[0] != '\0')
                add(record, "%s=%.*s", field, JOURNAL_TEXT_BYTES - 1, value);
}

static void add_number(struct journal_record *record, const char *field, uint64_t value)
{
        if (value != 0)
                add(record, "%s=%" PRIu64, field, value);
}

void journal_build(enum journal_id id, const struct journal_facts *facts, const char *text, struct journal_record *ret)
{
        ret->n = ret->n_bytes = 0;
        add_text(ret, "MESSAGE", text);
        add(ret, "MESSAGE_ID=%s", records[id].id);
        add(ret, "PRIORITY=%d", (int)records[id].priority);
        add(ret, "SYSLOG_IDENTIFIER=faultlined");
        if (facts->uid != JOURNAL_NOBODY)
                add(ret, "FAULTLINE_UID=%u", facts->uid);
        add_number(ret, "FAULTLINE_CLIENT_PID", (uint64_t)MAX_OF(facts->client_pid, 0));
        add_number(ret, "FAULTLINE_PID", (uint64_t)MAX_OF(facts->pid, 0)); /* negative: a client asked for nonsense */
        add_text(ret, "FAULTLINE_COMM", facts->comm);
        add_text(ret, "FAULTLINE_UNIT", facts->unit);
        add_number(ret, "FAULTLINE_TRACE", facts->trace);
        add_text(ret, "FAULTLINE_REASON", facts->reason);
        add_text(ret, "FAULTLINE_LIMIT", facts->limit);
        add_number(ret, "FAULTLINE_ERRNO", (uint64_t)facts->error);
        for (size_t i = 0; i < N_JOURNAL_COUNTS; i++)
                if (facts->has_count[i])
                        add(ret, "%s=%" PRIu64, count_fields[i], facts->count[i]);
}

void journal_write(enum journal_id id, const struct journal_facts *facts, const char *text)
{
        char line[JOURNAL_TEXT_BYTES];
        struct journal_record record;

        if (log_is_journal()) {
                journal_build(id, facts, text, &record);
                if (sd_journal_sendv(record.fields, (int)record.n) >= 0)
                        return;
        }
        (void)snprintf(line, sizeof(line), "%s", text);
        log_clean(line);
        log_clean_line(records[id].priority, line);
}
