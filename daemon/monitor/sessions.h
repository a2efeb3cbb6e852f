/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of traces that outlive the daemon, as it lies in memory that the service manager keeps while no daemon runs
 * (store.h): who may go on with which trace, under which options, and what the process's own fault counters said when
 * it was last looked at. Pure.
 *
 * A daemon may be killed between any two of its instructions, so a record is there only once it is whole, and of two
 * checkpoints the older one stays until the newer one is whole.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/link.h"
#include "proto/proto.h"

#define SESSIONS_MAX                                                                                                   \
        120 /* a descriptor each, and some for the sockets and the table: FileDescriptorStoreMax= is 128               \
             */
#define SESSIONS_MAGIC UINT64_C(0x454c424154544c46)
#define SESSIONS_VERSION 1 /* of the meaning; a change of the layout shows by itself */

#define SESSION_HAS_FAULTS 1 /* min_flt, maj_flt */
#define SESSION_HAS_EVENTS 2 /* n_minor, n_major: what the trace's events had counted at the same moment */
#define SESSION_IS_LAST 4    /* that moment is the one in which the events ceased to count */
#define SESSION_IS_EXACT 8   /* ... and it is known to the last fault */

struct session_checkpoint {
        uint64_t time_ns;          /* CLOCK_MONOTONIC */
        uint64_t min_flt, maj_flt; /* of the process (proc_pid_stat(5)) */
        uint64_t n_minor, n_major;
        uint32_t flags; /* SESSION_* */
        uint32_t reserved;
};

struct session_record {
        uint64_t serial; /* never used again; 0 = the record is free */
        struct proto_key key;
        uint32_t uid; /* whose trace it is */
        int32_t pid;  /* of the process, for messages; 0 = a unit */
        struct link_attach request;
        uint32_t current; /* its lowest bit: index of the checkpoint that counts */
        uint32_t reserved;
        struct session_checkpoint checkpoints[2];
};

struct sessions {
        uint64_t magic;
        uint32_t version;
        uint32_t record_bytes, n_records; /* this struct's own */
        uint32_t reserved;
        uint64_t last_serial;
        struct session_record records[SESSIONS_MAX];
};

void sessions_init(struct sessions *sessions);
/* Written by a daemon that meant the same by it. n_bytes: what there is of it. */
bool sessions_are_known(const struct sessions *sessions, size_t n_bytes);

/* From the serial numbers on, a record is one. NULL: the table is full. */
struct session_record *sessions_add(struct sessions *sessions, const struct session_record *values);
void sessions_remove(struct session_record *record);
/* Of this user, with this key; NULL = there is none. Takes as long whatever the key. */
struct session_record *sessions_find(struct sessions *sessions, const struct proto_key *key, uid_t uid);
struct session_record *sessions_find_serial(struct sessions *sessions, uint64_t serial);

void session_write(struct session_record *record, const struct session_checkpoint *checkpoint);
const struct session_checkpoint *session_read(const struct session_record *record);

/*
 * What was missed between the checkpoint and until_ns, when the process's counters were *now (its flags say whether
 * they could be read: SESSION_HAS_FAULTS). resume: what the client accounts for (is_whole, n_minor, n_major).
 *
 * Where the last daemon told all that it had counted until its last checkpoint, it is what came after that. Else
 * everything since the trace began that the client does not account for was missed: what was on its way to the client
 * when the daemon died, too.
 */
struct proto_missed session_missed(const struct session_checkpoint *checkpoint, const struct link_attach *resume,
                                   const struct session_checkpoint *now);
