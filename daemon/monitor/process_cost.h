/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a process of ours costs the machine. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/*
 * Processor time of all its threads, in the steps of /proc/PID/stat (utime and stime, proc_pid_stat(5)), and resident
 * memory (/proc/PID/statm). The process must be ours and not reaped, so that the number is still its own. What cannot
 * be read is 0.
 */
void process_cost_read(pid_t pid, uint64_t *ret_cpu_ns, uint64_t *ret_memory_bytes);
