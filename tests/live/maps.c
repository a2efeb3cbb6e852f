/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * maps CASE: what faultline maps says, against the kernel's own words. Programs that nobody prepared are stopped, so
 * that what is theirs holds still; nothing is compared with a tolerance.
 *
 * What a page shares with other processes changes whenever one of these starts or ends, faultline itself and pmap(1)
 * among them. So these amounts are compared with a copy of smaps that lies over the file in a mount namespace of our
 * own, where faultline and pmap read it; everything that is the process's own is compared with the live file as well.
 */
#include "tests/live/maps_cases.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#define N_TRIES 50
#define SMAPS_COPY "maps-smaps-copy"

/* --- a copy of smaps in the place of smaps --- */

static void write_copy(const char *text)
{
        FILE *file = fopen(SMAPS_COPY, "we");

        CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0, SMAPS_COPY ": %s", strerror(errno));
}

static void put_copy_over(pid_t pid, const char *text)
{
        char path[64];

        write_copy(text);
        (void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
        CHECK(mount(SMAPS_COPY, path, NULL, MS_BIND, NULL) == 0, "mount on %s: %s", path, strerror(errno));
}

static void take_copy_away(pid_t pid)
{
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
        CHECK(umount2(path, MNT_DETACH) == 0, "umount: %s", strerror(errno));
        CHECK(unlink(SMAPS_COPY) == 0, SMAPS_COPY ": %s", strerror(errno));
}

/* The last line of numbers of pmap -X, by the titles of its columns. */
static json_t *pmap_totals(pid_t pid)
{
        char number[16], titles[1024] = "", totals[1024] = "";
        const char *argv[] = {"pmap", "-X", number, NULL};
        json_t *object = json_object();
        struct child child;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(&child, argv, NULL);
        for (const char *line; (line = lines_next(&child.out));) {
                if (strstr(line, "Address Perm"))
                        (void)snprintf(titles, sizeof(titles), "%s", line);
                if (strstr(line, " KB"))
                        (void)snprintf(totals, sizeof(totals), "%s", line);
        }
        CHECK(child_wait(&child) == 0 && *titles && *totals, "pmap -X failed");
        child_close(&child);

        char *title_rest = strstr(titles, "Size"), *total_rest = totals;

        for (const char *title, *total; (title = strtok_r(title_rest, " ", &title_rest)) &&
                                        (total = strtok_r(total_rest, " ", &total_rest)) && strcmp(total, "KB") != 0;)
                (void)json_object_set_new(object, title, json_integer(atoll(total)));
        return object;
}

static void check_pmap(const struct shown *shown, pid_t pid)
{
        json_t *pmap = pmap_totals(pid);
        size_t n_compared = 0;

        check_same_number(shown->totals, "size", number_of(pmap, "Size") * 1024);
        for (size_t i = 0; i < n_amounts; i++) {
                const json_t *want = json_object_get(pmap, amounts[i].kernel);

                if (!want)
                        continue;
                check_same_number(shown->totals, amounts[i].ours, (uint64_t)json_integer_value(want) * 1024);
                n_compared++;
        }
        CHECK(n_compared >= 8, "pmap -X has only %zu of the amounts: %s", n_compared, describe(pmap));
        json_decref(pmap);
}

/* --- programs --- */

void stop_process(pid_t pid)
{
        CHECK(kill(pid, SIGSTOP) == 0, "the program is gone");
        process_wait_state(pid, 'T');
}

/* Asleep in a system call, so probably done with its beginning; what it does is no part of the test. */
static void wait_until_idle(pid_t pid)
{
        unsigned int n_idle = 0;

        while (n_idle < 20) {
                char state = process_state(pid);

                CHECK(state && state != 'Z', "the program has ended");
                n_idle = state == 'S' ? n_idle + 1 : 0;
                (void)poll(NULL, 0, 5);
        }
}

/* Reads it when nothing of its own changed meanwhile: the kernel may still merge or reclaim pages. */
static void show_steady(pid_t pid, struct shown *ret)
{
        for (unsigned int i = 0;; i++) {
                CLEANUP_FREE char *before = read_proc(pid, "smaps"), *after = NULL;
                json_t *was, *is;
                bool same = true;

                show_maps(pid, ret);
                after = read_proc(pid, "smaps");
                was = parse_kernel(before);
                is = parse_kernel(after);
                for (size_t j = 0; j < json_array_size(was); j++)
                        for (size_t k = 0; k < n_amounts; k++)
                                same &= amounts[k].is_shared ||
                                        json_equal(json_object_get(json_array_get(was, j), amounts[k].kernel),
                                                   json_object_get(json_array_get(is, j), amounts[k].kernel));
                json_decref(was);
                json_decref(is);
                if (same) {
                        check_all(ret, after, false);
                        return;
                }
                free_shown(ret);
                CHECK(i < N_TRIES, "it does not hold still");
        }
}

void compare_process(pid_t pid)
{
        CLEANUP_FREE char *copy = NULL;
        struct shown shown;

        show_steady(pid, &shown);
        check_complete(&shown);
        check_pagemap(&shown, pid);
        (void)check_tables(&shown, pid);
        free_shown(&shown);

        copy = read_proc(pid, "smaps");
        put_copy_over(pid, copy);
        show_maps(pid, &shown);
        check_all(&shown, copy, true);
        check_pmap(&shown, pid);
        free_shown(&shown);
        take_copy_away(pid);
}

struct program {
        const char *name;
        const char *argv[8];
        const char *leaves; /* a file in the working directory */
        bool is_child;      /* what is looked at is what it starts */
};

static const struct program programs[] = {
        {.name = "sleep", .argv = {"sleep", "1000"}},
        {.name = "bash", .argv = {"bash", "-c", "read line"}},
        {.name = "python3", .argv = {"/usr/bin/python3", "-c", "import json, decimal, sqlite3; input()"}},
        {.name = "perl", .argv = {"perl", "-MPOSIX", "-e", "<STDIN>"}},
        {.name = "git", .argv = {"git", "hash-object", "--stdin"}},
        {.name = "cc1", .argv = {"gcc", "-S", "-o", "/dev/null", "-x", "c", "-"}, .is_child = true},
        {.name = "redis-server",
         .argv = {"redis-server", "--port", "0", "--save", "", "--unixsocket", "maps-redis"},
         .leaves = "maps-redis"},
        {.name = "tmux", .argv = {"tmux", "-S", "maps-tmux", "-f", "/dev/null", "-D"}, .leaves = "maps-tmux"},
        {.name = "gdb", .argv = {"gdb", "-q", "-nx"}},
        {.name = "openssl", .argv = {"openssl", "dgst", "-sha256"}},
        {.name = "cmake", .argv = {"cmake", "-E", "sleep", "1000"}},
        {.name = "make", .argv = {"make", "-f", "-"}},
};

void begin_root(void)
{
        harness_need_root();
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip("no mount namespace of our own: %s", strerror(errno));
}

static pid_t wait_for_child(pid_t pid)
{
        pid_t child;

        while ((child = process_child(pid)) == 0) {
                CHECK(process_state(pid), "the program has ended");
                (void)poll(NULL, 0, 5);
        }
        return child;
}

void end_program(struct child *child, pid_t pid)
{
        CHECK(kill(pid, SIGKILL) == 0, "the program is gone");
        if (pid != child->pid)
                (void)kill(child->pid, SIGKILL);
        (void)child_wait(child);
        child_close(child);
}

static void run_program(const struct program *program)
{
        struct child child;
        pid_t pid;

        harness_doing(program->name);
        child_start(&child, program->argv, &(struct child_options){.dies_with_us = true});
        pid = program->is_child ? wait_for_child(child.pid) : child.pid;
        wait_until_idle(pid);
        stop_process(pid);
        printf("%s\n", program->name);
        compare_process(pid);
        end_program(&child, pid);
        if (program->leaves)
                (void)unlink(program->leaves);
}

static bool is_installed(const char *name)
{
        char command[128];

        (void)snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", name);
        return system(command) == 0; /* NOLINT: words of our own */
}

static void test_programs(void)
{
        size_t n = 0;

        begin_root();
        harness_need_program("pmap");
        for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
                if (!is_installed(programs[i].argv[0])) {
                        printf("%s is not installed\n", programs[i].argv[0]);
                        continue;
                }
                run_program(&programs[i]);
                n++;
        }
        if (n < 10)
                skip("only %zu of the programs are installed", n);
}

/* --- the sections of real images --- */

struct section {
        char name[64];
        uint64_t vaddr, n_bytes;
};

#define N_SECTIONS_MAX 128

struct described {                               /* by readelf */
        struct section sections[N_SECTIONS_MAX]; /* that have addresses */
        size_t n;
        bool is_fixed;
};

static void parse_readelf(const char *line, struct described *described)
{
        struct section section;
        char type[32], flags[16];

        if (strstr(line, "Type:") && strstr(line, "EXEC"))
                described->is_fixed = true;
        if (sscanf(line, " [%*d] %63s %31s %" SCNx64 " %*x %" SCNx64 " %*x %15s", section.name, type, &section.vaddr,
                   &section.n_bytes, flags) != 5)
                return;
        if (!strchr(flags, 'A') || section.n_bytes == 0 || (strcmp(type, "NOBITS") == 0 && strchr(flags, 'T')))
                return;
        CHECK(described->n < N_SECTIONS_MAX, "too many sections");
        described->sections[described->n++] = section;
}

static void describe_image(const char *path, struct described *ret)
{
        const char *argv[] = {"readelf", "-hSW", path, NULL};
        struct child child;

        *ret = (struct described){0};
        child_start(&child, argv, NULL);
        for (const char *line; (line = lines_next(&child.out));)
                parse_readelf(line, ret);
        (void)child_wait(&child); /* a file that is no image has no sections */
        child_close(&child);
}

/* The parts of the section that stand in all maps, one behind the other, are the section. */
static void check_section(const struct shown *shown, const struct section *want, uint64_t bias)
{
        uint64_t at = want->vaddr + bias, end = at + want->n_bytes;
        json_t *map, *section;
        size_t i, j;

        json_array_foreach(shown->maps, i, map) json_array_foreach(json_object_get(map, "sections"), j, section)
        {
                if (strcmp(text_of(section, "name"), want->name) != 0 || address_of(section, "start") != at)
                        continue;
                CHECK(address_of(section, "start") >= address_of(map, "start") &&
                              address_of(section, "end") <= address_of(map, "end"),
                      "not within its map: %s", describe(map));
                at = address_of(section, "end");
        }
        CHECK(at == end, "%s at %#" PRIx64 " is shown up to %#" PRIx64 " instead of %#" PRIx64, want->name,
              want->vaddr + bias, at, end);
}

static size_t count_sections(const struct shown *shown)
{
        json_t *map, *section;
        size_t i, j, n = 0;

        json_array_foreach(shown->maps, i, map)
        {
                if (strcmp(text_of(map, "path"), "[vdso]") == 0)
                        continue;
                json_array_foreach(json_object_get(map, "sections"), j, section) n +=
                        !json_object_get(section, "begins_before");
        }
        return n;
}

/* Every image of the process (its program and its loader at least), of which the first map is that of offset 0. */
static void check_sections(const struct shown *shown)
{
        size_t i, n_images = 0, n_sections = 0;
        json_t *map;

        json_array_foreach(shown->maps, i, map)
        {
                struct described described;

                if (text_of(map, "path")[0] != '/' || number_of(map, "offset") != 0)
                        continue;
                describe_image(text_of(map, "path"), &described);
                for (size_t j = 0; j < described.n; j++)
                        check_section(shown, &described.sections[j], described.is_fixed ? 0 : address_of(map, "start"));
                n_images += described.n > 0;
                n_sections += described.n;
        }
        printf("%zu sections of %zu images\n", n_sections, n_images);
        CHECK(n_images >= 2 && count_sections(shown) == n_sections, "%zu sections are shown, readelf knows %zu",
              count_sections(shown), n_sections);
}

static void test_sections(void)
{
        static const char *const argv[] = {"/usr/bin/python3", "-c", "import json, decimal, sqlite3; input()", NULL};
        struct child child;
        struct shown shown;

        harness_need_root();
        harness_need_program("readelf");
        if (access(argv[0], X_OK) < 0)
                skip("%s is not installed", argv[0]);
        child_start(&child, argv, &(struct child_options){.dies_with_us = true});
        wait_until_idle(child.pid);
        stop_process(child.pid);
        show_maps(child.pid, &shown);
        check_sections(&shown);
        free_shown(&shown);
        end_program(&child, child.pid);
}

/* --- the smallest program --- */

#define SMALLEST TARGETS_DIR "/pause"

void start_smallest(struct child *child)
{
        static const char *const argv[] = {SMALLEST, NULL};
        char path[64], exe[256] = "";

        child_start(child, argv, &(struct child_options){.dies_with_us = true});
        (void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)child->pid);
        while (!strstr(exe, "/pause")) {
                ssize_t n = readlink(path, exe, sizeof(exe) - 1);

                CHECK(n > 0, "%s: %s", path, strerror(errno));
                exe[n] = '\0';
        }
        process_wait_state(child->pid, 'S');
        stop_process(child->pid);
}

static void check_line(struct child *client, const char *want)
{
        const char *line = lines_next(&client->out);

        CHECK(line && strcmp(line, want) == 0, "'%s' instead of '%s'", line ? line : "the end", want);
}

/* The first lines of the text, as an article prints them. */
static void check_picture(pid_t pid)
{
        char number[16], want[512];
        const char *argv[] = {FAULTLINE_PATH, "maps", number, NULL};
        CLEANUP_FREE char *min_addr = read_file("/proc/sys/vm/mmap_min_addr");
        struct child client;
        const char *line;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(&client, argv, NULL);
        harness_watch(&client);
        (void)snprintf(want, sizeof(want), "pause (%d), 4 levels of page tables", (int)pid);
        check_line(&client, want);
        (void)snprintf(want, sizeof(want), "-- gap                            4 MiB from null on, mmap_min_addr %#lx",
                       strtoul(min_addr, NULL, 10));
        check_line(&client, want);
        check_line(&client, "0x400000-0x401000                 4 KiB r--p      0x0 " SMALLEST);
        line = lines_next(&client.out);
        CHECK(line && strncmp(line, "    PGD 0 PUD 0 PMD 2 PTE 0", 27) == 0, "'%s'", line);
        check_line(&client, "0x401000-0x402000                 4 KiB r-xp   0x1000 " SMALLEST);
        check_line(&client, "    .text               0x401000-0x401009                    9 B");
        line = lines_next(&client.out);
        CHECK(line && strncmp(line, "    PGD 0 PUD 0 PMD 2 PTE 1: resident 4 KiB, ", 45) == 0, "'%s'", line);
        while (lines_next(&client.out))
                ;
        CHECK(child_wait(&client) == 0, "faultline maps failed");
        child_close(&client);
}

/* Its two maps, what the kernel adds, and nothing else; and no table more than its pages need. */
static void test_smallest(void)
{
        static const char *const expected[] = {SMALLEST, SMALLEST, "[vvar]", "[vdso]", "[stack]"};
        struct child child;
        struct shown shown;
        json_t *map;
        size_t i, n_found = 0;

        harness_need_root();
        start_smallest(&child);
        show_maps(child.pid, &shown);
        check_complete(&shown);
        json_array_foreach(shown.maps, i, map)
        {
                const char *path = text_of(map, "path");
                bool is_known = strncmp(path, "[vvar", 5) == 0 || strcmp(path, "[vsyscall]") == 0;

                for (size_t j = 0; j < ARRAY_SIZE(expected) && !(strcmp(path, "[vvar]") != 0 && is_known); j++)
                        if (strcmp(path, expected[j]) == 0) {
                                n_found++;
                                is_known = true;
                                break;
                        }
                CHECK(is_known, "not part of the picture: %s", describe(map));
        }
        CHECK(n_found == ARRAY_SIZE(expected), "only %zu of the maps of the picture", n_found);
        if (json_object_get(shown.totals, "tables_at_least"))
                CHECK(check_tables(&shown, child.pid) * PAGE == number_of(shown.totals, "vm_pte"), "other tables: %s",
                      describe(shown.totals));
        if (number_of(shown.totals, "levels") == 4)
                check_picture(child.pid);
        free_shown(&shown);
        end_program(&child, child.pid);
}

/* --- nothing is left behind --- */

/* Faults, resident pages and page tables of the process. */
static void take_traces(pid_t pid, char *ret, size_t n)
{
        CLEANUP_FREE char *stat = read_proc(pid, "stat"), *smaps = read_proc(pid, "smaps"), *status = NULL;
        uint64_t min_flt, maj_flt;
        json_t *maps = parse_kernel(smaps), *map;
        uint64_t rss = 0;
        size_t i;

        status = read_proc(pid, "status");
        CHECK(sscanf(strrchr(stat, ')'), ") %*c %*d %*d %*d %*d %*d %*u %" SCNu64 " %*u %" SCNu64, &min_flt,
                     &maj_flt) == 2,
              "stat is not understood");
        json_array_foreach(maps, i, map) rss += number_of(map, "Rss");
        (void)snprintf(ret, n, "min_flt %" PRIu64 " maj_flt %" PRIu64 " rss %" PRIu64 " %.20s %.14s", min_flt, maj_flt,
                       rss, strstr(status, "VmPTE"), strstr(status, "TracerPid"));
        json_decref(maps);
}

static void test_untouched(void)
{
        char number[16], before[256], after[256];
        const char *argv[] = {FAULTLINE_PATH, "maps", number, NULL};
        struct child child, client;
        struct shown shown;

        harness_need_root();
        start_smallest(&child);
        (void)snprintf(number, sizeof(number), "%d", (int)child.pid);
        take_traces(child.pid, before, sizeof(before));
        for (unsigned int i = 0; i < 3; i++) {
                show_maps(child.pid, &shown);
                free_shown(&shown);
                child_start(&client, argv, NULL);
                while (lines_next(&client.out))
                        ;
                CHECK(child_wait(&client) == 0, "faultline maps failed");
                child_close(&client);
        }
        take_traces(child.pid, after, sizeof(after));
        CHECK(strcmp(before, after) == 0, "it was\n%s\nand is\n%s", before, after);
        end_program(&child, child.pid);
}

/* --- without any capability --- */

/* One's own process: all of it, its images opened by their paths, for /proc/PID/map_files is closed. */
static void test_unprivileged(void)
{
        static const char *const argv[] = {"sleep", "1000", NULL};
        const struct child_options options = {.uid = NOBODY, .dies_with_us = true};
        struct child child;
        struct shown shown;
        CLEANUP_FREE char *smaps = NULL;

        harness_need_root();
        harness_need_reachable(NOBODY);
        harness_need_program("readelf");
        child_start(&child, argv, &options);
        wait_until_idle(child.pid);
        stop_process(child.pid);
        show_maps_as(NOBODY, child.pid, &shown);
        smaps = read_proc(child.pid, "smaps");
        check_all(&shown, smaps, false);
        check_complete(&shown);
        check_sections(&shown);
        (void)check_tables(&shown, child.pid);
        free_shown(&shown);
        end_program(&child, child.pid);
}

int main(int argc, char **argv)
{
        static const struct test_case cases[] = {
                {"programs", test_programs},         {"sections", test_sections}, {"smallest", test_smallest},
                {"untouched", test_untouched},       {"known", test_known},       {"refusals", test_refusals},
                {"unprivileged", test_unprivileged},
        };

        CHECK(argc == 2, "usage: maps CASE");
        harness_begin(100);
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
