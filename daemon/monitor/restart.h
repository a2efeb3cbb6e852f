/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon was told to end: is it being restarted? */
#pragma once

#include <stdbool.h>

/*
 * Whether systemd's job for our unit is a restart (also by try-restart), and not a stop. false where nobody can be
 * asked. It waits half a second at most.
 */
bool restart_is_under_way(void);
