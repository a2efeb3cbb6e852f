/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * subscription.c: random lives of a trace with clients that join, read now and then, leave, end and resume. Each client
 * decodes its frames; every fault that reaches it must show the names it was given, and at the end its ledger must
 * equal what a plain count of the faults says.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/serve/subscription.h"
#include "tests/unit/stream.h"

#define TRACE 4
#define N_MAPS 5
#define N_CLIENTS 12
#define PID 50
#define NO_CAP ((size_t)64 << 20)
#define LOST 5
#define DROPPED_DAEMON 3
#define END_NS 777

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
        random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t)(random_state >> 33) % n;
}

struct client {
        struct subscription *subscription; /* NULL = free */
        struct stream stream;
        struct subscription_spec spec;
        struct filter filter;
        uint64_t n_faults, n_incomplete; /* since it joined */
        uint64_t n_passed, n_filtered;
};

struct scene {
        struct dict *dict;
        struct fanout fanout;
        struct map *maps[N_MAPS];
        struct client clients[N_CLIENTS];
        uint64_t n_faults; /* all that the kernel counted, over all engines */
};

static void scene_init(struct scene *scene, size_t cap_bytes)
{
        *scene = (struct scene){0};
        assert_int_equal(dict_new(TRACE, cap_bytes, &scene->dict), 0);
        scene->fanout = (struct fanout){.trace = TRACE, .dict = scene->dict};
        for (uint64_t i = 0; i < N_MAPS; i++) {
                char path[16];
                struct map_spec spec = {
                        .start = (i + 1) << 20, .end = (i + 2) << 20, .readable = true, .path = path, .inode = i + 1};

                spec.n_path = (size_t)snprintf(path, sizeof(path), "/lib/%d", (int)i);
                scene->maps[i] = map_new(&spec);
                assert_non_null(scene->maps[i]);
        }
}

static void client_deinit(struct client *client)
{
        filter_deinit(&client->filter);
        stream_deinit(&client->stream);
        subscription_free(client->subscription);
        *client = (struct client){0};
}

static void scene_deinit(struct scene *scene)
{
        fanout_deinit(&scene->fanout);
        for (size_t i = 0; i < N_CLIENTS; i++)
                if (scene->clients[i].subscription)
                        client_deinit(&scene->clients[i]);
        for (size_t i = 0; i < N_MAPS; i++)
                map_unref(scene->maps[i]);
        dict_free(scene->dict);
}

/* ---- faults: everything that is shown of one follows from its number ---- */

static uint64_t addr_of(uint64_t number)
{
        return ((number % N_MAPS + 1) << 20) + 8 * (number / N_MAPS % 1000);
}

static bool is_kernel_mode(uint64_t number)
{
        return number % 7 == 0;
}

static void symbol_of(uint64_t number, char ret[static 32])
{
        (void)snprintf(ret, 32, "symbol-%d", (int)(number % 997));
}

static struct fault fault_of(struct scene *scene, uint64_t number)
{
        return (struct fault){.addr = addr_of(number),
                              .latency_ns = number % 11 ? number % 1000 : UINT64_MAX,
                              .incomplete = number % 13 == 0,
                              .map = scene->maps[number % N_MAPS],
                              .outcome = (enum outcome)(number % N_OUTCOMES),
                              .cause = (enum cause)(number % N_CAUSES),
                              .access = (enum access)(number % N_ACCESSES)};
}

static struct proto_event event_of(struct scene *scene, const struct fault *fault, uint64_t number)
{
        char symbol[32];
        struct dict_place place = {.base = number};

        symbol_of(number, symbol);
        place.symbol = dict_string(scene->dict, symbol, strlen(symbol));
        return (struct proto_event){
                .time_ns = number,
                .addr = fault->addr,
                .ip = is_kernel_mode(number) ? UINT64_MAX - number : number,
                .latency_ns = fault->latency_ns,
                .frame_before = number + 1,
                .frame = number + 2,
                .thread = dict_thread(scene->dict, PID, (pid_t)(number % 17 + 1), number % 2 ? "odd" : "even"),
                .map = dict_map(scene->dict, fault->map),
                .place = dict_place(scene->dict, &place),
                .outcome = (uint8_t)fault->outcome,
                .cause = (uint8_t)fault->cause,
                .access = (uint8_t)fault->access,
                .flags = (uint8_t)((is_kernel_mode(number) ? PROTO_EVENT_KERNEL_MODE : 0) |
                                   (fault->incomplete ? PROTO_EVENT_INCOMPLETE : 0))};
}

static bool reached_limit(const struct client *client)
{
        return client->spec.count_limit && client->n_passed >= client->spec.count_limit;
}

static void expect(struct client *client, const struct fault *fault)
{
        client->n_faults++;
        client->n_incomplete += fault->incomplete;
        if (reached_limit(client) || !filter_passes(&client->filter, fault))
                client->n_filtered++;
        else
                client->n_passed++;
}

static void one_fault(struct scene *scene)
{
        uint64_t number = ++scene->n_faults;
        struct fault fault = fault_of(scene, number);
        struct proto_event event = event_of(scene, &fault, number);

        for (size_t i = 0; i < N_CLIENTS; i++)
                if (scene->clients[i].subscription && scene->clients[i].subscription->group)
                        expect(&scene->clients[i], &fault);
        assert_int_equal(fanout_fault(&scene->fanout, &fault, &event), 0);
}

static void check_hidden(bool hide_kernel, const struct proto_event *event, uint64_t number)
{
        bool hidden = hide_kernel && is_kernel_mode(number);

        assert_int_equal(event->frame_before, hide_kernel ? PROTO_UNKNOWN : number + 1);
        assert_int_equal(event->frame, hide_kernel ? PROTO_UNKNOWN : number + 2);
        assert_int_equal(event->ip, hidden ? 0 : is_kernel_mode(number) ? UINT64_MAX - number : number);
        assert_int_equal((event->flags & PROTO_EVENT_IP_HIDDEN) != 0, hidden);
}

/* A client shows a fault: every id that it carries means what it meant when the fault happened. */
static void shown(void *user, const struct stream *stream, const struct proto_event *event)
{
        const struct client *client = user;
        uint64_t number = event->time_ns;
        const struct proto_def *thread = stream_def(stream, DEF_THREAD, event->thread);
        const struct proto_def *map = stream_def(stream, DEF_MAP, event->map);
        const struct proto_def *place = stream_def(stream, DEF_PLACE, event->place);
        char text[32];

        assert_int_equal(event->addr, addr_of(number));
        assert_int_equal(thread->thread.tid, number % 17 + 1);
        assert_true(stream_string_is(stream, thread->thread.comm, number % 2 ? "odd" : "even"));
        assert_in_range(event->addr, map->map.start, map->map.end - 1);
        (void)snprintf(text, sizeof(text), "/lib/%d", (int)(number % N_MAPS));
        assert_true(stream_string_is(stream, map->map.path, text));
        assert_int_equal(place->place.base, number);
        symbol_of(number, text);
        assert_true(stream_string_is(stream, place->place.symbol, text));
        check_hidden(client->spec.hide_kernel, event, number);
}

/* ---- what clients do ---- */

static struct client *join(struct scene *scene, size_t i, const struct subscription_spec *spec, size_t queue_bytes)
{
        struct client *client = &scene->clients[i];

        assert_null(client->subscription);
        client->spec = *spec;
        client->spec.resume = NULL;
        client->stream.fault = shown;
        client->stream.user = client;
        assert_int_equal(filter_init(&client->filter, &spec->filter), 0);
        assert_int_equal(fanout_join(&scene->fanout, spec, &client->subscription), 0);
        client->subscription->queue.limit_bytes = queue_bytes;
        return client;
}

/* As peer.c sends: drops first, then frames. */
static void read_frames(struct client *client, size_t n_frames)
{
        struct subscription *s = client->subscription;
        struct proto_drops drops;
        struct outframe *frame;

        if (queue_take_drops(&s->queue, &drops)) {
                uint8_t bytes[512];
                struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};

                assert_true(proto_encode_drops(&buffer, TRACE, &drops) > 0);
                (void)stream_apply(&client->stream, bytes, buffer.n_bytes);
        }
        for (; n_frames && (frame = queue_peek(&s->queue)); n_frames--) {
                (void)stream_apply(&client->stream, frame->data, frame->n_bytes);
                s->n_delivered += outframe_n_faults(frame);
                queue_pop(&s->queue);
        }
}

static struct proto_ledger end(struct scene *scene, struct client *client, enum end_reason reason)
{
        struct subscription_totals totals = {.kernel = scene->n_faults + LOST + DROPPED_DAEMON,
                                             .lost = LOST,
                                             .dropped_daemon = DROPPED_DAEMON,
                                             .unseen = 99,
                                             .time_ns = END_NS};
        struct proto_end message;

        assert_int_equal(fanout_flush(&scene->fanout), 0);
        subscription_end(&scene->fanout, client->subscription, reason, &totals, "why");
        if (queue_peek(&client->subscription->queue))
                assert_false(subscription_take_end(client->subscription, &message));
        read_frames(client, SIZE_MAX);
        assert_true(subscription_take_end(client->subscription, &message));
        assert_int_equal(message.reason, reason);
        assert_int_equal(message.time_ns, END_NS);
        assert_int_equal(message.text.n_bytes, 3);
        assert_memory_equal(message.text.data, "why", 3);
        assert_int_equal(message.ledger.unseen, 99 + client->subscription->before.unseen);
        assert_int_equal(message.ledger.kernel, message.ledger.delivered + message.ledger.filtered +
                                                        message.ledger.dropped_client + message.ledger.dropped_daemon +
                                                        message.ledger.lost_kernel + message.ledger.counted);
        return message.ledger;
}

static void check_ledger(const struct client *client, const struct proto_ledger *ledger)
{
        assert_int_equal(ledger->kernel, client->n_faults + LOST + DROPPED_DAEMON);
        assert_int_equal(ledger->lost_kernel, LOST);
        assert_int_equal(ledger->dropped_daemon, DROPPED_DAEMON);
        assert_int_equal(ledger->delivered, client->stream.n_faults);
        assert_int_equal(ledger->dropped_client, client->stream.n_dropped);
        assert_int_equal(ledger->delivered + ledger->dropped_client, client->n_passed);
        assert_int_equal(ledger->filtered, client->n_filtered);
        assert_int_equal(ledger->incomplete, client->n_incomplete);
}

static void end_and_check(struct scene *scene, struct client *client)
{
        struct proto_ledger ledger = end(scene, client, END_STOPPED);

        check_ledger(client, &ledger);
        client_deinit(client);
}

static const struct proto_filter filters[] = {
        {0},
        {.outcomes = 1u << OUTCOME_MINOR | 1u << OUTCOME_FAILED},
        {.causes = 0x5555},
        {.accesses = 1u << ACCESS_WRITE},
        {.min_latency_ns = 500},
        {.map_glob = {.data = "*[13]", .n_bytes = 5}},
        {.outcomes = 1u << 31}, /* nothing */
};

static void random_join(struct scene *scene)
{
        size_t i = random_below(N_CLIENTS);
        struct subscription_spec spec = {.hide_kernel = random_below(2)};

        if (scene->clients[i].subscription)
                return;
        if (random_below(2))
                spec.filter = filters[random_below(ARRAY_SIZE(filters))];
        if (random_below(4) == 0)
                spec.count_limit = 1 + random_below(3000);
        (void)join(scene, i, &spec, random_below(3) ? 40000 : SUBSCRIPTION_QUEUE_BYTES);
}

static void random_step(struct scene *scene)
{
        struct client *client = &scene->clients[random_below(N_CLIENTS)];
        uint32_t what = random_below(1000);

        if (what < 960) {
                one_fault(scene);
        } else if (what < 970) {
                assert_int_equal(fanout_flush(&scene->fanout), 0);
        } else if (what < 976) {
                random_join(scene);
        } else if (client->subscription && what < 996) {
                read_frames(client, 1 + random_below(5));
        } else if (client->subscription && what < 998) {
                end_and_check(scene, client);
        } else if (client->subscription && what < 999) { /* disconnected */
                fanout_leave(&scene->fanout, client->subscription);
                client_deinit(client);
        }
}

static void run_life(uint64_t seed, size_t cap_bytes, uint32_t *n_resets)
{
        struct scene scene;

        random_state = seed;
        scene_init(&scene, cap_bytes);
        for (int i = 0; i < 15000; i++)
                random_step(&scene);
        for (size_t i = 0; i < N_CLIENTS; i++) {
                if (!scene.clients[i].subscription)
                        continue;
                *n_resets += scene.clients[i].stream.n_resets;
                end_and_check(&scene, &scene.clients[i]);
        }
        scene_deinit(&scene);
}

static void test_random_lives(void **state)
{
        static const size_t caps[] = {1, 3000, 30000, NO_CAP};

        for (size_t i = 0; i < ARRAY_SIZE(caps); i++) {
                uint32_t n_resets = 0;

                for (uint64_t seed = 1; seed <= 8; seed++)
                        run_life(seed * 100 + i, caps[i], &n_resets);
                assert_int_equal(n_resets > 0, caps[i] != NO_CAP);
        }
}

/* A client that joins late is sent what it needs, and only faults from then on. */
static void test_late_joiner(void **state)
{
        const struct subscription_spec spec = {0};
        struct scene scene;
        struct client *first, *late;
        struct proto_ledger ledger;

        scene_init(&scene, NO_CAP);
        first = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        for (int i = 0; i < 500; i++)
                one_fault(&scene);
        late = join(&scene, 1, &spec, SUBSCRIPTION_QUEUE_BYTES);
        assert_int_equal(late->subscription->kernel_base, 500);
        for (int i = 0; i < 700; i++)
                one_fault(&scene);
        ledger = end(&scene, first, END_EXITED);
        check_ledger(first, &ledger);
        assert_int_equal(ledger.delivered, 1200);
        ledger = end(&scene, late, END_EXITED);
        check_ledger(late, &ledger);
        assert_int_equal(ledger.delivered, 700);
        scene_deinit(&scene);
}

/* Clients alike in filter, limit and rights wait for the same frame; others do not. */
static void test_sharing(void **state)
{
        static const struct {
                struct subscription_spec spec;
                bool shared;
        } cases[] = {
                {{.hide_kernel = false}, true},
                {{.hide_kernel = true}, false},
                {{.count_limit = 100000}, false},
                {{.filter = {.outcomes = UINT32_MAX}}, false},
        };
        struct scene scene;

        scene_init(&scene, NO_CAP);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                (void)join(&scene, i, &cases[i].spec, SUBSCRIPTION_QUEUE_BYTES);
        (void)join(&scene, ARRAY_SIZE(cases), &cases[0].spec, SUBSCRIPTION_QUEUE_BYTES);
        for (int i = 0; i < 10; i++)
                one_fault(&scene);
        assert_int_equal(fanout_flush(&scene.fanout), 0);
        for (size_t i = 0; i <= ARRAY_SIZE(cases); i++)
                queue_pop(&scene.clients[i].subscription->queue); /* definitions are everybody's */
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                bool same = queue_peek(&scene.clients[i].subscription->queue) ==
                            queue_peek(&scene.clients[ARRAY_SIZE(cases)].subscription->queue);

                assert_int_equal(same, cases[i].shared);
        }
        scene_deinit(&scene);
}

static void test_frames_are_bounded(void **state)
{
        const struct subscription_spec spec = {0};
        struct scene scene;
        struct client *client;
        size_t n_frames = 0;

        scene_init(&scene, NO_CAP);
        client = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        for (int i = 0; i < PROTO_EVENTS_PER_FRAME; i++)
                one_fault(&scene);
        for (struct outframe *frame; (frame = queue_peek(&client->subscription->queue)); n_frames++) {
                assert_in_range(frame->n_bytes, 1, PROTO_FRAME_MAX_BYTES);
                read_frames(client, 1);
        }
        assert_int_equal(client->stream.n_faults, PROTO_EVENTS_PER_FRAME);
        assert_int_equal(n_frames, 1 + client->stream.n_all / 3000 + 1);
        scene_deinit(&scene);
}

static void test_count_limit(void **state)
{
        const struct subscription_spec spec = {.count_limit = 3, .filter = {.accesses = 1u << ACCESS_WRITE}};
        struct scene scene;
        struct client *client;
        struct proto_ledger ledger;

        scene_init(&scene, NO_CAP);
        client = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        for (int i = 1; i <= 20; i++) { /* every fourth writes: 2, 6, 10 ... */
                assert_int_equal(subscription_reached_limit(client->subscription), i > 10);
                one_fault(&scene);
        }
        ledger = end(&scene, client, END_COUNT);
        check_ledger(client, &ledger);
        assert_int_equal(ledger.delivered, 3);
        assert_int_equal(ledger.filtered, 17);
        assert_false(subscription_reached_limit(client->subscription));
        scene_deinit(&scene);
}

/* EVENTS tell what had been filtered when the frame was begun. */
static void test_filtered_so_far(void **state)
{
        const struct subscription_spec spec = {.filter = {.accesses = 1u << ACCESS_WRITE}};
        struct scene scene;
        struct client *client;

        scene_init(&scene, NO_CAP);
        client = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        for (uint64_t i = 1; i <= 10; i++) {
                uint64_t before = client->n_filtered;

                do
                        one_fault(&scene);
                while (client->n_passed < i);
                assert_int_equal(fanout_flush(&scene.fanout), 0);
                read_frames(client, SIZE_MAX);
                assert_int_equal(client->stream.n_faults, i);
                assert_int_equal(client->stream.n_filtered, before);
        }
        scene_deinit(&scene);
}

static void test_glob_with_nul_is_refused(void **state)
{
        struct subscription_spec spec = {.filter.map_glob = {.data = "a\0b", .n_bytes = 3}};
        struct subscription *subscription = NULL;
        struct scene scene;

        scene_init(&scene, NO_CAP);
        assert_int_equal(fanout_join(&scene.fanout, &spec, &subscription), -EINVAL);
        assert_null(subscription);
        assert_null(scene.fanout.subscriptions);
        one_fault(&scene);
        assert_int_equal(fanout_flush(&scene.fanout), 0);
        scene_deinit(&scene);
}

/* Nobody listens: definitions are bounded all the same. */
static void test_nobody_listens(void **state)
{
        struct scene scene;
        uint32_t epoch;

        scene_init(&scene, 2000);
        epoch = dict_epoch(scene.dict);
        for (int i = 0; i < 2000; i++) {
                one_fault(&scene);
                assert_in_range(dict_high_water(scene.dict), 0, 200);
        }
        assert_true(dict_epoch(scene.dict) > epoch + 10);
        scene_deinit(&scene);
}

/* A message: LIFE, because any will do. One reference is the caller's. */
static struct outframe *new_message(void)
{
        uint8_t bytes[256];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_life life = {.kind = LIFE_EXEC};
        struct outframe *frame;

        assert_true(proto_encode_life(&buffer, TRACE, &life) > 0);
        frame = outframe_new(MESSAGE_LIFE, bytes, buffer.n_bytes);
        assert_non_null(frame);
        return frame;
}

static void check_order(struct client *client, const enum message_type *order, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                assert_int_equal(queue_peek(&client->subscription->queue)->type, order[i]);
                read_frames(client, 1);
        }
        assert_null(queue_peek(&client->subscription->queue));
}

/* Messages stand between the faults before and after them. */
static void test_message(void **state)
{
        static const enum message_type order[] = {MESSAGE_DICT, MESSAGE_EVENTS, MESSAGE_LIFE, MESSAGE_DICT,
                                                  MESSAGE_EVENTS};
        const struct subscription_spec spec = {0};
        struct outframe *frame = new_message();
        struct scene scene;
        struct client *client;

        scene_init(&scene, NO_CAP);
        client = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        one_fault(&scene);
        assert_int_equal(fanout_flush(&scene.fanout), 0);
        assert_int_equal(fanout_message(&scene.fanout, frame), 0);
        outframe_unref(frame);
        one_fault(&scene);
        assert_int_equal(fanout_flush(&scene.fanout), 0);
        check_order(client, order, ARRAY_SIZE(order));
        scene_deinit(&scene);
}

/* ... without being asked to, and before the epoch of the definitions that they refer to is over. */
static void test_message_in_order(void **state)
{
        static const enum message_type after_fault[] = {MESSAGE_DICT, MESSAGE_EVENTS, MESSAGE_LIFE};
        static const enum message_type when_full[] = {MESSAGE_DICT, MESSAGE_LIFE, MESSAGE_DICT_RESET};
        const struct subscription_spec spec = {0};
        struct outframe *frame = new_message();
        struct scene scene;
        struct client *client;

        scene_init(&scene, NO_CAP);
        client = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        one_fault(&scene);
        assert_int_equal(fanout_message_in_order(&scene.fanout, frame), 0);
        check_order(client, after_fault, ARRAY_SIZE(after_fault));
        scene_deinit(&scene);

        scene_init(&scene, 1); /* full as soon as anything is defined */
        client = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        assert_int_equal(dict_string(scene.dict, "x", 1), 1);
        assert_int_equal(fanout_message_in_order(&scene.fanout, frame), 0);
        check_order(client, when_full, ARRAY_SIZE(when_full));
        scene_deinit(&scene);
        outframe_unref(frame);
}

/* What a client may not see is part of its ledger from when it joined. */
static void test_counted(void **state)
{
        const struct subscription_spec spec = {0};
        struct proto_ledger ledger;
        struct scene scene;
        struct client *early, *late;

        scene_init(&scene, NO_CAP);
        early = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        for (int i = 0; i < 3; i++) {
                fanout_count(&scene.fanout);
                scene.n_faults++;
        }
        late = join(&scene, 1, &spec, SUBSCRIPTION_QUEUE_BYTES);
        one_fault(&scene);
        fanout_count(&scene.fanout);
        scene.n_faults++;
        ledger = end(&scene, early, END_STOPPED);
        assert_int_equal(ledger.counted, 4);
        assert_int_equal(ledger.delivered, 1);
        ledger = end(&scene, late, END_STOPPED);
        assert_int_equal(ledger.counted, 1);
        assert_int_equal(ledger.delivered, 1);
        scene_deinit(&scene);
}

/* ---- the engine dies and a client goes on with the next ---- */

static struct proto_resume resume_of(const struct client *client)
{
        return (struct proto_resume){.req = 1,
                                     .kernel_base = client->subscription->kernel_base,
                                     .lost_base = client->subscription->lost_base,
                                     .n_received = client->stream.n_faults,
                                     .n_filtered = client->stream.n_filtered,
                                     .n_dropped = client->stream.n_dropped,
                                     .n_incomplete = client->stream.n_incomplete,
                                     .count_limit = client->spec.count_limit,
                                     .filter = client->spec.filter};
}

static void run_resume(const struct subscription_spec *spec, uint64_t seed)
{
        struct subscription_spec again = *spec;
        struct scene scene;
        struct client *client;
        struct proto_resume resume;
        struct proto_ledger ledger;
        uint64_t n_before, n_in_gap;

        random_state = seed;
        scene_init(&scene, 20000);
        for (uint32_t i = random_below(300); i; i--)
                one_fault(&scene);
        client = join(&scene, 0, spec, 50000);
        for (int i = 0; i < 4000; i++) {
                one_fault(&scene);
                if (random_below(300) == 0)
                        read_frames(client, 3);
        }
        resume = resume_of(client);
        resume.lost_base = LOST - 2;
        n_before = scene.n_faults;
        scene_deinit(&scene);

        scene_init(&scene, 20000);
        scene.n_faults = n_before + (n_in_gap = random_below(100));
        again.resume = &resume;
        again.filter = resume.filter;
        client = join(&scene, 0, &again, 50000);
        for (int i = 0; i < 3000; i++)
                one_fault(&scene);
        ledger = end(&scene, client, END_STOPPED);
        assert_int_equal(ledger.kernel, scene.n_faults + LOST + DROPPED_DAEMON - resume.kernel_base);
        assert_int_equal(ledger.delivered, resume.n_received + client->stream.n_faults);
        assert_int_equal(ledger.dropped_client, resume.n_dropped + client->stream.n_dropped);
        assert_int_equal(ledger.filtered, resume.n_filtered + client->n_filtered);
        assert_int_equal(ledger.incomplete, resume.n_incomplete + client->n_incomplete);
        assert_int_equal(ledger.lost_kernel, 2);
        assert_true(ledger.dropped_daemon >= n_in_gap + DROPPED_DAEMON);
        scene_deinit(&scene);
}

static void test_resume(void **state)
{
        static const struct subscription_spec specs[] = {
                {.hide_kernel = false},
                {.hide_kernel = true},
                {.filter = {.accesses = 1u << ACCESS_WRITE}},
        };

        for (size_t i = 0; i < ARRAY_SIZE(specs); i++)
                for (uint64_t seed = 1; seed <= 10; seed++)
                        run_resume(&specs[i], seed);
}

/* The daemon died, too: what the client accounts for and what nobody saw are part of the sum. */
static void test_resume_after_restart(void **state)
{
        const struct proto_resume resume = {.kernel_base = 0 - UINT64_C(1000),
                                            .lost_base = 0 - UINT64_C(50),
                                            .n_received = 400,
                                            .n_filtered = 300,
                                            .n_dropped = 100,
                                            .n_incomplete = 7,
                                            .past = {.n_counted = 120, .unseen = 9}};
        const struct subscription_spec spec = {.resume = &resume};
        struct proto_ledger ledger;
        struct client *client;
        struct scene scene;

        scene_init(&scene, NO_CAP);
        client = join(&scene, 0, &spec, SUBSCRIPTION_QUEUE_BYTES);
        for (int i = 0; i < 10; i++)
                one_fault(&scene);
        fanout_count(&scene.fanout);
        scene.n_faults++;
        ledger = end(&scene, client, END_STOPPED);
        assert_true(ledger.kernel == 1000 + 11 + LOST + DROPPED_DAEMON);
        assert_true(ledger.delivered == 410 && ledger.filtered == 300 && ledger.dropped_client == 100);
        assert_true(ledger.lost_kernel == 50 + LOST && ledger.counted == 121);
        assert_true(ledger.dropped_daemon == 1000 - 400 - 300 - 100 - 50 - 120 + DROPPED_DAEMON);
        scene_deinit(&scene);
}

/* What was received before counts towards the limit. */
static void test_resume_with_limit(void **state)
{
        struct proto_resume resume = {.n_received = 8, .n_dropped = 30, .count_limit = 10};
        struct subscription_spec spec = {.count_limit = 10, .resume = &resume};
        struct subscription *subscription;
        struct scene scene;
        struct proto_header header;
        struct outframe *frame;

        scene_init(&scene, NO_CAP);
        assert_int_equal(fanout_join(&scene.fanout, &spec, &subscription), 0);
        one_fault(&scene);
        assert_false(subscription_reached_limit(subscription));
        one_fault(&scene);
        assert_true(subscription_reached_limit(subscription));
        one_fault(&scene);
        assert_int_equal(fanout_flush(&scene.fanout), 0);
        queue_pop(&subscription->queue);
        frame = queue_peek(&subscription->queue);
        assert_int_equal(proto_decode_header(frame->data, frame->n_bytes, &header), 0);
        assert_int_equal(header.first_seq, 39);
        assert_int_equal(header.count, 2);
        fanout_leave(&scene.fanout, subscription);
        subscription_free(subscription);
        assert_null(subscription_free(NULL));
        scene_deinit(&scene);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_late_joiner),          cmocka_unit_test(test_sharing),
                cmocka_unit_test(test_frames_are_bounded),   cmocka_unit_test(test_count_limit),
                cmocka_unit_test(test_filtered_so_far),      cmocka_unit_test(test_glob_with_nul_is_refused),
                cmocka_unit_test(test_nobody_listens),       cmocka_unit_test(test_message),
                cmocka_unit_test(test_message_in_order),     cmocka_unit_test(test_counted),
                cmocka_unit_test(test_resume_after_restart), cmocka_unit_test(test_resume),
                cmocka_unit_test(test_resume_with_limit),    cmocka_unit_test(test_random_lives),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
