/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring with stacks is full within milliseconds. A thread that asks for short slices is preferred when it wakes, and
 * gets no more of the processor than others do: since Linux 6.12 (kernel/sched/syscalls.c, __setparam_fair). Before,
 * nothing changes.
 */
#pragma once

/* The calling thread; those that it starts later inherit it. Needs no right. */
void slices_ask_for_short(void);
