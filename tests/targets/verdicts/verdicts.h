/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * verdicts CASE [TIMES]: one kind of failed access each, TIMES times with a handler that jumps out again (or repairs);
 * with 0 there is no handler, and the first one kills.
 *
 * Expectations are lines of JSON of a "signal", as faultline would say it; what differs from trace to trace is left
 * out. Behind "done" comes what the handler saw: "saw N SIGNO CODE ADDRESS".
 */
#pragma once

#include <stddef.h>

#include "tests/targets/target.h"

/* A function with a frame and a symbol of its own: gcc would make copies with other names. */
#if __has_attribute(noipa)
#define ITS_OWN __attribute__((noipa))
#else
#define ITS_OWN __attribute__((noinline))
#endif

/* struck.S */
void struck_read(const volatile void *p);
void struck_write(const volatile void *p); /* writes all the same */
void struck_call(const volatile void *p);
void struck_push(void *stack);

/* How often; 0: until it kills. */
size_t strike_times(void);
/* From here on signals are caught, if they are to be; a handler runs on a stack of its own. */
void strike_catch(void);
/* Instead of jumping out of the handler. */
void strike_repair_with(void (*repair)(char *address));
/* how(p), called by inner(), called by middle(), called by outer(): as often as it is to be, in spite of signals. */
void strike_repeat(void (*how)(const volatile void *), const volatile void *p);
/* The same once, where a handler repairs. */
void strike_once(void (*how)(const volatile void *), const volatile void *p);
/* extra: more fields, each begun by a comma. */
void strike_expect(const char *signo, const char *code, const char *verdict, const char *extra);
/* "done", and what the handler saw. */
void strike_finish(void);

/* n pages alone in a hole much larger than they are, present. */
char *lonely_pages(size_t n_pages);

/* Cases of stacks.c and sent.c, for the table. */
void main_stack(void);
void thread_stack(void);
void own_stack(void);
void sent(void);
