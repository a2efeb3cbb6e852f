/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whatever is pressed, whatever comes, however large the window is: nothing breaks, and what is on the screen is what a
 * terminal may be sent. The seeds are fixed; FAULTLINE_TOP_SECONDS in the environment goes on with further ones for so
 * long (a minute under AddressSanitizer, as the soak does it).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#include "client/escape.h"
#include "tests/unit/fake_daemon.h"
#include "tests/unit/top_scene.h"

enum { N_SEEDS = 40, N_STEPS = 250, N_STATES = 3, EVIL_BYTES_MAX = 40 };

struct chaos {
        struct scene *scene; /* its state is the first one */
        struct state others[N_STATES - 1];
        bool is_attached[N_STATES];
        uint64_t n_screens;
};

static uint32_t roll(struct chaos *c, uint32_t below)
{
        return scene_random(c->scene, below);
}

static struct state *state_at(struct chaos *c, size_t i)
{
        return i == 0 ? &c->scene->state : &c->others[i - 1];
}

/* --- what comes --- */

/* A string that is made to do harm, or any bytes. */
static struct proto_string evil(struct chaos *c, char bytes[static EVIL_BYTES_MAX])
{
        static const char *const evils[] = {
                "\033[2J", "\xe2\x80\xae",    "\n", "\23331m", "名", "e\xcc\x81", "\\", "\xff", "/", "[heap]", ";",
                "%s%n",    "\xf0\x9f\x98\x80"};
        uint32_t n = 0;

        while (n + 8 < EVIL_BYTES_MAX && roll(c, 4) > 0) {
                const char *part = evils[roll(c, ARRAY_SIZE(evils))];

                memcpy(bytes + n, part, strlen(part));
                n += (uint32_t)strlen(part);
                bytes[n++] = (char)roll(c, 256);
        }
        return (struct proto_string){.data = bytes, .n_bytes = n};
}

static void define(struct chaos *c, struct state *state)
{
        char bytes[EVIL_BYTES_MAX];
        struct proto_string name = evil(c, bytes);
        uint32_t string = feed_bytes(state, name.n_bytes > 0 ? name.data : "x", MAX_OF(name.n_bytes, 1U));
        uint64_t start = (uint64_t)roll(c, 1 << 20) << roll(c, 28);
        const struct proto_stack_frame frames[] = {{.addr = start, .place = roll(c, 9), .by = (uint8_t)roll(c, 6)},
                                                   {.addr = start, .place = roll(c, 9), .by = (uint8_t)roll(c, 6)}};

        (void)feed_map(state, string, start);
        (void)feed_place(state, roll(c, string + 2), roll(c, string + 2), roll(c, string + 2), start);
        (void)feed_thread(state, (int32_t)roll(c, 5000), (int32_t)roll(c, 5000), string);
        (void)feed_stack(state, frames, ARRAY_SIZE(frames), (uint8_t)roll(c, 2));
}

static void attach(struct chaos *c, size_t i)
{
        char bytes[EVIL_BYTES_MAX];
        struct state *state = state_at(c, i);
        const struct proto_attached attached = {.pid = roll(c, 4) == 0 ? 0 : (int32_t)(1000 + i),
                                                .detail = (uint8_t)roll(c, 6),
                                                .ptrace = (uint8_t)roll(c, 6),
                                                .n_threads = roll(c, 100),
                                                .time_ns = c->scene->now_ns,
                                                .comm = evil(c, bytes),
                                                .stack_bytes = roll(c, 2) * 8192};

        state->pid = attached.pid;
        assert_int_equal(state_begin(state, &attached, roll(c, 4) == 0), 0);
        c->scene->view->ops->attached(c->scene->view, state, &attached);
        c->is_attached[i] = true;
}

/* Ids that may be defined, or not; words that may be known, or not; times that may be any. */
static struct proto_event any_event(struct chaos *c)
{
        return (struct proto_event){.time_ns = roll(c, 50) == 0 ? (uint64_t)roll(c, 1 << 24) << roll(c, 40)
                                                                : c->scene->now_ns - roll(c, 1 << 24),
                                    .addr = (uint64_t)roll(c, 1 << 24) << roll(c, 40),
                                    .ip = (uint64_t)roll(c, 1 << 24) << roll(c, 40),
                                    .caller_ip = roll(c, 3),
                                    .latency_ns = roll(c, 3) == 0 ? PROTO_UNKNOWN : UINT64_C(1) << roll(c, 64),
                                    .frame = roll(c, 3) == 0 ? PROTO_UNKNOWN : roll(c, 1 << 20),
                                    .frame_before = roll(c, 3) == 0 ? PROTO_UNKNOWN : roll(c, 2),
                                    .thread = roll(c, 12),
                                    .map = roll(c, 12),
                                    .place = roll(c, 12),
                                    .code = roll(c, 12),
                                    .caller = roll(c, 12),
                                    .stack = roll(c, 12),
                                    .cpu = (uint16_t)roll(c, 70000),
                                    .outcome = (uint8_t)roll(c, N_OUTCOMES + 3),
                                    .cause = (uint8_t)roll(c, N_CAUSES + 3),
                                    .access = (uint8_t)roll(c, N_ACCESSES + 3),
                                    .page_shift = (uint8_t)roll(c, 80),
                                    .flags = (uint8_t)roll(c, 64)};
}

static void send_faults(struct chaos *c, struct state *state)
{
        struct proto_event events[SCENE_BATCH];
        const struct fault_batch batch = {.events = events, .n_events = 1 + roll(c, SCENE_BATCH)};

        for (uint32_t i = 0; i < batch.n_events; i++)
                events[i] = any_event(c);
        state->n_received += batch.n_events;
        state_count_events(state, events, batch.n_events);
        c->scene->view->ops->faults(c->scene->view, state, &batch);
}

static void send_end(struct chaos *c, const struct state *state)
{
        char bytes[EVIL_BYTES_MAX];
        struct proto_end end = {.reason = (uint8_t)roll(c, 8), .time_ns = c->scene->now_ns, .text = evil(c, bytes)};

        end.ledger.delivered = state->n_received;
        end.ledger.lost_kernel = roll(c, 2) == 0 ? 0 : (uint64_t)roll(c, 1000) << roll(c, 50);
        end.ledger.kernel = roll(c, 8) == 0 ? UINT64_MAX : end.ledger.delivered + end.ledger.lost_kernel;
        c->scene->view->ops->end(c->scene->view, state, &end);
}

static void send_note(struct chaos *c, struct state *state)
{
        char what[EVIL_BYTES_MAX], why[EVIL_BYTES_MAX];
        struct view *view = c->scene->view;
        const struct proto_degraded degraded = {.what = evil(c, what), .reason = evil(c, why)};
        const struct proto_gap gap = {.reason = degraded.reason};
        const struct proto_revoked revoked = {
                .time_ns = c->scene->now_ns, .pid = (int32_t)roll(c, 5000), .reason = degraded.reason};
        const struct proto_error error = {.error = (int32_t)roll(c, 200), .text = degraded.reason};
        const struct proto_drops drops = {.n_faults = {[OUTCOME_MINOR] = roll(c, 1 << 20)}};
        const struct proto_life life = {.time_ns = c->scene->now_ns,
                                        .kind = (uint8_t)roll(c, 5),
                                        .pid = (int32_t)roll(c, 5000),
                                        .tid = (int32_t)roll(c, 5000),
                                        .comm = degraded.reason};

        switch (roll(c, 6)) {
        case 0:
                view->ops->degraded(view, state, &degraded);
                break;
        case 1:
                view->ops->gap(view, NULL, &gap);
                state_reset(state);
                break;
        case 2:
                view->ops->revoked(view, state, &revoked);
                break;
        case 3:
                view->ops->error(view, 0, &error);
                break;
        case 4:
                state_count_drops(state, &drops);
                view->ops->drops(view, state, &drops);
                break;
        default:
                view->ops->life(view, state, &life);
        }
}

static void stream(struct chaos *c)
{
        size_t i = roll(c, N_STATES);
        struct state *state = state_at(c, i);

        if (!c->is_attached[i])
                attach(c, i);
        if (state->n_places < 10 || roll(c, 20) == 0)
                define(c, state);
        if (roll(c, 60) == 0)
                send_end(c, state);
        else if (roll(c, 6) == 0)
                send_note(c, state);
        else
                send_faults(c, state);
        c->scene->now_ns += (uint64_t)roll(c, 1 << 20) << roll(c, 12);
}

/* --- what the owner does --- */

static void give_maps(struct chaos *c)
{
        static const char *const texts[] = {
                "", "1000-2000 r-xp 00000000 08:01 17 /a\n7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\n",
                "0-ffffffffffffffff rw-p 00000000 00:00 0 \n",
                "555555800000-555655a00000 rw-p 00000000 00:00 0 \xff\\012\x1b[2J\n"};
        const char *text = texts[roll(c, ARRAY_SIZE(texts))];
        struct view *view = c->scene->view;
        struct smaps maps = {0};
        int r;

        if (!view_top_wants_maps(view, c->scene->now_ns))
                return;
        r = smaps_parse(text, strlen(text), &maps);
        view_top_set_maps(view, view_top_space_pid(view) + (roll(c, 10) == 0), &maps, r, c->scene->now_ns);
}

static void give_pages(struct chaos *c)
{
        uint64_t *entries, start;
        size_t n_pages;

        if (!view_top_wants_pages(c->scene->view, &start, &n_pages))
                return;
        assert_in_range(n_pages, 1, SPACE_PAGES_MAX);
        entries = calloc(n_pages, sizeof(*entries));
        assert_non_null(entries);
        for (size_t i = 0; i < n_pages; i++)
                entries[i] = (uint64_t)roll(c, 1 << 24) << 40 | roll(c, 1 << 20);
        assert_int_equal(view_top_set_pages(c->scene->view, start, roll(c, 4) == 0 ? NULL : entries, n_pages), 0);
        free(entries);
}

static void own(struct chaos *c)
{
        const struct top_cost cost = {.client_cpu_ns = c->scene->now_ns / (1 + roll(c, 100)),
                                      .daemon_cpu_ns = roll(c, 2) == 0 ? PROTO_UNKNOWN : c->scene->now_ns / 7,
                                      .client_bytes = roll(c, 1 << 24),
                                      .daemon_bytes = roll(c, 2) == 0 ? PROTO_UNKNOWN : roll(c, 1 << 24)};

        give_maps(c);
        give_pages(c);
        if (roll(c, 4) == 0)
                view_top_set_cost(c->scene->view, &cost, c->scene->now_ns);
        if (roll(c, 400) == 0)
                view_top_set_over(c->scene->view, roll(c, 2) == 0 ? NULL : "gone: \033[31m\xff");
}

/* --- what is pressed, and seen --- */

static void press(struct chaos *c)
{
        static const char usual[] = "adhjknpswbcmrtu0123456789/[]{}<>?+-gG fq\f";
        const struct key key = {.code = roll(c, 3) > 0 ? KEY_CODE_CHAR : (enum key_code)roll(c, N_KEY_CODES),
                                .point = roll(c, 10) > 0 ? (uint32_t)usual[roll(c, sizeof(usual) - 1)]
                                                         : roll(c, 0x120000),
                                .x = roll(c, 250),
                                .y = roll(c, 80)};

        (void)scene_press(c->scene, &key);
}

/* One character that is safe for a terminal, with what combines with it; or the right half of the one before it. */
static void check_cell(const struct grid *grid, uint32_t x, uint32_t y)
{
        const struct cell *cell = grid_cell(grid, x, y);
        const struct cell *left = x > 0 ? grid_cell(grid, x - 1, y) : NULL;

        assert_in_range(cell->style, 0, N_STYLES - 1);
        assert_in_range(cell->n_bytes, 0, CELL_BYTES_MAX);
        if (cell->n_bytes == 0) {
                assert_non_null(left);
                assert_true(left->n_bytes > 1);
        }
        for (size_t i = 0; i < cell->n_bytes;) {
                uint32_t point = 0;
                size_t length = utf8_decode(cell->bytes + i, cell->n_bytes - i, &point);

                assert_true(length > 0);
                assert_true(utf8_is_safe(point));
                if (grid->ascii)
                        assert_in_range(point, 0x20, 0x7e);
                i += length;
        }
}

static void look(struct chaos *c)
{
        static const uint32_t widths[] = {0, 1, 2, 3, 7, 20, 29, 40, 61, 80, 120, 200, 300};
        static const uint32_t heights[] = {0, 1, 2, 3, 4, 5, 7, 10, 19, 20, 24, 40, 50, 90};
        uint32_t width = roll(c, 3) > 0 ? 80 : widths[roll(c, ARRAY_SIZE(widths))];
        uint32_t height = roll(c, 3) > 0 ? 24 : heights[roll(c, ARRAY_SIZE(heights))];

        scene_draw(c->scene, width, height, roll(c, 4) == 0);
        assert_int_equal(c->scene->grid.width, width);
        assert_int_equal(c->scene->grid.height, height);
        for (uint32_t y = 0; y < height; y++)
                for (uint32_t x = 0; x < width; x++)
                        check_cell(&c->scene->grid, x, y);
        c->n_screens++;
}

static void play(uint32_t seed)
{
        const struct view_top_options options = {.by = (enum group_by)(seed % (N_GROUP_BY + 1)),
                                                 .starts_with_space = seed % 3 == 0};
        struct chaos c = {.scene = scene_new(&options)};

        c.scene->random = seed * 2654435761U + 1;
        for (unsigned int i = 0; i < N_STEPS; i++) {
                for (uint32_t n = roll(&c, 4); n > 0; n--)
                        stream(&c);
                for (uint32_t n = roll(&c, 4); n > 0; n--)
                        press(&c);
                own(&c);
                look(&c);
        }
        assert_int_equal(c.n_screens, N_STEPS);
        for (size_t i = 0; i < ARRAY_SIZE(c.others); i++)
                state_free(&c.others[i]);
        scene_free(c.scene);
}

static void test_seeds(void **unused)
{
        for (uint32_t seed = 0; seed < N_SEEDS; seed++)
                play(seed);
}

static void test_longer(void **unused)
{
        const char *seconds = getenv("FAULTLINE_TOP_SECONDS");
        time_t end = time(NULL) + (seconds ? atoi(seconds) : 0);
        uint32_t seed = N_SEEDS;

        if (!seconds)
                skip();
        while (time(NULL) < end)
                play(seed++);
        print_message("%u seeds\n", seed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds), cmocka_unit_test(test_longer)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
