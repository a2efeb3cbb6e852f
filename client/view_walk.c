/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A page of text that reads from the outside in: the address and how it falls into indices, the map that it lies in,
 * what the file says is there, the page, and what would happen to who touched it. Each paragraph has a word in front;
 * long ones go on below it. What is not known is not left out silently: the last paragraph names what it would take.
 */
#include "client/view_walk.h"

#include <inttypes.h>

#include "client/color.h"
#include "client/escape.h"
#include "client/proc/pagetable.h"

#define INDENT_CELLS 10
#define WIDTH_MIN_CELLS 40
#define KIB UINT64_C(1024)

/* --- sizes and lines --- */

/* Exact where a whole number of units says so, else rounded to a tenth, as in maps. */
static void put_size(struct text *out, uint64_t n_bytes)
{
        static const char units[][4] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
        uint64_t unit_bytes = 1, tenths;
        unsigned int unit = 0;

        while (unit + 1 < ARRAY_SIZE(units) && n_bytes / unit_bytes >= KIB) {
                unit_bytes *= KIB;
                unit++;
        }
        tenths = n_bytes / unit_bytes * 10 + (n_bytes % unit_bytes * 10 + unit_bytes / 2) / unit_bytes;
        text_put_u64(out, tenths / 10);
        if (n_bytes % unit_bytes)
                text_printf(out, ".%" PRIu64, tenths % 10);
        text_printf(out, " %s", units[unit]);
}

/* A paragraph being built: words behind a title, broken at spaces. */
struct paragraph {
        struct text *out;
        unsigned int n_columns;
        const char *title; /* NULL: none, the words begin the line */
        const char *color; /* of all of it */
        struct text body;
};

static size_t word_end(const struct text *body, size_t begin)
{
        while (begin < body->n_bytes && body->data[begin] != ' ')
                begin++;
        return begin;
}

static void paragraph_begin(struct paragraph *paragraph, const char *title)
{
        paragraph->title = title;
        paragraph->color = COLOR_NONE;
        paragraph->body.n_bytes = 0;
}

static void paragraph_end(struct paragraph *paragraph)
{
        const struct text *body = &paragraph->body;
        size_t width = paragraph->n_columns ? MAX_OF(paragraph->n_columns, (unsigned int)WIDTH_MIN_CELLS) : SIZE_MAX;
        size_t column = paragraph->title ? INDENT_CELLS : 0;

        if (body->failed)
                paragraph->out->failed = true;
        if (*paragraph->color)
                text_put_string(paragraph->out, paragraph->color);
        if (paragraph->title)
                text_printf(paragraph->out, "  %-*s", INDENT_CELLS - 2, paragraph->title);
        for (size_t begin = 0, end; begin < body->n_bytes; begin = end + 1) {
                size_t cells;

                end = word_end(body, begin);
                cells = utf8_text_cells(body->data + begin, end - begin);
                if (begin > 0 && column + 1 + cells > width) {
                        text_put_char(paragraph->out, '\n');
                        text_fill(paragraph->out, ' ', INDENT_CELLS);
                        column = INDENT_CELLS;
                } else if (begin > 0) {
                        text_put_char(paragraph->out, ' ');
                        column++;
                }
                text_put(paragraph->out, body->data + begin, end - begin);
                column += cells;
        }
        if (*paragraph->color)
                text_put_string(paragraph->out, COLOR_RESET);
        text_put_char(paragraph->out, '\n');
}

static void put_name(struct text *out, const char *name)
{
        (void)escape_terminal(out, name, strlen(name));
}

static bool is_known(const char *name)
{
        return name && *name;
}

/* --- the address --- */

/* The level whose entry maps the page itself; NULL: not known, or nothing is mapped. */
const char *view_walk_leaf(const struct walk *walk)
{
        struct pagetable_level levels[N_LEVELS_MAX];
        unsigned int n = pagetable_indices(walk->facts.address, walk->facts.n_levels, levels);

        for (unsigned int i = 0; i < n; i++)
                if (walk->facts.has_page && walk->facts.page.present && levels[i].covers_bytes == walk->page_bytes)
                        return levels[i].name;
        return NULL;
}

/* The bits below the entry that maps the page, or below the last level. */
unsigned int view_walk_offset_bits(const struct walk *walk)
{
        unsigned int bits = PAGE_SHIFT_4K;

        if (view_walk_leaf(walk))
                bits = (unsigned int)__builtin_ctzll(walk->page_bytes);
        return bits;
}

static void put_level(struct text *out, const struct pagetable_level *level, bool is_used)
{
        text_printf(out, "  %-6s  %2u-%-2u  %7u  ", level->name, level->shift + 8, level->shift, level->index);
        put_size(out, level->covers_bytes);
        text_put_string(out, is_used ? "\n" : ", part of the offset here\n");
}

static void put_levels(struct text *out, const struct walk *walk)
{
        struct pagetable_level levels[N_LEVELS_MAX];
        unsigned int n = pagetable_indices(walk->facts.address, walk->facts.n_levels, levels);
        unsigned int bits = view_walk_offset_bits(walk);
        uint64_t offset = walk->facts.address & ((UINT64_C(1) << bits) - 1);

        text_put_string(out, "  level   bits     index  an entry covers\n");
        for (unsigned int i = 0; i < n; i++)
                put_level(out, &levels[i], levels[i].shift >= bits);
        text_printf(out, "  offset  %2u-0   %7" PRIu64 "  byte ", bits - 1, offset);
        text_put_hex(out, offset);
        text_put_string(out, " of the page\n\n");
}

static void put_heading(struct paragraph *paragraph, const struct walk *walk)
{
        struct text *body = &paragraph->body;

        paragraph_begin(paragraph, NULL);
        text_put_hex(body, walk->facts.address);
        if (is_known(walk->symbol)) {
                text_put_char(body, ' ');
                put_name(body, walk->symbol);
                text_put_char(body, '+');
                text_put_hex(body, walk->symbol_offset);
        }
        text_printf(body, " in process %" PRId32, walk->pid);
        if (is_known(walk->comm)) {
                text_put_string(body, " (");
                put_name(body, walk->comm);
                text_put_char(body, ')');
        }
        if (walk->read_as_hex) {
                text_put_string(body, "; ");
                put_name(body, walk->asked);
                text_put_string(body, " was read as hexadecimal, as every number here is");
        }
        paragraph_end(paragraph);
        text_put_char(paragraph->out, '\n');
}

/* --- the map --- */

static void put_range(struct text *out, const struct smaps_map *map)
{
        text_put_hex(out, map->start);
        text_put_char(out, '-');
        text_put_hex(out, map->end);
        text_printf(out, " %s", map->perms);
}

static void put_map_name(struct text *out, const struct smaps_map *map)
{
        if (*map->path)
                put_name(out, map->path);
        else
                text_put_string(out, "anonymous");
        if (map->is_deleted)
                text_put_string(out, " (deleted)");
}

static void put_neighbour(struct text *out, const struct smaps_map *map, uint64_t n_bytes, const char *where)
{
        put_size(out, n_bytes);
        text_printf(out, " %s ", where);
        put_range(out, map);
        text_put_char(out, ' ');
        put_map_name(out, map);
}

/* Between which maps the address lies. */
static void put_gap(struct text *out, const struct access_facts *facts)
{
        const struct smaps_map *below = facts->below, *above = facts->above;
        uint64_t user_end = pagetable_user_end(facts->n_levels);

        if (facts->address >= user_end) {
                text_put_string(out, pagetable_is_canonical(facts->address, facts->n_levels)
                                             ? "none: this half of the addresses is the kernel's"
                                             : "none: the address is not canonical, no page table has an entry for it");
                return;
        }
        if (facts->address >= pagetable_task_end(facts->n_levels)) {
                text_put_string(out, "none: the last page of this half of the addresses is the kernel's");
                return;
        }
        if (above && above->start >= user_end)
                above = NULL; /* [vsyscall], in the kernel's half: no neighbour */
        text_put_string(out, "none; ");
        if (below)
                put_neighbour(out, below, facts->address - below->end, "behind the end of");
        if (below && above)
                text_put_string(out, "; ");
        if (above)
                put_neighbour(out, above, above->start - facts->address, "before the start of");
        if (!below && !above)
                text_put_string(out, "the process has no maps");
}

static void put_map(struct paragraph *paragraph, const struct walk *walk)
{
        const struct smaps_map *map = walk->facts.map;
        struct text *body = &paragraph->body;

        paragraph_begin(paragraph, "map");
        if (!map) {
                put_gap(body, &walk->facts);
                paragraph_end(paragraph);
                return;
        }
        put_range(body, map);
        text_put_string(body, ", ");
        put_size(body, map->end - map->start);
        if (map->inode) {
                text_put_string(body, ", offset ");
                text_put_hex(body, map->offset);
        }
        text_put_string(body, ", ");
        put_map_name(body, map);
        paragraph_end(paragraph);
}

static void put_place(struct paragraph *paragraph, const struct walk *walk)
{
        struct text *body = &paragraph->body;

        paragraph_begin(paragraph, "place");
        if (is_known(walk->section)) {
                text_put_string(body, "section ");
                put_name(body, walk->section);
                text_put_string(body, ", ");
        }
        if (is_known(walk->symbol)) {
                text_put_string(body, "symbol ");
                put_name(body, walk->symbol);
                text_put_char(body, '+');
                text_put_hex(body, walk->symbol_offset);
                text_put_string(body, ", ");
        }
        if (walk->has_file_offset) {
                text_put_string(body, "file offset ");
                text_put_hex(body, walk->file_offset);
        }
        if (walk->facts.has_file) {
                text_put_string(body, " of ");
                text_put_hex(body, walk->facts.file_bytes);
        }
        while (body->n_bytes > 0 && strchr(", ", body->data[body->n_bytes - 1]))
                body->n_bytes--;
        if (body->n_bytes > 0)
                paragraph_end(paragraph);
}

/* --- the page --- */

static void put_present(struct text *out, const struct walk *walk)
{
        const struct pagemap_page *page = &walk->facts.page;

        text_put_string(out, "present");
        if (walk->page_bytes) {
                text_put_string(out, ", ");
                put_size(out, walk->page_bytes);
                text_printf(out, " mapped by the %s", view_walk_leaf(walk) ? view_walk_leaf(walk) : "page table");
        }
        if (walk->facts.is_zero == KNOWN_YES) {
                text_put_string(out, ", the shared page of zeros");
                return;
        }
        text_put_string(out, page->file_or_shared ? ", of a file or shared memory" : ", anonymous");
        text_put_string(out, page->exclusive ? ", mapped here only" : ", mapped more than once");
        if (page->write_protected)
                text_put_string(out, ", write-protected by userfaultfd");
}

static void put_page_state(struct text *out, const struct walk *walk)
{
        const struct access_facts *facts = &walk->facts;
        const struct pagemap_page *page = &facts->page;

        if (!facts->has_page)
                text_put_string(out, "not known");
        else if (page->present)
                put_present(out, walk);
        else if (page->guard)
                text_put_string(out, "not present, in a guard region");
        else if (page->marked)
                text_put_string(out, "not present, with a marker of the kernel's");
        else if (page->swapped && page->has_slot)
                text_printf(out, "swapped, in swap area %u at page %" PRIu64, page->swap_type, page->swap_offset);
        else if (page->swapped)
                text_put_string(out, "swapped, or on its way to another place");
        else if (memory_kind_of(facts->map, facts->file_is_shmem) == MEMORY_DEVICE)
                text_put_string(out, "not shown: the kernel keeps no account of such memory");
        else
                text_put_string(out, "not present");
        if (!page->present && facts->is_cached != NOT_KNOWN)
                text_put_string(out, facts->is_cached == KNOWN_YES ? "; the file's page is in the page cache"
                                                                   : "; the file's page is not in the page cache");
}

static void put_frame_flags(struct paragraph *paragraph, uint64_t flags)
{
        paragraph_begin(paragraph, "flags");
        for (unsigned int bit = 0; bit < N_KPAGEFLAGS; bit++) {
                const char *word = flags >> bit & 1 ? kpageflag_text(bit) : NULL;

                if (word)
                        text_printf(&paragraph->body, "%s%s", paragraph->body.n_bytes ? " " : "", word);
        }
        if (paragraph->body.n_bytes > 0)
                paragraph_end(paragraph);
}

static void put_page(struct paragraph *paragraph, const struct walk *walk)
{
        const struct pagemap_page *page = &walk->facts.page;
        struct text *body = &paragraph->body;

        paragraph_begin(paragraph, "page");
        put_page_state(body, walk);
        paragraph_end(paragraph);
        if (!walk->facts.has_page || !page->has_frame)
                return;
        paragraph_begin(paragraph, "frame");
        text_put_hex(body, page->frame);
        text_put_string(body, ", physical address ");
        text_put_hex(body, page->frame << PAGE_SHIFT_4K | (walk->facts.address & (PAGEMAP_PAGE_BYTES - 1)));
        if (walk->has_frame_count && walk->facts.is_zero != KNOWN_YES) /* of the page of zeros nobody counts the maps */
                text_printf(body, ", mapped %" PRIu64 " time%s", walk->frame_count, walk->frame_count == 1 ? "" : "s");
        paragraph_end(paragraph);
        if (walk->has_frame_flags)
                put_frame_flags(paragraph, walk->frame_flags);
}

/* --- what would happen --- */

static void put_way(struct text *out, const struct access_way *way)
{
        switch (way->what) {
        case FORESEEN_WORKS:
                text_put_string(out, "works");
                break;
        case FORESEEN_FAULT:
                text_printf(out, "%s", way->cause == CAUSE_UNKNOWN ? "emulated" : cause_text(way->cause));
                break;
        case FORESEEN_SIGNAL:
                text_printf(out, "%s %s", way->signal, way->code);
                if (way->cause != CAUSE_UNKNOWN)
                        text_printf(out, " (%s)", cause_text(way->cause));
                break;
        default:
                text_put_string(out, "unknown");
                break;
        }
}

static void put_answer(struct paragraph *paragraph, const char *title, const struct access_answer *answer, bool color)
{
        static const char *const colors[] = {
                [FORESEEN_UNKNOWN] = COLOR_NONE,
                [FORESEEN_WORKS] = COLOR_GREEN,
                [FORESEEN_FAULT] = COLOR_YELLOW,
                [FORESEEN_SIGNAL] = COLOR_RED,
        };
        struct text *body = &paragraph->body;

        paragraph_begin(paragraph, title);
        if (color)
                paragraph->color = colors[answer->ways[0].what];
        for (unsigned int i = 0; i < answer->n_ways; i++) {
                if (i > 0)
                        text_put_string(body, " or ");
                put_way(body, &answer->ways[i]);
        }
        text_printf(body, ": %s", answer->why);
        if (answer->first != CAUSE_UNKNOWN)
                text_printf(body, "; the page is brought in first (%s)", cause_text(answer->first));
        if (answer->evidence == EVIDENCE_INFERRED && answer->ways[0].what != FORESEEN_UNKNOWN)
                text_put_string(body, " (inferred)");
        paragraph_end(paragraph);
}

/* --- what is missing --- */

const char *view_walk_lack_text(enum walk_lack lack)
{
        static const char *const sentences[N_WALK_LACKS] = {
                [WALK_LACKS_SMAPS] = "flags of the map (growing down, userfaultfd, huge pages): needs ptrace access to "
                                     "the process (same user, or CAP_SYS_PTRACE)",
                [WALK_LACKS_PAGEMAP] = "state of the page: needs ptrace access to the process (same user, or "
                                       "CAP_SYS_PTRACE)",
                [WALK_LACKS_FRAME] = "frame number: needs CAP_SYS_ADMIN",
                [WALK_LACKS_FLAGS] =
                        "flags and map count of the frame: /proc/kpageflags and /proc/kpagecount need root",
                [WALK_LACKS_CATEGORIES] = "page of zeros, size of the mapping: needs Linux 6.7, or root",
                [WALK_LACKS_FILE] = "size of the file: the file behind the map cannot be opened for reading (needs "
                                    "CAP_CHECKPOINT_RESTORE, or a path that still leads to it)",
                [WALK_LACKS_CACHE] = "page cache: needs Linux 6.5, and to own the file or be able to write it",
        };

        return sentences[lack];
}

const char *view_walk_lack_word(enum walk_lack lack)
{
        static const char *const words[N_WALK_LACKS] = {
                [WALK_LACKS_SMAPS] = "map-flags",      [WALK_LACKS_PAGEMAP] = "page",
                [WALK_LACKS_FRAME] = "frame",          [WALK_LACKS_FLAGS] = "frame-flags",
                [WALK_LACKS_CATEGORIES] = "page-size", [WALK_LACKS_FILE] = "file-size",
                [WALK_LACKS_CACHE] = "page-cache",
        };

        return words[lack];
}

static void put_lacks(struct paragraph *paragraph, const struct walk *walk)
{
        for (unsigned int i = 0; i < N_WALK_LACKS; i++)
                if (walk->lacks[i]) {
                        paragraph_begin(paragraph, "missing");
                        text_put_string(&paragraph->body, view_walk_lack_text((enum walk_lack)i));
                        paragraph_end(paragraph);
                }
}

void view_walk_put_text(struct text *out, const struct walk *walk, unsigned int n_columns, bool color)
{
        struct paragraph paragraph = {.out = out, .n_columns = n_columns, .body.ascii = out->ascii};

        put_heading(&paragraph, walk);
        put_levels(out, walk);
        put_map(&paragraph, walk);
        put_place(&paragraph, walk);
        if (walk->facts.map && walk->facts.address < pagetable_user_end(walk->facts.n_levels))
                put_page(&paragraph, walk);
        text_put_char(out, '\n');
        put_answer(&paragraph, "read", &walk->read, color);
        put_answer(&paragraph, "write", &walk->write, color);
        put_answer(&paragraph, "exec", &walk->exec, color);
        put_lacks(&paragraph, walk);
        text_free(&paragraph.body);
}
