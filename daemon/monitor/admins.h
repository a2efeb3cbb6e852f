/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The group whose members may trace every process, as root may: AdminGroup= of faultlined.conf(5). */
#pragma once

#include "daemon/monitor/peer.h"

struct admins {
        bool is_set; /* false: nobody but root */
        gid_t gid;
};

/*
 * The group of this name, or of this number, by getgrnam_r(3); an empty text is nobody. Asked once, when the
 * configuration is read. 0; -ESRCH: there is no such group; -EINVAL: a number that cannot be a group, or stands for
 * every group that is unknown here (user_namespaces(7), overflowgid); another -errno: it cannot be found out.
 */
int admins_find(const char *group, struct admins *ret) MUST_CHECK;
bool admins_are_same(const struct admins *a, const struct admins *b) MUST_CHECK;
/* Whether the peer at the other end of this socket is one of them. What cannot be found out is a no. */
bool admins_have(const struct admins *admins, const struct peer *peer, int socket) MUST_CHECK;
