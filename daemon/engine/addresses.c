/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Composition of the pure address-space model with the descriptors of /proc. An answer of /proc is about now, not about
 * the time of the fault; that is why what follows from it is called inferred.
 */
#include "daemon/engine/addresses.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "daemon/engine/decode/procmaps.h"
#include "daemon/engine/procfile.h"
#include "daemon/link/clock.h"

#define NAME_BYTES 4096
#define ANON_NAME "//anon"
#define HEAP_NAME "[heap]"
#define VDSO_NAME "[vdso]"
#define BRK_RANDOM_BYTES ((uint64_t)1 << 30)
#define TEXT_INTERVAL_NS (UINT64_C(20) * NSEC_PER_MSEC)
#define SMAPS_MAX_MAPS 1024
/* Asking for VmFlags walks the page tables of the target: spend at most a tenth of the time on it, or a hundredth. */
#define USERFAULT_SHARE 10
#define USERFAULT_SHARE_DEAR 100
#define USERFAULT_CHEAP_NS NSEC_PER_MSEC
#define USERFAULT_WAIT_NS (UINT64_C(100) * NSEC_PER_MSEC)

/* The aspace is the caller's to fill in. NULL: out of memory. */
static struct addresses *allocate(uint32_t id, unsigned int *name_budget)
{
        struct addresses *addresses = calloc(1, sizeof(*addresses));

        if (addresses)
                *addresses = (struct addresses){
                        .n_refs = 1, .id = id, .name_budget = name_budget, .maps_fd = -1, .smaps_fd = -1};
        return addresses;
}

int addresses_new(uint32_t id, unsigned int *name_budget, struct addresses **ret)
{
        struct addresses *addresses = allocate(id, name_budget);
        int r = addresses ? aspace_new(&addresses->aspace) : -ENOMEM;

        if (r < 0)
                free(addresses);
        else
                *ret = addresses;
        return r;
}

int addresses_fork(const struct addresses *parent, uint32_t id, struct addresses **ret)
{
        struct addresses *addresses = allocate(id, parent->name_budget);
        int r = addresses ? aspace_copy(parent->aspace, &addresses->aspace) : -ENOMEM;

        if (r < 0) {
                free(addresses);
                return r;
        }
        addresses->snapshot_ns = parent->snapshot_ns;
        addresses->no_query = parent->no_query;
        addresses->heap = parent->heap;
        addresses->program_inode = parent->program_inode;
        addresses->program_end = parent->program_end;
        /* A child inherits registrations only where its parent's manager asked for it (userfaultfd(2)). */
        addresses->userfault_known = parent->userfault_known && !parent->n_userfault;
        *ret = addresses;
        return 0;
}

/* *addr: the first in [*addr, end) where nothing is known to be mapped, until *ret_end. false: there is none. */
static bool find_gap(struct aspace *aspace, uint64_t *addr, uint64_t end, uint64_t *ret_end)
{
        const struct map *map;

        while (*addr < end && (map = aspace_lookup(aspace, *addr)))
                *addr = map->end;
        if (*addr >= end)
                return false;
        map = aspace_above(aspace, *addr);
        *ret_end = map ? MIN_OF(map->start, end) : end;
        return true;
}

static int fill_gaps(struct aspace *aspace, const struct map *map)
{
        uint64_t start = map->start, end;
        int r = 0;

        while (r >= 0 && find_gap(aspace, &start, map->end, &end)) {
                struct map_spec spec = map_spec_of(map);

                spec.start = start;
                spec.end = end;
                spec.offset += map->inode ? start - map->start : 0;
                r = aspace_overlay(aspace, &spec);
                start = end;
        }
        return r;
}

static bool knows_of(struct aspace *aspace, uint64_t start, uint64_t end)
{
        const struct map *above;

        if (aspace_lookup(aspace, start))
                return true;
        above = aspace_above(aspace, start);
        return above && above->start < end;
}

bool addresses_join(struct addresses *addresses, const struct addresses *from)
{
        bool agrees = true;

        for (size_t i = 0; i < aspace_count(from->aspace); i++) {
                const struct map *map = aspace_at(from->aspace, i);

                if (aspace_lookup(addresses->aspace, map->start) == map)
                        continue; /* as it was when they were taken for two */
                agrees &= !knows_of(addresses->aspace, map->start, map->end);
                if (fill_gaps(addresses->aspace, map) < 0)
                        return false;
        }
        return agrees;
}

struct addresses *addresses_ref(struct addresses *addresses)
{
        addresses->n_refs++;
        return addresses;
}

struct addresses *addresses_unref(struct addresses *addresses)
{
        if (!addresses || --addresses->n_refs)
                return NULL;
        cleanup_close(&addresses->maps_fd);
        cleanup_close(&addresses->smaps_fd);
        jit_deinit(&addresses->jit);
        free(addresses->userfault);
        aspace_free(addresses->aspace);
        free(addresses);
        return NULL;
}

void addresses_give(struct addresses *addresses, int maps_fd, int smaps_fd)
{
        cleanup_close(&addresses->maps_fd);
        cleanup_close(&addresses->smaps_fd);
        addresses->maps_fd = maps_fd;
        addresses->smaps_fd = smaps_fd;
}

void addresses_abandon(struct addresses *addresses)
{
        addresses_give(addresses, -1, -1);
        addresses->userfault_wanted = addresses->userfault_pending = false;
        addresses->jit.is_wanted = addresses->jit.is_pending = false;
        addresses->jit.is_over = true;
}

static int overlay_confirmed(struct addresses *addresses, const struct map_spec *spec)
{
        struct map *map;
        int r = aspace_overlay(addresses->aspace, spec);

        if (r < 0)
                return r;
        map = aspace_lookup(addresses->aspace, spec->start);
        if (map)
                map->named = true;
        return 0;
}

static int remove_gap(struct addresses *addresses, uint64_t start, uint64_t end)
{
        return start < end ? aspace_remove(addresses->aspace, start, end) : 0;
}

/* Make the address space what the text says. Maps that have not changed stay the same objects. */
static int overlay_text(struct addresses *addresses, const char *text, size_t n_text)
{
        struct procmaps_line line;
        uint64_t end = 0;
        size_t offset = 0;
        int r;

        while ((r = procmaps_next(text, n_text, &offset, &line)) != 0) {
                struct map_spec spec = {
                        .start = line.start,
                        .end = line.end,
                        .offset = line.offset,
                        .readable = line.perms[0] == 'r',
                        .writable = line.perms[1] == 'w',
                        .executable = line.perms[2] == 'x',
                        .shared = line.perms[3] == 's',
                        .major = line.major,
                        .minor = line.minor,
                        .inode = line.inode,
                        .path = line.path,
                        .n_path = line.n_path,
                };

                if (r < 0 || spec.start >= EVENT_USER_END)
                        continue;
                if (remove_gap(addresses, end, spec.start) == -ENOMEM || overlay_confirmed(addresses, &spec) == -ENOMEM)
                        return -ENOMEM;
                end = spec.end;
        }
        return end ? remove_gap(addresses, end, EVENT_USER_END) : 0;
}

static void add_userfault(void *user, uint64_t start, uint64_t end)
{
        struct addresses *addresses = user;

        if (addresses->n_userfault == addresses->size_userfault) {
                size_t size = addresses->size_userfault ? addresses->size_userfault * 2 : 16;
                struct address_range *ranges = realloc(addresses->userfault, size * sizeof(*ranges));

                if (!ranges)
                        return;
                addresses->userfault = ranges;
                addresses->size_userfault = size;
        }
        addresses->userfault[addresses->n_userfault++] = (struct address_range){start, end};
}

void addresses_take_smaps(struct addresses *addresses, const char *text, size_t n_text, uint64_t begun_ns,
                          uint64_t ended_ns)
{
        addresses->userfault_pending = false;
        addresses->userfault_answered_ns = ended_ns;
        addresses->userfault_cost_ns = ended_ns - begun_ns;
        if (!n_text)
                return;
        addresses->n_userfault = 0;
        (void)procmaps_find_flag(text, n_text, "um", add_userfault, addresses);
        (void)procmaps_find_flag(text, n_text, "uw", add_userfault, addresses);
        (void)procmaps_find_flag(text, n_text, "ui", add_userfault, addresses);
        addresses->userfault_known = true;
        addresses->userfault_asked_ns = begun_ns;
}

static int read_text(struct addresses *addresses)
{
        CLEANUP_FREE char *text = NULL;
        size_t n;
        int r = addresses->maps_fd < 0 ? -EBADF : procfile_read(addresses->maps_fd, &text, &n);

        if (r < 0)
                return r;
        addresses->text_read_ns = monotonic_ns();
        return overlay_text(addresses, text, n);
}

int addresses_snapshot(struct addresses *addresses)
{
        addresses->snapshot_ns = monotonic_ns();
        return read_text(addresses);
}

int addresses_take_maps(struct addresses *addresses, const char *text, size_t n_text, uint64_t begun_ns)
{
        addresses->snapshot_ns = addresses->text_read_ns = begun_ns;
        return overlay_text(addresses, text, n_text);
}

/*
 * Follow the kernel's ELF loader: the program's segments, its .bss right behind, [vdso] last (fs/binfmt_elf.c). The
 * first private anonymous map above the program after that, not farther than the randomization of brk reaches
 * (arch/x86/kernel/process.c, arch_randomize_brk), is the heap.
 */
static void follow_heap(struct addresses *addresses, struct map_spec *spec)
{
        bool is_anon = !spec->inode && !spec->shared && spec->n_path == strlen(ANON_NAME) &&
                       memcmp(spec->path, ANON_NAME, spec->n_path) == 0;

        if (addresses->heap == HEAP_LOADING) {
                if (!addresses->program_inode)
                        addresses->program_inode = spec->inode;
                if ((spec->inode && spec->inode == addresses->program_inode) ||
                    (is_anon && spec->start == addresses->program_end))
                        addresses->program_end = MAX_OF(addresses->program_end, spec->end);
                if (spec->n_path == strlen(VDSO_NAME) && memcmp(spec->path, VDSO_NAME, spec->n_path) == 0)
                        addresses->heap = HEAP_EXPECTED;
        } else if (addresses->heap == HEAP_EXPECTED && is_anon && spec->start >= addresses->program_end &&
                   spec->start - addresses->program_end <= BRK_RANDOM_BYTES) {
                addresses->heap = HEAP_UNKNOWN;
                spec->path = HEAP_NAME;
                spec->n_path = strlen(HEAP_NAME);
        }
}

int addresses_record(struct addresses *addresses, const struct record *record)
{
        const struct record_map *map = &record->map;
        struct map_spec spec = {
                .start = map->start,
                .end = map->start + map->len_bytes,
                .offset = map->inode ? map->offset : 0,
                .readable = map->prot & PROT_READ,
                .writable = map->prot & PROT_WRITE,
                .executable = map->prot & PROT_EXEC,
                .shared = map->flags & MAP_SHARED,
                .hugetlb = map->flags & MAP_HUGETLB,
                .major = map->major,
                .minor = map->minor,
                .inode = map->inode,
                .path = map->path,
                .n_path = map->n_path,
        };
        int r;

        if (record->time_ns < addresses->snapshot_ns)
                return 0;
        follow_heap(addresses, &spec);
        r = aspace_overlay(addresses->aspace, &spec);
        return r == -EINVAL ? 0 : r;
}

int addresses_unmap(struct addresses *addresses, const struct record *record)
{
        const struct record_unmap *unmap = &record->unmap;
        struct burial doer = {.time_ns = record->time_ns, .tid = record->tid, .ip = unmap->ip};
        int r;

        if (record->time_ns < addresses->snapshot_ns)
                return 0;
        r = aspace_unmap(addresses->aspace, unmap->start, unmap->start + unmap->len_bytes, &doer);
        return r == -EINVAL ? 0 : r;
}

void addresses_begin_program(struct addresses *addresses)
{
        addresses->userfault_known = true; /* a registration does not survive an exec */
        addresses->heap = HEAP_LOADING;
}

/* Without PROCMAP_QUERY: everything is read again, but not more often than the target can bear. */
static void reread(struct addresses *addresses)
{
        if (monotonic_ns() - addresses->text_read_ns < TEXT_INTERVAL_NS)
                return;
        if (read_text(addresses) < 0)
                addresses->text_read_ns = monotonic_ns(); /* the process may be gone: what was known stays */
}

/*
 * What /proc says of addr now. gone: what the fault tells agrees with a gap; where it tells that something was mapped,
 * a gap only means that it has been unmapped since.
 */
static void confirm(struct addresses *addresses, uint64_t addr, bool gone)
{
        char name[NAME_BYTES];
        struct map_spec spec;
        int r;

        if (addresses->maps_fd < 0 || addr >= EVENT_USER_END)
                return;
        if (addresses->no_query) {
                reread(addresses);
                return;
        }
        r = procfile_query(addresses->maps_fd, addr, name, sizeof(name), &spec);
        if (r == -ENOTTY) {
                addresses->no_query = true;
                reread(addresses);
        } else if (r == PROCFILE_MAP) {
                r = overlay_confirmed(addresses, &spec);
        } else if (r == PROCFILE_GAP && gone) {
                r = aspace_remove(addresses->aspace, spec.start, spec.end);
        }
        /* Any other failure: the process is gone, or there is no memory. What was known stays. */
}

/*
 * Records know anonymous memory only as such; [heap] at its first growth and the names of prctl(2) PR_SET_VMA are known
 * to /proc. The answer counts only if it is about the same memory.
 */
static void ask_name(struct addresses *addresses, struct map *map)
{
        char name[NAME_BYTES];
        struct map_spec spec;

        if (map->named || map->kind != MAP_KIND_ANON || map->path[0] || addresses->maps_fd < 0 || addresses->no_query ||
            !*addresses->name_budget)
                return;
        --*addresses->name_budget;
        map->named = true;
        if (procfile_query(addresses->maps_fd, map->start, name, sizeof(name), &spec) != PROCFILE_MAP || spec.inode ||
            spec.end < map->end || spec.shared != map->shared || !spec.n_path)
                return;
        if (overlay_confirmed(addresses, &spec) < 0)
                return; /* no memory: it stays without a name */
}

struct map *addresses_of_fault(struct addresses *addresses, const struct fault *fault, unsigned int access)
{
        struct map *map = aspace_lookup(addresses->aspace, fault->addr);

        if (!map || map_permits(map, access) != fault->completed)
                confirm(addresses, fault->addr, !fault->completed);
        else
                ask_name(addresses, map);
        return aspace_lookup(addresses->aspace, fault->addr);
}

struct map *addresses_lookup(struct addresses *addresses, uint64_t addr)
{
        struct map *map = aspace_lookup(addresses->aspace, addr);

        if (!map && addr && addr < EVENT_USER_END) {
                confirm(addresses, addr, false);
                map = aspace_lookup(addresses->aspace, addr);
        }
        return map;
}

bool addresses_userfault(const struct addresses *addresses, uint64_t addr, bool *ret_known)
{
        *ret_known = addresses->userfault_known;
        for (size_t i = 0; i < addresses->n_userfault; i++)
                if (addr >= addresses->userfault[i].start && addr < addresses->userfault[i].end)
                        return true;
        return false;
}

bool addresses_await_userfault(struct addresses *addresses, uint64_t end_ns, uint64_t now_ns)
{
        uint64_t cost_ns = addresses->userfault_cost_ns;
        uint64_t pause_ns = cost_ns * (cost_ns < USERFAULT_CHEAP_NS ? USERFAULT_SHARE : USERFAULT_SHARE_DEAR);

        if (addresses->userfault_pending)
                return now_ns < addresses->userfault_wanted_ns + USERFAULT_WAIT_NS;
        if (addresses->smaps_fd < 0 || addresses->userfault_asked_ns >= end_ns ||
            now_ns < addresses->userfault_answered_ns + pause_ns || aspace_count(addresses->aspace) > SMAPS_MAX_MAPS)
                return false;
        addresses->userfault_wanted = addresses->userfault_pending = true;
        addresses->userfault_wanted_ns = now_ns;
        return true;
}
