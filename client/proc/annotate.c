/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rows are made in one walk from address 0 upwards. Between two maps is a gap; where it reaches over the end of user
 * space it is three, because the addresses in the middle are none. Sections are first gathered in one array, which
 * moves while it grows, so that rows remember their number and get their pointers at the end.
 *
 * Which sections a map shows is decided by link-time addresses, and only where the map shows the bytes that the
 * segment has there (load_shows()): a file that was mapped whole to be read shows some of its sections where their
 * link-time addresses say, and others elsewhere; the latter are left out.
 */
#include "client/proc/annotate.h"

#include <errno.h>
#include <string.h>

#include "client/proc/load_bias.h"

#define HUGE_BYTES (UINT64_C(1) << 21)
#define ARENA_BYTES (UINT64_C(64) << 20) /* malloc's further arenas begin at multiples of it (glibc, arena.c) */

struct builder {
        const struct annotate_input *input;
        struct annotation out;
        size_t n_sections, size_sections, size_rows;
        size_t next_thread, next_guard; /* of the input: not below the row that is being made */
};

const char *map_role_text(enum map_role role)
{
        static const char *const words[N_MAP_ROLES] = {
                [MAP_CONTINUES] = "image-bss", [MAP_THREAD_STACK] = "thread-stack", [MAP_GUARD] = "guard",
                [MAP_RESERVED] = "reserved",   [MAP_IMAGE_HOLE] = "image-hole",
        };

        return words[role];
}

const char *gap_name_text(enum gap_name name)
{
        switch (name) {
        case GAP_NULL:
                return "null-pointers";
        case GAP_ABOVE_HEAP:
                return "above-heap";
        case GAP_BELOW_STACK:
                return "below-stack";
        case GAP_TOP:
                return "top";
        case GAP_NON_CANONICAL:
                return "non-canonical";
        case GAP_KERNEL:
                return "kernel";
        }
        return NULL;
}

/* --- growing --- */

static struct annotated_row *add_row(struct builder *b)
{
        if (b->out.n_rows == b->size_rows) {
                size_t n = b->size_rows ? b->size_rows * 2 : 64;
                struct annotated_row *rows = reallocarray(b->out.rows, n, sizeof(*rows));

                if (!rows)
                        return NULL;
                b->out.rows = rows;
                b->size_rows = n;
        }
        b->out.rows[b->out.n_rows] = (struct annotated_row){0};
        return &b->out.rows[b->out.n_rows++];
}

static int add_section(struct builder *b, const struct annotated_section *section)
{
        if (b->n_sections == b->size_sections) {
                size_t n = b->size_sections ? b->size_sections * 2 : 64;
                struct annotated_section *sections = reallocarray(b->out.all_sections, n, sizeof(*sections));

                if (!sections)
                        return -ENOMEM;
                b->out.all_sections = sections;
                b->size_sections = n;
        }
        b->out.all_sections[b->n_sections++] = *section;
        return 0;
}

/* --- sections --- */

static uint64_t page_floor(uint64_t value)
{
        return value & ~(IMAGE_PAGE_BYTES - 1);
}

/* The sections of the link-time addresses [begin, end), which lie at these plus bias. */
static int put_sections(struct builder *b, const struct annotate_image *image, uint64_t begin, uint64_t end)
{
        struct image_section found;

        for (uint64_t at = begin; at < end;) {
                uint64_t section_end;
                int r;

                if (!image_section(image->image, at, &found)) {
                        at = image_until(image->image, at);
                        continue;
                }
                section_end = found.vaddr + found.size_bytes;
                r = add_section(b, &(struct annotated_section){.name = found.name,
                                                               .start = MAX_OF(found.vaddr, begin) + image->bias,
                                                               .end = MIN_OF(section_end, end) + image->bias,
                                                               .begins_before =
                                                                       found.vaddr<begin, .goes_on = section_end> end});
                if (r < 0)
                        return r;
                at = MAX_OF(section_end, at + 1);
        }
        return 0;
}

static int annotate_sections(struct builder *b, const struct smaps_map *map, struct annotated_row *row)
{
        const struct annotate_image *image = &b->input->images[map - b->input->smaps->maps];
        uint64_t at = map->start - image->bias, end = map->end - image->bias;
        size_t n_before = b->n_sections;

        for (size_t i = 0; image->image && i < image_count_segments(image->image); i++) {
                const struct image_segment *segment = image_segment_at(image->image, i);
                uint64_t segment_end = segment->vaddr + segment->memory_bytes, last = MIN_OF(segment_end, end);
                int r;

                if (!load_shows(map, segment, image->bias))
                        continue;
                at = MAX_OF(at, page_floor(segment->vaddr));
                r = put_sections(b, image, at, last);
                if (r < 0)
                        return r;
                at = MAX_OF(at, last);
        }
        row->n_sections = b->n_sections - n_before;
        return 0;
}

/* --- what lies in a map --- */

static int compare_threads(const void *a, const void *b)
{
        const struct annotate_thread *x = a, *y = b;

        if (x->stack_pointer != y->stack_pointer)
                return x->stack_pointer < y->stack_pointer ? -1 : 1;
        return (x->tid > y->tid) - (x->tid < y->tid);
}

static void annotate_threads(struct builder *b, struct annotated_row *row)
{
        const struct annotate_input *input = b->input;
        size_t first;

        if (input->n_threads == 0)
                return; /* there is no array then */
        while (b->next_thread < input->n_threads && input->threads[b->next_thread].stack_pointer < row->start)
                b->next_thread++;
        first = b->next_thread;
        while (b->next_thread < input->n_threads && input->threads[b->next_thread].stack_pointer < row->end)
                b->next_thread++;
        row->threads = input->threads + first;
        row->n_threads = b->next_thread - first;
}

static void annotate_guards(struct builder *b, struct annotated_row *row)
{
        const struct annotate_input *input = b->input;
        size_t first;

        if (input->n_guards == 0)
                return; /* there is no array then */
        while (b->next_guard < input->n_guards && input->guards[b->next_guard].start < row->start)
                b->next_guard++;
        first = b->next_guard;
        while (b->next_guard < input->n_guards && input->guards[b->next_guard].start < row->end) {
                const struct guard_range *guard = &input->guards[b->next_guard++];

                b->out.totals.guard_bytes += guard->end - guard->start;
        }
        row->guards = input->guards + first;
        row->n_guards = b->next_guard - first;
        b->out.totals.n_guards += row->n_guards;
}

/* --- what a map is --- */

/* map may be NULL. */
static bool is_called(const struct smaps_map *map, const char *name)
{
        return map && strcmp(map->path, name) == 0;
}

static bool has_no_permission(const struct smaps_map *map)
{
        return strncmp(map->perms, "---", 3) == 0;
}

static bool is_writable_anonymous(const struct smaps_map *map)
{
        return map->perms[1] == 'w' && smaps_is_anonymous(map);
}

/* What lies below a further arena of malloc is what another one keeps free, or nothing of its business. */
static bool is_arena(const struct smaps_map *map)
{
        return map->start % ARENA_BYTES == 0;
}

static const struct smaps_map *guarded_by(const struct builder *b, const struct smaps_map *map)
{
        const struct smaps *smaps = b->input->smaps;
        bool is_last = map + 1 == smaps->maps + smaps->n_maps;

        if (is_last || map[1].start != map->end || !is_writable_anonymous(&map[1]) || is_arena(&map[1]))
                return NULL;
        return &map[1];
}

/* What the loader took from the file to have the addresses, and gave to no segment. */
static bool is_behind_image(const struct builder *b, const struct smaps_map *map)
{
        size_t index = (size_t)(map - b->input->smaps->maps);

        return index > 0 && map->inode != 0 && load_same_file(map, map - 1) && b->input->images[index - 1].image;
}

static void annotate_role(struct builder *b, const struct smaps_map *map, struct annotated_row *row)
{
        const struct smaps *smaps = b->input->smaps;
        bool is_anonymous = smaps_is_anonymous(map);

        if (has_no_permission(map) && is_anonymous) {
                row->other = guarded_by(b, map);
                row->role = row->other ? MAP_GUARD : MAP_RESERVED;
        } else if (has_no_permission(map) && is_behind_image(b, map)) {
                row->role = MAP_IMAGE_HOLE;
        } else if (is_anonymous && row->n_threads > 0 && !is_called(map, "[heap]") && !is_called(map, "[stack]")) {
                row->role = MAP_THREAD_STACK;
        } else if (is_anonymous && row->n_sections > 0) {
                row->role = MAP_CONTINUES;
                row->other = load_file_map(smaps, map);
        }
        if (row->role != MAP_GUARD)
                return;
        b->out.totals.n_guards++;
        b->out.totals.guard_bytes += map->end - map->start;
}

static void add_to_totals(struct annotated_totals *totals, const struct smaps_map *map)
{
        totals->known = totals->n_maps > 0 ? totals->known & map->known : map->known;
        totals->n_maps++;
        totals->mapped_bytes += map->end - map->start;
        for (unsigned int i = 0; i < N_SMAPS_AMOUNTS; i++)
                totals->amounts[i] += map->amounts[i];
        totals->n_deposited += map->amounts[SMAPS_ANON_HUGE] / HUGE_BYTES;
}

static int add_map_row(struct builder *b, const struct smaps_map *map)
{
        struct annotated_row *row = add_row(b);
        int r;

        if (!row)
                return -ENOMEM;
        row->map = map;
        row->start = map->start;
        row->end = map->end;
        add_to_totals(&b->out.totals, map);
        r = annotate_sections(b, map, row);
        if (r < 0)
                return r;
        annotate_threads(b, row);
        annotate_guards(b, row);
        annotate_role(b, map, row);
        return 0;
}

/* --- what lies between maps --- */

static int add_gap(struct builder *b, uint64_t start, uint64_t end, unsigned int names)
{
        struct annotated_row *row;

        if (start >= end)
                return 0;
        row = add_row(b);
        if (!row)
                return -ENOMEM;
        row->start = start;
        row->end = end;
        row->gap = names;
        b->out.totals.n_gaps++;
        return 0;
}

/* before, behind: the maps on either side; NULL: none. */
static int add_gaps(struct builder *b, const struct smaps_map *before, const struct smaps_map *behind)
{
        uint64_t user_end = pagetable_user_end(b->input->n_levels), kernel_start = -user_end;
        uint64_t start = before ? before->end : 0, end = behind ? behind->start : kernel_start;
        unsigned int names = before ? 0 : GAP_NULL;
        int r;

        if (is_called(before, "[heap]"))
                names |= GAP_ABOVE_HEAP;
        if (is_called(behind, "[stack]"))
                names |= GAP_BELOW_STACK;
        if (end > user_end)
                names |= GAP_TOP;
        r = add_gap(b, start, MIN_OF(end, user_end), names);
        if (r == 0)
                r = add_gap(b, MAX_OF(start, user_end), MIN_OF(end, kernel_start), GAP_NON_CANONICAL);
        if (r == 0)
                r = add_gap(b, MAX_OF(start, kernel_start), end, GAP_KERNEL);
        return r;
}

/* --- all together --- */

static int add_rows(struct builder *b)
{
        const struct smaps *smaps = b->input->smaps;
        const struct smaps_map *before = NULL;

        for (size_t i = 0; i < smaps->n_maps; i++) {
                const struct smaps_map *map = &smaps->maps[i];
                int r = add_gaps(b, before, map);

                if (r == 0)
                        r = add_map_row(b, map);
                if (r < 0)
                        return r;
                before = map;
        }
        return add_gaps(b, before, NULL);
}

static void point_to_sections(struct annotation *annotation)
{
        size_t next = 0;

        for (size_t i = 0; i < annotation->n_rows; i++) {
                struct annotated_row *row = &annotation->rows[i];

                if (row->n_sections > 0)
                        row->sections = annotation->all_sections + next;
                next += row->n_sections;
        }
}

void annotation_free(struct annotation *annotation)
{
        free(annotation->rows);
        free(annotation->all_sections);
        *annotation = (struct annotation){0};
}

int annotate(const struct annotate_input *input, struct annotation *ret)
{
        struct builder b = {.input = input};
        int r;

        if (input->n_threads > 0)
                qsort(input->threads, input->n_threads, sizeof(*input->threads), compare_threads);
        r = add_rows(&b);
        if (r < 0) {
                annotation_free(&b.out);
                return r;
        }
        point_to_sections(&b.out);
        *ret = b.out;
        return 0;
}
