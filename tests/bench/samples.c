/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Sampling as the daemon does it, by the kernel's copy of registers and stack (perf_event_open(2)), into memory. The
 * maps are read again with every batch, because the last batch may be all that the program lived for.
 */
#include "samples.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/engine/model/image_rows.h"
#include "daemon/link/events.h"
#include "elf/image.h"

#define RING_BYTES (UINT64_C(32) << 20)
#define BATCH_BYTES (1u << 20)
#define CLOCK_PERIOD_NS 100000
#define MAPS_TEXT_BYTES (1u << 20)

struct sampler {
        struct samples *samples;
        size_t n_wanted;
        int fd;
        uint8_t *ring;
        pid_t pid;
        char *maps; /* text of /proc/PID/maps */
};

/* The kernel's order of registers is EVENT_STACK_REGS_MASK's; asm/perf_regs.h numbers them. */
static void take_registers(struct sample *sample, const uint64_t *values)
{
        static const int places[EVENT_N_STACK_REGS] = {
                STORY_RAX,    STORY_RBX, STORY_RCX, STORY_RDX, STORY_RSI, STORY_RDI, STORY_RBP, STORY_RSP, STORY_RIP,
                STORY_EFLAGS, STORY_R8,  STORY_R9,  STORY_R10, STORY_R11, STORY_R12, STORY_R13, STORY_R14, STORY_R15};

        for (size_t i = 0; i < EVENT_N_STACK_REGS; i++)
                sample->registers[places[i]] = values[i];
}

/* {abi, registers, size, bytes, dyn_size}; without registers or stack: left out. false: out of memory. */
static bool take_sample(struct sampler *sampler, const uint64_t *body)
{
        struct samples *samples = sampler->samples;
        uint64_t size = body[0] == PERF_SAMPLE_REGS_ABI_64 ? body[1 + EVENT_N_STACK_REGS] : 0, n_bytes;
        const uint64_t *bytes = body + 2 + EVENT_N_STACK_REGS;
        struct sample *sample = &samples->sample[samples->n];
        uint8_t *copy;

        if (size == 0 || samples->n == samples->n_room)
                return true;
        n_bytes = bytes[size / sizeof(*bytes)];
        copy = malloc(n_bytes + 1);
        if (!copy)
                return false;
        memcpy(copy, bytes, n_bytes);
        take_registers(sample, body + 1);
        sample->stack = copy;
        sample->n_stack_bytes = n_bytes;
        samples->n++;
        return true;
}

/* All that is in the ring. A record that wraps is put together first. */
static int drain(struct sampler *sampler)
{
        struct perf_event_mmap_page *page = (void *)sampler->ring;
        const uint8_t *data = sampler->ring + sysconf(_SC_PAGESIZE);
        static uint64_t record[UINT16_MAX / sizeof(uint64_t) + 1];
        uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE), tail = page->data_tail;
        bool fine = true;

        while (tail < head && fine) {
                const struct perf_event_header *header = (const void *)(data + tail % RING_BYTES);
                size_t n_first = MIN_OF((uint64_t)header->size, RING_BYTES - tail % RING_BYTES);

                memcpy(record, header, n_first);
                memcpy((uint8_t *)record + n_first, data, header->size - n_first);
                tail += header->size;
                if (header->type == PERF_RECORD_SAMPLE)
                        fine = take_sample(sampler, record + 1);
        }
        __atomic_store_n(&page->data_tail, tail, __ATOMIC_RELEASE);
        return fine ? 0 : -ENOMEM;
}

static void read_maps(struct sampler *sampler)
{
        char path[32];
        size_t n = 0;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/maps", (int)sampler->pid);
        f = fopen(path, "re");
        if (!f)
                return;
        n = fread(sampler->maps + MAPS_TEXT_BYTES, 1, MAPS_TEXT_BYTES - 1, f);
        (void)fclose(f);
        if (n == 0) /* it has ended */
                return;
        memcpy(sampler->maps, sampler->maps + MAPS_TEXT_BYTES, n);
        sampler->maps[n] = '\0';
}

static int open_event(struct sampler *sampler, enum sample_event event, uint32_t n_stack_bytes)
{
        struct perf_event_attr attr = {
                .type = PERF_TYPE_SOFTWARE,
                .size = sizeof(attr),
                .config = event == SAMPLE_CLOCK ? PERF_COUNT_SW_CPU_CLOCK : PERF_COUNT_SW_PAGE_FAULTS,
                .sample_period = event == SAMPLE_CLOCK ? CLOCK_PERIOD_NS : 1,
                .sample_type = PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER,
                .sample_regs_user = EVENT_STACK_REGS_MASK,
                .sample_stack_user = n_stack_bytes,
                .disabled = 1,
                .enable_on_exec = 1,
                .exclude_kernel = 1,
                .exclude_hv = 1,
                .watermark = 1,
                .wakeup_watermark = BATCH_BYTES,
        };

        sampler->fd = (int)syscall(SYS_perf_event_open, &attr, sampler->pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
        if (sampler->fd < 0)
                return -errno;
        sampler->ring = mmap(NULL, RING_BYTES + (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED,
                             sampler->fd, 0);
        return sampler->ring == MAP_FAILED ? -errno : 0;
}

static pid_t start_held(char *const *command, int gate[2])
{
        pid_t pid = pipe2(gate, O_CLOEXEC) < 0 ? -1 : fork();
        char byte;

        if (pid != 0)
                return pid;
        /* Zeros to read for those who wait for a byte. */
        if (read(gate[0], &byte, 1) == 1 && freopen("/dev/zero", "r", stdin) && freopen("/dev/null", "w", stdout))
                (void)execvp(command[0], command);
        _exit(127);
}

static int collect(struct sampler *sampler)
{
        struct pollfd poll_fd = {.fd = sampler->fd, .events = POLLIN};
        int r = 0;

        while (r == 0 && sampler->samples->n < sampler->n_wanted && !(poll_fd.revents & (POLLHUP | POLLERR))) {
                (void)poll(&poll_fd, 1, 100);
                read_maps(sampler);
                r = drain(sampler);
        }
        return r;
}

static uint64_t bias_of(int fd, uint64_t start, uint64_t offset)
{
        Elf64_Ehdr header;
        Elf64_Phdr segment;

        if (pread(fd, &header, sizeof(header), 0) != sizeof(header))
                return 0;
        for (unsigned int i = 0; i < header.e_phnum; i++)
                if (pread(fd, &segment, sizeof(segment), (off_t)(header.e_phoff + i * sizeof(segment))) ==
                            sizeof(segment) &&
                    segment.p_type == PT_LOAD && (segment.p_offset & ~UINT64_C(4095)) == offset)
                        return start - (segment.p_vaddr & ~UINT64_C(4095));
        return 0;
}

/* The vDSO is the same in every process. */
static void take_vdso(struct code_map *map)
{
        const Elf64_Ehdr *header = (const void *)getauxval(AT_SYSINFO_EHDR); /* NOLINT */

        map->bytes = (const uint8_t *)header;
        map->n_bytes = header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;
        map->bias = map->start;
        if (image_compile_rows_memory(map->bytes, map->n_bytes, &map->rows) < 0)
                map->rows = NULL;
}

static void take_file(struct code_map *map, const char *path, uint64_t offset)
{
        map->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (map->fd < 0)
                return;
        map->bias = bias_of(map->fd, map->start, offset);
        if (image_compile_rows(map->fd, &map->rows) < 0)
                map->rows = NULL;
}

static int take_maps(struct samples *samples, char *text)
{
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
                struct code_map map = {.fd = -1};
                unsigned long start, end, offset;
                struct code_map *grown;
                char perms[5], path[4096] = "";

                if (sscanf(line, "%lx-%lx %4s %lx %*s %*s %4095[^\n]", &start, &end, perms, &offset, path) < 4 ||
                    perms[2] != 'x')
                        continue;
                map.start = start;
                map.end = end;
                if (path[0] == '/')
                        take_file(&map, path, offset);
                else if (strcmp(path, "[vdso]") == 0)
                        take_vdso(&map);
                grown = reallocarray(samples->maps, samples->n_maps + 1, sizeof(*grown));
                if (!grown)
                        return -ENOMEM;
                samples->maps = grown;
                samples->maps[samples->n_maps++] = map;
        }
        return samples->n_maps > 0 ? 0 : -ESRCH;
}

int samples_take(struct samples *samples, enum sample_event event, size_t n, uint32_t n_stack_bytes,
                 char *const *command)
{
        struct sampler sampler = {.samples = samples, .n_wanted = n, .fd = -1, .ring = MAP_FAILED};
        int gate[2], r = -ENOMEM;

        samples->sample = calloc(n, sizeof(*samples->sample));
        samples->n_room = n;
        sampler.maps = calloc(2, MAPS_TEXT_BYTES);
        sampler.pid = start_held(command, gate);
        if (samples->sample && sampler.maps)
                r = sampler.pid < 0 ? -errno : open_event(&sampler, event, n_stack_bytes);
        if (r == 0 && write(gate[1], "x", 1) != 1)
                r = -errno;
        if (r == 0)
                r = collect(&sampler);
        if (sampler.pid > 0) {
                (void)kill(sampler.pid, SIGKILL);
                (void)waitpid(sampler.pid, NULL, 0);
        }
        if (r == 0)
                r = take_maps(samples, sampler.maps);
        if (sampler.ring != MAP_FAILED)
                (void)munmap(sampler.ring, RING_BYTES + (size_t)sysconf(_SC_PAGESIZE));
        if (sampler.fd >= 0)
                (void)close(sampler.fd);
        free(sampler.maps);
        return r;
}

void samples_free(struct samples *samples)
{
        for (size_t i = 0; i < samples->n; i++)
                free((void *)(uintptr_t)samples->sample[i].stack);
        for (size_t i = 0; i < samples->n_maps; i++) {
                samples->maps[i].rows = rows_unref(samples->maps[i].rows);
                if (samples->maps[i].fd >= 0)
                        (void)close(samples->maps[i].fd);
        }
        free(samples->sample);
        free(samples->maps);
}

static const struct code_map *map_at(const struct samples *samples, uint64_t addr)
{
        size_t low = 0, high = samples->n_maps;

        while (low < high) {
                size_t middle = (low + high) / 2;

                if (addr >= samples->maps[middle].end)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low < samples->n_maps && addr >= samples->maps[low].start ? &samples->maps[low] : NULL;
}

enum unwind_answer samples_find_rows(void *user, uint64_t addr, struct walk_image *ret)
{
        const struct code_map *map = map_at(user, addr);

        if (!map)
                return UNWIND_NOT_CODE;
        *ret = (struct walk_image){.rows = map->rows, .bias = map->bias, .start = map->start, .end = map->end};
        return map->fd >= 0 || map->bytes ? UNWIND_FOUND : UNWIND_NONE;
}

enum unwind_answer samples_find_image(void *user, uint64_t addr, struct unwind_image *ret)
{
        const struct code_map *map = map_at(user, addr);

        if (!map)
                return UNWIND_NOT_CODE;
        *ret = (struct unwind_image){.fd = map->fd, .bytes = map->bytes, .n_bytes = map->n_bytes, .bias = map->bias};
        return map->fd >= 0 || map->bytes ? UNWIND_FOUND : UNWIND_NONE;
}
