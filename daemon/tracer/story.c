/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What only ptrace sees, told while the thread stands still. Of its memory only what is present is read: pagemap says
 * so first, for process_vm_readv(2) would fault pages in, which changes the target that we show.
 *
 * The engine that listens may be slow or stopped, and the target must not wait for it: a story waits for room once, at
 * most TRACER_STORY_MS; while a watch is behind, the next ones do not wait at all. What was not told is counted in the
 * next story that is. A watch whose socket has nobody at the other end is over.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>

#include "daemon/link/clock.h"
#include "daemon/tracer/tracer_private.h"

#define PAGE_BYTES 4096u /* x86-64 has no other base page */
/* Between the stack pointer and the stack that it left: what one function may need at once. */
#define MAX_GAP_PAGES 16u
#define MAX_PAGES (MAX_GAP_PAGES + STORY_STACK_BYTES / PAGE_BYTES + 1)
#define PAGEMAP_PRESENT (UINT64_C(1) << 63) /* Documentation/admin-guide/mm/pagemap.rst */

/* ------------------------------------------------------------------ the thread */

/* NT_PRSTATUS of a thread that runs 32-bit code: struct user_regs_struct32 of the kernel. */
struct registers32 {
        uint32_t ebx, ecx, edx, esi, edi, ebp, eax, ds, es, fs, gs, orig_eax, eip, cs, eflags, esp, ss;
};

static void fill_registers64(uint64_t *registers, const struct user_regs_struct *user)
{
        registers[STORY_RAX] = user->rax;
        registers[STORY_RBX] = user->rbx;
        registers[STORY_RCX] = user->rcx;
        registers[STORY_RDX] = user->rdx;
        registers[STORY_RSI] = user->rsi;
        registers[STORY_RDI] = user->rdi;
        registers[STORY_RBP] = user->rbp;
        registers[STORY_RSP] = user->rsp;
        registers[STORY_R8] = user->r8;
        registers[STORY_R9] = user->r9;
        registers[STORY_R10] = user->r10;
        registers[STORY_R11] = user->r11;
        registers[STORY_R12] = user->r12;
        registers[STORY_R13] = user->r13;
        registers[STORY_R14] = user->r14;
        registers[STORY_R15] = user->r15;
        registers[STORY_RIP] = user->rip;
        registers[STORY_EFLAGS] = user->eflags;
}

static void fill_registers32(uint64_t *registers, const struct registers32 *user)
{
        registers[STORY_RAX] = user->eax;
        registers[STORY_RBX] = user->ebx;
        registers[STORY_RCX] = user->ecx;
        registers[STORY_RDX] = user->edx;
        registers[STORY_RSI] = user->esi;
        registers[STORY_RDI] = user->edi;
        registers[STORY_RBP] = user->ebp;
        registers[STORY_RSP] = user->esp;
        registers[STORY_RIP] = user->eip;
        registers[STORY_EFLAGS] = user->eflags;
}

static void read_registers(pid_t tid, struct story_signal *signal)
{
        union {
                struct user_regs_struct user64;
                struct registers32 user32;
        } registers;
        struct iovec iov = {.iov_base = &registers, .iov_len = sizeof(registers)};

        if (ptrace(PTRACE_GETREGSET, tid, (void *)(uintptr_t)NT_PRSTATUS, &iov) < 0)
                return;
        if (iov.iov_len == sizeof(registers.user64)) {
                signal->abi = 64;
                fill_registers64(signal->registers, &registers.user64);
        } else if (iov.iov_len == sizeof(registers.user32)) {
                signal->abi = 32;
                fill_registers32(signal->registers, &registers.user32);
        }
}

/* The pages from the address on, as many as can be had; how many. */
static size_t read_pagemap(pid_t tid, uint64_t address, uint64_t entries[static MAX_PAGES])
{
        const size_t n_bytes = MAX_PAGES * sizeof(*entries);
        char path[40];
        ssize_t n;

        (void)snprintf(path, sizeof(path), "/proc/%d/pagemap", tid);
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                return 0;
        n = pread(fd, entries, n_bytes, (off_t)(address / PAGE_BYTES * sizeof(*entries)));
        return n > 0 ? (size_t)n / sizeof(*entries) : 0;
}

/*
 * The first bytes at or above the address that are present, without a gap, at most STORY_STACK_BYTES. A stack that
 * overflowed is not at the stack pointer, but above it.
 */
static size_t find_present(pid_t tid, uint64_t address, uint64_t *ret_start)
{
        uint64_t entries[MAX_PAGES], start = address;
        size_t n_entries = read_pagemap(tid, address, entries), first = 0, n = 0;

        while (first < MIN_OF(n_entries, (size_t)MAX_GAP_PAGES) && (entries[first] & PAGEMAP_PRESENT) == 0)
                first++;
        while (first + n < n_entries && (entries[first + n] & PAGEMAP_PRESENT) != 0)
                n++;
        if (n == 0)
                return 0;
        if (first > 0)
                start = (address / PAGE_BYTES + first) * PAGE_BYTES;
        *ret_start = start;
        return MIN_OF(n * PAGE_BYTES - start % PAGE_BYTES, (size_t)STORY_STACK_BYTES);
}

static void read_stack(pid_t tid, struct story *story)
{
        uint64_t start = story->signal.registers[STORY_RSP];
        size_t n_bytes = find_present(tid, start, &start);
        struct iovec local = {.iov_base = story->stack, .iov_len = n_bytes};
        struct iovec remote = {.iov_base = (void *)(uintptr_t)start, .iov_len = n_bytes};
        ssize_t n = n_bytes == 0 ? 0 : process_vm_readv(tid, &local, 1, &remote, 1, 0);

        story->signal.stack_start = start;
        story->signal.n_stack_bytes = n > 0 ? (uint32_t)n : 0;
}

/* false: the thread was killed meanwhile, its signal has no more consequences. */
static bool describe_signal(const struct tracee_action *action, struct story *story)
{
        siginfo_t info;

        if (ptrace(PTRACE_GETSIGINFO, action->tid, NULL, &info) < 0)
                return false;
        story->type = STORY_SIGNAL;
        story->signal.signo = info.si_signo;
        story->signal.code = info.si_code;
        if (info.si_code <= 0) {
                story->signal.sender = info.si_pid;
                story->signal.sender_uid = info.si_uid;
        } else if (info.si_code != SI_KERNEL) {
                story->signal.addr = (uint64_t)(uintptr_t)info.si_addr;
        }
        read_registers(action->tid, &story->signal);
        if (story->signal.abi != 0)
                read_stack(action->tid, story);
        return true;
}

static void describe_fork(const struct tracee_action *action, struct story *story)
{
        long compared = syscall(SYS_kcmp, action->pid, action->child, KCMP_VM, 0, 0);

        story->type = STORY_FORK;
        story->fork.child = action->child;
        story->fork.shares_memory = compared >= 0 ? compared == 0 : action->event == PTRACE_EVENT_VFORK;
}

/* ------------------------------------------------------------------ the watches */

void story_prepare(int fd)
{
        int bytes = 1 << 30; /* the kernel takes as much of it as net.core.wmem_max permits, socket(7) */

        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* 0 or -errno; -EAGAIN = no room. */
static int send_once(int fd, const struct story *story, size_t n_bytes)
{
        return send(fd, story, n_bytes, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_to(struct watch *watch, struct story *story, size_t n_bytes)
{
        struct pollfd room = {.fd = watch->fd, .events = POLLOUT};
        int r;

        story->n_missed = watch->n_missed;
        r = send_once(watch->fd, story, n_bytes);
        if (r == -EAGAIN && watch->n_missed == 0 && poll(&room, 1, TRACER_STORY_MS) > 0)
                r = send_once(watch->fd, story, n_bytes);
        return r;
}

static void send_to_all(struct tracer *tracer, uint64_t watches, struct story *story, size_t n_bytes)
{
        for (unsigned int i = 0; i < N_WATCHES; i++) {
                struct watch *watch = &tracer->watches[i];

                if ((watches >> i & 1) == 0 || watch->fd < 0)
                        continue;
                int r = send_to(watch, story, n_bytes);
                if (r == 0) {
                        watch->n_missed = 0;
                } else if (r == -EAGAIN || r == -ENOBUFS || r == -ENOMEM) {
                        watch->n_missed++;
                } else {
                        (void)close(TAKE_FD(watch->fd));
                        tracees_unwatch(&tracer->tracees, i, 0);
                }
        }
}

void story_tell(struct tracer *tracer, const struct tracee_action *action)
{
        struct story story;
        size_t n_bytes = STORY_HEAD_BYTES;

        memset(&story, 0, STORY_HEAD_BYTES);
        story.pid = action->pid;
        story.tid = action->tid;
        story.time_ns = monotonic_ns();
        if (action->kind == TRACEE_SIGNAL) {
                if (!describe_signal(action, &story))
                        return;
                n_bytes += story.signal.n_stack_bytes;
        } else if (action->kind == TRACEE_FORK) {
                describe_fork(action, &story);
        } else {
                story.type = STORY_EXIT;
                story.exit.status = action->status;
        }
        send_to_all(tracer, action->watches, &story, n_bytes);
}
