/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What every fuzz target defines: take these bytes as if a stranger had sent them, do whatever the product does with
 * such bytes, and abort() when a promise is broken; the sanitizers see the rest. Returns 0. Nothing may be kept from
 * one call to the next.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes);

/* A promise of the code under test. */
static inline void fuzz_promise(int holds)
{
        if (!holds)
                abort();
}
