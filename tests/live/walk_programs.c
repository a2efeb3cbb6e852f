/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A hundred addresses of each of ten real programs: what faultline walk says of them, against what this test reads from
 * /proc by itself. The programs wait in read(2), so that nothing of them changes in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/live/walk_ask.h"

#define PAGE_BYTES UINT64_C(4096)

struct program {
        const char *argv[6];
};

/* Each waits for its standard input, and changes nothing until it comes. */
static const struct program programs[] = {
        {{"cat", NULL}},
        {{"sort", NULL}},
        {{"grep", "x", NULL}},
        {{"sed", "p", NULL}},
        {{"awk", "{ print }", NULL}},
        {{"bash", "-c", "read x; exit 0", NULL}},
        {{"python3", "-c", "import sys, json, re; b = list(range(100000)); sys.stdin.read()", NULL}},
        {{"perl", "-e", "my @a = (1 .. 50000); my $x = <STDIN>;", NULL}},
        {{"tee", NULL}},
        {{"dd", NULL}},
        {{"wc", NULL}},
        {{"md5sum", NULL}},
};
#define N_PROGRAMS 10
#define N_ADDRESSES 100
#define N_MAPS_MAX 4096

struct range {
        uint64_t start, end, offset;
        char perms[5], path[4096];
};

static struct range ranges[N_MAPS_MAX];
static size_t n_ranges;

static void read_ranges(pid_t pid)
{
        char path[64], line[8192];
        FILE *file;

        (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
        file = fopen(path, "re");
        CHECK(file, "%s: %s", path, strerror(errno));
        for (n_ranges = 0; fgets(line, sizeof(line), file); n_ranges++) {
                struct range *range = &ranges[n_ranges];
                int n_fields;

                CHECK(n_ranges < N_MAPS_MAX, "too many maps");
                range->path[0] = '\0';
                n_fields = sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %4095[^\n]", &range->start,
                                  &range->end, range->perms, &range->offset, range->path);
                CHECK(n_fields >= 4, "%s: %s", path, line);
        }
        (void)fclose(file);
}

static uint64_t read_entry(int fd, uint64_t address)
{
        uint64_t entry;

        CHECK(pread(fd, &entry, sizeof(entry), (off_t)(address / PAGE_BYTES * sizeof(entry))) == sizeof(entry),
              "reading pagemap: %s", strerror(errno));
        return entry;
}

static uint64_t next_random(uint64_t *seed)
{
        *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return *seed >> 16;
}

/* Mostly somewhere in a map, else in front of one or behind it. */
static uint64_t pick_address(uint64_t *seed)
{
        const struct range *range = &ranges[next_random(seed) % n_ranges];

        switch (next_random(seed) % 10) {
        case 0:
                return range->start - 1 - next_random(seed) % PAGE_BYTES;
        case 1:
                return range->end + next_random(seed) % PAGE_BYTES;
        default:
                return range->start + next_random(seed) % (range->end - range->start);
        }
}

static void check_levels(const json_t *object, uint64_t address)
{
        const json_t *levels = json_object_get(object, "levels");
        size_t n = json_array_size(levels);

        CHECK(n == 4 || n == 5, "%zu levels", n);
        for (size_t i = 0; i < n; i++) {
                const json_t *level = json_array_get(levels, i);
                unsigned int low = 12 + 9 * (unsigned int)(n - 1 - i);

                CHECK(number_of(level, "low_bit") == low && number_of(level, "high_bit") == low + 8 &&
                              number_of(level, "covers_bytes") == UINT64_C(1) << low &&
                              number_of(level, "index") == (address >> low & 511),
                      "level %zu of 0x%" PRIx64 ": %s", i, address, json_dumps(level, 0));
        }
}

static const struct range *range_of(uint64_t address)
{
        for (size_t i = 0; i < n_ranges; i++)
                if (address >= ranges[i].start && address < ranges[i].end)
                        return &ranges[i];
        return NULL;
}

static void check_map(const json_t *object, const struct range *range)
{
        const json_t *map = json_object_get(object, "map");
        char path[4200];

        CHECK(map, "no map: %s", json_dumps(object, 0));
        (void)snprintf(path, sizeof(path), "%s%s", text_of(map, "path"),
                       json_is_true(json_object_get(map, "deleted")) ? " (deleted)" : "");
        CHECK(address_of(map, "start") == range->start && address_of(map, "end") == range->end &&
                      number_of(map, "offset") == range->offset && strcmp(text_of(map, "perms"), range->perms) == 0 &&
                      strcmp(path, range->path) == 0,
              "not the map at 0x%" PRIx64 ": %s", range->start, json_dumps(map, 0));
}

static uint64_t read_of_frame(const char *path, uint64_t frame)
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        uint64_t value;

        CHECK(fd >= 0 && pread(fd, &value, sizeof(value), (off_t)(frame * sizeof(value))) == sizeof(value), "%s: %s",
              path, strerror(errno));
        return value;
}

static bool has_word(const json_t *words, const char *word)
{
        json_t *item;
        size_t i;

        json_array_foreach((json_t *)(uintptr_t)words, i,
                           item) if (strcmp(json_string_value(item), word) == 0) return true;
        return false;
}

/* Of a page that is nobody else's: what does not change while the program waits. */
static void check_frame(const json_t *page)
{
        static const struct {
                unsigned int bit;
                const char *word;
        } lasting[] = {{11, "mmap"}, {12, "anon"}, {14, "swapbacked"}, {15, "compound-head"}, {16, "compound-tail"},
                       {17, "huge"}, {21, "ksm"},  {22, "thp"},        {24, "zero-page"}};
        uint64_t frame = number_of(page, "frame"), flags = read_of_frame("/proc/kpageflags", frame);

        CHECK(number_of(page, "map_count") == read_of_frame("/proc/kpagecount", frame), "times mapped: %s",
              json_dumps(page, 0));
        for (size_t i = 0; i < ARRAY_SIZE(lasting); i++)
                CHECK(has_word(json_object_get(page, "frame_flags"), lasting[i].word) == (flags >> lasting[i].bit & 1),
                      "%s of 0x%" PRIx64 ": %s", lasting[i].word, flags, json_dumps(page, 0));
}

/* The bits of Documentation/admin-guide/mm/pagemap.rst, taken apart here once more. */
static void check_entry(const json_t *object, uint64_t entry)
{
        const json_t *page = json_object_get(object, "page");
        bool present = entry >> 63 & 1;
        uint64_t frame = present ? entry & ((UINT64_C(1) << 55) - 1) : 0;

        CHECK(page, "no page: %s", json_dumps(object, 0));
        CHECK(is_true(page, "present") == present && is_true(page, "file_or_shared") == (entry >> 61 & 1) &&
                      is_true(page, "exclusive") == (entry >> 56 & 1) &&
                      is_true(page, "write_protected") == (entry >> 57 & 1) &&
                      is_true(page, "guard") == (entry >> 58 & 1) &&
                      (is_true(page, "swapped") || is_true(page, "marked") || is_true(page, "guard")) ==
                              (entry >> 62 & 1),
              "the entry is 0x%" PRIx64 ": %s", entry, json_dumps(page, 0));
        CHECK(frame ? number_of(page, "frame") == frame : !json_object_get(page, "frame"),
              "the frame is 0x%" PRIx64 ": %s", frame, json_dumps(page, 0));
        if (frame && is_true(page, "exclusive") && !is_true(page, "file_or_shared"))
                check_frame(page);
}

/* What a read and a write do where the permissions alone decide. */
static void check_permissions(const json_t *object, const struct range *range, uint64_t entry)
{
        const json_t *read = json_object_get(object, "read"), *write = json_object_get(object, "write");
        const json_t *exec = json_object_get(object, "exec");

        if (range->perms[0] == 'r' && entry >> 63)
                CHECK(strcmp(text_of(read, "result"), "works") == 0, "read: %s", json_dumps(object, 0));
        if (range->perms[1] != 'w')
                CHECK(strcmp(text_of(write, "si_code"), "SEGV_ACCERR") == 0, "write: %s", json_dumps(object, 0));
        if (range->perms[2] == 'x' && entry >> 63)
                CHECK(strcmp(text_of(exec, "result"), "works") == 0, "exec: %s", json_dumps(object, 0));
        else if (range->perms[2] != 'x' && entry >> 63)
                CHECK(strcmp(text_of(exec, "si_code"), "SEGV_ACCERR") == 0, "exec: %s", json_dumps(object, 0));
}

static void check_program(const struct child *child)
{
        uint64_t seed = 1;
        char path[64];
        size_t n_mapped = 0, n_present = 0;

        (void)snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)child->pid);

        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);

        CHECK(fd >= 0, "%s: %s", path, strerror(errno));
        read_ranges(child->pid);
        for (size_t i = 0; i < N_ADDRESSES; i++) {
                uint64_t address = pick_address(&seed);
                const struct range *range = range_of(address);
                json_t *object = walk_address(child->pid, address);

                check_levels(object, address);
                if (!range) {
                        CHECK(!json_object_get(object, "map"), "a map: %s", json_dumps(object, 0));
                } else if (address < UINT64_C(1) << 63) {
                        uint64_t entry = read_entry(fd, address);

                        check_map(object, range);
                        check_entry(object, entry);
                        check_permissions(object, range, entry);
                        n_mapped++;
                        n_present += entry >> 63;
                }
                json_decref(object);
        }
        CHECK(n_mapped > N_ADDRESSES / 2 && n_present > 0, "%zu addresses were mapped, %zu present", n_mapped,
              n_present);
        printf("%zu maps: %d addresses, %zu mapped, %zu present\n", n_ranges, N_ADDRESSES, n_mapped, n_present);
}

/* In read(2) of its standard input, where it stays. */
static void wait_until_reading(pid_t pid)
{
        char path[64], line[256] = "";

        (void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
        while (strncmp(line, "0 0x0 ", 6) != 0) {
                FILE *file = fopen(path, "re");

                if (!file && errno == ENOENT)
                        skip("the kernel has no %s", path);
                CHECK(file && fgets(line, sizeof(line), file), "%s: the program has gone", path);
                (void)fclose(file);
        }
}

static bool is_installed(const char *name)
{
        char *folders = strdup(getenv("PATH") ? getenv("PATH") : "/bin:/usr/bin"), *rest = NULL;
        bool found = false;

        for (char *folder = strtok_r(folders, ":", &rest); folder && !found; folder = strtok_r(NULL, ":", &rest)) {
                char path[4096];

                (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
                found = access(path, X_OK) == 0;
        }
        free(folders);
        return found;
}

int main(void)
{
        size_t n = 0;

        harness_begin(110);
        harness_need_root();
        for (size_t i = 0; i < ARRAY_SIZE(programs) && n < N_PROGRAMS; i++) {
                struct child child;

                if (!is_installed(programs[i].argv[0]))
                        continue;
                harness_doing(programs[i].argv[0]);
                child_start(&child, programs[i].argv, NULL);
                wait_until_reading(child.pid);
                printf("%s: ", programs[i].argv[0]);
                check_program(&child);
                (void)close(child.in_fd);
                child.in_fd = -1;
                (void)child_wait(&child);
                child_close(&child);
                n++;
        }
        if (n < N_PROGRAMS)
                skip("only %zu of the programs are installed", n);
        return 0;
}
