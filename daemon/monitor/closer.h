/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Closes descriptors in a thread of its own: the last descriptor of a tracepoint takes more than 80 ms to close. */
#pragma once

#include "proto/base.h"

struct closer;

int closer_new(struct closer **ret) MUST_CHECK;
/* Close what is left, then end. Accepts NULL, returns NULL. */
struct closer *closer_free(struct closer *closer);
/* Close n descriptors (negative ones are skipped) some time soon. Takes the array, which came from malloc(), in any
 * case. */
void closer_close(struct closer *closer, int *fds, size_t n);
