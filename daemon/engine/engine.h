/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine process: the one that parses everything and holds no power. */
#pragma once

/*
 * Serve until the monitor closes link_fd (one end of a link socketpair, see daemon/link/link.h; owned). Called in a
 * process of its own, already without privileges. Returns its exit status.
 */
int engine_main(int link_fd);
