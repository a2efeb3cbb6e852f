/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records: log lines with a MESSAGE_ID, and with fields that can be searched for (sd_journal_sendv(3),
 * systemd.journal-fields(7)). Where standard error is no stream to the journal, their text is a line there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "daemon/monitor/log.h"

enum journal_id {
#define X_RECORD(name, id, priority, who, doc) JOURNAL_##name, /* doc */
#include "daemon/monitor/journal.def"
#undef X_RECORD
        N_JOURNAL_IDS
};

enum journal_count {                       /* what is counted; the field is FAULTLINE_ and this name */
                     JOURNAL_FAULTS,       /* by the kernel */
                     JOURNAL_LOST,         /* of these: their records did not fit into the rings */
                     JOURNAL_LOST_RECORDS, /* records of any kind that did not fit */
                     JOURNAL_DELIVERED,    /* faults that were sent */
                     JOURNAL_DROPPED,      /* faults that a client did not take in time */
                     JOURNAL_SUPPRESSED_RECORDS,
                     N_JOURNAL_COUNTS
};

#define JOURNAL_NOBODY ((uid_t)-1)

/* The fields of a record. Zero and NULL mean that there is no such field. */
struct journal_facts {
        uid_t uid;        /* FAULTLINE_UID: who asked for it; JOURNAL_NOBODY = no such field */
        pid_t client_pid; /* FAULTLINE_CLIENT_PID */
        pid_t pid;        /* FAULTLINE_PID: what is traced, or the process that it is about */
        const char *comm; /* FAULTLINE_COMM: its name, which it chose itself */
        const char *unit; /* FAULTLINE_UNIT: as it was asked for */
        uint32_t trace;   /* FAULTLINE_TRACE */
        const char *reason;
        const char *limit;
        int error; /* FAULTLINE_ERRNO */
        uint64_t count[N_JOURNAL_COUNTS];
        bool has_count[N_JOURNAL_COUNTS];
};

static inline void journal_set_count(struct journal_facts *facts, enum journal_count which, uint64_t n)
{
        facts->count[which] = n;
        facts->has_count[which] = true;
}

/* "n" bytes of each field come last, so that what a long one leaves is enough for the others. */
#define JOURNAL_FIELDS_MAX (13 + N_JOURNAL_COUNTS)
#define JOURNAL_TEXT_BYTES 1024

/* A record as it is sent: NAME=value, each in an iovec of its own, pointing into bytes. Not to be copied. */
struct journal_record {
        size_t n;
        struct iovec fields[JOURNAL_FIELDS_MAX];
        size_t n_bytes;
        char bytes[8192];
};

/*
 * Pure. Values are cleaned (log_clean()) and cut after JOURNAL_TEXT_BYTES: neither can the name of a stranger's process
 * become a field of its own, nor reach a terminal with what terminals obey.
 */
void journal_build(enum journal_id id, const struct journal_facts *facts, const char *text, struct journal_record *ret);

/* Send it, or where the journal does not listen or cannot be reached, write the text. */
void journal_write(enum journal_id id, const struct journal_facts *facts, const char *text);

/* Whether a private daemon says this, too. */
bool journal_is_for_all(enum journal_id id);
/* For MESSAGE_ID=: 32 hexadecimal digits. */
const char *journal_message_id(enum journal_id id);
