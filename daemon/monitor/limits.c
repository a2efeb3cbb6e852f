/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything that costs is bounded for each user, so that no user can keep others out; all is charged to the uid that
 * the kernel recorded at connect(2), whatever groups a connection has besides. Counting is a walk over lists of some
 * hundred entries for each connection and each slice of events: cheaper than a second book that would have to agree
 * with the first in every way a trace can end. A limit that is lowered takes nothing away: who has more gets no more.
 *
 * Root is bound by the numbers of connections and traces and by what all have together, not by a user's share of memory
 * and descriptors: root can have it all in other ways. For root and administrators there is always a place.
 */
#include "daemon/monitor/limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/resource.h>

#include "daemon/monitor/added.h"
#include "daemon/monitor/attachment.h"
#include "daemon/monitor/engines.h"

/*
 * Ids, threads, the figures, both ends of the stories, the target's three, its tracer's two; and in its exec, when it
 * is most: the new program's three, its maps, smaps and ids, a helper's two.
 */
#define FILES_OF_TRACE (10 + 8)
#define MEMORY_MIN_BYTES ((uint64_t)512 << 20)
#define FILES_OF_FOLLOWING 5
#define NOFILE_UNLIMITED ((uint64_t)1 << 20) /* fs.nr_open, unless somebody raised it */

static uint64_t max_descriptors(void)
{
        struct rlimit limit;

        return getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max == RLIM_INFINITY ? NOFILE_UNLIMITED
                                                                                       : limit.rlim_max;
}

static uint64_t default_memory(void)
{
        long n_pages = sysconf(_SC_PHYS_PAGES);

        return MAX_OF((uint64_t)MAX_OF(n_pages, 0) * (uint64_t)sysconf(_SC_PAGESIZE) / 4, MEMORY_MIN_BYTES);
}

void limits_settle(struct limits *limits)
{
        if (limits->memory_per_user_bytes == 0)
                limits->memory_per_user_bytes = default_memory();
        if (limits->ring_memory_bytes == 0)
                limits->ring_memory_bytes = ring_budget_default();
        if (limits->ring_memory_per_user_bytes == 0)
                limits->ring_memory_per_user_bytes = limits->ring_memory_bytes / 2;
        if (limits->descriptors_per_user == 0)
                limits->descriptors_per_user = max_descriptors() / 2;
}

int limits_check_client(const struct engines *engines, const struct peer *peer, char text[static LINK_TEXT_BYTES])
{
        const struct limits *limits = &engines->context->settings.limits;
        size_t n_clients = engines_n_clients(engines, peer->uid);

        if (n_clients >= limits->clients_per_user) {
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "this user has as many connections as ClientsPerUser=%" PRIu64
                               " (faultlined.conf(5)) allows; end a client of this user first",
                               limits->clients_per_user);
                return -EDQUOT;
        }
        /* Whoever has a range of subordinate uids (subuid(5)) can be as many users; not so as to lock these out. */
        if (peer->uid != 0 && !peer->is_admin && n_clients == 0 && !engines_have_user(engines, peer->uid) &&
            engines_n_places(engines) >= limits->users) {
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "as many users are served as Users=%" PRIu64
                               " (faultlined.conf(5)) allows; try again when one of them is done",
                               limits->users);
                return -EUSERS;
        }
        return 0;
}

int limits_check_trace(const struct context *context, const struct peer *peer, char text[static LINK_TEXT_BYTES])
{
        const struct limits *limits = &context->settings.limits;
        size_t n = 0;

        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                n += t->peer.uid == peer->uid;
        if (n < limits->traces_per_user)
                return 0;
        (void)snprintf(text, LINK_TEXT_BYTES,
                       "cannot trace one more process: this user has as many traces as TracesPerUser=%" PRIu64
                       " (faultlined.conf(5)) allows; end another one first",
                       limits->traces_per_user);
        return -EAGAIN;
}

bool limits_exempt(const struct context *context, const struct peer *peer)
{
        return context->options->private_fd >= 0 || peer->uid == 0;
}

static uint64_t left_of(uint64_t limit, uint64_t used)
{
        return used < limit ? limit - used : 0;
}

uint64_t limits_ring_memory_left(const struct attachment *trace)
{
        const struct context *context = trace->context;
        uint64_t used_bytes = 0;

        if (limits_exempt(context, &trace->peer))
                return UINT64_MAX;
        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->peer.uid == trace->peer.uid)
                        used_bytes += t->rings.charged_bytes;
        return left_of(context->settings.limits.ring_memory_per_user_bytes, used_bytes);
}

size_t limits_descriptors_of(const struct attachment *trace)
{
        size_t n = FILES_OF_TRACE + 2 * trace->rings.n + trace->n_members + trace->n_openings +
                   FILES_OF_FOLLOWING * trace->n_followings;
        const struct added *at = NULL;

        do
                n += added_set(trace, at)->n;
        while (added_next(trace, &at));
        return n;
}

uint64_t limits_descriptors_left(const struct attachment *trace)
{
        const struct context *context = trace->context;
        uint64_t n_used = 0;

        if (limits_exempt(context, &trace->peer))
                return UINT64_MAX;
        for (const struct attachment *t = context->attachments; t != NULL; t = t->next)
                if (t->peer.uid == trace->peer.uid)
                        n_used += limits_descriptors_of(t);
        return left_of(context->settings.limits.descriptors_per_user, n_used);
}
