/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The tracer: the only ptracer of one target and, where children are followed, of what descends from it. A process of
 * its own that may be killed at any time: every thread then runs on, with the signals that were on their way.
 */
#pragma once

#include "proto/base.h"

#define TRACER_STOP_MS 20 /* how long stopped threads wait for one that does not stop */
#define TRACER_BIRTH_MS                                                                                                \
        100 /* how long a child waits for its parent's event, which only a parent that was killed owes */
#define TRACER_FIRST_MS 200     /* how long the first one may take: nobody waits for it but the monitor */
#define TRACER_HOLD_MS 500      /* how long a stopped process waits for GO */
#define TRACER_EXEC_MS 500      /* how long one that executes a program does */
#define TRACER_STORY_MS 20      /* how long a story waits for room in its socket */
#define TRACER_BUSY_SIGNALS 500 /* within a second: then passing signals on is said to be costly */

/*
 * Serve the monitor's LINK_TRACER_* messages (daemon/link/link.h) until the link ends, or nothing is left to trace
 * and nobody watches. process_fd (O_PATH) is the /proc directory of the first process. Returns an exit status.
 *
 *   BARRIER pid    seize and stop every thread of pid (within TRACER_STOP_MS of the first one; what is not yet stopped
 * then is counted), answer STOPPED or FAILED. What is stopped stays so until GO, at most TRACER_HOLD_MS. WATCH trace
 * from now on hold: stay attached after GO, pass signals on, tell stories (daemon/link/story.h) to the descriptor that
 * came with it. Several traces may watch. pid: the process that the trace is of, 0 = the first one; LINK_ATTACH_FOLLOW:
 * children as well. Again for the same trace: one more process, told by the first socket. UNWATCH trace  the trace is
 * over. With a pid: the trace goes on, but may not see this process any more (it executed a program that is not for the
 * peer's eyes), nor its children. GO pid         let the threads of pid run; with nobody watching that is the end of
 * the tracer, as is the last UNWATCH. One GO for each STOPPED and each EXECED. EXECED pid     (to the monitor) held in
 * the exec, until GO pid or TRACER_EXEC_MS. Until GO no story is told of it. BUSY n         (to the monitor) so many
 * signals were passed on within a second, at least TRACER_BUSY_SIGNALS
 */
int tracer_main(int link_fd, int process_fd);
