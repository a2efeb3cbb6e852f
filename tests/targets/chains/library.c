/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A library is called through, closed, and another one is opened where it was. Both are as large, so the kernel finds
 * them the same place; where it does not, the target fails instead of announcing something easier.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "../target.h"
#include "library.h"
#include "notes.h"

static uint64_t place;
static const char *open_now; /* its file, which by the time of the announcement is closed */

static void note_from_library(const char *symbol, const void *base, const void *returns)
{
        static char names[16][32]; /* the library's strings go with it */
        size_t i = 0;

        while (names[i][0] && strcmp(names[i], symbol) != 0)
                i++;
        (void)snprintf(names[i], sizeof(names[i]), "%s", symbol);
        note(names[i], base, returns)->image = open_now;
}

static void *open_library(const char *name)
{
        void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
        struct link_map *map;

        errno = ENOENT;
        if (!library || dlinfo(library, RTLD_DI_LINKMAP, &map) < 0)
                target_fail(name);
        errno = EADDRNOTAVAIL;
        if (place == 0)
                place = map->l_addr;
        if (map->l_addr != place)
                target_fail("opening a library where another one was");
        open_now = strrchr(name, '/') + 1;
        return library;
}

static APART void call_through(const char *name, char *page)
{
        void *library = open_library(name);
        void (*through)(const struct library_call *call);

        ENTER(call_through);
        *(void **)&through = dlsym(library, LIBRARY_ENTRY);
        if (!through)
                target_fail(LIBRARY_ENTRY);
        through(&(struct library_call){.note = note_from_library, .then = deepest, .page = page});
        (void)dlclose(library);
}

static APART void first_library(char *page)
{
        ENTER(first_library);
        call_through(LIBRARY_A_PATH, page);
        KEEP(&notes);
}

static APART void second_library(char *page)
{
        ENTER(second_library);
        call_through(LIBRARY_B_PATH, page);
        KEEP(&notes);
}

void run_libraries(void)
{
        ENTER(run_libraries);
        notes.from_main = true;
        perform((chain_function *const[]){first_library, second_library}, 2);
        KEEP(&notes);
}
