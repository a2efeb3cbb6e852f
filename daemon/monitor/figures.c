/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The place in the sums is taken when the trace begins, not when it ends: there may be no more room for its unit by
 * then, and what had been told under one name would move to another.
 */
#include "daemon/monitor/figures.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/monitor/unit.h"
#include "daemon/monitor/unit_name.h"

#define CGROUP_TEXT_BYTES 8192

_Static_assert(TALLY_UNIT_BYTES == UNIT_NAME_BYTES, "a tally has room for every name");

static int make_file(void)
{
        CLEANUP_CLOSE int fd = memfd_create("faultline-figures", MFD_CLOEXEC | MFD_ALLOW_SEALING);

        if (fd < 0 || ftruncate(fd, FIGURES_PAGE_BYTES) < 0 ||
            fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int figures_open(struct attachment *trace)
{
        void *page;
        int fd;

        if (trace->figures != NULL) /* opened anew in the barrier */
                return 0;
        fd = make_file();
        if (fd < 0)
                return fd;
        page = mmap(NULL, FIGURES_PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
        /* Not for what we fork: another user's engine would see what this trace counts. */
        if (page == MAP_FAILED || madvise(page, FIGURES_PAGE_BYTES, MADV_DONTFORK) < 0) {
                int r = -errno;

                if (page != MAP_FAILED)
                        (void)munmap(page, FIGURES_PAGE_BYTES);
                cleanup_close(&fd);
                return r;
        }
        trace->figures_file = fd;
        trace->figures = page;
        return 0;
}

static void name_of_cgroup(int directory, char ret[static UNIT_NAME_BYTES])
{
        char link[64], path[4096];
        ssize_t n;

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", directory);
        n = readlink(link, path, sizeof(path));
        unit_name_of_path(path, n > 0 ? (size_t)n : 0, ret);
}

static void name_of_target(const struct target *target, char ret[static UNIT_NAME_BYTES])
{
        CLEANUP_CLOSE int fd = target_open(target, "cgroup", O_RDONLY);
        char text[CGROUP_TEXT_BYTES];
        ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text));

        unit_name_of_process(text, n > 0 ? (size_t)n : 0, ret);
}

void figures_begin(struct attachment *trace)
{
        struct tallies *tallies = &trace->context->tallies;
        static const struct figures none;
        /* What an administrator's traces have counted is root's: for those who see all (status.c). */
        uid_t uid = trace->peer.is_admin ? 0 : trace->peer.uid;
        int directory = unit_directory(trace);

        if (directory >= 0)
                name_of_cgroup(directory, trace->unit_name);
        else
                name_of_target(&trace->target, trace->unit_name);
        trace->is_tallied = tallies_get(tallies, uid, trace->unit_name, &trace->tally) == 0;
        if (trace->is_tallied)
                tallies_add(&tallies->tallies[trace->tally], 1, &none);
}

/* The kernel's own count of what it lost comes at the end, and may hold what no record in the ring could tell. */
static uint64_t lost_in_the_end(const struct attachment *trace, uint64_t n_lost)
{
        uint64_t n = 0;

        for (int kind = 0; kind < N_EVENT_KINDS; kind++)
                if (kind != EVENT_SIDEBAND)
                        n += trace->counts.lost[kind];
        return MAX_OF(n, n_lost);
}

void figures_close(struct attachment *trace)
{
        if (trace->is_tallied) {
                struct figures figures = figures_read(trace->figures);

                figures.n_lost = lost_in_the_end(trace, figures.n_lost);
                tallies_add(&trace->context->tallies.tallies[trace->tally], 0, &figures);
        }
        if (trace->figures != NULL)
                (void)munmap((void *)(uintptr_t)trace->figures, FIGURES_PAGE_BYTES);
        trace->figures = NULL;
        trace->is_tallied = false;
        cleanup_close(&trace->figures_file);
        trace->figures_file = -1;
}
