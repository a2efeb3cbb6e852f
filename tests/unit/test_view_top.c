/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The full-screen view, cell for cell: golden files hold what each screen of a recorded trace looks like in windows of
 * several sizes, and on terminals that know nothing but ASCII (FAULTLINE_GOLDEN_UPDATE=1 in the environment writes them
 * anew; look at every one then).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/fake_daemon.h"
#include "tests/unit/golden.h"
#include "tests/unit/top_scene.h"

struct size {
        uint32_t width, height;
};

static const struct size sizes[] = {{80, 24}, {120, 40}, {200, 50}, {40, 10}, {20, 5}};

static void put_screen(struct scene *s, const struct size *size, bool ascii, bool with_styles, struct text *out)
{
        scene_draw(s, size->width, size->height, ascii);
        text_printf(out, "=== %ux%u%s%s\n", size->width, size->height, ascii ? " ASCII" : "",
                    with_styles ? " styles" : "");
        grid_put_text(&s->grid, with_styles, out);
}

static void assert_sizes(struct scene *s, const char *name, size_t n_sizes)
{
        CLEANUP_TEXT struct text out = {0};

        for (size_t i = 0; i < n_sizes; i++)
                put_screen(s, &sizes[i], false, false, &out);
        for (size_t i = 0; i < n_sizes; i++)
                put_screen(s, &sizes[i], true, false, &out);
        put_screen(s, &sizes[0], false, true, &out);
        assert_golden_text(&out, "top_%s", name);
}

/* In all windows. */
static void assert_screens(struct scene *s, const char *name)
{
        assert_sizes(s, name, ARRAY_SIZE(sizes));
}

static struct scene *running(void)
{
        const struct view_top_options options = {.by = GROUP_MAP};
        const struct top_cost before = {.client_bytes = 9 << 20, .daemon_bytes = 31 << 20};
        const struct top_cost after = {.client_cpu_ns = 61 * NSEC_PER_MSEC,
                                       .daemon_cpu_ns = 178 * NSEC_PER_MSEC,
                                       .client_bytes = 9 << 20,
                                       .daemon_bytes = 31 << 20};
        struct scene *s = scene_new(&options);

        scene_attach(s, DETAIL_FULL, 8192);
        scene_run(s);
        view_top_set_cost(s->view, &before, s->now_ns);
        view_top_set_cost(s->view, &after, s->now_ns + 2 * NSEC_PER_SEC);
        return s;
}

static struct smaps maps_of(void)
{
        static const char text[] =
                "555555554000-555555590000 r-xp 00000000 08:01 17 /usr/sbin/nginx\n"
                "555555600000-555555610000 rw-p 000ac000 08:01 17 /usr/sbin/nginx\n"
                "555555610000-555555620000 rw-p 00000000 00:00 0 \n"
                "555555800000-555555a00000 rw-p 00000000 00:00 0 [heap]\n"
                "7ffff6000000-7ffff6200000 r--s 00000000 08:01 99 /srv/www/assets/bundle.4f1c22.js\n"
                "7ffff7600000-7ffff7800000 r--p 00200000 08:01 23 /usr/lib/x86_64-linux-gnu/libcrypto.so.3\n"
                "7ffff7c00000-7ffff7e00000 r-xp 00026000 08:01 24 /usr/lib/x86_64-linux-gnu/libc.so.6\n"
                "7ffff7fbb000-7ffff7fbf000 r--p 00000000 00:00 0 [vvar]\n"
                "7ffff7fbf000-7ffff7fc1000 r-xp 00000000 00:00 0 [vdso]\n"
                "7ffffffde000-7ffffffff000 rw-p 00000000 00:00 0 [stack]\n";
        struct smaps maps;

        assert_int_equal(smaps_parse(text, sizeof(text) - 1, &maps), 0);
        return maps;
}

static void give_maps(struct scene *s)
{
        struct smaps maps = maps_of();

        assert_true(view_top_wants_maps(s->view, s->now_ns));
        assert_int_equal(view_top_space_pid(s->view), SCENE_PID);
        view_top_set_maps(s->view, SCENE_PID, &maps, 0, s->now_ns);
        assert_false(view_top_wants_maps(s->view, s->now_ns));
}

/* --- the table --- */

static void test_start(void **unused)
{
        const struct view_top_options options = {.by = GROUP_CAUSE};
        struct scene *s = scene_new(&options);

        assert_screens(s, "start");
        scene_attach(s, DETAIL_FULL, 0);
        assert_screens(s, "attached");
        scene_free(s);
}

static void test_groupings(void **unused)
{
        static const char *const names[] = {"by_map",   "by_image",  "by_section", "by_symbol", "by_code",
                                            "by_stack", "by_thread", "by_cause",   "by_process"};
        struct scene *s = running();

        assert_screens(s, "table");
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                const char key[] = {(char)('1' + i), '\0'};

                scene_type(s, key);
                assert_sizes(s, names[i], 1);
        }
        scene_free(s);
}

static void test_sorts(void **unused)
{
        static const char keys[] = "rtbmc";
        struct scene *s = running();

        for (const char *key = keys; *key; key++) {
                const char name[] = {'s', 'o', 'r', 't', '_', *key, '\0'};

                scene_type(s, (const char[]){*key, '\0'});
                assert_sizes(s, name, 1);
        }
        scene_free(s);
}

static void test_drilled(void **unused)
{
        struct scene *s = running();

        scene_type(s, "__|");
        assert_screens(s, "entered");
        scene_type(s, "||");
        assert_sizes(s, "entered_deeper", 3);
        scene_type(s, "**_");
        assert_sizes(s, "left_again", 1);
        scene_free(s);
}

static void test_search(void **unused)
{
        struct scene *s = running();

        scene_type(s, "/NGin");
        assert_screens(s, "typing");
        scene_type(s, "|");
        assert_sizes(s, "searched", 1);
        scene_type(s, "/x");
        assert_sizes(s, "not_found", 1);
        scene_type(s, "!");
        assert_sizes(s, "search_dropped", 1);
        scene_free(s);
}

static void test_time(void **unused)
{
        struct scene *s = running();

        scene_type(s, "w");
        assert_sizes(s, "last_minute", 1);
        scene_type(s, "w");
        assert_sizes(s, "last_10s", 3);
        scene_type(s, "p");
        scene_slice(s, 5000);
        assert_sizes(s, "paused", 1);
        scene_type(s, "{[[");
        assert_screens(s, "earlier");
        scene_type(s, "0");
        assert_sizes(s, "reset", 1);
        scene_free(s);
}

static void test_charts(void **unused)
{
        struct scene *s = running();

        scene_type(s, "h");
        assert_screens(s, "latencies");
        scene_type(s, "h");
        assert_sizes(s, "no_charts", 1);
        scene_free(s);
}

/* --- the other screens --- */

static void test_details(void **unused)
{
        struct scene *s = running();

        scene_type(s, "_d");
        assert_screens(s, "details");
        scene_type(s, "__|");
        assert_screens(s, "fault");
        scene_free(s);
}

static void test_pages(void **unused)
{
        struct scene *s = running();

        scene_type(s, "?");
        assert_screens(s, "help");
        scene_type(s, "~");
        assert_sizes(s, "help_below", 1);
        scene_type(s, "?n");
        assert_screens(s, "notes");
        scene_free(s);
}

static void test_space(void **unused)
{
        struct scene *s = running();

        scene_type(s, "a");
        give_maps(s);
        assert_screens(s, "space");
        scene_type(s, "___|");
        assert_screens(s, "space_zoomed");
        scene_free(s);
}

/* --- ends and trouble --- */

static void end(struct scene *s, const struct proto_ledger *more)
{
        struct proto_end message = {.reason = END_EXITED, .time_ns = s->now_ns, .ledger = *more};

        message.ledger.delivered = s->state.n_received;
        message.ledger.kernel = s->state.n_received + more->filtered + more->dropped_client + more->dropped_daemon +
                                more->lost_kernel + more->counted;
        s->view->ops->end(s->view, &s->state, &message);
}

static void test_ended(void **unused)
{
        struct scene *s = running();

        end(s, &(const struct proto_ledger){.unseen = 12});
        view_top_set_over(s->view, NULL);
        s->now_ns += 100 * NSEC_PER_SEC; /* time that is not shown any more */
        assert_screens(s, "ended");
        scene_type(s, "n");
        assert_sizes(s, "ended_notes", 1);
        scene_free(s);

        s = running();
        end(s, &(const struct proto_ledger){.filtered = 7, .dropped_client = 12345, .lost_kernel = 3});
        view_top_set_over(s->view, NULL);
        assert_screens(s, "ended_incomplete");
        scene_free(s);

        s = running();
        view_top_set_over(s->view, "faultlined is gone: the connection was closed");
        assert_screens(s, "over");
        scene_free(s);
}

static void test_degraded(void **unused)
{
        struct scene *s = running();
        const struct proto_degraded degraded = {
                .what = fake_string("frames"),
                .reason = fake_string("frame numbers are for root alone (CAP_SYS_ADMIN); run the system service")};
        const struct proto_drops drops = {.n_faults = {[OUTCOME_MINOR] = 12345}, .first_seq = 100, .last_seq = 12444};
        const struct proto_gap gap = {.reason = fake_string("it crashed")};
        const struct proto_life forked = {
                .time_ns = s->now_ns, .kind = LIFE_FORK, .pid = 4250, .tid = 4250, .parent = SCENE_PID};

        s->view->ops->degraded(s->view, &s->state, &degraded);
        state_count_drops(&s->state, &drops);
        s->view->ops->drops(s->view, &s->state, &drops);
        s->view->ops->life(s->view, &s->state, &forked);
        s->view->ops->gap(s->view, NULL, &gap);
        assert_screens(s, "degraded");
        scene_type(s, "n");
        assert_sizes(s, "degraded_notes", 4);
        scene_free(s);
}

static void test_basic(void **unused)
{
        const struct view_top_options options = {.by = GROUP_STACK};
        struct scene *s = scene_new(&options);

        scene_attach(s, DETAIL_BASIC, 0);
        scene_run(s);
        assert_sizes(s, "basic", 3);
        scene_free(s);
}

static void attach_other(struct view *view, struct state *state, int32_t pid, const char *comm)
{
        const struct proto_attached attached = {.pid = pid,
                                                .detail = DETAIL_FULL,
                                                .n_threads = 1,
                                                .time_ns = SCENE_START_NS,
                                                .comm = fake_string(comm)};

        state->pid = pid;
        assert_int_equal(state_begin(state, &attached, false), 0);
        view->ops->attached(view, state, &attached);
}

static void test_several(void **unused)
{
        struct scene *s = running();
        struct state others[2] = {{.several = true}, {.several = true}};

        attach_other(s->view, &others[0], 77, "redis-server");
        attach_other(s->view, &others[1], 78, "postgres");
        assert_screens(s, "several");
        state_free(&others[0]);
        state_free(&others[1]);
        scene_free(s);
}

static void test_unit(void **unused)
{
        const struct view_top_options options = {.by = GROUP_PROCESS};
        struct scene *s = scene_new(&options);

        s->state.unit = fake_string("nginx.service");
        s->state.follows = true;
        scene_attach(s, DETAIL_FULL, 0);
        scene_run(s);
        assert_sizes(s, "unit", 3);
        scene_free(s);
}

/* --- names that want more than to be read --- */

static const char *const evil_names[] = {
        "\033[31m\033]0;pwned\a",           /* escape sequences */
        "abc\342\200\256def",               /* turned round from there on */
        "line\nforged   999999  99.9 libc", /* a row of its own */
        "\xff\xfe\x80 not UTF-8",
        "名字名字名字名字名字名字名字名字名字名字", /* two cells each */
        "back\\slash\tand\rreturn",
        "e\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81\xcc\x81", /* marks */
};

static void send_evil(struct scene *s, size_t i)
{
        uint32_t name = feed_string(&s->state, evil_names[i]);
        struct proto_event e = scene_event(s, s->now_ns + 1000);

        e.thread = feed_thread(&s->state, SCENE_PID, 5000 + (int32_t)i, name);
        e.map = feed_map(&s->state, name, 0x10000 * (i + 1));
        e.place = feed_place(&s->state, name, name, name, 0x10000 * (i + 1));
        e.code = feed_place(&s->state, name, name, name, 0x400000);
        for (size_t k = 0; k < 140 * (i + 1); k++)
                scene_send(s, &e, 1);
}

static void test_hostile(void **unused)
{
        struct scene *s = running();

        for (size_t i = 0; i < ARRAY_SIZE(evil_names); i++)
                send_evil(s, i);
        s->now_ns += TOP_SLICE_NS;
        assert_screens(s, "hostile_maps");
        scene_type(s, "4");
        assert_screens(s, "hostile_symbols");
        scene_type(s, "7");
        assert_sizes(s, "hostile_threads", 3);
        scene_type(s, "|/\033[2J");
        scene_type(s, "*2");
        assert_sizes(s, "hostile_entered", 3);
        scene_type(s, "!*4$");
        assert_sizes(s, "hostile_last", 1);
        scene_type(s, "d|");
        assert_sizes(s, "hostile_fault", 3);
        scene_free(s);
}

/* Also those of targets, and what the daemon tells. */
static void test_hostile_words(void **unused)
{
        struct scene *s = running();
        struct state other = {.several = true};
        const struct proto_degraded degraded = {.what = fake_string(evil_names[0]),
                                                .reason = fake_string(evil_names[2])};
        const struct proto_life exec = {
                .time_ns = s->now_ns, .kind = LIFE_EXEC, .pid = 99, .tid = 99, .comm = fake_string(evil_names[1])};

        attach_other(s->view, &other, 99, evil_names[0]);
        s->view->ops->degraded(s->view, &other, &degraded);
        s->view->ops->life(s->view, &other, &exec);
        view_top_set_over(s->view, evil_names[3]);
        assert_screens(s, "hostile_words");
        scene_type(s, "n");
        assert_sizes(s, "hostile_notes", 3);
        state_free(&other);
        scene_free(s);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_start),   cmocka_unit_test(test_groupings),     cmocka_unit_test(test_sorts),
                cmocka_unit_test(test_drilled), cmocka_unit_test(test_search),        cmocka_unit_test(test_time),
                cmocka_unit_test(test_charts),  cmocka_unit_test(test_details),       cmocka_unit_test(test_pages),
                cmocka_unit_test(test_space),   cmocka_unit_test(test_ended),         cmocka_unit_test(test_degraded),
                cmocka_unit_test(test_basic),   cmocka_unit_test(test_several),       cmocka_unit_test(test_unit),
                cmocka_unit_test(test_hostile), cmocka_unit_test(test_hostile_words),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
