/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * STATUS is passed on to the monitor, which alone knows who may know what, and its answer is encoded here.
 *
 * A client can ask faster than anybody should answer, and then not read. So one question of each client is under way at
 * a time, no sooner after the last than INTERVAL_NS; the next one is held, and while one is held the client is not
 * read: the rest waits in its socket, whose size is the bound. An answer stays a file and becomes frames only as far as
 * the control queue has room: it neither fills the queue, which would drop the client, nor waits in memory here.
 */
#include "daemon/engine/status.h"

#include <errno.h>
#include <string.h>

#include "daemon/engine/engine_private.h"
#include "daemon/link/status.h"

#define INTERVAL_NS (UINT64_C(100) * NSEC_PER_MSEC)
#define INTERVAL_OF_ALL_NS (UINT64_C(10) * NSEC_PER_MSEC)
#define QUEUED_BYTES ((size_t)64 << 10) /* a part of what the control queue takes (serve/peer.c) */

/* ---- questions ---- */

static bool is_free(const struct peer_entry *entry)
{
        return !entry->gone && !entry->status.is_asked && entry->status.rows_fd < 0;
}

/* From when on it may be asked for this client. */
static uint64_t may_ask_ns(const struct engine *engine, const struct peer_entry *entry)
{
        uint64_t own_ns = entry->status.asked_ns ? entry->status.asked_ns + INTERVAL_NS : 0;

        return MAX_OF(own_ns, engine->status_next_ns);
}

static void ask(struct engine *engine, struct peer_entry *entry, const struct proto_status *request, uint64_t now_ns)
{
        engine_tell(engine,
                    &(struct link_message){
                            .type = LINK_STATUS,
                            .status = {.conn = entry->peer->conn, .req = request->req, .flags = request->flags}});
        entry->status.is_asked = true;
        entry->status.asked_ns = now_ns;
        engine->status_next_ns = now_ns + INTERVAL_OF_ALL_NS;
}

void status_ask(struct engine *engine, struct peer_entry *entry, const struct proto_status *request, uint64_t now_ns)
{
        if (is_free(entry) && may_ask_ns(engine, entry) <= now_ns) {
                ask(engine, entry, request, now_ns);
                return;
        }
        entry->status.next = *request;
        entry->status.is_held = true;
}

/* Who has waited for longest, so that nobody who asks on and on keeps another from his turn. NULL = nobody may. */
static struct peer_entry *next_in_turn(const struct engine *engine, uint64_t now_ns)
{
        struct peer_entry *found = NULL;

        for (struct peer_entry *entry = engine->peers; entry; entry = entry->next)
                if (is_free(entry) && entry->status.is_held && may_ask_ns(engine, entry) <= now_ns &&
                    (!found || entry->status.asked_ns < found->status.asked_ns))
                        found = entry;
        return found;
}

void status_run(struct engine *engine, uint64_t now_ns)
{
        struct peer_entry *entry = next_in_turn(engine, now_ns);

        if (!entry)
                return;
        entry->status.is_held = false;
        ask(engine, entry, &entry->status.next, now_ns);
}

uint64_t status_due_ns(const struct engine *engine)
{
        uint64_t due_ns = UINT64_MAX;

        for (const struct peer_entry *entry = engine->peers; entry; entry = entry->next) {
                if (entry->gone)
                        continue;
                if (entry->status.rows_fd >= 0 && !entry->peer->wants_write)
                        due_ns = 0; /* there is room for more of the answer */
                else if (is_free(entry) && entry->status.is_held)
                        due_ns = MIN_OF(due_ns, may_ask_ns(engine, entry));
        }
        return due_ns;
}

/* ---- answers ---- */

static struct peer_entry *find_entry(const struct engine *engine, uint32_t conn)
{
        struct peer_entry *entry = engine->peers;

        while (entry && (entry->gone || entry->peer->conn != conn))
                entry = entry->next;
        return entry;
}

int status_take_reply(struct engine *engine, struct link_received *received)
{
        const struct link_status *reply = &received->message.status;
        struct peer_entry *entry = find_entry(engine, reply->conn);

        if (!entry || !entry->status.is_asked)
                return 0; /* the client has gone meanwhile */
        entry->status.is_asked = false;
        if (reply->error) {
                peer_error(entry->peer, reply->req, reply->error, "the status cannot be put together: " ENOMEM_TEXT);
                return 0;
        }
        if (received->n_fds != 1)
                return -EBADMSG;
        entry->status.rows_fd = TAKE_FD(received->fds[0]);
        entry->status.n_rows = reply->n_rows;
        entry->status.n_sent = 0;
        return 0;
}

static struct proto_string text_of(const struct status_row *row, enum status_text which)
{
        const char *text = row->text[which];

        return (struct proto_string){.data = text, .n_bytes = (uint32_t)strnlen(text, STATUS_TEXT_BYTES)};
}

/* The strings of a row are in its texts. */
static int encode(struct proto_buffer *buffer, struct status_row *row)
{
        switch (row->type) {
        case MESSAGE_STATUS_DAEMON:
                row->daemon.version = text_of(row, STATUS_TEXT_VERSION);
                row->daemon.degraded = text_of(row, STATUS_TEXT_DEGRADED);
                return proto_encode_status_daemon(buffer, 0, &row->daemon);
        case MESSAGE_STATUS_ENGINE:
                return proto_encode_status_engine(buffer, 0, &row->engine);
        case MESSAGE_STATUS_TRACE:
                row->trace.comm = text_of(row, STATUS_TEXT_COMM);
                row->trace.unit = text_of(row, STATUS_TEXT_UNIT);
                row->trace.degraded = text_of(row, STATUS_TEXT_DEGRADED);
                return proto_encode_status_trace(buffer, 0, &row->trace);
        case MESSAGE_STATUS_UNIT:
                row->unit.unit = text_of(row, STATUS_TEXT_UNIT);
                return proto_encode_status_unit(buffer, 0, &row->unit);
        case MESSAGE_STATUS_END:
                return proto_encode_status_end(buffer, 0, &row->end);
        default:
                return -EBADMSG;
        }
}

static int queue_row(struct peer_entry *entry)
{
        struct status *status = &entry->status;
        uint8_t bytes[PROTO_HEADER_BYTES + sizeof(struct status_row)];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct status_row row;
        off_t at = (off_t)status->n_sent * (off_t)sizeof(row);
        int r = pread(status->rows_fd, &row, sizeof(row), at) == (ssize_t)sizeof(row) ? 0 : -EIO;

        if (r >= 0)
                r = encode(&buffer, &row);
        if (r < 0)
                return r;
        peer_message(entry->peer, (enum message_type)row.type, &buffer);
        status->n_sent++;
        return 0;
}

void status_fill(struct peer_entry *entry)
{
        struct status *status = &entry->status;
        struct peer *peer = entry->peer;
        int r = 0;

        while (status->rows_fd >= 0 && !peer->closing && !peer->failed && peer->control.n_bytes < QUEUED_BYTES) {
                if (status->n_sent < status->n_rows)
                        r = queue_row(entry);
                if (r < 0) /* it would wait for the rest for ever */
                        peer->failed = true;
                if (r < 0 || status->n_sent == status->n_rows)
                        status_forget(entry);
        }
}

void status_forget(struct peer_entry *entry)
{
        cleanup_close(&entry->status.rows_fd);
        entry->status.rows_fd = -1;
}
