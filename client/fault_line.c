/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Half a million lines a second: names come rendered (names.c), the words of the vocabulary are table look-ups, and
 * numbers are formatted in place.
 *
 * Columns begin at the stops of the layout. A cell that is too long pushes the next ones to the right by as much as it
 * needs, and the line finds back to the stops where it can. In a pipe nothing is ever cut; on a terminal only names are
 * shortened, and the offsets behind them stay whole. An unknown cell shows "?", one that does not apply "-".
 */
#include "client/fault_line.h"

#include <string.h>

#include "client/color.h"

struct line_row {
        struct row row;
        struct fault_line *line;
        const struct state *state;
        const struct proto_event *event;
};

static bool shown(const struct line_row *r, enum column column)
{
        return r->line->layout.columns[column].shown;
}

static bool brief(const struct line_row *r, enum column column)
{
        return r->line->layout.columns[column].brief;
}

/* On to the column; false when it is not shown. */
static bool begin_cell(struct line_row *r, enum column column)
{
        if (!shown(r, column))
                return false;
        row_tab(&r->row, r->line->layout.columns[column].start);
        return true;
}

static uint32_t end_of(const struct line_row *r, enum column column)
{
        return r->line->layout.columns[column].end;
}

/* --- numbers --- */

/* value / 10^n_decimals, backwards from end. */
static char *format_decimal(char *end, uint64_t value, unsigned int n_decimals)
{
        for (; n_decimals > 0; n_decimals--) {
                *--end = (char)('0' + value % 10);
                value /= 10;
        }
        *--end = '.';
        return text_format_u64(end, value);
}

char *format_since(char *end, const struct state *state, uint64_t time_ns)
{
        bool before = time_ns < state->start_ns; /* a fault that was under way when the trace began */
        uint64_t ns = before ? state->start_ns - time_ns : time_ns - state->start_ns;
        char *begin = format_decimal(end, ns / NSEC_PER_USEC, 6);

        if (before)
                *--begin = '-';
        return begin;
}

static void put_time(struct line_row *r)
{
        char digits[SINCE_MAX_BYTES];
        char *end = digits + sizeof(digits);
        char *begin = format_since(end, r->state, r->event->time_ns);

        row_put_right(&r->row, end_of(r, COLUMN_TIME), begin, (size_t)(end - begin));
}

static void put_latency(struct line_row *r)
{
        char digits[SINCE_MAX_BYTES];
        char *end = digits + sizeof(digits), *begin = end - 1;

        if (r->event->latency_ns == PROTO_UNKNOWN)
                *begin = '-';
        else
                begin = format_decimal(end, r->event->latency_ns, 3);
        row_put_right(&r->row, end_of(r, COLUMN_LATENCY), begin, (size_t)(end - begin));
}

static void put_size(struct line_row *r)
{
        static const char units[] = "BKMGTPE";
        unsigned int shift = r->event->page_shift;
        char digits[TEXT_U64_MAX_BYTES + 1];
        char *end = digits + sizeof(digits), *begin = end;

        if (!begin_cell(r, COLUMN_SIZE))
                return;
        if (shift == 0 || shift >= 64) {
                row_put_ascii(&r->row, "-", 1);
                return;
        }
        *--begin = units[shift / 10];
        begin = text_format_u64(begin, UINT64_C(1) << shift % 10);
        row_put_ascii(&r->row, begin, (size_t)(end - begin));
}

static void put_frame(struct line_row *r)
{
        static const char arrow[] = "\xe2\x86\x92"; /* U+2192, to the right */
        uint64_t before = r->event->frame_before, after = r->event->frame;

        if (!begin_cell(r, COLUMN_FRAME))
                return;
        if (after == PROTO_UNKNOWN) {
                row_put_ascii(&r->row, "-", 1);
                return;
        }
        if (before != PROTO_UNKNOWN && before != 0 && before != after) {
                row_put_hex(&r->row, before);
                row_put(&r->row, arrow, sizeof(arrow) - 1, 1);
        }
        row_put_hex(&r->row, after);
}

/* --- words --- */

static const struct word *word_of(const struct word *words, size_t n_words, unsigned int number)
{
        static const struct word unknown = {.text = "?", .color = COLOR_NONE, .n_bytes = 1, .letter = '?'};

        return number < n_words ? &words[number] : &unknown;
}

static void put_word(struct line_row *r, enum column column, const struct word *word, const char *mark)
{
        bool color;

        if (!begin_cell(r, column))
                return;
        color = r->line->color && word->color[0] && r->row.used < r->row.limit;
        if (color)
                text_put_string(r->row.out, word->color);
        if (brief(r, column) && word->letter)
                row_put_ascii(&r->row, &word->letter, 1);
        else
                row_put_ascii(&r->row, word->text, word->n_bytes);
        row_put_ascii(&r->row, mark, strlen(mark));
        if (color)
                text_put_string(r->row.out, COLOR_RESET);
}

static void put_words(struct line_row *r)
{
        const struct fault_line *line = r->line;
        const struct proto_event *event = r->event;

        put_word(r, COLUMN_OUTCOME, word_of(line->outcomes, N_OUTCOMES, event->outcome), "");
        put_word(r, COLUMN_CAUSE, word_of(line->causes, N_CAUSES, event->cause),
                 event->flags & PROTO_EVENT_INFERRED ? "~" : "");
        put_word(r, COLUMN_ACCESS, word_of(line->accesses, N_ACCESSES, event->access),
                 event->flags & PROTO_EVENT_KERNEL_MODE ? ":k" : "");
}

/* --- names --- */

static void put_memo(struct row *row, const struct memo *memo, uint32_t room)
{
        if (memo->n_cells <= room)
                row_put(row, memo->data, memo->n_bytes, memo->n_cells);
        else
                row_put_shortened(row, memo->data, memo->n_bytes, memo->n_cells, room);
}

static void put_thread(struct line_row *r)
{
        struct dict_thread *thread = state_thread(r->state, r->event->thread);

        if (begin_cell(r, COLUMN_THREAD))
                put_memo(&r->row, thread ? names_of_thread(&r->line->names, thread) : names_unknown(), ROW_ENDLESS);
        if (begin_cell(r, COLUMN_COMM))
                put_memo(&r->row, thread ? names_of_comm(&r->line->names, r->state, thread) : names_unknown(),
                         ROW_ENDLESS);
}

/* A name and how far behind its beginning. */
struct position {
        const struct memo *name;
        bool has_offset;
        uint64_t addr, base;
};

static char *format_offset(char *end, const struct position *at)
{
        bool before = at->addr < at->base; /* only when the daemon is wrong; then better shown than hidden */
        char *begin = text_format_hex(end, before ? at->base - at->addr : at->addr - at->base);

        *--begin = before ? '-' : '+';
        return begin;
}

static void put_position(struct row *row, const struct position *at, uint32_t room)
{
        char digits[TEXT_HEX_MAX_BYTES + 1];
        char *end = digits + sizeof(digits);
        char *begin = at->has_offset ? format_offset(end, at) : end;
        uint32_t n_digits = (uint32_t)(end - begin);

        put_memo(row, at->name, room > n_digits ? room - n_digits : 1);
        row_put_ascii(row, begin, n_digits);
}

/* Where a file has no section or symbol, the position in the map says more than the one in the file's image. */
static struct position place_of(struct line_row *r)
{
        struct dict_place *place = state_place(r->state, r->event->place);
        struct dict_map *map = state_map(r->state, r->event->map);
        struct position at = {.name = names_unknown(), .has_offset = true, .addr = r->event->addr};
        struct names *names = &r->line->names;

        if (place && place->image != 0 && (place->section != 0 || place->symbol != 0 || !map)) {
                at.name = brief(r, COLUMN_PLACE) ? names_of_code(names, r->state, place)
                                                 : names_of_place(names, r->state, place);
                at.base = place->base;
        } else if (map) {
                at.name = names_of_map(names, r->state, map);
                at.base = map->start;
        } else {
                at.has_offset = false;
        }
        return at;
}

static void put_place(struct line_row *r)
{
        struct position at;

        if (!begin_cell(r, COLUMN_PLACE))
                return;
        at = place_of(r);
        if (at.name == names_unknown() && r->event->place == 0 && r->event->map == 0)
                row_put_ascii(&r->row, "-", 1);
        else
                put_position(&r->row, &at, layout_room(&r->line->layout, COLUMN_PLACE, r->row.used));
}

static void put_code_part(struct line_row *r, uint32_t id, uint64_t ip, uint32_t room)
{
        struct dict_place *place = state_place(r->state, id);

        if (place && place->image != 0) {
                const struct position at = {.name = names_of_code(&r->line->names, r->state, place),
                                            .has_offset = ip != 0,
                                            .addr = ip,
                                            .base = place->base};

                put_position(&r->row, &at, room);
        } else if (ip != 0) {
                row_put_hex(&r->row, ip);
        } else {
                row_put_ascii(&r->row, "?", 1);
        }
}

/* For both parts of a cell in kernel mode; with less only the caller is shown, the access tells the mode. */
enum { BOTH_CODES_CELLS = 32 };

static void put_kernel_code(struct line_row *r, uint32_t room)
{
        static const char hidden[] = "[kernel]";
        uint64_t ip = r->event->flags & PROTO_EVENT_IP_HIDDEN ? 0 : r->event->ip;

        if (ip == 0 && r->event->code == 0)
                row_put_ascii(&r->row, hidden, sizeof(hidden) - 1);
        else
                put_code_part(r, r->event->code, ip, room);
}

static void put_code(struct line_row *r)
{
        static const char arrow[] = " \xe2\x86\x90 "; /* U+2190, to the left */
        const struct proto_event *event = r->event;
        const struct layout *layout = &r->line->layout;
        uint32_t room;

        if (!begin_cell(r, COLUMN_CODE))
                return;
        room = layout_room(layout, COLUMN_CODE, r->row.used);
        if (!(event->flags & PROTO_EVENT_KERNEL_MODE)) {
                put_code_part(r, event->code, event->ip, room);
                return;
        }
        if (event->caller_ip == 0 && event->caller == 0) {
                put_kernel_code(r, room);
                return;
        }
        if (room >= BOTH_CODES_CELLS) {
                put_kernel_code(r, room == ROW_ENDLESS ? room : room / 2 - 1);
                row_put(&r->row, arrow, sizeof(arrow) - 1, 3);
        } else {
                row_put(&r->row, arrow + 1, sizeof(arrow) - 2, 2);
        }
        put_code_part(r, event->caller, event->caller_ip, layout_room(layout, COLUMN_CODE, r->row.used));
}

/* --- the line --- */

void fault_line_put(struct fault_line *line, struct text *out, const struct state *state,
                    const struct proto_event *event)
{
        struct line_row r = {
                .row = {.out = out, .limit = line->layout.limit}, .line = line, .state = state, .event = event};

        put_time(&r);
        put_thread(&r);
        put_latency(&r);
        put_words(&r);
        if (begin_cell(&r, COLUMN_ADDRESS))
                row_put_hex(&r.row, event->addr);
        put_size(&r);
        put_place(&r);
        put_code(&r);
        put_frame(&r);
        text_put_char(out, '\n');
}

/* --- the words --- */

static const char *cause_color(unsigned int cause)
{
        switch (cause) {
        case CAUSE_COW_COPY:
        case CAUSE_FILE_COW:
        case CAUSE_MKWRITE:
                return COLOR_CYAN;
        case CAUSE_FILE_MAJOR:
        case CAUSE_SWAP_IN:
        case CAUSE_USERFAULT:
        case CAUSE_NUMA_HINT:
                return COLOR_YELLOW;
        case CAUSE_ZERO_FILL:
        case CAUSE_STACK_GROW:
                return COLOR_GREEN;
        case CAUSE_UNMAPPED:
        case CAUSE_ACCESS_DENIED:
        case CAUSE_GUARD_PAGE:
        case CAUSE_STACK_OVERFLOW:
        case CAUSE_BEYOND_EOF:
        case CAUSE_KERNEL_ADDRESS:
                return COLOR_RED;
        default:
                return COLOR_NONE;
        }
}

static const char *outcome_color(unsigned int outcome)
{
        return outcome == OUTCOME_MAJOR ? COLOR_YELLOW : outcome == OUTCOME_FAILED ? COLOR_RED : COLOR_NONE;
}

static struct word word(const char *text, const char *color, char letter)
{
        const char *known = text ? text : "?";

        return (struct word){.text = known, .color = color, .n_bytes = (uint32_t)strlen(known), .letter = letter};
}

void fault_line_init(struct fault_line *line, bool color)
{
        static const char outcome_letters[N_OUTCOMES + 1] =
                "? MFIEO"; /* the usual one is blank: the others stand out */
        static const char access_letters[N_ACCESSES + 1] = "-rwx";

        *line = (struct fault_line){.color = color};
        layout_fit(&line->layout, 0, false);
        for (unsigned int i = 0; i < N_OUTCOMES; i++)
                line->outcomes[i] =
                        word(i == OUTCOME_NONE ? "incomplete" : outcome_text(i), outcome_color(i), outcome_letters[i]);
        for (unsigned int i = 0; i < N_CAUSES; i++)
                line->causes[i] = word(cause_text(i), cause_color(i), '\0');
        for (unsigned int i = 0; i < N_ACCESSES; i++)
                line->accesses[i] = word(i == ACCESS_UNKNOWN ? "-" : access_text(i), COLOR_NONE, access_letters[i]);
}

void fault_line_free(struct fault_line *line)
{
        names_free(&line->names);
}
