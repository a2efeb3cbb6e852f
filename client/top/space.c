/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the picture is of. Maps come from a text that the kernel wrote while the process went on changing them, or from
 * whoever wrote a text like it, so they are brought into order once, here: whole pages, none empty, each behind the one
 * before. All that draws and all that counts relies on that and checks nothing further.
 *
 * Nothing is computed for maps that are not on the screen but a sum a map when they come: a process may have 65 000.
 */
#include "client/top/space.h"

#include <errno.h>
#include <string.h>

#include "client/top/space_parts.h"

enum {
        LEVELS_USUAL = 4,
        DIGITS_USUAL = 12, /* of an address below 1 << 47 */
};

int space_init(struct space *space)
{
        *space = (struct space){.n_levels = LEVELS_USUAL, .n_digits = DIGITS_USUAL, .heat = heat_new()};
        return space->heat ? 0 : -ENOMEM;
}

void space_free(struct space *space)
{
        smaps_free(&space->maps);
        space->heat = heat_free(space->heat);
        free(space->marks);
        free(space->mark_names);
        free(space->pages);
        free(space->shown.rows);
        *space = (struct space){.n_levels = LEVELS_USUAL};
}

/* --- maps --- */

static bool is_in_order(const struct smaps_map *map, uint64_t previous_end)
{
        return map->start < map->end && map->start >= previous_end && map->start % SPACE_PAGE_BYTES == 0 &&
               map->end % SPACE_PAGE_BYTES == 0;
}

static void bring_into_order(struct smaps *maps)
{
        uint64_t end = 0;
        size_t n = 0;

        for (size_t i = 0; i < maps->n_maps; i++) {
                if (!is_in_order(&maps->maps[i], end))
                        continue;
                end = maps->maps[i].end;
                maps->maps[n++] = maps->maps[i];
        }
        maps->n_maps = n;
}

size_t space_map_at(const struct smaps *maps, uint64_t address)
{
        size_t from = 0, to = maps->n_maps;

        while (from < to) {
                size_t middle = from + (to - from) / 2;

                if (maps->maps[middle].end <= address)
                        from = middle + 1;
                else
                        to = middle;
        }
        return from;
}

static bool is_free(const struct smaps *maps, uint64_t start, uint64_t end)
{
        size_t at = space_map_at(maps, start);

        return at == maps->n_maps || maps->maps[at].start >= end;
}

struct change {
        const struct smaps *before, *now;
};

static bool has_gone(void *user, uint64_t start, uint64_t end)
{
        const struct change *change = user;

        return is_free(change->now, start, end) && !is_free(change->before, start, end);
}

/* Most often nothing has gone, and then nobody needs to look through all that happened. */
static bool anything_has_gone(const struct change *change)
{
        uint64_t covered = 0; /* up to there, of the map before that is looked at */
        size_t i = 0;

        for (size_t old = 0; old < change->before->n_maps; old++) {
                const struct smaps_map *map = &change->before->maps[old];

                covered = map->start;
                while (i < change->now->n_maps && change->now->maps[i].end <= covered)
                        i++;
                while (covered < map->end && i < change->now->n_maps && change->now->maps[i].start <= covered) {
                        covered = change->now->maps[i].end;
                        if (covered < map->end)
                                i++;
                }
                if (covered < map->end)
                        return true;
        }
        return false;
}

/* An exec: no map is as it was. */
static bool everything_is_new(const struct change *change)
{
        for (size_t i = 0; i < change->now->n_maps; i++) {
                const struct smaps_map *now = &change->now->maps[i];
                size_t at = space_map_at(change->before, now->start);
                const struct smaps_map *before = at < change->before->n_maps ? &change->before->maps[at] : NULL;

                /* The kernel's own page in its half is everywhere the same. */
                if (before && now->start < SPACE_KERNEL_HALF && before->start == now->start &&
                    strcmp(before->path, now->path) == 0)
                        return false;
        }
        return true;
}

static void sum_up(struct space *space)
{
        unsigned int n_digits = DIGITS_USUAL;

        memset(space->sums, 0, sizeof(space->sums));
        space->mapped_bytes = 0;
        space->has_sums = false;
        for (size_t i = 0; i < space->maps.n_maps; i++) {
                const struct smaps_map *map = &space->maps.maps[i];

                space->mapped_bytes += map->end - map->start;
                if (map->start < SPACE_KERNEL_HALF)
                        while (n_digits < 16 && map->start >> (4 * n_digits) > 0)
                                n_digits++;
                if (!map->has_amounts)
                        continue;
                space->has_sums = true;
                for (size_t amount = 0; amount < N_SMAPS_AMOUNTS; amount++)
                        space->sums[amount] += map->amounts[amount];
        }
        space->n_digits = n_digits;
}

/* --- the selection --- */

/* The map with this start, else the one that took some of its place, else the nearest above or the last. */
static size_t successor_of(const struct smaps *maps, uint64_t start)
{
        size_t at = space_map_at(maps, start);

        if (at < maps->n_maps)
                return at;
        return maps->n_maps > 0 ? maps->n_maps - 1 : 0;
}

static void stop_zooming(struct space *space)
{
        space->is_zoomed = false;
        free(space->pages);
        space->pages = NULL;
        space->n_pages = 0;
        space->pages_start = 0;
}

/* The map that the cursor is in now; if that part has gone, what is left of the zoomed one. NULL: nothing. */
static const struct smaps_map *find_zoomed(const struct space *space)
{
        const struct smaps *maps = &space->maps;
        size_t at = space_map_at(maps, space->cursor);

        if (at == maps->n_maps || maps->maps[at].start > space->cursor)
                at = space_map_at(maps, space->zoom_start);
        return at < maps->n_maps && maps->maps[at].start < space->zoom_end ? &maps->maps[at] : NULL;
}

static void follow_zoomed(struct space *space)
{
        const struct smaps_map *map = find_zoomed(space);

        if (!map) {
                stop_zooming(space);
                return;
        }
        space->selected = (size_t)(map - space->maps.maps);
        space->zoom_start = map->start;
        space->zoom_end = map->end;
        space->cursor = MIN_OF(MAX_OF(space->cursor, map->start), map->end - SPACE_PAGE_BYTES);
}

void space_set_maps(struct space *space, int32_t pid, struct smaps *maps, int error)
{
        struct smaps before = space->maps;
        struct change change = {.before = &before, .now = &space->maps};
        uint64_t selected = space->selected < before.n_maps ? before.maps[space->selected].start : 0;
        uint64_t first = space->first < before.n_maps ? before.maps[space->first].start : 0;

        space->maps = *maps;
        *maps = (struct smaps){.n_maps = 0};
        bring_into_order(&space->maps);
        sum_up(space);
        space->error = error;
        space->pages_refused = false;
        space->has_name = false;
        if (space->pid == pid && anything_has_gone(&change))
                heat_forget(space->heat, has_gone, &change);
        if (space->pid != pid || everything_is_new(&change)) {
                stop_zooming(space);
                space->shown.n_rows = 0;
                selected = first = 0;
        }
        space->pid = pid;
        space->selected = successor_of(&space->maps, selected);
        space->first = successor_of(&space->maps, first);
        if (space->is_zoomed)
                follow_zoomed(space);
        smaps_free(&before);
}

/* --- marks --- */

static int by_start(const void *a, const void *b)
{
        const struct space_mark *left = a, *right = b;

        return (left->start > right->start) - (left->start < right->start);
}

/* Like the maps: in order, none empty, none reaches into the next. Returns how many are left. */
static size_t order_marks(struct space_mark *marks, size_t n_marks)
{
        uint64_t end = 0;
        size_t n = 0;

        if (n_marks > 0)
                qsort(marks, n_marks, sizeof(*marks), by_start);
        for (size_t i = 0; i < n_marks; i++) {
                if (marks[i].end <= marks[i].start || marks[i].start < end)
                        continue;
                end = marks[i].end;
                marks[n++] = marks[i];
        }
        return n;
}

int space_set_marks(struct space *space, const struct space_mark *marks, size_t n_marks)
{
        size_t n = MIN_OF(n_marks, (size_t)SPACE_MARKS_MAX), n_bytes = 0;
        CLEANUP_FREE struct space_mark *copies = NULL;
        char *names, *at;

        for (size_t i = 0; i < n; i++)
                n_bytes += strlen(marks[i].name) + 1;
        copies = malloc(MAX_OF(n * sizeof(*copies), (size_t)1));
        names = malloc(MAX_OF(n_bytes, (size_t)1));
        if (!copies || !names) {
                free(names);
                return -ENOMEM;
        }
        at = names;
        for (size_t i = 0; i < n; i++) {
                copies[i] = (struct space_mark){.start = marks[i].start, .end = marks[i].end, .name = at};
                at = stpcpy(at, marks[i].name) + 1;
        }
        free(space->marks);
        free(space->mark_names);
        space->n_marks = order_marks(copies, n);
        space->marks = TAKE_PTR(copies);
        space->mark_names = names;
        return 0;
}

/* --- the name under the cursor --- */

uint64_t space_cell_address(const struct space *space)
{
        uint64_t page = (space->cursor - space->zoom_start) / SPACE_PAGE_BYTES;

        page = space->zoom_shift < 64 ? page >> space->zoom_shift << space->zoom_shift : 0;
        return space->zoom_start + page * SPACE_PAGE_BYTES;
}

bool space_wants_name(const struct space *space, uint64_t *ret_address)
{
        uint64_t address;

        if (!space->is_zoomed)
                return false;
        address = space_cell_address(space);
        if (space->has_name && space->named == address)
                return false;
        *ret_address = address;
        return true;
}

void space_set_name(struct space *space, uint64_t address, const char *name, size_t n_bytes)
{
        space->named = address;
        space->n_name = MIN_OF(n_bytes, sizeof(space->name));
        if (space->n_name > 0)
                memcpy(space->name, name, space->n_name);
        space->has_name = true;
}
