/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * brief root|nobody|root-service|nobody-service: programs that are gone before anybody could look at them. Every fault
 * that they take in user mode has its names all the same: their images are opened when they are mapped, not when they
 * are asked for. Each program is a static one without C library and one with it; both write once to each page of
 * brief_bss, from brief_touch, and leave.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/harness.h"

#define N_PAGES 4 /* of brief_bss: tests/targets/brief.S */
#define PAGE_BYTES 4096
#define N_TIMES 20

/*
 * The headers, which the dynamic linker reads, lie in no section; nor does the padding between .data and .bss of the C
 * library, which it clears: section names are asked of our own programs only.
 */
static uint64_t headers_bytes(const char *image)
{
        Elf64_Ehdr header;
        CLEANUP_CLOSE int fd = open(image, O_RDONLY | O_CLOEXEC);

        CHECK(fd >= 0 && read(fd, &header, sizeof(header)) == (ssize_t)sizeof(header), "reading %s: %s", image,
              strerror(errno));
        return header.e_phoff + (uint64_t)header.e_phnum * header.e_phentsize;
}

static bool is_named(const json_t *fault)
{
        const json_t *place = json_object_get(fault, "place"), *code = json_object_get(fault, "code");
        const char *image = text_of(place, "image");

        if (!*image || !*text_of(code, "image") || !*text_of(code, "section"))
                return false;
        return !strstr(image, "/brief_") || *text_of(place, "section") ||
               number_of(place, "offset") < headers_bytes(image);
}

/* Of a map: not the stack, not the memory that libraries ask for, not the dynamic linker's cache. */
static bool is_image(const char *path)
{
        char magic[SELFMAG];
        CLEANUP_CLOSE int fd = *path == '/' ? open(path, O_RDONLY | O_CLOEXEC) : -1;

        return fd >= 0 && read(fd, magic, sizeof(magic)) == (ssize_t)sizeof(magic) &&
               memcmp(magic, ELFMAG, SELFMAG) == 0;
}

static void check_own(const json_t *fault, size_t *n_own)
{
        const json_t *place = json_object_get(fault, "place"), *code = json_object_get(fault, "code");

        if (strcmp(text_of(place, "symbol"), "brief_bss") != 0)
                return;
        CHECK(strcmp(text_of(place, "section"), ".bss") == 0 && strcmp(text_of(code, "symbol"), "brief_touch") == 0 &&
                      strcmp(text_of(code, "section"), ".text") == 0 && number_of(code, "offset") == 0 &&
                      number_of(place, "offset") == *n_own * PAGE_BYTES,
              "page %zu of brief_bss: %s", *n_own, json_dumps(fault, 0));
        ++*n_own;
}

static void check_faults(const struct client *client, const char *program)
{
        json_t *fault;
        size_t i, n_own = 0;

        check_nothing_missing(client);
        json_array_foreach(client->faults, i, fault)
        {
                if (strcmp(text_of(fault, "mode"), "user") != 0)
                        continue;
                CHECK(!is_image(text_of(json_object_get(fault, "map"), "path")) || is_named(fault),
                      "%s: without names: %s", program, json_dumps(fault, 0));
                check_own(fault, &n_own);
        }
        CHECK(n_own == N_PAGES, "%s: %zu faults in brief_bss instead of %d", program, n_own, N_PAGES);
}

static void run(const char *program, uid_t uid, const char *option)
{
        const char *args[] = {option, "--", program, NULL};
        struct client client;
        int status;

        client_start_as(&client, uid, option ? args : args + 1);
        status = client_finish(&client);
        CHECK(status == 0, "%s: exit status %d", program, status);
        check_faults(&client, program);
        client_free(&client);
}

int main(int argc, char **argv)
{
        static const char *const programs[] = {TARGETS_DIR "/brief_static", TARGETS_DIR "/brief_dynamic"};
        CLEANUP_FREE char *option = NULL;
        struct daemon daemon;
        uid_t uid;

        CHECK(argc == 2, "usage: brief root|nobody|root-service|nobody-service");
        harness_begin(50);
        harness_need_full();
        harness_need_reachable(NOBODY);
        uid = strncmp(argv[1], "nobody", 6) == 0 ? NOBODY : 0;
        if (strstr(argv[1], "-service")) {
                daemon_start(&daemon, NULL);
                daemon_open_to_all(&daemon);
                option = daemon_option(&daemon);
        }
        for (size_t i = 0; i < N_TIMES; i++)
                run(programs[i % ARRAY_SIZE(programs)], uid, option);
        if (option)
                daemon_stop(&daemon);
        return 0;
}
