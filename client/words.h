/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The words of the vocabulary as cells of fault lines, with their colours. Pure. */
#pragma once

#include "client/row.h"
#include "proto/proto.h"

struct word {
        const char *color;
        uint32_t n_bytes;
        char letter; /* instead of the text where there is little room; NUL: none */
        char text[ROW_SHORT_BYTES];
};

struct words { /* behind those that are known stands what is shown for all others */
        struct word outcomes[N_OUTCOMES + 1];
        struct word causes[N_CAUSES + 1];
        struct word accesses[N_ACCESSES + 1];
};

void words_init(struct words *words);

static inline const struct word *words_outcome(const struct words *words, unsigned int outcome)
{
        return &words->outcomes[MIN_OF(outcome, (unsigned int)N_OUTCOMES)];
}

static inline const struct word *words_cause(const struct words *words, unsigned int cause)
{
        return &words->causes[MIN_OF(cause, (unsigned int)N_CAUSES)];
}

static inline const struct word *words_access(const struct words *words, unsigned int access)
{
        return &words->accesses[MIN_OF(access, (unsigned int)N_ACCESSES)];
}
