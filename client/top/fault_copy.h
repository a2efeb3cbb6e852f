/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One fault that somebody looks at: a busy program makes the model forget it long before he has read it. Pure. */
#pragma once

#include "client/top/top_model.h"

/* Contents only. An all-zero struct holds none. */
struct fault_copy {
        struct proto_event event;
        struct top_fault fault; /* event and strings are ours; event NULL: none */
        char *strings;          /* owned */
};

void fault_copy_free(struct fault_copy *copy);
int fault_copy_set(struct fault_copy *copy, const struct top_fault *fault) MUST_CHECK; /* 0; -ENOMEM: as it was */
