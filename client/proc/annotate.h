/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The address space as an article prints it: the maps with what is in them, and what lies between. Pure: what was read
 * goes in, rows come out. Three names are inferences, and are marked as such by their roles: which memory without
 * permissions is a guard, which is set aside for later, and which continues an image.
 */
#pragma once

#include "client/proc/process_scan.h"
#include "elf/image.h"

struct annotate_image {
        const struct image *image; /* borrowed; NULL: none */
        uint64_t bias;
};

struct annotate_thread {
        int32_t tid;
        uint64_t stack_pointer;
};

struct annotate_input { /* all borrowed; what the annotation shows of it has to live as long */
        const struct smaps *smaps;
        const struct annotate_image *images; /* one for each map */
        struct annotate_thread *threads;     /* put in order; those that could be asked */
        size_t n_threads;
        const struct guard_range *guards; /* by address */
        size_t n_guards;
        unsigned int n_levels;
};

enum map_role {
        MAP_PLAIN,
        MAP_CONTINUES,    /* anonymous memory that an image reaches into: .bss */
        MAP_THREAD_STACK, /* private memory that a thread's stack pointer points into; not [stack] */
        MAP_GUARD,        /* inferred: private, no permission, right below writable private memory */
        MAP_RESERVED,     /* inferred: private memory without any permission elsewhere */
        MAP_IMAGE_HOLE,   /* of a file, without any permission: between the segments of an image */
        N_MAP_ROLES,
};

/* What a gap is known for; several may be true. */
enum gap_name {
        GAP_NULL = 1 << 0,          /* below the first map, where null pointers point */
        GAP_ABOVE_HEAP = 1 << 1,    /* [heap] grows up into it, brk(2) */
        GAP_BELOW_STACK = 1 << 2,   /* [stack] grows down into it, and keeps the stack guard gap free */
        GAP_TOP = 1 << 3,           /* from the last map to the end of user space */
        GAP_NON_CANONICAL = 1 << 4, /* addresses that the processor does not take */
        GAP_KERNEL = 1 << 5,        /* the kernel's half */
};
#define N_GAP_NAMES 6

struct annotated_section { /* the part of it that the map shows */
        const char *name;  /* the image's */
        uint64_t start, end;
        bool begins_before, goes_on; /* the rest is in another map */
};

struct annotated_row {
        uint64_t start, end;
        const struct smaps_map *map; /* NULL: a gap */
        unsigned int gap;            /* of a gap: enum gap_name */
        enum map_role role;
        const struct smaps_map *other;            /* CONTINUES: the file's map; GUARD: the map above */
        const struct annotated_section *sections; /* all three by address */
        const struct annotate_thread *threads;    /* whose stack pointers are in it */
        const struct guard_range *guards;         /* MADV_GUARD_INSTALL within */
        size_t n_sections, n_threads, n_guards;
};

struct annotated_totals {
        size_t n_maps, n_gaps;
        uint64_t mapped_bytes;
        uint64_t amounts[N_SMAPS_AMOUNTS]; /* sums; those of page sizes mean nothing */
        uint32_t known;                    /* as in struct smaps_map: told for every map */
        size_t n_guards;                   /* both kinds */
        uint64_t guard_bytes;
        uint64_t n_deposited; /* PTE tables kept to split anonymous huge pages, one each (pgtable_trans_huge_deposit())
                               */
};

struct annotation {
        struct annotated_row *rows; /* by address; owned like the next */
        size_t n_rows;
        struct annotated_section *all_sections;
        struct annotated_totals totals;
};

/* 0; -ENOMEM. */
int annotate(const struct annotate_input *input, struct annotation *ret) MUST_CHECK;
void annotation_free(struct annotation *annotation); /* contents */

const char *map_role_text(enum map_role role); /* "guard"; NULL: PLAIN */
const char *gap_name_text(enum gap_name name); /* "null-pointers", one word for programs */
