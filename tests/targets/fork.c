/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Copy on write. The traced process is the one that writes; the other waits at a pipe. After a fork every page of the
 * program itself is write-protected too, so both sides populate all but the pages of the test again.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

#define N_PAGES 64

static char *shared_pages(void)
{
        char *p = map_anon(N_PAGES * PAGE_BYTES);

        target_populate(p, N_PAGES * PAGE_BYTES, true);
        return p;
}

static void expect_pages(const char *p, const char *cause)
{
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = cause,
                                     .access = "write",
                                     .page_size = PAGE_BYTES,
                                     .code = "touch_write"});
}

static pid_t split(void)
{
        pid_t pid = fork();

        if (pid < 0)
                target_fail("fork");
        return pid;
}

static void copy_in_parent(void)
{
        char *p = shared_pages();
        pid_t child = split();

        if (child == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (;;)
                        (void)pause();
        }
        target_populate_all_but(p, N_PAGES * PAGE_BYTES);
        expect_pages(p, "cow-copy");
        target_gate();
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
}

static void copy_in_child(void)
{
        char *p = shared_pages();
        pid_t child = split();

        if (child > 0) {
                (void)waitpid(child, NULL, 0);
                return;
        }
        target_populate_all_but(p, N_PAGES * PAGE_BYTES);
        expect_pages(p, "cow-copy");
        target_gate();
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
        _exit(0);
}

/* The child is gone: the pages are ours alone again, and the kernel only gives the right to write back. */
static void reuse(void)
{
        char *p;
        pid_t child;

        target_pin();
        p = shared_pages();
        child = split();
        if (child == 0)
                _exit(0);
        if (waitpid(child, NULL, 0) < 0)
                target_fail("waiting for the child");
        target_populate_all_but(p, N_PAGES * PAGE_BYTES);
        expect_pages(p, "cow-reuse");
        target_gate();
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {
        {"cow-copy-parent", copy_in_parent}, {"cow-copy-child", copy_in_child}, {"cow-reuse", reuse}, {NULL, NULL}};
