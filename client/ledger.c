/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Every fault that the kernel counted must be in exactly one place. The daemon computes the ledger; the client repeats
 * the sum and compares `delivered` with what it got, because a promise that nobody checks is worth nothing.
 */
#include "client/ledger.h"

#include <inttypes.h>
#include <stdbool.h>

/* False: the sum does not fit 64 bits, so it cannot be the kernel's count either. */
static bool sum_of(const struct proto_ledger *l, uint64_t *ret_sum)
{
        const uint64_t terms[] = {l->delivered,      l->filtered,    l->dropped_client,
                                  l->dropped_daemon, l->lost_kernel, l->counted};
        uint64_t sum = 0;

        for (size_t i = 0; i < ARRAY_SIZE(terms); i++)
                if (__builtin_add_overflow(sum, terms[i], &sum))
                        return false;
        *ret_sum = sum;
        return true;
}

enum ledger_verdict ledger_check(const struct proto_ledger *ledger, uint64_t n_received)
{
        uint64_t sum;

        if (!sum_of(ledger, &sum) || sum != ledger->kernel)
                return LEDGER_UNBALANCED;
        if (ledger->delivered != n_received)
                return LEDGER_MISCOUNTED;
        return LEDGER_HOLDS;
}

void ledger_put_verdict(struct text *out, enum ledger_verdict verdict, const struct proto_ledger *ledger,
                        uint64_t n_received)
{
        uint64_t sum = 0;

        if (verdict == LEDGER_MISCOUNTED)
                text_printf(out, "faultlined delivered %" PRIu64 " faults but %" PRIu64 " arrived here",
                            ledger->delivered, n_received);
        else if (sum_of(ledger, &sum))
                text_printf(out, "the kernel counted %" PRIu64 " faults but the ledger's terms add up to %" PRIu64,
                            ledger->kernel, sum);
        else
                text_printf(out, "the kernel counted %" PRIu64 " faults but the ledger's terms overflow",
                            ledger->kernel);
        text_put_string(out, "; this is a bug in faultlined, do not rely on this trace");
}

static void put_part(struct text *out, uint64_t n, const char *what)
{
        if (n > 0)
                text_printf(out, ", %" PRIu64 " %s", n, what);
}

static void put_summary(struct text *out, const struct proto_ledger *l, bool is_partial)
{
        bool lost = l->dropped_client != 0 || l->dropped_daemon != 0 || l->lost_kernel != 0 || l->counted != 0;

        text_put_string(out, lost || l->incomplete != 0 ? "  NOT complete: " : "  complete: ");
        if (l->kernel == 0)
                text_put_string(out, is_partial ? "no fault could be seen" : "there was no fault");
        else if (l->delivered == l->kernel)
                text_put_string(out, is_partial ? "every fault that could be seen was shown" : "every fault was shown");
        else
                text_printf(out, "%" PRIu64 " of %" PRIu64 " faults shown", l->delivered, l->kernel);
        put_part(out, l->filtered, "filtered");
        put_part(out, l->dropped_client, "dropped because the output was too slow");
        put_part(out, l->dropped_daemon, "lost inside faultlined");
        put_part(out, l->lost_kernel, "lost because the kernel's buffer was full");
        put_part(out, l->counted, "only counted");
        put_part(out, l->incomplete, "without some of their details");
        text_put_char(out, '\n');
}

static void put_term(struct text *out, char sign, const char *name, uint64_t value, const char *meaning)
{
        text_printf(out, "  %c %-14s %12" PRIu64 "  %s\n", sign, name, value, meaning);
}

static void put_unseen(struct text *out, uint64_t unseen)
{
        if (unseen == PROTO_UNSEEN_UNKNOWN)
                text_printf(out, "    %-14s %12s  its own counters could not be read at its end\n", "unseen",
                            "unknown");
        else
                put_term(out, ' ', "unseen", unseen, "mapped without a fault: MAP_POPULATE, mlock ...");
}

void ledger_put(struct text *out, const struct proto_ledger *l, bool is_partial)
{
        put_summary(out, l, is_partial);
        put_term(out, ' ', "kernel", l->kernel, "counted by the kernel, which is the sum of:");
        put_term(out, '=', "delivered", l->delivered, "shown");
        put_term(out, '+', "filtered", l->filtered, "excluded by the filter or beyond --count");
        put_term(out, '+', "dropped_client", l->dropped_client, "this client was too slow");
        put_term(out, '+', "dropped_daemon", l->dropped_daemon, "lost inside the daemon");
        put_term(out, '+', "lost_kernel", l->lost_kernel, "the kernel's buffer was full");
        put_term(out, '+', "counted", l->counted, "only counted");
        put_term(out, ' ', "incomplete", l->incomplete, "of these without some of their details");
        put_unseen(out, l->unseen);
}
