/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded queue of shared frames. Invariant: faults pushed = faults popped + faults waiting + n_dropped. */
#include "daemon/engine/serve/queue.h"

#include <errno.h>
#include <string.h>

#define MIN_SLOTS 16 /* power of two */

void queue_init(struct queue *queue, size_t limit_bytes)
{
        *queue = (struct queue){.limit_bytes = limit_bytes};
}

void queue_deinit(struct queue *queue)
{
        while (queue->n)
                queue_pop(queue);
        free(queue->frames);
        *queue = (struct queue){0};
}

static size_t slot(const struct queue *queue, size_t i)
{
        return (queue->first + i) & (queue->size - 1);
}

static int grow(struct queue *queue)
{
        size_t size = queue->size ? queue->size * 2 : MIN_SLOTS;
        struct outframe **frames = malloc(size * sizeof(*frames));

        if (!frames)
                return -ENOMEM;
        for (size_t i = 0; i < queue->n; i++)
                frames[i] = queue->frames[slot(queue, i)];
        free(queue->frames);
        queue->frames = frames;
        queue->first = 0;
        queue->size = size;
        return 0;
}

void queue_count_drop(struct queue *queue, uint64_t first_seq, uint64_t last_seq,
                      const uint64_t n_faults[static N_OUTCOMES])
{
        struct proto_drops *pending = &queue->pending;

        if (!queue->has_pending)
                *pending = (struct proto_drops){.first_seq = first_seq, .last_seq = last_seq};
        queue->has_pending = true;
        /* Without memory the newest goes first: the older ones that wait may follow. */
        pending->first_seq = MIN_OF(pending->first_seq, first_seq);
        pending->last_seq = MAX_OF(pending->last_seq, last_seq);
        for (size_t i = 0; i < N_OUTCOMES; i++) {
                pending->n_faults[i] += n_faults[i];
                queue->n_dropped += n_faults[i];
        }
}

static void count_drop(struct queue *queue, const struct outframe *frame)
{
        queue_count_drop(queue, frame->first_seq, frame->last_seq, frame->n_faults);
}

/* Keep what `keep` says of the waiting frames, in order. */
static void compact(struct queue *queue, bool (*keep)(struct queue *queue, const struct outframe *frame))
{
        size_t n = queue->n;

        queue->n = 0;
        for (size_t i = 0; i < n; i++) {
                struct outframe *frame = queue->frames[slot(queue, i)];

                if (keep(queue, frame)) {
                        queue->frames[slot(queue, queue->n++)] = frame;
                        continue;
                }
                queue->n_bytes -= frame->n_bytes;
                if (frame->type == MESSAGE_EVENTS)
                        count_drop(queue, frame);
                outframe_unref(frame);
        }
}

/* What a client that is behind may be spared: faults, which are counted, and the news of its target. */
static bool is_droppable(const struct outframe *frame)
{
        return frame->type == MESSAGE_EVENTS || frame->type == MESSAGE_LIFE || frame->type == MESSAGE_SIGNAL;
}

static bool keep_if_needed_or_room(struct queue *queue, const struct outframe *frame)
{
        return !is_droppable(frame) || queue->n_bytes <= queue->limit_bytes;
}

static bool keep_across_reset(struct queue *queue, const struct outframe *frame)
{
        return frame->type != MESSAGE_EVENTS && frame->type != MESSAGE_SIGNAL && frame->type != MESSAGE_DICT &&
               frame->type != MESSAGE_DICT_RESET;
}

int queue_push(struct queue *queue, struct outframe *frame)
{
        if (queue->n == queue->size && grow(queue) < 0) {
                if (frame->type == MESSAGE_EVENTS)
                        count_drop(queue, frame);
                return -ENOMEM;
        }
        /* A client that far behind a new epoch would only be sent ids that mean nothing any more. */
        if (frame->type == MESSAGE_DICT_RESET && queue->n_bytes > queue->limit_bytes / 2)
                compact(queue, keep_across_reset);
        queue->frames[slot(queue, queue->n++)] = outframe_ref(frame);
        queue->n_bytes += frame->n_bytes;
        if (is_droppable(frame) && queue->n_bytes > queue->limit_bytes)
                compact(queue, keep_if_needed_or_room);
        return 0;
}

struct outframe *queue_peek(const struct queue *queue)
{
        return queue->n ? queue->frames[queue->first] : NULL;
}

void queue_pop(struct queue *queue)
{
        queue->n_bytes -= queue->frames[queue->first]->n_bytes;
        outframe_unref(queue->frames[queue->first]);
        queue->first = slot(queue, 1);
        queue->n--;
}

bool queue_take_drops(struct queue *queue, struct proto_drops *ret)
{
        if (!queue->has_pending)
                return false;
        *ret = queue->pending;
        queue->has_pending = false;
        return true;
}

void queue_return_drops(struct queue *queue, const struct proto_drops *drops)
{
        uint64_t n_dropped = queue->n_dropped;

        queue_count_drop(queue, drops->first_seq, drops->last_seq, drops->n_faults);
        queue->n_dropped = n_dropped; /* they were counted the first time */
}
