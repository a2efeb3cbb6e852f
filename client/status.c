/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The decoders give strings that live in the body of the frame, and the frame is gone when the next one comes: so the
 * body is copied first and decoded from the copy. Nothing has to be freed one by one then, and no string is cut.
 *
 * A trace is the same in two answers when its number, its user and its start are: numbers are those of an engine, and a
 * new engine begins anew.
 */
#include "client/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct status_body {
        struct status_body *next;
        uint8_t bytes[];
};

void status_free(struct status *status)
{
        while (status->bodies) {
                struct status_body *next = status->bodies->next;

                free(status->bodies);
                status->bodies = next;
        }
        free(status->engines);
        free(status->traces);
        free(status->units);
        *status = (struct status){0};
}

/* The copy belongs to the status. NULL: out of memory. */
static const uint8_t *keep_body(struct status *status, const uint8_t *body, size_t n_bytes)
{
        struct status_body *copy = malloc(sizeof(*copy) + n_bytes);

        if (!copy)
                return NULL;
        memcpy(copy->bytes, body, n_bytes);
        copy->next = status->bodies;
        status->bodies = copy;
        status->n_bytes += sizeof(*copy) + n_bytes;
        return copy->bytes;
}

/* The array with room for one more behind its n items; it grows where n is a power of two. NULL: out of memory. */
static void *grow(void *array, size_t n, size_t item_bytes)
{
        return n & (n - 1) ? array : reallocarray(array, n > 0 ? n * 2 : 1, item_bytes);
}

static int receive_daemon(struct status *status, const uint8_t *body, size_t n_bytes)
{
        int r = proto_decode_status_daemon(body, n_bytes, &status->daemon);

        status->has_daemon |= r == 0;
        return r;
}

#define RECEIVE(kind)                                                                                                  \
        static int receive_##kind(struct status *status, const uint8_t *body, size_t n_bytes)                          \
        {                                                                                                              \
                struct proto_status_##kind one = {.req = 0}, *all;                                                     \
                int r = proto_decode_status_##kind(body, n_bytes, &one);                                               \
                                                                                                                       \
                if (r < 0)                                                                                             \
                        return r;                                                                                      \
                all = grow(status->kind##s, status->n_##kind##s, sizeof(one));                                         \
                if (!all)                                                                                              \
                        return -ENOMEM;                                                                                \
                status->kind##s = all;                                                                                 \
                all[status->n_##kind##s++] = one;                                                                      \
                return 0;                                                                                              \
        }
RECEIVE(engine)
RECEIVE(trace)
RECEIVE(unit)
#undef RECEIVE

static int receive_end(struct status *status, const uint8_t *body, size_t n_bytes)
{
        struct proto_status_end end;
        int r = proto_decode_status_end(body, n_bytes, &end);

        if (r < 0 || !status->has_daemon)
                return -EBADMSG;
        status->n_omitted = end.n_omitted;
        return STATUS_COMPLETE;
}

int status_receive(struct status *status, uint32_t req, unsigned int type, const uint8_t *body, size_t n_bytes)
{
        static int (*const receivers[])(struct status *, const uint8_t *, size_t) = {
                [MESSAGE_STATUS_DAEMON] = receive_daemon, [MESSAGE_STATUS_ENGINE] = receive_engine,
                [MESSAGE_STATUS_TRACE] = receive_trace,   [MESSAGE_STATUS_UNIT] = receive_unit,
                [MESSAGE_STATUS_END] = receive_end,
        };
        struct proto_status_end head; /* all begin as the shortest does, with the number of the request */
        const uint8_t *copy;
        int r;

        if (type >= ARRAY_SIZE(receivers) || !receivers[type])
                return STATUS_UNRELATED;
        if (proto_decode_status_end(body, n_bytes, &head) < 0)
                return -EBADMSG;
        if (head.req != req)
                return STATUS_UNRELATED;
        if (status->n_bytes + n_bytes > STATUS_MAX_BYTES)
                return -EMSGSIZE;
        copy = keep_body(status, body, n_bytes);
        r = copy ? receivers[type](status, copy, n_bytes) : -ENOMEM;
        return r == 0 ? STATUS_MORE : r;
}

/* --- rates --- */

static struct status_rate rate_of(uint64_t before, uint64_t after, uint64_t interval_ns)
{
        if (after < before || interval_ns == 0)
                return (struct status_rate){.is_known = false};
        return (struct status_rate){
                .is_known = true, .per_second = (double)(after - before) * (double)NSEC_PER_SEC / (double)interval_ns};
}

/* CPU time in ns, as a share of one CPU. */
static struct status_rate share_of(uint64_t before, uint64_t after, uint64_t interval_ns)
{
        struct status_rate rate = rate_of(before, after, interval_ns);

        rate.per_second /= (double)NSEC_PER_SEC;
        return rate;
}

static int compare_numbers(uint64_t a, uint64_t b)
{
        return a < b ? -1 : a > b;
}

static int compare_traces(const void *left, const void *right)
{
        const struct proto_status_trace *a = left, *b = right;
        int r = compare_numbers(a->trace, b->trace);

        if (r == 0)
                r = compare_numbers(a->uid, b->uid);
        return r == 0 ? compare_numbers(a->started_ns, b->started_ns) : r;
}

static int compare_engines(const void *left, const void *right)
{
        const struct proto_status_engine *a = left, *b = right;
        int r = compare_numbers(a->uid, b->uid);

        return r == 0 ? compare_numbers((uint32_t)a->pid, (uint32_t)b->pid) : r;
}

/* The same items in order, to be looked through; NULL: out of memory. */
static void *sorted(const void *items, size_t n, size_t item_bytes, int (*compare)(const void *, const void *))
{
        void *copy = calloc(n + 1, item_bytes);

        if (copy && n > 0) {
                memcpy(copy, items, n * item_bytes);
                qsort(copy, n, item_bytes, compare);
        }
        return copy;
}

static int rate_traces(const struct status *before, const struct status *after, struct status_rates *rates)
{
        CLEANUP_FREE struct proto_status_trace *old =
                sorted(before->traces, before->n_traces, sizeof(*old), compare_traces);

        if (!old)
                return -ENOMEM;
        for (size_t i = 0; i < after->n_traces; i++) {
                const struct proto_status_trace *now = &after->traces[i], *then = bsearch(now, old, before->n_traces,
                                                                                          sizeof(*old), compare_traces);

                if (then)
                        rates->traces[i] = rate_of(then->n_faults, now->n_faults, rates->interval_ns);
        }
        return 0;
}

static int rate_engines(const struct status *before, const struct status *after, struct status_rates *rates)
{
        CLEANUP_FREE struct proto_status_engine *old =
                sorted(before->engines, before->n_engines, sizeof(*old), compare_engines);

        if (!old)
                return -ENOMEM;
        for (size_t i = 0; i < after->n_engines; i++) {
                const struct proto_status_engine *now = &after->engines[i],
                                                 *then = bsearch(now, old, before->n_engines, sizeof(*old),
                                                                 compare_engines);

                if (then)
                        rates->engines[i] = share_of(then->cpu_ns, now->cpu_ns, rates->interval_ns);
        }
        return 0;
}

static int rate_all(const struct status *before, const struct status *after, struct status_rates *rates)
{
        int r;

        if (!before || before->daemon.started_ns != after->daemon.started_ns ||
            after->daemon.now_ns <= before->daemon.now_ns)
                return 0; /* one answer, or one of another service */
        rates->interval_ns = after->daemon.now_ns - before->daemon.now_ns;
        if (after->daemon.sees_all) /* else it is not told */
                rates->cpu = share_of(before->daemon.cpu_ns, after->daemon.cpu_ns, rates->interval_ns);
        r = rate_engines(before, after, rates);
        return r < 0 ? r : rate_traces(before, after, rates);
}

int status_rates_make(const struct status *before, const struct status *after, struct status_rates *ret)
{
        struct status_rates rates = {.engines = calloc(after->n_engines + 1, sizeof(*rates.engines)),
                                     .traces = calloc(after->n_traces + 1, sizeof(*rates.traces))};
        int r = rates.engines && rates.traces ? rate_all(before, after, &rates) : -ENOMEM;

        if (r < 0)
                status_rates_free(&rates);
        else
                *ret = rates;
        return r;
}

void status_rates_free(struct status_rates *rates)
{
        free(rates->engines);
        free(rates->traces);
        *rates = (struct status_rates){0};
}
