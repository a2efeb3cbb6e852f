/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An allow-list for each role, all in one table because the monitor forks the others: a filter is inherited and cannot
 * be widened, so the monitor's must have what any of them needs. What nobody needs is therefore closed from the start:
 * executing programs, namespaces, mounts, kernel modules, BPF, keys, io_uring, userfaultfd.
 *
 *   engine   opens nothing by name, makes no processes and no sockets: files come as descriptors from the monitor
 *   tracer   ptrace(2), what /proc says of its tracees, the stack of a thread that is about to get a SIGSEGV
 *   helper   opens files, asks systemd for a unit, becomes the peer and asks whether that may trace a process
 *   monitor  all of these, and perf_event_open(2), fork(2), accept(2)
 *
 * systemd's SystemCallFilter= is no replacement: it has to let the service be executed, a private daemon has no
 * systemd, and it is the same for all four.
 *
 * The compiled program is kept apart from libseccomp's state, because helpers are forked by the hundred, and compiling
 * takes a third of a millisecond of the time that a target may have to wait in its exec.
 */
#include "daemon/link/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon/link/procmap.h"

#define H (1u << SANDBOX_HELPER)
#define T (1u << SANDBOX_TRACER)
#define E (1u << SANDBOX_ENGINE)
#define ALL (H | T | E)

#define NAMESPACES                                                                                                     \
        (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

/* Who may call it beside the monitor, which may call all of these. */
static const struct {
        int call;
        unsigned int roles;
} table[] = {
        /* What a C program and the sanitizers need for being one. */
        {SCMP_SYS(read), ALL},
        {SCMP_SYS(write), ALL},
        {SCMP_SYS(writev), ALL},
        {SCMP_SYS(close), ALL},
        {SCMP_SYS(fstat), ALL},
        {SCMP_SYS(newfstatat), ALL},
        {SCMP_SYS(lseek), ALL},
        {SCMP_SYS(fcntl), H | T}, /* and the engine: add_engine_rules() */
        {SCMP_SYS(mmap), H | T},
        {SCMP_SYS(munmap), ALL},
        {SCMP_SYS(mremap), ALL},
        {SCMP_SYS(mprotect), ALL},
        {SCMP_SYS(madvise), ALL},
        {SCMP_SYS(brk), ALL},
        {SCMP_SYS(futex), ALL},
        {SCMP_SYS(clock_gettime), ALL},
        {SCMP_SYS(gettimeofday), ALL},
        {SCMP_SYS(clock_nanosleep), ALL},
        {SCMP_SYS(getpid), ALL},
        {SCMP_SYS(gettid), ALL},
        {SCMP_SYS(rt_sigreturn), ALL},
        {SCMP_SYS(rt_sigaction), ALL},
        {SCMP_SYS(rt_sigprocmask), ALL},
        {SCMP_SYS(sigaltstack), ALL},
        {SCMP_SYS(tgkill), H | T},
        {SCMP_SYS(exit), ALL},
        {SCMP_SYS(exit_group), ALL},
        {SCMP_SYS(restart_syscall), ALL},
        {SCMP_SYS(getrandom), ALL},
        {SCMP_SYS(sched_yield), ALL},
        {SCMP_SYS(sched_getaffinity), ALL},
        {SCMP_SYS(rseq), ALL},
        {SCMP_SYS(set_robust_list), ALL},
        {SCMP_SYS(getrusage), ALL},
        {SCMP_SYS(sysinfo), ALL},
        {SCMP_SYS(prlimit64), H | T},
        /* The link, and the sockets that came by it. */
        {SCMP_SYS(recvmsg), ALL},
        {SCMP_SYS(sendmsg), ALL},
        {SCMP_SYS(sendto), ALL},
        {SCMP_SYS(recvfrom), H | E},
        {SCMP_SYS(setsockopt), H | T},
        {SCMP_SYS(poll), H | T},
        {SCMP_SYS(ppoll), H | T},
        {SCMP_SYS(epoll_wait), E},
        {SCMP_SYS(epoll_pwait), E},
        {SCMP_SYS(epoll_ctl), E},
        /* Files and /proc. */
        {SCMP_SYS(pread64), ALL},
        {SCMP_SYS(fstatfs), H | E},
        {SCMP_SYS(openat), H | T},
        {SCMP_SYS(open), H | T},
        {SCMP_SYS(getdents64), H | T},
        {SCMP_SYS(openat2), H},
        {SCMP_SYS(stat), H},
        {SCMP_SYS(lstat), H},
        {SCMP_SYS(statx), H},
        {SCMP_SYS(statfs), H},
        {SCMP_SYS(access), H},
        {SCMP_SYS(faccessat), H},
        {SCMP_SYS(faccessat2), H},
        {SCMP_SYS(readlink), H},
        {SCMP_SYS(readlinkat), H},
        {SCMP_SYS(dup), H},
        {SCMP_SYS(name_to_handle_at), H},
        /* Other processes. */
        {SCMP_SYS(ptrace), T},
        {SCMP_SYS(process_vm_readv), T},
        {SCMP_SYS(wait4), T},
        {SCMP_SYS(waitid), T},
        {SCMP_SYS(kcmp), H | T},
        {SCMP_SYS(pidfd_getfd), H},
        {SCMP_SYS(pidfd_send_signal), H},
        {SCMP_SYS(pidfd_open), H},
        /* The own credentials. */
        {SCMP_SYS(setgroups), H},
        {SCMP_SYS(setresgid), H},
        {SCMP_SYS(setresuid), H},
        {SCMP_SYS(setfsgid), H},
        {SCMP_SYS(setfsuid), H},
        {SCMP_SYS(getgroups), H},
        {SCMP_SYS(getresgid), H},
        {SCMP_SYS(getresuid), H},
        {SCMP_SYS(getuid), H},
        {SCMP_SYS(geteuid), H},
        {SCMP_SYS(getgid), H},
        {SCMP_SYS(getegid), H},
        {SCMP_SYS(capget), H},
        {SCMP_SYS(capset), H},
        {SCMP_SYS(prctl), H},
        /* The system bus. */
        {SCMP_SYS(socket), H},
        {SCMP_SYS(connect), H},
        {SCMP_SYS(getsockopt), H},
        {SCMP_SYS(getsockname), H},
        {SCMP_SYS(getpeername), H},
        {SCMP_SYS(memfd_create), H},
        {SCMP_SYS(uname), H},
        {SCMP_SYS(getppid), H},
        /* The monitor. */
        {SCMP_SYS(perf_event_open), 0},
        {SCMP_SYS(ioctl), 0},
        {SCMP_SYS(fork), 0},
        {SCMP_SYS(vfork), 0},
        {SCMP_SYS(kill), 0},
        {SCMP_SYS(close_range), 0},
        {SCMP_SYS(seccomp), 0},
        {SCMP_SYS(socketpair), 0},
        {SCMP_SYS(bind), 0},
        {SCMP_SYS(listen), 0},
        {SCMP_SYS(accept), 0},
        {SCMP_SYS(accept4), 0},
        {SCMP_SYS(shutdown), 0},
        {SCMP_SYS(sendmmsg), 0},
        {SCMP_SYS(recvmmsg), 0},
        {SCMP_SYS(unlink), 0},
        {SCMP_SYS(unlinkat), 0},
        {SCMP_SYS(mkdir), 0},
        {SCMP_SYS(mkdirat), 0},
        {SCMP_SYS(rename), 0},
        {SCMP_SYS(renameat), 0},
        {SCMP_SYS(renameat2), 0},
        {SCMP_SYS(chmod), 0},
        {SCMP_SYS(fchmod), 0},
        {SCMP_SYS(fchmodat), 0},
        {SCMP_SYS(umask), 0},
        {SCMP_SYS(getcwd), 0},
        {SCMP_SYS(fsync), 0},
        {SCMP_SYS(ftruncate), 0},
        {SCMP_SYS(fallocate), 0},
        {SCMP_SYS(getdents), 0}, /* LeakSanitizer, at the end */
        {SCMP_SYS(readv), 0},
        {SCMP_SYS(pwrite64), 0},
        {SCMP_SYS(dup2), 0},
        {SCMP_SYS(dup3), 0},
        {SCMP_SYS(pipe), 0},
        {SCMP_SYS(pipe2), 0},
        {SCMP_SYS(select), 0},
        {SCMP_SYS(pselect6), 0},
        {SCMP_SYS(epoll_create1), 0},
        {SCMP_SYS(epoll_pwait2), 0},
        {SCMP_SYS(eventfd2), 0},
        {SCMP_SYS(signalfd4), 0},
        {SCMP_SYS(timerfd_create), 0},
        {SCMP_SYS(timerfd_settime), 0},
        {SCMP_SYS(timerfd_gettime), 0},
        {SCMP_SYS(inotify_init1), 0},
        {SCMP_SYS(inotify_add_watch), 0},
        {SCMP_SYS(inotify_rm_watch), 0},
        {SCMP_SYS(clock_getres), 0},
        {SCMP_SYS(nanosleep), 0},
        {SCMP_SYS(alarm), 0},
        {SCMP_SYS(pause), 0},
        {SCMP_SYS(rt_sigpending), 0},
        {SCMP_SYS(rt_sigsuspend), 0},
        {SCMP_SYS(rt_sigtimedwait), 0},
        {SCMP_SYS(sched_getattr), 0},
        {SCMP_SYS(sched_setattr), 0},
        {SCMP_SYS(sched_getscheduler), 0},
        {SCMP_SYS(sched_getparam), 0},
        {SCMP_SYS(sched_setscheduler), 0},
        {SCMP_SYS(getpriority), 0},
        {SCMP_SYS(getcpu), 0},
        {SCMP_SYS(getpgrp), 0},
        {SCMP_SYS(getpgid), 0},
        {SCMP_SYS(getsid), 0},
        {SCMP_SYS(set_tid_address), 0},
        {SCMP_SYS(arch_prctl), 0},
        {SCMP_SYS(membarrier), 0},
        {SCMP_SYS(mincore), 0},
        {SCMP_SYS(msync), 0},
        {SCMP_SYS(times), 0},
        {SCMP_SYS(time), 0},
};

static struct sock_fprog prepared[N_SANDBOX_ROLES]; /* of this process, by its ancestor or itself; len 0 = not yet */

/*
 * That of root runs as the monitor's own user, so without these it could end the monitor or take its descriptors away:
 * by a signal, by the signal of a descriptor (F_SETOWN), by a limit. And memory that the limit of an engine does not
 * count (RLIMIT_DATA) would be without bound: what is shared and belongs to no file, and stacks that grow.
 */
static int add_engine_rules(scmp_filter_ctx filter)
{
        static const int commands[] = {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD,     F_SETFD,
                                       F_GETFL, F_SETFL,         F_GET_SEALS, F_ADD_SEALS};
        static const scmp_datum_t mappings[] = {0, MAP_SHARED, MAP_ANONYMOUS};
        const scmp_datum_t number = UINT32_MAX, mapping = MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN;
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(commands) && r >= 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(fcntl), 1,
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, number, (scmp_datum_t)commands[i]));
        for (size_t i = 0; i < ARRAY_SIZE(mappings) && r >= 0; i++)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                                     SCMP_A3(SCMP_CMP_MASKED_EQ, mapping, mappings[i]));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, number, (scmp_datum_t)getpid()));
        if (r >= 0)
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, number, 0));
        return r;
}

static int add_rules(scmp_filter_ctx filter, enum sandbox_role role)
{
        int r = 0;

        for (size_t i = 0; i < ARRAY_SIZE(table) && r >= 0; i++)
                if (role == SANDBOX_MONITOR || (table[i].roles & (1u << role)) != 0)
                        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, table[i].call, 0);
        if (r >= 0 && (role == SANDBOX_ENGINE || role == SANDBOX_HELPER))
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                     SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffu, PROCMAP_QUERY_REQUEST));
        if (r >= 0 && role == SANDBOX_ENGINE)
                r = add_engine_rules(filter);
        if (r >= 0 && role == SANDBOX_MONITOR) /* clone3(2) has its flags in memory, which no filter can see */
                r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                                     SCMP_A0(SCMP_CMP_MASKED_EQ, NAMESPACES, 0));
        return r;
}

static int read_program(int fd, struct sock_fprog *ret)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_size == 0 || st.st_size > (off_t)(BPF_MAXINSNS * sizeof(*ret->filter)))
                return -E2BIG;
        CLEANUP_FREE struct sock_filter *program = malloc((size_t)st.st_size);
        if (program == NULL)
                return -ENOMEM;
        if (pread(fd, program, (size_t)st.st_size, 0) != st.st_size)
                return -EIO;
        ret->filter = TAKE_PTR(program);
        ret->len = (unsigned short)((size_t)st.st_size / sizeof(*ret->filter));
        return 0;
}

int sandbox_prepare(enum sandbox_role role)
{
        CLEANUP_CLOSE int fd = memfd_create("filter", MFD_CLOEXEC);
        scmp_filter_ctx filter;
        int r;

        if (fd < 0)
                return -errno;
        filter = seccomp_init(SCMP_ACT_ERRNO(role == SANDBOX_MONITOR ? ENOSYS : EPERM));
        if (!filter)
                return -ENOMEM;
        r = add_rules(filter, role);
        if (r >= 0)
                r = seccomp_export_bpf(filter, fd);
        seccomp_release(filter);
        return r < 0 ? r : read_program(fd, &prepared[role]);
}

int sandbox_enter(enum sandbox_role role)
{
        int r = prepared[role].len == 0 ? sandbox_prepare(role) : 0;

        if (r < 0)
                return r;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &prepared[role]) != 0 ? -errno
                                                                                                              : 0;
}
