/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the model of top costs, without a daemon and a terminal.
 *
 *   top [--quick] [--json] [--faults N] [--max-ns NS] [--max-ms MS] [--max-growth PERCENT] [--max-bytes BYTES]
 *
 * For several numbers of different tuples: nanoseconds to take in a fault, milliseconds for the tables that a frame may
 * ask for, over all and over the last minute (the slowest of those by each of the groups), bytes of memory. Then an
 * hour of N faults with its frames, new epochs and tuples, without waiting: bytes after a tenth, half and all of it.
 * Then an hour in which every thread lives for seconds, so that names and tuples never end. Exit status 1 when a limit
 * is passed.
 *
 * Times are CPU time of this thread; of ingestion all faults count, of tables the median. Faults are drawn so that few
 * tuples have most of them.
 */
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/state.h"
#include "client/top/top_model.h"

enum { N_THREADS = 32, N_MAPS = 60, N_PLACES = 4000, N_STACKS = 3000, N_FRAMES = 12, N_ROUNDS = 9, N_ROWS = 60 };
enum { BATCH = 1024, HOUR_S = 3600, EPOCH_S = 300 };

struct limits {
        double max_ns, max_ms, max_growth; /* 0: none */
        uint64_t max_bytes;
};

struct world {
        struct state state;
        struct proto_event *kinds; /* a fault of each tuple */
        uint32_t n_kinds;
        uint64_t random;
        uint64_t time_ns;
        uint32_t first_pid;
        bool with_stacks;
        struct proto_event batch[BATCH];
};

static void fail(const char *what)
{
        (void)fprintf(stderr, "top: %s\n", what);
        exit(2);
}

static uint64_t cpu_ns(void)
{
        struct timespec t;

        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * NSEC_PER_SEC + (uint64_t)t.tv_nsec;
}

static uint64_t n_bytes_now(void)
{
        struct mallinfo2 info = mallinfo2();

        return info.uordblks + info.hblkhd;
}

static uint64_t draw(struct world *world) /* xorshift64* */
{
        world->random ^= world->random >> 12;
        world->random ^= world->random << 25;
        world->random ^= world->random >> 27;
        return world->random * UINT64_C(0x2545f4914f6cdd1d);
}

static uint32_t below(struct world *world, uint32_t n)
{
        return (uint32_t)((draw(world) >> 32) * n >> 32);
}

/* --- definitions --- */

static void define(struct world *world, struct proto_def def)
{
        static uint8_t bytes[PROTO_FRAME_MAX_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};

        if (proto_append_def(&buffer, &def) < 0 || state_define(&world->state, bytes, buffer.n_bytes, 1) < 0)
                fail("a definition is refused");
}

static uint32_t define_string(struct world *world, const char *prefix, uint32_t number)
{
        char name[64];
        int n_bytes = snprintf(name, sizeof(name), "%s%" PRIu32, prefix, number);
        uint32_t id = world->state.n_strings + 1;

        define(world, (struct proto_def){
                              .kind = DEF_STRING, .id = id, .string = {.data = name, .n_bytes = (uint32_t)n_bytes}});
        return id;
}

static void define_stack(struct world *world, uint32_t id, uint32_t number)
{
        struct proto_stack_frame frames[N_FRAMES];

        for (uint32_t i = 0; i < N_FRAMES; i++)
                frames[i] = (struct proto_stack_frame){.addr = number * 16 + i,
                                                       .place = 1 + (number * (i + 1) / (i * i + 1)) % N_PLACES,
                                                       .by = FRAME_BY_CFI};
        define(world,
               (struct proto_def){.kind = DEF_STACK, .id = id, .stack = {.n_frames = N_FRAMES, .frames = frames}});
}

/* In an order that is another one in each epoch: what has the id i now is the (i + shift)-th of all. */
static void define_all(struct world *world, uint32_t shift)
{
        uint32_t text = define_string(world, ".text.", 0);

        for (uint32_t i = 0; i < N_MAPS; i++)
                define(world, (struct proto_def){.kind = DEF_MAP,
                                                 .id = i + 1,
                                                 .map = {.path = define_string(world, "/usr/lib/libthing.so.",
                                                                               (i + shift) % N_MAPS)}});
        for (uint32_t i = 0; i < N_PLACES; i++) {
                uint32_t number = (i + shift) % N_PLACES;

                define(world, (struct proto_def){
                                      .kind = DEF_PLACE,
                                      .id = i + 1,
                                      .place = {.image = define_string(world, "/usr/lib/libthing.so.", number % N_MAPS),
                                                .section = text,
                                                .symbol = define_string(world, "do_something_", number)}});
        }
        for (uint32_t i = 0; i < N_THREADS; i++) {
                uint32_t number = (i + shift) % N_THREADS;

                define(world, (struct proto_def){.kind = DEF_THREAD,
                                                 .id = i + 1,
                                                 .thread = {.pid = (int32_t)(world->first_pid + number / 4 * 4),
                                                            .tid = (int32_t)(world->first_pid + number),
                                                            .comm = define_string(world, "worker-", number)}});
        }
        for (uint32_t i = 0; world->with_stacks && i < N_STACKS; i++)
                define_stack(world, i + 1, (i + shift) % N_STACKS);
}

static uint32_t id_of(uint32_t number, uint32_t shift, uint32_t n)
{
        return (number + n - shift % n) % n + 1;
}

/* The same tuples in every epoch, under other ids. */
static void make_kinds(struct world *world, uint32_t shift)
{
        uint64_t random = world->random;

        world->random = 4711;
        for (uint32_t i = 0; i < world->n_kinds; i++) {
                uint32_t place = below(world, N_PLACES), code = below(world, N_PLACES);

                world->kinds[i] = (struct proto_event){.addr = draw(world) & 0x7fffffffffff,
                                                       .ip = draw(world) & 0x7fffffffffff,
                                                       .latency_ns = 300 + below(world, 3000),
                                                       .thread = id_of(below(world, N_THREADS), shift, N_THREADS),
                                                       .map = id_of(place % N_MAPS, shift, N_MAPS),
                                                       .place = id_of(place, shift, N_PLACES),
                                                       .code = id_of(code, shift, N_PLACES),
                                                       .outcome = below(world, 50) ? OUTCOME_MINOR : OUTCOME_MAJOR,
                                                       .cause = (uint8_t)(1 + below(world, 8)),
                                                       .page_shift = 12};
                if (world->with_stacks)
                        world->kinds[i].stack = id_of(below(world, N_STACKS), shift, N_STACKS);
        }
        world->random = random;
}

static void begin_epoch(struct world *world, uint32_t shift)
{
        state_reset(&world->state);
        define_all(world, shift);
        make_kinds(world, shift);
}

static void begin(struct world *world, uint32_t n_kinds, bool with_stacks)
{
        *world = (struct world){.n_kinds = n_kinds,
                                .with_stacks = with_stacks,
                                .random = 1,
                                .time_ns = 1000 * NSEC_PER_SEC,
                                .first_pid = 100000};
        world->kinds = calloc(n_kinds, sizeof(*world->kinds));
        if (!world->kinds)
                fail("out of memory");
        begin_epoch(world, 0);
}

static void end(struct world *world)
{
        free(world->kinds);
        state_free(&world->state);
}

/* --- faults --- */

static void fill_batch(struct world *world, uint64_t step_ns)
{
        for (size_t i = 0; i < BATCH; i++) {
                uint64_t x = draw(world) >> 43; /* 21 bits; cubed: an eighth of the tuples has half of the faults */

                world->batch[i] = world->kinds[(x * x >> 21) * x * world->n_kinds >> 42];
                world->batch[i].latency_ns += x & 1023;
                world->batch[i].time_ns = world->time_ns;
                world->time_ns += step_ns;
        }
}

/* CPU time of taking them in. */
static uint64_t add_batch(struct top_model *model, struct world *world, uint64_t step_ns)
{
        uint64_t start_ns;

        fill_batch(world, step_ns);
        start_ns = cpu_ns();
        if (top_model_add(model, &world->state, world->batch, BATCH) < 0)
                fail("out of memory");
        return cpu_ns() - start_ns;
}

/* --- tables --- */

static void make_table(struct top_model *model, struct top_query query)
{
        static struct top_row rows[N_ROWS];
        struct top_table table = {.rows = rows, .n_room = N_ROWS};

        if (top_model_table(model, &query, &table) < 0)
                fail("out of memory");
}

static int compare(const void *left, const void *right)
{
        uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

        return a < b ? -1 : a > b;
}

static double table_ms(struct top_model *model, struct top_query query)
{
        uint64_t times[N_ROUNDS];

        for (size_t i = 0; i < N_ROUNDS; i++) {
                uint64_t start_ns = cpu_ns();

                make_table(model, query);
                times[i] = cpu_ns() - start_ns;
        }
        qsort(times, N_ROUNDS, sizeof(times[0]), compare);
        return (double)times[N_ROUNDS / 2] / (double)NSEC_PER_MSEC;
}

static double slowest_ms(struct top_model *model, struct top_query query)
{
        double slowest = 0;

        for (query.by = 0; query.by < N_GROUP_BY; query.by++)
                slowest = MAX_OF(slowest, table_ms(model, query));
        return slowest;
}

/* All that the screen asks for ten times a second. */
static void make_frame(struct top_model *model, enum group_by by)
{
        const struct top_span span = {.until = top_model_now(model)};
        static uint32_t history[200 * N_CAUSES];
        struct top_thread threads[8];
        struct top_totals totals;

        make_table(model, (struct top_query){.span = span, .by = by});
        if (top_model_totals(model, &span, &totals) < 0)
                fail("out of memory");
        (void)top_model_threads(model, &span, threads, ARRAY_SIZE(threads));
        top_model_history(model, span.until, 200, history);
}

static double frame_ms(struct top_model *model)
{
        uint64_t times[N_ROUNDS];

        for (size_t i = 0; i < N_ROUNDS; i++) {
                uint64_t start_ns = cpu_ns();

                make_frame(model, GROUP_SYMBOL);
                times[i] = cpu_ns() - start_ns;
        }
        qsort(times, N_ROUNDS, sizeof(times[0]), compare);
        return (double)times[N_ROUNDS / 2] / (double)NSEC_PER_MSEC;
}

/* --- a size --- */

struct figures {
        uint32_t n_tuples;
        bool with_stacks;
        double ns, whole_ms, minute_ms, search_ms, frame_ms;
        uint64_t n_bytes;
};

static struct figures measure(uint32_t n_tuples, bool with_stacks, uint64_t n_faults)
{
        struct figures figures = {.n_tuples = n_tuples, .with_stacks = with_stacks};
        uint64_t before = n_bytes_now(), ns = 0, n = 0, world_bytes;
        static struct world world;
        struct top_model *model = top_model_new();
        struct top_span whole, minute;

        if (!model)
                fail("out of memory");
        world_bytes = n_bytes_now();
        begin(&world, n_tuples, with_stacks);
        world_bytes = n_bytes_now() - world_bytes;
        for (uint32_t i = 0; i < 200; i++) /* each name is made, each table grows once */
                (void)add_batch(model, &world, 3333);
        for (; n < n_faults; n += BATCH)
                ns += add_batch(model, &world, 3333);
        whole = (struct top_span){.until = top_model_now(model)};
        minute = (struct top_span){.until = top_model_now(model), .n_slices = 120};
        figures.ns = (double)ns / (double)n;
        figures.whole_ms = slowest_ms(model, (struct top_query){.span = whole});
        figures.minute_ms = slowest_ms(model, (struct top_query){.span = minute});
        figures.search_ms = slowest_ms(model, (struct top_query){.span = whole, .search = "THING_9"});
        figures.frame_ms = frame_ms(model);
        figures.n_bytes = n_bytes_now() - before - world_bytes;
        end(&world);
        (void)top_model_free(model);
        return figures;
}

/* --- an hour --- */

struct hour {
        uint64_t n_faults;
        uint64_t at_tenth, at_half, at_end; /* bytes */
        double ns;
};

/* churns: every four seconds all threads are new ones. The definitions are not the model's and hardly change in size.
 */
static struct hour live_an_hour(uint64_t n_faults, bool churns)
{
        struct hour hour = {0};
        uint64_t n_batches = n_faults / BATCH, step_ns = HOUR_S * NSEC_PER_SEC / (n_batches * BATCH), ns = 0;
        uint64_t before = n_bytes_now(), second = 0, world_bytes, start_ns;
        struct top_model *model;
        static struct world world;

        begin(&world, 5000, false);
        world_bytes = n_bytes_now() - before;
        model = top_model_new();
        if (!model)
                fail("out of memory");
        start_ns = world.time_ns;
        for (uint64_t i = 1; i <= n_batches; i++) {
                ns += add_batch(model, &world, step_ns);
                if ((world.time_ns - start_ns) / NSEC_PER_SEC > second) {
                        second = (world.time_ns - start_ns) / NSEC_PER_SEC;
                        top_model_tick(model, world.time_ns);
                        make_frame(model, (enum group_by)(second % N_GROUP_BY));
                        world.first_pid += churns ? N_THREADS : 0;
                        if (second % EPOCH_S == 0 || (churns && second % 4 == 0))
                                begin_epoch(&world, (uint32_t)(second * 7));
                }
                if (i == n_batches / 10)
                        hour.at_tenth = n_bytes_now() - before - world_bytes;
                if (i == n_batches / 2)
                        hour.at_half = n_bytes_now() - before - world_bytes;
        }
        hour.at_end = n_bytes_now() - before - world_bytes;
        hour.n_faults = n_batches * BATCH;
        hour.ns = (double)ns / (double)hour.n_faults;
        end(&world);
        (void)top_model_free(model);
        return hour;
}

/* --- output --- */

static void print_figures(const struct figures *f, bool json)
{
        printf(json ? "{\"tuples\":%" PRIu32
                      ",\"stacks\":%d,\"ns_per_fault\":%.1f,\"table_ms\":%.3f,\"minute_ms\":%.3f,"
                      "\"search_ms\":%.3f,\"frame_ms\":%.3f,\"bytes\":%" PRIu64 "}\n"
                    : "%7" PRIu32 " tuples, stacks %d: %6.1f ns a fault; a table of all %.3f ms, of a minute %.3f ms, "
                      "searched %.3f ms; a frame %.3f ms; %" PRIu64 " bytes\n",
               f->n_tuples, f->with_stacks, f->ns, f->whole_ms, f->minute_ms, f->search_ms, f->frame_ms, f->n_bytes);
}

static void print_hour(const struct hour *h, const char *which, bool json)
{
        printf(json ? "{\"hour\":\"%s\",\"faults\":%" PRIu64 ",\"ns_per_fault\":%.1f,\"bytes_at_tenth\":%" PRIu64
                      ",\"bytes_at_half\":%" PRIu64 ",\"bytes_at_end\":%" PRIu64 "}\n"
                    : "an hour, %s: %" PRIu64 " faults, %.1f ns each; bytes after a tenth %" PRIu64 ", half %" PRIu64
                      ", all %" PRIu64 "\n",
               which, h->n_faults, h->ns, h->at_tenth, h->at_half, h->at_end);
}

static int check(const char *what, double value, double limit)
{
        if (limit <= 0 || value <= limit)
                return 0;
        printf("%s: %.3f, at most %.3f were asked for\n", what, value, limit);
        return 1;
}

static int run(uint64_t n_faults, bool quick, bool json, const struct limits *limits)
{
        static const struct {
                uint32_t n_tuples;
                bool with_stacks;
        } sizes[] = {{1000, false}, {5000, false}, {5000, true}, {20000, false}, {100000, false}};
        struct hour hour;
        int bad = 0;

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                struct figures f = measure(sizes[i].n_tuples, sizes[i].with_stacks, quick ? 1000000 : 6000000);

                print_figures(&f, json);
                if (sizes[i].n_tuples <= 5000)
                        bad |= check("ns a fault", f.ns, limits->max_ns);
                bad |= check("ms a table", MAX_OF(MAX_OF(f.whole_ms, f.minute_ms), f.search_ms), limits->max_ms);
                bad |= check("ms a frame", f.frame_ms, limits->max_ms);
        }
        hour = live_an_hour(n_faults, false);
        print_hour(&hour, "the same threads", json);
        bad |= check("percent of growth", 100 * ((double)MAX_OF(hour.at_half, hour.at_end) / (double)hour.at_tenth - 1),
                     limits->max_growth);
        hour = live_an_hour(n_faults, true);
        print_hour(&hour, "threads come and go", json);
        bad |= check("bytes", (double)MAX_OF(MAX_OF(hour.at_tenth, hour.at_half), hour.at_end),
                     (double)limits->max_bytes);
        return bad;
}

int main(int argc, char **argv)
{
        static const struct option options[] = {
                {"quick", no_argument, NULL, 'q'},           {"json", no_argument, NULL, 'j'},
                {"faults", required_argument, NULL, 'f'},    {"max-ns", required_argument, NULL, 'n'},
                {"max-ms", required_argument, NULL, 'm'},    {"max-growth", required_argument, NULL, 'g'},
                {"max-bytes", required_argument, NULL, 'b'}, {0},
        };
        struct limits limits = {.max_growth = 1};
        bool quick = false, json = false;
        uint64_t n_faults = 0;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
                switch (c) {
                case 'q':
                        quick = true;
                        break;
                case 'j':
                        json = true;
                        break;
                case 'f':
                        n_faults = strtoull(optarg, NULL, 10);
                        break;
                case 'n':
                        limits.max_ns = strtod(optarg, NULL);
                        break;
                case 'm':
                        limits.max_ms = strtod(optarg, NULL);
                        break;
                case 'g':
                        limits.max_growth = strtod(optarg, NULL);
                        break;
                case 'b':
                        limits.max_bytes = strtoull(optarg, NULL, 10);
                        break;
                default:
                        (void)fprintf(stderr, "usage: top [--quick] [--json] [--faults N] [--max-ns NS] [--max-ms MS] "
                                              "[--max-growth PERCENT] [--max-bytes BYTES]\n");
                        return 2;
                }
        if (n_faults < 100 * BATCH)
                n_faults = quick ? 4000000 : 36000000;
        return run(n_faults, quick, json, &limits);
}
