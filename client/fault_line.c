/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Half a million lines a second: names come rendered (names.c), the words of the vocabulary are table look-ups, and
 * numbers are formatted in place.
 *
 * Columns begin at the stops of the layout. A cell that is too long pushes the next ones to the right by as much as it
 * needs, and the line finds back to the stops where it can. In a pipe nothing is ever cut; on a terminal only names are
 * shortened, and the offsets behind them stay whole. An unknown cell shows "?", one that does not apply "-".
 *
 * Latencies are right-aligned with their decimals below each other, so that a long one stands out by its length alone;
 * on a terminal those from a millisecond on name their unit instead, which fits the column, and colours only add to
 * that.
 */
#include "client/fault_line.h"

#include <string.h>

#include "client/color.h"
#include "client/figures.h"

struct line_row {
        struct row row;
        struct fault_line *line;
        const struct state *state;
        const struct proto_event *event;
        const struct fold_run *run; /* NULL: a single fault */
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
static inline bool begin_cell(struct line_row *r, enum column column)
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

        if (!shown(r, COLUMN_TIME))
                return;
        row_put_right(&r->row, end_of(r, COLUMN_TIME), begin, (size_t)(end - begin));
}

/* Of one fault, or the longest of a run. */
static uint64_t latency_of(const struct line_row *r)
{
        if (!r->run)
                return r->event->latency_ns;
        return r->run->sum.n_timed > 0 ? r->run->sum.max_ns : PROTO_UNKNOWN;
}

static const char *latency_color(uint64_t ns)
{
        if (ns >= 10 * NSEC_PER_MSEC)
                return COLOR_BOLD_RED;
        if (ns >= NSEC_PER_MSEC)
                return COLOR_BOLD_YELLOW;
        if (ns >= 100 * NSEC_PER_USEC)
                return COLOR_BOLD;
        return ns < NSEC_PER_USEC ? COLOR_DIM : COLOR_NONE;
}

static void put_latency(struct line_row *r)
{
        char digits[SINCE_MAX_BYTES];
        char *end = digits + sizeof(digits), *begin = end - 1;
        uint64_t ns = latency_of(r);
        const char *color = r->line->color && ns != PROTO_UNKNOWN ? latency_color(ns) : COLOR_NONE;

        if (color[0])
                text_put_string(r->row.out, color);
        if (ns >= NSEC_PER_MSEC && ns != PROTO_UNKNOWN && r->row.limit != ROW_ENDLESS) {
                const struct figure figure = figure_time(ns);

                row_put_right(&r->row, end_of(r, COLUMN_LATENCY), figure.text, figure.n_bytes);
        } else {
                if (ns == PROTO_UNKNOWN)
                        *begin = '-';
                else
                        begin = format_decimal(end, ns, 3);
                row_put_right(&r->row, end_of(r, COLUMN_LATENCY), begin, (size_t)(end - begin));
        }
        if (color[0])
                text_put_string(r->row.out, COLOR_RESET);
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
        if (after == PROTO_UNKNOWN || r->run) {
                row_put_ascii(&r->row, "-", 1);
                return;
        }
        if (before != PROTO_UNKNOWN && before != 0 && before != after) {
                row_put_hex(&r->row, before);
                if (r->row.out->ascii)
                        row_put_ascii(&r->row, "->", 2);
                else
                        row_put(&r->row, arrow, sizeof(arrow) - 1, 1);
        }
        row_put_hex(&r->row, after);
}

/* --- words --- */

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
                row_put_short(&r->row, word->text, word->n_bytes);
        if (mark[0])
                row_put_ascii(&r->row, mark, strlen(mark));
        if (color)
                text_put_string(r->row.out, COLOR_RESET);
}

static void put_words(struct line_row *r)
{
        const struct words *words = &r->line->words;
        const struct proto_event *event = r->event;

        put_word(r, COLUMN_OUTCOME, words_outcome(words, event->outcome), "");
        put_word(r, COLUMN_CAUSE, words_cause(words, event->cause), event->flags & PROTO_EVENT_INFERRED ? "~" : "");
        put_word(r, COLUMN_ACCESS, words_access(words, event->access),
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
                         layout_room(&r->line->layout, COLUMN_COMM, r->row.used));
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

static bool fits(const struct position *at, uint32_t room)
{
        char digits[TEXT_HEX_MAX_BYTES + 1];
        char *end = digits + sizeof(digits);

        return at->name->n_cells + (uint32_t)(end - format_offset(end, at)) <= room;
}

/* Without the column of addresses the place stands for it; with it, the offset of a run goes before the name does. */
static void put_place(struct line_row *r, uint32_t room)
{
        bool has_address = shown(r, COLUMN_ADDRESS);
        struct position at = place_of(r);

        if (at.name == names_unknown() && !has_address) {
                row_put_hex(&r->row, r->event->addr);
        } else if (at.name == names_unknown() && r->event->place == 0 && r->event->map == 0) {
                row_put_ascii(&r->row, "-", 1);
        } else {
                at.has_offset = at.has_offset && (!r->run || !has_address || fits(&at, room));
                put_position(&r->row, &at, room);
        }
}

static void put_code_part(struct line_row *r, uint32_t id, uint64_t ip, uint32_t room)
{
        struct dict_place *place = state_place(r->state, id);

        if (place && place->image != 0) {
                const struct position at = {.name = names_of_code(&r->line->names, r->state, place),
                                            .has_offset = ip != 0 && (!r->run || r->run->one_ip),
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

static void put_from(struct row *row)
{
        static const char arrow[] = "\xe2\x86\x90 "; /* U+2190, to the left */

        if (row->out->ascii)
                row_put_ascii(row, "<- ", 3);
        else
                row_put(row, arrow, sizeof(arrow) - 1, 2);
}

static void put_code(struct line_row *r)
{
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
                row_put_ascii(&r->row, " ", 1);
        }
        put_from(&r->row);
        put_code_part(r, event->caller, event->caller_ip, layout_room(layout, COLUMN_CODE, r->row.used));
}

/* --- runs --- */

enum {
        RUN_BYTES_MAX = 2 * FIGURE_BYTES_MAX,
        RUN_CODE_CELLS = 10 /* less of a name says nothing */,
        RUN_PLACE_CELLS = 5
};

/* "x 512 pages, 2.1 ms"; returns its length. */
static uint32_t format_run(char run_text[static RUN_BYTES_MAX], const struct measure *sum)
{
        const struct figure time = figure_time(sum->time_ns);
        char digits[TEXT_U64_MAX_BYTES];
        char *end = digits + sizeof(digits), *begin = text_format_u64(end, sum->count), *at = run_text;

        at = mempcpy(at, "x ", 2);
        at = mempcpy(at, begin, (size_t)(end - begin));
        at = mempcpy(at, " pages", 6);
        if (sum->n_timed > 0) {
                at = mempcpy(at, ", ", 2);
                at = mempcpy(at, time.text, time.n_bytes);
        }
        return (uint32_t)(at - run_text);
}

/*
 * How often and how long stands behind the place, in its column where that has room for it, else the code moves on, and
 * on the narrowest terminals it is what is left out.
 */
static void put_run_names(struct line_row *r)
{
        char run_text[RUN_BYTES_MAX];
        uint32_t n_run = format_run(run_text, &r->run->sum), room, left;

        if (!begin_cell(r, COLUMN_PLACE))
                return;
        room = layout_room_for_names(&r->line->layout, r->row.used);
        if (room < n_run + 1 + RUN_PLACE_CELLS) /* how many, then, and nothing more of it */
                n_run = (uint32_t)((const char *)memchr(run_text + 2, ' ', n_run - 2) - run_text);
        left = room == ROW_ENDLESS ? room : room > n_run + 1 ? room - n_run - 1 : 1;
        put_place(r, room == ROW_ENDLESS || left < 2 * RUN_CODE_CELLS ? left : left / 2);
        row_put_ascii(&r->row, " ", 1);
        if (r->line->color)
                text_put_string(r->row.out, COLOR_BOLD);
        row_put_ascii(&r->row, run_text, n_run);
        if (r->line->color)
                text_put_string(r->row.out, COLOR_RESET);
        if (layout_room_for_names(&r->line->layout, r->row.used) > RUN_CODE_CELLS)
                put_code(r);
}

/* --- the line --- */

static void put_line(struct line_row *r)
{
        put_time(r);
        put_thread(r);
        put_latency(r);
        put_words(r);
        if (begin_cell(r, COLUMN_ADDRESS))
                row_put_hex(&r->row, r->event->addr);
        put_size(r);
        if (r->run) {
                put_run_names(r);
        } else {
                if (begin_cell(r, COLUMN_PLACE))
                        put_place(r, layout_room(&r->line->layout, COLUMN_PLACE, r->row.used));
                put_code(r);
        }
        put_frame(r);
        text_put_char(r->row.out, '\n');
}

void fault_line_put(struct fault_line *line, struct text *out, const struct state *state,
                    const struct proto_event *event)
{
        struct line_row r = {
                .row = {.out = out, .limit = line->layout.limit}, .line = line, .state = state, .event = event};

        put_line(&r);
}

void fault_line_put_run(struct fault_line *line, struct text *out, const struct fold_run *run)
{
        struct line_row r = {.row = {.out = out, .limit = line->layout.limit},
                             .line = line,
                             .state = run->state,
                             .event = &run->event,
                             .run = run};

        put_line(&r);
}

void fault_line_init(struct fault_line *line, bool color)
{
        *line = (struct fault_line){.color = color};
        layout_fit(&line->layout, 0, false);
        words_init(&line->words);
}

void fault_line_free(struct fault_line *line)
{
        names_free(&line->names);
}
