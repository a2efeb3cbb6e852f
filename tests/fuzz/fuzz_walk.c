/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Arbitrary unwind tables and arbitrary stacks, walked as the product does: by rows, and where a row does not fit by
 * libunwind over the same bytes. Both come to an end, read nothing beyond the bytes that they were given, and say of
 * each frame how it was found.
 *
 * Input: flags (2 bits: room for frames; 1 bit: an image is late); length of the table in two bytes, the table; rip,
 * rsp, rbp in four bytes each; the stack. The table is the .eh_frame of an ELF file whose code is the file itself.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "daemon/engine/model/image_rows.h"
#include "daemon/engine/model/walk.h"
#include "elf/image.h"
#include "tests/fuzz/fuzz.h"

#define HEAD_BYTES 3
#define REGISTERS_BYTES 12
#define STACK UINT64_C(0x70000000)
#define IMAGE_BYTES UINT64_C(0x10000)
#define PROGRAM UINT64_C(0x10000) /* mapped twice */
#define AGAIN UINT64_C(0x20000)
#define JIT UINT64_C(0x30000)
#define LATE UINT64_C(0x40000)
#define ROOM_MAX 1024

static const char names[] = "\0.eh_frame\0.shstrtab";

struct file {
        Elf64_Ehdr header;
        Elf64_Phdr load;
        Elf64_Shdr sections[3];
        char names[24];
        uint8_t table[];
};

struct scene {
        struct file *file;
        size_t n_file_bytes;
        struct rows *rows; /* NULL = none */
        uint64_t rip, rsp, rbp;
        uint8_t *stack;
        size_t n_stack_bytes, n_room, n_questions;
        bool is_late;
};

/* n_table at most 65535. */
static void make_file(struct scene *scene, const uint8_t *table, size_t n_table)
{
        size_t n = sizeof(struct file) + n_table;
        struct file *file = calloc(1, n);

        fuzz_promise(file != NULL);
        file->header =
                (Elf64_Ehdr){.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                             .e_type = ET_DYN,
                             .e_machine = EM_X86_64,
                             .e_version = EV_CURRENT,
                             .e_phoff = offsetof(struct file, load),
                             .e_shoff = offsetof(struct file, sections),
                             .e_ehsize = sizeof(Elf64_Ehdr),
                             .e_phentsize = sizeof(Elf64_Phdr),
                             .e_phnum = 1,
                             .e_shentsize = sizeof(Elf64_Shdr),
                             .e_shnum = 3,
                             .e_shstrndx = 2};
        file->load = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = n, .p_memsz = IMAGE_BYTES};
        file->sections[1] = (Elf64_Shdr){.sh_name = 1,
                                         .sh_type = SHT_PROGBITS,
                                         .sh_flags = SHF_ALLOC,
                                         .sh_addr = offsetof(struct file, table),
                                         .sh_offset = offsetof(struct file, table),
                                         .sh_size = n_table};
        file->sections[2] = (Elf64_Shdr){.sh_name = sizeof(".eh_frame") + 1,
                                         .sh_type = SHT_STRTAB,
                                         .sh_offset = offsetof(struct file, names),
                                         .sh_size = sizeof(names)};
        memcpy(file->names, names, sizeof(names));
        memcpy(file->table, table, n_table);
        scene->file = file;
        scene->n_file_bytes = n;
}

static enum unwind_answer look_up(struct scene *scene, uint64_t addr, uint64_t *ret_start)
{
        *ret_start = addr - addr % IMAGE_BYTES;
        scene->n_questions++;
        if (*ret_start == JIT)
                return UNWIND_NONE;
        if (*ret_start == LATE && scene->is_late)
                return UNWIND_WAIT;
        return *ret_start == PROGRAM || *ret_start == AGAIN ? UNWIND_FOUND : UNWIND_NOT_CODE;
}

static enum unwind_answer find_rows(void *user, uint64_t addr, struct walk_image *ret)
{
        struct scene *scene = user;
        uint64_t start;
        enum unwind_answer answer = look_up(scene, addr, &start);

        if (answer == UNWIND_FOUND)
                *ret = (struct walk_image){
                        .rows = scene->rows, .bias = start, .start = start, .end = start + IMAGE_BYTES};
        return answer;
}

static enum unwind_answer find_file(void *user, uint64_t addr, struct unwind_image *ret)
{
        struct scene *scene = user;
        uint64_t start;
        enum unwind_answer answer = look_up(scene, addr, &start);

        if (answer == UNWIND_FOUND)
                *ret = (struct unwind_image){
                        .fd = -1, .bytes = (const uint8_t *)scene->file, .n_bytes = scene->n_file_bytes, .bias = start};
        return answer;
}

static int by_rows(struct scene *scene, size_t n_room, struct unwind_frame *frames, bool *ret_cut)
{
        const struct walk_request request = {.rip = scene->rip,
                                             .rsp = scene->rsp,
                                             .rbp = scene->rbp,
                                             .stack = scene->stack,
                                             .n_stack_bytes = scene->n_stack_bytes,
                                             .stack_start = STACK,
                                             .find_image = find_rows,
                                             .user = scene};

        scene->n_questions = 0;
        return walk_stack(&request, frames, n_room, ret_cut);
}

static int by_libunwind(struct scene *scene, struct unwind_frame *frames, bool *ret_cut)
{
        uint64_t registers[N_STORY_REGISTERS] = {
                [STORY_RIP] = scene->rip, [STORY_RSP] = scene->rsp, [STORY_RBP] = scene->rbp, [STORY_RBX] = STACK};
        const struct unwind_request request = {.registers = registers,
                                               .stack = scene->stack,
                                               .n_stack_bytes = scene->n_stack_bytes,
                                               .stack_start = STACK,
                                               .find_image = find_file,
                                               .user = scene};
        struct unwind *unwind;
        int n;

        fuzz_promise(unwind_new(&unwind) == 0);
        scene->n_questions = 0;
        n = unwind_stack(unwind, &request, frames, scene->n_room, ret_cut);
        unwind = unwind_free(unwind);
        return n;
}

static void check(const struct scene *scene, const struct unwind_frame *frames, int n)
{
        fuzz_promise(n > 0 || (n == -EAGAIN && scene->is_late));
        fuzz_promise(n <= (int)scene->n_room && scene->n_questions <= 2 * scene->n_room);
        for (int i = 0; i < n; i++)
                fuzz_promise(frames[i].by == FRAME_BY_REGISTERS ||
                             (i > 0 && (frames[i].by == FRAME_BY_CFI || frames[i].by == FRAME_BY_POINTER)));
        fuzz_promise(n < 0 || frames[0].addr == scene->rip);
}

/* Less room gives the same frames, as far as it goes. */
static void check_less_room(struct scene *scene, const struct unwind_frame *frames, int n)
{
        static struct unwind_frame fewer[ROOM_MAX];
        size_t n_room = (size_t)n / 2 + 1;
        bool cut;

        fuzz_promise(by_rows(scene, n_room, fewer, &cut) == (int)MIN_OF((size_t)n, n_room));
        for (size_t i = 0; i < MIN_OF((size_t)n, n_room); i++)
                fuzz_promise(fewer[i].addr == frames[i].addr && fewer[i].by == frames[i].by);
}

static void walk(struct scene *scene)
{
        static struct unwind_frame frames[ROOM_MAX];
        bool cut = false;
        int n = by_rows(scene, scene->n_room, frames, &cut);

        if (n > 0)
                check_less_room(scene, frames, n);
        if (n == -ENODATA)
                n = by_libunwind(scene, frames, &cut);
        check(scene, frames, n);
}

/* Numbers at both ends of the address space. */
static uint64_t get_register(const uint8_t *bytes)
{
        int32_t value;

        memcpy(&value, bytes, sizeof(value));
        return (uint64_t)(int64_t)value;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_bytes)
{
        static const size_t rooms[] = {1, 8, 64, ROOM_MAX};
        struct scene scene = {0};
        size_t n_table;

        if (n_bytes < HEAD_BYTES + REGISTERS_BYTES)
                return 0;
        scene.n_room = rooms[data[0] & 3];
        scene.is_late = data[0] & 4;
        n_table = MIN_OF((size_t)data[1] | (size_t)data[2] << 8, n_bytes - HEAD_BYTES - REGISTERS_BYTES);
        make_file(&scene, data + HEAD_BYTES, n_table);
        data += HEAD_BYTES + n_table;
        scene.rip = get_register(data);
        scene.rsp = get_register(data + 4);
        scene.rbp = get_register(data + 8);
        scene.n_stack_bytes = n_bytes - HEAD_BYTES - n_table - REGISTERS_BYTES;
        scene.stack = malloc(scene.n_stack_bytes); /* of exactly its size, for a sanitizer to see its end */
        fuzz_promise(scene.stack != NULL || scene.n_stack_bytes == 0);
        if (scene.n_stack_bytes > 0)
                memcpy(scene.stack, data + REGISTERS_BYTES, scene.n_stack_bytes);
        if (image_compile_rows_memory(scene.file, scene.n_file_bytes, &scene.rows) < 0)
                scene.rows = NULL;
        walk(&scene);
        scene.rows = rows_unref(scene.rows);
        free(scene.stack);
        free(scene.file);
        return 0;
}
