/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Asking the kernel, source by source. Each may refuse by itself, and then the others still answer: what is missing is
 * written down with the permission that it takes. The process runs on meanwhile, so two sources may speak of two
 * moments; the page is asked for last, and its frame right after it.
 */
#include "client/proc/process_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "client/proc/pages_read.h"
#include "client/proc/pagetable.h"

#define GUARD_GAP_BYTES                                                                                                \
        (UINT64_C(256) << PAGE_SHIFT_4K) /* mm/mmap.c, stack_guard_gap, unless a boot parameter says else */
#define HUGE_BYTES (UINT64_C(2) << 20)

static void find_maps(const struct smaps *smaps, struct access_facts *facts)
{
        facts->map = smaps_find(smaps, facts->address, &facts->above);
        for (size_t i = 0; i < smaps->n_maps; i++) {
                const struct smaps_map *map = &smaps->maps[i];

                if (map->end <= facts->address)
                        facts->below = map;
                facts->has_flags |= map->has_amounts;
        }
}

/* The soft limit, which counts; proc_pid_limits(5). */
static uint64_t stack_limit(const struct process *process)
{
        static const char title[] = "Max stack size";
        CLEANUP_TEXT struct text limits = {0};
        const char *line;
        uint64_t n_bytes;

        if (process_read(process, "limits", &limits) < 0)
                return UINT64_MAX;
        text_put_char(&limits, '\0');
        line = limits.failed ? NULL : strstr(limits.data, title);
        return line && sscanf(line + sizeof(title) - 1, "%" SCNu64, &n_bytes) == 1 ? n_bytes : UINT64_MAX;
}

/* Whether the file has this text in its first bytes; true also where it cannot be read, if that is assumed. */
static bool file_says(const char *path, const char *text, bool assumed)
{
        FILE *file = fopen(path, "re");
        char bytes[8192];
        size_t n;

        if (!file)
                return assumed;
        n = fread(bytes, 1, sizeof(bytes) - 1, file);
        bytes[n] = '\0';
        (void)fclose(file);
        return strstr(bytes, text) != NULL;
}

static void read_machine(const struct process *process, struct access_facts *facts)
{
        facts->n_levels = machine_n_levels();
        facts->stack_limit_bytes = stack_limit(process);
        facts->guard_gap_bytes = GUARD_GAP_BYTES;
        facts->has_protection_keys = file_says("/proc/cpuinfo", " ospke", false);
        facts->has_swap = file_says("/proc/swaps", "\n/", true);
}

static bool is_memory_file_system(int fd)
{
        struct statfs system;

        return fstatfs(fd, &system) == 0 && (system.f_type == TMPFS_MAGIC || system.f_type == RAMFS_MAGIC);
}

/* The file behind the map: how long it is, what kind, and whether this page of it is in memory. */
static void read_file(const struct process *process, struct walk *walk)
{
        struct access_facts *facts = &walk->facts;
        const struct smaps_map *map = facts->map;
        CLEANUP_CLOSE int fd = map && map->inode ? process_open_map(process, map) : -ENOEXEC;
        struct page_cache cache;
        struct stat status;

        facts->is_cached = facts->is_dirty = NOT_KNOWN;
        if (fd < 0 || fstat(fd, &status) < 0) {
                walk->lacks[WALK_LACKS_FILE] = fd != -ENOEXEC;
                return;
        }
        facts->has_file = true;
        facts->file_bytes = (uint64_t)status.st_size;
        facts->file_is_shmem = is_memory_file_system(fd);
        if (memory_kind_of(map, facts->file_is_shmem) == MEMORY_HUGETLB || access_beyond_end(facts))
                return;
        if (pages_cache(fd, facts->address - map->start + map->offset, &cache) < 0) {
                walk->lacks[WALK_LACKS_CACHE] = true;
                return;
        }
        facts->is_cached = cache.cached ? KNOWN_YES : KNOWN_NO;
        facts->is_dirty = cache.dirty ? KNOWN_YES : KNOWN_NO;
}

static void read_frame(struct walk *walk)
{
        const struct pagemap_page *page = &walk->facts.page;

        if (!page->present)
                return;
        walk->lacks[WALK_LACKS_FRAME] = !page->has_frame;
        walk->has_frame_flags = page->has_frame && pages_frame_flags(page->frame, &walk->frame_flags) == 0;
        walk->has_frame_count = page->has_frame && pages_frame_count(page->frame, &walk->frame_count) == 0;
        walk->lacks[WALK_LACKS_FLAGS] = !walk->has_frame_flags || !walk->has_frame_count;
}

static enum known known(bool value)
{
        return value ? KNOWN_YES : KNOWN_NO;
}

/* From the kernel's own word for it, or else from what rules it out. */
static void read_kind(int pagemap_fd, struct walk *walk)
{
        struct access_facts *facts = &walk->facts;
        bool is_hugetlb = memory_kind_of(facts->map, facts->file_is_shmem) == MEMORY_HUGETLB;
        uint64_t categories;

        if (pages_categories(pagemap_fd, facts->address, &categories) == 0) {
                facts->is_zero = known(categories & PAGEMAP_IS_ZERO);
                facts->is_huge = known(categories & PAGEMAP_IS_HUGE);
                return;
        }
        facts->is_zero = facts->is_huge = NOT_KNOWN;
        if (is_hugetlb)
                facts->is_huge = KNOWN_YES;
        if (walk->has_frame_flags)
                facts->is_zero = known(walk->frame_flags & KPAGEFLAG_ZERO_PAGE);
        else if (facts->page.exclusive || facts->page.file_or_shared)
                facts->is_zero = KNOWN_NO;
        walk->lacks[WALK_LACKS_CATEGORIES] =
                facts->page.present && (facts->is_zero == NOT_KNOWN || facts->is_huge == NOT_KNOWN);
}

static uint64_t page_bytes_of(const struct access_facts *facts)
{
        bool is_hugetlb = memory_kind_of(facts->map, facts->file_is_shmem) == MEMORY_HUGETLB;

        if (facts->is_huge == NOT_KNOWN)
                return 0;
        if (facts->is_huge == KNOWN_NO)
                return PAGEMAP_PAGE_BYTES;
        if (!is_hugetlb)
                return HUGE_BYTES;
        return facts->map->has_amounts ? facts->map->amounts[SMAPS_KERNEL_PAGE] : 0;
}

/* The page cache says something only of what is not there yet, and of what is written back. */
static bool needs_cache(const struct access_facts *facts)
{
        return !facts->page.present || (facts->map->perms[3] == 's' && facts->map->perms[1] == 'w');
}

/* false: pagemap may not be read. */
static bool read_page(const struct process *process, struct walk *walk)
{
        CLEANUP_CLOSE int fd = pages_open(process->folder_fd);
        uint64_t entry;

        if (fd < 0 || pages_read(fd, walk->facts.address, 1, &entry) < 0)
                return false;
        pagemap_decode(entry, &walk->facts.page);
        read_frame(walk);
        read_kind(fd, walk);
        walk->page_bytes = page_bytes_of(&walk->facts);
        if (walk->has_frame_flags && walk->facts.page.file_or_shared && walk->facts.is_dirty == NOT_KNOWN)
                walk->facts.is_dirty = known(walk->frame_flags & KPAGEFLAG_DIRTY);
        return true;
}

static bool has_gone(const struct process *process)
{
        struct stat status;

        return fstatat(process->folder_fd, "stat", &status, 0) < 0;
}

int process_walk(const struct process *process, const struct smaps *smaps, uint64_t address, struct walk *walk)
{
        struct access_facts *facts = &walk->facts;

        *facts = (struct access_facts){.address = address, .is_zero = NOT_KNOWN, .is_huge = NOT_KNOWN};
        find_maps(smaps, facts);
        read_machine(process, facts);
        walk->lacks[WALK_LACKS_SMAPS] = !facts->has_flags;
        read_file(process, walk);
        if (facts->map && address < pagetable_user_end(facts->n_levels)) {
                facts->has_page = read_page(process, walk);
                walk->lacks[WALK_LACKS_PAGEMAP] = !facts->has_page;
                walk->lacks[WALK_LACKS_CACHE] &= needs_cache(facts);
        }
        access_foresee(facts, ACCESS_READ, &walk->read);
        access_foresee(facts, ACCESS_WRITE, &walk->write);
        access_foresee(facts, ACCESS_EXEC, &walk->exec);
        return has_gone(process) ? -ESRCH : 0;
}
