/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A ring with stacks is full within ten milliseconds, and what is not read by then is lost. Under the fair scheduler a
 * thread may wait as long for its turn when others want the processor; so the thread that reads the rings comes first.
 */
#pragma once

/*
 * The calling thread, not those that it starts (SCHED_RESET_ON_FORK, sched(7)): real-time, round robin, at the lowest
 * priority, which needs CAP_SYS_NICE or an RLIMIT_RTPRIO that is not 0. Where it may not it asks for short slices,
 * which needs no right: since Linux 6.12 who has short ones is preferred when it wakes (kernel/sched/syscalls.c,
 * __setparam_fair()), and gets no more of the processor than others. A choice that was made before (nice(1), chrt(1), a
 * unit's CPUSchedulingPolicy=) stays.
 *
 * Nobody may keep a processor by mistake: a real-time thread that does not sleep for URGENCY_LIMIT_USEC is killed
 * (RLIMIT_RTTIME, getrlimit(2)). It is for the thread to sleep now and then.
 */
void urgency_take(void);

#define URGENCY_LIMIT_USEC (5 * 1000 * 1000)
