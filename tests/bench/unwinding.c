/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What unwinding costs, without the rest of the daemon: one JSON object on standard output.
 *
 *   unwinding stacks clock|faults N BYTES COMMAND ...    samples COMMAND, then unwinds the samples by every method
 *   unwinding rows FILE ...                              compiles the rows of images
 *
 * Times are CPU time of this thread, the median of N_ROUNDS. Every sample is another copy of some stack, so the bytes
 * are as cold as those of a ring; nothing is memoised. "n_15": different stacks (by their frames) of at least 15
 * frames, which are walked 15 frames far for ns_15.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "daemon/engine/model/image_rows.h"
#include "elf/image.h"
#include "samples.h"

#define N_ROUNDS 7
#define N_UNCACHED 100 /* a sample takes libunwind up to milliseconds when it knows nothing */
#define MAX_FRAMES 1024
#define FIFTEEN 15

struct bench {
        struct samples samples;
        struct unwind *unwind;
        size_t *chosen;          /* indices of samples */
        size_t n_chosen, n_room; /* frames at most */
        bool forget;
};

typedef int unwind_method(struct bench *bench, const struct sample *sample, struct unwind_frame *frames);

static uint64_t cpu_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static int by_rows(struct bench *bench, const struct sample *sample, struct unwind_frame *frames)
{
        struct walk_request request = {.rip = sample->registers[STORY_RIP],
                                       .rsp = sample->registers[STORY_RSP],
                                       .rbp = sample->registers[STORY_RBP],
                                       .stack = sample->stack,
                                       .n_stack_bytes = sample->n_stack_bytes,
                                       .stack_start = sample->registers[STORY_RSP],
                                       .find_image = samples_find_rows,
                                       .user = &bench->samples};
        bool is_cut;

        return walk_stack(&request, frames, bench->n_room, &is_cut);
}

static int by_libunwind(struct bench *bench, const struct sample *sample, struct unwind_frame *frames)
{
        struct unwind_request request = {.registers = sample->registers,
                                         .stack = sample->stack,
                                         .n_stack_bytes = sample->n_stack_bytes,
                                         .stack_start = sample->registers[STORY_RSP],
                                         .find_image = samples_find_image,
                                         .user = &bench->samples};
        bool is_cut;

        if (bench->forget)
                unwind_forget(bench->unwind);
        return unwind_stack(bench->unwind, &request, frames, bench->n_room, &is_cut);
}

static int compare_ns(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

struct cost {
        double ns_per_frame, ns_per_stack;
        size_t n_frames;
};

/* The chosen samples, n of them at most, by one method. */
static struct cost measure(struct bench *bench, unwind_method *method, size_t n)
{
        static struct unwind_frame frames[MAX_FRAMES];
        double ns[N_ROUNDS];
        struct cost cost = {0};

        n = MIN_OF(n, bench->n_chosen);
        for (size_t round = 0; round < N_ROUNDS; round++) {
                uint64_t start = cpu_ns();

                cost.n_frames = 0;
                for (size_t i = 0; i < n; i++) {
                        int n_frames = method(bench, &bench->samples.sample[bench->chosen[i]], frames);

                        cost.n_frames += n_frames > 0 ? (size_t)n_frames : 0;
                }
                ns[round] = (double)(cpu_ns() - start);
        }
        qsort(ns, N_ROUNDS, sizeof(*ns), compare_ns);
        if (cost.n_frames > 0) {
                cost.ns_per_frame = ns[N_ROUNDS / 2] / (double)cost.n_frames;
                cost.ns_per_stack = ns[N_ROUNDS / 2] / (double)n;
        }
        return cost;
}

static uint64_t hash_of(const struct unwind_frame *frames, int n)
{
        uint64_t hash = UINT64_C(0xcbf29ce484222325);

        for (int i = 0; i < n; i++)
                hash = (hash ^ frames[i].addr) * UINT64_C(0x9e3779b97f4a7c15) ^ hash >> 29;
        return hash;
}

static int compare_hashes(const void *a, const void *b)
{
        const uint64_t *x = a, *y = b;

        return *x < *y ? -1 : *x > *y;
}

struct survey {
        size_t n_left;      /* to libunwind: rows cannot say */
        size_t n_different; /* from libunwind's frames */
        size_t n_distinct;
};

static bool same_frames(const struct unwind_frame *a, int n_a, const struct unwind_frame *b, int n_b)
{
        bool same = n_a == n_b;

        for (int i = 0; same && i < n_a; i++)
                same = a[i].addr == b[i].addr;
        return same;
}

/* What rows can walk is chosen; `distinct` additionally wants stacks that differ and have so many frames. */
static struct survey choose(struct bench *bench, int n_least, bool distinct)
{
        static struct unwind_frame frames[2][MAX_FRAMES];
        uint64_t(*seen)[2] = calloc(bench->samples.n + 1, sizeof(*seen));
        struct survey survey = {0};
        size_t n_seen = 0;

        bench->n_chosen = 0;
        bench->n_room = MAX_FRAMES;
        for (size_t i = 0; i < bench->samples.n && seen; i++) {
                const struct sample *sample = &bench->samples.sample[i];
                int n = by_rows(bench, sample, frames[0]);

                survey.n_left += n < 0;
                survey.n_different +=
                        n >= 0 && !same_frames(frames[0], n, frames[1], by_libunwind(bench, sample, frames[1]));
                if (n < n_least)
                        continue;
                seen[n_seen][0] = hash_of(frames[0], n);
                seen[n_seen++][1] = i;
        }
        if (seen)
                qsort(seen, n_seen, sizeof(*seen), compare_hashes);
        for (size_t i = 0; i < n_seen; i++) {
                bool is_new = i == 0 || seen[i][0] != seen[i - 1][0];

                survey.n_distinct += is_new;
                if (is_new || !distinct)
                        bench->chosen[bench->n_chosen++] = seen[i][1];
        }
        free(seen);
        return survey;
}

static void print_stacks(struct bench *bench)
{
        struct survey survey = choose(bench, 1, false);
        struct cost rows = measure(bench, by_rows, SIZE_MAX), cached = measure(bench, by_libunwind, SIZE_MAX), uncached,
                    fifteen;
        size_t n = bench->n_chosen;

        bench->forget = true;
        uncached = measure(bench, by_libunwind, N_UNCACHED);
        bench->forget = false;
        (void)choose(bench, FIFTEEN, true);
        bench->n_room = FIFTEEN;
        fifteen = measure(bench, by_rows, SIZE_MAX);
        printf("{\"samples\":%zu,\"left_to_libunwind\":%zu,\"different\":%zu,\"distinct\":%zu,\"frames\":%.1f,"
               "\"rows_ns\":%.1f,\"cached_ns\":%.1f,\"uncached_ns\":%.1f,\"n_15\":%zu,\"ns_15\":%.1f}\n",
               bench->samples.n, survey.n_left, survey.n_different, survey.n_distinct,
               n ? (double)rows.n_frames / (double)n : 0, rows.ns_per_frame, cached.ns_per_frame, uncached.ns_per_frame,
               bench->n_chosen, fifteen.ns_per_stack);
}

static int bench_stacks(char **argv)
{
        enum sample_event event = strcmp(argv[0], "clock") == 0 ? SAMPLE_CLOCK : SAMPLE_FAULTS;
        struct bench bench = {0};
        size_t n = strtoul(argv[1], NULL, 0);
        int r = samples_take(&bench.samples, event, n, (uint32_t)strtoul(argv[2], NULL, 0), argv + 3);

        if (r == 0)
                r = unwind_new(&bench.unwind);
        bench.chosen = calloc(n + 1, sizeof(*bench.chosen));
        if (r == 0 && bench.chosen)
                print_stacks(&bench);
        else
                (void)fprintf(stderr, "unwinding: cannot sample %s: %s\n", argv[3], strerror(-r));
        free(bench.chosen);
        bench.unwind = unwind_free(bench.unwind);
        samples_free(&bench.samples);
        return r < 0;
}

static int bench_rows(const char *path)
{
        double ns[N_ROUNDS];
        struct rows *rows = NULL;
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;
        int r = fd < 0 || fstat(fd, &st) < 0 ? -errno : 0;

        for (size_t i = 0; i < N_ROUNDS && r == 0; i++) {
                uint64_t start = cpu_ns();

                rows = rows_unref(rows);
                r = image_compile_rows(fd, &rows);
                ns[i] = (double)(cpu_ns() - start);
        }
        if (r < 0) {
                (void)fprintf(stderr, "unwinding: %s: %s\n", path, strerror(-r));
                return 1;
        }
        qsort(ns, N_ROUNDS, sizeof(*ns), compare_ns);
        printf("{\"file\":\"%s\",\"file_bytes\":%jd,\"rows\":%zu,\"rows_bytes\":%zu,\"seconds\":%.4f}\n", path,
               (intmax_t)st.st_size, rows_count(rows), rows_bytes(rows), ns[N_ROUNDS / 2] / 1e9);
        rows = rows_unref(rows);
        return 0;
}

int main(int argc, char **argv)
{
        if (argc >= 6 && strcmp(argv[1], "stacks") == 0)
                return bench_stacks(argv + 2);
        if (argc == 3 && strcmp(argv[1], "rows") == 0)
                return bench_rows(argv[2]);
        (void)fprintf(stderr, "usage: unwinding stacks clock|faults N BYTES COMMAND ... | rows FILE\n");
        return 2;
}
