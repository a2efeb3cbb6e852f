/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The full-screen view: a view like the others (struct view_ops feed it), which is drawn into a grid when its owner
 * asks and changes with keys. It owns the model (top_model.h), the picture of the address space (space.h) and what the
 * user has chosen. Pure: no terminal, no clock.
 */
#pragma once

#include <stdbool.h>

#include "client/options.h"
#include "client/proc/smaps.h"
#include "client/screen/grid.h"
#include "client/screen/key.h"
#include "client/top/space.h"
#include "client/view.h"

struct view_top_options {
        enum group_by by;       /* of the first table */
        bool starts_with_space; /* maps --live: the picture of the address space first */
        unsigned int n_levels;  /* of the machine's page tables, for the picture; 0: the usual 4 */
};

/*
 * NULL: out of memory. view->out stays empty. view->err gets what the text view would say on standard error (notes,
 * errors, the ledger of each end): its owner prints that when the terminal is restored, and drops the oldest lines of
 * it when there are too many.
 */
struct view *view_top_new(const struct view_top_options *options);
struct view *view_top_free(struct view *view); /* NULL passes; returns NULL */

enum view_top_answer {
        VIEW_TOP_OK,
        VIEW_TOP_QUIT,    /* the user wants to leave */
        VIEW_TOP_REPAINT, /* the terminal is to be painted anew (Ctrl-L) */
};

/* 0 is VIEW_TOP_OK. now_ns: CLOCK_MONOTONIC, in this and all that follow. */
enum view_top_answer view_top_key(struct view *view, const struct key *key, uint64_t now_ns);

/* The whole screen of now. 0; -ENOMEM. Its cost does not depend on how many faults there are. */
int view_top_draw(struct view *view, struct grid *grid, uint64_t now_ns) MUST_CHECK;

/* What we cost ourselves: CPU time of client and daemon so far (PROTO_UNKNOWN: not known), resident bytes. */
struct top_cost {
        uint64_t client_cpu_ns, daemon_cpu_ns;
        uint64_t client_bytes, daemon_bytes;
};
void view_top_set_cost(struct view *view, const struct top_cost *cost, uint64_t now_ns);

/* For the picture: which process it shows now (0: none yet), whether its maps are wanted now, and they themselves:
 * taken over; error: -errno why they could not be read. */
int32_t view_top_space_pid(const struct view *view);
bool view_top_wants_maps(const struct view *view, uint64_t now_ns);
void view_top_set_maps(struct view *view, int32_t pid, struct smaps *maps, int error, uint64_t now_ns);

/* The same for the state of single pages, entries of its /proc/PID/pagemap, and for the sections of its images: as
 * space_wants_pages(), space_set_pages() and space_set_marks(). Ask after a drawing. */
bool view_top_wants_pages(const struct view *view, uint64_t *ret_start, size_t *ret_n_pages);
int view_top_set_pages(struct view *view, uint64_t start, const uint64_t *entries, size_t n_pages) MUST_CHECK;
int view_top_set_marks(struct view *view, const struct space_mark *marks, size_t n_marks) MUST_CHECK;
/* And for the name of the address under its cursor, as space_wants_name() and space_set_name(). */
bool view_top_wants_name(const struct view *view, uint64_t *ret_address);
void view_top_set_name(struct view *view, uint64_t address, const char *name, size_t n_bytes);

/* All has ended, or the connection has: said in the header, and the screen stays until the user leaves. NULL: by the
 * ends of the traces. */
void view_top_set_over(struct view *view, const char *why);
