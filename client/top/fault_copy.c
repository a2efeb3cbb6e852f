/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All strings of a fault in one piece of memory. */
#include "client/top/fault_copy.h"

#include <errno.h>
#include <string.h>

enum { N_STRINGS = 6 };

void fault_copy_free(struct fault_copy *copy)
{
        free(copy->strings);
        *copy = (struct fault_copy){.strings = NULL};
}

int fault_copy_set(struct fault_copy *copy, const struct top_fault *fault)
{
        struct top_fault to = *fault;
        const char **strings[N_STRINGS] = {&to.map, &to.place, &to.code, &to.caller, &to.comm, &to.stack};
        size_t n_bytes = 0;
        char *bytes, *end;

        for (size_t i = 0; i < N_STRINGS; i++)
                n_bytes += strlen(*strings[i]) + 1;
        bytes = malloc(n_bytes);
        if (!bytes)
                return -ENOMEM;
        end = bytes;
        for (size_t i = 0; i < N_STRINGS; i++) {
                const char *string = *strings[i];

                *strings[i] = end;
                end = stpcpy(end, string) + 1;
        }
        free(copy->strings);
        copy->strings = bytes;
        copy->event = *fault->event;
        copy->fault = to;
        copy->fault.event = &copy->event;
        return 0;
}
