/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fetching instructions: from a page of the program's own text that was dropped, and from the emulated vsyscall page.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>

#include "target.h"

#define N_TIMES 10
#define VSYSCALL_GETTIMEOFDAY 0xffffffffff600000UL

/* In lonely.S: alone in a page of .text. */
void lonely_function(void);

static void text(void)
{
        void *page = (void *)(uintptr_t)lonely_function;

        if (madvise(page, PAGE_BYTES, MADV_DONTNEED) < 0)
                target_fail("dropping a page of text");
        expect(&(struct expectation){.addr = page,
                                     .cause = "file-minor",
                                     .access = "exec",
                                     .page_size = PAGE_BYTES,
                                     .code = "lonely_function",
                                     .section = ".text",
                                     .symbol = "lonely_function",
                                     .offset = 0});
        target_gate();
        touch_call(page);
        target_done();
}

static bool have_vsyscall(void)
{
        char line[512];
        bool found = false;
        FILE *maps = fopen("/proc/self/maps", "re");

        while (maps && fgets(line, sizeof(line), maps))
                found |= strstr(line, "--xp") && strstr(line, "[vsyscall]");
        if (maps)
                (void)fclose(maps);
        return found;
}

/* The kernel acts for the caller instead of mapping anything: neither completed nor failed. */
static void vsyscall(void)
{
        static struct timeval now;
        long (*call)(struct timeval *, void *) = (long (*)(struct timeval *, void *))VSYSCALL_GETTIMEOFDAY;

        if (!have_vsyscall())
                target_skip("this kernel does not emulate vsyscalls");
        expect(&(struct expectation){
                .addr = (void *)VSYSCALL_GETTIMEOFDAY, .n = N_TIMES, .access = "exec", .outcome = "emulated"});
        target_gate();
        for (int i = 0; i < N_TIMES; i++)
                (void)call(&now, NULL);
        target_done();
}

const struct target_case target_cases[] = {{"text", text}, {"vsyscall", vsyscall}, {NULL, NULL}};
