/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands beside the cells: addresses, sizes, and names of maps and sections, cut so that columns stay columns. */
#include "client/top/space.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/escape.h"
#include "client/figures.h"
#include "client/top/space_parts.h"

enum {
        PART_BYTES_MAX = 100,
        SECTION_CELLS_MIN = 5, /* with the blank before it */
        SECTIONS_NAMED_MAX = 8,
        SECTIONS_LOOKED_AT_MAX = 256, /* of a map: an image may claim to have 65 000 */
};

struct short_size short_size(uint64_t n_bytes)
{
        static const char units[] = "BKMGTPE";
        struct short_size size = {.n_bytes = 0};
        unsigned int unit = 0;
        uint64_t whole = n_bytes, tenths = 0;

        while (whole >= 1024) {
                tenths = whole % 1024 * 10 / 1024;
                whole /= 1024;
                unit++;
        }
        if (whole < 10 && tenths > 0)
                (void)snprintf(size.text, sizeof(size.text), "%u.%u%c", (unsigned int)whole, (unsigned int)tenths,
                               units[unit]);
        else
                (void)snprintf(size.text, sizeof(size.text), "%u%c", (unsigned int)whole, units[unit]);
        size.n_bytes = (uint32_t)strlen(size.text);
        return size;
}

const char *space_map_name(const struct smaps_map *map, size_t *ret_n_bytes)
{
        const char *name = map->path, *slash = name[0] == '/' ? strrchr(name, '/') : NULL;

        if (slash && slash[1] != '\0')
                name = slash + 1;
        if (name[0] == '\0')
                name = "anon";
        *ret_n_bytes = strlen(name);
        return name;
}

bool space_goes_on(const struct space *space, size_t map)
{
        const struct smaps_map *this = &space->maps.maps[map], *before = map > 0 ? this - 1 : NULL;

        return before && before->end == this->start && this->path[0] == '/' && strcmp(this->path, before->path) == 0;
}

bool space_has_gap(const struct space *space, size_t map)
{
        const struct smaps_map *this = &space->maps.maps[map];

        return this->start > (map > 0 ? this[-1].end : 0);
}

void space_put_address(struct pen *pen, const struct space *space, uint64_t address)
{
        char digits[TEXT_HEX_MAX_BYTES + 1];
        int n = snprintf(digits, sizeof(digits), "%" PRIx64, address);

        if (n > (int)space->n_digits)
                pen_put_fitted(pen, space->n_digits, digits, (size_t)n);
        else
                pen_put_right(pen, space->n_digits, digits, (size_t)n);
}

void space_put_part(struct pen *pen, const char *format, ...)
{
        char buffer[PART_BYTES_MAX + 1];
        uint32_t blanks = pen->x > 0 ? 2 : 0, room = pen->x < pen->end ? pen->end - pen->x : 0;
        va_list args;
        int n;

        va_start(args, format);
        n = vsnprintf(buffer, sizeof(buffer), format, args);
        va_end(args);
        if (n <= 0 || n > PART_BYTES_MAX || (uint32_t)n + blanks > room)
                return;
        pen_fill(pen, blanks, ' ');
        pen_put(pen, buffer, (size_t)n);
}

bool space_put_past(struct pen *pen, const struct space *space, uint64_t start, uint64_t end, uint64_t now_ns)
{
        struct heat_spot spot;
        const char *word;
        uint64_t age_ns;

        if (!heat_look(space->heat, start, end, &spot))
                return false;
        word = cause_text(spot.cause);
        age_ns = now_ns > spot.time_ns ? now_ns - spot.time_ns : 0;
        if (age_ns < NSEC_PER_SEC)
                space_put_part(pen, "%s just now", word ? word : "?");
        else
                space_put_part(pen, "%s %s ago", word ? word : "?",
                               figure_time(age_ns - age_ns % (NSEC_PER_SEC / 10)).text);
        space_put_part(pen, "%s fault%s seen", figure_count(spot.n).text, spot.n == 1 ? "" : "s");
        return true;
}

size_t space_first_mark(const struct space *space, uint64_t start)
{
        size_t from = 0, to = space->n_marks;

        while (from < to) {
                size_t middle = from + (to - from) / 2;

                if (space->marks[middle].end <= start)
                        from = middle + 1;
                else
                        to = middle;
        }
        return from;
}

const struct space_mark *space_mark_at(const struct space *space, uint64_t address)
{
        size_t at = space_first_mark(space, address);

        return at < space->n_marks && space->marks[at].start <= address && address < space->marks[at].end
                       ? &space->marks[at]
                       : NULL;
}

/* The largest sections within [start, end), the largest first; returns how many. */
static size_t largest_marks(const struct space *space, uint64_t start, uint64_t end,
                            const struct space_mark *ret[static SECTIONS_NAMED_MAX])
{
        size_t n = 0, first = space_first_mark(space, start);
        size_t last = MIN_OF(space->n_marks, first + SECTIONS_LOOKED_AT_MAX);

        for (size_t i = first; i < last && space->marks[i].start < end; i++) {
                const struct space_mark *mark = &space->marks[i];
                size_t at = n;

                while (at > 0 && ret[at - 1]->end - ret[at - 1]->start < mark->end - mark->start)
                        at--;
                if (at == SECTIONS_NAMED_MAX)
                        continue;
                n = MIN_OF(n + 1, (size_t)SECTIONS_NAMED_MAX);
                memmove(&ret[at + 1], &ret[at], (n - at - 1) * sizeof(ret[0]));
                ret[at] = mark;
        }
        return n;
}

void space_put_sections(struct pen *pen, const struct space *space, uint64_t start, uint64_t end, bool at_least_one)
{
        const struct space_mark *marks[SECTIONS_NAMED_MAX];
        size_t n = largest_marks(space, start, end, marks);

        for (size_t i = 0; i < n; i++) {
                CLEANUP_TEXT struct text name = {0};
                uint32_t n_cells = escape_terminal(&name, marks[i]->name, strlen(marks[i]->name));

                uint32_t room = pen->x < pen->end ? pen->end - pen->x : 0;

                if (n_cells + 1 > room && (i > 0 || !at_least_one || room < SECTION_CELLS_MIN))
                        return;
                pen_put(pen, " ", 1);
                pen_put_fitted(pen, MIN_OF(n_cells, room - 1), name.data, name.n_bytes);
        }
}
