/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fault refers to definitions by the daemon's numbers, a tuple is made of ours. From the ones to the others leads a
 * name that has to be rendered and looked up, which is far too dear for every fault: so what it led to is remembered,
 * under the numbers, their state and its epoch. The table is one for all targets and bounded; when it is full what
 * belongs to former epochs goes, and if that is not enough, all: what is in use comes back soon.
 */
#include <errno.h>
#include <string.h>

#include "client/group_key.h"
#include "client/row.h"
#include "client/stack_text.h"
#include "client/top/top_private.h"

enum { FIRST_SLOTS = 1024, LINES_MAX = 512 };

int top_wire_init(struct top_wire *wire)
{
        wire->entries = calloc(FIRST_SLOTS, sizeof(*wire->entries));
        if (!wire->entries)
                return -ENOMEM;
        wire->n_slots = FIRST_SLOTS;
        return 0;
}

void top_wire_free(struct top_wire *wire)
{
        free(wire->entries);
        names_free(&wire->names);
        text_free(&wire->scratch);
        text_free(&wire->sequence);
        *wire = (struct top_wire){0};
}

void top_wire_clear(struct top_wire *wire)
{
        memset(wire->entries, 0, wire->n_slots * sizeof(*wire->entries));
        wire->n_entries = 0;
}

/* --- which definitions --- */

/* The place among the contexts is part of the number, so that it can be told whether a number is still in use. */
static uint32_t new_number(struct top_wire *wire, uint32_t place)
{
        if (wire->n_numbers == UINT32_MAX / N_WIRE_KINDS / TOP_CONTEXTS_MAX) {
                top_wire_clear(wire);
                wire->n_contexts = wire->n_numbers = 0;
        }
        return wire->n_numbers++ * TOP_CONTEXTS_MAX + place;
}

static bool is_current(const struct top_wire *wire, const struct top_wire_entry *entry)
{
        uint32_t number = entry->context / N_WIRE_KINDS;

        return wire->contexts[number % TOP_CONTEXTS_MAX].number == number;
}

uint32_t top_wire_context(struct top_wire *wire, const struct state *state)
{
        uint32_t place = 0, number;

        while (place < wire->n_contexts && wire->contexts[place].state != state)
                place++;
        if (place < wire->n_contexts && wire->contexts[place].epoch == state->epoch)
                return wire->contexts[place].number;
        if (place == TOP_CONTEXTS_MAX)
                place = wire->next_context++ % TOP_CONTEXTS_MAX;
        number = new_number(wire, place);
        wire->n_contexts = MAX_OF(wire->n_contexts, place + 1);
        wire->contexts[place] = (struct top_context){.state = state, .epoch = state->epoch, .number = number};
        return number;
}

/* --- the table --- */

static uint32_t first_slot(const struct top_wire *wire, const uint32_t ids[2], uint32_t context)
{
        uint64_t hash = (((uint64_t)ids[1] << 32 | ids[0]) ^ (uint64_t)context << 29) * UINT64_C(0x9e3779b97f4a7c15);

        return (uint32_t)(hash >> 40) & (wire->n_slots - 1);
}

static struct top_wire_entry *find_entry(const struct top_wire *wire, const uint32_t ids[2], uint32_t context)
{
        for (uint32_t i = first_slot(wire, ids, context);; i = (i + 1) & (wire->n_slots - 1)) {
                struct top_wire_entry *entry = &wire->entries[i];

                if (entry->hash == 0 ||
                    (entry->ids[0] == ids[0] && entry->ids[1] == ids[1] && entry->context == context))
                        return entry;
        }
}

static uint32_t n_current(const struct top_wire *wire)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < wire->n_slots; i++)
                n += wire->entries[i].hash != 0 && is_current(wire, &wire->entries[i]);
        return n;
}

/* What is of former epochs goes; larger only if that was not much. 0; -ENOMEM; -ENOSPC. */
static int renew(struct top_wire *wire)
{
        struct top_wire renewed = {.n_slots = n_current(wire) > wire->n_slots / 4 ? wire->n_slots * 2 : wire->n_slots};

        if (renewed.n_slots > TOP_WIRE_SLOTS_MAX)
                return -ENOSPC;
        renewed.entries = calloc(renewed.n_slots, sizeof(*renewed.entries));
        if (!renewed.entries)
                return -ENOMEM;
        for (uint32_t i = 0; i < wire->n_slots; i++) {
                const struct top_wire_entry *entry = &wire->entries[i];

                if (entry->hash == 0 || !is_current(wire, entry))
                        continue;
                *find_entry(&renewed, entry->ids, entry->context) = *entry;
                renewed.n_entries++;
        }
        free(wire->entries);
        wire->entries = renewed.entries;
        wire->n_entries = renewed.n_entries;
        wire->n_slots = renewed.n_slots;
        return 0;
}

void top_wire_make_room(struct top_wire *wire)
{
        if (wire->n_entries + N_WIRE_KINDS > wire->n_slots / 2 && renew(wire) < 0)
                top_wire_clear(wire);
}

/* --- names --- */

/* What is in scratch, which is empty then. */
static uint32_t put_name(struct top_wire *wire, struct top_names *names)
{
        uint32_t name = TOP_NAME_OTHER;

        if (wire->scratch.failed || wire->names.failed) {
                wire->failed = true;
                wire->scratch.failed = wire->names.failed = false;
        } else if (top_names_put(names, wire->scratch.n_bytes ? wire->scratch.data : "", wire->scratch.n_bytes,
                                 &name) == -ENOMEM) {
                wire->failed = true;
        }
        wire->scratch.n_bytes = 0;
        return name;
}

static uint32_t put_group(struct top_wire *wire, struct top_names *names, enum group_by by, const struct state *state,
                          const struct proto_event *event)
{
        group_key_put(by, &wire->names, &wire->scratch, state, event);
        return put_name(wire, names);
}

static void make_place(struct top_wire *wire, struct top_names *names, const struct state *state,
                       const struct proto_event *event, struct top_wire_entry *ret)
{
        const struct dict_place *place = state_place(state, event->place);
        const struct dict_map *map = state_map(state, event->map);

        ret->names[PLACE_MAP] = put_group(wire, names, GROUP_MAP, state, event);
        ret->names[PLACE_SECTION] = put_group(wire, names, GROUP_SECTION, state, event);
        ret->names[PLACE_SYMBOL] = put_group(wire, names, GROUP_SYMBOL, state, event);
        ret->names[PLACE_IMAGE] = put_group(wire, names, GROUP_IMAGE, state, event);
        if (place && place->image && (place->section || place->symbol || !map))
                ret->bases[0] = place->base;
        else if (map)
                ret->bases[0] = map->start;
}

/* IMAGE/SYMBOL, without what called it. */
static uint32_t put_code(struct top_wire *wire, struct top_names *names, const struct state *state, uint32_t id,
                         uint64_t *ret_base)
{
        struct dict_place *place = state_place(state, id);
        const struct memo *memo;

        if (!place || place->image == 0)
                return TOP_NAME_UNKNOWN;
        *ret_base = place->base;
        memo = names_of_code(&wire->names, state, place);
        if (memo->n_bytes > 0)
                text_put(&wire->scratch, memo->data, memo->n_bytes);
        return put_name(wire, names);
}

static void make_code(struct top_wire *wire, struct top_names *names, const struct state *state,
                      const struct proto_event *event, struct top_wire_entry *ret)
{
        ret->names[CODE_BOTH] = put_group(wire, names, GROUP_CODE, state, event);
        ret->names[CODE_OWN] = put_code(wire, names, state, event->code, &ret->bases[0]);
        ret->names[CODE_CALLER] = put_code(wire, names, state, event->caller, &ret->bases[1]);
}

static void make_thread(struct top_wire *wire, struct top_names *names, const struct state *state,
                        const struct proto_event *event, struct top_wire_entry *ret)
{
        struct dict_thread *thread = state_thread(state, event->thread);
        uint32_t name = put_group(wire, names, GROUP_THREAD, state, event);

        ret->names[THREAD_ITSELF] = name;
        ret->names[THREAD_PROCESS] = put_group(wire, names, GROUP_PROCESS, state, event);
        if (!thread || name <= TOP_NAME_UNKNOWN)
                return;
        names->entries[name].pid = thread->pid;
        names->entries[name].tid = thread->tid;
        names->entries[name].comm_start = names_of_thread(&wire->names, thread)->n_bytes + 1;
}

/* --- stacks --- */

/* As in folded lines: what ends a frame there does not belong to a name. */
static void end_frame(struct text *out, size_t start)
{
        for (size_t i = start; i < out->n_bytes; i++)
                if (out->data[i] == ';')
                        out->data[i] = ':';
}

static void put_nameless(struct text *out, const struct state *state, const struct state_frame *frame)
{
        if (!frame->place || frame->place->image == 0) {
                text_put_string(out, "[unknown]");
                return;
        }
        text_put_char(out, '[');
        names_put_base_name(out, state, frame->place->image);
        text_put_char(out, frame->addr >= frame->place->base ? '+' : '-');
        text_put_hex(out, frame->addr >= frame->place->base ? frame->addr - frame->place->base
                                                            : frame->place->base - frame->addr);
        text_put_char(out, ']');
}

static void put_frame(struct text *out, const struct state *state, const struct state_frame *frame)
{
        size_t start = out->n_bytes;

        if (frame->place && frame->place->symbol)
                names_put_symbol(out, state, frame->place->symbol);
        else if (frame->n_lines > 0 && frame->lines[frame->n_lines - 1]->function)
                names_put_symbol(out, state, frame->lines[frame->n_lines - 1]->function);
        else
                put_nameless(out, state, frame);
        end_frame(out, start);
        for (uint32_t i = frame->n_lines; i > 1; i--) {
                text_put_char(out, ';');
                start = out->n_bytes;
                names_put_symbol(out, state, frame->lines[i - 2]->function);
                end_frame(out, start);
        }
}

/* The functions from the outermost to the innermost, as a folded line has them. */
static uint32_t put_folded(struct top_wire *wire, struct top_names *names, const struct state *state,
                           const struct dict_stack *stack)
{
        struct text *out = &wire->scratch;

        if (!stack)
                text_put_string(out, "[no stack]");
        else if (stack->is_cut)
                text_put_string(out, "[cut]");
        for (uint32_t i = stack ? stack->n_frames : 0; i > 0; i--) {
                struct state_frame frame;

                state_frame(state, stack, i - 1, &frame);
                if (out->n_bytes > 0)
                        text_put_char(out, ';');
                put_frame(out, state, &frame);
        }
        return put_name(wire, names);
}

/*
 * The lines of a stack are kept as the numbers of the lines, which stacks share: their own text would be the largest
 * part of all that is remembered.
 */
static uint32_t put_lines(struct top_wire *wire, struct top_names *names, const struct state *state, uint32_t stack)
{
        struct text lines = {0};
        uint32_t sequence = TOP_NAME_OTHER, n = 0;

        stack_text_put(&wire->names, &lines, state, stack, ROW_ENDLESS);
        wire->sequence.n_bytes = 0;
        for (const char *at = lines.data, *end = at ? at + lines.n_bytes : at; at < end && n < LINES_MAX; n++) {
                const char *newline = memchr(at, '\n', (size_t)(end - at));
                size_t n_bytes = newline ? (size_t)(newline - at) : (size_t)(end - at);
                uint32_t line = TOP_NAME_OTHER;

                if (top_names_put(names, at, n_bytes, &line) == -ENOMEM)
                        wire->failed = true;
                text_put(&wire->sequence, (const char *)&line, sizeof(line));
                at += n_bytes + 1;
        }
        if (n > 0 && !wire->sequence.failed &&
            top_names_put(names, wire->sequence.data, wire->sequence.n_bytes, &sequence) == -ENOMEM)
                wire->failed = true;
        wire->failed |= lines.failed || wire->sequence.failed;
        wire->sequence.failed = false;
        text_free(&lines);
        return sequence;
}

static void make_stack(struct top_wire *wire, struct top_names *names, const struct state *state,
                       const struct proto_event *event, struct top_wire_entry *ret)
{
        const struct dict_stack *stack = state_stack(state, event->stack);

        ret->names[STACK_FOLDED] = put_folded(wire, names, state, stack);
        ret->names[STACK_LINES] = stack ? put_lines(wire, names, state, event->stack) : TOP_NAME_OTHER;
}

/* --- what a fault asks for --- */

static void ids_of(enum top_wire_kind kind, const struct proto_event *event, uint32_t ret[2])
{
        switch (kind) {
        case WIRE_PLACE:
                ret[0] = event->place;
                ret[1] = event->map;
                break;
        case WIRE_CODE:
                ret[0] = event->code;
                ret[1] = event->caller;
                break;
        case WIRE_THREAD:
                ret[0] = event->thread;
                ret[1] = 0;
                break;
        default:
                ret[0] = event->stack;
                ret[1] = 0;
                break;
        }
}

/* How many of the names are groups. */
static const uint8_t n_group_names[N_WIRE_KINDS] = {
        [WIRE_PLACE] = 4, [WIRE_CODE] = 1, [WIRE_THREAD] = 2, [WIRE_STACK] = 1};

static void make(struct top_wire *wire, struct top_names *names, const struct state *state, enum top_wire_kind kind,
                 const struct proto_event *event, struct top_wire_entry *ret)
{
        switch (kind) {
        case WIRE_PLACE:
                make_place(wire, names, state, event, ret);
                break;
        case WIRE_CODE:
                make_code(wire, names, state, event, ret);
                break;
        case WIRE_THREAD:
                make_thread(wire, names, state, event, ret);
                break;
        default:
                make_stack(wire, names, state, event, ret);
                break;
        }
        ret->hash = top_hash_names(ret->names, n_group_names[kind]);
}

const struct top_wire_entry *top_wire_find(struct top_wire *wire, struct top_names *names, uint32_t context,
                                           const struct state *state, enum top_wire_kind kind,
                                           const struct proto_event *event)
{
        uint32_t key = context * N_WIRE_KINDS + kind;
        struct top_wire_entry *entry;
        uint32_t ids[2];

        ids_of(kind, event, ids);
        entry = find_entry(wire, ids, key);
        if (entry->hash != 0)
                return entry;
        *entry = (struct top_wire_entry){.ids = {ids[0], ids[1]}, .context = key};
        make(wire, names, state, kind, event, entry);
        wire->n_entries++;
        return entry;
}
