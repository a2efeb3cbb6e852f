/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the stream of one trace means so far: the dictionaries that its events refer to, and how much has arrived.
 * Everything comes from the daemon and is not trusted: ids must be dense, sizes are bounded, and an event may refer to
 * ids that were never defined (the look-ups then return NULL and the views say so). Pure.
 */
#pragma once

#include <stdbool.h>

#include "proto/proto.h"

/* Far above what a daemon keeps before it sends DICT_RESET; a daemon that goes beyond is broken or hostile. */
#define STATE_ENTRIES_MAX (UINT32_C(1) << 22)        /* of each kind */
#define STATE_STRING_BYTES_MAX (UINT64_C(512) << 20) /* of all strings together */
#define STATE_FRAMES_MAX (UINT32_C(1) << 24)         /* of all stacks together */
#define STATE_LINES_MAX 32                           /* functions at one address; a longer chain is cut */

/* A view's rendering of an entry, made when it is first shown. NULL data: not made yet. Freed with the entry. */
struct memo {
        char *data;
        uint32_t n_bytes;
        uint32_t n_cells; /* terminal columns */
};

struct dict_string {
        char *data; /* not NUL-terminated, arbitrary bytes; NULL when empty */
        uint32_t n_bytes;
        struct memo symbol; /* demangled, of names that look mangled; use state_symbol() */
};

struct dict_map {
        uint64_t start, end, offset;
        uint32_t path;
        char perms[4];
        struct memo memo;
};

struct dict_place {
        uint32_t image, section, symbol;
        uint64_t base;
        struct memo memo;         /* as the place of an address */
        struct memo code;         /* as the place of an instruction */
        struct memo frame_symbol; /* as the place of a frame */
        struct memo frame_image;
};

struct dict_thread {
        int32_t pid, tid;
        uint32_t comm;
        struct memo memo; /* pid and tid */
        struct memo name; /* comm */
};

struct dict_stack {
        struct proto_stack_frame *frames; /* innermost first; read with state_frame() */
        uint32_t n_frames;
        bool is_cut; /* it goes on above the last frame */
};

/* A function at an address of code, and where in its source that is. */
struct dict_line {
        uint32_t function, file; /* string ids, 0 = not known */
        uint32_t line;           /* 0 = not known */
        uint32_t outer;          /* the function that this one is inlined into; 0 = not inlined */
        struct memo name;        /* function */
        struct memo where;       /* file and line */
};

/* A frame with what its ids refer to. */
struct state_frame {
        uint64_t addr;
        struct dict_place *place; /* NULL: not known */
        uint8_t by;               /* enum frame_method, or a number of a newer daemon */
        uint32_t n_lines;
        /*
         * Innermost first. The last one is where in its source the function of the place is; those before it are
         * inlined into it, each into the next. Without lines 0 of them.
         */
        struct dict_line *lines[STATE_LINES_MAX];
};

struct state {
        struct dict_string *strings; /* [0] is id 1 */
        struct dict_map *maps;
        struct dict_place *places;
        struct dict_thread *threads;
        struct dict_stack *stacks;
        struct dict_line *lines;
        uint32_t n_strings, n_maps, n_places, n_threads, n_stacks, n_lines;
        uint32_t size_strings, size_maps, size_places, size_threads, size_stacks, size_lines;
        uint64_t string_bytes;
        uint32_t n_frames; /* of all stacks */
        uint32_t epoch;    /* how often the definitions were forgotten: ids mean nothing beyond theirs */

        struct proto_string unit; /* not a process but this unit is traced; borrowed, empty: none */
        bool follows;             /* the processes that the target starts are part of the trace */
        bool several;             /* faults of more than one process are shown */
        bool demangles;           /* state_symbol() demangles */
        int32_t pid;              /* the target's, from ATTACHED like the next two; 0: a unit */
        struct dict_string comm;  /* its name now; empty while it is not known */
        bool is_partial;          /* REVOKED: there was more than may be shown, or could be seen */
        bool before_exec;         /* it waits before its execve(2): its name is not its own yet */
        uint64_t start_ns;        /* CLOCK_MONOTONIC */
        uint32_t stack_bytes;     /* of each fault's stack are copied; 0: no stacks */
        uint64_t n_received;
        uint64_t n_filtered; /* as of the last EVENTS frame */
        uint64_t n_dropped;
        uint64_t n_incomplete;
        uint64_t n_minor,
                n_major; /* completed ones, received or dropped, since the daemon attached; unknown ones: minor */
        uint64_t n_filtered_before; /* ->n_filtered when it attached */
};

/* Contents only. An all-zero struct is an empty state. */
void state_free(struct state *state);

/* ATTACHED: who is traced, since when. before_exec: a command that does not bear its name yet. 0; -ENOMEM. */
int state_begin(struct state *state, const struct proto_attached *attached, bool before_exec) MUST_CHECK;

/* LIFE: after an exec of the target it has a new name. 0; -ENOMEM. */
int state_live(struct state *state, const struct proto_life *life) MUST_CHECK;

/* DICT_RESET, GAP: forget all definitions; the counts stay. */
void state_reset(struct state *state);

/* The body of a DICT frame. 0; -EBADMSG: malformed, or ids not dense, or too much; -ENOMEM. */
int state_define(struct state *state, const uint8_t *body, size_t n_bytes, uint32_t count) MUST_CHECK;

/*
 * Count the body of an EVENTS frame in and say where its records are. 0; -EBADMSG: fewer bytes than
 * count * event_bytes. event_bytes is that of WELCOME, at least PROTO_EVENT_BYTES.
 */
int state_receive(struct state *state, const uint8_t *body, size_t n_bytes, uint32_t count, uint32_t event_bytes,
                  const uint8_t **ret_records) MUST_CHECK;

/* Look at events that state_receive() has found. */
void state_count_events(struct state *state, const struct proto_event *events, uint32_t n_events);

void state_count_drops(struct state *state, const struct proto_drops *drops);

/* The entry with this id; NULL for 0 and for ids that are not defined. Valid until the next state_define or _reset. */
const struct dict_string *state_string(const struct state *state, uint32_t id);
struct dict_map *state_map(const struct state *state, uint32_t id);
struct dict_place *state_place(const struct state *state, uint32_t id);
struct dict_thread *state_thread(const struct state *state, uint32_t id);
const struct dict_stack *state_stack(const struct state *state, uint32_t id);
struct dict_line *state_line(const struct state *state, uint32_t id);

/* Frame `index` (below n_frames) of a stack of this state. */
void state_frame(const struct state *state, const struct dict_stack *stack, uint32_t index, struct state_frame *ret);

/*
 * The string with this id as the name of a symbol: demangled where the state demangles and the name is a mangled one of
 * C++ or Rust. Arbitrary bytes, which live as long as the string; data NULL and 0 bytes for 0 and what is not defined.
 */
struct proto_string state_symbol(const struct state *state, uint32_t id);
