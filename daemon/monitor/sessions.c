/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The atomic stores are not for threads, of which there is one: they keep the compiler from changing the order in which
 * memory is written that outlives us.
 */
#include "daemon/monitor/sessions.h"

#include <string.h>

void sessions_init(struct sessions *sessions)
{
        *sessions = (struct sessions){.magic = SESSIONS_MAGIC,
                                      .version = SESSIONS_VERSION,
                                      .record_bytes = sizeof(struct session_record),
                                      .n_records = SESSIONS_MAX};
}

bool sessions_are_known(const struct sessions *sessions, size_t n_bytes)
{
        return n_bytes == sizeof(*sessions) && sessions->magic == SESSIONS_MAGIC &&
               sessions->version == SESSIONS_VERSION && sessions->record_bytes == sizeof(struct session_record) &&
               sessions->n_records == SESSIONS_MAX;
}

struct session_record *sessions_add(struct sessions *sessions, const struct session_record *values)
{
        for (struct session_record *r = sessions->records; r < sessions->records + SESSIONS_MAX; r++) {
                struct session_record record = *values;

                if (r->serial != 0)
                        continue;
                record.serial = 0;
                *r = record;
                __atomic_store_n(&r->serial, ++sessions->last_serial, __ATOMIC_RELEASE);
                return r;
        }
        return NULL;
}

void sessions_remove(struct session_record *record)
{
        __atomic_store_n(&record->serial, 0, __ATOMIC_RELEASE);
        record->key = (struct proto_key){0};
}

struct session_record *sessions_find(struct sessions *sessions, const struct proto_key *key, uid_t uid)
{
        struct session_record *found = NULL;

        for (struct session_record *r = sessions->records; r < sessions->records + SESSIONS_MAX; r++) {
                uint64_t other = (r->key.high ^ key->high) | (r->key.low ^ key->low);

                if ((other | (r->uid ^ uid)) == 0 && r->serial != 0 && proto_key_is_set(&r->key))
                        found = r;
        }
        return found;
}

struct session_record *sessions_find_serial(struct sessions *sessions, uint64_t serial)
{
        for (struct session_record *r = sessions->records; r < sessions->records + SESSIONS_MAX; r++)
                if (r->serial == serial && serial != 0)
                        return r;
        return NULL;
}

void session_write(struct session_record *record, const struct session_checkpoint *checkpoint)
{
        uint32_t next = (record->current & 1) ^ 1;

        record->checkpoints[next] = *checkpoint;
        __atomic_store_n(&record->current, next, __ATOMIC_RELEASE);
}

const struct session_checkpoint *session_read(const struct session_record *record)
{
        return &record->checkpoints[record->current & 1];
}

/* Counters grow; what the client says it has is nothing to rely on. */
static uint64_t beyond(uint64_t now, uint64_t then)
{
        return now - then <= INT64_MAX ? now - then : 0;
}

struct proto_missed session_missed(const struct session_checkpoint *checkpoint, const struct link_attach *resume,
                                   const struct session_checkpoint *now)
{
        const struct session_checkpoint *c = checkpoint;
        bool is_last = (c->flags & SESSION_IS_LAST) != 0 && resume->is_whole != 0;
        struct proto_missed missed = {
                .min_flt = PROTO_UNKNOWN, .maj_flt = PROTO_UNKNOWN, .since_ns = c->time_ns, .until_ns = now->time_ns};
        uint64_t all;

        if ((c->flags & now->flags & SESSION_HAS_FAULTS) == 0)
                return missed;
        if (is_last || (c->flags & SESSION_HAS_EVENTS) == 0) {
                missed.min_flt = beyond(now->min_flt, c->min_flt);
                missed.maj_flt = beyond(now->maj_flt, c->maj_flt);
                missed.is_exact =
                        is_last && (c->flags & SESSION_IS_EXACT) != 0 && (now->flags & SESSION_HAS_EVENTS) != 0;
                return missed;
        }
        all = beyond(now->min_flt + now->maj_flt,
                     c->min_flt - c->n_minor + c->maj_flt - c->n_major + resume->n_minor + resume->n_major);
        missed.maj_flt = MIN_OF(beyond(now->maj_flt, c->maj_flt - c->n_major + resume->n_major), all);
        missed.min_flt = all - missed.maj_flt;
        return missed;
}
