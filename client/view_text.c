/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A line for each fault, half a million times a second: whatever does not change from fault to fault is rendered
 * once. Names are escaped and joined when a dictionary entry is first shown and kept with the entry; the words of the
 * vocabulary are table look-ups.
 *
 * Columns begin at fixed stops. A cell that is too long pushes the next ones to the right by as much as it needs, and
 * the line finds back to the stops where it can: nothing is ever cut except at the edge of a terminal, and a piped
 * stream is the same whatever it runs beside. An unknown cell shows "?", one that does not apply "-".
 */
#include "client/view_text.h"

#include <inttypes.h>

#include "client/escape.h"
#include "client/ledger.h"

/* Where columns begin (END: where a right-aligned one ends), in terminal columns. */
enum column {
        TIME_END = 12,
        THREAD_START = 13,
        COMM_START = 23,
        LATENCY_END = 50,
        OUTCOME_START = 51,
        CAUSE_START = 63,
        ACCESS_START = 79,
        ADDRESS_START = 87,
        SIZE_START = 102,
        PLACE_START = 107,
        CODE_START = 150,
        FRAME_START = 193,
};

static const char header[] = "        TIME PID/TID   COMM             LATENCY-US "
                             "OUTCOME     CAUSE           ACCESS  ADDRESS        SIZE "
                             "PLACE                                      "
                             "CODE                                       FRAME\n";

#define COLOR_NONE ""
#define COLOR_RED "\033[31m"
#define COLOR_GREEN "\033[32m"
#define COLOR_YELLOW "\033[33m"
#define COLOR_CYAN "\033[36m"
#define COLOR_RESET "\033[0m"

struct word { /* of the vocabulary, as a cell */
        const char *text;
        const char *color;
        uint32_t n_bytes;
};

struct view_text {
        struct view view;
        bool color;
        bool header_done;
        struct text *notes; /* view.out or view.err */
        struct text scratch;
        struct word outcomes[N_OUTCOMES];
        struct word causes[N_CAUSES];
        struct word accesses[N_ACCESSES];
};

/* A line under construction. Columns count as terminal cells; beyond `limit` nothing is written. */
struct row {
        struct text *out;
        uint32_t used;
        uint32_t limit;
};

static struct view_text *view_text(struct view *view)
{
        return CONTAINER_OF(view, struct view_text, view);
}

/* As much of a piece as fits the terminal, in whole characters. */
static void row_put_cut(struct row *row, const char *bytes, size_t n_bytes)
{
        size_t i = 0;

        while (i < n_bytes) {
                uint32_t point = 0;
                size_t length = utf8_decode(bytes + i, n_bytes - i, &point);
                unsigned int n_cells = utf8_cells(point);

                if (length == 0 || n_cells > row->limit - row->used)
                        break;
                row->used += n_cells;
                i += length;
        }
        text_put(row->out, bytes, i);
        row->limit = row->used;
}

static inline void row_put(struct row *row, const char *bytes, size_t n_bytes, uint32_t n_cells)
{
        if (n_cells > row->limit - row->used) {
                row_put_cut(row, bytes, n_bytes);
                return;
        }
        text_put(row->out, bytes, n_bytes);
        row->used += n_cells;
}

static inline void row_put_ascii(struct row *row, const char *bytes, size_t n_bytes)
{
        row_put(row, bytes, n_bytes, (uint32_t)n_bytes);
}

/* On to a column; at least one space. */
static inline void row_tab(struct row *row, uint32_t start)
{
        uint32_t n = row->used < start ? start - row->used : 1;

        n = MIN_OF(n, row->limit - row->used);
        text_fill(row->out, ' ', n);
        row->used += n;
}

static inline void row_put_right(struct row *row, uint32_t end, const char *digits, size_t n_digits)
{
        if (row->used > 0 || n_digits < end)
                row_tab(row, end > n_digits ? end - (uint32_t)n_digits : 0);
        row_put_ascii(row, digits, n_digits);
}

static void row_put_word(struct row *row, const struct view_text *v, const struct word *word, bool marked)
{
        bool color = v->color && word->color[0] && row->used < row->limit;

        if (color)
                text_put_string(row->out, word->color);
        row_put_ascii(row, word->text, word->n_bytes);
        if (marked)
                row_put_ascii(row, "~", 1);
        if (color)
                text_put_string(row->out, COLOR_RESET);
}

static void row_put_hex(struct row *row, uint64_t value)
{
        char digits[TEXT_HEX_MAX_BYTES];
        char *begin = text_format_hex(digits + sizeof(digits), value);

        row_put_ascii(row, begin, (size_t)(digits + sizeof(digits) - begin));
}

static void row_put_offset(struct row *row, uint64_t addr, uint64_t base)
{
        row_put_ascii(row, addr >= base ? "+" : "-", 1);
        row_put_hex(row, addr >= base ? addr - base : base - addr);
}

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

#define DECIMAL_MAX_BYTES (TEXT_U64_MAX_BYTES + 3) /* and a sign, a point, a leading zero */

/* Seconds since the trace began, in microseconds; faults may have begun shortly before it. */
static char *format_time(char *end, const struct state *state, uint64_t time_ns)
{
        bool before = time_ns < state->start_ns;
        uint64_t ns = before ? state->start_ns - time_ns : time_ns - state->start_ns;
        char *begin = format_decimal(end, ns / NSEC_PER_USEC, 6);

        if (before)
                *--begin = '-';
        return begin;
}

/* --- names, rendered once for each dictionary entry --- */

static const struct memo unknown_memo = {.data = (char[]){'?'}, .n_bytes = 1, .n_cells = 1};

/* What is in scratch becomes the memo. Out of memory: the line shows "?" and the buffer that is written out fails. */
static const struct memo *memo_keep(struct view_text *v, struct memo *memo, uint32_t n_cells)
{
        char *data = v->scratch.failed ? NULL : malloc(v->scratch.n_bytes + 1);

        if (!data) {
                v->view.out.failed = true;
                return &unknown_memo;
        }
        if (v->scratch.n_bytes > 0)
                memcpy(data, v->scratch.data, v->scratch.n_bytes);
        *memo = (struct memo){.data = data, .n_bytes = (uint32_t)v->scratch.n_bytes, .n_cells = n_cells};
        v->scratch.n_bytes = 0;
        return memo;
}

static uint32_t put_name(struct text *out, const char *name, size_t n_bytes)
{
        return escape_terminal(out, name, n_bytes);
}

/* The part behind the last slash; "?" for a string that is not defined. */
static uint32_t put_base_name(struct text *out, const struct state *state, uint32_t id)
{
        const struct dict_string *path = state_string(state, id);
        const char *slash;
        size_t skip;

        if (!path || path->n_bytes == 0)
                return put_name(out, "?", 1);
        slash = memrchr(path->data, '/', path->n_bytes);
        skip = slash ? (size_t)(slash + 1 - path->data) : 0;
        return put_name(out, path->data + skip, path->n_bytes - skip);
}

/* "/NAME" for an id that is set. */
static uint32_t put_part(struct text *out, const struct state *state, uint32_t id, bool separate)
{
        const struct dict_string *name = state_string(state, id);
        uint32_t n_cells = 0;

        if (separate)
                n_cells += put_name(out, "/", 1);
        if (name && name->n_bytes > 0)
                return n_cells + put_name(out, name->data, name->n_bytes);
        return n_cells + put_name(out, "?", 1);
}

static const struct memo *thread_memo(struct view_text *v, struct dict_thread *thread)
{
        if (thread->memo.data)
                return &thread->memo;
        text_put_i64(&v->scratch, thread->pid);
        if (thread->tid != thread->pid) {
                text_put_char(&v->scratch, '/');
                text_put_i64(&v->scratch, thread->tid);
        }
        return memo_keep(v, &thread->memo, (uint32_t)v->scratch.n_bytes);
}

static const struct memo *comm_memo(struct view_text *v, const struct state *state, struct dict_thread *thread)
{
        if (thread->name.data)
                return &thread->name;
        return memo_keep(v, &thread->name, put_part(&v->scratch, state, thread->comm, false));
}

static const struct memo *map_memo(struct view_text *v, const struct state *state, struct dict_map *map)
{
        uint32_t n_cells;

        if (map->memo.data)
                return &map->memo;
        if (map->path == 0)
                n_cells = put_name(&v->scratch, "anon", 4);
        else
                n_cells = put_base_name(&v->scratch, state, map->path);
        return memo_keep(v, &map->memo, n_cells);
}

/* IMAGE/SECTION/SYMBOL, as far as known; empty without an image. */
static const struct memo *place_memo(struct view_text *v, const struct state *state, struct dict_place *place)
{
        uint32_t n_cells = 0;

        if (place->memo.data)
                return &place->memo;
        if (place->image != 0) {
                n_cells += put_base_name(&v->scratch, state, place->image);
                if (place->section != 0)
                        n_cells += put_part(&v->scratch, state, place->section, true);
                if (place->symbol != 0)
                        n_cells += put_part(&v->scratch, state, place->symbol, true);
        }
        return memo_keep(v, &place->memo, n_cells);
}

static bool is_kernel_image(const struct state *state, uint32_t id)
{
        static const char prefix[] = "[kernel";
        const struct dict_string *name = state_string(state, id);

        return name && name->n_bytes >= sizeof(prefix) - 1 && memcmp(name->data, prefix, sizeof(prefix) - 1) == 0;
}

/* IMAGE/SYMBOL, else IMAGE/SECTION, else IMAGE; of the kernel the symbol alone. Empty without an image. */
static const struct memo *code_memo(struct view_text *v, const struct state *state, struct dict_place *place)
{
        uint32_t part = place->symbol ? place->symbol : place->section;
        uint32_t n_cells = 0;

        if (place->code.data)
                return &place->code;
        if (place->image != 0) {
                bool bare = place->symbol != 0 && is_kernel_image(state, place->image);

                if (!bare)
                        n_cells += put_base_name(&v->scratch, state, place->image);
                if (part != 0)
                        n_cells += put_part(&v->scratch, state, part, !bare);
        }
        return memo_keep(v, &place->code, n_cells);
}

static void row_put_memo(struct row *row, const struct memo *memo)
{
        row_put(row, memo->data, memo->n_bytes, memo->n_cells);
}

/* --- cells of a fault --- */

static void row_put_thread(struct row *row, struct view_text *v, const struct state *state, uint32_t id)
{
        struct dict_thread *thread = state_thread(state, id);

        row_tab(row, THREAD_START);
        row_put_memo(row, thread ? thread_memo(v, thread) : &unknown_memo);
        row_tab(row, COMM_START);
        row_put_memo(row, thread ? comm_memo(v, state, thread) : &unknown_memo);
}

static void row_put_latency(struct row *row, uint64_t latency_ns)
{
        char digits[DECIMAL_MAX_BYTES];
        char *end = digits + sizeof(digits), *begin;

        if (latency_ns == PROTO_UNKNOWN) {
                row_put_right(row, LATENCY_END, "-", 1);
                return;
        }
        begin = format_decimal(end, latency_ns, 3);
        row_put_right(row, LATENCY_END, begin, (size_t)(end - begin));
}

static const struct word *word_of(const struct word *words, size_t n_words, unsigned int number)
{
        static const struct word unknown = {.text = "?", .color = COLOR_NONE, .n_bytes = 1};

        return number < n_words ? &words[number] : &unknown;
}

static void row_put_words(struct row *row, const struct view_text *v, const struct proto_event *event)
{
        row_tab(row, OUTCOME_START);
        row_put_word(row, v, word_of(v->outcomes, N_OUTCOMES, event->outcome), false);
        row_tab(row, CAUSE_START);
        row_put_word(row, v, word_of(v->causes, N_CAUSES, event->cause), event->flags & PROTO_EVENT_INFERRED);
        row_tab(row, ACCESS_START);
        row_put_word(row, v, word_of(v->accesses, N_ACCESSES, event->access), false);
        if (event->flags & PROTO_EVENT_KERNEL_MODE)
                row_put_ascii(row, ":k", 2);
}

static void row_put_size(struct row *row, unsigned int page_shift)
{
        static const char units[] = "BKMGTPE";
        char digits[TEXT_U64_MAX_BYTES + 1];
        char *end = digits + sizeof(digits), *begin = end;

        row_tab(row, SIZE_START);
        if (page_shift == 0 || page_shift >= 64) {
                row_put_ascii(row, "-", 1);
                return;
        }
        *--begin = units[page_shift / 10];
        begin = text_format_u64(begin, UINT64_C(1) << page_shift % 10);
        row_put_ascii(row, begin, (size_t)(end - begin));
}

static void row_put_place(struct row *row, struct view_text *v, const struct state *state,
                          const struct proto_event *event)
{
        struct dict_place *place = state_place(state, event->place);
        struct dict_map *map = state_map(state, event->map);

        row_tab(row, PLACE_START);
        if (place && place->image != 0)
                row_put_memo(row, place_memo(v, state, place));
        else if (map)
                row_put_memo(row, map_memo(v, state, map));
        if (place && (place->image != 0 || map))
                row_put_offset(row, event->addr, place->base);
        else if (map)
                row_put_offset(row, event->addr, map->start);
        else
                row_put_ascii(row, event->place || event->map ? "?" : "-", 1);
}

static void row_put_code(struct row *row, struct view_text *v, const struct state *state, uint32_t id, uint64_t ip)
{
        struct dict_place *place = state_place(state, id);

        if (place && place->image != 0) {
                row_put_memo(row, code_memo(v, state, place));
                if (ip != 0)
                        row_put_offset(row, ip, place->base);
        } else if (ip != 0) {
                row_put_hex(row, ip);
        } else {
                row_put_ascii(row, "?", 1);
        }
}

static void row_put_codes(struct row *row, struct view_text *v, const struct state *state,
                          const struct proto_event *event)
{
        static const char arrow[] = " \xe2\x86\x90 "; /* U+2190, to the left */

        row_tab(row, CODE_START);
        if (event->ip == 0 && event->code == 0 && event->flags & PROTO_EVENT_KERNEL_MODE)
                row_put_ascii(row, "[kernel]", 8);
        else
                row_put_code(row, v, state, event->code, event->ip);
        if (event->caller_ip == 0 && event->caller == 0)
                return;
        row_put(row, arrow, sizeof(arrow) - 1, 3);
        row_put_code(row, v, state, event->caller, event->caller_ip);
}

static void row_put_frame(struct row *row, const struct proto_event *event)
{
        static const char arrow[] = "\xe2\x86\x92"; /* U+2192, to the right */

        row_tab(row, FRAME_START);
        if (event->frame == PROTO_UNKNOWN) {
                row_put_ascii(row, "-", 1);
                return;
        }
        if (event->frame_before != PROTO_UNKNOWN && event->frame_before != 0 && event->frame_before != event->frame) {
                row_put_hex(row, event->frame_before);
                row_put(row, arrow, sizeof(arrow) - 1, 1);
        }
        row_put_hex(row, event->frame);
}

static void put_fault(struct view_text *v, const struct state *state, const struct proto_event *event)
{
        struct row row = {.out = &v->view.out, .limit = v->view.n_columns ? v->view.n_columns : UINT32_MAX};
        char digits[DECIMAL_MAX_BYTES + 1];
        char *end = digits + sizeof(digits);
        char *begin = format_time(end, state, event->time_ns);

        row_put_right(&row, TIME_END, begin, (size_t)(end - begin));
        row_put_thread(&row, v, state, event->thread);
        row_put_latency(&row, event->latency_ns);
        row_put_words(&row, v, event);
        row_tab(&row, ADDRESS_START);
        row_put_hex(&row, event->addr);
        row_put_size(&row, event->page_shift);
        row_put_place(&row, v, state, event);
        row_put_codes(&row, v, state, event);
        row_put_frame(&row, event);
        text_put_char(row.out, '\n');
}

static void put_header(struct view_text *v)
{
        struct row row = {.out = &v->view.out, .limit = v->view.n_columns ? v->view.n_columns : UINT32_MAX};

        if (v->header_done)
                return;
        v->header_done = true;
        row_put_ascii(&row, header, sizeof(header) - 2);
        text_put_char(row.out, '\n');
}

static void text_faults(struct view *view, const struct state *state, const struct fault_batch *batch)
{
        struct view_text *v = view_text(view);

        for (uint32_t i = 0; i < batch->n_events; i++)
                put_fault(v, state, &batch->events[i]);
}

/* --- notes --- */

static void put_time(struct text *out, const struct state *state, uint64_t time_ns)
{
        char digits[DECIMAL_MAX_BYTES + 1];
        char *end = digits + sizeof(digits);
        char *begin = format_time(end, state, time_ns);

        text_put(out, begin, (size_t)(end - begin));
}

static void put_target(struct text *out, const struct state *state)
{
        text_put_i64(out, state->pid);
        if (state->comm.n_bytes > 0) {
                text_put_string(out, " (");
                (void)escape_terminal(out, state->comm.data, state->comm.n_bytes);
                text_put_char(out, ')');
        }
}

static void put_proto_string(struct text *out, const struct proto_string *string)
{
        (void)escape_terminal(out, string->data, string->n_bytes);
}

static void text_attached(struct view *view, const struct state *state, const struct proto_attached *attached)
{
        struct view_text *v = view_text(view);
        const char *detail = detail_text(attached->detail);

        text_put_string(v->notes, "-- tracing ");
        put_target(v->notes, state);
        text_printf(v->notes, ", %s detail, %" PRIu32 " thread%s\n", detail ? detail : "unknown", attached->n_threads,
                    attached->n_threads == 1 ? "" : "s");
        put_header(v);
}

static void text_life(struct view *view, const struct state *state, const struct proto_life *life)
{
        struct text *notes = view_text(view)->notes;
        const char *kind = life_kind_text(life->kind);

        text_put_string(notes, "-- ");
        put_time(notes, state, life->time_ns);
        text_printf(notes, " %s: %d", kind ? kind : "unknown event", life->pid);
        if (life->tid != life->pid)
                text_printf(notes, "/%d", life->tid);
        if (life->kind == LIFE_FORK)
                text_printf(notes, " from %d", life->parent);
        if (life->comm.n_bytes > 0) {
                text_put_string(notes, " is now ");
                put_proto_string(notes, &life->comm);
        }
        text_put_char(notes, '\n');
}

static void text_drops(struct view *view, const struct state *state, const struct proto_drops *drops)
{
        struct text *notes = view_text(view)->notes;
        const char *separator = " (";

        text_printf(notes, "-- %d: faults %" PRIu64 " to %" PRIu64 " dropped, the output was too slow", state->pid,
                    drops->first_seq, drops->last_seq);
        for (unsigned int i = 0; i < N_OUTCOMES; i++) {
                if (drops->n_faults[i] == 0)
                        continue;
                text_printf(notes, "%s%s %" PRIu64, separator, i == OUTCOME_NONE ? "incomplete" : outcome_text(i),
                            drops->n_faults[i]);
                separator = ", ";
        }
        text_put_string(notes, separator[0] == ',' ? ")\n" : "\n");
}

static void text_degraded(struct view *view, const struct state *state, const struct proto_degraded *degraded)
{
        struct text *notes = view_text(view)->notes;

        text_printf(notes, "-- %d: without ", state->pid);
        put_proto_string(notes, &degraded->what);
        text_put_string(notes, ": ");
        put_proto_string(notes, &degraded->reason);
        text_put_char(notes, '\n');
}

static void text_gap(struct view *view, const struct proto_gap *gap)
{
        struct text *notes = view_text(view)->notes;

        text_put_string(notes, "-- faultlined's engine was restarted, going on: ");
        put_proto_string(notes, &gap->reason);
        text_put_char(notes, '\n');
}

static const char *end_words(unsigned int reason)
{
        switch (reason) {
        case END_STOPPED:
                return "stopped on request";
        case END_EXITED:
                return "the process ended";
        case END_COUNT:
                return "--count reached";
        case END_STRIPPED:
                return "it executed a program that it may not be traced in, and the kernel removed the events";
        case END_ERROR:
                return "faultlined could not go on";
        }
        return "for a reason unknown to this version";
}

static void text_end(struct view *view, const struct state *state, const struct proto_end *end)
{
        struct text *err = &view->err;

        text_put_string(err, "-- ");
        put_target(err, state);
        text_put_string(err, ": trace ended at ");
        put_time(err, state, end->time_ns);
        text_printf(err, " s, %s", end_words(end->reason));
        if (end->text.n_bytes > 0 && end->reason != END_ERROR) { /* an error has a line of its own */
                text_put_string(err, ": ");
                put_proto_string(err, &end->text);
        }
        text_put_char(err, '\n');
        ledger_put(err, &end->ledger);
}

static const struct view_ops text_ops = {
        .attached = text_attached,
        .faults = text_faults,
        .life = text_life,
        .drops = text_drops,
        .degraded = text_degraded,
        .gap = text_gap,
        .error = view_put_error,
        .end = text_end,
};

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

static struct word word(const char *text, const char *color)
{
        const char *shown = text ? text : "?";

        return (struct word){.text = shown, .color = color, .n_bytes = (uint32_t)strlen(shown)};
}

static void fill_words(struct view_text *v)
{
        for (unsigned int i = 0; i < N_OUTCOMES; i++)
                v->outcomes[i] = word(i == OUTCOME_NONE ? "incomplete" : outcome_text(i), outcome_color(i));
        for (unsigned int i = 0; i < N_CAUSES; i++)
                v->causes[i] = word(cause_text(i), cause_color(i));
        for (unsigned int i = 0; i < N_ACCESSES; i++)
                v->accesses[i] = word(i == ACCESS_UNKNOWN ? "-" : access_text(i), COLOR_NONE);
}

struct view *view_text_new(const struct view_text_options *options)
{
        struct view_text *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        v->view.ops = &text_ops;
        v->color = options->color;
        v->notes = options->notes_on_out ? &v->view.out : &v->view.err;
        fill_words(v);
        return &v->view;
}

struct view *view_text_free(struct view *view)
{
        struct view_text *v;

        if (!view)
                return NULL;
        v = view_text(view);
        text_free(&v->view.out);
        text_free(&v->view.err);
        text_free(&v->scratch);
        free(v);
        return NULL;
}
