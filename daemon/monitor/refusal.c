/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * EACCES of perf_event_open(2) has many reasons, and the kernel tells none of them. The sysctl is asked first, because
 * Debian and Ubuntu ship it at 3 or 4 (a patch of theirs; the kernel itself ends at 2), where nobody without
 * CAP_PERFMON gets any event. If it is not that, somebody else filters the call.
 */
#include "daemon/monitor/refusal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "daemon/monitor/peer.h"

#define RESERVE_DESCRIPTORS 32 /* for what a trace opens behind its events: files, sockets, processes that help */
#define SUBJECT_BYTES 32
#define PARANOID_ENOUGH 2 /* events of one's own processes, without the kernel (perf_event_open(2)) */

static long read_paranoid(void)
{
        FILE *file = fopen("/proc/sys/kernel/perf_event_paranoid", "re");
        long level = 0;

        if (file == NULL)
                return 0;
        if (fscanf(file, "%ld", &level) != 1)
                level = 0;
        (void)fclose(file);
        return level;
}

void refusal_of_everything(pid_t pid, char text[static LINK_TEXT_BYTES])
{
        long paranoid = read_paranoid();

        if (paranoid > PARANOID_ENOUGH)
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace process %d: kernel.perf_event_paranoid is %ld, which keeps perf events "
                               "from everyone without privilege; use the faultlined service, run as root, or set "
                               "this sysctl to %d or less (sysctl kernel.perf_event_paranoid=%d)",
                               pid, paranoid, PARANOID_ENOUGH, PARANOID_ENOUGH);
        else
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace process %d: the kernel refuses all perf events here, although "
                               "kernel.perf_event_paranoid is %ld (%d or less is enough): a system call filter, as "
                               "containers have, or a security module forbids them; use the faultlined service of the "
                               "host, or run as root outside of the container",
                               pid, paranoid, PARANOID_ENOUGH);
}

static const char *subject_of(pid_t pid, char text[static SUBJECT_BYTES])
{
        if (pid == 0)
                return "the unit";
        (void)snprintf(text, SUBJECT_BYTES, "process %d", pid);
        return text;
}

/*
 * When RLIMIT_NOFILE is reached, whatever is not ours yet is in use by others. ENFILE is about the machine, and has no
 * number that would be ours to tell.
 */
static void explain_descriptors(const struct refused_events *refused, int error, char text[static LINK_TEXT_BYTES])
{
        size_t n_wanted = refused->n_threads * refused->n_cpus * refused->n_events;
        struct rlimit limit = {0};
        char subject[SUBJECT_BYTES];

        (void)getrlimit(RLIMIT_NOFILE, &limit);
        if (refused->n_allowed != 0)
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace %s: its %zu threads on %zu CPUs need %zu file descriptors even at basic "
                               "detail, and all traces of this user together may have %" PRIu64
                               " (DescriptorsPerUser= in faultlined.conf(5)); end other traces of this user",
                               subject_of(refused->pid, subject), refused->n_threads, refused->n_cpus, n_wanted,
                               refused->n_allowed);
        else if (error == EMFILE && n_wanted > 0)
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace process %d: its %zu threads on %zu CPUs need %zu file descriptors even at "
                               "basic detail, with all others of the daemon %llu, and RLIMIT_NOFILE allows %llu; raise "
                               "it (LimitNOFILE= of the service, ulimit -n)",
                               refused->pid, refused->n_threads, refused->n_cpus, n_wanted,
                               (unsigned long long)limit.rlim_cur - refused->n_open + n_wanted + RESERVE_DESCRIPTORS,
                               (unsigned long long)limit.rlim_cur);
        else
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace %s: no file descriptors are left (%s); end other traces, or raise the "
                               "limit (%s)",
                               subject_of(refused->pid, subject), strerrordesc_np(error),
                               error == EMFILE ? "LimitNOFILE= of the service, ulimit -n" : "sysctl fs.file-max");
}

void refusal_of_rights(pid_t pid, const char *what, char text[static LINK_TEXT_BYTES])
{
        if (geteuid() == 0 || have_capabilities())
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace process %d: %s, although faultlined has privilege: the process has a "
                               "capability that faultlined lacks (compare CapPrm in /proc/%d/status with CapEff in "
                               "/proc/%d/status), belongs to another user namespace, or a security module forbids it "
                               "(see /proc/%d/attr/current and the kernel log)",
                               pid, what, pid, getpid(), pid);
        else
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace process %d: %s (it belongs to another user, runs a setuid program or is "
                               "protected); run as its user or as root, or use the faultlined service",
                               pid, what);
}

void refusal_of_events(const struct refused_events *refused, int error, char text[static LINK_TEXT_BYTES])
{
        bool for_rights = error == EACCES || error == EPERM;
        char subject[SUBJECT_BYTES];

        if (error == ESRCH)
                (void)snprintf(text, LINK_TEXT_BYTES, "cannot trace process %d: it has just ended", refused->pid);
        else if (error == EMFILE || error == ENFILE)
                explain_descriptors(refused, error, text);
        else if (for_rights && read_paranoid() > PARANOID_ENOUGH)
                refusal_of_everything(refused->pid, text);
        else if (for_rights)
                refusal_of_rights(refused->pid, "its events may not be opened", text);
        else
                (void)snprintf(text, LINK_TEXT_BYTES, "cannot trace %s: perf_event_open: %s",
                               subject_of(refused->pid, subject), strerrordesc_np(error));
}
