/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A recorded trace for the tests of the full-screen view: half a minute of a web server that starts, serves and
 * reloads, always the same; and a hand on its keys. Include it behind cmocka.h.
 */
#pragma once

#include <string.h>

#include "client/top/view_top.h"
#include "tests/unit/top_feed.h"

#define SCENE_START_NS (UINT64_C(5000) * NSEC_PER_SEC)
#define SCENE_PID 4242

enum { SCENE_SLICES = 60, SCENE_PLACES = 8, SCENE_THREADS = 3, SCENE_STACKS = 3, SCENE_BATCH = 64 };

struct scene {
        struct view *view;
        struct state state;
        struct grid grid;
        uint64_t now_ns;
        uint32_t random;
        uint32_t threads[SCENE_THREADS], maps[SCENE_PLACES], places[SCENE_PLACES], codes[SCENE_PLACES];
        uint32_t stacks[SCENE_STACKS];
        bool has_latencies;
};

static inline uint32_t scene_random(struct scene *s, uint32_t below)
{
        s->random = s->random * 1664525 + 1013904223;
        return (s->random >> 8) % below;
}

struct scene_place {
        const char *path, *section, *symbol;
        uint64_t start, symbol_at;
        uint32_t n_pages;
        const char *perms;
};

static const struct scene_place scene_places[SCENE_PLACES] = {
        {"/usr/sbin/nginx", ".data", "ngx_modules", 0x555555600000, 0x555555601040, 16, "rw-p"},
        {"/usr/sbin/nginx", ".bss", "ngx_pool", 0x555555610000, 0x555555610100, 16, "rw-p"},
        {"/usr/sbin/nginx", ".text", "ngx_http_process_request", 0x555555554000, 0x555555570000, 60, "r-xp"},
        {"/usr/lib/x86_64-linux-gnu/libc.so.6", ".text", "__memmove_avx_unaligned_erms", 0x7ffff7c00000, 0x7ffff7d88000,
         512, "r-xp"},
        {"/usr/lib/x86_64-linux-gnu/libcrypto.so.3", ".rodata", "ecp_nistz256_precomputed", 0x7ffff7600000,
         0x7ffff7700000, 512, "r--p"},
        {"/srv/www/assets/bundle.4f1c22.js", NULL, NULL, 0x7ffff6000000, 0, 512, "r--s"},
        {"[heap]", NULL, NULL, 0x555555800000, 0, 512, "rw-p"},
        {"[stack]", NULL, NULL, 0x7ffffffde000, 0, 33, "rw-p"},
};

static inline void scene_define_places(struct scene *s)
{
        for (size_t i = 0; i < SCENE_PLACES; i++) {
                const struct scene_place *place = &scene_places[i];
                uint32_t path = feed_string(&s->state, place->path);
                struct proto_def map = {
                        .kind = DEF_MAP,
                        .map = {.start = place->start, .end = place->start + place->n_pages * 4096, .path = path}};

                memcpy(map.map.perms, place->perms, 4);
                s->maps[i] = feed_define(&s->state, map);
                s->places[i] = feed_place(&s->state, place->section ? path : 0,
                                          place->section ? feed_string(&s->state, place->section) : 0,
                                          place->symbol ? feed_string(&s->state, place->symbol) : 0,
                                          place->symbol ? place->symbol_at : place->start);
        }
}

static inline void scene_define_code(struct scene *s)
{
        static const char *const functions[SCENE_PLACES] = {"main",
                                                            "ngx_palloc",
                                                            "ngx_http_process_request",
                                                            "ngx_worker_process_cycle",
                                                            "SSL_do_handshake",
                                                            "ngx_output_chain",
                                                            "ngx_create_pool",
                                                            "copy_to_user"};
        uint32_t image = feed_string(&s->state, "/usr/sbin/nginx"), text = feed_string(&s->state, ".text");
        uint32_t kernel = feed_string(&s->state, "[kernel.kallsyms]");

        for (size_t i = 0; i < SCENE_PLACES; i++)
                s->codes[i] = feed_place(&s->state, i + 1 == SCENE_PLACES ? kernel : image, text,
                                         feed_string(&s->state, functions[i]), 0x555555556000 + 0x1000 * i);
        for (size_t i = 0; i < SCENE_STACKS; i++) {
                const struct proto_stack_frame frames[] = {
                        {.addr = 0x555555557010 + 0x1000 * i, .place = s->codes[1 + i], .by = FRAME_BY_REGISTERS},
                        {.addr = 0x555555559020, .place = s->codes[3], .by = FRAME_BY_CFI},
                        {.addr = 0x555555556030, .place = s->codes[0], .by = FRAME_BY_POINTER},
                };

                s->stacks[i] = feed_stack(&s->state, frames, ARRAY_SIZE(frames), i == 2 ? PROTO_STACK_CUT : 0);
        }
}

static inline void scene_define(struct scene *s)
{
        static const char *const comms[SCENE_THREADS] = {"nginx", "nginx-worker", "aio"};

        scene_define_places(s);
        scene_define_code(s);
        for (size_t i = 0; i < SCENE_THREADS; i++)
                s->threads[i] = feed_thread(&s->state, SCENE_PID + (i == 2), SCENE_PID + (int32_t)i,
                                            feed_string(&s->state, comms[i]));
}

/* What a fault at this place is like. */
static inline void scene_set_cause(struct scene *s, struct proto_event *e, size_t place)
{
        static const uint8_t causes[SCENE_PLACES] = {CAUSE_FILE_COW,   CAUSE_ZERO_FILL,  CAUSE_FILE_MINOR,
                                                     CAUSE_FILE_MINOR, CAUSE_FILE_MINOR, CAUSE_FILE_MINOR,
                                                     CAUSE_ZERO_FILL,  CAUSE_STACK_GROW};
        uint32_t dice = scene_random(s, 100);

        e->cause = causes[place];
        e->outcome = OUTCOME_MINOR;
        e->latency_ns = 250 + scene_random(s, 900);
        if (place == 5 && dice < 20) {
                e->outcome = OUTCOME_MAJOR;
                e->cause = CAUSE_FILE_MAJOR;
                e->latency_ns = 90000 + scene_random(s, 4000000);
        } else if (place == 6 && dice < 15) {
                e->cause = CAUSE_COW_COPY;
                e->latency_ns += 1200;
        } else if (place == 6 && dice == 99) {
                e->outcome = OUTCOME_FAILED;
                e->cause = CAUSE_UNMAPPED;
                e->latency_ns = PROTO_UNKNOWN;
        }
        if (!s->has_latencies)
                e->latency_ns = PROTO_UNKNOWN;
}

static inline struct proto_event scene_event(struct scene *s, uint64_t time_ns)
{
        uint32_t dice = scene_random(s, SCENE_PLACES + 4);
        size_t place = dice < SCENE_PLACES ? dice : 6; /* the heap most of all */
        const struct scene_place *at = &scene_places[place];
        bool by_kernel = scene_random(s, 10) == 0;
        struct proto_event e = {.time_ns = time_ns,
                                .addr = at->start + scene_random(s, at->n_pages) * 4096 + scene_random(s, 4096),
                                .ip = 0x555555556010 + 0x1000 * place,
                                .frame = 0x1000 + scene_random(s, 0x100000),
                                .thread = s->threads[scene_random(s, 10) < 7 ? 1 : scene_random(s, SCENE_THREADS)],
                                .map = s->maps[place],
                                .place = s->places[place],
                                .code = s->codes[by_kernel ? 7 : place],
                                .stack = s->stacks[place % SCENE_STACKS],
                                .cpu = (uint16_t)scene_random(s, 4),
                                .access = (uint8_t)(at->perms[1] == 'w' ? ACCESS_WRITE : ACCESS_READ),
                                .page_shift = 12};

        if (by_kernel) {
                e.flags |= PROTO_EVENT_KERNEL_MODE;
                e.caller = s->codes[place];
                e.caller_ip = e.ip;
                e.ip = 0xffffffff81000010;
        }
        scene_set_cause(s, &e, place);
        return e;
}

/* Through the view, as the session does it. */
static inline void scene_send(struct scene *s, struct proto_event *events, uint32_t n)
{
        const struct fault_batch batch = {.events = events, .n_events = n, .first_seq = s->state.n_received};

        s->state.n_received += n;
        state_count_events(&s->state, events, n);
        s->view->ops->faults(s->view, &s->state, &batch);
}

/* n faults spread over the next half second. */
static inline void scene_slice(struct scene *s, uint32_t n)
{
        struct proto_event events[SCENE_BATCH];

        for (uint32_t done = 0; done < n;) {
                uint32_t n_batch = MIN_OF(n - done, (uint32_t)SCENE_BATCH);

                for (uint32_t i = 0; i < n_batch; i++)
                        events[i] = scene_event(s, s->now_ns + (uint64_t)(done + i) * (TOP_SLICE_NS / n));
                scene_send(s, events, n_batch);
                done += n_batch;
        }
        s->now_ns += TOP_SLICE_NS;
}

static inline void scene_attach(struct scene *s, uint8_t detail, uint32_t stack_bytes)
{
        const struct proto_attached attached = {.pid = s->state.unit.n_bytes > 0 ? 0 : SCENE_PID,
                                                .detail = detail,
                                                .ptrace = PTRACE_MODE_HOLD,
                                                .n_threads = 2,
                                                .time_ns = SCENE_START_NS,
                                                .comm = {.data = "nginx", .n_bytes = 5},
                                                .stack_bytes = stack_bytes};

        s->state.pid = attached.pid;
        s->has_latencies = detail == DETAIL_FULL;
        assert_int_equal(state_begin(&s->state, &attached, false), 0);
        scene_define(s);
        s->view->ops->attached(s->view, &s->state, &attached);
}

/* It starts, it is busy, it idles, it is busy again. */
static inline void scene_run(struct scene *s)
{
        for (unsigned int i = 0; i < SCENE_SLICES; i++) {
                uint32_t n = i < 4 ? 200 + 150 * i : i < 30 ? 60 + scene_random(s, 80) : i < 40 ? i % 3 : 20 + i * 4;

                scene_slice(s, n);
        }
}

/* Never NULL; it does not move: the view knows the state by where it is. */
static inline struct scene *scene_new(const struct view_top_options *options)
{
        struct scene *s = calloc(1, sizeof(*s));

        assert_non_null(s);
        *s = (struct scene){.view = view_top_new(options), .now_ns = SCENE_START_NS, .random = 1};
        assert_non_null(s->view);
        return s;
}

static inline void scene_free(struct scene *s)
{
        s->view = view_top_free(s->view);
        state_free(&s->state);
        grid_free(&s->grid);
        free(s);
}

static inline enum view_top_answer scene_press(struct scene *s, const struct key *key)
{
        return view_top_key(s->view, key, s->now_ns);
}

static inline void scene_draw(struct scene *s, uint32_t width, uint32_t height, bool ascii)
{
        s->grid.ascii = ascii;
        assert_int_equal(grid_resize(&s->grid, width, height), 0);
        assert_int_equal(view_top_draw(s->view, &s->grid, s->now_ns), 0);
}

/* ^ up, _ down, @ right, % left, $ end, ~ page down, ! escape, | enter, * backspace, # tab; else the character. */
static inline struct key scene_key(char c)
{
        static const struct {
                char c;
                enum key_code code;
        } keys[] = {{'^', KEY_CODE_UP},        {'_', KEY_CODE_DOWN},      {'@', KEY_CODE_RIGHT},  {'%', KEY_CODE_LEFT},
                    {'$', KEY_CODE_END},       {'~', KEY_CODE_PAGE_DOWN}, {'!', KEY_CODE_ESCAPE}, {'|', KEY_CODE_ENTER},
                    {'*', KEY_CODE_BACKSPACE}, {'#', KEY_CODE_TAB}};

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
                if (keys[i].c == c)
                        return (struct key){.code = keys[i].code};
        return (struct key){.code = KEY_CODE_CHAR, .point = (unsigned char)c};
}

/* Each key is pressed on what the one before it has led to. */
static inline void scene_type(struct scene *s, const char *keys)
{
        for (; *keys; keys++) {
                const struct key key = scene_key(*keys);

                scene_draw(s, 80, 24, false);
                assert_int_equal(scene_press(s, &key), VIEW_TOP_OK);
        }
}
