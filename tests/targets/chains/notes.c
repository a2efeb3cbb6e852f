/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rehearsal, announcement and the run itself: see notes.h. */
#include "notes.h"

#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../target.h"

#define MAX_FOUNDATION 16
#define MAX_CHAINS 4

struct notes notes;
uint64_t *chain_slot;
char *chain_page;

static void *foundation[MAX_FOUNDATION];
static size_t n_foundation;
static struct notes rehearsed[MAX_CHAINS];

void note_foundation(void)
{
        void *frames[MAX_FOUNDATION + 8];
        int n = backtrace(frames, MAX_FOUNDATION + 8), first = 0;

        while (first < n && (uint64_t)frames[first] != notes.note[0].returns)
                first++;
        n_foundation = (size_t)(n - first);
        if (n_foundation == 0 || n_foundation > MAX_FOUNDATION)
                target_fail("finding out who called with backtrace");
        memcpy(foundation, frames + first, n_foundation * sizeof(*frames));
}

APART void deepest(char *page)
{
        ENTER(deepest);
        __asm__ volatile("mov %%rsp, %0\n"
                         "lea 1f(%%rip), %%rax\n"
                         "mov %%rax, %1\n"
                         "1: movb $1, (%2)"
                         : "=m"(notes.sp), "=m"(notes.ip)
                         : "r"(page)
                         : "rax", "memory");
}

/* The file that holds addr, without its directory; "" = none. */
static const char *image_of(uint64_t addr)
{
#ifdef CHAINS_STATIC
        return program_invocation_short_name;
#else
        Dl_info info;
        const char *slash;

        /* Not addr - 1: none of these is the first byte of an image. */
        if (!dladdr((void *)addr, &info) || !info.dli_fname)
                return "";
        slash = strrchr(info.dli_fname, '/');
        return slash ? slash + 1 : info.dli_fname;
#endif
}

static void print_frame(const struct note *of, uint64_t addr, const char *by)
{
        const char *image = of->image || addr == 0 ? of->image : image_of(addr);

        printf("{\"by\":\"%s\"", by);
        if (addr)
                printf(",\"addr\":\"0x%" PRIx64 "\"", addr);
        if (of->symbol)
                printf(",\"symbol\":\"%s\"", of->symbol);
        if (addr && of->base)
                printf(",\"offset\":%" PRIu64, addr - (uint64_t)of->base);
        if (image)
                printf(",\"image\":\"%s\"", image);
}

static void print_foundation(void)
{
        for (size_t i = 0; i < n_foundation; i++) {
                const char *symbol = i == 0 ? "main" : i + 1 == n_foundation ? "_start" : NULL;

                printf(",");
                print_frame(&(struct note){.symbol = notes.from_main ? symbol : NULL}, (uint64_t)foundation[i], "cfi");
                printf("}");
        }
}

/* Innermost first: each function at the address to which the next inner one returns. */
static void announce(uint64_t fault)
{
        const struct note *innermost = &notes.note[notes.n - 1];

        printf("{\"addr\":\"0x%" PRIx64 "\",\"n\":1,\"kernel\":%s,\"cut\":%s,\"sp\":\"0x%" PRIx64 "\",\"stack\":[",
               fault, notes.in_kernel ? "true" : "false", notes.is_cut ? "true" : "false", notes.sp);
        print_frame(innermost, notes.ip, "registers");
        for (const struct note *inner = innermost; inner > notes.note; inner--) {
                printf("},");
                print_frame(inner - 1, inner->returns, inner->by ? inner->by : "cfi");
                if (inner->slot)
                        printf(",\"slot\":\"0x%" PRIx64 "\"", inner->slot);
        }
        printf("}");
        if (!notes.is_cut)
                print_foundation();
        printf("]}\n");
}

void wait_for_step(void)
{
        char byte;

        while (syscall(SYS_read, STDIN_FILENO, &byte, 1) < 0)
                if (errno != EINTR)
                        _exit(1);
}

static void verify(const struct notes *before)
{
        bool same = notes.n == before->n && notes.ip == before->ip && notes.sp == before->sp &&
                    notes.fault == before->fault;

        for (size_t i = 0; same && i < notes.n; i++)
                same = notes.note[i].symbol == before->note[i].symbol &&
                       notes.note[i].returns == before->note[i].returns && notes.note[i].slot == before->note[i].slot;
        errno = EPROTO;
        if (!same)
                target_fail("doing as rehearsed");
}

void perform(chain_function *const *chains, size_t n_chains)
{
        char *pages = map_anon((n_chains + 1) * PAGE_BYTES);
        size_t n_before;

        ENTER(perform);
        n_before = notes.n;
        note_foundation();
        target_populate(pages, PAGE_BYTES, true);
        for (int pass = 0; pass < 2; pass++) {
                notes.rehearsing = pass == 0;
                for (size_t i = 0; i < n_chains; i++) {
                        notes.n = n_before;
                        chain_page = notes.rehearsing ? pages : pages + (i + 1) * PAGE_BYTES;
                        chains[i](chain_page);
                        if (!notes.rehearsing)
                                verify(&rehearsed[i]);
                        else
                                announce(notes.fault ? notes.fault : (uint64_t)(pages + (i + 1) * PAGE_BYTES));
                        rehearsed[i] = notes;
                }
                if (notes.rehearsing)
                        target_gate();
        }
        target_done();
}
