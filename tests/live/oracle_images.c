/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images by the maps that show them, kept for all programs and runs: they share their libraries. */
#include "tests/live/oracle_images.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>

#include "daemon/engine/model/image_rows.h"
#include "tests/live/monitor_support.h"

#define FILES_MAX 256

static struct oracle_file files[FILES_MAX];
static size_t n_files;

static void load_vdso(struct oracle_file *file)
{
        const uint8_t *bytes = (const uint8_t *)getauxval(AT_SYSINFO_EHDR); /* NOLINT */
        Elf64_Ehdr header;

        memcpy(&header, bytes, sizeof(header));
        file->bytes = bytes;
        file->n_bytes = header.e_shoff + (size_t)header.e_shnum * header.e_shentsize;
        assert_int_equal(image_load_memory(bytes, file->n_bytes, &file->image), 0);
        assert_int_equal(image_compile_rows_memory(bytes, file->n_bytes, &file->rows), 0);
}

static void load_file(struct oracle_file *file, const struct map *map)
{
        struct stat st;

        file->fd = open(map->path, O_RDONLY | O_CLOEXEC);
        if (file->fd < 0 || fstat(file->fd, &st) < 0 || st.st_ino != map->inode ||
            image_load(file->fd, &file->image) < 0)
                return;
        if (image_compile_rows(file->fd, &file->rows) < 0)
                file->rows = NULL;
}

static const struct oracle_file *file_of(const struct map *map)
{
        bool is_vdso = strcmp(map->path, "[vdso]") == 0;
        struct oracle_file *file;

        if (!map->inode && !is_vdso)
                return NULL;
        for (size_t i = 0; i < n_files; i++)
                if (files[i].inode == map->inode && files[i].major == map->major && files[i].minor == map->minor)
                        return &files[i];
        assert_true(n_files < FILES_MAX);
        file = &files[n_files++];
        *file = (struct oracle_file){.major = map->major, .minor = map->minor, .inode = map->inode, .fd = -1};
        if (is_vdso)
                load_vdso(file);
        else
                load_file(file, map);
        return file;
}

void oracle_forget_files(void)
{
        for (size_t i = 0; i < n_files; i++) {
                cleanup_close(&files[i].fd);
                files[i].image = image_free(files[i].image);
                files[i].rows = rows_unref(files[i].rows);
        }
        n_files = 0;
}

enum unwind_answer oracle_look_up(struct codemap *code, uint64_t addr, const struct map **ret_map,
                                  const struct oracle_file **ret_file, uint64_t *ret_vaddr)
{
        const struct map *map = codemap_lookup(code, addr);
        const struct oracle_file *file = map ? file_of(map) : NULL;

        if (!map)
                return UNWIND_NOT_CODE;
        if (!file || !file->image || !image_vaddr_of_offset(file->image, map->offset + (addr - map->start), ret_vaddr))
                return UNWIND_NONE;
        *ret_map = map;
        *ret_file = file;
        return UNWIND_FOUND;
}

enum unwind_answer oracle_find_rows(void *user, uint64_t addr, struct walk_image *ret)
{
        const struct map *map;
        const struct oracle_file *file;
        uint64_t vaddr;
        enum unwind_answer answer = oracle_look_up(user, addr, &map, &file, &vaddr);

        if (answer == UNWIND_FOUND)
                *ret = (struct walk_image){
                        .rows = file->rows, .bias = addr - vaddr, .start = map->start, .end = map->end};
        return answer;
}

enum unwind_answer oracle_find_file(void *user, uint64_t addr, struct unwind_image *ret)
{
        const struct map *map;
        const struct oracle_file *file;
        uint64_t vaddr;
        enum unwind_answer answer = oracle_look_up(user, addr, &map, &file, &vaddr);

        if (answer == UNWIND_FOUND)
                *ret = (struct unwind_image){
                        .fd = file->fd, .bytes = file->bytes, .n_bytes = file->n_bytes, .bias = addr - vaddr};
        return answer;
}
