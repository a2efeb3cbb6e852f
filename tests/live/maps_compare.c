/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's text is read here without the code that is tested. */
#include "tests/live/maps_compare.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- text of the kernel, read without the code that is tested --- */

char *read_file(const char *path)
{
        FILE *file = fopen(path, "re");
        char *text = NULL;
        size_t n_bytes = 0;

        CHECK(file, "%s: %s", path, strerror(errno));
        errno = 0;
        if (getdelim(&text, &n_bytes, '\0', file) < 0) {
                CHECK(feof(file), "%s: %s", path, strerror(errno));
                free(text);
                text = strdup("");
        }
        (void)fclose(file);
        CHECK(text, "no memory");
        return text;
}

char *read_proc(pid_t pid, const char *name)
{
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
        return read_file(path);
}

/* JSON objects with the kernel's own names: "start", "end", "perms", "offset", "device", "inode", "path", and "Rss" ...
 * as numbers, "VmFlags" as text. */
static json_t *parse_kernel_map(const char *line)
{
        uint64_t start, end, offset, inode;
        char perms[8], device[24];
        int n_head = 0;

        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %23s %" SCNu64 " %n", &start, &end, perms, &offset,
                   device, &inode, &n_head) != 6)
                return NULL;
        return json_pack("{sI sI ss sI ss sI ss}", "start", (json_int_t)start, "end", (json_int_t)end, "perms", perms,
                         "offset", (json_int_t)offset, "device", device, "inode", (json_int_t)inode, "path",
                         line + n_head);
}

static void parse_kernel_attribute(json_t *map, char *line)
{
        char *colon = strchr(line, ':'), *value = colon + 1 + strspn(colon + 1, " ");
        size_t n = strlen(value);

        *colon = '\0';
        while (n > 0 && value[n - 1] == ' ')
                value[--n] = '\0';
        if (strcmp(line, "VmFlags") == 0)
                (void)json_object_set_new(map, line, json_string(value));
        else
                (void)json_object_set_new(map, line, json_integer(atoll(value)));
}

json_t *parse_kernel(const char *text)
{
        json_t *maps = json_array(), *map = NULL;
        char *copy = strdup(text), *rest = copy;

        CHECK(copy && maps, "no memory");
        for (char *line; (line = strsep(&rest, "\n")) && *line;) {
                json_t *next = parse_kernel_map(line);

                if (next) {
                        (void)json_array_append_new(maps, next);
                        map = next;
                } else {
                        CHECK(map && strchr(line, ':'), "smaps has the line '%s'", line);
                        parse_kernel_attribute(map, line);
                }
        }
        free(copy);
        return maps;
}

/* --- faultline maps --- */

static json_t *read_lines(struct child *child)
{
        json_t *lines = json_array();

        for (const char *line; (line = lines_next(&child->out));) {
                json_error_t error;
                json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);

                CHECK(object, "not JSON: %s: %s", error.text, line);
                (void)json_array_append_new(lines, object);
        }
        return lines;
}

void show_maps_as(uid_t uid, pid_t pid, struct shown *ret)
{
        const struct child_options options = {.uid = uid};
        char number[16];
        const char *argv[] = {FAULTLINE_PATH, "maps", "--format=json", number, NULL};
        struct child child;
        json_t *line;
        size_t i;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(&child, argv, &options);
        harness_watch(&child);
        *ret = (struct shown){.maps = json_array(), .gaps = json_array(), .lines = read_lines(&child)};
        CHECK(child_wait(&child) == 0, "faultline maps failed");
        child_check_sanitizers(&child);
        child_close(&child);
        json_array_foreach(ret->lines, i, line)
        {
                const char *type = text_of(line, "type");

                if (strcmp(type, "map") == 0)
                        (void)json_array_append(ret->maps, line);
                else if (strcmp(type, "gap") == 0)
                        (void)json_array_append(ret->gaps, line);
                else
                        ret->totals = line;
        }
        CHECK(ret->totals && strcmp(text_of(ret->totals, "type"), "totals") == 0, "no totals");
}

void show_maps(pid_t pid, struct shown *ret)
{
        show_maps_as(0, pid, ret);
}

void free_shown(struct shown *shown)
{
        json_decref(shown->maps);
        json_decref(shown->gaps);
        json_decref(shown->lines);
}

/* --- field by field --- */

const struct amount amounts[] = {
        {"KernelPageSize", "kernel_page_size", false},
        {"MMUPageSize", "mmu_page_size", false},
        {"Rss", "rss", false},
        {"Pss", "pss", true},
        {"Pss_Dirty", "pss_dirty", true},
        {"Shared_Clean", "shared_clean", true},
        {"Shared_Dirty", "shared_dirty", true},
        {"Private_Clean", "private_clean", true},
        {"Private_Dirty", "private_dirty", true},
        {"Referenced", "referenced", false},
        {"Anonymous", "anonymous", false},
        {"KSM", "ksm", false},
        {"LazyFree", "lazy_free", false},
        {"AnonHugePages", "anon_huge_pages", false},
        {"ShmemPmdMapped", "shmem_pmd_mapped", false},
        {"FilePmdMapped", "file_pmd_mapped", false},
        {"Shared_Hugetlb", "shared_hugetlb", true},
        {"Private_Hugetlb", "private_hugetlb", true},
        {"Swap", "swap", false},
        {"SwapPss", "swap_pss", true},
        {"Locked", "locked", false},
};

const size_t n_amounts = ARRAY_SIZE(amounts);

const char *describe(const json_t *object)
{
        return json_dumps(object, 0);
}

void check_same_number(const json_t *ours, const char *key, uint64_t want)
{
        CHECK(number_of(ours, key) == want, "%s is not %" PRIu64 ": %s", key, want, describe(ours));
}

static void check_path(const json_t *ours, const json_t *kernel)
{
        char path[8192];

        (void)snprintf(path, sizeof(path), "%s%s", text_of(ours, "path"),
                       json_is_true(json_object_get(ours, "deleted")) ? " (deleted)" : "");
        CHECK(strcmp(path, text_of(kernel, "path")) == 0, "the path is '%s': %s", text_of(kernel, "path"),
              describe(ours));
}

static void check_flags(const json_t *ours, const json_t *kernel)
{
        char text[512] = "";
        json_t *flag;
        size_t i, n = 0;

        json_array_foreach(json_object_get(ours, "vm_flags"), i, flag)
        {
                n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s", i > 0 ? " " : "", json_string_value(flag));
                CHECK(n < sizeof(text), "too many flags");
        }
        CHECK(strcmp(text, text_of(kernel, "VmFlags")) == 0, "the flags are '%s': %s", text_of(kernel, "VmFlags"),
              describe(ours));
}

static void check_amounts(const json_t *ours, const json_t *kernel, bool with_shared)
{
        for (size_t i = 0; i < ARRAY_SIZE(amounts); i++) {
                const json_t *want = json_object_get(kernel, amounts[i].kernel);

                if (!want)
                        CHECK(!json_object_get(ours, amounts[i].ours), "made up: %s", amounts[i].ours);
                else if (with_shared || !amounts[i].is_shared)
                        check_same_number(ours, amounts[i].ours, (uint64_t)json_integer_value(want) * 1024);
        }
        CHECK(json_is_true(json_object_get(ours, "thp_eligible")) ==
                      (json_integer_value(json_object_get(kernel, "THPeligible")) != 0),
              "THPeligible is not so: %s", describe(ours));
        if (json_object_get(kernel, "ProtectionKey"))
                check_same_number(ours, "protection_key", number_of(kernel, "ProtectionKey"));
}

/* Whoever moves pages between clean and dirty, or shared and private, takes nothing away. */
static void check_parts(const json_t *ours)
{
        if (json_object_get(ours, "rss"))
                check_same_number(ours, "rss",
                                  number_of(ours, "shared_clean") + number_of(ours, "shared_dirty") +
                                          number_of(ours, "private_clean") + number_of(ours, "private_dirty"));
}

static void check_map(const json_t *ours, const json_t *kernel, bool with_shared)
{
        uint64_t start = address_of(ours, "start"), end = address_of(ours, "end");
        const json_t *indices = json_object_get(ours, "indices");

        CHECK(start == number_of(kernel, "start") && end == number_of(kernel, "end"), "another range: %s",
              describe(ours));
        check_same_number(ours, "size", end - start);
        if (json_object_get(kernel, "Size"))
                check_same_number(ours, "size", number_of(kernel, "Size") * 1024);
        CHECK(strcmp(text_of(ours, "perms"), text_of(kernel, "perms")) == 0, "not %s: %s", text_of(kernel, "perms"),
              describe(ours));
        CHECK(strcmp(text_of(ours, "device"), text_of(kernel, "device")) == 0, "another device: %s", describe(ours));
        check_same_number(ours, "offset", number_of(kernel, "offset"));
        check_same_number(ours, "inode", number_of(kernel, "inode"));
        check_same_number(indices, "pte", start >> 12 & 511);
        check_same_number(indices, "pmd", start >> 21 & 511);
        check_same_number(indices, "pud", start >> 30 & 511);
        if (!json_object_get(indices, "p4d"))
                check_same_number(indices, "pgd", start >> 39 & 511);
        check_path(ours, kernel);
        check_flags(ours, kernel);
        check_amounts(ours, kernel, with_shared);
        check_parts(ours);
}

void check_all(const struct shown *shown, const char *smaps, bool with_shared)
{
        json_t *kernel = parse_kernel(smaps), *map;
        size_t i;

        CHECK(json_array_size(shown->maps) == json_array_size(kernel), "%zu maps instead of %zu",
              json_array_size(shown->maps), json_array_size(kernel));
        json_array_foreach(kernel, i, map) check_map(json_array_get(shown->maps, i), map, with_shared);
        json_decref(kernel);
}

/* Maps and gaps cover every address from 0 to the last map, each once. */
void check_complete(const struct shown *shown)
{
        uint64_t at = 0, size = 0;
        json_t *line;
        size_t i;

        json_array_foreach(shown->lines, i, line)
        {
                if (line == shown->totals)
                        break;
                CHECK(address_of(line, "start") == at, "something is left out before %s", describe(line));
                at = address_of(line, "end");
                if (strcmp(text_of(line, "type"), "map") == 0)
                        size += number_of(line, "size");
        }
        check_same_number(shown->totals, "maps", json_array_size(shown->maps));
        check_same_number(shown->totals, "gaps", json_array_size(shown->gaps));
        check_same_number(shown->totals, "size", size);
}

/* --- the process's own numbers --- */

static uint64_t status_kib(pid_t pid, const char *name)
{
        char *status = read_proc(pid, "status"), *line = strstr(status, name);
        uint64_t kib;

        CHECK(line && sscanf(line + strlen(name), ": %" SCNu64, &kib) == 1, "status has no %s", name);
        free(status);
        return kib;
}

uint64_t check_tables(const struct shown *shown, pid_t pid)
{
        const json_t *tables = json_object_get(shown->totals, "tables_at_least");
        uint64_t n;

        check_same_number(shown->totals, "vm_pte", status_kib(pid, "VmPTE") * 1024);
        if (!tables)
                return 0; /* Linux older than 6.7 */
        n = number_of(tables, "pud") + number_of(tables, "pmd") + number_of(tables, "pte") +
            number_of(shown->totals, "tables_deposited");
        printf("%" PRIu64 " tables needed, %" PRIu64 " charged\n", n, number_of(shown->totals, "vm_pte") / PAGE);
        CHECK(n > 0 && n * PAGE <= number_of(shown->totals, "vm_pte"), "more tables than there are: %s",
              describe(shown->totals));
        return n;
}

static bool is_zero_page(int kpageflags, uint64_t frame)
{
        uint64_t flags;

        CHECK(pread(kpageflags, &flags, sizeof(flags), (off_t)(frame * sizeof(flags))) == sizeof(flags),
              "kpageflags: %s", strerror(errno));
        return flags >> 24 & 1; /* KPF_ZERO_PAGE */
}

/* Present pages of a range by pagemap, without those of the zero page, which nobody's rss counts. */
static uint64_t count_present(int pagemap, int kpageflags, uint64_t start, uint64_t end)
{
        uint64_t n = 0, entries[512];

        for (uint64_t at = start; at < end; at += sizeof(entries) / sizeof(*entries) * PAGE) {
                size_t n_entries = MIN_OF((end - at) / PAGE, ARRAY_SIZE(entries));

                CHECK(pread(pagemap, entries, n_entries * sizeof(*entries), (off_t)(at / PAGE * sizeof(*entries))) ==
                              (ssize_t)(n_entries * sizeof(*entries)),
                      "pagemap: %s", strerror(errno));
                for (size_t i = 0; i < n_entries; i++)
                        n += entries[i] >> 63 && !is_zero_page(kpageflags, entries[i] & ((UINT64_C(1) << 55) - 1));
        }
        return n;
}

static int open_proc(pid_t pid, const char *name)
{
        char path[64];
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        CHECK(fd >= 0, "%s: %s", path, strerror(errno));
        return fd;
}

/* Anonymous maps: resident is what pagemap calls present. */
void check_pagemap(const struct shown *shown, pid_t pid)
{
        CLEANUP_CLOSE int pagemap = open_proc(pid, "pagemap"), kpageflags = -1;
        uint64_t n_checked = 0;
        json_t *map;
        size_t i;

        kpageflags = open("/proc/kpageflags", O_RDONLY | O_CLOEXEC);
        if (kpageflags < 0)
                skip("no /proc/kpageflags: %s", strerror(errno));
        json_array_foreach(shown->maps, i, map)
        {
                if (number_of(map, "inode") != 0 || number_of(map, "rss") == 0 || text_of(map, "path")[0] == '[')
                        continue;
                check_same_number(
                        map, "rss",
                        PAGE * count_present(pagemap, kpageflags, address_of(map, "start"), address_of(map, "end")));
                n_checked += number_of(map, "rss") / PAGE;
        }
        printf("%" PRIu64 " anonymous pages\n", n_checked);
}
