/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring belongs to an event, and events that were redirected into it lose it when that event's last mapping goes. So
 * the owner is an event that never ends: SW_DUMMY on ourselves, bound to the CPU, which needs no right at all (a
 * system-wide one does). It must not be inherited, and its clock must be that of everything redirected into it
 * (perf_event_open(2), SET_OUTPUT).
 *
 * Sizes: what is wanted is halved until it is at most a quarter of what is free, so that there is always room for one
 * more, and fits the locked-memory limits. The smallest rings may take all that is free. All CPUs have the same.
 */
#include "daemon/monitor/rings.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define RING_MIN_BYTES ((size_t)64 << 10)
#define SIDE_MIN_BYTES ((size_t)32 << 10)
#define MAX_CPUS 8192
#define BUDGET_BYTES_PER_CPU ((uint64_t)64 << 20)
#define BUDGET_MIN_BYTES ((uint64_t)512 << 20)

/* The CPUs in a list such as "0-3,8". Number of CPUs or -errno. */
static int parse_cpus(const char *text, struct ring_pair *pairs, size_t n_room)
{
        size_t n = 0;

        while (*text >= '0' && *text <= '9') {
                unsigned int first, last;
                int n_read = 0;

                if (sscanf(text, "%u%n", &first, &n_read) != 1)
                        return -EBADMSG;
                text += n_read;
                last = first;
                if (*text == '-') {
                        if (sscanf(text, "-%u%n", &last, &n_read) != 1)
                                return -EBADMSG;
                        text += n_read;
                }
                for (; first <= last; first++) {
                        if (n == n_room)
                                return -E2BIG;
                        pairs[n++] = (struct ring_pair){.cpu = first, .fault_fd = -1, .side_fd = -1};
                }
                if (*text == ',')
                        text++;
        }
        return n == 0 ? -EBADMSG : (int)n;
}

/* One of the lists of cputopology.rst. Number of CPUs or -errno. */
static int read_list(const char *path, struct ring_pair *pairs, size_t n_room)
{
        FILE *file = fopen(path, "re");
        char text[4096] = "";
        bool is_read;

        if (file == NULL)
                return -errno;
        is_read = fgets(text, sizeof(text), file) != NULL;
        (void)fclose(file);
        return is_read ? parse_cpus(text, pairs, n_room) : -EIO;
}

static int read_cpus(struct ring_set *rings)
{
        CLEANUP_FREE struct ring_pair *pairs = calloc(MAX_CPUS, sizeof(*pairs));
        int n = pairs == NULL ? -ENOMEM : read_list("/sys/devices/system/cpu/present", pairs, MAX_CPUS);

        if (n < 0)
                return n;
        rings->n = (size_t)n;
        rings->pairs = reallocarray(pairs, rings->n, sizeof(*pairs));
        if (rings->pairs == NULL)
                return -ENOMEM;
        pairs = NULL;
        return 0;
}

static bool has_cpu(const struct ring_pair *pairs, size_t n, uint32_t cpu)
{
        for (size_t i = 0; i < n; i++)
                if (pairs[i].cpu == cpu)
                        return true;
        return false;
}

int rings_look(struct ring_set *rings, void (*changed)(void *user, const struct ring_pair *pair), void *user)
{
        CLEANUP_FREE struct ring_pair *online = calloc(MAX_CPUS, sizeof(*online));
        int n = online == NULL ? -ENOMEM : read_list("/sys/devices/system/cpu/online", online, MAX_CPUS);

        for (size_t i = 0; n >= 0 && i < rings->n; i++) {
                bool is_online = has_cpu(online, (size_t)n, rings->pairs[i].cpu);

                if (is_online == rings->pairs[i].is_online)
                        continue;
                rings->pairs[i].is_online = is_online;
                changed(user, &rings->pairs[i]);
        }
        return n < 0 ? n : 0;
}

static void take_no_notice(void *user, const struct ring_pair *pair)
{
        (void)user;
        (void)pair;
}

static int open_owner(uint32_t cpu, size_t ring_bytes)
{
        struct perf_event_attr attr = {
                .size = sizeof(attr),
                .type = PERF_TYPE_SOFTWARE,
                .config = PERF_COUNT_SW_DUMMY,
                .sample_type = PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_TID | PERF_SAMPLE_TIME,
                .sample_id_all = 1,
                .exclude_kernel = 1,
                .exclude_hv = 1,
                .watermark = 1,
                .wakeup_watermark = ring_watermark(ring_bytes),
                .use_clockid = 1,
                .clockid = CLOCK_MONOTONIC,
        };
        int fd = (int)syscall(SYS_perf_event_open, &attr, 0, cpu, -1, PERF_FLAG_FD_CLOEXEC);

        if (fd < 0)
                return errno == EPERM ? -EACCES : -errno; /* -EPERM is mmap's: too much locked memory */
        return fd;
}

static int open_ring(uint32_t cpu, size_t ring_bytes, int *ret_fd, void **ret_map)
{
        int fd = open_owner(cpu, ring_bytes);
        void *map;

        if (fd < 0)
                return fd;
        map = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE) + ring_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (map == MAP_FAILED) {
                int r = -errno;

                (void)close(fd);
                return r;
        }
        *ret_fd = fd;
        *ret_map = map;
        return 0;
}

static void close_ring(int *fd, void **map, size_t ring_bytes)
{
        if (*map != NULL)
                (void)munmap(*map, (size_t)sysconf(_SC_PAGESIZE) + ring_bytes);
        cleanup_close(fd);
        *map = NULL;
        *fd = -1;
}

static void unmap_all(struct ring_set *rings)
{
        for (size_t i = 0; i < rings->n; i++) {
                close_ring(&rings->pairs[i].fault_fd, &rings->pairs[i].fault_map, rings->ring_bytes);
                close_ring(&rings->pairs[i].side_fd, &rings->pairs[i].side_map, rings->side_bytes);
        }
}

static int map_all(struct ring_set *rings)
{
        int r = 0;

        for (size_t i = 0; i < rings->n && r == 0; i++) {
                struct ring_pair *pair = &rings->pairs[i];

                r = open_ring(pair->cpu, rings->ring_bytes, &pair->fault_fd, &pair->fault_map);
                if (r == 0)
                        r = open_ring(pair->cpu, rings->side_bytes, &pair->side_fd, &pair->side_map);
        }
        if (r < 0)
                unmap_all(rings);
        return r;
}

static uint64_t charge_of(const struct ring_set *rings)
{
        return rings->n * (rings->ring_bytes + rings->side_bytes + 2 * (uint64_t)sysconf(_SC_PAGESIZE));
}

uint64_t ring_budget_default(void)
{
        long n_cpus = sysconf(_SC_NPROCESSORS_CONF), n_pages = sysconf(_SC_PHYS_PAGES);
        uint64_t wanted_bytes = (uint64_t)MAX_OF(n_cpus, 1) * BUDGET_BYTES_PER_CPU;
        uint64_t ram_bytes = n_pages > 0 ? (uint64_t)n_pages * (uint64_t)sysconf(_SC_PAGESIZE) : UINT64_MAX;

        return MIN_OF(MAX_OF(wanted_bytes, BUDGET_MIN_BYTES), ram_bytes / 4);
}

int rings_open(struct ring_budget *budget, uint64_t may_use_bytes, size_t wanted_bytes, struct ring_set *ret)
{
        struct ring_set rings = {0};
        uint64_t unused_bytes = budget->used_bytes < budget->size_bytes ? budget->size_bytes - budget->used_bytes : 0;
        uint64_t free_bytes = MIN_OF(unused_bytes, may_use_bytes);
        int r = read_cpus(&rings);

        if (r == 0)
                r = rings_look(&rings, take_no_notice, NULL);
        if (r < 0) {
                free(rings.pairs);
                return r;
        }
        r = -ENOSPC;
        for (size_t bytes = wanted_bytes; bytes >= RING_MIN_BYTES; bytes /= 2) {
                rings.ring_bytes = bytes;
                rings.side_bytes = MAX_OF(bytes / 16, SIDE_MIN_BYTES);
                rings.charged_bytes = charge_of(&rings);
                if (rings.charged_bytes > (bytes > RING_MIN_BYTES ? free_bytes / 4 : free_bytes)) {
                        rings.small_errno = ENOSPC;
                        continue;
                }
                r = map_all(&rings);
                if (r != -EPERM && r != -ENOMEM)
                        break;
                rings.small_errno = -r;
        }
        if (r < 0) {
                free(rings.pairs);
                return r;
        }
        rings.is_small = rings.ring_bytes < RING_SMALL_BYTES;
        budget->used_bytes += rings.charged_bytes;
        *ret = rings;
        return 0;
}

void rings_close(struct ring_budget *budget, struct ring_set *rings)
{
        unmap_all(rings);
        free(rings->pairs);
        budget->used_bytes -= rings->charged_bytes;
        *rings = (struct ring_set){0};
}
