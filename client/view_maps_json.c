/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The same for programs: every amount in bytes under the name that smaps has for it, and everything that the kernel
 * says of a map as it says it, so that nobody has to read smaps beside it. What was not told is absent, not zero.
 */
#include "client/view_maps.h"

#include "client/escape.h"
#include "client/json_put.h"

static const char *const amount_keys[N_SMAPS_AMOUNTS] = {
        [SMAPS_RSS] = "rss",
        [SMAPS_PSS] = "pss",
        [SMAPS_SHARED_CLEAN] = "shared_clean",
        [SMAPS_SHARED_DIRTY] = "shared_dirty",
        [SMAPS_PRIVATE_CLEAN] = "private_clean",
        [SMAPS_PRIVATE_DIRTY] = "private_dirty",
        [SMAPS_REFERENCED] = "referenced",
        [SMAPS_ANONYMOUS] = "anonymous",
        [SMAPS_LAZY_FREE] = "lazy_free",
        [SMAPS_ANON_HUGE] = "anon_huge_pages",
        [SMAPS_SHMEM_HUGE] = "shmem_pmd_mapped",
        [SMAPS_FILE_HUGE] = "file_pmd_mapped",
        [SMAPS_SHARED_HUGETLB] = "shared_hugetlb",
        [SMAPS_PRIVATE_HUGETLB] = "private_hugetlb",
        [SMAPS_SWAP] = "swap",
        [SMAPS_SWAP_PSS] = "swap_pss",
        [SMAPS_LOCKED] = "locked",
        [SMAPS_KERNEL_PAGE] = "kernel_page_size",
        [SMAPS_MMU_PAGE] = "mmu_page_size",
        [SMAPS_PSS_DIRTY] = "pss_dirty",
        [SMAPS_KSM] = "ksm",
};

#define PAGE_SIZES (UINT32_C(1) << SMAPS_KERNEL_PAGE | UINT32_C(1) << SMAPS_MMU_PAGE)

/* The non-canonical hole has more bytes than the integers of many readers of JSON, jansson among them. */
static void put_range(struct text *out, uint64_t start, uint64_t end)
{
        json_put_address(out, "start", start);
        json_put_address(out, "end", end);
        if (end - start <= INT64_MAX)
                json_put_number(out, "size", end - start);
}

static void put_amounts(struct text *out, const uint64_t amounts[static N_SMAPS_AMOUNTS], uint32_t known)
{
        for (unsigned int i = 0; i < N_SMAPS_AMOUNTS; i++)
                if (known >> i & 1)
                        json_put_number(out, amount_keys[i], amounts[i]);
}

/* "pgd", "p4d" ... */
static void put_level_key(struct text *out, const struct pagetable_level *level)
{
        char key[8] = "";

        for (unsigned int i = 0; i < sizeof(key) - 1 && level->name[i]; i++)
                key[i] = level->name[i] >= 'A' && level->name[i] <= 'Z' ? (char)(level->name[i] - 'A' + 'a')
                                                                        : level->name[i];
        json_put_key(out, key);
}

static void put_indices(struct text *out, uint64_t address, unsigned int n_levels)
{
        struct pagetable_level levels[N_LEVELS_MAX];

        n_levels = pagetable_indices(address, n_levels, levels);
        json_put_key(out, "indices");
        text_put_char(out, '{');
        for (unsigned int i = 0; i < n_levels; i++) {
                put_level_key(out, &levels[i]);
                text_put_u64(out, levels[i].index);
        }
        text_put_char(out, '}');
}

/* The next element of an array. */
static void put_comma(struct text *out)
{
        if (out->n_bytes > 0 && out->data[out->n_bytes - 1] != '[')
                text_put_char(out, ',');
}

static void put_vm_flags(struct text *out, const char *flags)
{
        if (!*flags)
                return;
        json_put_key(out, "vm_flags");
        text_put_char(out, '[');
        for (const char *at = flags; *at; at += strspn(at, " ")) {
                size_t n_bytes = strcspn(at, " ");

                put_comma(out);
                text_put_char(out, '"');
                escape_json(out, at, n_bytes);
                text_put_char(out, '"');
                at += n_bytes;
        }
        text_put_char(out, ']');
}

static void put_sections(struct text *out, const struct annotated_row *row)
{
        if (row->n_sections == 0)
                return;
        json_put_key(out, "sections");
        text_put_char(out, '[');
        for (size_t i = 0; i < row->n_sections; i++) {
                const struct annotated_section *section = &row->sections[i];

                put_comma(out);
                text_put_char(out, '{');
                json_put_bytes(out, "name", section->name, strlen(section->name));
                put_range(out, section->start, section->end);
                if (section->begins_before)
                        json_put_bool(out, "begins_before", true);
                if (section->goes_on)
                        json_put_bool(out, "goes_on", true);
                text_put_char(out, '}');
        }
        text_put_char(out, ']');
}

static void put_threads(struct text *out, const struct annotated_row *row)
{
        if (row->n_threads == 0)
                return;
        json_put_key(out, "threads");
        text_put_char(out, '[');
        for (size_t i = 0; i < row->n_threads; i++) {
                put_comma(out);
                text_put_char(out, '{');
                json_put_signed(out, "tid", row->threads[i].tid);
                json_put_address(out, "stack_pointer", row->threads[i].stack_pointer);
                text_put_char(out, '}');
        }
        text_put_char(out, ']');
}

/* Present, and empty, where the kernel would tell them. */
static void put_guards(struct text *out, const struct maps_report *report, const struct annotated_row *row)
{
        if (!report->pages || !report->pages->knows_guards)
                return;
        json_put_key(out, "guards");
        text_put_char(out, '[');
        for (size_t i = 0; i < row->n_guards; i++) {
                put_comma(out);
                text_put_char(out, '{');
                put_range(out, row->guards[i].start, row->guards[i].end);
                text_put_char(out, '}');
        }
        text_put_char(out, ']');
}

static void put_file(struct text *out, const struct smaps_map *map)
{
        if (map->path[0])
                json_put_bytes(out, "path", map->path, strlen(map->path));
        if (map->is_deleted)
                json_put_bool(out, "deleted", true);
        json_put_key(out, "device");
        text_printf(out, "\"%02x:%02x\"", map->major, map->minor);
        json_put_number(out, "inode", map->inode);
}

static void put_map(struct text *out, const struct maps_report *report, const struct annotated_row *row)
{
        const struct smaps_map *map = row->map;

        json_begin_line(out, "map");
        put_range(out, row->start, row->end);
        json_put_word(out, "perms", map->perms);
        json_put_number(out, "offset", map->offset);
        put_file(out, map);
        if (row->role != MAP_PLAIN)
                json_put_word(out, "role", map_role_text(row->role));
        if (row->role == MAP_CONTINUES)
                json_put_bytes(out, "image", row->other->path, strlen(row->other->path));
        put_indices(out, row->start, report->n_levels);
        put_sections(out, row);
        put_threads(out, row);
        put_guards(out, report, row);
        put_amounts(out, map->amounts, map->known);
        if (map->knows_thp_eligible)
                json_put_bool(out, "thp_eligible", map->is_thp_eligible);
        if (map->knows_protection_key)
                json_put_number(out, "protection_key", map->protection_key);
        put_vm_flags(out, map->flags);
        json_end_line(out);
}

static void put_gap(struct text *out, const struct annotated_row *row)
{
        json_begin_line(out, "gap");
        put_range(out, row->start, row->end);
        json_put_key(out, "names");
        text_put_char(out, '[');
        for (unsigned int i = 0; i < N_GAP_NAMES; i++) {
                if (!(row->gap >> i & 1))
                        continue;
                put_comma(out);
                text_printf(out, "\"%s\"", gap_name_text((enum gap_name)(1U << i)));
        }
        text_put_char(out, ']');
        json_end_line(out);
}

static void put_tables(struct text *out, const struct maps_report *report)
{
        struct pagetable_level levels[N_LEVELS_MAX];
        unsigned int n_levels = pagetable_indices(0, report->n_levels, levels);

        json_put_number(out, "levels", n_levels);
        if (report->knows_vm_pte)
                json_put_number(out, "vm_pte", report->vm_pte_bytes);
        if (!report->pages)
                return;
        json_put_key(out, "tables_at_least");
        text_put_char(out, '{');
        for (unsigned int i = 0; i < n_levels; i++) {
                put_level_key(out, &levels[i]);
                text_put_u64(out, i == 0 ? 1 : report->pages->tables.n[i]);
        }
        text_put_char(out, '}');
        if (report->has_amounts)
                json_put_number(out, "tables_deposited", report->annotation->totals.n_deposited);
}

static void put_totals(struct text *out, const struct maps_report *report)
{
        const struct annotated_totals *totals = &report->annotation->totals;

        json_begin_line(out, "totals");
        json_put_signed(out, "pid", report->pid);
        json_put_bytes(out, "comm", report->comm, report->n_comm_bytes);
        json_put_number(out, "maps", totals->n_maps);
        json_put_number(out, "gaps", totals->n_gaps);
        json_put_number(out, "size", totals->mapped_bytes);
        put_amounts(out, totals->amounts, totals->known & ~PAGE_SIZES);
        json_put_number(out, "guard_regions", totals->n_guards);
        json_put_number(out, "guard_size", totals->guard_bytes);
        if (report->knows_min_addr)
                json_put_number(out, "mmap_min_addr", report->min_addr);
        json_put_number(out, "unopened_maps", report->n_unopened_maps);
        put_tables(out, report);
        json_end_line(out);
}

void view_maps_put_json(struct text *out, const struct maps_report *report)
{
        for (size_t i = 0; i < report->annotation->n_rows; i++) {
                const struct annotated_row *row = &report->annotation->rows[i];

                if (row->map)
                        put_map(out, report, row);
                else
                        put_gap(out, row);
        }
        put_totals(out, report);
}
