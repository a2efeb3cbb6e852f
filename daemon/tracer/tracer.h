/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tracer: a process of its own that holds the threads of one target for the moment in which tracing begins. */
#pragma once

#include "proto/base.h"

/*
 * Seize and stop every thread of the process whose /proc directory is process_fd (O_PATH); tell the monitor
 * LINK_TRACER_STOPPED, or LINK_TRACER_FAILED with an errno number when not one thread could be had (EBUSY: another
 * tracer has them). Then hold until LINK_TRACER_GO, the end of the link, or TRACER_HOLD_MS, and let go. Returns an exit
 * status.
 *
 * It may be killed at any time: every thread then runs on, with the signals that were on their way.
 */
int tracer_main(int link_fd, int process_fd);
