/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which capability opens a door is a matter of the kernel: since Linux 5.8 and 5.9 there are CAP_PERFMON and
 * CAP_CHECKPOINT_RESTORE, but Debian's kernels still ask for CAP_SYS_ADMIN where kernel.perf_event_paranoid is 3. No
 * version number tells, so the doors are tried, with CAP_SYS_ADMIN lowered: events of a process that we have no other
 * right to look at, in kernel mode and with physical addresses, and a mapped file. What would be a question of rights
 * there is one everywhere: the check of raw tracepoints is that for CAP_PERFMON too (perf_allow_tracepoint(),
 * kernel/events/core.c), which is why nothing is dropped unless CAP_PERFMON itself is there. A tracepoint is not tried:
 * the first one of the machine costs 20 ms to enable and 80 ms to disable (warm.c).
 *
 * The process is a child that is not dumpable: there is always one, and it goes away again.
 *
 * The answer is kept: if the sysctl is made stricter later, the daemon has to be restarted.
 */
#include "daemon/monitor/power.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#define BIT(capability) (UINT64_C(1) << (capability))
#define N_CAPABILITIES 64

/* What attaching to any process needs: events; barrier, maps, tracepoint numbers; mapped files. */
#define FOR_TARGETS (BIT(CAP_PERFMON) | BIT(CAP_SYS_PTRACE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_CHECKPOINT_RESTORE))
/* Engines and helpers become the client's user, and are ended all the same. */
#define FOR_USERS (BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL))

/* ------------------------------------------------------------------ once, at the start */

static void raise_limit(int resource, rlim_t wanted)
{
        struct rlimit limit, more;

        if (getrlimit(resource, &limit) < 0)
                return;
        more = (struct rlimit){.rlim_cur = wanted, .rlim_max = MAX_OF(limit.rlim_max, wanted)};
        if (limit.rlim_max < wanted && setrlimit(resource, &more) == 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(resource, &limit);
}

void power_raise_limits(void)
{
        raise_limit(RLIMIT_NOFILE, 0);
        raise_limit(RLIMIT_MEMLOCK, RLIM_INFINITY);
        raise_limit(RLIMIT_RTPRIO, 1);
}

/*
 * Kernel symbols are shown with addresses or with zeros, decided when the file is opened. Zeros all over the first page
 * are no symbols.
 */
static bool shows_addresses(int fd)
{
        char text[4096];
        ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
        uint64_t any = 0;

        if (n <= 0)
                return false;
        text[n] = '\0';
        for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
                line += *line == '\n';
                any |= strtoull(line, NULL, 16);
        }
        return any != 0;
}

/*
 * Whoever started us may have anything there. The directory is not looked at: under ProtectProc= the service manager's
 * /proc is another one than ours, and has no place in our tree of mounts.
 */
static bool is_kallsyms_at_stdin(void)
{
        char path[64] = "";
        struct statfs fs;
        const char *slash;

        if (fstatfs(STDIN_FILENO, &fs) < 0 || fs.f_type != PROC_SUPER_MAGIC ||
            readlink("/proc/self/fd/0", path, sizeof(path) - 1) < 0)
                return false;
        slash = strrchr(path, '/');
        return slash != NULL && strcmp(slash, "/kallsyms") == 0;
}

int power_open_kallsyms(void)
{
        CLEANUP_CLOSE int fd = is_kallsyms_at_stdin() && shows_addresses(STDIN_FILENO)
                                       ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                                       : open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);

        if (fd < 0)
                return -errno;
        return shows_addresses(fd) ? TAKE_FD(fd) : -EPERM;
}

/* ------------------------------------------------------------------ files of others */

void power_files_as(uid_t uid, gid_t gid)
{
        int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);

        capng_clear(CAPNG_SELECT_ALL);
        if (capng_get_caps_process() < 0 || capng_have_capability(CAPNG_EFFECTIVE, CAP_DAC_READ_SEARCH) == 1)
                return;
        (void)setfsgid(gid);
        (void)setfsuid(uid);
        /* The kernel took that away (commit_creds(), kernel/cred.c), and with it what is ours in /proc/self. */
        if (dumpable == 1)
                (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

/* ------------------------------------------------------------------ what works */

struct stranger {
        pid_t pid; /* <= 0: none */
        int link;  /* it ends when this is closed */
};

/* In the child: become what only the powerful may look at, say so, and wait for the end. */
_Noreturn static void be_stranger(int link)
{
        char byte = 0;

        if (prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && write(link, "", 1) == 1)
                while (read(link, &byte, 1) > 0)
                        continue;
        _exit(EXIT_SUCCESS);
}

static void stranger_end(struct stranger *stranger)
{
        if (stranger->pid <= 0)
                return;
        (void)close(stranger->link);
        (void)waitpid(stranger->pid, NULL, 0);
}

/* false: there is none, or it did not become one. */
static bool stranger_start(struct stranger *ret)
{
        int sockets[2];
        char byte;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
                return false;
        *ret = (struct stranger){.pid = fork(), .link = sockets[0]};
        if (ret->pid == 0) {
                (void)close(sockets[0]);
                be_stranger(sockets[1]);
        }
        (void)close(sockets[1]);
        if (ret->pid < 0)
                (void)close(sockets[0]);
        return ret->pid > 0 && read(ret->link, &byte, 1) == 1;
}

static bool can_count(pid_t pid)
{
        struct perf_event_attr attr = {.size = sizeof(attr),
                                       .type = PERF_TYPE_SOFTWARE,
                                       .config = PERF_COUNT_SW_PAGE_FAULTS,
                                       .sample_period = 1,
                                       .sample_type = PERF_SAMPLE_ADDR | PERF_SAMPLE_PHYS_ADDR,
                                       .disabled = 1};
        CLEANUP_CLOSE int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

        return fd >= 0;
}

/* Its own program, as a mapped file. */
static bool can_open_mapped(void)
{
        char line[512], range[64], path[128];
        FILE *maps = fopen("/proc/self/maps", "re");
        bool found = false;

        if (maps == NULL)
                return false;
        while (!found && fgets(line, sizeof(line), maps) != NULL)
                found = sscanf(line, "%63s", range) == 1 && strchr(line, '/') != NULL;
        (void)fclose(maps);
        (void)snprintf(path, sizeof(path), "/proc/self/map_files/%s", range);
        CLEANUP_CLOSE int fd = found ? open(path, O_PATH | O_CLOEXEC) : -1;
        return fd >= 0;
}

/* ------------------------------------------------------------------ giving up */

static uint64_t read_permitted(void)
{
        uint64_t permitted = 0;

        capng_clear(CAPNG_SELECT_ALL);
        if (capng_get_caps_process() < 0)
                return 0;
        for (unsigned int i = 0; i < N_CAPABILITIES && i <= (unsigned int)CAP_LAST_CAP; i++)
                permitted |= capng_have_capability(CAPNG_PERMITTED, i) == 1 ? BIT(i) : 0;
        return permitted;
}

/* The inheritable set becomes empty, and with it the ambient one (capabilities(7)). 0 or -errno. */
static int set_capabilities(uint64_t permitted, uint64_t effective)
{
        capng_clear(CAPNG_SELECT_CAPS);
        for (unsigned int i = 0; i < N_CAPABILITIES && i <= (unsigned int)CAP_LAST_CAP; i++) {
                if ((permitted & BIT(i)) != 0)
                        (void)capng_update(CAPNG_ADD, CAPNG_PERMITTED, i);
                if ((effective & BIT(i)) != 0)
                        (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE, i);
        }
        return capng_apply(CAPNG_SELECT_CAPS) != 0 ? -EPERM : 0;
}

/* Whether all that CAP_SYS_ADMIN might be asked for works while it is not in effect. */
static bool works_without_admin(uint64_t permitted)
{
        CLEANUP(stranger_end) struct stranger stranger = {0};

        return stranger_start(&stranger) && set_capabilities(permitted, permitted & ~BIT(CAP_SYS_ADMIN)) == 0 &&
               can_count(stranger.pid) && can_open_mapped();
}

static bool limit_suffices(int resource, uint64_t wanted)
{
        struct rlimit limit;

        return getrlimit(resource, &limit) == 0 && limit.rlim_cur >= wanted;
}

static uint64_t choose(uint64_t permitted, uint64_t n_ring_bytes, bool one_user)
{
        uint64_t kept = FOR_TARGETS | BIT(CAP_SYS_ADMIN);

        if (!one_user)
                kept |= FOR_USERS;
        if (!limit_suffices(RLIMIT_MEMLOCK, n_ring_bytes))
                kept |= BIT(CAP_IPC_LOCK);
        if (!limit_suffices(RLIMIT_RTPRIO, 1)) /* urgency.h */
                kept |= BIT(CAP_SYS_NICE);
        if ((permitted & BIT(CAP_SYS_ADMIN)) != 0 && (permitted & BIT(CAP_PERFMON)) != 0 &&
            works_without_admin(permitted))
                kept &= ~BIT(CAP_SYS_ADMIN);
        return permitted & kept;
}

/* It bounds what an execve(2) may gain, not what we have; we execute nothing. */
static void empty_bounding_set(void)
{
        for (unsigned int i = 0; i < N_CAPABILITIES && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
                (void)prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
}

int power_reduce(uint64_t n_ring_bytes, bool one_user, struct power *ret)
{
        uint64_t permitted = read_permitted(), kept = choose(permitted, n_ring_bytes, one_user);
        int r;

        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        empty_bounding_set();
        r = set_capabilities(kept, kept);
        if (r < 0)
                return r;
        (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
        if (read_permitted() != kept)
                return -EPERM;
        *ret = (struct power){.held = kept, .given_up = permitted & ~kept};
        return 0;
}

/* ------------------------------------------------------------------ telling */

/* "CAP_" and the name in capitals; false if it does not fit. */
static bool put_name(char *text, size_t *n, unsigned int capability)
{
        const char *name = capng_capability_to_name(capability);
        size_t n_needed = name == NULL ? 0 : strlen(", CAP_") + strlen(name);

        if (name == NULL || *n + n_needed >= POWER_TEXT_BYTES)
                return false;
        *n += (size_t)sprintf(text + *n, "%sCAP_", *n == 0 ? "" : ", ");
        for (; *name != '\0'; name++)
                text[(*n)++] = (char)(*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name);
        text[*n] = '\0';
        return true;
}

void power_text(uint64_t capabilities, char text[static POWER_TEXT_BYTES])
{
        size_t n = 0;

        (void)strcpy(text, "none");
        for (unsigned int i = 0; i < N_CAPABILITIES; i++)
                if ((capabilities & BIT(i)) != 0 && !put_name(text, &n, i))
                        return;
}
