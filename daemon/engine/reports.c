/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the administrator may want to know and the engine alone knows: that a client is dropped, that it does not keep
 * up, that the rings run over. The monitor writes it into the journal; the engine has no way to do so.
 *
 * It is looked for in each round, between the passes over the traces and the sending: there an ended subscription still
 * exists, and no more can be dropped for it. A spell is told twice, at its two ends, so a client cannot make an engine
 * talk by being slow.
 */
#include "daemon/engine/engine_private.h"

static void tell(struct engine *engine, const struct link_report *report)
{
        engine_tell(engine, &(struct link_message){.type = LINK_REPORT, .report = *report});
}

static void look_at_subscription(struct engine *engine, struct subscription *s, uint64_t now_ns, bool is_over)
{
        enum spell_news news;
        uint64_t n = 0;

        while ((news = spell_look(&s->losses, s->queue.n_dropped, now_ns, is_over || s->ended, &n)) != SPELL_NOTHING)
                tell(engine, &(struct link_report){.kind = news == SPELL_BEGAN ? LINK_REPORT_CLIENT_LOSES
                                                                               : LINK_REPORT_CLIENT_LOST,
                                                   .conn = s->peer->conn,
                                                   .trace = s->trace,
                                                   .n_dropped = n});
}

static void look_at_trace(struct engine *engine, struct trace *trace, uint64_t now_ns, bool is_over)
{
        enum spell_news news;
        uint64_t n = 0;

        while ((news = spell_look(&trace->losses, trace->n_lost_records, now_ns, is_over, &n)) != SPELL_NOTHING)
                tell(engine, &(struct link_report){.kind = news == SPELL_BEGAN ? LINK_REPORT_TRACE_LOSES
                                                                               : LINK_REPORT_TRACE_LOST,
                                                   .trace = trace->id,
                                                   .n_lost = n});
}

/* What is told once. */
static void look_at_state(struct engine *engine, struct trace *trace)
{
        if (trace->resolve.places.saw_32bit && !trace->told_stacks) {
                tell(engine,
                     &(struct link_report){.kind = LINK_REPORT_LACKS, .trace = trace->id, .reason = LINK_LACKS_STACKS});
                trace->told_stacks = true;
        }
        if (trace->state >= TRACE_ENDING && trace->end_reason == END_STRIPPED && !trace->told_stripped) {
                tell(engine, &(struct link_report){.kind = LINK_REPORT_STRIPPED, .trace = trace->id});
                trace->told_stripped = true;
        }
}

void reports_look(struct engine *engine, uint64_t now_ns)
{
        for (struct trace *trace = engine->traces; trace; trace = trace->next) {
                look_at_trace(engine, trace, now_ns, trace->state == TRACE_OVER);
                look_at_state(engine, trace);
        }
        for (struct peer_entry *entry = engine->peers; entry; entry = entry->next)
                for (struct subscription *s = entry->peer ? entry->peer->subscriptions : NULL; s; s = s->next_in_peer)
                        look_at_subscription(engine, s, now_ns, false);
}

void reports_trace_closes(struct engine *engine, struct trace *trace)
{
        look_at_trace(engine, trace, 0, true);
}

static uint32_t drop_reason(const struct peer *peer)
{
        static const uint32_t reasons[N_PEER_DROPS] = {
                [PEER_DROP_MALFORMED] = LINK_DROP_MALFORMED, [PEER_DROP_HELLO] = LINK_DROP_HELLO,
                [PEER_DROP_VERSION] = LINK_DROP_VERSION,     [PEER_DROP_CRITICAL] = LINK_DROP_CRITICAL,
                [PEER_DROP_DEAF] = LINK_DROP_DEAF,
        };

        return reasons[peer->dropped_for];
}

void reports_peer_goes(struct engine *engine, struct peer *peer)
{
        struct link_report report = {
                .kind = LINK_REPORT_CLIENT_DROPPED, .conn = peer->conn, .reason = drop_reason(peer)};

        for (struct subscription *s = peer->subscriptions; s; s = s->next_in_peer) {
                look_at_subscription(engine, s, 0, true);
                report.n_delivered += s->n_delivered;
                report.n_dropped += s->queue.n_dropped;
        }
        if (peer->dropped_for != PEER_NOT_DROPPED)
                tell(engine, &report);
}
