/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fields of JSON objects. Each writes the comma that separates it from the field before; the first of an object, behind
 * its '{', gets none. Pure.
 */
#pragma once

#include "client/state.h"
#include "client/text.h"
#include "proto/proto.h"

void json_put_key(struct text *out, const char *key);
void json_put_word(struct text *out, const char *key, const char *word); /* not escaped: a word of our own */
void json_put_bytes(struct text *out, const char *key, const char *bytes, size_t n_bytes);
void json_put_string(struct text *out, const char *key, const struct proto_string *string); /* absent when empty */
void json_put_bool(struct text *out, const char *key, bool value);
void json_put_number(struct text *out, const char *key, uint64_t value);
void json_put_signed(struct text *out, const char *key, int64_t value);
void json_put_address(struct text *out, const char *key, uint64_t value);

/* Absent when the id is 0 or not defined. */
void json_put_dict_string(struct text *out, const char *key, const struct state *state, uint32_t id);

/* The same, of the name of a symbol. */
void json_put_symbol(struct text *out, const char *key, const struct state *state, uint32_t id);

/*
 * What is in scratch becomes the memo, and scratch is empty again. Returns the memo, or an empty one when memory runs
 * out; then scratch has failed.
 */
const struct memo *json_keep(struct text *scratch, struct memo *memo);

/* "start", "end", "perms", "offset", "path" */
void json_put_map_fields(struct text *out, const struct state *state, const struct dict_map *map);

/* "image", "section", "symbol" as far as known; may be nothing */
void json_put_place_fields(struct text *out, const struct state *state, const struct dict_place *place);

/* {"type":... and }\n */
void json_begin_line(struct text *out, const char *type);
void json_end_line(struct text *out);
