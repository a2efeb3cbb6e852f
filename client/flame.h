/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Call stacks with weights, merged where their outer frames agree: a tree, and its folded lines. Pure. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/intern.h"
#include "client/text.h"

enum frame_kind {
        FRAME_OTHER, /* no code: a program's name, "[cut]" */
        FRAME_USER,
        FRAME_KERNEL,
        FRAME_INLINED,
        FRAME_JIT, /* generated code */
};

#define FLAME_ROOT 0
#define FLAME_NONE UINT32_MAX

struct flame_node {
        uint32_t parent;
        uint32_t name;                      /* of flame->names */
        uint32_t first_child, next_sibling; /* by name; FLAME_NONE; both set by flame_finish() */
        uint32_t depth;                     /* of the root: 0 */
        uint8_t kind;                       /* enum frame_kind */
        uint64_t self;                      /* weight that ends here */
        uint64_t total;                     /* and that of all below; set by flame_finish() */
};

/* Contents only. An all-zero struct is empty. */
struct flame {
        struct intern names; /* escaped as for a terminal: valid UTF-8 without controls */
        struct intern edges; /* parent, name, kind; the node is the edge's id + 1 */
        struct flame_node *nodes;
        uint32_t n_nodes, size_nodes;
        uint32_t max_depth;
        struct text scratch;
};

void flame_free(struct flame *flame);

/*
 * The frame that parent (FLAME_ROOT: the outermost) called, made when it is not there. name: arbitrary bytes;
 * none at all become "[unknown]". 0; -ENOMEM; -ENOSPC: the tree has grown as large as it may.
 */
int flame_child(struct flame *flame, uint32_t parent, enum frame_kind kind, const char *name, size_t n_bytes,
                uint32_t *ret_node) MUST_CHECK;

void flame_add(struct flame *flame, uint32_t node, uint64_t weight); /* node: not FLAME_ROOT */

/* Totals and order: after the last flame_add(), before what follows. 0; -ENOMEM. */
int flame_finish(struct flame *flame) MUST_CHECK;

uint64_t flame_total(const struct flame *flame);

/* Escaped; valid until the next flame_child(). */
const char *flame_name(const struct flame *flame, const struct flame_node *node, size_t *ret_n_bytes);

/* The next node in the order of the drawing, each parent before its children; FLAME_NONE: that was the last. */
uint32_t flame_next(const struct flame *flame, uint32_t node);

/*
 * "outermost;...;innermost WEIGHT", one line a node with a weight of its own, in the order of their bytes. A semicolon
 * in a name becomes ':', a space '_'; the kinds show as suffixes: _[k], _[i], _[j].
 */
void flame_put_folded(const struct flame *flame, struct text *out);
