/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of the test of maps share beside their comparisons. */
#pragma once

#include "tests/live/maps_compare.h"

/* Root, and a mount namespace of our own. */
void begin_root(void);
void stop_process(pid_t pid);
/* Field by field, also against pmap(1) and pagemap. */
void compare_process(pid_t pid);
/* The smallest program, stopped in pause(2). */
void start_smallest(struct child *child);
/* pid: the child or what it has started. */
void end_program(struct child *child, pid_t pid);

void test_known(void);
void test_refusals(void);
