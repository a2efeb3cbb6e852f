/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key is what its row will show, so that two rows never look the same. Offsets are left out, but for those of stacks,
 * where they tell one call from the next; addresses too, because they differ from process to process.
 *
 * A key is made once for its definitions and then known by their ids. So what definitions keep rendered is left to the
 * view that shows faults: it may keep something else there than the names of the text view.
 */
#include "client/group_key.h"

#include <stdlib.h>

#include "client/row.h"
#include "client/stack_text.h"

void group_key_ids(enum group_by by, const struct proto_event *event, uint32_t ret_ids[static 2])
{
        uint32_t first = 0, second = 0;

        switch (by) {
        case GROUP_CAUSE:
                first = event->cause;
                break;
        case GROUP_CODE:
                first = event->code;
                second = event->caller;
                break;
        case GROUP_MAP:
                second = event->map;
                break;
        case GROUP_SECTION:
        case GROUP_SYMBOL:
                first = event->place;
                second = event->map;
                break;
        case GROUP_IMAGE:
                first = event->place;
                second = event->map;
                break;
        case GROUP_THREAD:
        case GROUP_PROCESS:
                first = event->thread;
                break;
        case GROUP_STACK:
                first = event->stack;
                break;
        case N_GROUP_BY:
                break;
        }
        ret_ids[0] = first;
        ret_ids[1] = second;
}

static void put_memo(struct text *out, const struct memo *memo)
{
        if (memo->n_bytes > 0)
                text_put(out, memo->data, memo->n_bytes);
        else
                text_put_char(out, '?');
}

/* name: names_of_place() or one like it. */
static void put_place_name(struct names *names, struct text *out, const struct state *state,
                           const struct dict_place *place,
                           const struct memo *(*name)(struct names *, const struct state *, struct dict_place *))
{
        struct dict_place copy = {
                .image = place->image, .section = place->section, .symbol = place->symbol, .base = place->base};

        put_memo(out, name(names, state, &copy));
        free(copy.memo.data);
        free(copy.code.data);
}

static void put_code(struct names *names, struct text *out, const struct state *state, const struct proto_event *event)
{
        const struct dict_place *code = state_place(state, event->code), *caller = state_place(state, event->caller);

        if (code)
                put_place_name(names, out, state, code, names_of_code);
        else
                text_put_char(out, '?');
        if (!caller)
                return;
        text_put_string(out, out->ascii ? " <- " : " \u2190 ");
        put_place_name(names, out, state, caller, names_of_code);
}

static void put_map(struct text *out, const struct state *state, const struct proto_event *event)
{
        const struct dict_map *map = state_map(state, event->map);

        if (map && map->path)
                names_put_base_name(out, state, map->path);
        else
                text_put_string(out, map ? "anon" : "?");
}

/* Where neither section nor symbol is known, the map is the place. */
static void put_place(enum group_by by, struct names *names, struct text *out, const struct state *state,
                      const struct proto_event *event)
{
        const struct dict_place *place = state_place(state, event->place);

        if (!place || place->image == 0 || (place->section == 0 && place->symbol == 0)) {
                put_map(out, state, event);
        } else if (by == GROUP_SYMBOL) {
                put_place_name(names, out, state, place, names_of_place);
        } else {
                names_put_base_name(out, state, place->image);
                text_put_char(out, '/');
                names_put_symbol(out, state, place->section);
        }
}

static void put_thread(struct names *names, struct text *out, const struct state *state,
                       const struct proto_event *event)
{
        const struct dict_thread *thread = state_thread(state, event->thread);
        struct dict_thread copy = {0};

        if (!thread) {
                text_put_char(out, '?');
                return;
        }
        copy.pid = thread->pid;
        copy.tid = thread->tid;
        copy.comm = thread->comm;
        put_memo(out, names_of_thread(names, &copy));
        text_put_char(out, ' ');
        put_memo(out, names_of_comm(names, state, &copy));
        free(copy.memo.data);
        free(copy.name.data);
}

/* What no image is behind goes by the map. */
static void put_image(struct text *out, const struct state *state, const struct proto_event *event)
{
        const struct dict_place *place = state_place(state, event->place);

        if (place && place->image)
                names_put_base_name(out, state, place->image);
        else
                put_map(out, state, event);
}

static void put_process(struct text *out, const struct state *state, const struct proto_event *event)
{
        const struct dict_thread *thread = state_thread(state, event->thread);

        if (thread)
                text_put_i64(out, thread->pid);
        else
                text_put_char(out, '?');
}

void group_key_put(enum group_by by, struct names *names, struct text *out, const struct state *state,
                   const struct proto_event *event)
{
        const char *cause;

        switch (by) {
        case GROUP_CAUSE:
                cause = cause_text(event->cause);
                text_put_string(out, cause ? cause : "?");
                break;
        case GROUP_CODE:
                put_code(names, out, state, event);
                break;
        case GROUP_MAP:
                put_map(out, state, event);
                break;
        case GROUP_SECTION:
        case GROUP_SYMBOL:
                put_place(by, names, out, state, event);
                break;
        case GROUP_IMAGE:
                put_image(out, state, event);
                break;
        case GROUP_THREAD:
                put_thread(names, out, state, event);
                break;
        case GROUP_PROCESS:
                put_process(out, state, event);
                break;
        case GROUP_STACK:
                stack_text_put(names, out, state, event->stack, ROW_ENDLESS);
                break;
        case N_GROUP_BY:
                break;
        }
}
