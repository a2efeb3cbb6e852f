/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte strings numbered in the order in which they first come, from 0. Pure. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "proto/base.h"

#define INTERN_ENTRIES_MAX (UINT32_C(1) << 22)
#define INTERN_BYTES_MAX (UINT64_C(1) << 30) /* of all strings together */

struct intern_entry {
        size_t offset;
        uint32_t n_bytes;
        uint32_t hash;
};

/* Contents only. An all-zero struct is an empty table. */
struct intern {
        char *bytes;
        size_t n_bytes, size_bytes;
        struct intern_entry *entries;
        uint32_t n_entries, size_entries;
        uint32_t *slots; /* of a hash table: id + 1, 0 = free */
        uint32_t n_slots;
};

enum { INTERN_OLD = 0, INTERN_NEW = 1 };

/* INTERN_OLD; INTERN_NEW; -ENOMEM; -ENOSPC: the table is full. The id is that of an equal string, or the next one. */
int intern_put(struct intern *intern, const void *bytes, size_t n_bytes, uint32_t *ret_id) MUST_CHECK;

/* The string with this id, which must have been given out; not NUL-terminated. Valid until the next intern_put(). */
const char *intern_bytes(const struct intern *intern, uint32_t id, size_t *ret_n_bytes);

void intern_free(struct intern *intern);
