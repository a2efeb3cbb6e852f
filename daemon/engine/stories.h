/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket on which the tracer tells stories (daemon/link/story.h), read one by one and checked. */
#pragma once

#include <stdbool.h>

#include "daemon/link/story.h"
#include "proto/base.h"

struct stories {
        int fd;         /* owned; -1 = nobody holds the target, or not any more */
        bool has_next;  /* next is a story that has been read and not yet taken */
        bool has_ended; /* the tracer has let go; what it told before has been read */
        struct story next;
};

/* Takes the descriptor, -1 = none. 0 or -ENOMEM. */
int stories_new(int fd, struct stories **ret) MUST_CHECK;
struct stories *stories_free(struct stories *stories); /* NULL passes through; returns NULL */
/*
 * The next story, which stays the next until stories_pop(); NULL = none yet, or none any more. What is no story (a
 * wrong size, a type not known here) is skipped. Within stack[] only signal.n_stack_bytes bytes are set. Borrowed.
 */
const struct story *stories_peek(struct stories *stories);
void stories_pop(struct stories *stories);
