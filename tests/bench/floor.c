/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The floor of the benchmark: what the kernel alone costs a target when exactly faultline's perf events are open on it
 * and nobody reads them. Everything that faultline adds (a reader that competes for the cores, wakeups) is the
 * difference to this program. The events and the rings are opened by the monitor's own code, so they cannot differ.
 *
 * Only the mapping does: the rings are mapped read-only. Then the kernel overwrites, and every record is written; a
 * writable ring that nobody reads fills up, the kernel skips the writing, and the number would flatter the floor.
 *
 *   floor PID basic|full [BYTES]    BYTES: of each stack are copied, too
 *
 * Attaches, prints "ready", waits until its standard input ends, prints how many anchors the kernel counted.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "daemon/monitor/events.h"

#define BUDGET_BYTES (UINT64_C(1) << 30)

struct floor {
        pid_t pid;
        enum detail detail;
        uint32_t stack_bytes;
        struct ring_budget budget;
        struct ring_set rings;
        struct tracefs tracefs;
        struct target target;
        struct closer *closer;
        struct event_level level;
        struct event_set events;
};

/* The last mapping takes the buffer with it, and the next one decides anew who may write. */
static int map_read_only(int fd, void *map, size_t ring_bytes)
{
        size_t n_bytes = ring_bytes + (size_t)sysconf(_SC_PAGESIZE);

        if (munmap(map, n_bytes) < 0)
                return -errno;
        return mmap(map, n_bytes, PROT_READ, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0) == MAP_FAILED ? -errno : 0;
}

static int open_rings(struct floor *floor)
{
        size_t wanted_bytes = floor->stack_bytes > 0 ? RING_WANTED_WITH_STACKS_BYTES : RING_WANTED_BYTES;
        int r = rings_open(&floor->budget, floor->budget.size_bytes, wanted_bytes, &floor->rings);

        for (size_t i = 0; i < floor->rings.n && r == 0; i++) {
                const struct ring_pair *pair = &floor->rings.pairs[i];

                r = map_read_only(pair->fault_fd, pair->fault_map, floor->rings.ring_bytes);
                if (r == 0)
                        r = map_read_only(pair->side_fd, pair->side_map, floor->rings.side_bytes);
        }
        return r;
}

static bool is_own(void *user, pid_t pid)
{
        return pid == getpid();
}

/* 0 or -errno; text says why not, where there is more to say than the errno number. */
static int attach(struct floor *floor, char text[static LINK_TEXT_BYTES])
{
        struct event_request request = {.target = &floor->target, .rings = &floor->rings, .tracefs = &floor->tracefs};
        int r = target_pin(floor->pid, is_own, NULL, &floor->target, text);
        size_t n_enabled = 0;

        tracefs_read(&floor->tracefs);
        event_level_init(&floor->level, floor->detail);
        floor->level.stack_bytes = floor->stack_bytes;
        floor->level.kernel_chain = floor->stack_bytes > 0;
        if (r == 0)
                r = closer_new(&floor->closer);
        if (r == 0)
                r = open_rings(floor);
        if (r == 0)
                do
                        r = events_open(&request, &floor->level, floor->closer, &floor->events, text);
                while (r == 1);
        if (r < 0)
                return r;
        if (floor->level.degraded != 0) {
                (void)snprintf(text, LINK_TEXT_BYTES, "the kernel does not grant %s detail in full here",
                               detail_text(floor->detail));
                return -EPERM;
        }
        while (events_enable(&floor->events, &n_enabled))
                ;
        return 0;
}

static int print_counts(const struct floor *floor)
{
        struct event_counts counts = {0};
        uint64_t n_kernel;
        size_t n_read = 0;
        int r;

        do
                r = events_read(&floor->events, floor->level.lost_count, &n_read, &counts);
        while (r == 1);
        if (r < 0)
                return r;
        if (floor->detail == DETAIL_BASIC)
                n_kernel = counts.count[EVENT_MIN] + counts.count[EVENT_MAJ];
        else
                n_kernel = counts.count[EVENT_ENTRY] + counts.count[EVENT_TP_HIGH];
        printf("kernel %" PRIu64 " ring_bytes %zu\n", n_kernel, floor->rings.ring_bytes);
        return 0;
}

static int parse(int argc, char **argv, struct floor *floor)
{
        if (argc != 3 && argc != 4)
                return -EINVAL;
        floor->pid = (pid_t)strtol(argv[1], NULL, 10);
        if (strcmp(argv[2], "basic") == 0)
                floor->detail = DETAIL_BASIC;
        else if (strcmp(argv[2], "full") == 0)
                floor->detail = DETAIL_FULL;
        else
                return -EINVAL;
        if (argc == 4)
                floor->stack_bytes = (uint32_t)strtoul(argv[3], NULL, 10) & ~UINT32_C(7);
        return floor->pid > 0 && floor->stack_bytes <= LINK_STACK_MAX_BYTES ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
        struct floor floor = {
                .budget = {.size_bytes = BUDGET_BYTES},
                .target = TARGET_INIT,
                .events = EVENT_SET_INIT,
        };
        char text[LINK_TEXT_BYTES] = "";
        char byte;
        int r;

        if (parse(argc, argv, &floor) < 0) {
                (void)fprintf(stderr, "usage: floor PID basic|full [BYTES]\n");
                return 2;
        }
        r = attach(&floor, text);
        if (r == 0) {
                printf("ready\n");
                (void)fflush(stdout);
                while (read(STDIN_FILENO, &byte, 1) > 0)
                        ;
                r = print_counts(&floor);
        }
        if (r < 0)
                (void)fprintf(stderr, "floor: cannot attach to process %d: %s\n", (int)floor.pid,
                              text[0] != '\0' ? text : strerror(-r));
        events_close(&floor.events, floor.closer);
        closer_free(floor.closer);
        rings_close(&floor.budget, &floor.rings);
        target_deinit(&floor.target);
        return r < 0;
}
