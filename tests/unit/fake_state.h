/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions for a client's state without a daemon; include it behind cmocka.h. */
#pragma once

#include "client/state.h"
#include "tests/unit/fake_daemon.h"

static inline void fake_define(struct state *state, const struct proto_def *def)
{
        struct proto_buffer buffer = fake_buffer();

        assert_int_equal(proto_append_def(&buffer, def), 0);
        assert_int_equal(state_define(state, buffer.data, buffer.n_bytes, 1), 0);
}

/* The strings get the ids from 1 on. */
static inline void fake_define_all(struct state *state, const char *const *strings, size_t n_strings,
                                   const struct proto_def *defs, size_t n_defs)
{
        for (uint32_t i = 0; i < n_strings; i++) {
                const struct proto_def def = {.kind = DEF_STRING, .id = i + 1, .string = fake_string(strings[i])};

                fake_define(state, &def);
        }
        for (size_t i = 0; i < n_defs; i++)
                fake_define(state, &defs[i]);
}
