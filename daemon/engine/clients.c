/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The clients of this engine in its loop: they come from the monitor, give commands, are sent to, and are dropped.
 * serve/peer.c holds the conversation with one; here is what their commands do to the traces.
 *
 * No client can hold up another: of each at most MESSAGES_PER_PEER are read in a pass, and sending stops where a socket
 * is full. A client that goes leaves its traces at once, but its entry stays until the events at hand are handled: one
 * of them may be its own.
 */
#include "daemon/engine/engine_private.h"

#include <errno.h>
#include <sys/epoll.h>

#include "daemon/link/clock.h"

#define MESSAGES_PER_PEER 16

static void send_gap(struct peer *peer)
{
        static const char reason[] = "the daemon's engine died and was started again";
        uint8_t bytes[PROTO_HEADER_BYTES + 256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_gap gap = {.reason = {.data = reason, .n_bytes = sizeof(reason) - 1}};

        if (proto_encode_gap(&buffer, 0, &gap) >= 0)
                peer_message(peer, MESSAGE_GAP, &buffer);
}

int clients_add(struct engine *engine, struct link_received *received)
{
        const struct link_conn *conn = &received->message.conn;
        struct peer_entry *entry;
        int r;

        if (received->n_fds != 1)
                return -EBADMSG;
        entry = calloc(1, sizeof(*entry));
        if (!entry)
                return -ENOMEM;
        r = peer_new(received->fds[0], conn->conn, !(conn->rights & LINK_RIGHT_KERNEL), conn->restarted, &entry->peer);
        if (r < 0) {
                free(entry);
                return r;
        }
        received->fds[0] = -1;
        entry->status.rows_fd = -1;
        entry->watched = EPOLLIN;
        entry->next = engine->peers;
        engine->peers = entry;
        if (conn->restarted)
                send_gap(entry->peer);
        return engine_watch(engine, EPOLL_CTL_ADD, entry->peer->fd, EPOLLIN, SOURCE_PEER, entry);
}

static void drop_peer(struct engine *engine, struct peer_entry *entry)
{
        struct peer *peer = entry->peer;

        attaches_forget(engine, peer);
        reports_peer_goes(engine, peer);
        for (struct subscription *s = peer->subscriptions; s; s = s->next_in_peer) {
                struct trace *trace = engine_find_trace(engine, s->trace);

                if (trace && !s->ended)
                        fanout_leave(&trace->fanout, s);
        }
        status_forget(entry);
        engine_unwatch(engine, peer->fd);
        engine_tell_id(engine, LINK_CONN_CLOSED, peer->conn);
        entry->peer = peer_free(peer);
        entry->gone = true;
}

static struct subscription *find_subscription(const struct peer *peer, uint32_t trace)
{
        for (struct subscription *s = peer->subscriptions; s; s = s->next_in_peer)
                if (s->trace == trace && !s->ended)
                        return s;
        return NULL;
}

/* The daemon before this one had it, and the engine before this one went on with it: only the news died. */
static struct trace *find_by_key(const struct engine *engine, const struct peer *peer, const struct proto_key *key)
{
        for (struct trace *trace = engine->traces; trace; trace = trace->next)
                if (trace->restarted && !trace->was_resumed && trace->info.conn == peer->conn &&
                    trace->state == TRACE_RUNNING && trace->started.key.high == key->high &&
                    trace->started.key.low == key->low)
                        return trace;
        return NULL;
}

static void resumed(struct engine *engine, struct trace *trace)
{
        trace->was_resumed = true;
        if (trace->has_held)
                tracing_take_counts(engine, &trace->held);
}

static void resume_by_key(struct engine *engine, struct peer *peer, const struct proto_resume *request)
{
        struct trace *trace = find_by_key(engine, peer, &request->past.key);

        if (!trace) {
                attaches_resume(engine, peer, request);
                return;
        }
        if (peer->n_subscriptions >= PEER_MAX_SUBSCRIPTIONS || !attaches_go_on(trace, peer, request)) {
                peer_error(peer, request->req, ENOMEM, ENOMEM_TEXT);
                return;
        }
        peer->n_subscriptions++;
        resumed(engine, trace);
}

static void resume(struct engine *engine, struct peer *peer, const struct peer_command *command)
{
        struct trace *trace = engine_find_trace(engine, command->trace);
        struct subscription_spec spec = {.peer = peer,
                                         .filter = command->resume.filter,
                                         .count_limit = command->resume.count_limit,
                                         .hide_kernel = peer->hide_kernel || (trace && trace_hides_kernel(trace)),
                                         .resume = &command->resume};
        struct subscription *subscription = find_subscription(peer, command->trace);

        if (trace && subscription) { /* asked of two engines, of which the first one died before it read it */
                attaches_tell(trace, subscription, command->resume.req);
                return;
        }
        if (trace && trace->restarted && trace->info.conn == peer->conn && trace->state == TRACE_RUNNING &&
            peer->n_subscriptions < PEER_MAX_SUBSCRIPTIONS)
                subscription = attaches_subscribe(trace, &spec);
        if (!subscription) {
                peer_error(peer, command->resume.req, ESRCH, "the trace ended while the daemon's engine was restarted");
                return;
        }
        peer->n_subscriptions++;
        attaches_tell(trace, subscription, command->resume.req);
        resumed(engine, trace);
}

static void stop_command(struct engine *engine, struct peer *peer, uint32_t id)
{
        struct trace *trace = engine_find_trace(engine, id);

        struct subscription *subscription = find_subscription(peer, id);

        if (trace && subscription)
                tracing_end_subscription(engine, trace, subscription, END_STOPPED);
}

static void apply(struct engine *engine, struct peer_entry *entry, const struct peer_command *command)
{
        struct peer *peer = entry->peer;

        switch (command->kind) {
        case PEER_COMMAND_ATTACH:
                attaches_ask(engine, peer, &command->attach);
                break;
        case PEER_COMMAND_RESUME:
                if (!command->trace && proto_key_is_set(&command->resume.past.key))
                        resume_by_key(engine, peer, &command->resume);
                else
                        resume(engine, peer, command);
                break;
        case PEER_COMMAND_STOP:
                stop_command(engine, peer, command->trace);
                break;
        case PEER_COMMAND_STATUS:
                status_ask(engine, entry, &command->status, monotonic_ns());
                break;
        }
}

void clients_read(struct engine *engine, struct peer_entry *entry, uint32_t events)
{
        struct peer_command command;
        bool again = true;

        if (entry->status.is_held && events & (EPOLLHUP | EPOLLERR)) { /* what it still said has nobody to answer to */
                drop_peer(engine, entry);
                return;
        }
        for (unsigned int n = 0; again && n < MESSAGES_PER_PEER && !entry->status.is_held; n++) {
                int r = peer_receive(entry->peer, &command, &again);

                if (r < 0) {
                        drop_peer(engine, entry);
                        return;
                }
                if (r == 0)
                        continue;
                entry->has_asked |= command.kind == PEER_COMMAND_ATTACH || command.kind == PEER_COMMAND_RESUME;
                apply(engine, entry, &command);
        }
}

static void write_peer(struct engine *engine, struct peer_entry *entry)
{
        uint32_t wanted;

        status_fill(entry);
        if (peer_send(entry->peer) < 0) {
                drop_peer(engine, entry);
                return;
        }
        wanted = (entry->status.is_held ? 0 : EPOLLIN) | (entry->peer->wants_write ? EPOLLOUT : 0);
        if (wanted == entry->watched)
                return;
        entry->watched = wanted;
        (void)engine_watch(engine, EPOLL_CTL_MOD, entry->peer->fd, wanted, SOURCE_PEER, entry);
}

void clients_write(struct engine *engine)
{
        for (struct peer_entry *entry = engine->peers; entry; entry = entry->next)
                if (!entry->gone)
                        write_peer(engine, entry);
}

void clients_forget_gone(struct engine *engine)
{
        for (struct peer_entry **at = &engine->peers; *at;) {
                struct peer_entry *entry = *at;

                if (!entry->gone) {
                        at = &entry->next;
                        continue;
                }
                *at = entry->next;
                free(entry);
        }
}

void clients_deinit(struct engine *engine)
{
        for (struct peer_entry *entry = engine->peers; entry; entry = entry->next)
                if (!entry->gone)
                        drop_peer(engine, entry);
        clients_forget_gone(engine);
}
