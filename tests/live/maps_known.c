/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A process that knows its pages: it makes maps at addresses of its own choice and touches so many pages of each, locks
 * some, guards some, and gives one to a thread as its stack.
 */
#include "tests/live/maps_cases.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#define BASE UINT64_C(0x200000000000)
#define AT(i) (BASE + (uint64_t)(i) * (16 << 20)) /* far enough from each other to stay maps of their own */
#define HOSTILE_NAME "maps \x1b[31m\nhostile"
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { PLAIN, LOCKED, GUARDED, REGIONS, SHARED, DELETED, STACK, N_PLACES };

struct announcement {
        bool has_regions; /* the kernel knows MADV_GUARD_INSTALL */
        pid_t tid;
};

static char *map_at(unsigned int i, size_t n_pages, int flags, int fd)
{
        char *at = mmap((void *)(uintptr_t)AT(i), n_pages * PAGE, PROT_READ | PROT_WRITE, flags | MAP_FIXED_NOREPLACE,
                        fd, 0);

        if (at == MAP_FAILED)
                _exit(10);
        (void)madvise(at, n_pages * PAGE, MADV_NOHUGEPAGE);
        return at;
}

static void touch(char *at, size_t n_pages)
{
        for (size_t i = 0; i < n_pages; i++)
                ((volatile char *)at)[i * PAGE] = 1;
}

static void *rest(void *tid)
{
        *(volatile pid_t *)tid = gettid();
        for (;;)
                (void)pause();
        return NULL;
}

static void make_pages(struct announcement *said)
{
        pthread_attr_t attributes;
        pthread_t thread;
        int fd = open(HOSTILE_NAME, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        char *at;

        if (fd < 0 || ftruncate(fd, 2 * PAGE) < 0 || unlink(HOSTILE_NAME) < 0)
                _exit(11);
        touch(map_at(PLAIN, 16, MAP_PRIVATE | MAP_ANONYMOUS, -1), 5);
        if (mlock(map_at(LOCKED, 4, MAP_PRIVATE | MAP_ANONYMOUS, -1), 4 * PAGE) < 0)
                _exit(12);
        at = map_at(GUARDED, 11, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        if (mprotect(at, 3 * PAGE, PROT_NONE) < 0)
                _exit(13);
        touch(at + 3 * PAGE, 1);
        at = map_at(REGIONS, 32, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        touch(at, 2);
        said->has_regions = madvise(at + 4 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL) == 0 &&
                            madvise(at + 31 * PAGE, PAGE, MADV_GUARD_INSTALL) == 0;
        touch(map_at(SHARED, 4, MAP_SHARED | MAP_ANONYMOUS, -1), 3);
        touch(map_at(DELETED, 2, MAP_PRIVATE, fd), 1);
        at = map_at(STACK, 64, MAP_PRIVATE | MAP_ANONYMOUS, -1);
        if (pthread_attr_init(&attributes) != 0 || pthread_attr_setstack(&attributes, at, 64 * PAGE) != 0 ||
            pthread_create(&thread, &attributes, rest, &said->tid) != 0)
                _exit(14);
}

_Noreturn static void be_known(struct announcement *said, int ready_fd)
{
        make_pages(said);
        while (*(volatile pid_t *)&said->tid == 0)
                (void)poll(NULL, 0, 1);
        if (write(ready_fd, "x", 1) != 1)
                _exit(15);
        for (;;)
                (void)pause();
}

static const json_t *map_of(const struct shown *shown, uint64_t start)
{
        json_t *map;
        size_t i;

        json_array_foreach(shown->maps, i, map) if (address_of(map, "start") == start) return map;
        fail("no map at %#" PRIx64, start);
}

static void check_known(const struct shown *shown, unsigned int i, size_t n_pages, size_t n_resident)
{
        const json_t *map = map_of(shown, AT(i)), *indices = json_object_get(map, "indices");

        check_same_number(map, "size", n_pages * PAGE);
        check_same_number(map, "rss", n_resident * PAGE);
        check_same_number(indices, "pud", 0);
        check_same_number(indices, "pmd", i * 8);
        check_same_number(indices, "pte", 0);
}

static void check_role(const json_t *map, const char *role)
{
        CHECK(strcmp(text_of(map, "role"), role) == 0, "not %s: %s", role, describe(map));
}

static void check_guard_region(const json_t *map, size_t index, unsigned int first_page, unsigned int n_pages)
{
        const json_t *guard = json_array_get(json_object_get(map, "guards"), index);

        CHECK(guard && address_of(guard, "start") == AT(REGIONS) + first_page * PAGE, "another guard region: %s",
              describe(map));
        check_same_number(guard, "size", n_pages * PAGE);
}

/* Absent where the kernel does not tell them: before Linux 6.16. */
static void check_regions(const struct shown *shown, const struct announcement *said)
{
        const json_t *map = map_of(shown, AT(REGIONS)), *guards = json_object_get(map, "guards");

        if (!said->has_regions || !guards) {
                printf("the kernel has no guard regions, or does not tell them\n");
                return;
        }
        CHECK(json_array_size(guards) == 2, "not two guard regions: %s", describe(map));
        check_guard_region(map, 0, 4, 2);
        check_guard_region(map, 1, 31, 1);
        check_same_number(shown->totals, "guard_regions", 3);
        check_same_number(shown->totals, "guard_size", 6 * PAGE);
}

static void check_known_places(const struct shown *shown, const struct announcement *said)
{
        const json_t *map, *thread;

        check_known(shown, PLAIN, 16, 5);
        check_same_number(map_of(shown, AT(PLAIN)), "private_dirty", 5 * PAGE);
        check_known(shown, LOCKED, 4, 4);
        check_same_number(map_of(shown, AT(LOCKED)), "locked", 4 * PAGE);
        check_known(shown, GUARDED, 3, 0);
        check_role(map_of(shown, AT(GUARDED)), "guard");
        map = map_of(shown, AT(GUARDED) + 3 * PAGE);
        check_same_number(map, "rss", PAGE);
        check_known(shown, REGIONS, 32, 2);
        check_regions(shown, said);
        check_known(shown, SHARED, 4, 3);
        CHECK(strcmp(text_of(map_of(shown, AT(SHARED)), "path"), "/dev/zero") == 0, "not shared anonymous memory");
        check_known(shown, DELETED, 2, 1);
        map = map_of(shown, AT(DELETED));
        CHECK(strstr(text_of(map, "path"), "/maps \x1b[31m\\012hostile") && json_object_get(map, "deleted"),
              "another name: %s", describe(map));
        map = map_of(shown, AT(STACK));
        check_role(map, "thread-stack");
        thread = json_array_get(json_object_get(map, "threads"), 0);
        check_same_number(thread, "tid", (uint64_t)said->tid);
        CHECK(address_of(thread, "stack_pointer") > AT(STACK) &&
                      address_of(thread, "stack_pointer") < AT(STACK) + 64 * PAGE,
              "its stack pointer is elsewhere: %s", describe(map));
}

/* Two gaps between places that are 16 MiB apart. */
static void check_known_gaps(const struct shown *shown)
{
        json_t *gap;
        size_t i, n = 0;

        json_array_foreach(shown->gaps, i, gap)
        {
                if (address_of(gap, "end") == AT(LOCKED))
                        check_same_number(gap, "size", (16 << 20) - 16 * PAGE);
                else if (address_of(gap, "end") == AT(GUARDED))
                        check_same_number(gap, "size", (16 << 20) - 4 * PAGE);
                else
                        continue;
                n++;
        }
        CHECK(n == 2, "not both gaps are shown");
}

/* What the terminal gets has no control characters but newlines. */
static void check_harmless(pid_t pid)
{
        char number[16];
        const char *argv[] = {FAULTLINE_PATH, "maps", number, NULL};
        struct child client;
        bool found = false;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(&client, argv, NULL);
        for (const char *line; (line = lines_next(&client.out));) {
                for (const char *c = line; *c; c++)
                        CHECK((unsigned char)*c >= ' ', "a control character: %s", line);
                found |= strstr(line, "/maps \\x1b[31m\\\\012hostile (deleted)") != NULL;
        }
        CHECK(child_wait(&client) == 0 && found, "the hostile name is not there");
        child_close(&client);
}

void test_known(void)
{
        struct announcement *said = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        struct shown shown;
        int ready[2];
        pid_t pid;
        char c;

        begin_root();
        CHECK(said != MAP_FAILED && pipe2(ready, O_CLOEXEC) == 0, "no memory");
        pid = fork();
        CHECK(pid >= 0, "fork: %s", strerror(errno));
        if (pid == 0)
                be_known(said, ready[1]);
        (void)close(ready[1]);
        CHECK(read(ready[0], &c, 1) == 1, "the process that knows its pages failed");
        stop_process(pid);
        show_maps(pid, &shown);
        check_known_places(&shown, said);
        check_known_gaps(&shown);
        free_shown(&shown);
        compare_process(pid);
        check_harmless(pid);
        CHECK(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid, "it is gone");
}
