/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the full-screen view share: view_top.c (what comes in), view_top_choice.c (what the user chose),
 * fresh.c (what is kept from drawing to drawing), view_top_keys.c (what a key does), view_top_draw.c and draw_*.c (how
 * it looks). Pure. */
#pragma once

#include "client/ledger.h"
#include "client/top/fault_copy.h"
#include "client/top/keys.h"
#include "client/top/notes.h"
#include "client/top/page_names.h"
#include "client/top/sheet.h"
#include "client/top/space.h"
#include "client/top/top_model.h"
#include "client/top/view_top.h"

#define TOP_SEARCH_BYTES_MAX 60
#define TOP_NAME_BYTES_MAX 63
#define TOP_LINE_BYTES_MAX 400
#define TOP_WINDOW_ROWS 1000 /* of a table are asked for at once */
#define TOP_PROCESSES_MAX 64 /* that the picture can be switched to */

/* --- what came in --- */

/* One trace. Its state is where it comes from; nothing is read there but while the session calls us. */
struct top_target {
        const struct state *state;     /* to be told from others, not to be followed */
        int32_t pid;                   /* 0: a unit */
        char name[TOP_NAME_BYTES_MAX]; /* the unit's, or the command's: raw bytes */
        size_t n_name;
        bool follows, is_partial, has_ended;
        uint8_t detail, ptrace, reason;
        uint32_t n_threads, stack_bytes;
        uint64_t start_ns, end_ns;
        uint64_t n_received, n_dropped, n_filtered, n_incomplete;
        struct proto_ledger ledger; /* has_ended */
};

struct top_rates {
        struct top_cost cost;  /* the last one told */
        uint64_t cost_ns;      /* when; 0: never */
        double client, daemon; /* CPUs; negative: not known */
};

/* --- what the user chose --- */

/* A table: at first that of all faults, and one more for each row that was entered. */
struct top_level {
        enum group_by by;
        enum top_sort sort;
        bool follows;    /* the choice stays with its group wherever that goes; else on its row */
        uint64_t group;  /* chosen, or entered */
        size_t selected; /* row */
        size_t first;    /* row at the top */
        char search[TOP_SEARCH_BYTES_MAX + 1];
        size_t n_search;
};

enum top_charts { CHARTS_BOTH, CHARTS_LATENCY, CHARTS_NONE, N_TOP_CHARTS };

struct top_choice {
        enum top_screen screens[N_TOP_SCREENS]; /* one above the other */
        size_t depth;                           /* the one on the top */
        bool is_typing;
        bool is_paused;
        uint64_t until;     /* slice, is_paused */
        uint64_t paused_ns; /* when */
        unsigned int span;  /* of top_spans[] */
        enum top_charts charts;
        struct top_level levels[TOP_DEPTH_MAX];
        size_t n_steps;               /* levels[n_steps] is on the screen */
        size_t scroll[N_TOP_SCREENS]; /* first line */
        size_t fault;                 /* of SCREEN_DETAILS, SCREEN_FAULT: 0 is the newest */
        struct fault_copy held;       /* of SCREEN_FAULT */
};

/* --- what is on the screen --- */

enum { N_TOP_COLUMNS = 11 };

struct top_shown {
        struct area body;                   /* below the header, above the last line */
        struct area rows;                   /* of the table */
        uint32_t tabs_y, titles_y;          /* UINT32_MAX: not there */
        uint32_t tab_end[N_GROUP_BY];       /* x behind each tab */
        uint32_t column_end[N_TOP_COLUMNS]; /* x behind each column */
        int column_sort[N_TOP_COLUMNS];     /* enum top_sort, -1: none */
        size_t n_columns;
        size_t last_first[N_TOP_SCREENS];
        size_t n_faults;                  /* of SCREEN_DETAILS, as far as they were looked at */
        uint32_t faults_y, n_faults_seen; /* the first one's line */
        size_t first_fault;
};

/* When something was computed, and of which time: it is shown for a while, see fresh.c. */
struct top_freshness {
        bool is_set, is_paused;
        struct top_span span;
        uint64_t n_faults, slice;
        uint64_t ns;
};

/* Rows of a table that are kept for a while. Their names are to be asked for anew: window_name(). */
struct top_window {
        struct top_row *rows; /* owned */
        size_t n_room;
        size_t first; /* which row of the table is rows[0] */
        struct top_table table;
        struct top_freshness when;
        struct top_query query; /* what they answer, but for the span and the search */
        char search[TOP_SEARCH_BYTES_MAX + 1];
};

/* The threads that faults cost most. */
enum { TOP_THREADS_SHOWN = 8 };

struct top_threads {
        struct top_freshness when;
        struct top_thread rows[TOP_THREADS_SHOWN]; /* comm is in comms */
        char comms[TOP_THREADS_SHOWN][TOP_NAME_BYTES_MAX];
        size_t n;
};

enum { TOP_BLOCKS_MAX = 3, TOP_BLOCK_ROWS = 4 };

struct view_top {
        struct view view;
        struct view *words; /* owned: the text view, whose notes are ours */
        struct notes notes;
        char alert[TOP_LINE_BYTES_MAX]; /* the last trouble, safe for a terminal */
        size_t n_alert;
        unsigned int n_alerts;
        bool drops_noted; /* further ones are counted only */

        struct top_model *model;    /* owned */
        bool lacks_memory;          /* some faults found no room in the model */
        struct top_target *targets; /* owned */
        size_t n_targets, size_targets;
        size_t last_target;
        uint64_t now_ns;
        struct top_rates rates;
        bool is_over;
        char why[TOP_LINE_BYTES_MAX]; /* is_over: what view_top_set_over() was told; "": nothing */

        struct space space;
        struct page_names *pages; /* owned */
        int32_t space_pid;
        uint64_t maps_ns; /* when they were set last; 0: never for this process */
        int32_t processes[TOP_PROCESSES_MAX];
        size_t n_processes;

        struct top_choice choice;
        struct top_shown shown;
        struct top_window window;                 /* of the table */
        struct top_window blocks[TOP_BLOCKS_MAX]; /* of the details */
        struct top_threads busiest;
        struct top_totals totals; /* of the span, for this drawing */
        uint64_t n_faults;        /* that have come */
};

static inline struct view_top *view_top_of(struct view *view)
{
        return CONTAINER_OF(view, struct view_top, view);
}

_Static_assert(offsetof(struct view_top, view) == 0, "view_top_const() relies on it");

static inline const struct view_top *view_top_const(const struct view *view)
{
        return (const struct view_top *)view;
}

/* --- view_top.c --- */

/* The picture is of this process from now on. */
void view_top_show_process(struct view_top *v, int32_t pid);

/* --- view_top_choice.c --- */

struct top_span_choice {
        uint64_t n_slices;
        const char *text;
};
extern const struct top_span_choice top_spans[];
extern const size_t n_top_spans;
extern const enum group_by top_tabs[N_GROUP_BY]; /* in the order of their keys */

void choice_init(struct top_choice *choice, const struct view_top_options *options);
enum top_screen choice_screen(const struct view_top *v); /* SCREEN_SEARCH while one types */
enum top_screen choice_base(const struct view_top *v);   /* SCREEN_TABLE or SCREEN_SPACE: what is below the others */
void choice_open(struct view_top *v, enum top_screen screen);
void choice_close(struct view_top *v);
struct top_level *choice_level(struct view_top *v);
struct top_span choice_span(const struct view_top *v);
void choice_pause(struct view_top *v, bool is_paused);
void choice_move_time(struct view_top *v, int64_t n_slices);
void choice_group(struct view_top *v, enum group_by by);
void choice_sort(struct view_top *v, enum top_sort sort);
void choice_select(struct view_top *v, size_t row);
/* Into the chosen row. false: there is no other way to group its faults. */
bool choice_enter(struct view_top *v);
/* Hold this fault of the chosen row, 0 is the newest; false: there is no such fault any more. */
bool choice_hold_fault(struct view_top *v, size_t index);
bool choice_leave(struct view_top *v); /* false: it was the first table */
void choice_reset(struct view_top *v);

/* The query of the table on the screen; of the chosen row's faults, by another grouping. */
struct top_query choice_query(const struct view_top *v);
bool choice_query_row(const struct view_top *v, enum group_by by, struct top_query *ret); /* false: no row is chosen */

/* The chosen row; NULL: the table is empty. Valid until the next window_fetch(). */
const struct top_row *window_chosen(const struct view_top *v);
/* The rows around the chosen one. 0; -ENOMEM. */
int window_fetch(struct view_top *v) MUST_CHECK;
void window_scroll(struct view_top *v, uint32_t n_visible); /* so that the chosen row is among the visible ones */
const struct top_row *window_row(const struct view_top *v, size_t row); /* NULL: not in the window */

/* --- fresh.c --- */

/* What was computed is new enough still. */
bool fresh_enough(const struct view_top *v, const struct top_freshness *when);
struct top_freshness fresh_now(const struct view_top *v);

int window_init(struct top_window *window, size_t n_room) MUST_CHECK; /* 0; -ENOMEM */
void window_free(struct top_window *window);                          /* contents */
/* The rows that answer the query, from query->first on. 0; -ENOMEM: then there are none. */
int window_get(struct view_top *v, struct top_window *window, const struct top_query *query) MUST_CHECK;
/* Of a row of the window, as it is kept. NULL: its group has gone. */
const char *window_name(const struct view_top *v, const struct top_window *window, const struct top_row *row,
                        size_t *ret_n_name);
const struct top_threads *fresh_threads(struct view_top *v);

/* --- draw_*.c: into an area of the grid, or the body; nothing beyond it is touched --- */

uint32_t draw_header_lines(const struct view_top *v); /* that it would have with endless room */
void draw_header(struct view_top *v, struct grid *grid, uint32_t n_lines);
int draw_charts(struct view_top *v, struct grid *grid, const struct area *area) MUST_CHECK;
int draw_table(struct view_top *v, struct grid *grid) MUST_CHECK;
int draw_details(struct view_top *v, struct grid *grid) MUST_CHECK;
void draw_fault(struct view_top *v, struct grid *grid);
void draw_notes(struct view_top *v, struct grid *grid);
void draw_help(struct view_top *v, struct grid *grid);
void draw_space(struct view_top *v, struct grid *grid);
void draw_prompt(struct view_top *v, struct grid *grid, uint32_t y);

static inline enum style cause_style(unsigned int cause)
{
        return (enum style)(STYLE_CAUSE + (cause < N_CAUSES ? cause : CAUSE_UNKNOWN));
}
