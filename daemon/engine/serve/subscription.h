/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is sent the faults of a trace: groups of subscriptions that want and may see the same, so that a fault is
 * filtered and encoded once for all of them, and for each subscription its queue and its ledger. Pure: the peer does
 * the sending.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/serve/dict.h"
#include "daemon/engine/serve/filter.h"
#include "daemon/engine/serve/queue.h"
#include "daemon/engine/serve/spell.h"
#include "proto/proto.h"

#define SUBSCRIPTION_QUEUE_BYTES ((size_t)8 << 20)

struct group;

/* The fan-out of one trace. */
struct fanout {
        uint32_t trace;
        struct dict *dict; /* borrowed */
        struct group *groups;
        struct subscription *subscriptions; /* list by next_in_fanout */
        uint64_t n_faults;                  /* came out of the pipeline so far */
        uint64_t n_counted;                 /* of these: not for these peers to see */
        uint64_t n_incomplete;
        uint64_t n_dropped_of_gone; /* dropped for subscriptions that have left */
};

struct subscription {
        struct subscription *next_in_fanout, *next_in_peer;
        struct peer *peer; /* borrowed */
        uint32_t trace;
        struct group *group; /* NULL once the faults have ended */
        struct queue queue;
        struct spell losses;  /* of the queue */
        uint64_t kernel_base; /* faults out before this subscription */
        uint64_t lost_base;
        uint64_t filtered_base, incomplete_base; /* the group's when joining */
        uint64_t counted_base;                   /* the fanout's */
        uint64_t n_delivered;                    /* sent to the socket */
        struct proto_ledger before;              /* RESUME: what an earlier engine had done; zero otherwise */
        bool resumed;
        bool ended;           /* `end` is to be sent when the queue is empty */
        struct proto_end end; /* delivered and dropped_client are filled in when it is sent */
        char *end_text;       /* owned, NULL = none */
};

struct subscription_spec {
        struct peer *peer;
        struct proto_filter filter;
        uint64_t count_limit;
        bool hide_kernel;                  /* no frames, no kernel addresses */
        const struct proto_resume *resume; /* NULL unless it continues after a GAP, or after a restart of the daemon */
};

/* Join: *ret belongs to the fanout and its peer together; subscription_free() by the peer when done. */
int fanout_join(struct fanout *fanout, const struct subscription_spec *spec, struct subscription **ret) MUST_CHECK;
void fanout_leave(struct fanout *fanout, struct subscription *subscription);
struct subscription *subscription_free(struct subscription *subscription);
void fanout_deinit(struct fanout *fanout);

/* A fault for everyone: ids of event are those of the dict's current epoch; fault is what the filters look at. */
int fanout_fault(struct fanout *fanout, const struct fault *fault, const struct proto_event *event) MUST_CHECK;
/* A fault of a process that the peers of this trace may not see: it is counted, and that is all. */
void fanout_count(struct fanout *fanout);
/* Close the open frames of all groups, definitions first; begins a new epoch when the dictionary is full. */
int fanout_flush(struct fanout *fanout) MUST_CHECK;
/* Faults dropped because a client was too slow, over all subscriptions that there are and have been. */
uint64_t fanout_n_dropped(const struct fanout *fanout);
/* A message (LIFE, DEGRADED) to all subscriptions, behind what has been sent so far. */
int fanout_message(struct fanout *fanout, struct outframe *frame) MUST_CHECK;
/*
 * The same behind all faults so far, and behind the definitions, of the current epoch, to which the message may refer;
 * call fanout_flush() before their ids are asked for, so that the dictionary is not full by then.
 */
int fanout_message_in_order(struct fanout *fanout, struct outframe *frame) MUST_CHECK;
/* True when the subscription has had as many faults as it asked for. */
bool subscription_reached_limit(const struct subscription *subscription);

/*
 * The faults of this subscription are over. kernel, lost: the trace's totals; dropped_daemon: anchors that the daemon
 * could not decode. text may be NULL. The ledger is completed by subscription_take_end().
 */
struct subscription_totals {
        uint64_t kernel, lost, dropped_daemon, unseen, time_ns;
};
void subscription_end(struct fanout *fanout, struct subscription *subscription, enum end_reason reason,
                      const struct subscription_totals *totals, const char *text);
/* The END to send: only when ended and nothing waits before it. */
bool subscription_take_end(struct subscription *subscription, struct proto_end *ret);
