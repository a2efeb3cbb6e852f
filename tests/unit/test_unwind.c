/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stacks of target_unwind_chains, stopped where it dies: against what it noted itself, and against libunwind's own
 * unwinder of stopped processes (libunwind-ptrace), which reads the process instead of copies and files.
 */
#include "daemon/engine/model/unwind.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <libunwind-ptrace.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>

#include <cmocka.h>

#define FRAMES_MAX 64
#define MAPS_MAX 64

struct notes { /* as in target_unwind_chains */
        uint64_t ip, n;
        uint64_t callers[62];
};

struct mapping {
        uint64_t start, end, offset;
        bool is_code, is_vdso;
        int fd;
        uint64_t bias;
};

struct stopped {
        pid_t pid, tid;
        uint64_t notes_addr;
        struct notes notes;
        uint64_t registers[N_STORY_REGISTERS];
        uint8_t stack[STORY_STACK_BYTES];
        struct mapping maps[MAPS_MAX];
        size_t n_maps;
        struct unwind_request request;
        unsigned int n_questions, n_answers; /* find_image() says UNWIND_WAIT behind that many; 0 = never */
};

struct frames {
        struct unwind_frame of[FRAMES_MAX];
        int n;
        bool cut;
};

static pid_t running; /* the target, 0 = none */

static void drop_unwind(struct unwind **unwind)
{
        *unwind = unwind_free(*unwind);
}

/* The first of its type, for PT_LOAD the one that is mapped from this offset. */
static Elf64_Phdr find_segment(int fd, uint32_t type, uint64_t offset)
{
        Elf64_Ehdr header;
        Elf64_Phdr segment;

        assert_int_equal(pread(fd, &header, sizeof(header), 0), sizeof(header));
        for (unsigned int i = 0; i < header.e_phnum; i++) {
                assert_int_equal(pread(fd, &segment, sizeof(segment), (off_t)(header.e_phoff + i * sizeof(segment))),
                                 sizeof(segment));
                if (segment.p_type == type && (type != PT_LOAD || (segment.p_offset & ~UINT64_C(4095)) == offset))
                        return segment;
        }
        fail_msg("no segment of type %u at offset 0x%lx", type, offset);
        return segment;
}

static uint64_t bias_of(const struct mapping *map)
{
        return map->start - (find_segment(map->fd, PT_LOAD, map->offset).p_vaddr & ~UINT64_C(4095));
}

static size_t vdso_bytes(const Elf64_Ehdr *header)
{
        return header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
}

static enum unwind_answer find_image(void *user, uint64_t addr, struct unwind_image *ret)
{
        const Elf64_Ehdr *vdso = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR); /* NOLINT */
        struct stopped *stopped = user;

        if (stopped->n_answers > 0 && ++stopped->n_questions > stopped->n_answers)
                return UNWIND_WAIT;
        for (size_t i = 0; i < stopped->n_maps; i++) {
                const struct mapping *map = &stopped->maps[i];

                if (addr < map->start || addr >= map->end || !map->is_code)
                        continue;
                if (map->is_vdso)
                        *ret = (struct unwind_image){.fd = -1,
                                                     .bytes = (const uint8_t *)vdso,
                                                     .n_bytes = vdso_bytes(vdso),
                                                     .bias = map->start};
                else if (map->fd >= 0)
                        *ret = (struct unwind_image){.fd = map->fd, .bias = map->bias};
                else
                        return UNWIND_NONE;
                return UNWIND_FOUND;
        }
        return UNWIND_NOT_CODE;
}

static void read_maps(struct stopped *stopped)
{
        char path[4096], permissions[8];
        char *line CLEANUP_FREE = NULL;
        size_t n_line = 0;
        FILE *file;

        assert_true(snprintf(path, sizeof(path), "/proc/%d/maps", stopped->pid) > 0);
        file = fopen(path, "re");
        assert_non_null(file);
        while (getline(&line, &n_line, file) > 0) {
                struct mapping *map = &stopped->maps[stopped->n_maps++];

                assert_true(stopped->n_maps < MAPS_MAX);
                *map = (struct mapping){.fd = -1};
                path[0] = '\0';
                assert_true(sscanf(line, "%lx-%lx %7s %lx %*s %*s %4095s", &map->start, &map->end, permissions,
                                   &map->offset, path) >= 4);
                map->is_code = permissions[2] == 'x';
                map->is_vdso = strcmp(path, "[vdso]") == 0;
                if (map->is_code && path[0] == '/') {
                        map->fd = open(path, O_RDONLY | O_CLOEXEC);
                        map->bias = bias_of(map);
                }
        }
        (void)fclose(file);
}

static void read_registers(struct stopped *stopped)
{
        struct user_regs_struct user;

        assert_int_equal(ptrace(PTRACE_GETREGS, stopped->tid, NULL, &user), 0);
        stopped->registers[STORY_RAX] = user.rax;
        stopped->registers[STORY_RBX] = user.rbx;
        stopped->registers[STORY_RCX] = user.rcx;
        stopped->registers[STORY_RDX] = user.rdx;
        stopped->registers[STORY_RSI] = user.rsi;
        stopped->registers[STORY_RDI] = user.rdi;
        stopped->registers[STORY_RBP] = user.rbp;
        stopped->registers[STORY_RSP] = user.rsp;
        stopped->registers[STORY_R8] = user.r8;
        stopped->registers[STORY_R9] = user.r9;
        stopped->registers[STORY_R10] = user.r10;
        stopped->registers[STORY_R11] = user.r11;
        stopped->registers[STORY_R12] = user.r12;
        stopped->registers[STORY_R13] = user.r13;
        stopped->registers[STORY_R14] = user.r14;
        stopped->registers[STORY_R15] = user.r15;
        stopped->registers[STORY_RIP] = user.rip;
        stopped->registers[STORY_EFLAGS] = user.eflags;
}

static ssize_t read_memory(const struct stopped *stopped, uint64_t addr, void *ret, size_t n)
{
        struct iovec here = {ret, n}, there = {(void *)addr, n}; /* NOLINT */

        return process_vm_readv(stopped->pid, &here, 1, &there, 1, 0);
}

/* From the stack pointer, or where the stack has overflowed from the first page that is there. */
static void read_stack(struct stopped *stopped)
{
        uint64_t start = stopped->registers[STORY_RSP];
        ssize_t n = read_memory(stopped, start, stopped->stack, sizeof(stopped->stack));

        if (n < 0) {
                start = (start + 4095) & ~UINT64_C(4095);
                n = read_memory(stopped, start, stopped->stack, sizeof(stopped->stack));
        }
        assert_true(n > 0);
        stopped->request = (struct unwind_request){.registers = stopped->registers,
                                                   .stack = stopped->stack,
                                                   .n_stack_bytes = (size_t)n,
                                                   .stack_start = start,
                                                   .find_image = find_image,
                                                   .user = stopped};
}

static void start(struct stopped *stopped, const char *program, const char *chain)
{
        int ends[2];

        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        stopped->pid = fork();
        assert_true(stopped->pid >= 0);
        if (stopped->pid == 0) {
                if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 || dup2(ends[1], STDOUT_FILENO) < 0)
                        _exit(127);
                (void)execl(program, program, chain, NULL);
                _exit(127);
        }
        running = stopped->pid;
        (void)close(ends[1]);
        assert_int_equal(waitpid(stopped->pid, NULL, 0), stopped->pid);
        assert_int_equal(ptrace(PTRACE_SETOPTIONS, stopped->pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACECLONE), 0);
        assert_int_equal(ptrace(PTRACE_CONT, stopped->pid, NULL, NULL), 0);
        assert_int_equal(read(ends[0], &stopped->notes_addr, sizeof(uint64_t)), sizeof(uint64_t));
        (void)close(ends[0]);
}

/* Let it run into its SIGSEGV. */
static void stop(struct stopped *stopped, const char *program, const char *chain)
{
        int status, signo;

        memset(stopped, 0, sizeof(*stopped));
        start(stopped, program, chain);
        for (;;) {
                stopped->tid = waitpid(-1, &status, __WALL);
                assert_true(stopped->tid > 0 && WIFSTOPPED(status));
                signo = WSTOPSIG(status);
                if (signo == SIGSEGV)
                        break;
                if (signo != SIGUSR1) /* of ptrace's own */
                        signo = 0;
                assert_int_equal(ptrace(PTRACE_CONT, stopped->tid, NULL, signo), 0);
        }
        assert_int_equal(read_memory(stopped, stopped->notes_addr, &stopped->notes, sizeof(stopped->notes)),
                         sizeof(stopped->notes));
        read_registers(stopped);
        read_stack(stopped);
        read_maps(stopped);
}

static int kill_target(void **state)
{
        if (running > 0 && kill(running, SIGKILL) == 0)
                while (waitpid(-1, NULL, __WALL) > 0)
                        ;
        running = 0;
        return 0;
}

static void end(struct stopped *stopped)
{
        assert_int_equal(kill_target(NULL), 0);
        for (size_t i = 0; i < stopped->n_maps; i++)
                if (stopped->maps[i].fd >= 0)
                        (void)close(stopped->maps[i].fd);
}

static void unwind_with(struct unwind *unwind, struct stopped *stopped, struct frames *ret)
{
        ret->n = unwind_stack(unwind, &stopped->request, ret->of, FRAMES_MAX, &ret->cut);
        assert_true(ret->n > 0);
}

static void assert_same_start(const struct unwind_frame *a, const struct unwind_frame *b, int n)
{
        for (int i = 0; i < n; i++) {
                assert_int_equal(a[i].addr, b[i].addr);
                assert_int_equal(a[i].by, b[i].by);
        }
}

static void unwind_once(struct stopped *stopped, struct frames *ret)
{
        struct unwind *unwind CLEANUP(drop_unwind) = NULL;
        struct frames again;

        assert_int_equal(unwind_new(&unwind), 0);
        unwind_with(unwind, stopped, ret);
        /* With rows remembered, and with all forgotten. */
        unwind_with(unwind, stopped, &again);
        assert_int_equal(again.n, ret->n);
        assert_same_start(again.of, ret->of, ret->n);
        unwind_forget(unwind);
        unwind_with(unwind, stopped, &again);
        assert_int_equal(again.n, ret->n);
        assert_same_start(again.of, ret->of, ret->n);
}

/* What libunwind makes of the stopped thread itself. */
static void ask_oracle(const struct stopped *stopped, struct frames *ret)
{
        unw_addr_space_t space = unw_create_addr_space(&_UPT_accessors, 0);
        void *process = _UPT_create(stopped->tid);
        unw_cursor_t cursor;
        unw_word_t addr;

        assert_non_null(space);
        assert_non_null(process);
        assert_int_equal(unw_init_remote(&cursor, space, process), 0);
        ret->n = 0;
        do {
                assert_int_equal(unw_get_reg(&cursor, UNW_REG_IP, &addr), 0);
                ret->of[ret->n++].addr = addr;
        } while (ret->n < FRAMES_MAX && unw_step(&cursor) > 0);
        _UPT_destroy(process);
        unw_destroy_addr_space(space);
}

static void assert_same_addresses(const struct frames *a, const struct frames *b)
{
        assert_int_equal(a->n, b->n);
        for (int i = 0; i < a->n; i++)
                assert_int_equal(a->of[i].addr, b->of[i].addr);
}

/* Frames from the given one on are what the target noted. */
static void assert_noted(const struct stopped *stopped, const struct frames *frames, int first)
{
        assert_true(frames->n - first >= (int)stopped->notes.n);
        for (size_t i = 0; i < stopped->notes.n; i++)
                assert_int_equal(frames->of[(size_t)first + i].addr, stopped->notes.callers[stopped->notes.n - 1 - i]);
}

static const struct mapping *map_at(const struct stopped *stopped, uint64_t addr)
{
        for (size_t i = 0; i < stopped->n_maps; i++)
                if (addr >= stopped->maps[i].start && addr < stopped->maps[i].end)
                        return &stopped->maps[i];
        fail_msg("nothing at 0x%lx", addr);
        return NULL;
}

/* Down to _start, which is in the program itself. */
static void assert_complete(const struct stopped *stopped, const struct frames *frames)
{
        assert_false(frames->cut);
        assert_ptr_equal(map_at(stopped, frames->of[frames->n - 1].addr), map_at(stopped, stopped->notes.callers[1]));
}

/*
 * The chains that are noted completely. Where the oracle goes wrong: after a step by frame pointer it takes the stack
 * pointer to be a word further up than it was, not above the frame pointer, so the next frame comes twice or is
 * garbage; writable memory is code to it; a restorer without unwind data is followed by frame pointer.
 */
static const struct chain {
        const char *name;
        enum frame_method methods[5]; /* of the first frames; FRAME_BY_CFI from there on */
        bool is_oracle_right;
} chains[] = {
        {"recursion", {FRAME_BY_REGISTERS}, true},
        {"alloca", {FRAME_BY_REGISTERS}, true},
        {"bare", {FRAME_BY_REGISTERS, FRAME_BY_CFI, FRAME_BY_POINTER}, false},
        {"generated", {FRAME_BY_REGISTERS, FRAME_BY_CFI, FRAME_BY_POINTER}, false},
        {"restored", {FRAME_BY_REGISTERS}, true},
        {"noreturn", {FRAME_BY_REGISTERS}, true},
        {"to_null", {FRAME_BY_REGISTERS, FRAME_BY_POINTER}, true},
        {"to_data", {FRAME_BY_REGISTERS, FRAME_BY_POINTER}, false},
        {"handler", {FRAME_BY_REGISTERS, FRAME_BY_CFI, FRAME_BY_CFI, FRAME_BY_REGISTERS}, true},
        {"restorer", {FRAME_BY_REGISTERS, FRAME_BY_CFI, FRAME_BY_CFI, FRAME_BY_REGISTERS}, false},
};

static void check_chain(const char *program, const struct chain *chain, bool has_oracle)
{
        struct frames frames, oracle;
        struct stopped stopped;

        stop(&stopped, program, chain->name);
        unwind_once(&stopped, &frames);
        assert_int_equal(frames.of[0].addr, stopped.notes.ip);
        assert_noted(&stopped, &frames, 1);
        assert_complete(&stopped, &frames);
        for (int i = 0; i < frames.n; i++) {
                enum frame_method by = i < (int)ARRAY_SIZE(chain->methods) ? chain->methods[i] : 0;

                assert_int_equal(frames.of[i].by, by ? by : FRAME_BY_CFI);
        }
        if (has_oracle && chain->is_oracle_right) {
                ask_oracle(&stopped, &oracle);
                assert_same_addresses(&frames, &oracle);
        }
        end(&stopped);
}

/* The oracle knows nothing of the second: gcc has it linked without .eh_frame_hdr. */
static const char *const programs[] = {BUILD_DIR "/targets/target_unwind_chains",
                                       BUILD_DIR "/targets/target_unwind_chains_static"};

static void test_chains(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
                for (size_t j = 0; j < ARRAY_SIZE(chains); j++)
                        check_chain(programs[i], &chains[j], i == 0);
}

/* Its first frame is clone3(), where the C library says that the stack ends. */
static void test_thread(void **state)
{
        struct frames frames, oracle;
        struct stopped stopped;

        for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
                stop(&stopped, programs[i], "thread");
                unwind_once(&stopped, &frames);
                assert_int_equal(frames.of[0].addr, stopped.notes.ip);
                assert_noted(&stopped, &frames, 1);
                assert_false(frames.cut);
                if (i == 0) {
                        ask_oracle(&stopped, &oracle);
                        assert_same_addresses(&frames, &oracle);
                }
                end(&stopped);
        }
}

/* The interrupted function's own stack was not copied. */
static void test_alternate_stack(void **state)
{
        struct stopped stopped;
        struct frames frames;

        for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
                stop(&stopped, programs[i], "alternate");
                unwind_once(&stopped, &frames);
                assert_int_equal(frames.n, 4);
                assert_true(frames.cut);
                assert_int_equal(frames.of[0].addr, stopped.notes.ip);
                for (size_t j = 1; j < 4; j++)
                        assert_int_equal(frames.of[j].addr, stopped.notes.callers[stopped.notes.n - j]);
                assert_int_equal(frames.of[3].by, FRAME_BY_REGISTERS);
                end(&stopped);
        }
}

static void test_overflow(void **state)
{
        struct stopped stopped;
        struct frames frames;

        for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
                stop(&stopped, programs[i], "overflow");
                assert_int_equal(stopped.request.n_stack_bytes, STORY_STACK_BYTES);
                unwind_once(&stopped, &frames);
                assert_true(frames.cut);
                assert_int_equal(stopped.notes.n, 1);
                assert_true(frames.n > STORY_STACK_BYTES / 1024);
                assert_int_equal(frames.of[0].addr, stopped.registers[STORY_RIP]);
                for (int j = 1; j < frames.n; j++)
                        assert_int_equal(frames.of[j].addr, stopped.notes.callers[0]);
                end(&stopped);
        }
}

/* From the vDSO through the C library into the function that called it, whose frame alone is not noted. */
static void test_vdso(void **state)
{
        struct stopped stopped;
        struct frames frames;

        for (size_t i = 0; i < ARRAY_SIZE(programs); i++) {
                stop(&stopped, programs[i], "vdso");
                unwind_once(&stopped, &frames);
                assert_true(map_at(&stopped, frames.of[0].addr)->is_vdso);
                assert_noted(&stopped, &frames, 3);
                assert_complete(&stopped, &frames);
                for (int j = 1; j < frames.n; j++)
                        assert_int_equal(frames.of[j].by, FRAME_BY_CFI);
                end(&stopped);
        }
}

/* However little was copied, what is shown is true, and it is said that there is more. */
static void check_cut(const char *chain)
{
        struct unwind *unwind CLEANUP(drop_unwind) = NULL;
        struct frames whole, part;
        struct stopped stopped;
        size_t n_bytes;

        stop(&stopped, programs[0], chain);
        n_bytes = stopped.request.n_stack_bytes;
        assert_int_equal(unwind_new(&unwind), 0);
        unwind_with(unwind, &stopped, &whole);
        for (stopped.request.n_stack_bytes = 0; stopped.request.n_stack_bytes <= n_bytes;
             stopped.request.n_stack_bytes++) {
                unwind_with(unwind, &stopped, &part);
                assert_true(part.n <= whole.n);
                assert_same_start(part.of, whole.of, part.n);
                assert_int_equal(part.cut, part.n < whole.n);
        }
        assert_int_equal(part.n, whole.n);
        end(&stopped);
}

static void test_cut(void **state)
{
        check_cut("recursion");
        check_cut("handler");
        check_cut("restorer");
        check_cut("bare");
        check_cut("to_null");
}

static void test_room(void **state)
{
        struct unwind *unwind CLEANUP(drop_unwind) = NULL;
        struct frames whole, part;
        struct stopped stopped;

        stop(&stopped, programs[0], "handler");
        assert_int_equal(unwind_new(&unwind), 0);
        unwind_with(unwind, &stopped, &whole);
        for (int n = 0; n <= whole.n; n++) {
                memset(&part, 0, sizeof(part));
                assert_int_equal(unwind_stack(unwind, &stopped.request, part.of, (size_t)n, &part.cut), n);
                assert_same_start(part.of, whole.of, n);
                assert_int_equal(part.of[n].addr, 0);
                assert_false(part.cut);
        }
        end(&stopped);
}

/* Whichever question about an image cannot be answered yet. */
static void test_wait(void **state)
{
        struct unwind *unwind CLEANUP(drop_unwind) = NULL;
        struct stopped stopped;
        struct frames frames;
        unsigned int n_questions;

        stop(&stopped, programs[0], "to_null");
        assert_int_equal(unwind_new(&unwind), 0);
        stopped.n_answers = UINT_MAX;
        unwind_with(unwind, &stopped, &frames);
        n_questions = stopped.n_questions;
        assert_true(n_questions > (unsigned int)frames.n);
        for (stopped.n_answers = 1; stopped.n_answers < n_questions; stopped.n_answers++) {
                stopped.n_questions = 0;
                frames.cut = true;
                assert_int_equal(unwind_stack(unwind, &stopped.request, frames.of, FRAMES_MAX, &frames.cut), -EAGAIN);
                assert_true(frames.cut);
        }
        end(&stopped);
}

/* Frame pointers alone, in a stack made up here. */
static enum unwind_answer find_nothing(void *user, uint64_t addr, struct unwind_image *ret)
{
        return addr >= 0x1000 && addr < 0x2000 ? UNWIND_NONE : UNWIND_NOT_CODE;
}

struct pointer_case {
        uint64_t rbp, stack[6]; /* at 0x8000, where rsp is */
        int n;
        bool cut;
};

static void test_frame_pointers(void **state)
{
        static const struct pointer_case cases[] = {
                {0x8000, {0x8010, 0x1001, 0x8020, 0x1002, 0, 0x1003}, 4, false}, /* to the end */
                {0x8000, {0x8030, 0x1001}, 2, true},                             /* beyond what was copied */
                {0x8028, {0}, 1, true},                                          /* half beyond */
                {0x8000, {0x8000, 0x1001}, 2, false},                            /* a loop */
                {0x8010, {0, 0, 0x8000, 0x1001}, 2, false},                      /* downwards */
                {0x8004, {0x1001, 0x1001, 0x1001}, 1, false},                    /* not aligned */
                {0x7ff8, {0x1001, 0x1001, 0x1001}, 1, false},                    /* below the stack pointer */
                {0x8000, {0x8010, 0x3000}, 1, false},                            /* a return address of no code */
                {0x8000, {0x8010, 0}, 1, false},
                {UINT64_MAX - 7, {0x8010, 0x1001}, 1, false},
        };
        struct unwind *unwind CLEANUP(drop_unwind) = NULL;

        assert_int_equal(unwind_new(&unwind), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                const uint64_t registers[N_STORY_REGISTERS] = {
                        [STORY_RIP] = 0x1000, [STORY_RSP] = 0x8000, [STORY_RBP] = cases[i].rbp};
                const struct unwind_request request = {.registers = registers,
                                                       .stack = (const uint8_t *)cases[i].stack,
                                                       .n_stack_bytes = sizeof(cases[i].stack),
                                                       .stack_start = 0x8000,
                                                       .find_image = find_nothing};
                struct frames frames;

                frames.n = unwind_stack(unwind, &request, frames.of, FRAMES_MAX, &frames.cut);
                assert_int_equal(frames.n, cases[i].n);
                assert_int_equal(frames.cut, cases[i].cut);
                for (int j = 1; j < frames.n; j++) {
                        assert_int_equal(frames.of[j].addr, 0x1000 + j);
                        assert_int_equal(frames.of[j].by, FRAME_BY_POINTER);
                }
        }
}

/* The program's file, in memory that can be changed. */
static int copy_program(struct stopped *stopped, struct mapping **ret_map, size_t *ret_n)
{
        struct mapping *map = NULL;
        int copy = memfd_create("program", MFD_CLOEXEC);
        uint8_t bytes[65536];
        ssize_t n;

        for (size_t i = 0; i < stopped->n_maps && !map; i++)
                if (stopped->maps[i].is_code && stopped->maps[i].fd >= 0 &&
                    stopped->notes.callers[1] - stopped->maps[i].start < stopped->maps[i].end - stopped->maps[i].start)
                        map = &stopped->maps[i];
        assert_non_null(map);
        assert_true(copy >= 0);
        for (*ret_n = 0; (n = pread(map->fd, bytes, sizeof(bytes), (off_t)*ret_n)) > 0; *ret_n += (size_t)n)
                assert_int_equal(pwrite(copy, bytes, (size_t)n, (off_t)*ret_n), n);
        *ret_map = map;
        return copy;
}

/* Every common description says that the return address is in a register that does not exist. */
static void test_return_column(void **state)
{
        static const uint8_t common[] = {'z', 'R', 0, 1, 0x78, 0x10}, bad = 0x7f;
        uint8_t *bytes CLEANUP_FREE = NULL;
        struct stopped stopped;
        struct frames frames;
        struct mapping *map;
        size_t n, n_changed = 0;
        int copy;

        stop(&stopped, programs[0], "recursion");
        copy = copy_program(&stopped, &map, &n);
        bytes = malloc(n);
        assert_non_null(bytes);
        assert_int_equal(pread(copy, bytes, n, 0), n);
        for (uint8_t *at = bytes; (at = memmem(at, n - (size_t)(at - bytes), common, sizeof(common)));
             at++, n_changed++)
                assert_int_equal(pwrite(copy, &bad, 1, at - bytes + 5), 1);
        assert_true(n_changed > 0);
        assert_int_equal(dup2(copy, map->fd), map->fd);
        (void)close(copy);
        unwind_once(&stopped, &frames);
        for (int i = 1; i < frames.n; i++)
                assert_int_equal(frames.of[i].by, FRAME_BY_POINTER);
        end(&stopped);
}

static uint64_t next_random(uint64_t *seed)
{
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        return *seed;
}

/* With bytes of its tables and headers changed: whatever comes of it, it comes back, and is bounded. */
static void test_damaged_tables(void **state)
{
        const char *rounds = getenv("UNWIND_ROUNDS");
        unsigned long n_rounds = rounds ? strtoul(rounds, NULL, 10) : 2000;
        uint64_t seed = 0x9e3779b97f4a7c15, tables;
        uint8_t *bytes CLEANUP_FREE = NULL;
        struct stopped stopped;
        struct mapping *map;
        size_t n;
        int copy;

        stop(&stopped, programs[0], "handler");
        copy = copy_program(&stopped, &map, &n);
        bytes = malloc(n);
        assert_non_null(bytes);
        assert_int_equal(pread(copy, bytes, n, 0), n);
        assert_int_equal(dup2(copy, map->fd), map->fd);
        (void)close(copy);
        tables = find_segment(map->fd, PT_GNU_EH_FRAME, 0).p_offset;
        for (unsigned long round = 0; round < n_rounds; round++) {
                struct unwind *unwind CLEANUP(drop_unwind) = NULL;
                size_t at[8];
                struct frames frames;

                for (size_t i = 0; i < ARRAY_SIZE(at); i++) {
                        uint8_t value = (uint8_t)next_random(&seed);

                        /* One in the file's headers, the others in .eh_frame_hdr and .eh_frame behind it. */
                        at[i] = i == 0 ? next_random(&seed) % 1024 : tables + next_random(&seed) % 3072;
                        assert_true(at[i] < n);
                        assert_int_equal(pwrite(map->fd, &value, 1, (off_t)at[i]), 1);
                }
                assert_int_equal(unwind_new(&unwind), 0);
                unwind_with(unwind, &stopped, &frames);
                assert_true(frames.n <= FRAMES_MAX);
                assert_int_equal(frames.of[0].addr, stopped.notes.ip);
                for (size_t i = 0; i < ARRAY_SIZE(at); i++)
                        assert_int_equal(pwrite(map->fd, &bytes[at[i]], 1, (off_t)at[i]), 1);
        }
        end(&stopped);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_chains, kill_target),
                cmocka_unit_test_teardown(test_thread, kill_target),
                cmocka_unit_test_teardown(test_alternate_stack, kill_target),
                cmocka_unit_test_teardown(test_overflow, kill_target),
                cmocka_unit_test_teardown(test_vdso, kill_target),
                cmocka_unit_test_teardown(test_cut, kill_target),
                cmocka_unit_test_teardown(test_room, kill_target),
                cmocka_unit_test_teardown(test_wait, kill_target),
                cmocka_unit_test_teardown(test_frame_pointers, kill_target),
                cmocka_unit_test_teardown(test_return_column, kill_target),
                cmocka_unit_test_teardown(test_damaged_tables, kill_target),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
