/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trace of a whole unit or cgroup instead of one process (link_attach.pid 0).
 *
 * uid 0 gets events of the cgroup: whoever runs in it, whatever it executes, one event of a kind on each CPU. They
 * outlive an exec that takes a process out of a user's hands, so everybody else gets events process by process, each
 * authorized like a target: those that are there, what descends from them, and what comes into the cgroup later.
 */
#pragma once

#include "daemon/monitor/attachment.h"

struct unit; /* what a trace of a unit has beside a trace of a process */

/* Begin: find it, then attachment_prepare(); or the refusal is told, and the trace freed, now or later. */
void unit_request(struct attachment *trace);
struct unit *unit_free(struct unit *unit); /* accepts NULL, returns NULL */

/* The cgroup whose events are to be opened, or -1: those of ->target. */
int unit_cgroup(const struct attachment *trace);
/* The directory of its cgroup (borrowed), or -1: not a trace of a unit. */
int unit_directory(const struct attachment *trace);
/* The threads in it now, for their names: into ->events.threads. Only where unit_cgroup() is one. */
void unit_list_threads(struct attachment *trace);
/*
 * Before the peer is told that the trace has begun: the processes that are in the cgroup, so that they are known
 * whatever they do next. Only where unit_cgroup() is one; others are told of as they are taken in.
 */
void unit_tell_processes(struct attachment *trace);
/* The trace runs: take in the other processes, and go on looking for new ones. */
void unit_started(struct attachment *trace);
/* Some process lives in it, seen by us or not. false for a trace of a process. */
bool unit_is_populated(const struct attachment *trace);
