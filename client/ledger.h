/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ledger of a trace: whether it adds up, and its table for people. Pure. */
#pragma once

#include "client/text.h"
#include "proto/proto.h"

enum ledger_verdict {
        LEDGER_HOLDS = 0,
        LEDGER_UNBALANCED = 1, /* kernel is not the sum of the other terms */
        LEDGER_MISCOUNTED = 2, /* delivered is not what has arrived here */
};

/* n_received: fault records that this client got from the daemon. */
enum ledger_verdict ledger_check(const struct proto_ledger *ledger, uint64_t n_received);

/* One line for a verdict that is not LEDGER_HOLDS, without a newline. */
void ledger_put_verdict(struct text *out, enum ledger_verdict verdict, const struct proto_ledger *ledger,
                        uint64_t n_received);

/* What it comes to in one line (all shown, some filtered, what was lost), then the table, one term a line. */
void ledger_put(struct text *out, const struct proto_ledger *ledger, bool is_partial);
