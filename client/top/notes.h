/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The latest lines of what was told beside the faults, in bounded memory. Pure. */
#pragma once

#include "client/text.h"

#define NOTES_BYTES_MAX 65536

/* Contents only. An all-zero struct is empty. */
struct notes {
        struct text text; /* whole lines, each with its newline */
        size_t n_gone;    /* lines that were there before these */
};

void notes_free(struct notes *notes);

/* Lines that are safe for a terminal, each with its newline; what is beyond NOTES_BYTES_MAX of them is left out. */
void notes_add(struct notes *notes, const char *lines, size_t n_bytes);
