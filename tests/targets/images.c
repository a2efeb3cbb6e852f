/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that claim to be images: one that is truncated while it is mapped and in use, and many that were cut off or
 * scribbled over before. The faults are those of any file; a reader of the files must take what it finds.
 */
#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define IMAGE_BYTES (64 * PAGE_BYTES)
#define N_PAGES 8
#define N_RUBBISH 64
#define CODE_OFFSET 0x800 /* behind every header of a small program */
#define RETURN_INSTRUCTION "\xc3"

static char file_name[] = "faultline-image-XXXXXX";
static char contents[IMAGE_BYTES];
static sigjmp_buf back;

static void on_signal(int signo)
{
        (void)signo;
        siglongjmp(back, 1);
}

static void catch_signals(void)
{
        struct sigaction action;

        memset(&action, 0, sizeof(action));
        action.sa_handler = on_signal;
        if (sigaction(SIGBUS, &action, NULL) < 0)
                target_fail("sigaction");
}

/* The beginning of this program (behind its end: zeros), with an instruction to return at a known place. */
static void read_self(void)
{
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

        if (fd < 0 || read(fd, contents, sizeof(contents)) <= CODE_OFFSET)
                target_fail("reading /proc/self/exe");
        (void)close(fd);
        memcpy(contents + CODE_OFFSET, RETURN_INSTRUCTION, 1);
}

static int make_file(size_t n_bytes)
{
        char name[sizeof(file_name)];
        int fd;

        memcpy(name, file_name, sizeof(name));
        fd = mkstemp(name);
        if (fd < 0 || write(fd, contents, n_bytes) != (ssize_t)n_bytes)
                target_fail("creating a file in the working directory");
        (void)unlink(name);
        return fd;
}

static char *map_file(int fd, size_t n_bytes, int prot)
{
        char *p = mmap(NULL, n_bytes, prot, MAP_PRIVATE, fd, 0);

        if (p == MAP_FAILED)
                target_fail("mapping the file");
        return p;
}

static void attempt(char *p, bool execute)
{
        if (sigsetjmp(back, 1))
                return;
        if (execute)
                touch_call(p);
        else
                touch_write(p);
}

static void expect_writes(const char *p, const char *cause, const char *outcome)
{
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = cause,
                                     .access = "write",
                                     .outcome = outcome,
                                     .code = "touch_write"});
}

/* Half of the pages while the file is whole; then, between two gates, it loses everything; then the other half. */
static void truncated(void)
{
        char *data, *code, *anonymous;
        int fd;

        read_self();
        catch_signals();
        fd = make_file(sizeof(contents));
        data = map_file(fd, sizeof(contents), PROT_READ | PROT_WRITE);
        code = map_file(fd, sizeof(contents), PROT_READ | PROT_EXEC);
        anonymous = map_anon(N_PAGES * PAGE_BYTES);
        expect_writes(data, "file-cow", "minor");
        expect(&(struct expectation){.addr = code + CODE_OFFSET, .cause = "file-minor", .access = "exec"});
        expect_writes(data + N_PAGES * PAGE_BYTES, "beyond-eof", "failed");
        expect(&(struct expectation){
                .addr = code + CODE_OFFSET, .cause = "beyond-eof", .access = "exec", .outcome = "failed"});
        expect_writes(anonymous, "zero-fill", "minor");
        target_gate();
        touch_write_each(data, N_PAGES, PAGE_BYTES);
        touch_call(code + CODE_OFFSET);
        target_done();
        if (syscall(SYS_ftruncate, fd, 0) < 0)
                _exit(1);
        for (volatile size_t i = 0; i < N_PAGES; i++)
                attempt(data + (N_PAGES + i) * PAGE_BYTES, false);
        attempt(code + CODE_OFFSET, true);
        touch_write_each(anonymous, N_PAGES, PAGE_BYTES);
        target_done();
}

/* Numbers that are the same in every run. */
static uint32_t next_random(uint32_t *state)
{
        *state = *state * 1664525 + 1013904223;
        return *state >> 8;
}

/* Cut anywhere, and every other one with a broken byte in the header or many behind it. */
static int make_rubbish(uint32_t *state)
{
        static char whole[IMAGE_BYTES];
        size_t n_bytes = CODE_OFFSET + 1 + next_random(state) % (sizeof(contents) - CODE_OFFSET - 1);
        size_t n_broken = next_random(state) % 3 ? next_random(state) % 200 : 0;
        int fd;

        memcpy(whole, contents, sizeof(whole));
        contents[EI_NIDENT + next_random(state) % (sizeof(Elf64_Ehdr) - EI_NIDENT)] = (char)next_random(state);
        for (size_t i = 0; i < n_broken; i++)
                contents[EI_NIDENT + next_random(state) % (n_bytes - EI_NIDENT)] = (char)next_random(state);
        memcpy(contents + CODE_OFFSET, RETURN_INSTRUCTION, 1);
        fd = make_file(n_bytes);
        memcpy(contents, whole, sizeof(whole));
        return fd;
}

static void rubbish(void)
{
        char *code[N_RUBBISH], *data[N_RUBBISH];
        uint32_t state = 1;

        read_self();
        for (size_t i = 0; i < N_RUBBISH; i++) {
                int fd = make_rubbish(&state);

                code[i] = map_file(fd, PAGE_BYTES, PROT_READ | PROT_EXEC);
                data[i] = map_file(fd, PAGE_BYTES, PROT_READ | PROT_WRITE);
                expect(&(struct expectation){.addr = code[i] + CODE_OFFSET, .cause = "file-minor", .access = "exec"});
                expect(&(struct expectation){
                        .addr = data[i], .cause = "file-cow", .access = "write", .code = "touch_write"});
                (void)close(fd);
        }
        target_gate();
        for (size_t i = 0; i < N_RUBBISH; i++) {
                touch_call(code[i] + CODE_OFFSET);
                touch_write(data[i]);
        }
        target_done();
}

const struct target_case target_cases[] = {{"truncated", truncated}, {"rubbish", rubbish}, {NULL, NULL}};
