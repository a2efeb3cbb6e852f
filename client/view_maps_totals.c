/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What all maps are together, and what their page tables cost: the kernel's own figure (VmPTE), and beside it how many
 * tables of each level the pages that are there need, so that both explain each other. Where they differ the kernel
 * keeps tables that became empty.
 */
#include <inttypes.h>
#include <stdio.h>

#include "client/view_maps_parts.h"

enum { LABEL_CELLS = 14 };

static struct flow begin_total(struct maps_view *v, const char *label)
{
        text_put_string(v->out, label);
        text_fill(v->out, ' ', LABEL_CELLS - strlen(label));
        return (struct flow){.view = v, .separator = "", .indent = LABEL_CELLS, .used = LABEL_CELLS};
}

/* The first item: a size alone. */
static void put_first_size(struct flow *flow, uint64_t n_bytes)
{
        char size[SIZE_MAX_BYTES];

        format_size(size, n_bytes);
        flow_put(flow, size);
}

static void put_total_maps(struct maps_view *v)
{
        const struct annotated_totals *totals = &v->report->annotation->totals;
        struct flow flow = begin_total(v, "mapped");

        put_first_size(&flow, totals->mapped_bytes);
        flow.separator = " in ";
        flow_put_count(&flow, totals->n_maps, "map", "maps");
        flow_put_count(&flow, totals->n_gaps, "gap", "gaps");
        if (totals->n_guards > 0) {
                flow_put_count(&flow, totals->n_guards, "guard region", "guard regions");
                flow.separator = " ";
                flow_put_size(&flow, "of", totals->guard_bytes);
        }
        flow_end(&flow);
}

static void put_total_amounts(struct maps_view *v)
{
        struct flow flow = begin_total(v, "resident");

        if (!v->report->has_amounts) {
                flow_put(&flow, "not told: /proc/PID/smaps cannot be read, only maps");
                flow_end(&flow);
                return;
        }
        put_first_size(&flow, v->report->annotation->totals.amounts[SMAPS_RSS]);
        flow.separator = ": ";
        flow_put_amounts(&flow, v->report->annotation->totals.amounts);
        flow_end(&flow);
}

static void put_total_unopened(struct maps_view *v)
{
        struct flow flow = begin_total(v, "sections");

        flow_put(&flow, "not told of");
        flow.separator = " ";
        flow_put_count(&flow, v->report->n_unopened_maps, "map", "maps");
        flow.separator = ", ";
        flow_put(&flow, "whose files cannot be opened");
        flow.separator = ": ";
        flow_put(&flow, "no permission, or another file is there now");
        flow_end(&flow);
}

/* The levels that VmPTE counts (mm_inc_nr_ptes() and its like): not the table at the top, and no P4D. */
static bool is_charged(const struct pagetable_level *level)
{
        return strcmp(level->name, "PGD") != 0 && strcmp(level->name, "P4D") != 0;
}

static void put_total_needed(struct maps_view *v)
{
        const struct table_count *tables = &v->report->pages->tables;
        struct pagetable_level levels[N_LEVELS_MAX];
        unsigned int n_levels = pagetable_indices(0, v->report->n_levels, levels);
        uint64_t n_deposited = v->report->annotation->totals.n_deposited, n = n_deposited;
        struct flow flow = begin_total(v, "  at least");

        for (unsigned int i = 0; i < n_levels; i++) {
                if (!is_charged(&levels[i]))
                        continue;
                flow_put_count(&flow, tables->n[i], levels[i].name, levels[i].name);
                n += tables->n[i];
        }
        if (n_deposited > 0)
                flow_put_count(&flow, n_deposited, "PTE kept for a huge page", "PTE kept for huge pages");
        flow.separator = " = ";
        flow_put_count(&flow, n, "table", "tables");
        flow.separator = " ";
        flow_put(&flow, "for the pages that are there (pagemap)");
        flow_end(&flow);
}

/* What is there beside VmPTE. */
static void put_total_top(struct maps_view *v)
{
        const struct table_count *tables = &v->report->pages->tables;
        struct pagetable_level levels[N_LEVELS_MAX];
        unsigned int n_levels = pagetable_indices(0, v->report->n_levels, levels);
        struct flow flow = begin_total(v, "  beside it");

        for (unsigned int i = 0; i < n_levels; i++)
                if (!is_charged(&levels[i]))
                        flow_put_count(&flow, MAX_OF(tables->n[i], UINT64_C(1)), levels[i].name, levels[i].name);
        flow_put(&flow, "which VmPTE leaves out");
        flow_end(&flow);
}

static void put_total_tables(struct maps_view *v)
{
        if (v->report->knows_vm_pte) {
                struct flow flow = begin_total(v, "page tables");

                put_first_size(&flow, v->report->vm_pte_bytes);
                flow.separator = " = ";
                flow_put_count(&flow, v->report->vm_pte_bytes >> PAGE_SHIFT_4K, "table", "tables");
                flow.separator = " ";
                flow_put(&flow, "(VmPTE)");
                flow_end(&flow);
        }
        if (!v->report->pages)
                return;
        put_total_needed(v);
        put_total_top(v);
}

void maps_put_totals(struct maps_view *v)
{
        put_total_maps(v);
        put_total_amounts(v);
        if (v->report->n_unopened_maps > 0)
                put_total_unopened(v);
        put_total_tables(v);
}
