/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The same as an object: faultline-json(5) gives every field. What is not known has none. */
#include "client/json_put.h"
#include "client/proc/pagetable.h"
#include "client/view_walk.h"

static bool has_name(const char *name)
{
        return name && *name;
}

static void put_json_levels(struct text *out, const struct walk *walk)
{
        struct pagetable_level levels[N_LEVELS_MAX];
        unsigned int n = pagetable_indices(walk->facts.address, walk->facts.n_levels, levels);

        json_put_key(out, "levels");
        text_put_char(out, '[');
        for (unsigned int i = 0; i < n; i++) {
                if (i > 0)
                        text_put_char(out, ',');
                text_put_char(out, '{');
                json_put_word(out, "name", levels[i].name);
                json_put_number(out, "high_bit", levels[i].shift + 8);
                json_put_number(out, "low_bit", levels[i].shift);
                json_put_number(out, "index", levels[i].index);
                json_put_number(out, "covers_bytes", levels[i].covers_bytes);
                text_put_char(out, '}');
        }
        text_put_char(out, ']');
}

static void put_json_known(struct text *out, const char *key, enum known value)
{
        if (value != NOT_KNOWN)
                json_put_bool(out, key, value == KNOWN_YES);
}

static void put_json_name(struct text *out, const char *key, const char *name)
{
        if (has_name(name))
                json_put_bytes(out, key, name, strlen(name));
}

static void put_json_map(struct text *out, const char *key, const struct smaps_map *map)
{
        if (!map)
                return;
        json_put_key(out, key);
        text_put_char(out, '{');
        json_put_address(out, "start", map->start);
        json_put_address(out, "end", map->end);
        json_put_word(out, "perms", map->perms);
        json_put_number(out, "offset", map->offset);
        put_json_name(out, "path", map->path);
        if (map->is_deleted)
                json_put_bool(out, "deleted", true);
        put_json_name(out, "flags", map->flags);
        text_put_char(out, '}');
}

static void put_json_place(struct text *out, const struct walk *walk)
{
        json_put_key(out, "place");
        text_put_char(out, '{');
        put_json_name(out, "image", walk->image);
        put_json_name(out, "section", walk->section);
        put_json_name(out, "symbol", walk->symbol);
        if (has_name(walk->symbol))
                json_put_number(out, "offset", walk->symbol_offset);
        if (walk->has_file_offset)
                json_put_number(out, "file_offset", walk->file_offset);
        if (walk->facts.has_file)
                json_put_number(out, "file_bytes", walk->facts.file_bytes);
        text_put_char(out, '}');
}

static void put_json_frame_flags(struct text *out, uint64_t flags)
{
        json_put_key(out, "frame_flags");
        text_put_char(out, '[');
        for (unsigned int bit = 0; bit < N_KPAGEFLAGS; bit++)
                if (flags >> bit & 1 && kpageflag_text(bit))
                        text_printf(out, "%s\"%s\"", out->data[out->n_bytes - 1] == '[' ? "" : ",",
                                    kpageflag_text(bit));
        text_put_char(out, ']');
}

static void put_json_page(struct text *out, const struct walk *walk)
{
        const struct pagemap_page *page = &walk->facts.page;

        json_put_key(out, "page");
        text_put_char(out, '{');
        json_put_bool(out, "present", page->present);
        json_put_bool(out, "swapped", page->swapped);
        json_put_bool(out, "guard", page->guard);
        json_put_bool(out, "marked", page->marked);
        json_put_bool(out, "file_or_shared", page->file_or_shared);
        json_put_bool(out, "exclusive", page->exclusive);
        json_put_bool(out, "soft_dirty", page->soft_dirty);
        json_put_bool(out, "write_protected", page->write_protected);
        put_json_known(out, "zero", walk->facts.is_zero);
        put_json_known(out, "huge", walk->facts.is_huge);
        put_json_known(out, "cached", walk->facts.is_cached);
        put_json_known(out, "dirty", walk->facts.is_dirty);
        if (page->present && walk->page_bytes)
                json_put_number(out, "page_size", walk->page_bytes);
        if (view_walk_leaf(walk))
                json_put_word(out, "level", view_walk_leaf(walk));
        if (page->has_frame)
                json_put_number(out, "frame", page->frame);
        if (walk->has_frame_count)
                json_put_number(out, "map_count", walk->frame_count);
        if (walk->has_frame_flags)
                put_json_frame_flags(out, walk->frame_flags);
        if (page->has_slot) {
                json_put_number(out, "swap_area", page->swap_type);
                json_put_number(out, "swap_offset", page->swap_offset);
        }
        text_put_char(out, '}');
}

static void put_json_way(struct text *out, const struct access_way *way)
{
        json_put_word(out, "result", foreseen_text(way->what));
        if (way->cause != CAUSE_UNKNOWN)
                json_put_word(out, "cause", cause_text(way->cause));
        if (way->signal) {
                json_put_word(out, "signal", way->signal);
                json_put_word(out, "si_code", way->code);
        }
}

static void put_json_answer(struct text *out, const char *key, const struct access_answer *answer)
{
        json_put_key(out, key);
        text_put_char(out, '{');
        put_json_way(out, &answer->ways[0]);
        if (answer->n_ways > 1) {
                json_put_key(out, "or");
                text_put_char(out, '{');
                put_json_way(out, &answer->ways[1]);
                text_put_char(out, '}');
        }
        if (answer->first != CAUSE_UNKNOWN)
                json_put_word(out, "first", cause_text(answer->first));
        json_put_word(out, "evidence", evidence_text(answer->evidence));
        json_put_word(out, "why", answer->why);
        text_put_char(out, '}');
}

static void put_json_lacks(struct text *out, const struct walk *walk)
{
        json_put_key(out, "missing");
        text_put_char(out, '[');
        for (unsigned int i = 0; i < N_WALK_LACKS; i++)
                if (walk->lacks[i]) {
                        if (out->n_bytes > 0 && out->data[out->n_bytes - 1] != '[')
                                text_put_char(out, ',');
                        text_put_char(out, '{');
                        json_put_word(out, "what", view_walk_lack_word((enum walk_lack)i));
                        json_put_word(out, "text", view_walk_lack_text((enum walk_lack)i));
                        text_put_char(out, '}');
                }
        text_put_char(out, ']');
}

void view_walk_put_json(struct text *out, const struct walk *walk)
{
        json_begin_line(out, "walk");
        json_put_signed(out, "pid", walk->pid);
        put_json_name(out, "comm", walk->comm);
        put_json_name(out, "asked", walk->asked);
        json_put_address(out, "addr", walk->facts.address);
        put_json_levels(out, walk);
        json_put_number(out, "page_offset", walk->facts.address & ((UINT64_C(1) << view_walk_offset_bits(walk)) - 1));
        put_json_map(out, "map", walk->facts.map);
        if (!walk->facts.map) {
                put_json_map(out, "below", walk->facts.below);
                put_json_map(out, "above", walk->facts.above);
        }
        put_json_place(out, walk);
        if (walk->facts.has_page && walk->facts.map)
                put_json_page(out, walk);
        put_json_answer(out, "read", &walk->read);
        put_json_answer(out, "write", &walk->write);
        put_json_answer(out, "exec", &walk->exec);
        put_json_lacks(out, walk);
        json_end_line(out);
}
