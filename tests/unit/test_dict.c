/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dict.c: what is defined, once an epoch and with dense ids, as a client decodes it; and what a late client is given.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/serve/dict.h"
#include "tests/unit/stream.h"

#define TRACE 9
#define CAP_BYTES ((size_t)16 << 20)

static struct dict *new_dict(size_t cap_bytes)
{
        struct dict *dict;

        assert_int_equal(dict_new(TRACE, cap_bytes, &dict), 0);
        return dict;
}

/* Everything not yet sent, to a client. Returns the number of frames. */
static size_t flush(struct dict *dict, struct stream *stream)
{
        struct outframe *frame;
        size_t n = 0;
        int r;

        while ((r = dict_flush(dict, &frame)) > 0) {
                assert_int_equal(frame->type, MESSAGE_DICT);
                assert_int_equal(stream_apply(stream, frame->data, frame->n_bytes), MESSAGE_DICT);
                n++;
        }
        assert_int_equal(r, 0);
        assert_int_equal(stream->n_all, dict_high_water(dict));
        return n;
}

static uint32_t string(struct dict *dict, const char *text)
{
        return dict_string(dict, text, strlen(text));
}

static struct map *new_map(const char *path)
{
        struct map_spec spec = {.start = 0x10000,
                                .end = 0x13000,
                                .offset = 0x2000,
                                .readable = true,
                                .executable = true,
                                .inode = 5,
                                .path = path,
                                .n_path = strlen(path)};
        struct map *map = map_new(&spec);

        assert_non_null(map);
        return map;
}

static void test_each_kind(void **state)
{
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0};
        struct map *map = new_map("/bin/x"), *shared = new_map("");
        struct dict_place place = {.base = 0x401000};
        const struct proto_def *def;

        shared->shared = shared->writable = true;
        shared->readable = shared->executable = false;
        place.image = string(dict, "/bin/x");
        place.section = string(dict, ".text");
        place.symbol = string(dict, "main");
        assert_int_equal(dict_map(dict, map), 1);
        assert_int_equal(dict_map(dict, shared), 2);
        assert_int_equal(dict_place(dict, &place), 1);
        assert_int_equal(dict_thread(dict, 100, 101, "worker"), 1);
        assert_int_equal(dict_thread(dict, 100, 102, ""), 2);
        assert_int_equal(flush(dict, &stream), 1);

        def = stream_def(&stream, DEF_MAP, 1);
        assert_int_equal(def->map.start, 0x10000);
        assert_int_equal(def->map.end, 0x13000);
        assert_int_equal(def->map.offset, 0x2000);
        assert_memory_equal(def->map.perms, "r-xp", 4);
        assert_true(stream_string_is(&stream, def->map.path, "/bin/x"));
        def = stream_def(&stream, DEF_MAP, 2);
        assert_memory_equal(def->map.perms, "-w-s", 4);
        assert_int_equal(def->map.path, 0);
        def = stream_def(&stream, DEF_PLACE, 1);
        assert_true(stream_string_is(&stream, def->place.image, "/bin/x"));
        assert_true(stream_string_is(&stream, def->place.section, ".text"));
        assert_true(stream_string_is(&stream, def->place.symbol, "main"));
        assert_int_equal(def->place.base, 0x401000);
        def = stream_def(&stream, DEF_THREAD, 1);
        assert_int_equal(def->thread.pid, 100);
        assert_int_equal(def->thread.tid, 101);
        assert_true(stream_string_is(&stream, def->thread.comm, "worker"));
        assert_int_equal(stream_def(&stream, DEF_THREAD, 2)->thread.comm, 0);
        stream_deinit(&stream);
        map_unref(map);
        map_unref(shared);
        dict_free(dict);
}

/* Asked again, everything has its id and nothing is sent. */
static void test_once(void **state)
{
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0};
        struct map *map = new_map("/bin/x");
        struct dict_place place = {.base = 1};

        for (int round = 0; round < 3; round++) {
                assert_int_equal(string(dict, ""), 0);
                assert_int_equal(string(dict, "a"), 1);
                assert_int_equal(string(dict, "b"), 2);
                assert_int_equal(dict_map(dict, map), 1);
                place.symbol = 1;
                assert_int_equal(dict_place(dict, &place), 1);
                place.symbol = 2;
                assert_int_equal(dict_place(dict, &place), 2);
                assert_int_equal(dict_thread(dict, 1, 2, "a"), 1);
                assert_int_equal(dict_thread(dict, 1, 2, "b"), 2);
                assert_int_equal(dict_thread(dict, 2, 2, "a"), 3);
                assert_int_equal(flush(dict, &stream), round == 0);
        }
        assert_int_equal(stream.n_defs[DEF_STRING], 3);
        assert_int_equal(stream.n_defs[DEF_THREAD], 3);
        stream_deinit(&stream);
        map_unref(map);
        dict_free(dict);
}

/* Places that differ in one field only are different. */
static void test_places_differ(void **state)
{
        static const struct dict_place places[] = {
                {0, 0, 0, 1}, {1, 0, 0, 1}, {0, 1, 0, 1}, {0, 0, 1, 1}, {0, 0, 0, 2}};
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0};

        assert_int_equal(string(dict, "x"), 1);
        for (uint32_t i = 0; i < ARRAY_SIZE(places); i++)
                assert_int_equal(dict_place(dict, &places[i]), i + 1);
        (void)flush(dict, &stream);
        stream_deinit(&stream);
        dict_free(dict);
}

/* Strings are bytes: NUL and newline are as good as any; too long ones are cut, and found again when cut. */
static void test_strings(void **state)
{
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0};
        char text[PROTO_STRING_MAX_BYTES + 2];

        memset(text, 'x', sizeof(text));
        assert_int_equal(dict_string(dict, "a\0b\n", 4), 1);
        assert_int_equal(dict_string(dict, "a", 1), 2);
        assert_int_equal(dict_string(dict, text, PROTO_STRING_MAX_BYTES), 3);
        assert_int_equal(dict_string(dict, text, PROTO_STRING_MAX_BYTES + 2), 3);
        assert_int_equal(dict_string(dict, text, PROTO_STRING_MAX_BYTES - 1), 4);
        (void)flush(dict, &stream);
        assert_memory_equal(stream_def(&stream, DEF_STRING, 1)->string.data, "a\0b\n", 4);
        assert_int_equal(stream_def(&stream, DEF_STRING, 3)->string.n_bytes, PROTO_STRING_MAX_BYTES);
        stream_deinit(&stream);
        dict_free(dict);
}

/* Definitions of every size, far more than one frame holds: frames stay within the limit and nothing is lost. */
static void test_splitting(void **state)
{
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0}, late = {0};
        char text[PROTO_STRING_MAX_BYTES];
        size_t n_frames, i = 0;

        memset(text, 'y', sizeof(text));
        for (uint32_t n = 1; n <= 2000; n++) {
                size_t length = 4 + (size_t)n * 37 % (sizeof(text) - 3);

                memcpy(text, &n, sizeof(n));
                assert_int_equal(dict_string(dict, text, length), n);
                assert_int_equal(dict_thread(dict, 1, (pid_t)n, ""), n);
        }
        n_frames = flush(dict, &stream);
        assert_true(n_frames > 2000 * 2048 / PROTO_FRAME_MAX_BYTES);
        assert_int_equal(stream.n_defs[DEF_STRING], 2000);
        for (uint32_t n = 1; n <= 2000; n++) {
                assert_int_equal(stream_def(&stream, DEF_STRING, n)->string.n_bytes,
                                 4 + (size_t)n * 37 % (sizeof(text) - 3));
                assert_memory_equal(stream_def(&stream, DEF_STRING, n)->string.data, &n, sizeof(n));
                assert_int_equal(stream_def(&stream, DEF_THREAD, n)->thread.tid, n);
        }
        for (; dict_log(dict, i); i++) {
                assert_in_range(dict_log(dict, i)->n_bytes, 1, PROTO_FRAME_MAX_BYTES);
                (void)stream_apply(&late, dict_log(dict, i)->data, dict_log(dict, i)->n_bytes);
        }
        assert_int_equal(i, n_frames);
        assert_int_equal(late.n_all, stream.n_all);
        stream_deinit(&late);
        stream_deinit(&stream);
        dict_free(dict);
}

/* The log is what has been sent, so that a client who joins is sent each definition once. */
static void test_log_is_what_was_sent(void **state)
{
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0}, late = {0};

        assert_null(dict_log(dict, 0));
        (void)string(dict, "one");
        assert_null(dict_log(dict, 0));
        (void)flush(dict, &stream);
        assert_non_null(dict_log(dict, 0));
        assert_null(dict_log(dict, 1));
        (void)string(dict, "two");
        for (size_t i = 0; dict_log(dict, i); i++)
                (void)stream_apply(&late, dict_log(dict, i)->data, dict_log(dict, i)->n_bytes);
        assert_int_equal(late.n_all, 1);
        assert_int_equal(flush(dict, &late), 1);
        assert_true(stream_string_is(&late, 2, "two"));
        stream_deinit(&late);
        stream_deinit(&stream);
        dict_free(dict);
}

static void test_reset(void **state)
{
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0};
        struct map *map = new_map("/bin/x");
        struct outframe *reset;
        uint32_t epoch = dict_epoch(dict);

        assert_int_not_equal(epoch, 0);
        (void)string(dict, "old");
        assert_int_equal(dict_map(dict, map), 1);
        (void)dict_thread(dict, 1, 1, "old");
        (void)flush(dict, &stream);
        (void)string(dict, "never sent");

        assert_int_equal(dict_reset(dict, &reset), 0);
        assert_int_equal(reset->type, MESSAGE_DICT_RESET);
        assert_int_equal(stream_apply(&stream, reset->data, reset->n_bytes), MESSAGE_DICT_RESET);
        outframe_unref(reset);
        assert_int_not_equal(dict_epoch(dict), epoch);
        assert_int_equal(dict_high_water(dict), 0);
        assert_null(dict_log(dict, 0));
        assert_int_equal(flush(dict, &stream), 0);

        assert_int_equal(string(dict, "new"), 1);
        assert_int_equal(dict_map(dict, map), 1); /* its memo is of another epoch */
        assert_int_equal(dict_thread(dict, 1, 1, "old"), 1);
        assert_int_equal(flush(dict, &stream), 1);
        assert_true(stream_string_is(&stream, 1, "new"));
        assert_true(stream_string_is(&stream, stream_def(&stream, DEF_MAP, 1)->map.path, "/bin/x"));
        assert_int_equal(stream.n_defs[DEF_STRING], 3);
        stream_deinit(&stream);
        map_unref(map);
        dict_free(dict);
}

static void test_cap(void **state)
{
        /* A string record of 8 + 2 + 4 bytes each. */
        struct dict *dict = new_dict(14 * 3);
        struct outframe *reset;

        for (int round = 0; round < 3; round++) {
                for (uint32_t i = 0; i < 3; i++) {
                        assert_false(dict_is_full(dict));
                        assert_int_equal(dict_string(dict, (const char *)&i, sizeof(i)), i + 1);
                }
                assert_true(dict_is_full(dict));
                assert_int_equal(dict_string(dict, "more", 4), 4); /* it is the caller's business */
                assert_int_equal(dict_reset(dict, &reset), 0);
                outframe_unref(reset);
        }
        assert_false(dict_is_full(dict));
        dict_free(dict);
}

/* A stack is defined with each call, of up to as many frames as there may be; the largest fills most of a frame. */
static void test_stacks(void **state)
{
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0};
        struct proto_stack_frame frames[PROTO_STACK_MAX_FRAMES + 1];
        struct proto_stack_frame frame;
        const struct proto_def *def;

        for (uint32_t i = 0; i < ARRAY_SIZE(frames); i++)
                frames[i] = (struct proto_stack_frame){
                        .addr = UINT64_C(0x7f0000000000) + i, .place = i, .line = 2 * i, .by = 1 + i % 4};
        assert_int_equal(dict_stack(dict, frames, 3, true), 1);
        for (uint32_t id = 2; id < 20; id++)
                assert_int_equal(dict_stack(dict, frames, ARRAY_SIZE(frames), false), id);
        assert_int_equal(dict_stack(dict, frames, 0, false), 20);
        assert_true(flush(dict, &stream) > 1);
        def = stream_def(&stream, DEF_STACK, 1);
        assert_int_equal(def->stack.flags, PROTO_STACK_CUT);
        assert_int_equal(def->stack.n_frames, 3);
        assert_int_equal(stream_def(&stream, DEF_STACK, 20)->stack.n_frames, 0);
        def = stream_def(&stream, DEF_STACK, 19);
        assert_int_equal(def->stack.flags, 0);
        assert_int_equal(def->stack.n_frames, PROTO_STACK_MAX_FRAMES);
        for (uint32_t i = 0; i < PROTO_STACK_MAX_FRAMES; i++) {
                frame = proto_stack_frame(def, i);
                assert_int_equal(frame.addr, frames[i].addr);
                assert_int_equal(frame.place, frames[i].place);
                assert_int_equal(frame.line, frames[i].line);
                assert_int_equal(frame.by, frames[i].by);
        }
        stream_deinit(&stream);
        dict_free(dict);
}

static void test_lines_differ(void **state)
{
        static const struct dict_line lines[] = {{1, 1, 1, 0}, {2, 1, 1, 0}, {1, 2, 1, 0}, {1, 1, 2, 0}, {1, 1, 1, 1}};
        struct dict *dict = new_dict(CAP_BYTES);
        struct stream stream = {0};
        const struct proto_def *def;

        (void)string(dict, "f");
        (void)string(dict, "f.c");
        for (int round = 0; round < 2; round++)
                for (uint32_t i = 0; i < ARRAY_SIZE(lines); i++)
                        assert_int_equal(dict_line(dict, &lines[i]), i + 1);
        (void)flush(dict, &stream);
        def = stream_def(&stream, DEF_LINE, 3);
        assert_int_equal(def->line.function, 1);
        assert_int_equal(def->line.file, 2);
        assert_int_equal(def->line.line, 1);
        assert_int_equal(stream_def(&stream, DEF_LINE, 5)->line.outer, 1);
        stream_deinit(&stream);
        dict_free(dict);
}

static void test_frames_carry_the_trace(void **state)
{
        struct dict *dict = new_dict(CAP_BYTES);
        struct proto_header header;
        struct outframe *frame;

        (void)string(dict, "x");
        assert_int_equal(dict_flush(dict, &frame), 1);
        assert_int_equal(proto_decode_header(frame->data, frame->n_bytes, &header), 0);
        assert_int_equal(header.trace, TRACE);
        assert_int_equal(header.count, 1);
        assert_int_equal(header.dict_hw, 1);
        assert_int_equal(dict_reset(dict, &frame), 0);
        assert_int_equal(proto_decode_header(frame->data, frame->n_bytes, &header), 0);
        assert_int_equal(header.trace, TRACE);
        outframe_unref(frame);
        assert_null(dict_free(dict));
        assert_null(dict_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_each_kind),
                cmocka_unit_test(test_once),
                cmocka_unit_test(test_places_differ),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_splitting),
                cmocka_unit_test(test_log_is_what_was_sent),
                cmocka_unit_test(test_reset),
                cmocka_unit_test(test_cap),
                cmocka_unit_test(test_stacks),
                cmocka_unit_test(test_lines_differ),
                cmocka_unit_test(test_frames_carry_the_trace),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
