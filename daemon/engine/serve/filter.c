/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Filters run in the daemon, so that a client that wants little is sent little; what they hold back is counted. */
#include "daemon/engine/serve/filter.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

int filter_init(struct filter *filter, const struct proto_filter *from)
{
        char *glob = NULL;

        if (from->map_glob.n_bytes) {
                if (memchr(from->map_glob.data, 0, from->map_glob.n_bytes))
                        return -EINVAL;
                glob = strndup(from->map_glob.data, from->map_glob.n_bytes);
                if (!glob)
                        return -ENOMEM;
        }
        *filter = (struct filter){.outcomes = from->outcomes,
                                  .causes = from->causes,
                                  .accesses = from->accesses,
                                  .min_latency_ns = from->min_latency_ns,
                                  .map_glob = glob};
        return 0;
}

void filter_deinit(struct filter *filter)
{
        free(filter->map_glob);
        *filter = (struct filter){0};
}

bool filter_is_open(const struct filter *filter)
{
        return !filter->outcomes && !filter->causes && !filter->accesses && !filter->min_latency_ns &&
               !filter->map_glob;
}

static bool mask_passes(uint32_t mask, unsigned int bit)
{
        return !mask || (mask >> bit & 1);
}

bool filter_passes(const struct filter *filter, const struct fault *fault)
{
        if (!mask_passes(filter->outcomes, fault->outcome) || !mask_passes(filter->causes, fault->cause) ||
            !mask_passes(filter->accesses, fault->access))
                return false;
        if (filter->min_latency_ns && (fault->latency_ns == UINT64_MAX || fault->latency_ns < filter->min_latency_ns))
                return false;
        return !filter->map_glob || (fault->map && fnmatch(filter->map_glob, fault->map->path, 0) == 0);
}
