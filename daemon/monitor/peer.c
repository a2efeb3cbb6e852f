/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The one place that reads and takes on credentials. Changing one non-zero user id for another keeps capabilities
 * (capabilities(7), "Effect of user ID changes"), and under a seccomp filter setresuid(2) may fail although we have
 * CAP_SETUID; both once made a check like ours say yes to everything. Hence: do, then read back what is, then compare.
 */
#include "daemon/monitor/peer.h"

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "daemon/link/link.h"

#define GROUPS_MAX 65536 /* NGROUPS_MAX of Linux */

static int read_groups(int socket, struct peer *peer)
{
        socklen_t n_bytes = 64 * sizeof(gid_t);

        for (;;) {
                CLEANUP_FREE gid_t *groups = malloc(MAX_OF(n_bytes, sizeof(gid_t)));

                if (groups == NULL)
                        return -ENOMEM;
                if (getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups, &n_bytes) == 0) {
                        peer->groups = TAKE_PTR(groups);
                        peer->n_groups = n_bytes / sizeof(gid_t);
                        return 0;
                }
                if (errno != ERANGE || n_bytes > GROUPS_MAX * sizeof(gid_t))
                        return -errno;
        }
}

/*
 * NSpid: lists a process's ids from our pid namespace inwards (proc_pid_status(5)): more than one means it counts
 * otherwise. A peer that is gone already has no say any more: it counts as foreign.
 */
static bool is_foreign(pid_t pid)
{
        char path[32], line[256];
        bool foreign = true;

        (void)snprintf(path, sizeof(path), "/proc/%d/status", pid);
        FILE *file = fopen(path, "re");
        if (file == NULL)
                return true;
        while (fgets(line, sizeof(line), file) != NULL)
                if (strncmp(line, "NSpid:", 6) == 0) {
                        int outer, inner;

                        foreign = sscanf(line + 6, "%d %d", &outer, &inner) != 1;
                        break;
                }
        (void)fclose(file);
        return foreign;
}

int peer_read(int socket, struct peer *ret)
{
        struct peer peer = {0};
        struct ucred cred;
        socklen_t n_bytes = sizeof(cred);
        int r;

        if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &cred, &n_bytes) < 0)
                return -errno;
        if (cred.pid <= 0 || cred.uid == (uid_t)-1 || cred.gid == (gid_t)-1)
                return -ESRCH;
        peer.uid = cred.uid;
        peer.gid = cred.gid;
        peer.pid = cred.pid;
        r = read_groups(socket, &peer);
        if (r < 0)
                return r;
        peer.is_foreign = is_foreign(peer.pid);
        *ret = peer;
        return 0;
}

int peer_copy(const struct peer *peer, struct peer *ret)
{
        gid_t *groups = malloc(MAX_OF(peer->n_groups, 1u) * sizeof(gid_t));

        if (groups == NULL)
                return -ENOMEM;
        if (peer->n_groups > 0)
                memcpy(groups, peer->groups, peer->n_groups * sizeof(gid_t));
        *ret = *peer;
        ret->groups = groups;
        return 0;
}

void peer_deinit(struct peer *peer)
{
        free(peer->groups);
        *peer = (struct peer){0};
}

unsigned int peer_rights(const struct peer *peer)
{
        if (peer->uid == 0)
                return LINK_RIGHT_KERNEL | LINK_RIGHT_EVER;
        return peer->is_admin ? LINK_RIGHT_KERNEL : 0; /* which a reload can take away */
}

bool have_capabilities(void)
{
        capng_clear(CAPNG_SELECT_ALL);
        return capng_get_caps_process() < 0 || capng_have_permitted_capabilities() != CAPNG_NONE;
}

bool peer_needs_check(const struct peer *peer)
{
        if (peer->uid == 0 || peer->is_admin)
                return false;
        return have_capabilities() || peer->uid != geteuid() || peer->gid != getegid();
}

static int compare_gids(const void *a, const void *b)
{
        const gid_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

/* Whether our supplementary groups are these, in any order. */
static bool have_groups(const gid_t *groups, size_t n_groups)
{
        int n = getgroups(0, NULL);

        if (n < 0 || (size_t)n != n_groups)
                return false;
        if (n == 0)
                return true;
        CLEANUP_FREE gid_t *ours = calloc((size_t)n, sizeof(gid_t));
        CLEANUP_FREE gid_t *theirs = calloc((size_t)n, sizeof(gid_t));
        if (ours == NULL || theirs == NULL || getgroups(n, ours) != n)
                return false;
        memcpy(theirs, groups, n_groups * sizeof(gid_t));
        qsort(ours, (size_t)n, sizeof(gid_t), compare_gids);
        qsort(theirs, (size_t)n, sizeof(gid_t), compare_gids);
        return memcmp(ours, theirs, n_groups * sizeof(gid_t)) == 0;
}

int drop_capabilities(void)
{
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        capng_clear(CAPNG_SELECT_ALL);
        if (capng_apply(CAPNG_SELECT_CAPS) != 0)
                return -EPERM;
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
                return -errno;
        return have_capabilities() ? -EPERM : 0;
}

int peer_become(const struct peer *peer)
{
        uid_t ruid, euid, suid;
        gid_t rgid, egid, sgid;
        int r;

        if (!have_groups(peer->groups, peer->n_groups) && setgroups(peer->n_groups, peer->groups) < 0)
                return -errno;
        if (setresgid(peer->gid, peer->gid, peer->gid) < 0)
                return -errno;
        if (setresuid(peer->uid, peer->uid, peer->uid) < 0)
                return -errno;
        r = drop_capabilities();
        if (r < 0)
                return r;
        if (getresuid(&ruid, &euid, &suid) < 0 || getresgid(&rgid, &egid, &sgid) < 0)
                return -errno;
        if (ruid != peer->uid || euid != peer->uid || suid != peer->uid || rgid != peer->gid || egid != peer->gid ||
            sgid != peer->gid || !have_groups(peer->groups, peer->n_groups))
                return -EPERM;
        /* A process of the peer must not be able to look into ours: it still has what the monitor had in memory. */
        return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 ? -errno : 0;
}
