/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fan-out. A group is everyone whose frames are the same bytes: open filter, no count limit, same rights. A
 * subscription with a filter or a limit has a group to itself, so that its counts are its own. Whoever joins a shared
 * group does so between two frames.
 *
 * Ledger: faults come out of the pipeline one by one, and each is, for each subscription, delivered, filtered or
 * dropped; so for any two moments these sums are equal, whether the client joined first or late.
 */
#include "daemon/engine/serve/subscription.h"

#include <errno.h>
#include <string.h>

struct group {
        struct group *next;
        struct filter filter;
        bool hide_kernel, exclusive;
        uint64_t count_limit; /* 0 = none */
        size_t n_members;
        uint64_t next_seq, n_encoded, n_filtered;
        uint8_t *open; /* PROTO_FRAME_MAX_BYTES */
        struct proto_buffer buffer;
        uint32_t n_open;
        uint64_t n_faults[N_OUTCOMES]; /* in the open frame */
};

static int begin(struct group *group)
{
        int r;

        group->buffer = (struct proto_buffer){.data = group->open, .size_bytes = PROTO_FRAME_MAX_BYTES};
        group->n_open = 0;
        memset(group->n_faults, 0, sizeof(group->n_faults));
        r = proto_begin_frame(&group->buffer);
        return r < 0 ? r : proto_append_u64(&group->buffer, group->n_filtered);
}

static struct group *group_free(struct group *group)
{
        if (group) {
                filter_deinit(&group->filter);
                free(group->open);
                free(group);
        }
        return NULL;
}

static int group_new(const struct subscription_spec *spec, struct group **ret)
{
        struct group *group = calloc(1, sizeof(*group));
        int r = -ENOMEM;

        if (!group)
                return r;
        group->open = malloc(PROTO_FRAME_MAX_BYTES);
        if (group->open)
                r = filter_init(&group->filter, &spec->filter);
        if (r >= 0) {
                group->hide_kernel = spec->hide_kernel;
                group->count_limit = spec->count_limit;
                group->exclusive = !filter_is_open(&group->filter) || spec->count_limit || spec->resume;
                group->next_seq = 1;
                r = begin(group);
        }
        if (r < 0) {
                group_free(group);
                return r;
        }
        *ret = group;
        return 0;
}

/* The faults in the open frame cannot be sent. */
static int drop_frame(struct fanout *fanout, struct group *group)
{
        if (!group->n_open)
                return 0;
        for (struct subscription *s = fanout->subscriptions; s; s = s->next_in_fanout)
                if (s->group == group)
                        queue_count_drop(&s->queue, group->next_seq - group->n_open, group->next_seq - 1,
                                         group->n_faults);
        return begin(group);
}

static int close_frame(struct fanout *fanout, struct group *group)
{
        struct proto_header header = {.type = MESSAGE_EVENTS,
                                      .trace = fanout->trace,
                                      .count = group->n_open,
                                      .first_seq = group->next_seq - group->n_open,
                                      .dict_hw = dict_high_water(fanout->dict)};
        CLEANUP_OUTFRAME struct outframe *frame = NULL;
        int n;

        if (!group->n_open)
                return 0;
        n = proto_finish_frame(&group->buffer, &header);
        if (n < 0)
                return n;
        frame = outframe_new(MESSAGE_EVENTS, group->open, (size_t)n);
        if (!frame)
                return drop_frame(fanout, group);
        frame->first_seq = header.first_seq;
        frame->last_seq = group->next_seq - 1;
        memcpy(frame->n_faults, group->n_faults, sizeof(frame->n_faults));
        for (struct subscription *s = fanout->subscriptions; s; s = s->next_in_fanout)
                if (s->group == group)
                        (void)queue_push(&s->queue, frame); /* out of memory: the queue counts it as dropped */
        return begin(group);
}

static int flush_definitions(struct fanout *fanout)
{
        struct outframe *frame;
        int r;

        while ((r = dict_flush(fanout->dict, &frame)) > 0)
                for (struct subscription *s = fanout->subscriptions; s; s = s->next_in_fanout)
                        if (s->group && queue_push(&s->queue, frame) < 0)
                                return -ENOMEM;
        return r;
}

static int flush_frames(struct fanout *fanout)
{
        int r = flush_definitions(fanout);

        /* Whatever happens, the frames are empty afterwards: fanout_fault() relies on their room. */
        for (struct group *group = fanout->groups; group; group = group->next) {
                int closed = r < 0 ? drop_frame(fanout, group) : close_frame(fanout, group);

                r = r < 0 ? r : closed;
        }
        return r;
}

static int renew_epoch(struct fanout *fanout)
{
        CLEANUP_OUTFRAME struct outframe *reset = NULL;
        int r;

        if (!dict_is_full(fanout->dict))
                return 0;
        r = dict_reset(fanout->dict, &reset);
        return r < 0 ? r : fanout_message(fanout, reset);
}

int fanout_flush(struct fanout *fanout)
{
        int r = flush_frames(fanout);

        return r < 0 ? r : renew_epoch(fanout);
}

int fanout_message(struct fanout *fanout, struct outframe *frame)
{
        for (struct subscription *s = fanout->subscriptions; s; s = s->next_in_fanout)
                if (s->group && queue_push(&s->queue, frame) < 0)
                        return -ENOMEM;
        return 0;
}

int fanout_message_in_order(struct fanout *fanout, struct outframe *frame)
{
        int r = flush_frames(fanout);

        if (r >= 0)
                r = fanout_message(fanout, frame);
        return r < 0 ? r : renew_epoch(fanout);
}

static struct group *find_shared(const struct fanout *fanout, bool hide_kernel)
{
        struct group *group = fanout->groups;

        while (group && (group->exclusive || group->hide_kernel != hide_kernel))
                group = group->next;
        return group;
}

static int find_group(struct fanout *fanout, const struct subscription_spec *spec, struct group **ret)
{
        struct group *group, *shared;
        int r = group_new(spec, &group);

        if (r < 0)
                return r;
        shared = group->exclusive ? NULL : find_shared(fanout, spec->hide_kernel);
        if (shared) {
                group_free(group);
                *ret = shared;
                return 0;
        }
        group->next = fanout->groups;
        fanout->groups = group;
        *ret = group;
        return 0;
}

static void drop_group_if_empty(struct fanout *fanout, struct group *group)
{
        struct group **at = &fanout->groups;

        if (group->n_members)
                return;
        while (*at != group)
                at = &(*at)->next;
        *at = group->next;
        group_free(group);
}

/* Where the ledger starts: at what has come out so far, or where an earlier engine left it. */
static void set_bases(struct fanout *fanout, struct subscription *s, const struct proto_resume *resume)
{
        s->kernel_base = fanout->n_faults;
        s->filtered_base = s->group->n_filtered;
        s->incomplete_base = fanout->n_incomplete;
        s->counted_base = fanout->n_counted;
        if (!resume)
                return;
        s->resumed = true;
        s->kernel_base = resume->kernel_base;
        s->lost_base = resume->lost_base;
        s->before = (struct proto_ledger){.delivered = resume->n_received,
                                          .filtered = resume->n_filtered,
                                          .dropped_client = resume->n_dropped,
                                          .counted = resume->past.n_counted,
                                          .incomplete = resume->n_incomplete,
                                          .unseen = resume->past.unseen};
        s->group->next_seq = resume->n_received + resume->n_dropped + 1;
        s->group->n_encoded = resume->n_received;
        s->group->n_filtered = s->filtered_base = resume->n_filtered;
}

int fanout_join(struct fanout *fanout, const struct subscription_spec *spec, struct subscription **ret)
{
        struct subscription *s;
        int r = fanout_flush(fanout);

        if (r < 0)
                return r;
        s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        r = find_group(fanout, spec, &s->group);
        if (r < 0) {
                free(s);
                return r;
        }
        s->group->n_members++;
        s->peer = spec->peer;
        s->trace = fanout->trace;
        queue_init(&s->queue, SUBSCRIPTION_QUEUE_BYTES);
        set_bases(fanout, s, spec->resume);
        s->next_in_fanout = fanout->subscriptions;
        fanout->subscriptions = s;
        for (size_t i = 0; dict_log(fanout->dict, i); i++) {
                if (queue_push(&s->queue, dict_log(fanout->dict, i)) < 0) {
                        fanout_leave(fanout, s);
                        subscription_free(s);
                        return -ENOMEM;
                }
        }
        *ret = s;
        return 0;
}

void fanout_leave(struct fanout *fanout, struct subscription *subscription)
{
        struct subscription **at = &fanout->subscriptions;
        struct group *group = subscription->group;

        while (*at && *at != subscription)
                at = &(*at)->next_in_fanout;
        if (*at) {
                *at = subscription->next_in_fanout;
                fanout->n_dropped_of_gone += subscription->queue.n_dropped;
        }
        subscription->next_in_fanout = NULL;
        subscription->group = NULL;
        if (group) {
                group->n_members--;
                drop_group_if_empty(fanout, group);
        }
}

struct subscription *subscription_free(struct subscription *subscription)
{
        if (subscription) {
                queue_deinit(&subscription->queue);
                free(subscription->end_text);
                free(subscription);
        }
        return NULL;
}

void fanout_deinit(struct fanout *fanout)
{
        while (fanout->subscriptions)
                fanout_leave(fanout, fanout->subscriptions);
}

static void encode(struct group *group, const struct proto_event *event)
{
        struct proto_event hidden;

        if (group->hide_kernel) {
                hidden = *event;
                hidden.frame = hidden.frame_before = PROTO_UNKNOWN;
                if (hidden.flags & PROTO_EVENT_KERNEL_MODE) {
                        hidden.ip = 0;
                        hidden.flags |= PROTO_EVENT_IP_HIDDEN;
                }
                event = &hidden;
        }
        proto_put_event(group->buffer.data + group->buffer.n_bytes, event);
        group->buffer.n_bytes += PROTO_EVENT_BYTES;
        group->n_open++;
        group->next_seq++;
        group->n_encoded++;
        group->n_faults[event->outcome]++;
}

int fanout_fault(struct fanout *fanout, const struct fault *fault, const struct proto_event *event)
{
        bool full = dict_is_full(fanout->dict);

        fanout->n_faults++;
        fanout->n_incomplete += fault->incomplete;
        for (struct group *group = fanout->groups; group; group = group->next) {
                if ((group->count_limit && group->n_encoded >= group->count_limit) ||
                    !filter_passes(&group->filter, fault)) {
                        group->n_filtered++;
                        continue;
                }
                encode(group, event);
                full |= group->n_open == PROTO_EVENTS_PER_FRAME;
        }
        return full ? fanout_flush(fanout) : 0;
}

uint64_t fanout_n_dropped(const struct fanout *fanout)
{
        uint64_t n = fanout->n_dropped_of_gone;

        for (const struct subscription *s = fanout->subscriptions; s; s = s->next_in_fanout)
                n += s->queue.n_dropped;
        return n;
}

void fanout_count(struct fanout *fanout)
{
        fanout->n_faults++;
        fanout->n_counted++;
}

bool subscription_reached_limit(const struct subscription *subscription)
{
        const struct group *group = subscription->group;

        return group && group->count_limit && group->n_encoded >= group->count_limit;
}

static uint64_t add_unseen(uint64_t a, uint64_t b)
{
        return a == PROTO_UNSEEN_UNKNOWN || b == PROTO_UNSEEN_UNKNOWN ? PROTO_UNSEEN_UNKNOWN : a + b;
}

void subscription_end(struct fanout *fanout, struct subscription *s, enum end_reason reason,
                      const struct subscription_totals *totals, const char *text)
{
        struct proto_ledger *ledger = &s->end.ledger;

        ledger->kernel = totals->kernel - s->kernel_base;
        ledger->lost_kernel = totals->lost - s->lost_base;
        ledger->filtered = s->before.filtered + s->group->n_filtered - s->filtered_base;
        ledger->dropped_daemon = totals->dropped_daemon;
        ledger->counted = s->before.counted + fanout->n_counted - s->counted_base;
        ledger->incomplete = s->before.incomplete + fanout->n_incomplete - s->incomplete_base;
        ledger->unseen = add_unseen(s->before.unseen, totals->unseen);
        s->end.reason = (uint8_t)reason;
        s->end.time_ns = totals->time_ns;
        s->end_text = text ? strdup(text) : NULL;
        s->ended = true;
        fanout_leave(fanout, s);
}

bool subscription_take_end(struct subscription *s, struct proto_end *ret)
{
        struct proto_ledger *ledger = &s->end.ledger;

        if (!s->ended || queue_peek(&s->queue))
                return false;
        ledger->delivered = s->before.delivered + s->n_delivered;
        ledger->dropped_client = s->before.dropped_client + s->queue.n_dropped;
        /* What an engine that died had taken from the rings and not told anybody: the gap, known by subtraction. */
        if (s->resumed)
                ledger->dropped_daemon = ledger->kernel - ledger->delivered - ledger->filtered -
                                         ledger->dropped_client - ledger->lost_kernel - ledger->counted;
        if (s->end_text)
                s->end.text = (struct proto_string){.data = s->end_text, .n_bytes = (uint32_t)strlen(s->end_text)};
        *ret = s->end;
        return true;
}
