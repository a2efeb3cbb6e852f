/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fault's path through the tree: the name of its thread, "[cut]" where the outermost frames are missing, the frames
 * from the outside to the inside, with each function that is inlined into one as a frame of its own. Frames are merged
 * by name and not by address, because a flame graph is about functions; where there is no name there is an offset.
 *
 * A stack is laid into the tree when it is first seen, and again when it has been forgotten; a fault with a stack that
 * is remembered costs one addition.
 */
#include "client/view_flame.h"

#include <errno.h>
#include <string.h>

#include "client/names.h"
#include "client/recall.h"
#include "client/view_gather.h"

struct view_flame {
        struct view_gather gather;
        enum fault_weight weight;
        struct flame flame;
        struct recall leaves; /* by the string of the thread's name and the stack */
        struct text scratch;
        struct view_flame_summary summary;
        int error; /* -ENOMEM: nothing is added any more */
};

static struct view_flame *view_flame(struct view *view)
{
        return CONTAINER_OF(view, struct view_flame, gather.view);
}

/* A way into the tree. */
struct path {
        struct view_flame *v;
        const struct state *state;
        uint32_t node;
        bool full; /* the tree is: what follows is not there */
};

static void step(struct path *path, enum frame_kind kind, const char *name, size_t n_bytes)
{
        int r;

        if (path->full || path->v->error < 0)
                return;
        r = flame_child(&path->v->flame, path->node, kind, name, n_bytes, &path->node);
        if (r == -ENOSPC)
                path->full = true;
        else if (r < 0)
                path->v->error = r;
}

static void step_word(struct path *path, enum frame_kind kind, const char *word)
{
        step(path, kind, word, strlen(word));
}

/* So the daemon calls the image of code that a JIT compiler has named. */
static bool is_generated(const struct state *state, const struct dict_place *place)
{
        static const char jit[] = "[jit]";
        const struct dict_string *image = state_string(state, place->image);

        return image && image->n_bytes == sizeof(jit) - 1 && memcmp(image->data, jit, sizeof(jit) - 1) == 0;
}

static void put_string(struct text *out, const struct state *state, uint32_t id, bool is_path)
{
        const struct dict_string *string = state_string(state, id);
        const char *slash;
        size_t skip;

        if (!string || string->n_bytes == 0)
                return;
        slash = is_path && string->data[0] != '[' ? memrchr(string->data, '/', string->n_bytes) : NULL;
        skip = slash ? (size_t)(slash + 1 - string->data) : 0;
        text_put(out, string->data + skip, string->n_bytes - skip);
}

/* "[libfoo.so.1+0x1234]", with the section where that is what the offset is in; "[unknown]". */
static void step_nameless(struct path *path, enum frame_kind kind, const struct dict_place *place, uint64_t addr)
{
        struct text *name = &path->v->scratch;

        if (!place || place->image == 0) {
                step_word(path, kind, "[unknown]");
                return;
        }
        name->n_bytes = 0;
        text_put_char(name, '[');
        put_string(name, path->state, place->image, true);
        if (place->section != 0) {
                text_put_char(name, '/');
                put_string(name, path->state, place->section, false);
        }
        if (addr != 0 && addr >= place->base) {
                text_put_char(name, '+');
                text_put_hex(name, addr - place->base);
        }
        text_put_char(name, ']');
        step(path, kind, name->data, name->n_bytes);
}

/* addr 0: not known. */
static void step_place(struct path *path, enum frame_kind kind, const struct dict_place *place, uint64_t addr)
{
        struct proto_string symbol = {0};

        if (place)
                symbol = state_symbol(path->state, place->symbol);
        if (symbol.n_bytes == 0)
                step_nameless(path, kind, place, addr);
        else if (kind == FRAME_USER && is_generated(path->state, place))
                step(path, FRAME_JIT, symbol.data, symbol.n_bytes);
        else
                step(path, kind, symbol.data, symbol.n_bytes);
}

/* The last line is the frame's own function, which need not be a symbol of its file. */
static void step_frame(struct path *path, const struct state_frame *frame)
{
        enum frame_kind kind = frame->by == FRAME_BY_KERNEL ? FRAME_KERNEL : FRAME_USER;
        struct proto_string own = {0};

        if (frame->n_lines > 0 && (!frame->place || frame->place->symbol == 0))
                own = state_symbol(path->state, frame->lines[frame->n_lines - 1]->function);
        if (own.n_bytes > 0)
                step(path, kind, own.data, own.n_bytes);
        else
                step_place(path, kind, frame->place, frame->addr);
        for (uint32_t i = frame->n_lines; i > 1; i--) {
                struct proto_string inlined = state_symbol(path->state, frame->lines[i - 2]->function);

                step(path, FRAME_INLINED, inlined.data, inlined.n_bytes);
        }
}

static void step_stack(struct path *path, const struct dict_stack *stack)
{
        if (stack->is_cut)
                step_word(path, FRAME_OTHER, "[cut]");
        for (uint32_t i = stack->n_frames; i > 0; i--) {
                struct state_frame frame;

                state_frame(path->state, stack, i - 1, &frame);
                step_frame(path, &frame);
        }
}

/* What is known without a stack: the code, and where it was called from when it is the kernel's. */
static void step_code(struct path *path, const struct proto_event *event)
{
        bool in_kernel = event->flags & PROTO_EVENT_KERNEL_MODE;
        bool has_ip = event->ip != 0 && !(event->flags & PROTO_EVENT_IP_HIDDEN);

        step_word(path, FRAME_OTHER, "[no stack]");
        if (in_kernel && event->caller != 0)
                step_place(path, FRAME_USER, state_place(path->state, event->caller), event->caller_ip);
        step_place(path, in_kernel ? FRAME_KERNEL : FRAME_USER, state_place(path->state, event->code),
                   has_ip ? event->ip : 0);
}

static struct path path_of(struct view_flame *v, const struct state *state, const struct proto_event *event,
                           const struct dict_stack *stack)
{
        const struct dict_thread *thread = state_thread(state, event->thread);
        const struct dict_string *comm = thread ? state_string(state, thread->comm) : NULL;
        struct path path = {.v = v, .state = state, .node = FLAME_ROOT};

        step(&path, FRAME_OTHER, comm ? comm->data : NULL, comm ? comm->n_bytes : 0);
        if (stack)
                step_stack(&path, stack);
        else
                step_code(&path, event);
        return path;
}

/* The node where the fault belongs; FLAME_ROOT: there is none. */
static uint32_t leaf_of(struct view_flame *v, const struct state *state, const struct proto_event *event,
                        const struct dict_stack *stack)
{
        const struct dict_thread *thread = state_thread(state, event->thread);
        const uint32_t ids[2] = {thread ? thread->comm : 0, event->stack};
        struct path path;
        uint32_t leaf;

        if (stack && recall_find(&v->leaves, state, ids, &leaf))
                return leaf;
        path = path_of(v, state, event, stack);
        if (v->error < 0)
                return FLAME_ROOT;
        if (path.full)
                v->summary.n_homeless++;
        else if (stack)
                recall_keep(&v->leaves, state, ids, path.node);
        return path.node;
}

static void flame_fault(struct view_gather *gather, const struct state *state, const struct proto_event *event)
{
        struct view_flame *v = CONTAINER_OF(gather, struct view_flame, gather);
        const struct dict_stack *stack = state_stack(state, event->stack);
        const struct measure one = measure_of(event);
        uint32_t leaf = leaf_of(v, state, event, stack);

        measure_add(&v->summary.all, &one);
        v->summary.n_without_stack += !stack;
        v->summary.n_cut += stack && stack->is_cut;
        if (leaf != FLAME_ROOT)
                flame_add(&v->flame, leaf, measure_weight(&one, v->weight));
}

struct view *view_flame_new(const struct view_flame_options *options)
{
        struct view_flame *v = calloc(1, sizeof(*v));

        if (!v)
                return NULL;
        view_gather_init(&v->gather);
        v->gather.notes = options->notes;
        v->gather.everything = options->notes_for_programs;
        v->gather.fault = flame_fault;
        v->weight = options->weight;
        return &v->gather.view;
}

struct view *view_flame_free(struct view *view)
{
        struct view_flame *v;

        if (!view)
                return NULL;
        v = view_flame(view);
        view_gather_free(&v->gather);
        flame_free(&v->flame);
        recall_free(&v->leaves);
        text_free(&v->scratch);
        free(v);
        return NULL;
}

int view_flame_finish(struct view *view, struct view_flame_summary *ret)
{
        struct view_flame *v = view_flame(view);
        int r = v->error;

        if (v->scratch.failed)
                r = -ENOMEM;
        if (r == 0)
                r = flame_finish(&v->flame);
        if (r < 0)
                return r;
        v->summary.flame = &v->flame;
        *ret = v->summary;
        return 0;
}

struct view *view_flame_notes(struct view *view)
{
        return view_flame(view)->gather.notes;
}
