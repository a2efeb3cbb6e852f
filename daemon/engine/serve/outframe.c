/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reference-counted encoded frames; see the header for why they are shared. */
#include "daemon/engine/serve/outframe.h"

#include <stdlib.h>
#include <string.h>

struct outframe *outframe_new(enum message_type type, const uint8_t *bytes, size_t n_bytes)
{
        struct outframe *frame = calloc(1, sizeof(*frame) + n_bytes);

        if (!frame)
                return NULL;
        frame->n_refs = 1;
        frame->type = type;
        frame->n_bytes = n_bytes;
        memcpy(frame->data, bytes, n_bytes);
        return frame;
}

struct outframe *outframe_ref(struct outframe *frame)
{
        frame->n_refs++;
        return frame;
}

struct outframe *outframe_unref(struct outframe *frame)
{
        if (frame && --frame->n_refs == 0)
                free(frame);
        return NULL;
}

uint64_t outframe_n_faults(const struct outframe *frame)
{
        uint64_t n = 0;

        for (size_t i = 0; i < N_OUTCOMES; i++)
                n += frame->n_faults[i];
        return n;
}
