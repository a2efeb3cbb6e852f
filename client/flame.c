/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A node is found by what leads to it (parent, name, kind), which is interned like a name: its number is the node. A
 * parent is therefore always older than its children, and one pass from the youngest node to the oldest sums up all
 * weights. Nothing here recurses: stacks are as deep as the traced program wants.
 *
 * Output depends on the weights alone and not on the order in which they came: siblings are sorted by name.
 */
#include "client/flame.h"

#include <errno.h>

#include "client/escape.h"

struct edge { /* no padding: compared as bytes */
        uint32_t parent, name, kind;
};

void flame_free(struct flame *flame)
{
        intern_free(&flame->names);
        intern_free(&flame->edges);
        free(flame->nodes);
        text_free(&flame->scratch);
        *flame = (struct flame){0};
}

static int grow(struct flame *flame)
{
        uint32_t size = flame->size_nodes ? flame->size_nodes * 2 : 256;
        struct flame_node *nodes;

        if (flame->n_nodes < flame->size_nodes)
                return 0;
        nodes = realloc(flame->nodes, size * sizeof(*nodes));
        if (!nodes)
                return -ENOMEM;
        if (!flame->nodes) {
                nodes[FLAME_ROOT] = (struct flame_node){
                        .parent = FLAME_NONE, .first_child = FLAME_NONE, .next_sibling = FLAME_NONE};
                flame->n_nodes = 1;
        }
        flame->nodes = nodes;
        flame->size_nodes = size;
        return 0;
}

int flame_child(struct flame *flame, uint32_t parent, enum frame_kind kind, const char *name, size_t n_bytes,
                uint32_t *ret_node)
{
        struct edge edge = {.parent = parent, .kind = kind};
        uint32_t id;
        int r;

        flame->scratch.n_bytes = 0;
        (void)escape_terminal(&flame->scratch, name, n_bytes);
        if (n_bytes == 0)
                text_put_string(&flame->scratch, "[unknown]"); /* a line without a name is none to other tools */
        if (flame->scratch.failed)
                return -ENOMEM;
        r = grow(flame);
        if (r == 0)
                r = intern_put(&flame->names, flame->scratch.data, flame->scratch.n_bytes, &edge.name);
        if (r >= 0)
                r = intern_put(&flame->edges, &edge, sizeof(edge), &id);
        if (r < 0)
                return r;
        if (r == INTERN_NEW)
                flame->nodes[flame->n_nodes++] = (struct flame_node){.parent = parent,
                                                                     .name = edge.name,
                                                                     .first_child = FLAME_NONE,
                                                                     .next_sibling = FLAME_NONE,
                                                                     .depth = flame->nodes[parent].depth + 1,
                                                                     .kind = (uint8_t)kind};
        flame->max_depth = MAX_OF(flame->max_depth, flame->nodes[id + 1].depth);
        *ret_node = id + 1;
        return 0;
}

void flame_add(struct flame *flame, uint32_t node, uint64_t weight)
{
        uint64_t *self = &flame->nodes[node].self;

        if (__builtin_add_overflow(*self, weight, self))
                *self = UINT64_MAX;
}

uint64_t flame_total(const struct flame *flame)
{
        return flame->n_nodes > 0 ? flame->nodes[FLAME_ROOT].total : 0;
}

const char *flame_name(const struct flame *flame, const struct flame_node *node, size_t *ret_n_bytes)
{
        return intern_bytes(&flame->names, node->name, ret_n_bytes);
}

/* --- order --- */

/* Of siblings by name; of others by parent. */
static int compare_nodes(const void *left, const void *right, void *arg)
{
        const struct flame *flame = arg;
        const struct flame_node *a = &flame->nodes[*(const uint32_t *)left];
        const struct flame_node *b = &flame->nodes[*(const uint32_t *)right];
        size_t n_a, n_b;
        const char *name_a, *name_b;
        int order;

        if (a->parent != b->parent)
                return a->parent < b->parent ? -1 : 1;
        name_a = flame_name(flame, a, &n_a);
        name_b = flame_name(flame, b, &n_b);
        order = MIN_OF(n_a, n_b) ? memcmp(name_a, name_b, MIN_OF(n_a, n_b)) : 0;
        if (order != 0)
                return order;
        return n_a != n_b ? (n_a < n_b ? -1 : 1) : (int)a->kind - (int)b->kind;
}

/* Sorted backwards into their parents' lists, the first comes to stand first. */
static void link_siblings(struct flame *flame, const uint32_t *order, uint32_t n)
{
        for (uint32_t i = 0; i < flame->n_nodes; i++)
                flame->nodes[i].first_child = FLAME_NONE;
        while (n-- > 0) {
                struct flame_node *node = &flame->nodes[order[n]];

                node->next_sibling = flame->nodes[node->parent].first_child;
                flame->nodes[node->parent].first_child = order[n];
        }
}

int flame_finish(struct flame *flame)
{
        CLEANUP_FREE uint32_t *order = NULL;
        uint32_t n;

        if (flame->n_nodes == 0)
                return 0;
        n = flame->n_nodes - 1;
        order = malloc((n + 1) * sizeof(*order));
        if (!order)
                return -ENOMEM;
        for (uint32_t i = 0; i < n; i++)
                order[i] = i + 1;
        qsort_r(order, n, sizeof(*order), compare_nodes, flame);
        link_siblings(flame, order, n);
        for (uint32_t i = 0; i <= n; i++)
                flame->nodes[i].total = flame->nodes[i].self;
        for (uint32_t i = n; i > 0; i--) {
                uint64_t *total = &flame->nodes[flame->nodes[i].parent].total;

                if (__builtin_add_overflow(*total, flame->nodes[i].total, total))
                        *total = UINT64_MAX;
        }
        return 0;
}

uint32_t flame_next(const struct flame *flame, uint32_t node)
{
        if (flame->nodes[node].first_child != FLAME_NONE)
                return flame->nodes[node].first_child;
        while (node != FLAME_ROOT && flame->nodes[node].next_sibling == FLAME_NONE)
                node = flame->nodes[node].parent;
        return node == FLAME_ROOT ? FLAME_NONE : flame->nodes[node].next_sibling;
}

/* --- folded lines --- */

static const char *suffix_of(unsigned int kind)
{
        static const char *const suffixes[] = {[FRAME_KERNEL] = "_[k]", [FRAME_INLINED] = "_[i]", [FRAME_JIT] = "_[j]"};

        return kind < ARRAY_SIZE(suffixes) && suffixes[kind] ? suffixes[kind] : "";
}

static void put_folded_frame(const struct flame *flame, const struct flame_node *node, struct text *line)
{
        size_t n_bytes;
        const char *name = flame_name(flame, node, &n_bytes);

        for (size_t i = 0; i < n_bytes; i++)
                text_put_char(line, name[i] == ';' ? ':' : name[i] == ' ' ? '_' : name[i]);
        text_put_string(line, suffix_of(node->kind));
}

/* lengths[depth]: of the stack down to that depth, in the line that holds the frames of the current node. */
static void put_lines(const struct flame *flame, size_t *lengths, struct text *line, struct text *out)
{
        lengths[0] = 0;
        for (uint32_t i = flame_next(flame, FLAME_ROOT); i != FLAME_NONE; i = flame_next(flame, i)) {
                const struct flame_node *node = &flame->nodes[i];

                line->n_bytes = lengths[node->depth - 1];
                if (node->depth > 1)
                        text_put_char(line, ';');
                put_folded_frame(flame, node, line);
                lengths[node->depth] = line->n_bytes;
                if (node->self == 0 || line->failed)
                        continue;
                text_put(out, line->data, line->n_bytes);
                text_put_char(out, ' ');
                text_put_u64(out, node->self);
                text_put_char(out, '\n');
        }
}

struct span { /* a line */
        const char *data;
        size_t n_bytes;
};

static int compare_lines(const void *left, const void *right)
{
        const struct span *a = left, *b = right;
        int order = memcmp(a->data, b->data, MIN_OF(a->n_bytes, b->n_bytes));

        return order ? order : a->n_bytes < b->n_bytes ? -1 : a->n_bytes > b->n_bytes;
}

/* Names are in order, whole lines not yet: "a;b" comes behind "a b" but "a" before "a-b". */
static void put_sorted(const struct text *lines, struct text *out)
{
        CLEANUP_FREE struct span *spans = NULL;
        size_t n = 0, i = 0;

        for (size_t k = 0; k < lines->n_bytes; k++)
                n += lines->data[k] == '\n';
        spans = malloc((n + 1) * sizeof(*spans));
        if (!spans) {
                out->failed = true;
                return;
        }
        for (const char *at = lines->data; i < n; i++) {
                const char *end = memchr(at, '\n', (size_t)(lines->data + lines->n_bytes - at));

                spans[i] = (struct span){.data = at, .n_bytes = (size_t)(end + 1 - at)};
                at = end + 1;
        }
        qsort(spans, n, sizeof(*spans), compare_lines);
        for (i = 0; i < n; i++)
                text_put(out, spans[i].data, spans[i].n_bytes);
}

void flame_put_folded(const struct flame *flame, struct text *out)
{
        CLEANUP_TEXT struct text line = {0}, lines = {0};
        CLEANUP_FREE size_t *lengths = NULL;

        if (flame_total(flame) == 0)
                return;
        lengths = malloc((flame->max_depth + (size_t)1) * sizeof(*lengths));
        if (lengths)
                put_lines(flame, lengths, &line, &lines);
        if (!lengths || line.failed || lines.failed)
                out->failed = true;
        else
                put_sorted(&lines, out);
}
