/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* faultline maps: the annotated address space of a process as text and as JSON. Pure. */
#pragma once

#include "client/proc/annotate.h"
#include "client/text.h"

struct maps_report { /* all borrowed */
        int32_t pid;
        const char *comm; /* its name, any bytes */
        size_t n_comm_bytes;
        const struct annotation *annotation;
        unsigned int n_levels;
        bool has_amounts;                  /* smaps could be read, not only maps */
        const struct process_pages *pages; /* NULL: the kernel does not tell */
        bool knows_vm_pte, knows_min_addr;
        uint64_t vm_pte_bytes;
        uint64_t min_addr;      /* vm.mmap_min_addr */
        size_t n_unopened_maps; /* whose files could not be opened: their sections are not told */
};

struct view_maps_options {
        bool color;
        uint32_t n_columns; /* of the terminal; 0: none, nothing is cut or wrapped */
};

void view_maps_put_text(struct text *out, const struct maps_report *report, const struct view_maps_options *options);

/* One object a line: "map" and "gap" by address, then "totals". */
void view_maps_put_json(struct text *out, const struct maps_report *report);
