/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Missing pages that another thread provides: copied from it, or zero. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "target.h"

#define N_PAGES 32
#define SERVER_STACK_BYTES (64UL << 10)

static int uffd;
static bool give_zero_page, interrupt_first;
static char source[PAGE_BYTES] __attribute__((aligned(PAGE_BYTES)));
static char server_stack[SERVER_STACK_BYTES] __attribute__((aligned(PAGE_BYTES)));

static void answer(unsigned long page)
{
        if (give_zero_page) {
                struct uffdio_zeropage zero = {.range = {.start = page, .len = PAGE_BYTES}};

                (void)ioctl(uffd, UFFDIO_ZEROPAGE, &zero);
        } else {
                struct uffdio_copy copy = {.dst = page, .src = (uintptr_t)source, .len = PAGE_BYTES};

                (void)ioctl(uffd, UFFDIO_COPY, &copy);
        }
}

/* Every first message of a page is answered by a signal, which takes the waiting thread out of its fault. */
static bool interrupt(unsigned long page)
{
        static unsigned long interrupted;

        if (!interrupt_first || interrupted == page)
                return false;
        interrupted = page;
        (void)syscall(SYS_tgkill, getpid(), getpid(), SIGUSR1);
        return true;
}

static void *serve(void *data)
{
        struct uffd_msg message;

        while (read(uffd, &message, sizeof(message)) == (ssize_t)sizeof(message))
                if (!interrupt(message.arg.pagefault.address & ~(PAGE_BYTES - 1)))
                        answer(message.arg.pagefault.address & ~(PAGE_BYTES - 1));
        return data;
}

static char *open_range(void)
{
        struct uffdio_api api = {.api = UFFD_API};
        struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
        char *p = map_anon(N_PAGES * PAGE_BYTES);
        pthread_attr_t attr;
        pthread_t thread;

        uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);
        if (uffd < 0)
                target_skip("userfaultfd: %s", strerror(errno));
        range.range.start = (uintptr_t)p;
        range.range.len = N_PAGES * PAGE_BYTES;
        if (ioctl(uffd, UFFDIO_API, &api) < 0 || ioctl(uffd, UFFDIO_REGISTER, &range) < 0)
                target_fail("registering with userfaultfd");
        if (pthread_attr_init(&attr) != 0 || pthread_attr_setstack(&attr, server_stack, sizeof(server_stack)) != 0 ||
            pthread_create(&thread, &attr, serve, NULL) != 0)
                target_fail("creating the serving thread");
        target_populate_all_but(p, N_PAGES * PAGE_BYTES);
        return p;
}

static void expect_userfault(const char *p, const char *access)
{
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .cause = "userfault",
                                     .evidence = "inferred",
                                     .access = access,
                                     .page_size = PAGE_BYTES,
                                     .code = access[0] == 'r' ? "touch_read" : "touch_write"});
}

static void copied(void)
{
        char *p = open_range();

        expect_userfault(p, "write");
        target_gate();
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
}

static void zero(void)
{
        char *p;

        give_zero_page = true;
        p = open_range();
        expect_userfault(p, "read");
        target_gate();
        touch_read_each(p, N_PAGES, PAGE_BYTES);
        target_done();
}

static void on_signal(int signo)
{
        (void)signo;
}

/* Two faults a page: one that a signal interrupted, and the same again after the handler. */
static void interrupted(void)
{
        struct sigaction action;
        char *p;

        memset(&action, 0, sizeof(action));
        action.sa_handler = on_signal;
        if (sigaction(SIGUSR1, &action, NULL) < 0)
                target_fail("sigaction");
        interrupt_first = true;
        p = open_range();
        expect_userfault(p, "write");
        expect(&(struct expectation){.addr = p,
                                     .n = N_PAGES,
                                     .stride = PAGE_BYTES,
                                     .access = "write",
                                     .outcome = "interrupted",
                                     .code = "touch_write"});
        target_gate();
        touch_write_each(p, N_PAGES, PAGE_BYTES);
        target_done();
}

const struct target_case target_cases[] = {
        {"copy", copied}, {"zero", zero}, {"interrupted", interrupted}, {NULL, NULL}};
