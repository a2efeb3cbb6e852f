/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A sorted array: ten are few. In a stream without order the n-th fault is among them with a chance of 10/n, so that
 * writing each one down at once costs nothing that could be measured.
 */
#include "client/slowest.h"

void slowest_free(struct slowest *slowest)
{
        for (uint32_t i = 0; i < SLOWEST_MAX; i++)
                text_free(&slowest->faults[i].text);
        *slowest = (struct slowest){0};
}

bool slowest_wants(const struct slowest *slowest, uint64_t latency_ns)
{
        return slowest->n < SLOWEST_MAX || latency_ns > slowest->faults[SLOWEST_MAX - 1].latency_ns;
}

struct text *slowest_insert(struct slowest *slowest, uint64_t latency_ns)
{
        uint32_t i = slowest->n < SLOWEST_MAX ? slowest->n++ : SLOWEST_MAX - 1;
        struct text text = slowest->faults[i].text; /* its memory is used again */

        for (; i > 0 && slowest->faults[i - 1].latency_ns < latency_ns; i--)
                slowest->faults[i] = slowest->faults[i - 1];
        text.n_bytes = 0;
        slowest->faults[i] = (struct slow_fault){.latency_ns = latency_ns, .text = text};
        return &slowest->faults[i].text;
}
