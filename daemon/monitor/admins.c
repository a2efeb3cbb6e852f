/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who is an administrator is decided once for a connection, by what the kernel recorded at connect(2); no name service
 * is asked about a peer, because its answer would be about a user and not about this process, and could be late.
 *
 * The kernel gives the peer's groups as numbers of our own user namespace (cred_to_ucred() and groups_to_user(),
 * net/core/sock.c). So a number that a container counts in its own way does not reach us: it comes as what it is here,
 * or as the overflow gid, which therefore cannot be the group. But whoever has CAP_SETGID in a namespace that maps our
 * numbers onto themselves can take on any of them, the group's too, without anybody here having given it to them. Hence
 * a peer of another user namespace than ours is none, whatever its groups; one of another pid namespace neither, which
 * may trace nothing anyway (attachment.c). The namespace is that of the process that connected: its pidfd (Linux 6.5)
 * says that the number was its own while we looked. Before 6.5 a number that was used again could hide that a peer
 * lives in another namespace; the groups are right all the same.
 *
 * What this power is, and is not:
 * - A connection's rights are fixed in the struct peer of the connection and of each of its traces. A user may have
 *   connections with the power (a shell after newgrp(1)) and others without it at the same time; these never meet in
 *   one engine (engines.c), so nothing of what one may see is in the other's process.
 * - A reload that changes the group takes the power from every connection and trace there is (engines_set_admins()):
 *   what they ask from then on, also for the children and execs of a trace that runs, the kernel is asked again. Nobody
 *   gets it by a reload: who has it under the new group connects again, which puts them into another engine.
 * - It is power over processes. A file that is looked for by its name is opened as the peer (opens.c), for the group
 *   is not a way to read what only root may read.
 */
#include "daemon/monitor/admins.h"

#include <ctype.h>
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* asm-generic/socket.h */
#endif

#define OVERFLOW_GID 65534
#define ENTRY_MAX_BYTES ((size_t)1 << 20) /* of a group with some ten thousand members */

static gid_t overflow_gid(void)
{
        FILE *file = fopen("/proc/sys/kernel/overflowgid", "re");
        unsigned int gid;

        if (file == NULL)
                return OVERFLOW_GID;
        if (fscanf(file, "%u", &gid) != 1)
                gid = OVERFLOW_GID;
        (void)fclose(file);
        return gid;
}

/* -EINVAL: it is not a number from 0 to 2^32 - 2. */
static int parse_gid(const char *text, gid_t *ret)
{
        unsigned long long value;
        char *end;

        errno = 0;
        value = strtoull(text, &end, 10);
        if (!isdigit((unsigned char)*text) || errno != 0 || *end != '\0' || value >= (gid_t)-1)
                return -EINVAL;
        *ret = (gid_t)value;
        return 0;
}

static int find_name(const char *name, gid_t *ret)
{
        for (size_t n_bytes = 4096; n_bytes <= ENTRY_MAX_BYTES; n_bytes *= 4) {
                CLEANUP_FREE char *bytes = malloc(n_bytes);
                struct group entry, *found;
                int r = bytes == NULL ? ENOMEM : getgrnam_r(name, &entry, bytes, n_bytes, &found);

                if (r == ERANGE)
                        continue;
                /* Some name services call what does not exist an error (getgrnam(3)). */
                if (r == 0 && found == NULL)
                        return -ESRCH;
                if (r != 0)
                        return r == ENOENT || r == ESRCH || r == EBADF || r == EPERM ? -ESRCH : -r;
                *ret = entry.gr_gid;
                return 0;
        }
        return -ERANGE;
}

int admins_find(const char *group, struct admins *ret)
{
        struct admins admins = {.is_set = true};
        int r;

        if (*group == '\0') {
                *ret = (struct admins){0};
                return 0;
        }
        r = isdigit((unsigned char)*group) ? parse_gid(group, &admins.gid) : find_name(group, &admins.gid);
        if (r < 0)
                return r;
        if (admins.gid == overflow_gid())
                return -EINVAL;
        *ret = admins;
        return 0;
}

bool admins_are_same(const struct admins *a, const struct admins *b)
{
        return a->is_set == b->is_set && (!a->is_set || a->gid == b->gid);
}

static bool is_in_group(gid_t gid, const struct peer *peer)
{
        for (size_t i = 0; i < peer->n_groups; i++)
                if (peer->groups[i] == gid)
                        return true;
        return peer->gid == gid;
}

/* Whether the process of this number is the peer's: -1 = the kernel cannot tell. */
static bool is_alive(int pidfd)
{
        struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};

        return pidfd < 0 || poll(&poll_fd, 1, 0) == 0;
}

static bool is_in_our_user_namespace(const struct peer *peer, int socket)
{
        CLEANUP_CLOSE int pidfd = -1;
        socklen_t n_bytes = sizeof(pidfd);
        struct stat ours, theirs;
        char path[40];

        if (getsockopt(socket, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &n_bytes) < 0) {
                pidfd = -1;
                if (errno != ENOPROTOOPT)
                        return false;
        }
        (void)snprintf(path, sizeof(path), "/proc/%d/ns/user", peer->pid);
        return stat("/proc/self/ns/user", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_dev == theirs.st_dev &&
               ours.st_ino == theirs.st_ino && is_alive(pidfd);
}

bool admins_have(const struct admins *admins, const struct peer *peer, int socket)
{
        return admins->is_set && !peer->is_foreign && is_in_group(admins->gid, peer) &&
               is_in_our_user_namespace(peer, socket);
}
