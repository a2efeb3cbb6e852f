/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A record is added after its pidfd was sent, and its pidfd is taken back after the record was removed; both have the
 * record's serial number, which is never used again: so whenever we are killed, what is found together belongs
 * together.
 */
#include "daemon/monitor/store.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/attachment.h"
#include "daemon/monitor/keeper.h"
#include "daemon/monitor/log.h"

#define CHECKPOINT_USEC (1000 * 1000)
#define CHECKPOINT_READS 1024 /* of events, at most, of a trace each time: below a millisecond */

static struct stored *find_free(struct store *store)
{
        for (size_t i = 0; i < SESSIONS_MAX; i++)
                if (store->traces[i].record == NULL)
                        return &store->traces[i];
        return NULL;
}

static void remove_stored(struct stored *stored)
{
        uint64_t serial = stored->record->serial;

        sessions_remove(stored->record);
        keeper_give_up(serial);
        cleanup_close(&stored->pidfd);
        *stored = (struct stored){.pidfd = -1};
}

/* --- what a daemon before this one has left --- */

static void take_records(struct store *store)
{
        struct session_record *records = store->table->records;

        for (size_t i = 0; i < SESSIONS_MAX; i++)
                if (records[i].serial != 0)
                        store->traces[i] = (struct stored){.record = &records[i], .pidfd = -1, .was_taken = true};
}

static struct stored *find_serial(struct store *store, uint64_t serial)
{
        for (size_t i = 0; store->table != NULL && i < SESSIONS_MAX; i++)
                if (store->traces[i].record != NULL && store->traces[i].record->serial == serial)
                        return &store->traces[i];
        return NULL;
}

static void take_process(struct store *store, struct store_handed *handed)
{
        struct stored *stored = find_serial(store, handed->serial);

        if (stored != NULL && stored->pidfd < 0) {
                stored->pidfd = TAKE_FD(handed->fd);
                return;
        }
        keeper_give_up(handed->serial);
}

static void take_handed_table(struct store *store, struct store_handed *handed)
{
        store->table = keeper_take_table(handed->fd);
        if (store->table != NULL) {
                store->fd = TAKE_FD(handed->fd);
                take_records(store);
                return;
        }
        log_line(LOG_PRIORITY_WARNING,
                 "the traces of the daemon before this one are forgotten: it was of another version");
        keeper_give_up(KEEPER_TABLE);
}

static void take_handed(struct store *store, struct store_handed *handed, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (handed[i].serial == 0 && store->table == NULL)
                        take_handed_table(store, &handed[i]);
        for (size_t i = 0; i < n; i++) {
                if (handed[i].serial != 0)
                        take_process(store, &handed[i]);
                cleanup_close(&handed[i].fd); /* what nobody took */
                handed[i].fd = -1;
        }
}

bool store_is_waiting(const struct store *store)
{
        for (size_t i = 0; store->table != NULL && i < SESSIONS_MAX; i++)
                if (store->traces[i].record != NULL && store->traces[i].trace == NULL)
                        return true;
        return false;
}

bool store_has_any(const struct store *store)
{
        for (size_t i = 0; store->table != NULL && i < SESSIONS_MAX; i++)
                if (store->traces[i].record != NULL)
                        return true;
        return false;
}

static void tell_outcome(struct store *store)
{
        if (store->n_resumed + store->n_forgotten > 0)
                log_line(LOG_PRIORITY_NOTICE, "traces of the daemon before this one: %zu resumed, %zu forgotten",
                         store->n_resumed, store->n_forgotten);
        store->n_resumed = store->n_forgotten = 0;
}

static int on_patience_over(sd_event_source *source, uint64_t usec, void *user)
{
        struct store *store = user;

        for (size_t i = 0; i < SESSIONS_MAX; i++)
                if (store->traces[i].record != NULL && store->traces[i].trace == NULL) {
                        remove_stored(&store->traces[i]);
                        store->n_forgotten++;
                }
        tell_outcome(store);
        idle_look(store->context);
        return 0;
}

static void be_patient(struct store *store)
{
        store->patience = sd_event_source_disable_unref(store->patience);
        if (sd_event_add_time_relative(store->context->event, &store->patience, CLOCK_MONOTONIC, STORE_PATIENCE_USEC, 0,
                                       on_patience_over, store) < 0)
                on_patience_over(NULL, 0, store);
}

void store_init(struct store *store, struct context *context, struct store_handed *handed, size_t n)
{
        int r = 0;

        *store = (struct store){.context = context, .fd = -1};
        for (size_t i = 0; i < SESSIONS_MAX; i++)
                store->traces[i].pidfd = -1;
        take_handed(store, handed, n);
        if (store->table == NULL)
                r = keeper_make_table(&store->table, &store->fd);
        if (r < 0 && r != -ENOTCONN)
                log_line(LOG_PRIORITY_WARNING, "traces end with this daemon: the service manager cannot keep them: %s",
                         strerrordesc_np(-r));
        if (store_is_waiting(store))
                be_patient(store);
}

void store_deinit(struct store *store)
{
        sd_event_source_disable_unref(store->checkpoints);
        sd_event_source_disable_unref(store->patience);
        for (size_t i = 0; store->table != NULL && i < SESSIONS_MAX; i++)
                cleanup_close(&store->traces[i].pidfd);
        if (store->table != NULL) {
                (void)munmap(store->table, sizeof(*store->table));
                cleanup_close(&store->fd);
        }
        *store = (struct store){.fd = -1};
}

/* --- checkpoints --- */

/*
 * What the events count belongs to this process alone, and all of what they counted is in ->events: then their count
 * and the process's go together.
 */
static bool is_comparable(const struct attachment *trace)
{
        return (trace->request.flags & LINK_ATTACH_FOLLOW) == 0 && trace->n_added_ids == 0 && trace->request.pid != 0;
}

static int read_difference(const struct attachment *trace, size_t max_reads, struct counting_difference *ret)
{
        struct event_set events = trace->events;

        events.counters[0] = -1; /* they count from before the exec on, the events behind it */
        return counting_read_difference(&events, &trace->target, max_reads, ret);
}

static void refresh_difference(struct stored *stored, const struct attachment *trace, size_t max_reads)
{
        struct counting_difference difference;

        stored->is_fresh = false;
        if (!is_comparable(trace)) {
                stored->has_difference = false;
        } else if (read_difference(trace, max_reads, &difference) == 0) {
                stored->has_difference = stored->is_fresh = true;
                stored->ahead_minor = difference.minor;
                stored->ahead_major = difference.major;
        }
}

/* Those of a unit are nobody's: its processes come and go. */
static int read_faults(const struct attachment *trace, struct target_faults *ret)
{
        return trace->request.pid == 0 || trace->target.process < 0 ? -ESRCH : target_read_faults(&trace->target, ret);
}

/*
 * The process's counters now, and what the events must have counted by then. A target that faults without a pause lets
 * nobody compare them; then the difference is that of an earlier moment, and only what was unseen since is not in it.
 */
static struct session_checkpoint make_checkpoint(const struct stored *stored, const struct attachment *trace)
{
        struct session_checkpoint checkpoint = {.time_ns = monotonic_ns()};
        struct target_faults faults;

        if (read_faults(trace, &faults) < 0)
                return checkpoint;
        checkpoint.flags = SESSION_HAS_FAULTS;
        checkpoint.min_flt = faults.min_flt;
        checkpoint.maj_flt = faults.maj_flt;
        if (stored->has_difference) {
                checkpoint.flags |= SESSION_HAS_EVENTS;
                checkpoint.n_minor = faults.min_flt - stored->ahead_minor;
                checkpoint.n_major = faults.maj_flt - stored->ahead_major;
        }
        return checkpoint;
}

static void write_checkpoint(struct stored *stored)
{
        const struct session_checkpoint checkpoint = make_checkpoint(stored, stored->trace);

        session_write(stored->record, &checkpoint);
}

static bool is_running(const struct stored *stored)
{
        return stored->record != NULL && stored->trace != NULL && stored->trace->state == ATTACHMENT_RUNNING;
}

static int on_checkpoint(sd_event_source *source, uint64_t usec, void *user)
{
        struct store *store = user;
        bool any = false;

        for (size_t i = 0; i < SESSIONS_MAX; i++) {
                struct stored *stored = &store->traces[i];

                if (!is_running(stored))
                        continue;
                any = true;
                refresh_difference(stored, stored->trace, CHECKPOINT_READS);
                write_checkpoint(stored);
        }
        if (!any)
                return sd_event_source_set_enabled(source, SD_EVENT_OFF);
        (void)sd_event_source_set_time_relative(source, CHECKPOINT_USEC);
        return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void begin_checkpoints(struct store *store)
{
        int enabled = SD_EVENT_OFF;

        if (store->checkpoints == NULL) {
                (void)sd_event_add_time_relative(store->context->event, &store->checkpoints, CLOCK_MONOTONIC,
                                                 CHECKPOINT_USEC, 0, on_checkpoint, store);
                return;
        }
        (void)sd_event_source_get_enabled(store->checkpoints, &enabled);
        if (enabled != SD_EVENT_OFF)
                return;
        (void)sd_event_source_set_time_relative(store->checkpoints, CHECKPOINT_USEC);
        (void)sd_event_source_set_enabled(store->checkpoints, SD_EVENT_ONESHOT);
}

/* --- a trace that was kept goes on --- */

int store_find(struct store *store, uid_t uid, const struct link_attach *request, struct stored **ret,
               struct link_attach *ret_wish)
{
        struct session_record *record = store->table != NULL ? sessions_find(store->table, &request->key, uid) : NULL;
        struct stored *stored = record != NULL ? find_serial(store, record->serial) : NULL;

        if (stored == NULL || stored->trace != NULL)
                return -ESRCH;
        *ret_wish = record->request;
        ret_wish->conn = request->conn;
        ret_wish->req = request->req;
        ret_wish->key = request->key;
        ret_wish->is_whole = request->is_whole;
        ret_wish->n_minor = request->n_minor;
        ret_wish->n_major = request->n_major;
        ret_wish->flags &= ~(uint32_t)LINK_ATTACH_FROM_EXEC; /* that was then */
        *ret = stored;
        return 0;
}

void store_claim(struct stored *stored, struct attachment *trace)
{
        stored->trace = trace;
        trace->stored = stored;
}

/* A process that has ended and was not reaped still has its counters. */
static struct proto_missed missed_of_dead(const struct stored *stored, const struct target *target)
{
        struct session_checkpoint now = {.time_ns = monotonic_ns()};
        struct target_faults faults;

        if (target->process >= 0 && target_read_faults(target, &faults) == 0) {
                now.flags = SESSION_HAS_FAULTS | SESSION_HAS_EVENTS;
                now.min_flt = faults.min_flt;
                now.maj_flt = faults.maj_flt;
        }
        return session_missed(session_read(stored->record), &stored->trace->request, &now);
}

int store_pin(struct attachment *trace, struct proto_missed *ret_missed)
{
        struct stored *stored = trace->stored;
        int r = stored->pidfd < 0 ? -ESRCH : target_pin_again(stored->pidfd, &trace->target);

        if (r == 0 && target_is_dead(&trace->target))
                r = -ESRCH;
        if (r == -ESRCH)
                *ret_missed = missed_of_dead(stored, &trace->target);
        return r;
}

void store_release(struct attachment *trace)
{
        struct stored *stored = trace->stored;

        trace->stored = NULL;
        if (stored == NULL)
                return;
        stored->trace = NULL;
        be_patient(&trace->context->store);
}

void store_forget(struct attachment *trace)
{
        struct store *store = &trace->context->store;
        struct stored *stored = trace->stored;

        trace->stored = NULL;
        if (stored == NULL)
                return;
        stored->trace = NULL;
        if (!store->is_leaving)
                remove_stored(stored);
}

/* The process's counters when the events began to count. */
static struct session_checkpoint make_beginning(const struct attachment *trace)
{
        struct session_checkpoint now = {.time_ns = trace->started.time_ns};
        struct target_faults faults;

        if (is_comparable(trace) && trace->has_difference) {
                now.flags = SESSION_HAS_FAULTS | SESSION_HAS_EVENTS;
                now.min_flt = trace->difference.minor;
                now.maj_flt = trace->difference.major;
        } else if (read_faults(trace, &faults) == 0) {
                now.flags = SESSION_HAS_FAULTS;
                now.min_flt = faults.min_flt;
                now.maj_flt = faults.maj_flt;
        }
        return now;
}

static void resumed(struct store *store, struct stored *stored, struct attachment *trace)
{
        const struct session_checkpoint now = make_beginning(trace);

        trace->started.missed = session_missed(session_read(stored->record), &trace->request, &now);
        cleanup_close(&stored->pidfd);
        stored->pidfd = -1;
        store->n_resumed += stored->was_taken;
        stored->was_taken = false;
        if (!store_is_waiting(store))
                tell_outcome(store);
}

/* --- a trace is kept --- */

static int make_key(struct proto_key *ret)
{
        struct proto_key key;

        if (getrandom(&key, sizeof(key), 0) != sizeof(key) || !proto_key_is_set(&key))
                return -EIO;
        *ret = key;
        return 0;
}

static int send_process(const struct store *store, const struct attachment *trace)
{
        return trace->request.pid == 0 ? 0 : keeper_keep(trace->target.pidfd, store->table->last_serial + 1);
}

/* One user other than root fills no more than half of the table. */
static bool has_his_share(const struct store *store, uid_t uid)
{
        size_t n = 0;

        for (size_t i = 0; i < SESSIONS_MAX; i++)
                n += store->traces[i].record != NULL && store->traces[i].record->uid == uid;
        return uid != 0 && n >= SESSIONS_MAX / 2;
}

static struct stored *add(struct store *store, struct attachment *trace)
{
        struct session_record values = {.uid = trace->peer.uid, .pid = trace->request.pid, .request = trace->request};
        struct stored *stored = has_his_share(store, values.uid) ? NULL : find_free(store);

        if (stored == NULL) {
                if (!store->is_full_noted)
                        log_line(LOG_PRIORITY_WARNING,
                                 "more than %d traces, or %d of one user: those beyond end when this daemon is "
                                 "restarted",
                                 SESSIONS_MAX, SESSIONS_MAX / 2);
                store->is_full_noted = true;
                return NULL;
        }
        if (make_key(&values.key) < 0 || send_process(store, trace) < 0)
                return NULL;
        stored->record = sessions_add(store->table, &values);
        if (stored->record == NULL)
                return NULL;
        store_claim(stored, trace);
        return stored;
}

void store_started(struct attachment *trace)
{
        struct store *store = &trace->context->store;
        struct stored *stored = trace->stored;

        if (store->table == NULL || store->is_leaving)
                return;
        if (stored != NULL)
                resumed(store, stored, trace);
        else
                stored = add(store, trace);
        if (stored == NULL)
                return;
        trace->started.key = stored->record->key;
        stored->has_difference =
                is_comparable(trace) && trace->has_difference && (trace->request.flags & LINK_ATTACH_FROM_EXEC) == 0;
        stored->ahead_minor = trace->difference.minor;
        stored->ahead_major = trace->difference.major;
        write_checkpoint(stored);
        begin_checkpoints(store);
}

/* --- the end --- */

bool store_keeps(const struct attachment *trace)
{
        bool is_over = trace->is_exited && trace->request.pid != 0; /* a unit has no target that could end */

        return trace->context->store.is_leaving && trace->stored != NULL && !is_over;
}

void store_stopping(struct attachment *trace)
{
        refresh_difference(trace->stored, trace, COUNTING_MAX_READS);
}

void store_stopped(struct attachment *trace)
{
        struct stored *stored = trace->stored;
        struct session_checkpoint checkpoint = make_checkpoint(stored, trace);

        if (stored->has_difference) {
                checkpoint.flags |= SESSION_IS_LAST | SESSION_HAS_FAULTS | (stored->is_fresh ? SESSION_IS_EXACT : 0u);
                checkpoint.n_minor = trace->counts.count[EVENT_MIN];
                checkpoint.n_major = trace->counts.count[EVENT_MAJ];
                checkpoint.min_flt = stored->ahead_minor + checkpoint.n_minor;
                checkpoint.maj_flt = stored->ahead_major + checkpoint.n_major;
        }
        checkpoint.time_ns = trace->counts.time_ns;
        session_write(stored->record, &checkpoint);
}

void store_leave(struct store *store, bool comes_back)
{
        if (store->table == NULL)
                return;
        if (comes_back) {
                store->is_leaving = true;
                return;
        }
        for (size_t i = 0; i < SESSIONS_MAX; i++)
                if (store->traces[i].record != NULL) {
                        if (store->traces[i].trace != NULL)
                                store->traces[i].trace->stored = NULL;
                        remove_stored(&store->traces[i]);
                }
        keeper_give_up(KEEPER_TABLE);
        store->table->magic = 0;
}
