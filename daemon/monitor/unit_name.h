/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which systemd unit a process belongs to, by the path of its control group. Pure. */
#pragma once

#include <stddef.h>

#define UNIT_NAME_BYTES 256

/*
 * Of the text of /proc/PID/cgroup (cgroups(7)): the unit of the system's manager ("nginx.service", "session-3.scope"),
 * and of a user's manager with the unit inside it ("user@1000.service/editor.service"), so that no user can take the
 * name of a unit of the system. Slices are none. "" = in no unit, or the text is cut off. Bytes that are not printable
 * ASCII are escaped as \xHH, and what is longer than UNIT_NAME_BYTES is cut.
 */
void unit_name_of_process(const char *text, size_t n_text, char ret[static UNIT_NAME_BYTES]);
/* The same of a path of a control group. */
void unit_name_of_path(const char *path, size_t n_path, char ret[static UNIT_NAME_BYTES]);
