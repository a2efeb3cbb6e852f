/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Holding must not change the target. Where the tracer has no CAP_SYS_PTRACE in the target's user namespace the kernel
 * gives a held process nothing of what a set-user-ID program or file capabilities would add (ptracer_capable() in
 * cap_bprm_creds_from_file(), security/commoncap.c): sudo(8) would fail, ping(8) as well. So without that capability
 * a target is held only for those who ask for it.
 *
 * One process has one tracer: a target that a debugger has is left alone.
 */
#include "daemon/monitor/mode.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "daemon/monitor/holders.h"
#include "daemon/monitor/records.h"
#include "daemon/monitor/tell.h"
#include "daemon/monitor/unit.h"

#define MAX_USER_NAMESPACES 33 /* nested in each other, user_namespaces(7) */

static bool is_same_file(int a, int b)
{
        struct stat x, y;

        return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Our capabilities are worth as much in our own user namespace and in those that descend from it. */
static bool is_in_our_user_namespace(const struct target *target)
{
        CLEANUP_CLOSE int ours = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        CLEANUP_CLOSE int theirs = target_open(target, "ns/user", O_RDONLY);

        for (int i = 0; i < MAX_USER_NAMESPACES && ours >= 0 && theirs >= 0; i++) {
                int parent;

                if (is_same_file(ours, theirs))
                        return true;
                parent = ioctl(theirs, NS_GET_PARENT);
                (void)close(theirs);
                theirs = parent;
        }
        return false;
}

static bool holding_changes_nothing(const struct target *target)
{
        capng_clear(CAPNG_SELECT_ALL);
        return capng_get_caps_process() == 0 && capng_have_capability(CAPNG_PERMITTED, CAP_SYS_PTRACE) == 1 &&
               is_in_our_user_namespace(target);
}

/* Somebody else's tracer has it. */
static bool is_taken(const struct attachment *trace)
{
        pid_t tracer = target_tracer(&trace->target);

        return tracer != 0 && !holders_have(trace->context, tracer);
}

static void lack_barrier(struct attachment *trace, int error)
{
        if ((trace->request.flags & LINK_ATTACH_FROM_EXEC) == 0) /* else none is needed */
                event_level_lack(&trace->level, LINK_LACKS_BARRIER, error);
}

void mode_refused(struct attachment *trace, int error)
{
        if (!trace->is_exited && error != ESRCH) {
                if (trace->mode == PTRACE_MODE_HOLD)
                        event_level_lack(&trace->level, LINK_LACKS_HOLD, error);
                lack_barrier(trace, error);
        }
        trace->mode = PTRACE_MODE_OFF;
}

void mode_choose(struct attachment *trace)
{
        trace->mode =
                trace->request.ptrace == PTRACE_MODE_AUTO ? PTRACE_MODE_HOLD : (enum ptrace_mode)trace->request.ptrace;
        if (unit_cgroup(trace) >= 0) {
                event_level_lack(&trace->level, LINK_LACKS_HOLD, EOPNOTSUPP);
                trace->mode = PTRACE_MODE_OFF;
        } else if (trace->mode == PTRACE_MODE_OFF) {
                lack_barrier(trace, 0);
        } else if (is_taken(trace)) {
                mode_refused(trace, EBUSY);
        } else if (trace->request.ptrace == PTRACE_MODE_AUTO && !holding_changes_nothing(&trace->target)) {
                trace->mode = PTRACE_MODE_LIGHT;
                event_level_lack(&trace->level, LINK_LACKS_HOLD, EACCES);
        }
}

void mode_let_go(struct attachment *trace, int error)
{
        trace->mode = PTRACE_MODE_LIGHT;
        event_level_lack(&trace->level, LINK_LACKS_HOLD, error);
        if (trace->state != ATTACHMENT_RUNNING) /* it will be told with LINK_STARTED, or does not matter any more */
                return;
        trace->started.ptrace = (uint32_t)trace->mode;
        trace->started.degraded = trace->level.degraded;
        trace->started.degraded_errno[LINK_LACKS_HOLD] = error;
        tell_degraded(trace, LINK_LACKS_HOLD, error);
        records_degraded(trace, LINK_LACKS_HOLD, error);
}
