/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every kind of JSON line, parsed back with jansson: exactly these fields, with these values and types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "client/view_json.h"
#include "tests/unit/fake_daemon.h"

struct fixture {
        struct view *view;
        struct state state;
};

static void begin(struct fixture *f)
{
        const struct bytes frame = fake_dict(1);
        const struct proto_attached attached = {.pid = 42, .comm = fake_string("worker")};
        struct proto_header header;

        *f = (struct fixture){.view = view_json_new()};
        assert_non_null(f->view);
        assert_int_equal(proto_decode_header(frame.data, frame.n_bytes, &header), 0);
        assert_int_equal(state_begin(&f->state, &attached, false), 0);
        assert_int_equal(state_define(&f->state, frame.data + PROTO_HEADER_BYTES, frame.n_bytes - PROTO_HEADER_BYTES,
                                      header.count),
                         0);
}

static void end(struct fixture *f)
{
        state_free(&f->state);
        f->view = view_json_free(f->view);
}

/* The only line in the buffer is this object. Empties the buffer. */
static void assert_line(struct fixture *f, const char *expected)
{
        json_error_t error;
        json_t *want = json_loads(expected, JSON_REJECT_DUPLICATES, &error), *got;
        struct text *out = &f->view->out;

        assert_non_null(want);
        assert_true(out->n_bytes > 0 && memchr(out->data, '\n', out->n_bytes) == out->data + out->n_bytes - 1);
        got = json_loadb(out->data, out->n_bytes, JSON_REJECT_DUPLICATES, &error);
        if (!got)
                fail_msg("not JSON: %s: %.*s", error.text, (int)out->n_bytes, out->data);
        if (!json_equal(want, got))
                fail_msg("%.*s instead of %s", (int)out->n_bytes, out->data, expected);
        json_decref(want);
        json_decref(got);
        out->n_bytes = 0;
}

static void show(struct fixture *f, uint64_t seq, const struct proto_event *event)
{
        const struct fault_batch batch = {.events = event, .n_events = 1, .first_seq = seq};

        f->view->ops->faults(f->view, &f->state, &batch);
}

static void test_fault(void **unused)
{
        static const char expected[] =
                "{\"type\":\"fault\",\"seq\":9,\"time_ns\":1000001500,\"pid\":42,\"tid\":43,\"comm\":\"worker\","
                "\"cpu\":3,"
                "\"addr\":\"0x400110\",\"ip\":\"0x401007\",\"mode\":\"user\",\"access\":\"write\",\"outcome\":"
                "\"minor\","
                "\"cause\":\"zero-fill\",\"evidence\":\"measured\",\"latency_ns\":1234,\"page_size\":4096,"
                "\"frame_before\":0,\"frame\":2748,\"map\":{\"start\":\"0x400000\",\"end\":\"0x500000\","
                "\"perms\":\"rw-p\",\"offset\":4096,\"path\":\"/usr/bin/app\"},\"place\":{\"image\":\"/usr/bin/app\","
                "\"section\":\".data\",\"symbol\":\"table\",\"offset\":16},\"code\":{\"image\":\"/usr/bin/app\","
                "\"section\":\".text\",\"symbol\":\"main\",\"offset\":7}}";
        const struct proto_event event = fake_event();
        struct fixture f;

        begin(&f);
        show(&f, 9, &event);
        assert_line(&f, expected);
        show(&f, 9, &event); /* from the memos */
        assert_line(&f, expected);
        end(&f);
}

static void test_kernel_fault(void **unused)
{
        struct proto_event event = {.time_ns = 5,
                                    .addr = UINT64_MAX,
                                    .caller_ip = 0x401000,
                                    .caller = 2,
                                    .code = 2,
                                    .ip = 0x401234, /* must not be shown, whoever sent it */
                                    .latency_ns = PROTO_UNKNOWN,
                                    .frame_before = PROTO_UNKNOWN,
                                    .frame = PROTO_UNKNOWN,
                                    .thread = 1,
                                    .outcome = OUTCOME_FAILED,
                                    .cause = CAUSE_KERNEL_ADDRESS,
                                    .access = ACCESS_READ,
                                    .flags = PROTO_EVENT_KERNEL_MODE | PROTO_EVENT_INFERRED | PROTO_EVENT_IP_HIDDEN |
                                             PROTO_EVENT_UNRESOLVED};
        struct fixture f;

        begin(&f);
        show(&f, 0, &event);
        assert_line(&f,
                    "{\"type\":\"fault\",\"seq\":0,\"time_ns\":5,\"pid\":42,\"tid\":43,\"comm\":\"worker\",\"cpu\":0,"
                    "\"addr\":\"0xffffffffffffffff\",\"mode\":\"kernel\",\"access\":\"read\",\"outcome\":\"failed\","
                    "\"cause\":\"kernel-address\",\"evidence\":\"inferred\",\"unresolved\":true,"
                    "\"code\":{\"image\":\"/usr/bin/app\",\"section\":\".text\",\"symbol\":\"main\"},"
                    "\"caller\":{\"image\":\"/usr/bin/app\",\"section\":\".text\",\"symbol\":\"main\",\"offset\":0}}");
        end(&f);
}

static void test_unknown_fields_are_absent(void **unused)
{
        struct proto_event event = {.addr = 0x10,
                                    .latency_ns = PROTO_UNKNOWN,
                                    .frame_before = PROTO_UNKNOWN,
                                    .frame = PROTO_UNKNOWN,
                                    .thread = 99,
                                    .map = 99,
                                    .place = 1, /* which begins above addr */
                                    .code = 99,
                                    .caller = 99,
                                    .outcome = 99,
                                    .cause = 99,
                                    .access = 99,
                                    .page_shift = 99};
        struct fixture f;

        begin(&f);
        show(&f, 0, &event);
        assert_line(&f, "{\"type\":\"fault\",\"seq\":0,\"time_ns\":0,\"cpu\":0,\"addr\":\"0x10\",\"mode\":\"user\","
                        "\"evidence\":\"measured\",\"place\":{\"image\":\"/usr/bin/app\",\"section\":\".data\","
                        "\"symbol\":\"table\"}}");
        event = (struct proto_event){.latency_ns = PROTO_UNKNOWN,
                                     .frame_before = PROTO_UNKNOWN,
                                     .frame = PROTO_UNKNOWN,
                                     .flags = PROTO_EVENT_INCOMPLETE};
        show(&f, 1, &event);
        assert_line(&f, "{\"type\":\"fault\",\"seq\":1,\"time_ns\":0,\"cpu\":0,\"addr\":\"0x0\",\"mode\":\"user\","
                        "\"cause\":\"unknown\",\"evidence\":\"measured\",\"incomplete\":true}");
        end(&f);
}

static void test_nameless_definitions(void **unused)
{
        const struct proto_event event = {.addr = 0x2010,
                                          .latency_ns = 0,
                                          .frame_before = PROTO_UNKNOWN,
                                          .frame = PROTO_UNKNOWN,
                                          .map = 1,
                                          .place = 1,
                                          .outcome = OUTCOME_MINOR,
                                          .cause = CAUSE_ZERO_FILL};
        struct dict_map map = {.start = 0x2000, .end = 0x3000, .perms = {'"', '\xff', '\n', '\\'}};
        struct dict_place place = {.base = 0x2000};
        struct fixture f = {.view = view_json_new(),
                            .state = {.maps = &map, .n_maps = 1, .places = &place, .n_places = 1}};

        assert_non_null(f.view);
        show(&f, 0, &event);
        assert_line(&f,
                    "{\"type\":\"fault\",\"seq\":0,\"time_ns\":0,\"cpu\":0,\"addr\":\"0x2010\",\"mode\":\"user\","
                    "\"outcome\":\"minor\",\"cause\":\"zero-fill\",\"evidence\":\"measured\",\"latency_ns\":0,"
                    "\"map\":{\"start\":\"0x2000\",\"end\":\"0x3000\",\"perms\":\"\\\"\\ufffd\\n\\\\\",\"offset\":0},"
                    "\"place\":{\"offset\":16}}");
        free(map.memo.data);
        free(place.memo.data);
        f.view = view_json_free(f.view);
}

static void test_other_lines(void **unused)
{
        const struct proto_attached attached = {
                .pid = 42, .detail = DETAIL_FULL, .n_threads = 3, .time_ns = 77, .comm = fake_string("a\"b")};
        const struct proto_life forked = {.time_ns = 1, .kind = LIFE_FORK, .pid = 43, .tid = 43, .parent = 42};
        const struct proto_life exec = {
                .time_ns = 2, .kind = LIFE_EXEC, .pid = 42, .tid = 42, .comm = fake_string("new")};
        const struct proto_drops drops = {
                .n_faults = {[OUTCOME_NONE] = 1, [OUTCOME_MINOR] = 100}, .first_seq = 10, .last_seq = 111};
        const struct proto_degraded degraded = {.what = fake_string("frames"), .reason = fake_string("not root")};
        const struct proto_gap gap = {.reason = fake_string("crash")};
        const struct proto_error error = {.req = 1, .error = 1, .text = fake_string("no")};
        struct fixture f;

        begin(&f);
        f.view->ops->attached(f.view, &f.state, &attached);
        assert_line(&f, "{\"type\":\"attached\",\"pid\":42,\"comm\":\"a\\\"b\",\"detail\":\"full\",\"threads\":3,"
                        "\"time_ns\":77}");
        f.view->ops->life(f.view, &f.state, &forked);
        assert_line(&f, "{\"type\":\"life\",\"time_ns\":1,\"kind\":\"fork\",\"pid\":43,\"tid\":43,\"parent\":42}");
        f.view->ops->life(f.view, &f.state, &exec);
        assert_line(&f, "{\"type\":\"life\",\"time_ns\":2,\"kind\":\"exec\",\"pid\":42,\"tid\":42,\"comm\":\"new\"}");
        f.view->ops->drops(f.view, &f.state, &drops);
        assert_line(&f, "{\"type\":\"drops\",\"pid\":42,\"first_seq\":10,\"last_seq\":111,"
                        "\"faults\":{\"none\":1,\"minor\":100}}");
        f.view->ops->degraded(f.view, &f.state, &degraded);
        assert_line(&f, "{\"type\":\"degraded\",\"pid\":42,\"what\":\"frames\",\"reason\":\"not root\"}");
        f.view->ops->gap(f.view, NULL, &gap);
        assert_line(&f, "{\"type\":\"gap\",\"reason\":\"crash\"}");
        assert_int_equal(f.view->err.n_bytes, 0);
        f.view->ops->error(f.view, 42, &error);
        assert_line(&f, "{\"type\":\"error\",\"pid\":42,\"errno\":1,\"text\":\"no\"}");
        assert_int_equal(f.view->err.n_bytes, strlen("faultline: no\n"));
        end(&f);
}

static void test_end(void **unused)
{
        struct proto_end ended = {.reason = END_COUNT,
                                  .time_ns = 5,
                                  .ledger = {.kernel = 21,
                                             .delivered = 1,
                                             .filtered = 2,
                                             .dropped_client = 3,
                                             .dropped_daemon = 4,
                                             .lost_kernel = 5,
                                             .counted = 6,
                                             .incomplete = 7,
                                             .unseen = PROTO_UNSEEN_UNKNOWN}};
        struct fixture f;

        begin(&f);
        f.view->ops->end(f.view, &f.state, &ended);
        assert_line(&f, "{\"type\":\"end\",\"pid\":42,\"reason\":\"count\",\"time_ns\":5,\"ledger\":{\"kernel\":21,"
                        "\"delivered\":1,\"filtered\":2,\"dropped_client\":3,\"dropped_daemon\":4,\"lost_kernel\":5,"
                        "\"counted\":6,\"incomplete\":7,\"unseen\":null}}");
        ended.ledger.unseen = 8;
        ended.reason = END_ERROR;
        ended.text = fake_string("why");
        f.view->ops->end(f.view, &f.state, &ended);
        assert_line(&f, "{\"type\":\"end\",\"pid\":42,\"reason\":\"error\",\"time_ns\":5,\"text\":\"why\","
                        "\"ledger\":{\"kernel\":21,\"delivered\":1,\"filtered\":2,\"dropped_client\":3,"
                        "\"dropped_daemon\":4,\"lost_kernel\":5,\"counted\":6,\"incomplete\":7,\"unseen\":8}}");
        end(&f);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_fault),
                cmocka_unit_test(test_kernel_fault),
                cmocka_unit_test(test_unknown_fields_are_absent),
                cmocka_unit_test(test_nameless_definitions),
                cmocka_unit_test(test_other_lines),
                cmocka_unit_test(test_end),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
