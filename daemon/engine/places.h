/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses of a process's memory and of the kernel -> dictionary ids of places: which image a map belongs to, whether
 * its names are there, and a memory of the answers, because faults come in runs from the same code to the same data.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "daemon/engine/addresses.h"
#include "daemon/engine/names.h"
#include "daemon/engine/serve/dict.h"

struct places_memo;

struct places {
        struct names *names; /* borrowed */
        struct dict *dict;   /* borrowed */
        uint32_t trace;
        bool hide_kernel; /* kernel addresses are not even shown as a place's base */
        bool saw_32bit;   /* code of a 32-bit image was named */
        struct places_memo *memos;
};

/* The fields before memos must be set. 0 or -ENOMEM. */
int places_init(struct places *places) MUST_CHECK;
void places_deinit(struct places *places);

/*
 * Decide which image a map of this memory belongs to, and ask for its names on behalf of process pid. NULL passes
 * through; out of memory: the map goes without names.
 */
void places_want(struct places *places, struct addresses *addresses, pid_t pid, struct map *map, uint64_t now_ns);
/* The names of the map's image are on their way and worth waiting for; NULL = no map. */
bool places_wait(const struct map *map, uint64_t now_ns);
/* ... have not come; NULL = no map. */
bool places_lack(const struct map *map);

/* The place of addr, 0 = nothing is known of it. is_code: an address of code, in a map of any kind. */
uint32_t places_id(struct places *places, struct map *map, uint64_t addr, bool is_code);
/* The same for code in this memory, which the program may have generated: jit.h. NULL passes through as 0. */
uint32_t places_code_id(struct places *places, struct addresses *addresses, struct map *map, uint64_t addr,
                        uint64_t now_ns);
/* Code in such a map is the program's own making; NULL passes through. */
bool places_is_generated(const struct map *map);
/* ... whose name is on its way and worth waiting for; NULL = no map. */
bool places_code_wait(struct addresses *addresses, const struct map *map, uint64_t addr, uint64_t now_ns);
/* The place of an address of kernel code. */
uint32_t places_kernel_id(struct places *places, uint64_t ip, uint64_t now_ns);
