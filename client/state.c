/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Six arrays indexed by id. Ids are dense by contract, so an array is the whole data structure, and a definition
 * whose id is not the next one is an error: it would mean that definitions were lost, and every name shown from then
 * on could be wrong. An event with an unknown id, in contrast, harms only its own line. Definitions refer to one
 * another by id too; such a reference is followed when somebody looks, may lead nowhere, and never makes a walk without
 * an end.
 *
 * Entries carry the views' memos although the state does not know what is in them: a memo lives exactly as long as its
 * entry, and a second set of arrays beside these would have to repeat their growth and their resets.
 */
#include "client/state.h"

#include <errno.h>
#include <string.h>

#include "client/demangle.h"
#include "proto/wire.h"

static void memo_free(struct memo *memo)
{
        free(memo->data);
        *memo = (struct memo){0};
}

static void free_places(struct state *state)
{
        for (uint32_t i = 0; i < state->n_places; i++) {
                memo_free(&state->places[i].memo);
                memo_free(&state->places[i].code);
                memo_free(&state->places[i].frame_symbol);
                memo_free(&state->places[i].frame_image);
        }
}

static void free_stacks(struct state *state)
{
        for (uint32_t i = 0; i < state->n_stacks; i++)
                free(state->stacks[i].frames);
        for (uint32_t i = 0; i < state->n_lines; i++) {
                memo_free(&state->lines[i].name);
                memo_free(&state->lines[i].where);
        }
}

void state_reset(struct state *state)
{
        for (uint32_t i = 0; i < state->n_strings; i++) {
                free(state->strings[i].data);
                memo_free(&state->strings[i].symbol);
        }
        for (uint32_t i = 0; i < state->n_maps; i++)
                memo_free(&state->maps[i].memo);
        free_places(state);
        free_stacks(state);
        for (uint32_t i = 0; i < state->n_threads; i++) {
                memo_free(&state->threads[i].memo);
                memo_free(&state->threads[i].name);
        }
        state->n_strings = state->n_maps = state->n_places = state->n_threads = state->n_stacks = state->n_lines = 0;
        state->string_bytes = 0;
        state->n_frames = 0;
        state->epoch++;
}

static int set_comm(struct state *state, const struct proto_string *comm)
{
        char *data = NULL;

        if (comm->n_bytes > 0) {
                data = malloc(comm->n_bytes);
                if (!data)
                        return -ENOMEM;
                memcpy(data, comm->data, comm->n_bytes);
        }
        free(state->comm.data);
        state->comm = (struct dict_string){.data = data, .n_bytes = comm->n_bytes};
        return 0;
}

int state_begin(struct state *state, const struct proto_attached *attached, bool before_exec)
{
        static const struct proto_string none;
        int r;

        r = set_comm(state, before_exec ? &none : &attached->comm);
        if (r < 0)
                return r;
        state->pid = attached->pid;
        state->start_ns = attached->time_ns;
        state->stack_bytes = attached->stack_bytes;
        state->before_exec = before_exec;
        return 0;
}

int state_live(struct state *state, const struct proto_life *life)
{
        if (life->kind != LIFE_EXEC || life->pid != state->pid || state->pid == 0)
                return 0;
        state->before_exec = false;
        return set_comm(state, &life->comm);
}

void state_free(struct state *state)
{
        state_reset(state);
        free(state->strings);
        free(state->maps);
        free(state->places);
        free(state->threads);
        free(state->stacks);
        free(state->lines);
        free(state->comm.data);
        *state = (struct state){0};
}

/* Room for the entry with this id, which must be the next one. */
static int grow(void **entries, uint32_t n, uint32_t *size, size_t entry_bytes, uint32_t id)
{
        uint32_t new_size;
        void *grown;

        if (id != n + 1 || n >= STATE_ENTRIES_MAX)
                return -EBADMSG;
        if (n < *size)
                return 0;
        new_size = *size ? *size * 2 : 64;
        grown = realloc(*entries, new_size * entry_bytes);
        if (!grown)
                return -ENOMEM;
        *entries = grown;
        *size = new_size;
        return 0;
}

#define GROW(state, kind, id)                                                                                          \
        ({                                                                                                             \
                void *_entries = (state)->kind;                                                                        \
                int _r = grow(&_entries, (state)->n_##kind, &(state)->size_##kind, sizeof(*(state)->kind), (id));      \
                (state)->kind = _entries;                                                                              \
                _r;                                                                                                    \
        })

static int define_string(struct state *state, uint32_t id, const struct proto_string *string)
{
        struct dict_string entry = {.n_bytes = string->n_bytes};
        int r;

        r = GROW(state, strings, id);
        if (r < 0)
                return r;
        if (string->n_bytes > STATE_STRING_BYTES_MAX - state->string_bytes)
                return -EBADMSG;
        if (string->n_bytes > 0) {
                entry.data = malloc(string->n_bytes);
                if (!entry.data)
                        return -ENOMEM;
                memcpy(entry.data, string->data, string->n_bytes);
        }
        state->string_bytes += string->n_bytes;
        state->strings[state->n_strings++] = entry;
        return 0;
}

static int define_map(struct state *state, const struct proto_def *def)
{
        struct dict_map entry = {
                .start = def->map.start, .end = def->map.end, .offset = def->map.offset, .path = def->map.path};
        int r;

        r = GROW(state, maps, def->id);
        if (r < 0)
                return r;
        memcpy(entry.perms, def->map.perms, sizeof(entry.perms));
        state->maps[state->n_maps++] = entry;
        return 0;
}

static int define_place(struct state *state, const struct proto_def *def)
{
        int r;

        r = GROW(state, places, def->id);
        if (r < 0)
                return r;
        state->places[state->n_places++] = (struct dict_place){.image = def->place.image,
                                                               .section = def->place.section,
                                                               .symbol = def->place.symbol,
                                                               .base = def->place.base};
        return 0;
}

static int define_thread(struct state *state, const struct proto_def *def)
{
        int r;

        r = GROW(state, threads, def->id);
        if (r < 0)
                return r;
        state->threads[state->n_threads++] =
                (struct dict_thread){.pid = def->thread.pid, .tid = def->thread.tid, .comm = def->thread.comm};
        return 0;
}

static int define_stack(struct state *state, const struct proto_def *def)
{
        struct dict_stack entry = {.n_frames = def->stack.n_frames, .is_cut = def->stack.flags & PROTO_STACK_CUT};
        int r;

        r = GROW(state, stacks, def->id);
        if (r < 0)
                return r;
        if (entry.n_frames > STATE_FRAMES_MAX - state->n_frames)
                return -EBADMSG;
        if (entry.n_frames > 0) {
                entry.frames = calloc(entry.n_frames, sizeof(*entry.frames));
                if (!entry.frames)
                        return -ENOMEM;
        }
        for (uint32_t i = 0; i < entry.n_frames; i++)
                entry.frames[i] = proto_stack_frame(def, i);
        state->n_frames += entry.n_frames;
        state->stacks[state->n_stacks++] = entry;
        return 0;
}

static int define_line(struct state *state, const struct proto_def *def)
{
        int r;

        r = GROW(state, lines, def->id);
        if (r < 0)
                return r;
        state->lines[state->n_lines++] = (struct dict_line){.function = def->line.function,
                                                            .file = def->line.file,
                                                            .line = def->line.line,
                                                            .outer = def->line.outer};
        return 0;
}

static int define(struct state *state, const struct proto_def *def)
{
        switch (def->kind) {
        case DEF_STRING:
                return define_string(state, def->id, &def->string);
        case DEF_MAP:
                return define_map(state, def);
        case DEF_PLACE:
                return define_place(state, def);
        case DEF_THREAD:
                return define_thread(state, def);
        case DEF_STACK:
                return define_stack(state, def);
        case DEF_LINE:
                return define_line(state, def);
        default:
                return 0; /* a newer daemon's; nothing here refers to it */
        }
}

int state_define(struct state *state, const uint8_t *body, size_t n_bytes, uint32_t count)
{
        size_t offset = 0;
        int r;

        for (uint32_t i = 0; i < count; i++) {
                struct proto_def def;

                r = proto_decode_def(body, n_bytes, &offset, &def);
                if (r < 0)
                        return r;
                r = define(state, &def);
                if (r < 0)
                        return r;
        }
        return 0;
}

int state_receive(struct state *state, const uint8_t *body, size_t n_bytes, uint32_t count, uint32_t event_bytes,
                  const uint8_t **ret_records)
{
        if (n_bytes < PROTO_EVENTS_PREFIX_BYTES || (n_bytes - PROTO_EVENTS_PREFIX_BYTES) / event_bytes < count)
                return -EBADMSG;
        state->n_filtered = wire_load_u64(body);
        state->n_received += count;
        *ret_records = body + PROTO_EVENTS_PREFIX_BYTES;
        return 0;
}

static void count_completed(struct state *state, size_t outcome, uint64_t n)
{
        if (outcome == OUTCOME_MAJOR)
                state->n_major += n;
        else if (outcome == OUTCOME_MINOR || outcome == OUTCOME_NONE)
                state->n_minor += n;
}

void state_count_events(struct state *state, const struct proto_event *events, uint32_t n_events)
{
        for (uint32_t i = 0; i < n_events; i++) {
                state->n_incomplete += (events[i].flags & PROTO_EVENT_INCOMPLETE) != 0;
                count_completed(state, events[i].outcome, 1);
        }
}

void state_count_drops(struct state *state, const struct proto_drops *drops)
{
        for (size_t i = 0; i < N_OUTCOMES; i++) {
                state->n_dropped += drops->n_faults[i];
                count_completed(state, i, drops->n_faults[i]);
        }
}

const struct dict_string *state_string(const struct state *state, uint32_t id)
{
        return id - 1 < state->n_strings ? &state->strings[id - 1] : NULL;
}

struct dict_map *state_map(const struct state *state, uint32_t id)
{
        return id - 1 < state->n_maps ? &state->maps[id - 1] : NULL;
}

struct dict_place *state_place(const struct state *state, uint32_t id)
{
        return id - 1 < state->n_places ? &state->places[id - 1] : NULL;
}

struct dict_thread *state_thread(const struct state *state, uint32_t id)
{
        return id - 1 < state->n_threads ? &state->threads[id - 1] : NULL;
}

const struct dict_stack *state_stack(const struct state *state, uint32_t id)
{
        return id - 1 < state->n_stacks ? &state->stacks[id - 1] : NULL;
}

struct dict_line *state_line(const struct state *state, uint32_t id)
{
        return id - 1 < state->n_lines ? &state->lines[id - 1] : NULL;
}

void state_frame(const struct state *state, const struct dict_stack *stack, uint32_t index, struct state_frame *ret)
{
        const struct proto_stack_frame *frame = &stack->frames[index];
        struct dict_line *line = state_line(state, frame->line);

        ret->addr = frame->addr;
        ret->place = state_place(state, frame->place);
        ret->by = frame->by;
        for (ret->n_lines = 0; line && ret->n_lines < STATE_LINES_MAX; line = state_line(state, line->outer))
                ret->lines[ret->n_lines++] = line;
}

struct proto_string state_symbol(const struct state *state, uint32_t id)
{
        struct dict_string *string = id - 1 < state->n_strings ? &state->strings[id - 1] : NULL;

        if (!string)
                return (struct proto_string){0};
        if (state->demangles && !string->symbol.data)
                demangle(string->data, string->n_bytes, &string->symbol.data, &string->symbol.n_bytes);
        if (string->symbol.data)
                return (struct proto_string){.data = string->symbol.data, .n_bytes = string->symbol.n_bytes};
        return (struct proto_string){.data = string->data, .n_bytes = string->n_bytes};
}
