/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * queue.c: against a plain list of what must wait, with a fixed-seed generator. Faults pushed = popped + waiting +
 * dropped at every step, by outcome; order is kept; only what may go is dropped, the oldest first; and a client that
 * never reads holds a bounded amount.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/serve/queue.h"

#define N_STEPS 20000

static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
        random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        return (uint32_t)(random_state >> 33) % n;
}

/* A frame of n_bytes; with events, n_faults of them of which the outcomes go round. */
static struct outframe *new_frame(enum message_type type, size_t n_bytes, uint64_t first_seq, uint64_t n_faults)
{
        static const uint8_t zeros[16384];
        assert_true(n_bytes <= sizeof(zeros));
        struct outframe *frame = outframe_new(type, zeros, n_bytes);

        assert_non_null(frame);
        if (type == MESSAGE_EVENTS) {
                frame->first_seq = first_seq;
                frame->last_seq = first_seq + n_faults - 1;
                for (uint64_t i = 0; i < n_faults; i++)
                        frame->n_faults[(first_seq + i) % N_OUTCOMES]++;
        }
        return frame;
}

static struct outframe *push(struct queue *queue, enum message_type type, size_t n_bytes, uint64_t first_seq,
                             uint64_t n_faults)
{
        struct outframe *frame = new_frame(type, n_bytes, first_seq, n_faults);

        assert_int_equal(queue_push(queue, frame), 0);
        outframe_unref(frame);
        return frame; /* alive if it waits in the queue */
}

static void test_order(void **state)
{
        struct queue queue;
        struct outframe *frames[100];

        queue_init(&queue, 1 << 20);
        assert_null(queue_peek(&queue));
        for (size_t i = 0; i < ARRAY_SIZE(frames); i++)
                frames[i] = push(&queue, i % 3 ? MESSAGE_EVENTS : MESSAGE_LIFE, 10 + i, i + 1, 1);
        for (size_t i = 0; i < ARRAY_SIZE(frames); i++) {
                assert_ptr_equal(queue_peek(&queue), frames[i]);
                assert_int_equal(queue_peek(&queue)->n_bytes, 10 + i);
                queue_pop(&queue);
        }
        assert_null(queue_peek(&queue));
        assert_int_equal(queue.n_bytes, 0);
        queue_deinit(&queue);
}

/* The ring wraps and grows while something waits. */
static void test_ring(void **state)
{
        struct queue queue;
        uint64_t pushed = 1, popped = 1;

        queue_init(&queue, 1 << 20);
        for (int round = 1; round < 100; round++) {
                for (int i = 0; i < round; i++)
                        (void)push(&queue, MESSAGE_EVENTS, 8, pushed++, 1);
                for (int i = 0; i < round - (round % 3 == 0); i++) {
                        assert_int_equal(queue_peek(&queue)->first_seq, popped++);
                        queue_pop(&queue);
                }
        }
        assert_int_equal(queue.n, pushed - popped);
        queue_deinit(&queue);
}

static void test_oldest_events_go(void **state)
{
        static const enum message_type waiting[] = {MESSAGE_DICT, MESSAGE_EVENTS, MESSAGE_DICT, MESSAGE_EVENTS};
        struct queue queue;
        struct proto_drops drops;

        queue_init(&queue, 100);
        (void)push(&queue, MESSAGE_LIFE, 20, 0, 0);
        (void)push(&queue, MESSAGE_EVENTS, 20, 1, 3);
        (void)push(&queue, MESSAGE_DICT, 20, 0, 0);
        (void)push(&queue, MESSAGE_EVENTS, 20, 4, 2);
        (void)push(&queue, MESSAGE_EVENTS, 20, 6, 5); /* exactly the limit */
        assert_int_equal(queue.n_dropped, 0);
        assert_false(queue_take_drops(&queue, &drops));
        (void)push(&queue, MESSAGE_DICT, 1, 0, 0); /* not events: nothing goes for its sake */
        assert_int_equal(queue.n_dropped, 0);
        (void)push(&queue, MESSAGE_EVENTS, 59, 11, 1); /* its life and two frames of faults go */
        assert_int_equal(queue.n_dropped, 3 + 2);
        assert_true(queue_take_drops(&queue, &drops));
        assert_false(queue_take_drops(&queue, &drops));
        assert_int_equal(drops.first_seq, 1);
        assert_int_equal(drops.last_seq, 5);
        for (uint64_t i = 0; i < N_OUTCOMES; i++)
                assert_int_equal(drops.n_faults[i], i >= 1 && i <= 5);
        for (size_t i = 0; i < ARRAY_SIZE(waiting); i++) {
                assert_int_equal(queue_peek(&queue)->type, waiting[i]);
                queue_pop(&queue);
        }
        assert_null(queue_peek(&queue));
        queue_deinit(&queue);
}

/* A frame that is too large by itself goes at once, and so it does when definitions alone fill the queue. */
static void test_frame_over_the_limit(void **state)
{
        struct queue queue;
        struct proto_drops drops;

        queue_init(&queue, 100);
        (void)push(&queue, MESSAGE_EVENTS, 101, 1, 1);
        assert_null(queue_peek(&queue));
        (void)push(&queue, MESSAGE_DICT, 200, 0, 0);
        (void)push(&queue, MESSAGE_EVENTS, 1, 2, 1);
        assert_int_equal(queue_peek(&queue)->type, MESSAGE_DICT);
        queue_pop(&queue);
        assert_null(queue_peek(&queue));
        assert_int_equal(queue.n_dropped, 2);
        assert_true(queue_take_drops(&queue, &drops));
        assert_int_equal(drops.first_seq, 1);
        assert_int_equal(drops.last_seq, 2);
        queue_deinit(&queue);
}

static void test_returned_drops(void **state)
{
        static const uint64_t one[N_OUTCOMES] = {[OUTCOME_MINOR] = 1}, two[N_OUTCOMES] = {[OUTCOME_FAILED] = 2};
        struct queue queue;
        struct proto_drops drops, again;

        queue_init(&queue, 100);
        queue_count_drop(&queue, 5, 5, one);
        assert_true(queue_take_drops(&queue, &drops));
        queue_return_drops(&queue, &drops);
        assert_true(queue_take_drops(&queue, &again));
        assert_memory_equal(&again, &drops, sizeof(drops));

        queue_count_drop(&queue, 6, 7, two);
        queue_return_drops(&queue, &drops);
        assert_true(queue_take_drops(&queue, &again));
        assert_int_equal(again.first_seq, 5);
        assert_int_equal(again.last_seq, 7);
        assert_int_equal(again.n_faults[OUTCOME_MINOR], 1);
        assert_int_equal(again.n_faults[OUTCOME_FAILED], 2);
        assert_int_equal(queue.n_dropped, 3);
        queue_deinit(&queue);
}

/* Without memory the newest is dropped before the oldest. */
static void test_drops_out_of_order(void **state)
{
        static const uint64_t one[N_OUTCOMES] = {[OUTCOME_MINOR] = 1};
        struct queue queue;
        struct proto_drops drops;

        queue_init(&queue, 100);
        queue_count_drop(&queue, 20, 29, one);
        queue_count_drop(&queue, 1, 9, one);
        assert_true(queue_take_drops(&queue, &drops));
        assert_int_equal(drops.first_seq, 1);
        assert_int_equal(drops.last_seq, 29);
        queue_deinit(&queue);
}

/* A client that does not read while its target is killed again and again: what waits for it stays below the limit. */
static void test_storm_of_signals(void **state)
{
        enum { N_SIGNALS = 2000, SIGNAL_BYTES = 1000, EVENT_BYTES = 100, N_ROOM = 10 };
        const size_t limit = (size_t)N_ROOM * (SIGNAL_BYTES + EVENT_BYTES);
        struct queue queue;
        struct proto_drops drops;

        queue_init(&queue, limit);
        for (uint64_t i = 1; i <= N_SIGNALS; i++) {
                (void)push(&queue, MESSAGE_EVENTS, EVENT_BYTES, i, 1);
                (void)push(&queue, MESSAGE_SIGNAL, SIGNAL_BYTES, 0, 0);
                assert_true(queue.n_bytes <= limit);
        }
        assert_int_equal(queue.n, 2 * N_ROOM);
        assert_int_equal(queue.n_bytes, limit);
        assert_int_equal(queue.n_dropped, N_SIGNALS - N_ROOM);
        assert_true(queue_take_drops(&queue, &drops));
        assert_int_equal(drops.first_seq, 1);
        assert_int_equal(drops.last_seq, N_SIGNALS - N_ROOM);
        for (uint64_t i = N_SIGNALS - N_ROOM + 1; i <= N_SIGNALS; i++) { /* the last ones, each behind its fault */
                assert_int_equal(queue_peek(&queue)->first_seq, i);
                queue_pop(&queue);
                assert_int_equal(queue_peek(&queue)->type, MESSAGE_SIGNAL);
                queue_pop(&queue);
        }
        assert_null(queue_peek(&queue));
        /* Its names are of the epoch that is over. */
        (void)push(&queue, MESSAGE_DICT, limit, 0, 0);
        (void)push(&queue, MESSAGE_REVOKED, 1, 0, 0);
        queue.limit_bytes *= 2;
        (void)push(&queue, MESSAGE_SIGNAL, SIGNAL_BYTES, 0, 0);
        (void)push(&queue, MESSAGE_DICT_RESET, 1, 0, 0);
        assert_int_equal(queue.n, 2);
        assert_int_equal(queue_peek(&queue)->type, MESSAGE_REVOKED);
        queue_deinit(&queue);
}

/* What must wait, as a list; sizes and numbers only. */
struct model {
        struct {
                enum message_type type;
                size_t n_bytes;
                uint64_t first_seq, n_faults;
        } frames[N_STEPS];
        size_t first, n;
        size_t n_bytes;
        uint64_t n_pushed, n_popped, n_waiting, n_dropped;
        uint64_t told[N_OUTCOMES], dropped[N_OUTCOMES];
};

static void model_remove(struct model *model, size_t at)
{
        model->n_bytes -= model->frames[at].n_bytes;
        model->n_waiting -= model->frames[at].n_faults;
        for (size_t i = at; i + 1 < model->n; i++)
                model->frames[i] = model->frames[i + 1];
        model->n--;
}

static void model_drop(struct model *model, size_t at)
{
        for (uint64_t i = 0; i < model->frames[at].n_faults; i++)
                model->dropped[(model->frames[at].first_seq + i) % N_OUTCOMES]++;
        model->n_dropped += model->frames[at].n_faults;
        model_remove(model, at);
}

static bool may_be_dropped(enum message_type type)
{
        return type == MESSAGE_EVENTS || type == MESSAGE_LIFE || type == MESSAGE_SIGNAL;
}

static void model_push(struct model *model, size_t limit, enum message_type type, size_t n_bytes, uint64_t first_seq,
                       uint64_t n_faults)
{
        if (type == MESSAGE_DICT_RESET && model->n_bytes > limit / 2) {
                for (size_t i = model->n; i-- > 0;) {
                        enum message_type old = model->frames[i].type;

                        if (old == MESSAGE_EVENTS)
                                model_drop(model, i);
                        else if (old == MESSAGE_DICT || old == MESSAGE_DICT_RESET || old == MESSAGE_SIGNAL)
                                model_remove(model, i);
                }
        }
        model->frames[model->n].type = type;
        model->frames[model->n].n_bytes = n_bytes;
        model->frames[model->n].first_seq = first_seq;
        model->frames[model->n++].n_faults = n_faults;
        model->n_bytes += n_bytes;
        model->n_pushed += n_faults;
        model->n_waiting += n_faults;
        for (size_t i = 0; may_be_dropped(type) && i < model->n && model->n_bytes > limit;) {
                if (may_be_dropped(model->frames[i].type))
                        model_drop(model, i);
                else
                        i++;
        }
}

static void check(const struct queue *queue, const struct model *model)
{
        const struct outframe *frame = queue_peek(queue);

        assert_int_equal(queue->n, model->n);
        assert_int_equal(queue->n_bytes, model->n_bytes);
        assert_int_equal(queue->n_dropped, model->n_dropped);
        assert_int_equal(model->n_pushed, model->n_popped + model->n_waiting + queue->n_dropped);
        if (model->n) {
                assert_int_equal(frame->type, model->frames[0].type);
                assert_int_equal(frame->n_bytes, model->frames[0].n_bytes);
                assert_int_equal(outframe_n_faults(frame), model->frames[0].n_faults);
        } else {
                assert_null(frame);
        }
}

static void take_drops(struct queue *queue, struct model *model)
{
        struct proto_drops drops;

        if (!queue_take_drops(queue, &drops))
                return;
        if (random_below(3) == 0) { /* the socket was full */
                queue_return_drops(queue, &drops);
                return;
        }
        for (size_t i = 0; i < N_OUTCOMES; i++)
                model->told[i] += drops.n_faults[i];
}

static void run_model(uint64_t seed, uint32_t reads_percent)
{
        static const enum message_type types[] = {MESSAGE_EVENTS, MESSAGE_EVENTS, MESSAGE_EVENTS,
                                                  MESSAGE_EVENTS, MESSAGE_EVENTS, MESSAGE_DICT,
                                                  MESSAGE_DICT,   MESSAGE_LIFE,   MESSAGE_SIGNAL};
        const size_t limit = 4000;
        struct model *model = calloc(1, sizeof(*model));
        struct queue queue;
        struct proto_drops drops;
        uint64_t seq = 1;

        assert_non_null(model);
        random_state = seed;
        queue_init(&queue, limit);
        for (int step = 0; step < N_STEPS / 10; step++) {
                enum message_type type = random_below(60) ? types[random_below(ARRAY_SIZE(types))] : MESSAGE_DICT_RESET;
                uint64_t n_faults = type == MESSAGE_EVENTS ? 1 + random_below(20) : 0;
                size_t n_bytes = 32 + random_below(500);

                (void)push(&queue, type, n_bytes, seq, n_faults);
                model_push(model, limit, type, n_bytes, seq, n_faults);
                seq += n_faults;
                check(&queue, model);
                while (model->n && random_below(100) < reads_percent) {
                        take_drops(&queue, model);
                        queue_pop(&queue);
                        model->n_popped += model->frames[0].n_faults;
                        model_remove(model, 0);
                        check(&queue, model);
                }
        }
        if (queue_take_drops(&queue, &drops))
                for (size_t i = 0; i < N_OUTCOMES; i++)
                        model->told[i] += drops.n_faults[i];
        assert_memory_equal(model->told, model->dropped, sizeof(model->told));
        queue_deinit(&queue);
        free(model);
}

static void test_against_model(void **state)
{
        static const uint32_t reads_percent[] = {0, 20, 50, 60, 90};

        for (size_t i = 0; i < ARRAY_SIZE(reads_percent); i++)
                for (uint64_t seed = 1; seed <= 10; seed++)
                        run_model(seed, reads_percent[i]);
}

/* Definitions pushed of the epochs that still matter are all there, in order, whatever was dropped around them. */
static void test_definitions_survive(void **state)
{
        struct queue queue;
        struct outframe *definitions[50];
        size_t n = 0;

        queue_init(&queue, 1000);
        for (size_t i = 0; i < ARRAY_SIZE(definitions); i++) {
                definitions[i] = push(&queue, MESSAGE_DICT, 40, 0, 0);
                for (uint64_t j = 0; j < 10; j++)
                        (void)push(&queue, MESSAGE_EVENTS, 100, i * 10 + j + 1, 1);
        }
        for (; queue_peek(&queue); queue_pop(&queue))
                if (queue_peek(&queue)->type == MESSAGE_DICT)
                        assert_ptr_equal(queue_peek(&queue), definitions[n++]);
        assert_int_equal(n, ARRAY_SIZE(definitions));
        queue_deinit(&queue);
}

/* Epoch after epoch for a client that never reads: what it holds does not grow. */
static void test_never_reads(void **state)
{
        const size_t limit = 10000, epoch_bytes = 30000;
        struct queue queue;
        uint64_t seq = 1;

        queue_init(&queue, limit);
        for (int epoch = 0; epoch < 200; epoch++) {
                for (size_t n = 0; n < epoch_bytes; n += 300) {
                        (void)push(&queue, MESSAGE_DICT, 300, 0, 0);
                        (void)push(&queue, MESSAGE_EVENTS, 700, seq++, 1);
                        assert_in_range(queue.n_bytes, 0, limit + epoch_bytes);
                }
                (void)push(&queue, MESSAGE_DICT_RESET, 32, 0, 0);
                assert_in_range(queue.n_bytes, 32, limit);
        }
        assert_int_equal(queue.n_dropped, seq - 1);
        assert_int_equal(queue_peek(&queue)->type, MESSAGE_DICT_RESET);
        queue_pop(&queue);
        assert_null(queue_peek(&queue));
        queue_deinit(&queue);
}

/* A client that is only a little behind keeps the old epoch: it can still read it. */
static void test_reset_keeps_what_can_be_read(void **state)
{
        struct queue queue;

        queue_init(&queue, 200);
        (void)push(&queue, MESSAGE_DICT, 50, 0, 0);
        (void)push(&queue, MESSAGE_EVENTS, 50, 1, 1);
        (void)push(&queue, MESSAGE_DICT_RESET, 32, 0, 0);
        assert_int_equal(queue.n, 3);
        assert_int_equal(queue.n_dropped, 0);
        (void)push(&queue, MESSAGE_DICT_RESET, 32, 0, 0);
        assert_int_equal(queue.n, 1);
        assert_int_equal(queue.n_dropped, 1);
        queue_deinit(&queue);
}

static void test_frames_are_shared(void **state)
{
        struct outframe *frame = new_frame(MESSAGE_EVENTS, 100, 1, 3);
        struct queue queues[3];

        for (size_t i = 0; i < ARRAY_SIZE(queues); i++) {
                queue_init(&queues[i], 100);
                assert_int_equal(queue_push(&queues[i], frame), 0);
        }
        assert_int_equal(frame->n_refs, 4);
        queue_pop(&queues[0]);
        (void)push(&queues[1], MESSAGE_EVENTS, 100, 4, 1); /* drops it */
        queue_deinit(&queues[2]);
        assert_int_equal(frame->n_refs, 1);
        assert_int_equal(outframe_n_faults(frame), 3);
        assert_null(outframe_unref(frame));
        assert_null(outframe_unref(NULL));
        queue_deinit(&queues[0]);
        queue_deinit(&queues[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_ring),
                cmocka_unit_test(test_oldest_events_go),
                cmocka_unit_test(test_frame_over_the_limit),
                cmocka_unit_test(test_returned_drops),
                cmocka_unit_test(test_drops_out_of_order),
                cmocka_unit_test(test_storm_of_signals),
                cmocka_unit_test(test_against_model),
                cmocka_unit_test(test_definitions_survive),
                cmocka_unit_test(test_never_reads),
                cmocka_unit_test(test_reset_keeps_what_can_be_read),
                cmocka_unit_test(test_frames_are_shared),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
