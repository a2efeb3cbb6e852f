/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdw behind a narrow, bounded interface.
 *
 * Two indexes lead to an address: of the ranges of all units, made when the file is opened, and of the functions of a
 * unit, made when one of its addresses is first asked for. .debug_aranges is not used for the first: clang writes none,
 * and a program linked from objects of both kinds has it for some of its units only. From the function the inlined ones
 * are found by walking down, always into the one child that holds the address; where each was called stands in its
 * entry, and where the innermost is says the line table.
 *
 * libdw is robust about damaged bytes and generous with time and memory: it recurses to whatever depth entries nest
 * (dwarf_getscopes), reads a table again for each who asks, keeps all it ever read, and ends the process when memory is
 * out. So the walks are our own, over dwarf_child() and dwarf_siblingof(), forward only; what a table will cost is
 * known before libdw reads it (dwarf_cost.h); and every step is paid for from an allowance of bytes: one for indexes,
 * of the whole file, and one for each address. Where it is spent, what was found so far is the answer.
 *
 * Files that this one refers to are never opened: the thread that runs this may open nothing.
 */
#include "daemon/engine/model/lines.h"

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <errno.h>
#include <string.h>

#include "daemon/engine/model/dwarf_cost.h"
#include "daemon/engine/model/spans.h"
#include "elf/binary.h"

#define SECTIONS_MAX 64 /* of DWARF; there are some twenty names */
#define UNITS_MAX ((size_t)1 << 18)
#define UNIT_MAX_BYTES (UINT64_C(64) << 20)
#define SPANS_MAX ((size_t)4 << 20) /* of the units; functions of all units as many again */
#define ROWS_MAX ((size_t)8 << 20)  /* of all line tables read; libdw keeps some 40 bytes of each */
#define PATH_BYTES_MAX ((size_t)128 << 20)
#define ROW_BYTES 48
#define INDEX_STEPS (UINT64_C(8) << 30)
#define UNIT_STEPS (UINT64_C(512) << 20)
#define FIND_STEPS (UINT64_C(16) << 20)
#define RANGE_STEPS 16
#define DEPTH_MAX 64   /* of entries that hold functions */
#define SCOPES_MAX 256 /* of blocks and inlined functions around an address */

struct unit {
        Dwarf_Die die;
        uint64_t n_bytes;
        unsigned int steps_per_byte;
        uint8_t address_bytes;
        bool is_indexed;
        bool lines_asked, has_lines;
        struct spans functions;
};

struct lines {
        int fd;
        struct binary *binary;
        Dwarf *dwarf;
        uint64_t n_file_bytes;                     /* of DWARF */
        struct dwarf_bytes sections[SECTIONS_MAX]; /* all of DWARF */
        size_t n_sections;
        struct dwarf_bytes abbrev, line, line_strings;
        struct unit *units;
        size_t n_units, n_units_alloc;
        struct spans spans;
        size_t n_functions;
        size_t n_rows, n_path_bytes; /* of the line tables read so far */
        uint64_t index_left;         /* steps */
        bool is_full;
};

/* A way through the entries of a unit, forward only. */
struct walk {
        const struct unit *unit;
        uint64_t *left; /* steps */
        Dwarf_Off last; /* offset of the last entry seen */
};

static bool spend(uint64_t *left, uint64_t steps)
{
        if (*left < steps) {
                *left = 0;
                return false;
        }
        *left -= steps;
        return true;
}

/* ---- entries ---- */

struct range_walk {
        Dwarf_Die *die;
        ptrdiff_t offset; /* as dwarf_ranges() keeps it */
        Dwarf_Addr base, start, end;
        uint64_t *left;
};

/* The next range of addresses of an entry, which is not empty. */
static bool next_range(struct range_walk *walk)
{
        do {
                if (!spend(walk->left, RANGE_STEPS))
                        return false;
                walk->offset = dwarf_ranges(walk->die, walk->offset, &walk->base, &walk->start, &walk->end);
        } while (walk->offset > 0 && walk->start >= walk->end);
        return walk->offset > 0;
}

static bool holds(Dwarf_Die *die, uint64_t addr, uint64_t *left)
{
        struct range_walk walk = {.die = die, .left = left};

        while (next_range(&walk))
                if (addr >= walk.start && addr < walk.end)
                        return true;
        return false;
}

static int add_ranges(struct spans *spans, Dwarf_Die *die, uint64_t what, uint64_t *left)
{
        struct range_walk walk = {.die = die, .left = left};
        int r = 0;

        while (r == 0 && next_range(&walk))
                r = spans_add(spans, &(struct span){.start = walk.start, .end = walk.end, .what = what});
        return r;
}

/* Whether an entry may be looked at: each comes once, however its bytes refer to each other. */
static bool moves_on(struct walk *walk, Dwarf_Die *die)
{
        Dwarf_Off offset = dwarf_dieoffset(die);

        if (offset <= walk->last || !spend(walk->left, walk->unit->steps_per_byte))
                return false;
        walk->last = offset;
        return true;
}

static bool first_child(struct walk *walk, Dwarf_Die *die, Dwarf_Die *ret)
{
        return dwarf_child(die, ret) == 0 && moves_on(walk, ret);
}

/*
 * Replaces an entry by its next sibling. An entry with children and without DW_AT_sibling is passed by reading all that
 * is below it: libdw shows in the result how far that was, also where there is no sibling.
 */
static bool next_sibling(struct walk *walk, Dwarf_Die *die)
{
        Dwarf_Die next = {0};
        int r = dwarf_siblingof(die, &next);
        uint64_t n_bytes = next.addr ? (uint64_t)((uint8_t *)next.addr - (uint8_t *)die->addr) : walk->unit->n_bytes;

        if (!spend(walk->left, MIN_OF(n_bytes, walk->unit->n_bytes) * walk->unit->steps_per_byte) || r != 0)
                return false;
        *die = next;
        return moves_on(walk, die);
}

/* libdw hands out some strings as they stand in the file, without looking for their end. */
static bool has_end(const struct lines *lines, const char *string)
{
        for (size_t i = 0; i < lines->n_sections; i++) {
                const struct dwarf_bytes *section = &lines->sections[i];
                uintptr_t offset = (uintptr_t)string - (uintptr_t)section->bytes;

                if (offset < section->n)
                        return memchr(string, '\0', section->n - offset);
        }
        return true; /* made by libdw */
}

static const char *string_of(const struct lines *lines, Dwarf_Die *die, unsigned int name)
{
        Dwarf_Attribute attribute;
        const char *string = dwarf_formstring(dwarf_attr_integrate(die, name, &attribute));

        return string && has_end(lines, string) && *string ? string : NULL;
}

static const char *function_name(const struct lines *lines, Dwarf_Die *die)
{
        const char *name = string_of(lines, die, DW_AT_linkage_name);

        if (!name)
                name = string_of(lines, die, DW_AT_MIPS_linkage_name);
        return name ? name : string_of(lines, die, DW_AT_name);
}

/* 0 = there is none. */
static uint64_t number_of(Dwarf_Die *die, unsigned int name)
{
        Dwarf_Attribute attribute;
        Dwarf_Word value;

        return dwarf_formudata(dwarf_attr(die, name, &attribute), &value) == 0 ? value : 0;
}

/* ---- opening ---- */

static bool is_named(const char *name, const char *wanted)
{
        return (strncmp(name, ".debug_", 7) == 0 && strcmp(name + 7, wanted) == 0) ||
               (strncmp(name, ".zdebug_", 8) == 0 && strcmp(name + 8, wanted) == 0);
}

static void keep_section(struct lines *lines, const char *name, const struct dwarf_bytes *bytes)
{
        lines->sections[lines->n_sections++] = *bytes;
        /* Of several with one name libdw reads the first. */
        if (!lines->abbrev.n && is_named(name, "abbrev"))
                lines->abbrev = *bytes;
        else if (!lines->line.n && is_named(name, "line"))
                lines->line = *bytes;
        else if (!lines->line_strings.n && is_named(name, "line_str"))
                lines->line_strings = *bytes;
}

/* What libdw has read, and decompressed. */
static int find_sections(struct lines *lines)
{
        Elf *elf = dwarf_getelf(lines->dwarf);
        Elf_Scn *section = NULL;

        while ((section = elf_nextscn(elf, section))) {
                const Elf_Data *data;
                const char *name;
                GElf_Shdr header;

                if (!gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS ||
                    !(name = elf_strptr(elf, binary_names_section(lines->binary), header.sh_name)) ||
                    !strstr(name, "debug") || !(data = elf_getdata(section, NULL)) || !data->d_buf || !data->d_size)
                        continue;
                if (lines->n_sections == SECTIONS_MAX)
                        return -EBADMSG;
                keep_section(lines, name, &(struct dwarf_bytes){.bytes = data->d_buf, .n = data->d_size});
        }
        return 0;
}

static int add_unit(struct lines *lines, const struct unit *unit)
{
        if (lines->n_units == UNITS_MAX)
                return -E2BIG;
        if (lines->n_units == lines->n_units_alloc) {
                size_t n_alloc = MAX_OF(lines->n_units_alloc * 2, (size_t)16);
                struct unit *units = reallocarray(lines->units, n_alloc, sizeof(*units));

                if (!units)
                        return -ENOMEM;
                lines->units = units;
                lines->n_units_alloc = n_alloc;
        }
        lines->units[lines->n_units++] = *unit;
        return 0;
}

/* A unit that holds code, as its own entry says. Its ranges become spans. */
static int read_unit(struct lines *lines, Dwarf_Off offset, struct unit *unit)
{
        int tag, r;

        if (!dwarf_offdie(lines->dwarf, offset, &unit->die))
                return 0;
        tag = dwarf_tag(&unit->die);
        if (tag != DW_TAG_compile_unit && tag != DW_TAG_skeleton_unit)
                return 0;
        r = add_ranges(&lines->spans, &unit->die, lines->n_units, &lines->index_left);
        if (r == 0 && lines->spans.n > SPANS_MAX)
                r = -E2BIG;
        return r < 0 ? r : add_unit(lines, unit);
}

static int read_units(struct lines *lines)
{
        struct dwarf_abbrev_cost cost = {0};
        Dwarf_Off offset = 0, next, abbrev_offset, abbrev_before = UINT64_MAX;
        size_t n_header;
        uint8_t address_bytes;
        int r = lines->abbrev.n ? 0 : -EBADMSG;

        while (r == 0 && dwarf_next_unit(lines->dwarf, offset, &next, &n_header, NULL, &abbrev_offset, &address_bytes,
                                         NULL, NULL, NULL) == 0) {
                struct unit unit = {.n_bytes = next - offset, .address_bytes = address_bytes};
                int bad = 0;

                /* Linkers that optimize make one table for all units. */
                if (abbrev_offset != abbrev_before)
                        bad = dwarf_abbrev_cost(&lines->abbrev, abbrev_offset, &cost);
                abbrev_before = bad ? UINT64_MAX : abbrev_offset;
                unit.steps_per_byte = cost.steps_per_byte;
                if (!spend(&lines->index_left, cost.n_bytes + RANGE_STEPS))
                        break;
                if (!bad && unit.n_bytes <= UNIT_MAX_BYTES)
                        r = read_unit(lines, offset + n_header, &unit);
                offset = next;
        }
        spans_sort(&lines->spans);
        return r;
}

static int open_dwarf(struct lines *lines)
{
        unsigned int type;
        int r = binary_open(lines->fd, &lines->binary);

        if (r < 0)
                return r == -ENOEXEC ? -EBADMSG : r;
        type = binary_type(lines->binary);
        if (type != ET_EXEC && type != ET_DYN) /* object files would need relocation */
                return -EBADMSG;
        r = dwarf_file_cost(lines->binary, LINES_MAX_FILE_BYTES, &lines->n_file_bytes);
        if (r < 0)
                return r;
        lines->dwarf = dwarf_begin_elf(binary_elf(lines->binary), DWARF_C_READ, NULL);
        if (!lines->dwarf)
                return -EBADMSG;
        r = find_sections(lines);
        return r < 0 ? r : read_units(lines);
}

int lines_open(int fd, struct lines **ret)
{
        struct lines *lines = calloc(1, sizeof(*lines));
        int r;

        if (!lines) {
                (void)close(fd);
                return -ENOMEM;
        }
        lines->fd = fd;
        lines->index_left = INDEX_STEPS;
        r = open_dwarf(lines);
        if (r < 0) {
                (void)lines_close(lines);
                return r;
        }
        *ret = lines;
        return 0;
}

struct lines *lines_close(struct lines *lines)
{
        if (!lines)
                return NULL;
        for (size_t i = 0; i < lines->n_units; i++)
                free(lines->units[i].functions.items);
        free(lines->units);
        free(lines->spans.items);
        (void)dwarf_end(lines->dwarf);
        (void)binary_close(lines->binary);
        cleanup_close(&lines->fd);
        free(lines);
        return NULL;
}

/* ---- functions ---- */

static int index_functions(struct lines *lines, struct unit *unit, uint64_t *left)
{
        struct walk walk = {.unit = unit, .left = left};
        Dwarf_Die path[DEPTH_MAX];
        size_t depth = 0;
        int r = 0;

        if (!first_child(&walk, &unit->die, &path[0]))
                return 0;
        for (;;) {
                Dwarf_Die *die = &path[depth];
                int tag = dwarf_tag(die);

                if (tag == DW_TAG_subprogram)
                        r = add_ranges(&unit->functions, die, dwarf_dieoffset(die), left);
                if (r < 0 || lines->n_functions + unit->functions.n > SPANS_MAX)
                        return r;
                if (depth + 1 < DEPTH_MAX && tag != DW_TAG_inlined_subroutine &&
                    first_child(&walk, die, &path[depth + 1])) {
                        depth++;
                        continue;
                }
                while (!next_sibling(&walk, &path[depth]))
                        if (depth-- == 0)
                                return 0;
        }
}

/* Once for each unit; what cannot be indexed stays unknown. */
static void ensure_index(struct lines *lines, struct unit *unit)
{
        uint64_t allowance = MIN_OF(lines->index_left, UNIT_STEPS), left = allowance;

        if (unit->is_indexed)
                return;
        unit->is_indexed = true;
        (void)index_functions(lines, unit, &left);
        lines->index_left -= allowance - left;
        lines->n_functions += unit->functions.n;
        spans_sort(&unit->functions);
        if (lines->index_left == 0 || lines->n_functions > SPANS_MAX)
                lines->is_full = true;
}

static bool is_block(int tag)
{
        return tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine || tag == DW_TAG_try_block ||
               tag == DW_TAG_catch_block;
}

/* The block or inlined function right below *die that holds the address takes its place. */
static bool descend(struct walk *walk, Dwarf_Die *die, uint64_t vaddr)
{
        Dwarf_Die child;
        bool is_there = first_child(walk, die, &child);

        while (is_there && !(is_block(dwarf_tag(&child)) && holds(&child, vaddr, walk->left)))
                is_there = next_sibling(walk, &child);
        if (is_there)
                *die = child;
        return is_there;
}

/* The function at an address, then what is inlined there, from the outside in. Number of entries. */
static size_t find_scopes(struct lines *lines, struct unit *unit, uint64_t vaddr, Dwarf_Die scopes[static SCOPES_MAX])
{
        const struct span *function;
        uint64_t left = FIND_STEPS;
        struct walk walk = {.unit = unit, .left = &left};
        Dwarf_Die die;
        size_t n = 0;

        ensure_index(lines, unit);
        function = spans_find(&unit->functions, vaddr);
        if (!function || !dwarf_offdie(lines->dwarf, function->what, &die))
                return 0;
        scopes[n++] = die;
        for (size_t depth = 0; depth < SCOPES_MAX - 1 && descend(&walk, &die, vaddr); depth++)
                if (dwarf_tag(&die) == DW_TAG_inlined_subroutine)
                        scopes[n++] = die;
        return n;
}

/* ---- lines ---- */

/* Whether libdw may read the unit's line table. */
static bool may_read_lines(struct lines *lines, struct unit *unit)
{
        Dwarf_Attribute attribute;
        const char *comp_dir = dwarf_formstring(dwarf_attr(&unit->die, DW_AT_comp_dir, &attribute));
        struct dwarf_line_table table = {.line = lines->line,
                                         .line_strings = lines->line_strings,
                                         .offset = number_of(&unit->die, DW_AT_stmt_list),
                                         .address_bytes = unit->address_bytes};
        struct dwarf_line_cost cost;

        if (!dwarf_hasattr(&unit->die, DW_AT_stmt_list) || (comp_dir && !has_end(lines, comp_dir)))
                return false;
        table.n_comp_dir = comp_dir ? strlen(comp_dir) : 0;
        if (!table.line.n || dwarf_line_cost(&table, &cost) < 0)
                return false;
        if (cost.n_rows > ROWS_MAX - lines->n_rows || cost.n_path_bytes > PATH_BYTES_MAX - lines->n_path_bytes) {
                lines->is_full = true;
                return false;
        }
        lines->n_rows += cost.n_rows;
        lines->n_path_bytes += cost.n_path_bytes;
        return true;
}

static bool has_lines(struct lines *lines, struct unit *unit)
{
        if (!unit->lines_asked)
                unit->has_lines = may_read_lines(lines, unit);
        unit->lines_asked = true;
        return unit->has_lines;
}

/* libdw has a name for files that are none, too. */
static const char *known_path(const struct lines *lines, const char *path)
{
        return path && has_end(lines, path) && strcmp(path, "???") != 0 ? path : NULL;
}

/* Line 0 says that an instruction belongs to no line at all (DWARF 5, section 6.2.2): then the file means nothing. */
static void line_at(const struct lines *lines, struct unit *unit, uint64_t vaddr, struct source_line *ret)
{
        Dwarf_Line *row = dwarf_getsrc_die(&unit->die, vaddr);
        int line;

        if (!row || dwarf_lineno(row, &line) < 0 || line <= 0)
                return;
        ret->file = known_path(lines, dwarf_linesrc(row, NULL, NULL));
        ret->line = (uint32_t)line;
}

/* Where an inlined function was called. */
static void call_of(const struct lines *lines, struct unit *unit, Dwarf_Die *die, struct source_line *ret)
{
        Dwarf_Files *files;
        uint64_t line = number_of(die, DW_AT_call_line);
        size_t n;

        ret->line = line <= INT32_MAX ? (uint32_t)line : 0;
        if (unit->has_lines && dwarf_hasattr(die, DW_AT_call_file) && dwarf_getsrcfiles(&unit->die, &files, &n) == 0)
                ret->file = known_path(lines, dwarf_filesrc(files, number_of(die, DW_AT_call_file), NULL, NULL));
}

size_t lines_find(struct lines *lines, uint64_t vaddr, struct source_line ret[static LINES_MAX_INLINED])
{
        const struct span *span = spans_find(&lines->spans, vaddr);
        struct unit *unit = span ? &lines->units[span->what] : NULL;
        struct source_line at = {0};
        Dwarf_Die scopes[SCOPES_MAX];
        size_t n = 0, n_scopes;

        if (!unit)
                return 0;
        if (has_lines(lines, unit))
                line_at(lines, unit, vaddr, &at);
        n_scopes = find_scopes(lines, unit, vaddr, scopes);
        for (size_t i = n_scopes; i-- > 0;) {
                at.function = function_name(lines, &scopes[i]);
                if (n < LINES_MAX_INLINED - 1 || i == 0)
                        ret[n++] = at;
                at = (struct source_line){0};
                if (i > 0)
                        call_of(lines, unit, &scopes[i], &at);
        }
        if (n_scopes == 0)
                ret[n++] = at;
        return n > 1 || ret[0].function || ret[0].file ? n : 0;
}

size_t lines_bytes(const struct lines *lines)
{
        return sizeof(*lines) + (size_t)lines->n_file_bytes + lines->n_units_alloc * sizeof(*lines->units) +
               (lines->spans.n_alloc + 2 * lines->n_functions) * sizeof(struct span) + lines->n_rows * ROW_BYTES +
               lines->n_path_bytes;
}

bool lines_is_full(const struct lines *lines)
{
        return lines->is_full;
}
