/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Stories come from a process of our own, and yet from one whose input is a hostile target's: sizes are checked. There
 * is room for one: the socket is the queue, and its bound.
 */
#include "daemon/engine/stories.h"

#include <errno.h>
#include <sys/socket.h>

int stories_new(int fd, struct stories **ret)
{
        struct stories *stories = calloc(1, sizeof(*stories));

        if (!stories) {
                cleanup_close(&fd);
                return -ENOMEM;
        }
        stories->fd = fd;
        stories->has_ended = fd < 0;
        *ret = stories;
        return 0;
}

struct stories *stories_free(struct stories *stories)
{
        if (stories)
                cleanup_close(&stories->fd);
        free(stories);
        return NULL;
}

static bool is_story(const struct story *story, size_t n_bytes)
{
        if (n_bytes < STORY_HEAD_BYTES)
                return false;
        switch (story->type) {
        case STORY_SIGNAL:
                return story->signal.n_stack_bytes == n_bytes - STORY_HEAD_BYTES;
        case STORY_FORK:
        case STORY_EXIT:
                return true;
        default:
                return false;
        }
}

static void end(struct stories *stories)
{
        cleanup_close(&stories->fd);
        stories->fd = -1;
        stories->has_ended = true;
}

const struct story *stories_peek(struct stories *stories)
{
        ssize_t n;

        while (!stories->has_next && stories->fd >= 0) {
                n = recv(stories->fd, &stories->next, sizeof(stories->next), MSG_DONTWAIT);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0 && errno == EAGAIN)
                        return NULL;
                if (n <= 0)
                        end(stories);
                else
                        stories->has_next = is_story(&stories->next, (size_t)n);
        }
        return stories->has_next ? &stories->next : NULL;
}

void stories_pop(struct stories *stories)
{
        stories->has_next = false;
}
