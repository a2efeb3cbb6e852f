/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A key is what its row will show, so that two rows never look the same. Offsets are left out, but for those of stacks,
 * where they tell one call from the next; addresses too, because they differ from process to process.
 */
#include "client/group_key.h"

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
        case GROUP_THREAD:
                first = event->thread;
                break;
        case GROUP_STACK:
                first = event->stack;
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

static void put_code(struct names *names, struct text *out, const struct state *state, const struct proto_event *event)
{
        struct dict_place *code = state_place(state, event->code), *caller = state_place(state, event->caller);

        put_memo(out, code ? names_of_code(names, state, code) : names_unknown());
        if (!caller)
                return;
        text_put_string(out, " \u2190 ");
        put_memo(out, names_of_code(names, state, caller));
}

static void put_map(struct names *names, struct text *out, const struct state *state, const struct proto_event *event)
{
        struct dict_map *map = state_map(state, event->map);

        put_memo(out, map ? names_of_map(names, state, map) : names_unknown());
}

/* Where neither section nor symbol is known, the map is the place. */
static void put_place(enum group_by by, struct names *names, struct text *out, const struct state *state,
                      const struct proto_event *event)
{
        struct dict_place *place = state_place(state, event->place);

        if (!place || place->image == 0 || (place->section == 0 && place->symbol == 0)) {
                put_map(names, out, state, event);
        } else if (by == GROUP_SYMBOL) {
                put_memo(out, names_of_place(names, state, place));
        } else {
                names_put_base_name(out, state, place->image);
                text_put_char(out, '/');
                names_put_symbol(out, state, place->section);
        }
}

static void put_thread(struct names *names, struct text *out, const struct state *state,
                       const struct proto_event *event)
{
        struct dict_thread *thread = state_thread(state, event->thread);

        put_memo(out, thread ? names_of_thread(names, thread) : names_unknown());
        if (!thread)
                return;
        text_put_char(out, ' ');
        put_memo(out, names_of_comm(names, state, thread));
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
                put_map(names, out, state, event);
                break;
        case GROUP_SECTION:
        case GROUP_SYMBOL:
                put_place(by, names, out, state, event);
                break;
        case GROUP_THREAD:
                put_thread(names, out, state, event);
                break;
        case GROUP_STACK:
                stack_text_put(names, out, state, event->stack, ROW_ENDLESS);
                break;
        }
}
