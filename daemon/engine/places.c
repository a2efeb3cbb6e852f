/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a place is, place.c knows; here is where the image comes from and what the answer costs. A memo holds as long as
 * no image became ready and the dictionary's epoch lasts, and keeps its map alive, so that no other can take its
 * address.
 */
#include "daemon/engine/places.h"

#include <errno.h>
#include <string.h>

#include "daemon/engine/model/place.h"

#define N_MEMOS 1024 /* power of two */
#define PAGE_SHIFT 12
#define LOAD_MAX_MAPS 16
#define KERNEL_IMAGE "[kernel]"
#define JIT_IMAGE "[jit]"

/* A remembered answer: addresses of [start, end) in this map have the place id. */
struct places_memo {
        struct map *map; /* referenced; NULL = the kernel, or free when epoch is 0 */
        uint64_t start, end;
        uint32_t epoch, generation, id;
};

int places_init(struct places *places)
{
        places->memos = calloc(N_MEMOS, sizeof(*places->memos));
        return places->memos ? 0 : -ENOMEM;
}

void places_deinit(struct places *places)
{
        for (size_t i = 0; places->memos && i < N_MEMOS; i++)
                map_unref(places->memos[i].map);
        free(places->memos);
}

/* ---- maps and images ---- */

/*
 * Plain anonymous memory right behind a private file map may be that image's .bss (image_covers() tells later), also
 * where mprotect(2) has cut it into pieces. NULL = it stands behind something else.
 */
static struct map *image_neighbour(struct aspace *aspace, struct map *map)
{
        for (unsigned int n = 0; n < LOAD_MAX_MAPS && map->kind == MAP_KIND_ANON && !map->path[0]; n++) {
                struct map *below = aspace_below(aspace, map->start);

                if (!below || below->end != map->start || below->shared)
                        return NULL;
                map = below;
        }
        return map->kind == MAP_KIND_FILE ? map : NULL;
}

/*
 * The lowest map of the load that a file map belongs to. Segments of one load follow each other with ascending file
 * offsets; a lower offset begins another load of the same file. The bound is for files mapped in thousands of pieces.
 */
static const struct map *load_of(struct aspace *aspace, const struct map *map)
{
        for (unsigned int n = 0; map->offset && n < LOAD_MAX_MAPS; n++) {
                const struct map *below = aspace_below(aspace, map->start);

                if (!below || below->inode != map->inode || below->major != map->major || below->minor != map->minor ||
                    below->offset > map->offset)
                        break;
                map = below;
        }
        return map;
}

void places_want(struct places *places, struct addresses *addresses, pid_t pid, struct map *map, uint64_t now_ns)
{
        struct map *file = map;
        const struct map *load;

        if (!map || map->image_known)
                return;
        map->image_known = true;
        if (map->kind == MAP_KIND_ANON && !map->path[0]) {
                file = image_neighbour(addresses->aspace, map);
                if (!file)
                        return;
        }
        load = load_of(addresses->aspace, file);
        map->image_start = load->start;
        map->image_offset = load->offset;
        if (names_slot(places->names, places->trace, pid, file, now_ns, &map->image) < 0)
                map->image = NULL;
}

bool places_wait(const struct map *map, uint64_t now_ns)
{
        return map && map->image && names_is_waiting(map->image, now_ns);
}

bool places_lack(const struct map *map)
{
        return map && map->image && map->image->state == IMAGE_WAITING;
}

/* ---- memos ---- */

static struct places_memo *memo_of(struct places *places, const struct map *map, uint64_t addr, unsigned int shift)
{
        uint64_t hash = (addr >> shift) * UINT64_C(0x9e3779b97f4a7c15) ^ (uintptr_t)map >> 5;

        return &places->memos[(hash >> 20 ^ hash >> 40) & (N_MEMOS - 1)];
}

static bool memo_holds(const struct places *places, const struct places_memo *memo, const struct map *map,
                       uint64_t addr)
{
        return memo->epoch == dict_epoch(places->dict) && memo->generation == names_generation(places->names) &&
               memo->map == map && addr >= memo->start && addr < memo->end;
}

static void memo_set(struct places *places, struct places_memo *memo, struct map *map, uint64_t start, uint64_t end,
                     uint32_t id)
{
        struct map *held = map_ref(map);

        map_unref(memo->map);
        *memo = (struct places_memo){.map = held,
                                     .start = start,
                                     .end = end,
                                     .epoch = dict_epoch(places->dict),
                                     .generation = names_generation(places->names),
                                     .id = id};
}

/* ---- ids ---- */

static uint32_t string_id(struct places *places, const char *text)
{
        return text ? dict_string(places->dict, text, strlen(text)) : 0;
}

/* The image that a place names: that of the map, unless the address lies behind the image's own memory. */
static const char *image_name(const struct map *map, const struct place *place, bool is_code)
{
        if (place->section || place->symbol)
                return map->image && map->image->path ? map->image->path : map->path;
        if (map->kind == MAP_KIND_ANON || map->kind == MAP_KIND_STACK || !map->path[0])
                return NULL;
        return is_code || (map->image && map->image->image) ? map->path : NULL;
}

uint32_t places_id(struct places *places, struct map *map, uint64_t addr, bool is_code)
{
        struct places_memo *memo = memo_of(places, map, addr, is_code ? 6 : PAGE_SHIFT);
        const struct image *image = map->image && map->image->state == IMAGE_READY ? map->image->image : NULL;
        struct dict_place key;
        struct place place;
        uint32_t id = 0;

        if (memo_holds(places, memo, map, addr))
                return memo->id;
        places->saw_32bit |= is_code && image && image_is_32bit(image);
        place = place_find(map, image, addr);
        key = (struct dict_place){.image = string_id(places, image_name(map, &place, is_code)),
                                  .section = string_id(places, place.section),
                                  .symbol = string_id(places, place.symbol),
                                  .base = place.base};
        if (key.image || key.section || key.symbol)
                id = dict_place(places->dict, &key);
        memo_set(places, memo, map, place.section || place.symbol ? addr : place.base, place.end, id);
        return id;
}

bool places_is_generated(const struct map *map)
{
        return map && map->executable && map->kind == MAP_KIND_ANON;
}

bool places_code_wait(struct addresses *addresses, const struct map *map, uint64_t addr, uint64_t now_ns)
{
        struct symbol symbol;

        if (places_is_generated(map))
                return jit_find(&addresses->jit, addr, now_ns, &symbol) == JIT_WAIT;
        return places_wait(map, now_ns);
}

uint32_t places_code_id(struct places *places, struct addresses *addresses, struct map *map, uint64_t addr,
                        uint64_t now_ns)
{
        struct symbol symbol;
        struct dict_place key;

        if (!map)
                return 0;
        if (!places_is_generated(map) || jit_find(&addresses->jit, addr, now_ns, &symbol) != JIT_FOUND)
                return places_id(places, map, addr, true);
        key = (struct dict_place){
                .image = string_id(places, JIT_IMAGE), .symbol = string_id(places, symbol.name), .base = symbol.value};
        return dict_place(places->dict, &key);
}

uint32_t places_kernel_id(struct places *places, uint64_t ip, uint64_t now_ns)
{
        struct places_memo *memo = memo_of(places, NULL, ip, 0);
        struct dict_place key = {.base = ip};
        const struct symtab *symtab;
        struct symbol symbol;
        bool waiting;

        if (memo_holds(places, memo, NULL, ip))
                return memo->id;
        symtab = names_kernel(places->names, now_ns, &waiting);
        key.image = string_id(places, KERNEL_IMAGE);
        if (symtab && symtab_lookup(symtab, ip, &symbol)) {
                key.symbol = string_id(places, symbol.name);
                key.base = symbol.value;
        }
        if (places->hide_kernel)
                key.base = 0;
        memo_set(places, memo, NULL, ip, ip + 1, dict_place(places->dict, &key));
        return memo->id;
}
