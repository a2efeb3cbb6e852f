/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is at the other end of a client's socket, as the kernel recorded it at connect(2) (SO_PEERCRED and SO_PEERGROUPS,
 * unix(7)), and how a child process becomes that user.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "proto/base.h"

struct peer {
        uid_t uid;
        gid_t gid;
        pid_t pid;
        gid_t *groups; /* supplementary, owned */
        size_t n_groups;
        bool is_foreign; /* its process ids are those of another pid namespace */
        bool is_admin;   /* admins.h; set by engines.c, who reads a peer has it false */
};

/* 0; -errno; -ESRCH: the peer lives in a pid namespace that we cannot see into (pid 0). The caller peer_deinit()s. */
int peer_read(int socket, struct peer *ret) MUST_CHECK;
int peer_copy(const struct peer *peer, struct peer *ret) MUST_CHECK;
void peer_deinit(struct peer *peer);

/* What the peer may see: LINK_RIGHT_* (daemon/link/link.h). */
unsigned int peer_rights(const struct peer *peer);

/* Whether any capability is in our permitted set. */
bool have_capabilities(void);
/*
 * Whether this process may do more than the peer, so that the peer's rights must be asked for apart from our own. False
 * for uid 0 and administrators (may all) and for a peer that is just what we are.
 */
bool peer_needs_check(const struct peer *peer);

/*
 * Become the peer, for good and without any capability; only in a child process. Every step is checked and read back:
 * a setresuid(2) that fails, or that leaves capabilities because both ids were not 0, must not leave us with power.
 * 0 or -errno; on error the caller must deny and exit.
 */
int peer_become(const struct peer *peer) MUST_CHECK;
/* Drop every capability and the way back to any, keeping the user. 0 or -errno. */
int drop_capabilities(void) MUST_CHECK;
