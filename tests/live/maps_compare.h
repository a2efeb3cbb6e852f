/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What faultline maps shows of a process, and its comparison with the kernel's own words. */
#pragma once

#include "tests/support/harness.h"

#define PAGE 4096

struct shown {
        json_t *lines, *maps, *gaps; /* arrays, the latter two of what lines has */
        json_t *totals;              /* borrowed */
};

void show_maps(pid_t pid, struct shown *ret);
void show_maps_as(uid_t uid, pid_t pid, struct shown *ret);
void free_shown(struct shown *shown);

/* One amount of smaps. */
struct amount {
        const char *kernel, *ours;
        bool is_shared; /* what other processes do changes it */
};
extern const struct amount amounts[];
extern const size_t n_amounts;

char *read_file(const char *path);
char *read_proc(pid_t pid, const char *name); /* freed by the caller */
/* An object for each map, with the kernel's own names. */
json_t *parse_kernel(const char *smaps);

const char *describe(const json_t *object);
void check_same_number(const json_t *ours, const char *key, uint64_t want);
/* Each map, field by field; with those amounts that depend on other processes or without them. */
void check_all(const struct shown *shown, const char *smaps, bool with_shared);
/* Maps and gaps cover every address from 0 to the last map, each once. */
void check_complete(const struct shown *shown);
/* VmPTE, and that no more tables are said to be needed than there are. Returns how many are. */
uint64_t check_tables(const struct shown *shown, pid_t pid);
/* Anonymous maps: resident is what pagemap calls present. */
void check_pagemap(const struct shown *shown, pid_t pid);
