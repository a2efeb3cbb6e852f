/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * "symbol+0x1c  (libfoo.so.1)  file.c:12": where the code is, then where that comes from. On a terminal only the symbol
 * is shortened, as long as there is room for it at all. How a frame was found is said where it is not the rule: unwind
 * tables are, and that the innermost frame comes from the registers.
 *
 * Nothing is kept for a whole stack: its parts are, with the dictionary entries that they come from, and far fewer of
 * these than of stacks are ever different.
 */
#include "client/stack_text.h"

#include <inttypes.h>
#include <string.h>

enum {
        INDENT_CELLS = 8, /* below the times of the fault lines */
        SYMBOL_LEAST_CELLS = 8,
};

struct stack_lines {
        struct names *names;
        struct text *out;
        const struct state *state;
        uint32_t limit;
};

static const struct memo nothing;

static void put_memo(struct row *row, const struct memo *memo)
{
        if (memo->n_bytes > 0)
                row_put(row, memo->data, memo->n_bytes, memo->n_cells);
}

static struct row begin_line(const struct stack_lines *lines)
{
        struct row row = {.out = lines->out, .limit = lines->limit};

        row_tab(&row, INDENT_CELLS);
        return row;
}

static uint32_t room_before(const struct row *row, uint32_t n_tail)
{
        uint32_t room = row->limit - row->used;

        if (row->limit == ROW_ENDLESS)
                return ROW_ENDLESS;
        return room > n_tail + SYMBOL_LEAST_CELLS ? room - n_tail : SYMBOL_LEAST_CELLS;
}

static void put_shortened(struct row *row, const struct memo *memo, uint32_t n_tail)
{
        if (memo->n_bytes > 0)
                row_put_shortened(row, memo->data, memo->n_bytes, memo->n_cells, room_before(row, n_tail));
}

/* --- inlined functions --- */

static void put_inlined(const struct stack_lines *lines, struct dict_line *line)
{
        static const char mark[] = "  (inlined)";
        const struct memo *where = names_of_line_where(lines->names, lines->state, line);
        struct row row = begin_line(lines);
        uint32_t n_tail = sizeof(mark) - 1 + (where->n_cells ? 2 + where->n_cells : 0);

        put_shortened(&row, names_of_line(lines->names, lines->state, line), n_tail);
        row_put_ascii(&row, mark, sizeof(mark) - 1);
        if (where->n_cells > 0)
                row_put_ascii(&row, "  ", 2);
        put_memo(&row, where);
        text_put_char(lines->out, '\n');
}

/* --- frames --- */

/* What stands behind the symbol. */
struct frame_tail {
        char offset[TEXT_HEX_MAX_BYTES + 1];
        uint32_t n_offset;
        const struct memo *image, *where;
        const char *method;
};

static const char *method_of(uint32_t index, unsigned int by)
{
        switch (by) {
        case FRAME_BY_REGISTERS:
                return index == 0 ? "" : "  [registers]";
        case FRAME_BY_CFI:
                return "";
        case FRAME_BY_POINTER:
                return "  [fp]";
        case FRAME_BY_KERNEL:
                return "  [kernel]";
        }
        return "  [?]";
}

static void format_offset(struct frame_tail *tail, uint64_t addr, uint64_t base)
{
        char digits[TEXT_HEX_MAX_BYTES + 1];
        char *end = digits + sizeof(digits);
        char *begin = text_format_hex(end, addr >= base ? addr - base : base - addr);

        *--begin = addr >= base ? '+' : '-'; /* before it only when the daemon is wrong */
        tail->n_offset = (uint32_t)(end - begin);
        memcpy(tail->offset, begin, tail->n_offset);
}

static struct frame_tail tail_of(const struct stack_lines *lines, const struct state_frame *frame, uint32_t index)
{
        struct frame_tail tail = {.image = &nothing, .where = &nothing, .method = method_of(index, frame->by)};
        struct dict_place *place = frame->place;

        if (place && (frame->by != FRAME_BY_KERNEL || !names_is_kernel(lines->state, place->image)))
                tail.image = names_of_frame_image(lines->names, lines->state, place);
        if (frame->n_lines > 0)
                tail.where = names_of_line_where(lines->names, lines->state, frame->lines[frame->n_lines - 1]);
        return tail;
}

static uint32_t tail_cells(const struct frame_tail *tail)
{
        return tail->n_offset + (tail->image->n_cells ? tail->image->n_cells + 4 : 0) +
               (tail->where->n_cells ? tail->where->n_cells + 2 : 0) + (uint32_t)strlen(tail->method);
}

static void put_tail(struct row *row, const struct frame_tail *tail)
{
        row_put_ascii(row, tail->offset, tail->n_offset);
        if (tail->image->n_cells > 0) {
                row_put_ascii(row, "  (", 3);
                put_memo(row, tail->image);
                row_put_ascii(row, ")", 1);
        }
        if (tail->where->n_cells > 0) {
                row_put_ascii(row, "  ", 2);
                put_memo(row, tail->where);
        }
        row_put_ascii(row, tail->method, strlen(tail->method));
}

static void put_frame(const struct stack_lines *lines, const struct state_frame *frame, uint32_t index)
{
        const struct memo *symbol =
                frame->place ? names_of_frame_symbol(lines->names, lines->state, frame->place) : &nothing;
        struct frame_tail tail = tail_of(lines, frame, index);
        struct row row = begin_line(lines);

        if (symbol->n_bytes > 0) {
                format_offset(&tail, frame->addr, frame->place->base);
                put_shortened(&row, symbol, tail_cells(&tail));
        } else {
                row_put_hex(&row, frame->addr);
        }
        put_tail(&row, &tail);
        text_put_char(lines->out, '\n');
}

/* --- the stack --- */

void stack_text_put_size(struct text *out, uint32_t n_bytes)
{
        if (n_bytes % 1024 == 0)
                text_printf(out, "%" PRIu32 " KiB", n_bytes / 1024);
        else
                text_printf(out, "%" PRIu32 " bytes", n_bytes);
}

static void put_cut(const struct stack_lines *lines)
{
        text_fill(lines->out, ' ', INDENT_CELLS);
        text_put_string(lines->out, "... (stack cut");
        if (lines->state->stack_bytes > 0) {
                text_put_string(lines->out, " at ");
                stack_text_put_size(lines->out, lines->state->stack_bytes);
        }
        text_put_string(lines->out, ")\n");
}

void stack_text_put(struct names *names, struct text *out, const struct state *state, uint32_t stack, uint32_t limit)
{
        const struct stack_lines lines = {.names = names, .out = out, .state = state, .limit = limit};
        const struct dict_stack *entry = state_stack(state, stack);

        if (!entry)
                return;
        for (uint32_t i = 0; i < entry->n_frames; i++) {
                struct state_frame frame;

                state_frame(state, entry, i, &frame);
                for (uint32_t k = 0; k + 1 < frame.n_lines; k++)
                        put_inlined(&lines, frame.lines[k]);
                put_frame(&lines, &frame, i);
        }
        if (entry->is_cut)
                put_cut(&lines);
}
