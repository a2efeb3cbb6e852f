/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arbitrary bytes as an image, by descriptor and from memory: both agree, whatever is asked comes back, answers cover
 * what was asked for, and the memory held is in proportion to the file.
 *
 * Input: the bytes of the file; as its own debug file it is read a second time.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/engine/model/place.h"
#include "tests/fuzz/fuzz.h"

/* Of one looked-up range: a row in each table, a name that it may share, and what is there without any. */
#define BYTES_PER_FILE_BYTE 1024

static void look_up(const struct image *image, uint64_t addr)
{
        struct image_section section;
        struct symbol symbol;

        if (image_section(image, addr, &section)) {
                fuzz_promise(section.vaddr <= addr && section.size_bytes > addr - section.vaddr);
                fuzz_promise(strlen(section.name) > 0);
        }
        if (image_symbol(image, addr, &symbol)) {
                fuzz_promise(symbol.value <= addr);
                fuzz_promise(symbol.size_bytes == 0 || symbol.size_bytes > addr - symbol.value);
                fuzz_promise(strlen(symbol.name) > 0 && strlen(symbol.name) <= SYMBOL_NAME_MAX_BYTES);
        }
}

static void look_everything_up(const struct image *image)
{
        uint8_t build_id[IMAGE_BUILD_ID_BYTES];
        const char *link;
        uint32_t crc;

        for (uint64_t addr = 0; addr != UINT64_MAX;) {
                uint64_t until = image_until(image, addr);

                fuzz_promise(until > addr);
                look_up(image, addr);
                look_up(image, until - 1);
                addr = until;
        }
        fuzz_promise(image_build_id(image, build_id) <= IMAGE_BUILD_ID_BYTES);
        link = image_debuglink(image, &crc);
        fuzz_promise(!link || (strlen(link) > 0 && !strchr(link, '/')));
}

/* Walk a map over the image, in the steps that place_find() itself gives. */
static void walk_map(const struct image *image, enum map_kind kind, uint64_t offset)
{
        const struct map map = {.start = UINT64_C(0x7f0000000000),
                                .end = UINT64_C(0x7f0000010000),
                                .offset = offset,
                                .kind = kind,
                                .readable = true,
                                .writable = kind == MAP_KIND_ANON,
                                .image_start = UINT64_C(0x7f0000000000) - (kind == MAP_KIND_ANON ? 4096 : 0),
                                .image_offset = offset};

        for (uint64_t addr = map.start; addr < map.end;) {
                struct place place = place_find(&map, image, addr);

                fuzz_promise(place.end > addr && place.end <= map.end);
                addr = place.end;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        struct image *image = NULL, *from_memory = NULL;
        int fd = memfd_create("image", MFD_CLOEXEC);
        int r, r_memory;

        fuzz_promise(fd >= 0 && (n_bytes == 0 || pwrite(fd, data, n_bytes, 0) == (ssize_t)n_bytes));
        r = image_load(fd, &image);
        r_memory = image_load_memory(data, n_bytes, &from_memory);
        fuzz_promise(r == r_memory);
        fuzz_promise(r == 0 || r == -ENOEXEC || r == -EBADMSG || r == -E2BIG);
        if (r == 0) {
                fuzz_promise(image_bytes(image) == image_bytes(from_memory));
                fuzz_promise(image_bytes(image) <= 4096 + n_bytes * BYTES_PER_FILE_BYTE);
                look_everything_up(image);
                look_everything_up(from_memory);
                for (uint64_t offset = 0; offset < 16384; offset += 4096) {
                        walk_map(image, MAP_KIND_FILE, offset);
                        walk_map(image, MAP_KIND_ANON, offset);
                }
                if (image_add_debug(image, fd) == 0)
                        look_everything_up(image);
        }
        (void)image_free(image);
        (void)image_free(from_memory);
        (void)close(fd);
        return 0;
}
