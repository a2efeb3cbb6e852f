/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One place knows the words, so that who acts (attachment.c, run.c, execs.c, engines.c) says what happened in a line.
 * What an engine reports is its own word: whom it concerns was looked up by the caller among what the monitor recorded
 * of that engine, every number is only printed, and every kind is refused where it does not belong.
 */
#include "daemon/monitor/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "daemon/monitor/announce.h"
#include "daemon/monitor/attachment.h"

#define TARGET_BYTES (LINK_UNIT_BYTES + 64)

static const char *const drop_reasons[N_LINK_DROPS] = {
        [LINK_DROP_MALFORMED] = "malformed", [LINK_DROP_HELLO] = "hello", [LINK_DROP_VERSION] = "version",
        [LINK_DROP_CRITICAL] = "critical",   [LINK_DROP_DEAF] = "deaf",
};
static const char *const drop_words[N_LINK_DROPS] = {
        [LINK_DROP_MALFORMED] = "it sent what is no message of the protocol",
        [LINK_DROP_HELLO] = "it did not begin with one HELLO of the protocol",
        [LINK_DROP_VERSION] = "it speaks another version of the protocol",
        [LINK_DROP_CRITICAL] = "it sent a critical message that this daemon does not know",
        [LINK_DROP_DEAF] = "it asks and does not read the answers",
};

static struct journal_facts facts_of_peer(const struct peer *peer)
{
        return (struct journal_facts){.uid = peer->uid, .client_pid = peer->pid};
}

static struct journal_facts facts_of(const struct attachment *trace)
{
        struct journal_facts facts = facts_of_peer(&trace->peer);

        facts.pid = trace->target.pid;
        facts.comm = trace->request.pid != 0 ? trace->target.comm : NULL;
        facts.unit = trace->request.pid == 0 ? trace->request.unit : NULL;
        facts.trace = trace->id;
        return facts;
}

/* "process 5 (sleep)" or "unit x.service" */
static const char *target_of(const struct attachment *trace, char text[static TARGET_BYTES])
{
        if (trace->request.pid == 0)
                (void)snprintf(text, TARGET_BYTES, "unit %s", trace->request.unit);
        else
                (void)snprintf(text, TARGET_BYTES, "process %d (%.*s)", trace->target.pid,
                               (int)sizeof(trace->target.comm), trace->target.comm);
        return text;
}

/* --- traces --- */

/* What was not to be had; what the client chose to do without is no lack. */
static void tell_lacks(struct attachment *trace)
{
        struct journal_facts facts = facts_of(trace);
        char names[256] = "", target[TARGET_BYTES];
        size_t n = 0;

        for (unsigned int i = 0; i < N_LINK_LACKS; i++) {
                if ((trace->level.degraded & 1u << i) == 0 || trace->level.degraded_errno[i] == 0)
                        continue;
                n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", n > 0 ? " " : "",
                                      link_detail_name((enum link_detail)i));
                n = MIN_OF(n, sizeof(names) - 1);
                facts.error = facts.error != 0 ? facts.error : trace->level.degraded_errno[i];
        }
        if (n == 0)
                return;
        facts.reason = names;
        complain_record(&trace->context->complaints, JOURNAL_TRACE_DEGRADED, &facts,
                        "trace %u of %s for uid %u lacks: %s (%s)", trace->id, target_of(trace, target),
                        trace->peer.uid, names, strerrordesc_np(facts.error));
}

void records_granted(struct attachment *trace)
{
        struct journal_facts facts = facts_of(trace);
        char target[TARGET_BYTES];

        trace->is_told = true;
        complain_record(&trace->context->complaints, JOURNAL_ATTACH_GRANTED, &facts,
                        "uid %u traces %s: trace %u, asked for by process %d", trace->peer.uid,
                        target_of(trace, target), trace->id, trace->peer.pid);
        tell_lacks(trace);
}

static const char *limit_of(int error)
{
        switch (error) {
        case ENOSPC: /* rings.h: no room in the budget */
        case ENOMEM:
        case ENOBUFS:
                return "memory";
        case EMFILE:
        case ENFILE:
                return "descriptors";
        default:
                return NULL;
        }
}

void records_refused(struct context *context, const struct peer *peer, const struct link_attach *request, int error,
                     const char *limit, const char *text)
{
        struct journal_facts facts = facts_of_peer(peer);
        bool is_denied = error == EPERM || error == EACCES;
        char unit[LINK_UNIT_BYTES];

        /* As it came from the engine: it need not end. */
        (void)snprintf(unit, sizeof(unit), "%.*s", (int)sizeof(request->unit) - 1, request->unit);
        facts.pid = request->pid;
        facts.unit = request->pid == 0 ? unit : NULL;
        facts.error = error;
        facts.limit = limit != NULL ? limit : limit_of(error);
        complain_record(&context->complaints,
                        facts.limit != NULL ? JOURNAL_LIMIT_REACHED
                        : is_denied         ? JOURNAL_ATTACH_DENIED
                                            : JOURNAL_ATTACH_FAILED,
                        &facts, "attach for uid %u refused: %s", peer->uid, text);
}

void records_revoked(struct attachment *trace, pid_t pid, int error)
{
        struct journal_facts facts = facts_of(trace);

        if (facts.pid != pid)
                facts.comm = NULL;
        facts.pid = pid;
        facts.error = error;
        facts.reason = error == EPERM ? "denied" : "unknown";
        trace->is_revoked = true;
        complain_record(&trace->context->complaints, JOURNAL_TRACE_REVOKED, &facts,
                        "process %d is hidden from uid %u (trace %u): it executed a program that this user may not "
                        "trace%s%s",
                        pid, trace->peer.uid, trace->id, error == EPERM ? "" : ", or ",
                        error == EPERM ? "" : strerrordesc_np(error));
}

static const char *end_reason(const struct attachment *trace)
{
        static const char *const reasons[] = {[LINK_STOPPED] = "stopped",
                                              [LINK_EXITED] = "exited",
                                              [LINK_STRIPPED] = "stripped",
                                              [LINK_DISMISSED] = "dismissed",
                                              [LINK_RESTARTING] = "interrupted"};

        return trace->state == ATTACHMENT_STOPPED ? reasons[trace->counts.reason] : "abandoned";
}

void records_ended(struct attachment *trace)
{
        struct journal_facts facts = facts_of(trace);
        char target[TARGET_BYTES], counted[96] = "not counted";
        uint64_t n_faults, n_lost;

        if (!trace->is_told)
                return;
        trace->is_told = false;
        facts.reason = end_reason(trace);
        if (trace->state == ATTACHMENT_STOPPED) {
                n_faults = event_anchors(trace->level.detail, trace->counts.count);
                n_lost = event_anchors(trace->level.detail, trace->counts.lost);
                journal_set_count(&facts, JOURNAL_FAULTS, n_faults);
                journal_set_count(&facts, JOURNAL_LOST, n_lost);
                (void)snprintf(counted, sizeof(counted), "%" PRIu64 " faults, %" PRIu64 " lost", n_faults, n_lost);
        }
        complain_record(&trace->context->complaints, JOURNAL_TRACE_ENDED, &facts, "trace %u of %s for uid %u %s: %s",
                        trace->id, target_of(trace, target), trace->peer.uid, facts.reason, counted);
}

void records_degraded(struct attachment *trace, enum link_detail what, int error)
{
        struct journal_facts facts = facts_of(trace);
        char target[TARGET_BYTES];

        facts.reason = link_detail_name(what);
        facts.error = error;
        complain_record(&trace->context->complaints, JOURNAL_TRACE_DEGRADED, &facts,
                        "trace %u of %s for uid %u lacks from now on: %s%s%s%s", trace->id, target_of(trace, target),
                        trace->peer.uid, facts.reason, error != 0 ? " (" : "", error != 0 ? strerrordesc_np(error) : "",
                        error != 0 ? ")" : "");
}

/* --- all --- */

void records_service_lacks(struct context *context)
{
        struct journal_facts facts = {.uid = JOURNAL_NOBODY};
        char lacks[ANNOUNCE_TEXT_BYTES];

        announce_degradations(context, lacks);
        facts.reason = lacks;
        if (*lacks != '\0')
                complain_record(&context->complaints, JOURNAL_SERVICE_DEGRADED, &facts, "degraded: %s", lacks);
}

void records_cannot_accept(struct context *context, int error)
{
        const struct journal_facts facts = {.uid = JOURNAL_NOBODY, .error = error, .limit = limit_of(error)};

        complain_record(&context->complaints, JOURNAL_LIMIT_REACHED, &facts,
                        "cannot accept connections: %s; they wait until that is over (LimitNOFILE= of the service or "
                        "ulimit -n bounds the descriptors)",
                        strerrordesc_np(error));
}

/* --- clients --- */

void records_client_refused(struct context *context, const struct peer *peer, int error, const char *limit,
                            const char *text)
{
        struct journal_facts facts = facts_of_peer(peer);

        if (limit == NULL) {
                complain(&context->complaints, peer->uid, LOG_PRIORITY_WARNING,
                         "client process %d of uid %u refused: %s", peer->pid, peer->uid, text);
                return;
        }
        facts.limit = limit;
        facts.error = error;
        complain_record(&context->complaints, JOURNAL_LIMIT_REACHED, &facts, "client process %d of uid %u refused: %s",
                        peer->pid, peer->uid, text);
}

void records_client_dropped(struct context *context, const struct peer *peer, const char *reason, const char *text)
{
        struct journal_facts facts = facts_of_peer(peer);

        facts.reason = reason;
        complain_record(&context->complaints, JOURNAL_CLIENT_DROPPED, &facts, "client process %d of uid %u dropped: %s",
                        peer->pid, peer->uid, text);
}

static bool report_dropped(struct context *context, const struct peer *peer, const struct link_report *report)
{
        struct journal_facts facts = facts_of_peer(peer);

        if (report->reason == 0 || report->reason >= N_LINK_DROPS)
                return false;
        facts.reason = drop_reasons[report->reason];
        journal_set_count(&facts, JOURNAL_DELIVERED, report->n_delivered);
        journal_set_count(&facts, JOURNAL_DROPPED, report->n_dropped);
        complain_record(&context->complaints, JOURNAL_CLIENT_DROPPED, &facts,
                        "client process %d of uid %u dropped: %s (%" PRIu64 " faults sent to it, %" PRIu64
                        " dropped for it)",
                        peer->pid, peer->uid, drop_words[report->reason], report->n_delivered, report->n_dropped);
        return true;
}

static bool report_client_loss(struct attachment *trace, const struct link_report *report)
{
        bool is_over = report->kind == LINK_REPORT_CLIENT_LOST;
        struct journal_facts facts = facts_of(trace);

        facts.reason = "client";
        journal_set_count(&facts, JOURNAL_DROPPED, report->n_dropped);
        if (is_over)
                complain_record(&trace->context->complaints, JOURNAL_LOSS_ENDED, &facts,
                                "trace %u: no more faults are dropped for client process %d of uid %u; %" PRIu64
                                " were",
                                trace->id, trace->peer.pid, trace->peer.uid, report->n_dropped);
        else
                complain_record(&trace->context->complaints, JOURNAL_LOSS_BEGAN, &facts,
                                "trace %u: client process %d of uid %u does not keep up, faults are dropped for it",
                                trace->id, trace->peer.pid, trace->peer.uid);
        return true;
}

static bool report_trace_loss(struct attachment *trace, const struct link_report *report)
{
        bool is_over = report->kind == LINK_REPORT_TRACE_LOST;
        struct journal_facts facts = facts_of(trace);
        char target[TARGET_BYTES];

        facts.reason = "rings";
        journal_set_count(&facts, JOURNAL_LOST_RECORDS, report->n_lost);
        if (is_over)
                complain_record(&trace->context->complaints, JOURNAL_LOSS_ENDED, &facts,
                                "trace %u: the rings of %s hold all again; %" PRIu64 " records were lost", trace->id,
                                target_of(trace, target), report->n_lost);
        else
                complain_record(&trace->context->complaints, JOURNAL_LOSS_BEGAN, &facts,
                                "trace %u: %s faults faster than can be read, records are lost", trace->id,
                                target_of(trace, target));
        return true;
}

/* Nobody held it in its exec: the kernel took the events, and that they stayed silent is all there is to see. */
static bool report_stripped(struct attachment *trace)
{
        if (!trace->is_revoked)
                records_revoked(trace, trace->target.pid, EPERM);
        return true;
}

/* The engine alone reads code; anything else the monitor would know. */
static bool report_lack(struct attachment *trace, const struct link_report *report)
{
        if (report->reason != LINK_LACKS_STACKS)
                return false;
        if (!trace->lacks_stacks)
                records_degraded(trace, LINK_LACKS_STACKS, 0);
        trace->lacks_stacks = true;
        return true;
}

bool records_report(struct context *context, const struct peer *peer, struct attachment *trace,
                    const struct link_report *report)
{
        switch (report->kind) {
        case LINK_REPORT_CLIENT_DROPPED:
                return peer == NULL || report_dropped(context, peer, report);
        case LINK_REPORT_CLIENT_LOSES:
        case LINK_REPORT_CLIENT_LOST:
                /* A trace is asked for by one client, and seen by it alone. */
                return trace == NULL || (trace->request.conn == report->conn && report_client_loss(trace, report));
        case LINK_REPORT_TRACE_LOSES:
        case LINK_REPORT_TRACE_LOST:
                return trace == NULL || report_trace_loss(trace, report);
        case LINK_REPORT_STRIPPED:
                return trace == NULL || report_stripped(trace);
        case LINK_REPORT_LACKS:
                return trace == NULL || report_lack(trace, report);
        default:
                return false;
        }
}
