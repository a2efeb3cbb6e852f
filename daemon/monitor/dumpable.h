/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a program took the events of its process away from whoever traces it. */
#pragma once

#include "daemon/monitor/target.h"

/*
 * In the stop of an exec: the kernel removed the events of the process, because it is not dumpable (begin_new_exec(),
 * fs/exec.c): its program runs set-user-ID, set-group-ID or with capabilities, or may not be read.
 */
bool target_lost_its_events(const struct target *target);
