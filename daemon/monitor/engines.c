/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An engine reads hostile files and hostile clients, so it may die at any time, and may say anything. What it says is
 * bound to what the monitor recorded: its clients' credentials, its own traces. What it does wrong (a malformed
 * message, not reading) ends it as a crash would. The monitor keeps a duplicate of every client's socket, so that a
 * client survives its engine; an engine that dies again and again loses its clients instead, for that is what they do
 * to it.
 */
#include "daemon/monitor/engines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/attachment.h"
#include "daemon/monitor/follow.h"
#include "daemon/monitor/limits.h"
#include "daemon/monitor/log.h"
#include "daemon/monitor/opens.h"
#include "daemon/monitor/process_cost.h"
#include "daemon/monitor/records.h"
#include "daemon/monitor/run.h"
#include "daemon/monitor/status.h"
#include "daemon/monitor/successor.h"
#include "daemon/monitor/urgency.h"
#include "proto/proto.h"

#define MAX_DEATHS 5
#define DEATHS_WITHIN_NS (10 * NSEC_PER_SEC)
#define MESSAGES_PER_WAKEUP 64
#define COST_INTERVAL_NS (100 * NSEC_PER_MSEC)
#define STATUS_INTERVAL_NS (5 * NSEC_PER_MSEC) /* an engine asks every 10 ms at most */
#define STATUS_BURST 64                        /* and once more for each client: what waits while we are busy */
#define ENDING_USEC (5 * 1000 * 1000)          /* for an engine that nobody needs to end by itself */

struct client {
        struct client *next;
        uint32_t id;
        int fd; /* our duplicate */
        struct peer peer;
        bool is_orphan; /* its engine died and the successor does not have it yet */
};

struct engine {
        struct engines *owner;
        struct engine *next;
        uid_t uid;
        gid_t gid;
        uint32_t admins; /* its clients are administrators by this configuration (->n_admin_changes + 1); 0 = not */
        struct child *child;
        int socket;
        sd_event_source *source;
        struct outbox outbox;
        struct client *clients;
        size_t n_clients;
        uint64_t death_ns[MAX_DEATHS]; /* the last ones, 0 = none */
        size_t n_deaths;
        bool is_ending; /* told to end: it is not missed */
        sd_event_source *end_timer;
        uint64_t cpu_ns, memory_bytes, cost_read_ns;
        uint64_t status_paid_ns; /* for that many STATUS, STATUS_INTERVAL_NS each, the time is up then */
};

static int engine_start(struct engine *engine);

/* --- in the engine's process, before it is one --- */

struct engine_call {
        const struct engine *engine;
        int socket;
};

static int become_engine(const struct engine *engine)
{
        struct peer user = {.uid = engine->uid, .gid = engine->gid};
        int r;

        /* A non-root service serves root with its own user: uid 0 without capabilities still owns most files. */
        if (engine->uid != geteuid() && engine->uid != 0)
                r = peer_become(&user);
        else
                r = drop_capabilities();
        if (r < 0)
                return r;
        /* Not over the change of user, which clears it (prctl(2)). */
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
                return -errno;
        /* The user's other programs must not look into it: it sees kernel addresses and other clients' sockets. */
        return !engine->owner->is_private && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}

/*
 * What a user makes his engine remember ends here, whatever it is: queues of clients that do not read, names, unwind
 * rows (RLIMIT_DATA, getrlimit(2), counts private writable memory; the rings are shared and have a limit of their own).
 */
static int limit_memory(const struct engine *engine)
{
        const struct settings *settings = &engine->owner->context->settings;
        const struct rlimit limit = {settings->limits.memory_per_user_bytes, settings->limits.memory_per_user_bytes};

#if defined(__SANITIZE_ADDRESS__) /* its shadow memory alone is more */
        return 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
        return 0;
#endif
#endif
        if (engine->uid == 0 || engine->owner->is_private)
                return 0;
        return setrlimit(RLIMIT_DATA, &limit) < 0 ? -errno : 0;
}

static int engine_child(void *user)
{
        const struct engine_call *call = user;
        int r;

        urgency_take();
        r = limit_memory(call->engine);
        if (r == 0)
                r = become_engine(call->engine);
        if (r < 0) {
                log_line(LOG_PRIORITY_ERROR, "cannot run an engine as uid %u: %s", call->engine->uid,
                         strerrordesc_np(-r));
                return EXIT_FAILURE;
        }
        return call->engine->owner->context->options->engine_main(call->socket);
}

/* --- clients --- */

static struct client *client_free(struct client *client)
{
        (void)close(client->fd);
        peer_deinit(&client->peer);
        free(client);
        return NULL;
}

static void send_client(struct engine *engine, const struct client *client, bool restarted)
{
        struct link_message message = {.type = LINK_CONN,
                                       .conn = {
                                               .conn = client->id,
                                               .uid = client->peer.uid,
                                               .gid = client->peer.gid,
                                               .pid = client->peer.pid,
                                               .rights = peer_rights(&client->peer),
                                               .restarted = restarted,
                                       }};

        outbox_send(&engine->outbox, &message, &client->fd, 1);
}

static const struct client *find_client(const struct engine *engine, uint32_t id)
{
        for (const struct client *c = engine->clients; c != NULL; c = c->next)
                if (c->id == id)
                        return c;
        return NULL;
}

static void remove_client(struct engine *engine, uint32_t id)
{
        for (struct client **p = &engine->clients; *p != NULL; p = &(*p)->next)
                if ((*p)->id == id) {
                        struct client *gone = *p;

                        *p = gone->next;
                        engine->n_clients--;
                        client_free(gone);
                        announce_later(engine->owner->context);
                        return;
                }
}

/* --- life of an engine --- */

static void disconnect(struct engine *engine)
{
        outbox_deinit(&engine->outbox);
        engine->source = sd_event_source_disable_unref(engine->source);
        cleanup_close(&engine->socket);
        engine->socket = -1;
}

static struct engine *engine_free(struct engine *engine)
{
        struct engines *owner = engine->owner;

        for (struct engine **p = &owner->first; *p != NULL; p = &(*p)->next)
                if (*p == engine) {
                        *p = engine->next;
                        break;
                }
        attachments_free_of(owner->context, &engine->outbox);
        while (engine->clients != NULL)
                remove_client(engine, engine->clients->id);
        disconnect(engine);
        sd_event_source_disable_unref(engine->end_timer);
        engine->child = child_abandon(engine->child);
        free(engine);
        return NULL;
}

static void engine_free_and_tell(struct engine *engine)
{
        struct engines *owner = engine->owner;

        engine_free(engine);
        if (owner->first == NULL)
                owner->idle(owner->user);
}

/* One of a user that ends is enough: those before it have had their time. */
static void kill_ending(struct engines *engines, uid_t uid)
{
        for (struct engine *e = engines->first; e != NULL; e = e->next)
                if (e->uid == uid && e->is_ending && e->child != NULL)
                        child_kill(e->child);
}

static int on_end_timer(sd_event_source *source, uint64_t usec, void *user)
{
        struct engine *engine = user;

        if (engine->child != NULL)
                child_kill(engine->child);
        return 0;
}

/*
 * It has nobody to serve: closing the link ends it. A client that comes now gets a new one. Its user may have stopped
 * it just now (SIGSTOP), and the next one as well: so it is not waited for without end, and at once killed where there
 * is no timer.
 */
static void end_if_unused(struct engine *engine)
{
        struct context *context = engine->owner->context;

        if (engine->is_ending || engine->clients != NULL || attachments_have(context, &engine->outbox))
                return;
        kill_ending(engine->owner, engine->uid);
        engine->is_ending = true;
        disconnect(engine);
        if (sd_event_add_time_relative(context->event, &engine->end_timer, CLOCK_MONOTONIC, ENDING_USEC, 0,
                                       on_end_timer, engine) < 0)
                (void)on_end_timer(NULL, 0, engine);
        if (engine->owner->is_private)
                engine->owner->idle(engine->owner->user);
}

/* Remember a death. Whether it was one too many. */
static bool dies_too_often(struct engine *engine)
{
        uint64_t now = monotonic_ns();
        uint64_t *slot = &engine->death_ns[engine->n_deaths++ % MAX_DEATHS];
        bool too_often = *slot != 0 && now - *slot < DEATHS_WITHIN_NS;

        *slot = now;
        return too_often;
}

/* Traces first: a client answers the gap with RESUME, and the engine must know the trace by then. */
static void on_resent(void *user)
{
        struct engine *engine = user;

        for (struct client *c = engine->clients; c != NULL; c = c->next)
                if (c->is_orphan) {
                        send_client(engine, c, true);
                        c->is_orphan = false;
                }
}

/* r: 0 = it has a successor, or why not. */
static void tell_death(const struct engine *engine, const siginfo_t *info, int r)
{
        struct complaints *complaints = &engine->owner->context->complaints;
        struct journal_facts facts = {.uid = engine->uid, .pid = info->si_pid, .error = r == -ELOOP ? 0 : -r};
        const char *how = info->si_code == CLD_EXITED ? "ended with status" : "was killed by signal";
        const char *why = r == -ELOOP ? "it died more than 5 times within 10 seconds" : strerrordesc_np(-r);

        facts.reason = info->si_code == CLD_EXITED ? "exited" : "killed";
        if (r >= 0) {
                complain_record(complaints, JOURNAL_ENGINE_RESTARTED, &facts,
                                "the engine of uid %u (process %d) %s %d; its clients are told of the gap", engine->uid,
                                info->si_pid, how, info->si_status);
                return;
        }
        complain_record(complaints, JOURNAL_ENGINE_GIVEN_UP, &facts,
                        "the engine of uid %u (process %d) %s %d; no new one, its clients are disconnected: %s",
                        engine->uid, info->si_pid, how, info->si_status, why);
        for (const struct client *c = engine->clients; c != NULL; c = c->next)
                records_client_dropped(engine->owner->context, &c->peer, "engine", "its engine died too often");
}

static void on_engine_exit(void *user, const siginfo_t *info)
{
        struct engine *engine = user;
        struct context *context = engine->owner->context;
        int r;

        engine->child = NULL;
        if (engine->is_ending) {
                engine_free_and_tell(engine);
                return;
        }
        status_user_of(&context->users, engine->uid)->n_restarted++;
        engine->cost_read_ns = 0;
        disconnect(engine);
        attachments_engine_died(context, &engine->outbox);
        r = dies_too_often(engine) ? -ELOOP : engine_start(engine);
        tell_death(engine, info, r);
        if (r < 0) {
                engine_free_and_tell(engine);
                return;
        }
        for (struct client *c = engine->clients; c != NULL; c = c->next)
                c->is_orphan = true;
        attachments_resend(context, &engine->outbox, on_resent, engine);
}

/* why: NULL = that it is dead will be said (tell_death()). */
static void engine_kill(struct engine *engine, const char *why)
{
        if (why != NULL)
                complain(&engine->owner->context->complaints, engine->uid, LOG_PRIORITY_ERROR,
                         "the engine of uid %u %s; it is replaced", engine->uid, why);
        engine->source = sd_event_source_disable_unref(engine->source);
        outbox_deinit(&engine->outbox);
        if (engine->child != NULL)
                child_kill(engine->child);
}

/* Whom it names is looked up among what is recorded of this engine; one that is gone has crossed it on the way. */
static void on_report(struct engine *engine, const struct link_report *report)
{
        struct context *context = engine->owner->context;
        const struct client *client = find_client(engine, report->conn);
        struct attachment *trace = attachment_find(context, &engine->outbox, report->trace);

        if (!records_report(context, client != NULL ? &client->peer : NULL, trace, report))
                engine_kill(engine, "sent a report that makes no sense");
}

/* An answer costs the monitor's time, which is everybody's. */
static bool asks_too_often(struct engine *engine)
{
        uint64_t now = monotonic_ns();

        engine->status_paid_ns = MAX_OF(engine->status_paid_ns, now) + STATUS_INTERVAL_NS;
        return engine->status_paid_ns - now > (STATUS_BURST + engine->n_clients) * STATUS_INTERVAL_NS;
}

static void on_status(struct engine *engine, const struct link_status *request)
{
        const struct client *client = find_client(engine, request->conn);

        if (asks_too_often(engine))
                engine_kill(engine, "asks for the status without end");
        else if (client != NULL)
                status_answer(engine->owner, &engine->outbox, &client->peer, request);
}

static void on_message(struct engine *engine, const struct link_message *message)
{
        struct context *context = engine->owner->context;
        const struct client *client;
        struct attachment *trace;

        switch (message->type) {
        case LINK_ATTACH:
                client = find_client(engine, message->attach.conn);
                if (client != NULL)
                        attachment_request(context, &engine->outbox, &client->peer, &message->attach);
                return;
        case LINK_READY:
                trace = attachment_find(context, &engine->outbox, message->id.id);
                if (trace != NULL)
                        attachment_ready(trace);
                return;
        case LINK_OPEN:
                trace = attachment_find(context, &engine->outbox, message->open.trace);
                if (trace != NULL)
                        opens_request(trace, &message->open);
                return;
        case LINK_FOLLOW:
                trace = attachment_find(context, &engine->outbox, message->follow.trace);
                if (trace != NULL)
                        follow_request(trace, message->follow.pid, message->follow.n_threads != 0);
                return;
        case LINK_STOP:
                trace = attachment_find(context, &engine->outbox, message->id.id);
                if (trace != NULL)
                        attachment_stop(trace);
                return;
        case LINK_CLOSE:
                trace = attachment_find(context, &engine->outbox, message->id.id);
                if (trace != NULL)
                        attachment_free(trace);
                end_if_unused(engine);
                return;
        case LINK_REPORT:
                on_report(engine, &message->report);
                return;
        case LINK_STATUS:
                on_status(engine, &message->status);
                return;
        case LINK_CONN_CLOSED:
                attachments_forget_client(context, &engine->outbox, message->id.id);
                remove_client(engine, message->id.id);
                end_if_unused(engine);
                return;
        default:
                engine_kill(engine, "sent what only others send");
        }
}

/* The daemon ends: when this engine has been told all, it is told that this was all; what it still asks is dropped. */
static void on_last_io(struct engine *engine)
{
        if (engine->outbox.first == NULL || engine->outbox.is_failed)
                (void)shutdown(engine->socket, SHUT_WR);
        for (int i = 0; i < MESSAGES_PER_WAKEUP; i++) {
                struct link_received received;
                int r = link_receive(engine->socket, &received);

                if (r == -EAGAIN)
                        return;
                if (r != 1) { /* its exit, which we wait for, comes next */
                        disconnect(engine);
                        return;
                }
                link_close_fds(&received);
        }
}

static int on_engine_io(sd_event_source *source, int fd, uint32_t events, void *user)
{
        struct engine *engine = user;

        if ((events & EPOLLOUT) != 0)
                outbox_flush(&engine->outbox);
        if (engine->is_ending) {
                on_last_io(engine);
                return 0;
        }
        for (int i = 0; i < MESSAGES_PER_WAKEUP && engine->source != NULL; i++) {
                struct link_received received;
                int r = link_receive(fd, &received);

                if (r == -EAGAIN)
                        break;
                if (r == 1) {
                        link_close_fds(&received); /* engines send none that we want */
                        on_message(engine, &received.message);
                } else if (r == 0) { /* nearly always because it has died */
                        engine_kill(engine, NULL);
                } else {
                        engine_kill(engine, "sent a malformed message");
                }
        }
        if (engine->source != NULL && engine->outbox.is_failed)
                engine_kill(engine, "does not read its messages");
        return 0;
}

static int engine_start(struct engine *engine)
{
        struct context *context = engine->owner->context;
        int sockets[2];
        int r;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        struct engine_call call = {.engine = engine, .socket = sockets[1]};
        r = child_spawn(&context->children, (int[]){sockets[1]}, 1, engine_child, &call, on_engine_exit, engine,
                        &engine->child);
        (void)close(sockets[1]);
        engine->socket = sockets[0];
        if (r >= 0 && fcntl(engine->socket, F_SETFL, O_NONBLOCK) < 0) /* ours alone: how it waits is its own affair */
                r = -errno;
        if (r >= 0)
                r = sd_event_add_io(context->event, &engine->source, engine->socket, EPOLLIN, on_engine_io, engine);
        if (r < 0) {
                engine->child = child_abandon(engine->child);
                disconnect(engine);
                return r;
        }
        outbox_init(&engine->outbox, engine->socket, engine->source);
        return 0;
}

static uint32_t admins_of(const struct engines *engines, const struct peer *peer)
{
        return peer->is_admin ? engines->n_admin_changes + 1 : 0;
}

static int engine_new(struct engines *engines, const struct peer *peer, struct engine **ret)
{
        struct engine *engine = calloc(1, sizeof(*engine));
        int r;

        if (engine == NULL)
                return -ENOMEM;
        engine->owner = engines;
        engine->uid = peer->uid;
        engine->gid = peer->gid;
        engine->admins = admins_of(engines, peer);
        engine->socket = -1;
        outbox_init(&engine->outbox, -1, NULL);
        r = engine_start(engine);
        if (r < 0) {
                free(engine);
                return r;
        }
        engine->next = engines->first;
        engines->first = engine;
        *ret = engine;
        return 0;
}

/*
 * One engine never serves connections of different power: what an administrator sees of everybody's processes is not in
 * a process that answers the same user's other programs. Nor those who were administrators under another group: they
 * have lost it, and keep the engine in which they had it.
 */
static int engine_of(struct engines *engines, const struct peer *peer, struct engine **ret)
{
        for (struct engine *e = engines->first; e != NULL; e = e->next)
                if (e->uid == peer->uid && e->admins == admins_of(engines, peer) && !e->is_ending) {
                        *ret = e;
                        return 0;
                }
        return engine_new(engines, peer, ret);
}

static int add_client(struct engines *engines, int fd, const struct peer *peer, char text[static LINK_TEXT_BYTES])
{
        struct client *client;
        struct engine *engine;
        int r = limits_check_client(engines, peer, text);

        if (r < 0)
                return r;
        r = engine_of(engines, peer, &engine);
        if (r < 0) {
                (void)snprintf(text, LINK_TEXT_BYTES, "no engine can be started for its user: %s", strerrordesc_np(-r));
                return r;
        }
        client = calloc(1, sizeof(*client));
        if (client == NULL) {
                end_if_unused(engine);
                (void)snprintf(text, LINK_TEXT_BYTES, "%s", strerrordesc_np(ENOMEM));
                return -ENOMEM;
        }
        client->id = ++engines->last_conn_id;
        client->fd = fd;
        client->peer = *peer;
        client->next = engine->clients;
        engine->clients = client;
        engine->n_clients++;
        send_client(engine, client, false);
        announce_later(engines->context);
        return 0;
}

/*
 * Nothing of what the client says is parsed, but what it has said already is read: closing a socket with unread bytes
 * takes the answer away from it (unix_release_sock(), net/unix/af_unix.c).
 */
static void refuse_client(int fd, int error, const char *why)
{
        uint8_t bytes[LINK_TEXT_BYTES + 192];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        char text[LINK_TEXT_BYTES + 64];
        int n;

        (void)snprintf(text, sizeof(text), "faultlined refuses this connection: %s", why);
        const struct proto_error answer = {.error = error, .text = {.data = text, .n_bytes = (uint32_t)strlen(text)}};
        n = proto_encode_error(&buffer, 0, &answer);
        if (n > 0)
                (void)send(fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)shutdown(fd, SHUT_RD);
        while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
                ;
}

void engines_add_client(struct engines *engines, int fd)
{
        struct complaints *complaints = &engines->context->complaints;
        struct peer peer = {0};
        char text[LINK_TEXT_BYTES];
        int r = peer_read(fd, &peer);

        (void)snprintf(text, sizeof(text), "%s", strerrordesc_np(-r));
        peer.is_admin = r == 0 && peer.uid != 0 && admins_have(&engines->context->settings.admins, &peer, fd);
        if (r == 0)
                r = add_client(engines, fd, &peer, text);
        if (r == 0)
                return;
        if (peer.pid != 0)
                records_client_refused(engines->context, &peer, -r,
                                       r == -EDQUOT   ? "clients"
                                       : r == -EUSERS ? "users"
                                                      : NULL,
                                       text);
        else
                complain(complaints, (uid_t)-1, LOG_PRIORITY_WARNING,
                         "client refused, its credentials cannot be told: %s", strerrordesc_np(-r));
        refuse_client(fd, -r, text);
        peer_deinit(&peer);
        (void)close(fd);
        if (engines->first == NULL)
                engines->idle(engines->user);
}

static void read_cost(struct engine *engine)
{
        uint64_t now = monotonic_ns();

        if (engine->cost_read_ns != 0 && now - engine->cost_read_ns < COST_INTERVAL_NS)
                return;
        engine->cost_read_ns = now;
        process_cost_read(child_pid(engine->child), &engine->cpu_ns, &engine->memory_bytes);
}

const struct engine *engines_next(const struct engines *engines, const struct engine *engine,
                                  struct engine_figures *ret)
{
        struct engine *next = engine == NULL ? engines->first : engine->next;

        while (next != NULL && (next->is_ending || next->child == NULL))
                next = next->next;
        if (next == NULL)
                return NULL;
        read_cost(next);
        *ret = (struct engine_figures){
                .uid = next->uid,
                .pid = child_pid(next->child),
                .n_clients = (uint32_t)next->n_clients,
                .n_deaths = (uint32_t)next->n_deaths,
                .cpu_ns = next->cpu_ns,
                .memory_bytes = next->memory_bytes,
                .outbox = &next->outbox,
        };
        return next;
}

bool engines_have_client(const struct engines *engines, const struct outbox *outbox, uint32_t conn)
{
        for (const struct engine *e = engines->first; e != NULL; e = e->next)
                if (&e->outbox == outbox)
                        return find_client(e, conn) != NULL;
        return false;
}

void engines_shutdown(struct engines *engines)
{
        attachments_stop_all(engines->context);
        for (struct engine *e = engines->first; e != NULL; e = e->next) {
                e->is_ending = true;
                if (e->source != NULL)
                        on_last_io(e);
        }
        if (engines->first == NULL)
                engines->idle(engines->user);
}

size_t engines_n_clients(const struct engines *engines, uid_t uid)
{
        size_t n = 0;

        for (const struct engine *e = engines->first; e != NULL; e = e->next)
                if (uid == ENGINES_ALL_USERS || e->uid == uid)
                        n += e->n_clients;
        return n;
}

bool engines_have_user(const struct engines *engines, uid_t uid)
{
        for (const struct engine *e = engines->first; e != NULL; e = e->next)
                if (e->uid == uid)
                        return true;
        return false;
}

static bool is_any(const struct engine *engine)
{
        return true;
}

/* Root and administrators, who are served in any case, take no place from others. */
static bool takes_place(const struct engine *engine)
{
        return engine->uid != 0 && engine->admins == 0;
}

/* Different users among the engines that count. */
static size_t count_users(const struct engines *engines, bool (*counts)(const struct engine *engine))
{
        size_t n = 0;

        for (const struct engine *e = engines->first; e != NULL; e = e->next) {
                const struct engine *same = engines->first;

                while (same != e && !(counts(same) && same->uid == e->uid))
                        same = same->next;
                n += counts(e) && same == e;
        }
        return n;
}

size_t engines_n_users(const struct engines *engines)
{
        return count_users(engines, is_any);
}

size_t engines_n_places(const struct engines *engines)
{
        return count_users(engines, takes_place);
}

void engines_forget_admins(struct engines *engines)
{
        engines->n_admin_changes++;
        for (struct engine *e = engines->first; e != NULL; e = e->next)
                for (struct client *c = e->clients; c != NULL; c = c->next)
                        c->peer.is_admin = false;
        attachments_forget_admins(engines->context);
}

void engines_deinit(struct engines *engines)
{
        while (engines->first != NULL)
                engine_free(engines->first);
}
