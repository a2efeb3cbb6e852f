/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Definitions and faults for the tests of the model of top; include it behind cmocka.h. */
#pragma once

#include <string.h>

#include "client/state.h"
#include "client/top/top_model.h"

/* The next definition of its kind, whatever its id; returns the id. */
static inline uint32_t feed_define(struct state *state, struct proto_def def)
{
        const uint32_t n_known[] = {
                [DEF_STRING] = state->n_strings, [DEF_MAP] = state->n_maps,     [DEF_PLACE] = state->n_places,
                [DEF_THREAD] = state->n_threads, [DEF_STACK] = state->n_stacks, [DEF_LINE] = state->n_lines};
        static uint8_t bytes[PROTO_FRAME_MAX_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = PROTO_FRAME_MAX_BYTES};

        def.id = n_known[def.kind] + 1;
        assert_int_equal(proto_append_def(&buffer, &def), 0);
        assert_int_equal(state_define(state, bytes, buffer.n_bytes, 1), 0);
        return def.id;
}

static inline uint32_t feed_bytes(struct state *state, const char *bytes, size_t n_bytes)
{
        return feed_define(
                state, (struct proto_def){.kind = DEF_STRING, .string = {.data = bytes, .n_bytes = (uint32_t)n_bytes}});
}

static inline uint32_t feed_string(struct state *state, const char *string)
{
        return feed_bytes(state, string, strlen(string));
}

static inline uint32_t feed_map(struct state *state, uint32_t path, uint64_t start)
{
        return feed_define(
                state, (struct proto_def){.kind = DEF_MAP, .map = {.start = start, .end = start + 4096, .path = path}});
}

static inline uint32_t feed_place(struct state *state, uint32_t image, uint32_t section, uint32_t symbol, uint64_t base)
{
        return feed_define(state, (struct proto_def){.kind = DEF_PLACE, .place = {image, section, symbol, base}});
}

static inline uint32_t feed_thread(struct state *state, int32_t pid, int32_t tid, uint32_t comm)
{
        return feed_define(state, (struct proto_def){.kind = DEF_THREAD, .thread = {pid, tid, comm}});
}

static inline uint32_t feed_stack(struct state *state, const struct proto_stack_frame *frames, uint32_t n,
                                  uint8_t flags)
{
        return feed_define(state, (struct proto_def){.kind = DEF_STACK,
                                                     .stack = {.flags = flags, .n_frames = n, .frames = frames}});
}

static inline void feed(struct top_model *model, const struct state *state, struct proto_event event)
{
        assert_int_equal(top_model_add(model, state, &event, 1), 0);
}

#define FEED_ROWS_MAX 64

struct feed_table {
        struct top_table table;
        struct top_row rows[FEED_ROWS_MAX];
};

static inline struct feed_table *feed_query(struct top_model *model, const struct top_query *query)
{
        struct feed_table *result = calloc(1, sizeof(*result));

        assert_non_null(result);
        result->table = (struct top_table){.rows = result->rows, .n_room = FEED_ROWS_MAX};
        assert_int_equal(top_model_table(model, query, &result->table), 0);
        return result;
}
