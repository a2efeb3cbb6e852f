/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The protocol of the targets, and the means to keep a program from faulting by itself. MADV_POPULATE_* (Linux 5.14)
 * fills page tables through get_user_pages, which raises no page-fault event; mlockall() would do the same but needs a
 * limit that unprivileged users do not have.
 */
#include "target.h"

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STACK_ROOM_BYTES (64UL << 10)

static const char *argument;
static char ready_line[64];
static char output_buffer[1 << 16];

void target_fail(const char *what)
{
        printf("fail %s: %s\n", what, strerror(errno));
        exit(1);
}

void target_skip(const char *format, ...)
{
        va_list args;

        printf("skip ");
        va_start(args, format);
        (void)vprintf(format, args);
        va_end(args);
        printf("\n");
        exit(77);
}

void target_populate(void *addr, size_t n_bytes, bool writable)
{
        if (madvise(addr, n_bytes, writable ? MADV_POPULATE_WRITE : MADV_POPULATE_READ) < 0)
                target_fail("populating memory with madvise");
}

static void populate_map(const char *line, const char *skip, size_t n_skip)
{
        unsigned long start, end;
        char perms[5];

        if (sscanf(line, "%lx-%lx %4s", &start, &end, perms) != 3)
                return;
        if ((start < (uintptr_t)skip + n_skip && end > (uintptr_t)skip) || strstr(line, "[v"))
                return;
        if (perms[0] == 'r')
                target_populate((void *)start, end - start, perms[1] == 'w');
}

void target_populate_all_but(const void *skip, size_t n_bytes)
{
        static char text[1 << 20];
        FILE *maps = fopen("/proc/self/maps", "re");
        size_t n = 0;

        if (!maps)
                target_fail("opening /proc/self/maps");
        n = fread(text, 1, sizeof(text) - 1, maps);
        text[n] = '\0';
        (void)fclose(maps);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
                populate_map(line, skip, n_bytes);
}

static void __attribute__((noinline)) grow_stack(void)
{
        volatile char room[STACK_ROOM_BYTES];

        for (size_t i = 0; i < sizeof(room); i += PAGE_BYTES)
                room[i] = 1;
}

static void warm_up(void)
{
        grow_stack();
        free(malloc(PAGE_BYTES));
        if (setvbuf(stdout, output_buffer, _IOFBF, sizeof(output_buffer)) != 0)
                target_fail("giving stdout a buffer");
        target_populate_all_but(NULL, 0);
}

static void field(const char *name, const char *text)
{
        if (text)
                printf(",\"%s\":\"%s\"", name, text);
}

static void number(const char *name, size_t value)
{
        if (value)
                printf(",\"%s\":%zu", name, value);
}

void expect(const struct expectation *e)
{
        printf("{\"addr\":\"0x%lx\",\"n\":%zu", (unsigned long)e->addr, e->n ? e->n : 1);
        number("stride", e->stride);
        number("times", e->times);
        field("cause", e->cause);
        field("access", e->access);
        field("mode", e->mode ? e->mode : "user");
        field("outcome", e->outcome ? e->outcome : "minor");
        field("evidence", e->evidence);
        number("page_size", e->page_size);
        field("code", e->code);
        field("caller", e->caller);
        field("caller_image", e->caller_image);
        field("section", e->section);
        field("symbol", e->symbol);
        if (e->symbol)
                printf(",\"offset\":%zu,\"offset_stride\":%zu", e->offset, e->offset_stride);
        printf("}\n");
}

static void say(const char *text, size_t n_bytes)
{
        if (syscall(SYS_write, STDOUT_FILENO, text, n_bytes) != (long)n_bytes)
                _exit(1);
}

/* End of file counts as the byte: a target whose test died cleans up and goes. */
static void wait_byte(void)
{
        static char byte;

        while (syscall(SYS_read, STDIN_FILENO, &byte, 1) < 0)
                if (errno != EINTR)
                        _exit(1);
}

void target_gate(void)
{
        int ready_bytes;

        if (fflush(stdout) != 0)
                _exit(1);
        ready_bytes = snprintf(ready_line, sizeof(ready_line), "ready %d\n", (int)getpid());
        say(ready_line, (size_t)ready_bytes);
        wait_byte();
}

void target_done(void)
{
        static const char done[] = "done\n";

        say(done, sizeof(done) - 1);
        wait_byte();
}

void target_pin(void)
{
        cpu_set_t set;

        CPU_ZERO(&set);
        CPU_SET((size_t)sched_getcpu(), &set);
        if (sched_setaffinity(0, sizeof(set), &set) < 0)
                target_fail("staying on one CPU with sched_setaffinity");
}

char *target_stack_start(void)
{
        char line[512];
        unsigned long start = 0;
        FILE *maps = fopen("/proc/self/maps", "re");

        if (!maps)
                target_fail("opening /proc/self/maps");
        while (fgets(line, sizeof(line), maps))
                if (strstr(line, "[stack]"))
                        (void)sscanf(line, "%lx", &start);
        (void)fclose(maps);
        return (char *)start;
}

char *map_aligned(size_t n_bytes, size_t align, int flags)
{
        char *raw = mmap(NULL, n_bytes + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        char *p;

        if (raw == MAP_FAILED)
                target_fail("reserving address space");
        p = raw + (align - (uintptr_t)raw % align) % align;
        p = mmap(p, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | flags, -1, 0);
        if (p == MAP_FAILED)
                target_fail("mapping memory");
        return p;
}

char *map_anon(size_t n_bytes)
{
        char *p = map_aligned(n_bytes, FAULT_AROUND_BYTES, 0);

        if (madvise(p, n_bytes, MADV_NOHUGEPAGE) < 0 && errno != EINVAL)
                target_fail("asking for small pages");
        return p;
}

void touch_read_each(const volatile char *p, size_t n, size_t stride)
{
        for (size_t i = 0; i < n; i++)
                touch_read(p + i * stride);
}

void touch_write_each(volatile char *p, size_t n, size_t stride)
{
        for (size_t i = 0; i < n; i++)
                touch_write(p + i * stride);
}

size_t target_argument(size_t otherwise)
{
        return argument ? strtoul(argument, NULL, 0) : otherwise;
}

int main(int argc, char **argv)
{
        const struct target_case *c = target_cases;

        while (c->name && (argc < 2 || strcmp(c->name, argv[1]) != 0))
                c++;
        if (!c->name) {
                (void)fprintf(stderr, "%s: no such case\n", argv[0]);
                return 2;
        }
        argument = argc > 2 ? argv[2] : NULL;
        warm_up();
        c->run();
        return 0;
}
