/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A name is escaped, joined and measured once, however many faults refer to it. What is kept is the whole name, valid
 * UTF-8 and safe on a terminal; shortening it to a column is left to the row, because the columns may change.
 */
#include "client/names.h"

#include <inttypes.h>
#include <string.h>

#include "client/escape.h"

static const struct memo unknown_memo = {.data = (char[]){'?'}, .n_bytes = 1, .n_cells = 1};

void names_free(struct names *names)
{
        text_free(&names->scratch);
}

const struct memo *names_unknown(void)
{
        return &unknown_memo;
}

/* What is in scratch becomes the memo. */
static const struct memo *keep(struct names *names, struct memo *memo, uint32_t n_cells)
{
        char *data = names->scratch.failed ? NULL : malloc(names->scratch.n_bytes + 1);

        if (!data) {
                names->failed = true;
                return &unknown_memo;
        }
        if (names->scratch.n_bytes > 0)
                memcpy(data, names->scratch.data, names->scratch.n_bytes);
        *memo = (struct memo){.data = data, .n_bytes = (uint32_t)names->scratch.n_bytes, .n_cells = n_cells};
        names->scratch.n_bytes = 0;
        return memo;
}

static uint32_t put_string(struct text *out, const char *string)
{
        text_put_string(out, string);
        return (uint32_t)strlen(string);
}

/* "?" for a string that is not defined. */
static uint32_t put_name(struct text *out, const struct state *state, uint32_t id)
{
        const struct dict_string *name = state_string(state, id);

        if (!name || name->n_bytes == 0)
                return put_string(out, "?");
        return escape_terminal(out, name->data, name->n_bytes);
}

static uint32_t put_symbol(struct text *out, const struct state *state, uint32_t id)
{
        const struct proto_string name = state_symbol(state, id);

        return name.n_bytes > 0 ? escape_terminal(out, name.data, name.n_bytes) : put_string(out, "?");
}

void names_put_symbol(struct text *out, const struct state *state, uint32_t id)
{
        (void)put_symbol(out, state, id);
}

/* The part behind the last slash; what begins with a bracket is no path, its slashes belong to the name. */
static uint32_t put_base_name(struct text *out, const struct state *state, uint32_t id)
{
        const struct dict_string *path = state_string(state, id);
        const char *slash;
        size_t skip;

        if (!path || path->n_bytes == 0 || path->data[0] == '[')
                return put_name(out, state, id);
        slash = memrchr(path->data, '/', path->n_bytes);
        skip = slash ? (size_t)(slash + 1 - path->data) : 0;
        return escape_terminal(out, path->data + skip, path->n_bytes - skip);
}

void names_put_base_name(struct text *out, const struct state *state, uint32_t id)
{
        (void)put_base_name(out, state, id);
}

static uint32_t put_part(struct text *out, const struct state *state, const char *separator, uint32_t id)
{
        uint32_t n_cells = put_string(out, separator);

        return n_cells + put_name(out, state, id);
}

static uint32_t put_symbol_part(struct text *out, const struct state *state, const char *separator, uint32_t id)
{
        uint32_t n_cells = put_string(out, separator);

        return n_cells + put_symbol(out, state, id);
}

const struct memo *names_of_thread(struct names *names, struct dict_thread *thread)
{
        if (thread->memo.data)
                return &thread->memo;
        text_put_i64(&names->scratch, thread->pid);
        if (thread->tid != thread->pid) {
                text_put_char(&names->scratch, '/');
                text_put_i64(&names->scratch, thread->tid);
        }
        return keep(names, &thread->memo, (uint32_t)names->scratch.n_bytes);
}

const struct memo *names_of_comm(struct names *names, const struct state *state, struct dict_thread *thread)
{
        if (thread->name.data)
                return &thread->name;
        return keep(names, &thread->name, put_name(&names->scratch, state, thread->comm));
}

const struct memo *names_of_map(struct names *names, const struct state *state, struct dict_map *map)
{
        if (map->memo.data)
                return &map->memo;
        return keep(names, &map->memo,
                    map->path ? put_base_name(&names->scratch, state, map->path) : put_string(&names->scratch, "anon"));
}

const struct memo *names_of_place(struct names *names, const struct state *state, struct dict_place *place)
{
        uint32_t n_cells = 0;

        if (place->memo.data)
                return &place->memo;
        if (place->image != 0) {
                n_cells += put_base_name(&names->scratch, state, place->image);
                if (place->section != 0)
                        n_cells += put_part(&names->scratch, state, "/", place->section);
                if (place->symbol != 0)
                        n_cells += put_symbol_part(&names->scratch, state, "/", place->symbol);
        }
        return keep(names, &place->memo, n_cells);
}

bool names_is_kernel(const struct state *state, uint32_t image)
{
        static const char prefix[] = "[kernel";
        const struct dict_string *name = state_string(state, image);

        return name && name->n_bytes >= sizeof(prefix) - 1 && memcmp(name->data, prefix, sizeof(prefix) - 1) == 0;
}

const struct memo *names_of_code(struct names *names, const struct state *state, struct dict_place *place)
{
        uint32_t n_cells = 0;

        if (place->code.data)
                return &place->code;
        if (place->symbol != 0 && names_is_kernel(state, place->image)) {
                n_cells = put_symbol_part(&names->scratch, state, "kernel:", place->symbol);
        } else if (place->image != 0) {
                n_cells = put_base_name(&names->scratch, state, place->image);
                if (place->symbol != 0)
                        n_cells += put_symbol_part(&names->scratch, state, "/", place->symbol);
                else if (place->section != 0)
                        n_cells += put_part(&names->scratch, state, "/", place->section);
        }
        return keep(names, &place->code, n_cells);
}

const struct memo *names_of_frame_symbol(struct names *names, const struct state *state, struct dict_place *place)
{
        uint32_t n_cells = 0;

        if (place->frame_symbol.data)
                return &place->frame_symbol;
        if (place->symbol != 0)
                n_cells = put_symbol(&names->scratch, state, place->symbol);
        else if (place->section != 0)
                n_cells = put_name(&names->scratch, state, place->section);
        return keep(names, &place->frame_symbol, n_cells);
}

const struct memo *names_of_frame_image(struct names *names, const struct state *state, struct dict_place *place)
{
        if (place->frame_image.data)
                return &place->frame_image;
        return keep(names, &place->frame_image, place->image ? put_base_name(&names->scratch, state, place->image) : 0);
}

const struct memo *names_of_line(struct names *names, const struct state *state, struct dict_line *line)
{
        if (line->name.data)
                return &line->name;
        return keep(names, &line->name, put_symbol(&names->scratch, state, line->function));
}

const struct memo *names_of_line_where(struct names *names, const struct state *state, struct dict_line *line)
{
        uint32_t n_cells = 0;

        if (line->where.data)
                return &line->where;
        if (line->file != 0)
                n_cells = put_base_name(&names->scratch, state, line->file);
        if (line->file != 0 && line->line != 0) {
                size_t before = names->scratch.n_bytes;

                text_printf(&names->scratch, ":%" PRIu32, line->line);
                n_cells += (uint32_t)(names->scratch.n_bytes - before);
        }
        return keep(names, &line->where, n_cells);
}
