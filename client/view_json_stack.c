/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fifteen frames a fault make the stack the longest part of its line. Names are escaped once and kept with the entries
 * that they come from; per frame only the address, the offset and the commas between these are written.
 */
#include "client/view_json_stack.h"

#include "client/json_put.h"
#include "client/view.h"

/* A rendered part, with its comma if it is not the first of its object. */
static void put_part(struct text *out, const struct memo *memo)
{
        if (memo->n_bytes == 0)
                return;
        if (out->n_bytes > 0 && out->data[out->n_bytes - 1] != '{')
                text_put_char(out, ',');
        text_put(out, memo->data, memo->n_bytes);
}

/* "image":"a","symbol":"b" as far as known; the section where there is no symbol. */
static const struct memo *place_part(struct text *scratch, const struct state *state, struct dict_place *place)
{
        if (place->frame_symbol.data)
                return &place->frame_symbol;
        json_put_dict_string(scratch, "image", state, place->image);
        if (place->symbol != 0)
                json_put_symbol(scratch, "symbol", state, place->symbol);
        else
                json_put_dict_string(scratch, "section", state, place->section);
        return json_keep(scratch, &place->frame_symbol);
}

/* "symbol":"a" */
static const struct memo *name_part(struct text *scratch, const struct state *state, struct dict_line *line)
{
        if (line->name.data)
                return &line->name;
        json_put_symbol(scratch, "symbol", state, line->function);
        return json_keep(scratch, &line->name);
}

/* "file":"a","line":1 */
static const struct memo *where_part(struct text *scratch, const struct state *state, struct dict_line *line)
{
        if (line->where.data)
                return &line->where;
        json_put_dict_string(scratch, "file", state, line->file);
        if (line->line != 0)
                json_put_number(scratch, "line", line->line);
        return json_keep(scratch, &line->where);
}

static void put_inlined(struct text *out, struct text *scratch, const struct state *state,
                        const struct state_frame *frame)
{
        json_put_key(out, "inlined");
        for (uint32_t i = 0; i + 1 < frame->n_lines; i++) {
                text_put_string(out, i == 0 ? "[{" : ",{");
                put_part(out, name_part(scratch, state, frame->lines[i]));
                put_part(out, where_part(scratch, state, frame->lines[i]));
                text_put_char(out, '}');
        }
        text_put_char(out, ']');
}

static void put_frame(struct text *out, struct text *scratch, const struct state *state,
                      const struct state_frame *frame, bool addresses)
{
        const struct dict_place *place = frame->place;
        bool has_offset = place && frame->addr >= place->base;
        const char *method = frame_method_text(frame->by);

        text_put_char(out, '{');
        if (addresses || !has_offset)
                json_put_address(out, "addr", frame->addr);
        if (place)
                put_part(out, place_part(scratch, state, frame->place));
        if (has_offset)
                json_put_number(out, "offset", frame->addr - place->base);
        if (method)
                json_put_word(out, "by", method);
        if (frame->n_lines > 0)
                put_part(out, where_part(scratch, state, frame->lines[frame->n_lines - 1]));
        if (frame->n_lines > 1)
                put_inlined(out, scratch, state, frame);
        text_put_char(out, '}');
}

static void put_stack(struct text *out, struct text *scratch, const struct state *state, uint32_t stack, bool addresses)
{
        const struct dict_stack *entry = state_stack(state, stack);

        if (!entry)
                return;
        json_put_key(out, "stack");
        text_put_char(out, '[');
        for (uint32_t i = 0; i < entry->n_frames; i++) {
                struct state_frame frame;

                if (i > 0)
                        text_put_char(out, ',');
                state_frame(state, entry, i, &frame);
                put_frame(out, scratch, state, &frame, addresses);
        }
        text_put_char(out, ']');
        if (entry->is_cut)
                json_put_bool(out, "stack_cut", true);
}

void json_put_stack(struct text *out, struct text *scratch, const struct state *state, uint32_t stack)
{
        put_stack(out, scratch, state, stack, true);
}

void json_put_stack_names(struct text *out, struct text *scratch, const struct state *state, uint32_t stack)
{
        put_stack(out, scratch, state, stack, false);
}
