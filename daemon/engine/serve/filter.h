/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which faults a client wants to see. Pure. */
#pragma once

#include <stdbool.h>

#include "daemon/engine/model/fault.h"
#include "proto/proto.h"

struct filter {
        uint32_t outcomes, causes, accesses; /* masks by enum value, 0 = all */
        uint64_t min_latency_ns;
        char *map_glob; /* owned, NULL = off */
};

/* Copies what it needs. 0, -ENOMEM, -EINVAL (the glob holds a NUL byte). */
int filter_init(struct filter *filter, const struct proto_filter *from) MUST_CHECK;
void filter_deinit(struct filter *filter);
/* It lets everything pass. */
bool filter_is_open(const struct filter *filter);
bool filter_passes(const struct filter *filter, const struct fault *fault);
