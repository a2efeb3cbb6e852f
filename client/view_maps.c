/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A block of lines for each map: what /proc/PID/maps says, then what is inside. Numbers stand in columns, so that the
 * eye finds them; what is zero is not said. In a terminal names are shortened in their middle and lists are wrapped,
 * a wide one shows sections side by side. In a pipe every section and every list is one whole line, for grep(1).
 */
#include "client/view_maps.h"

#include <inttypes.h>
#include <stdio.h>

#include "client/color.h"
#include "client/escape.h"
#include "client/view_maps_parts.h"

enum {
        SIZE_END = 39, /* of 29 cells of range, "0x7ffd7e24e000-0x7ffd7e26f000", and 9 of size */
        PERMS_START = 40,
        OFFSET_END = 53,
        NAME_START = 54,
        INDENT = 4,
        /* a section, from its own beginning: */
        SECTION_RANGE_START = 20,
        SECTION_SIZE_END = 60,
        SECTION_MARK_START = 61,
        SECTION_CELLS = 74, /* and the distance to the next one beside it */
};

/* --- a map --- */

static const char *range_color(const struct annotated_row *row)
{
        if (row->role == MAP_GUARD)
                return COLOR_RED;
        return row->map->perms[2] == 'x' ? COLOR_GREEN : row->map->perms[1] == 'w' ? COLOR_YELLOW : COLOR_NONE;
}

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static void put_threads(struct text *out, const struct annotated_row *row)
{
        text_put_string(out, row->n_threads > 1 ? "threads " : "thread ");
        for (size_t i = 0; i < row->n_threads; i++) {
                text_put_string(out, i > 0 ? "," : "");
                text_put_i64(out, row->threads[i].tid);
        }
}

/* Returns by how many bytes it is longer than it is wide. */
static size_t put_escaped(struct text *out, const char *name)
{
        size_t n_before = out->n_bytes;
        uint32_t n_cells = escape_terminal(out, name, strlen(name));

        return out->n_bytes - n_before - MIN_OF(n_cells, out->n_bytes - n_before);
}

/* What the map is, behind its name. above: the row above it; NULL: none. Returns how many cells that takes. */
static uint32_t put_role(struct text *out, const struct annotated_row *row, const struct annotated_row *above)
{
        size_t n_before = out->n_bytes, n_wide = 0; /* bytes that are more than their cells */

        switch (row->role) {
        case MAP_CONTINUES:
                text_put_string(out, ": .bss of ");
                n_wide = put_escaped(out, base_name(row->other->path));
                break;
        case MAP_THREAD_STACK:
                text_put_string(out, ": stack of ");
                put_threads(out, row);
                break;
        case MAP_GUARD:
                text_put_string(out, ": guard of ");
                if (above && above->map == row->other && above->role == MAP_THREAD_STACK)
                        put_threads(out, above);
                else
                        text_put_string(out, "map above");
                break;
        case MAP_RESERVED:
                text_put_string(out, ": reserved, no access");
                break;
        case MAP_IMAGE_HOLE:
                text_put_string(out, ": between segments");
                break;
        case MAP_PLAIN:
        case N_MAP_ROLES:
                break;
        }
        return (uint32_t)(out->n_bytes - n_before - n_wide);
}

/* In a terminal the name gives way first, down to this. */
#define NAME_CELLS_MIN 8

static void put_map_name(struct maps_view *v, struct row *line, const struct annotated_row *row,
                         const struct annotated_row *above)
{
        const char *name = row->map->path[0] ? row->map->path : "anon";
        CLEANUP_TEXT struct text role = {.ascii = v->out->ascii};
        uint32_t room = line->limit - line->used, n_role;

        if (row->map->is_deleted)
                text_put_string(&role, " (deleted)");
        n_role = (uint32_t)role.n_bytes;
        n_role += put_role(&role, row, above);
        v->scratch.failed |= role.failed;
        row_put_name(v, line, name, strlen(name), MAX_OF(room - MIN_OF(n_role, room), MIN_OF(room, NAME_CELLS_MIN)));
        if (role.n_bytes > 0)
                row_put_shortened(line, role.data, role.n_bytes, n_role, line->limit - line->used);
}

static void put_map_line(struct maps_view *v, const struct annotated_row *row, const struct annotated_row *above)
{
        struct row line = begin_row(v);
        char offset[TEXT_HEX_MAX_BYTES], *begin = text_format_hex(offset + sizeof(offset), row->map->offset);

        begin_color(v, range_color(row));
        row_put_range(&line, row->start, row->end);
        end_color(v, range_color(row));
        row_put_size(&line, SIZE_END, row->end - row->start);
        row_tab(&line, PERMS_START);
        row_put_string(&line, row->map->perms);
        row_put_right(&line, OFFSET_END, begin, (size_t)(offset + sizeof(offset) - begin));
        row_tab(&line, NAME_START);
        put_map_name(v, &line, row, above);
        end_row(&line);
}

static void put_section(struct maps_view *v, struct row *line, uint32_t at, const char *name, uint64_t start,
                        uint64_t end, const char *mark)
{
        uint32_t room = v->options->n_columns ? SECTION_RANGE_START - 1 : ROW_ENDLESS;

        row_tab(line, at);
        row_put_name(v, line, name, strlen(name), room);
        row_tab(line, at + SECTION_RANGE_START);
        row_put_range(line, start, end);
        row_put_size(line, at + SECTION_SIZE_END, end - start);
        if (!*mark)
                return;
        row_tab(line, at + SECTION_MARK_START);
        row_put_string(line, mark);
}

static const char *section_mark(const struct annotated_section *section)
{
        static const char *const marks[2][2] = {{"", "(goes on)"}, {"(continued)", "(a part)"}};

        return marks[section->begins_before][section->goes_on];
}

static void put_sections(struct maps_view *v, const struct annotated_row *row)
{
        uint32_t width = v->options->n_columns;
        size_t n_beside = width > INDENT + SECTION_CELLS ? (width - INDENT) / SECTION_CELLS : 1;

        for (size_t i = 0; i < row->n_sections; i += n_beside) {
                struct row line = begin_row(v);

                for (size_t j = i; j < MIN_OF(i + n_beside, row->n_sections); j++) {
                        const struct annotated_section *section = &row->sections[j];

                        put_section(v, &line, INDENT + (uint32_t)(j - i) * SECTION_CELLS, section->name, section->start,
                                    section->end, section_mark(section));
                }
                end_row(&line);
        }
}

static void put_guards(struct maps_view *v, const struct annotated_row *row)
{
        bool knows = v->report->pages && v->report->pages->knows_guards;

        for (size_t i = 0; i < row->n_guards; i++) {
                struct row line = begin_row(v);

                begin_color(v, COLOR_RED);
                put_section(v, &line, INDENT, "guard region", row->guards[i].start, row->guards[i].end, "");
                end_color(v, COLOR_RED);
                end_row(&line);
        }
        if (!knows && smaps_has_flag(row->map, "gu")) {
                struct row line = begin_row(v);

                row_tab(&line, INDENT);
                row_put_string(&line, "has guard regions (VmFlags gu); where is not told");
                end_row(&line);
        }
}

static void put_indices(struct text *out, uint64_t address, unsigned int n_levels)
{
        struct pagetable_level levels[N_LEVELS_MAX];

        n_levels = pagetable_indices(address, n_levels, levels);
        for (unsigned int i = 0; i < n_levels; i++)
                text_printf(out, "%s%s %u", i > 0 ? " " : "", levels[i].name, levels[i].index);
}

/* "PGD 0 PUD 0 PMD 2 PTE 1: resident 4 KiB, ..." */
static void put_parts(struct maps_view *v, const struct annotated_row *row)
{
        const struct smaps_map *map = row->map;
        size_t n_before = v->out->n_bytes;
        struct flow flow = {.view = v, .separator = ": ", .indent = INDENT};

        text_fill(v->out, ' ', INDENT);
        put_indices(v->out, row->start, v->report->n_levels);
        flow.used = (uint32_t)(v->out->n_bytes - n_before);
        flow_put_size(&flow, "resident", map->amounts[SMAPS_RSS]);
        flow_put_amounts(&flow, map->amounts);
        if (map->amounts[SMAPS_KERNEL_PAGE] > UINT64_C(1) << PAGE_SHIFT_4K)
                flow_put_size(&flow, "pages of", map->amounts[SMAPS_KERNEL_PAGE]);
        flow_end(&flow);
}

/* --- a gap --- */

static void put_gap_names(struct maps_view *v, struct text *out, unsigned int names)
{
        static const char *const words[N_GAP_NAMES] = {
                "from null on",
                "between the heap and the mmap area",
                "stack guard gap and growth",
                "up to the end of user space",
                "the non-canonical hole",
                "the kernel's half",
        };
        bool first = true;

        for (unsigned int i = 0; i < N_GAP_NAMES; i++) {
                if (!(names >> i & 1))
                        continue;
                text_put_string(out, first ? "" : "; ");
                text_put_string(out, words[i]);
                if (1U << i == GAP_NULL && v->report->knows_min_addr)
                        text_printf(out, ", mmap_min_addr %#" PRIx64, v->report->min_addr);
                first = false;
        }
}

static void put_gap(struct maps_view *v, const struct annotated_row *row)
{
        struct row line = begin_row(v);

        begin_color(v, COLOR_CYAN);
        row_put_string(&line, "-- gap");
        row_put_size(&line, SIZE_END, row->end - row->start);
        v->scratch.n_bytes = 0;
        put_gap_names(v, &v->scratch, row->gap);
        if (v->scratch.n_bytes > 0) {
                row_tab(&line, PERMS_START);
                row_put_ascii(&line, v->scratch.data, v->scratch.n_bytes);
        }
        end_color(v, COLOR_CYAN);
        end_row(&line);
}

static void put_title(struct maps_view *v)
{
        struct row line = begin_row(v);
        char rest[64];

        row_put_name(v, &line, v->report->comm, v->report->n_comm_bytes, ROW_ENDLESS);
        (void)snprintf(rest, sizeof(rest), " (%" PRId32 "), %u levels of page tables", v->report->pid,
                       v->report->n_levels);
        row_put_string(&line, rest);
        end_row(&line);
}

void view_maps_put_text(struct text *out, const struct maps_report *report, const struct view_maps_options *options)
{
        struct maps_view v = {.out = out, .report = report, .options = options, .scratch.ascii = out->ascii};
        const struct annotation *annotation = report->annotation;

        put_title(&v);
        for (size_t i = 0; i < annotation->n_rows; i++) {
                const struct annotated_row *row = &annotation->rows[i];

                if (!row->map) {
                        put_gap(&v, row);
                        continue;
                }
                put_map_line(&v, row, i + 1 < annotation->n_rows ? row + 1 : NULL);
                put_sections(&v, row);
                put_guards(&v, row);
                put_parts(&v, row);
        }
        maps_put_totals(&v);
        out->failed |= v.scratch.failed;
        text_free(&v.scratch);
}
