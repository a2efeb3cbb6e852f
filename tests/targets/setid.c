/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setid enter | setid child: executes $TARGET_PROGRAM, a copy of this file with another owner or mode, by itself or in
 * a child. The new program says which rights it has, then faults in an area of its own: whoever may not see it must
 * not see those.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

#define INSIDE_AREA ((char *)0x330000000000)
#define N_INSIDE 16
#define N_OUTSIDE 8

extern char **environ;

static void inside(void)
{
        char *area = mmap(INSIDE_AREA, N_INSIDE * PAGE_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        if (area != INSIDE_AREA)
                target_fail("mapping memory");
        (void)madvise(area, N_INSIDE * PAGE_BYTES, MADV_NOHUGEPAGE);
        printf("rights %d %d %d\n", (int)getuid(), (int)geteuid(), (int)getpid());
        (void)fflush(stdout);
        touch_write_each(area, N_INSIDE, PAGE_BYTES);
        target_done();
}

static void execute(void)
{
        char *const argv[] = {(char[]){"inside"}, (char[]){"inside"}, NULL};

        (void)execve(getenv("TARGET_PROGRAM"), argv, environ);
        target_fail("execve");
}

static void expect_pages(const char *area, size_t n)
{
        expect(&(struct expectation){.addr = area,
                                     .n = n,
                                     .stride = PAGE_BYTES,
                                     .cause = "zero-fill",
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
}

static void enter(void)
{
        char *before = map_anon(N_OUTSIDE * PAGE_BYTES);

        if (!getenv("TARGET_PROGRAM"))
                target_skip("no TARGET_PROGRAM");
        expect_pages(INSIDE_AREA, N_INSIDE);
        expect_pages(before, N_OUTSIDE);
        target_gate();
        touch_write_each(before, N_OUTSIDE, PAGE_BYTES);
        execute();
}

/* The parent's faults come when the child's program has ended. */
static void child(void)
{
        char *after = map_anon(N_OUTSIDE * PAGE_BYTES);
        int status;
        pid_t pid;

        if (!getenv("TARGET_PROGRAM"))
                target_skip("no TARGET_PROGRAM");
        expect_pages(INSIDE_AREA, N_INSIDE);
        expect_pages(after, N_OUTSIDE);
        target_gate();
        pid = fork();
        if (pid < 0)
                target_fail("fork");
        if (pid == 0)
                execute();
        if (waitpid(pid, &status, 0) != pid || status != 0)
                target_fail("the child");
        touch_write_each(after, N_OUTSIDE, PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {{"enter", enter}, {"child", child}, {"inside", inside}, {NULL, NULL}};
