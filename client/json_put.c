/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the lines of the JSON view are made of. The hot path (view_json.c) writes its keys with their commas itself. */
#include "client/json_put.h"

#include "client/escape.h"

void json_put_key(struct text *out, const char *key)
{
        if (out->n_bytes > 0 && out->data[out->n_bytes - 1] != '{')
                text_put_char(out, ',');
        text_put_char(out, '"');
        text_put_string(out, key);
        text_put(out, "\":", 2);
}

void json_put_word(struct text *out, const char *key, const char *word)
{
        json_put_key(out, key);
        text_put_char(out, '"');
        text_put_string(out, word);
        text_put_char(out, '"');
}

void json_put_bytes(struct text *out, const char *key, const char *bytes, size_t n_bytes)
{
        json_put_key(out, key);
        text_put_char(out, '"');
        escape_json(out, bytes, n_bytes);
        text_put_char(out, '"');
}

void json_put_string(struct text *out, const char *key, const struct proto_string *string)
{
        if (string->n_bytes > 0)
                json_put_bytes(out, key, string->data, string->n_bytes);
}

void json_put_bool(struct text *out, const char *key, bool value)
{
        json_put_key(out, key);
        text_put_string(out, value ? "true" : "false");
}

void json_put_number(struct text *out, const char *key, uint64_t value)
{
        json_put_key(out, key);
        text_put_u64(out, value);
}

void json_put_signed(struct text *out, const char *key, int64_t value)
{
        json_put_key(out, key);
        text_put_i64(out, value);
}

void json_put_address(struct text *out, const char *key, uint64_t value)
{
        json_put_key(out, key);
        text_put_char(out, '"');
        text_put_hex(out, value);
        text_put_char(out, '"');
}

void json_put_dict_string(struct text *out, const char *key, const struct state *state, uint32_t id)
{
        const struct dict_string *string = state_string(state, id);

        if (string)
                json_put_bytes(out, key, string->data, string->n_bytes);
}

void json_put_symbol(struct text *out, const char *key, const struct state *state, uint32_t id)
{
        const struct proto_string name = state_symbol(state, id);

        if (name.data)
                json_put_bytes(out, key, name.data, name.n_bytes);
}

const struct memo *json_keep(struct text *scratch, struct memo *memo)
{
        static const struct memo empty;
        char *data = scratch->failed ? NULL : malloc(scratch->n_bytes + 1);

        if (!data) {
                scratch->failed = true;
                return &empty;
        }
        if (scratch->n_bytes > 0)
                memcpy(data, scratch->data, scratch->n_bytes);
        *memo = (struct memo){.data = data, .n_bytes = (uint32_t)scratch->n_bytes};
        scratch->n_bytes = 0;
        return memo;
}

void json_put_map_fields(struct text *out, const struct state *state, const struct dict_map *map)
{
        json_put_address(out, "start", map->start);
        json_put_address(out, "end", map->end);
        json_put_bytes(out, "perms", map->perms, sizeof(map->perms));
        json_put_number(out, "offset", map->offset);
        json_put_dict_string(out, "path", state, map->path);
}

void json_put_place_fields(struct text *out, const struct state *state, const struct dict_place *place)
{
        json_put_dict_string(out, "image", state, place->image);
        json_put_dict_string(out, "section", state, place->section);
        json_put_symbol(out, "symbol", state, place->symbol);
}

void json_begin_line(struct text *out, const char *type)
{
        text_put_char(out, '{');
        json_put_word(out, "type", type);
}

void json_end_line(struct text *out)
{
        text_put(out, "}\n", 2);
}
