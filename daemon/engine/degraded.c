/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One table: a missing detail must never be silent, and its line must say how to get it. */
#include "daemon/engine/degraded.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
        const char *missing, *remedy;
} table[N_LINK_LACKS] = {
        [LINK_LACKS_TRACEPOINTS] = {"no error codes: access is often unknown, causes are inferred, faults on kernel "
                                    "addresses are not seen",
                                    "run as root or through the faultlined service, with tracefs available"},
        [LINK_LACKS_PHYSICAL] = {"no page frames: causes are inferred",
                                 "run as root, give CAP_PERFMON, or use the faultlined service"},
        [LINK_LACKS_KERNEL_MODE] =
                {"faults taken inside system calls are not seen (they are part of unseen)",
                 "run as root, lower kernel.perf_event_paranoid to 1, or use the faultlined service"},
        [LINK_LACKS_BARRIER] = {"the target was not stopped for the attach: what it did in these moments may be "
                                "incomplete",
                                NULL}, /* see remedy_of(), here and below */
        [LINK_LACKS_KALLSYMS] = {"kernel code is shown without names",
                                 "run as root or use the faultlined service; see kernel.kptr_restrict"},
        [LINK_LACKS_LOST_COUNT] = {"losses are not counted by the kernel", "a kernel of 6.0 or later counts them"},
        [LINK_LACKS_RING_SIZE] = {"rings are smaller than wanted: a burst may be lost (and is counted)",
                                  "raise kernel.perf_event_mlock_kb or RLIMIT_MEMLOCK, or use the faultlined service"},
        [LINK_LACKS_THREADS] = {"threads were born while attaching: some of them may be missing",
                                "attach again, or start the program with `--`"},
        [LINK_LACKS_HOLD] = {"nobody holds the target: no signal records, no exit status, children that share memory "
                             "are told late, and a set-user-ID exec ends the trace of its process",
                             NULL},
        [LINK_LACKS_DESCRIPTORS] = {"too few file descriptors for full detail on all threads and processors: basic "
                                    "detail instead (no failed faults, no latency, no access)",
                                    "raise RLIMIT_NOFILE (LimitNOFILE= of the service) or fs.nr_open"},
        [LINK_LACKS_UNMAPS] = {"who unmapped memory is not seen: use after unmap is inferred, without a doer", NULL},
        [LINK_LACKS_UNIT] = {"no events for the whole cgroup: its processes are followed one by one, and those of "
                             "other origin that enter it later are noticed after a second or two",
                             NULL},
        [LINK_LACKS_STACKS] = {"32-bit code runs in the target: it is shown without call stacks",
                               "only 64-bit code is unwound in this version"},
        [LINK_LACKS_CPUS] = {"a processor is offline: what the unit does on it within a second or two of its coming "
                             "online is not seen",
                             "-p PID --follow misses nothing there"},
        [LINK_LACKS_STACK_SIZE] = {"fewer bytes of each stack are copied than wanted, because the rings are small: "
                                   "deep stacks are cut (and marked)",
                                   "--stack=BYTES insists on a size as far as it can be had; raise RLIMIT_MEMLOCK or "
                                   "kernel.perf_event_mlock_kb, end other traces, or use the faultlined service"},
        [LINK_LACKS_CHILDREN] = {"the daemon was restarted: children that the target had already started are not "
                                 "followed any more",
                                 "those that it starts from now on are; trace the others by -p"},
};

/* ptrace(2) fails for reasons that call for different remedies. NULL: nothing is known about that one. */
static const char *barrier_remedy(int error)
{
        switch (error) {
        case 0:
                return "as asked for; --ptrace=light brings it";
        case DEGRADED_AS_HOLD:
                return "nobody holds it, as said";
        case EBUSY:
                return "another tracer (gdb, strace, another faultline) holds the target";
        case EPERM:
        case EACCES:
                return "ptrace is refused: see kernel.yama.ptrace_scope, or use the faultlined service";
        case EAGAIN:
        case ETIMEDOUT:
                return "it did not stop in time (a thread may be in a vfork or in one long system call)";
        case ECHILD:
                return "the tracer was killed, or failed, several times; attach again";
        default:
                return NULL;
        }
}

static const char *hold_remedy(int error)
{
        switch (error) {
        case 0:
                return "as asked for; --ptrace=hold brings it";
        case EBUSY:
                return "another tracer (gdb, strace, another faultline) holds the target: attach again when it has let "
                       "go";
        case EOPNOTSUPP:
                return "a unit is not held, for it may have any number of processes; -p PID --follow holds";
        case EAGAIN:
                return "the target is sent so many signals that holding it would slow it down; --ptrace=hold insists";
        case EACCES:
                return "the daemon lacks CAP_SYS_PTRACE: run as root or use the faultlined service";
        case EPERM:
                return "ptrace is refused: see kernel.yama.ptrace_scope, or use the faultlined service";
        case ETIMEDOUT:
                return "it did not stop in time (a thread may be in a vfork or in one long system call): attach again";
        case ECHILD:
                return "the tracer was killed, or failed, several times: attach again";
        case EUSERS:
                return "as many traces as may hold a process hold this one already";
        default:
                return NULL;
        }
}

static const char *unmaps_remedy(int error)
{
        if (error == EPERM || error == EACCES)
                return "the system call tracepoints tax every process: only root may enable them";
        return "tracefs must be there, with syscalls:sys_enter_munmap and sys_enter_mremap";
}

static const char *unit_remedy(int error)
{
        if (error == EPERM || error == EACCES)
                return "such events outlive a set-user-ID exec: only root may have them";
        return "a kernel with CONFIG_CGROUP_PERF and cgroup v2 has them";
}

static const char *remedy_of(unsigned int bit, int error)
{
        switch (bit) {
        case LINK_LACKS_BARRIER:
                return barrier_remedy(error);
        case LINK_LACKS_HOLD:
                return hold_remedy(error);
        case LINK_LACKS_UNMAPS:
                return unmaps_remedy(error);
        case LINK_LACKS_UNIT:
                return unit_remedy(error);
        default:
                return table[bit].remedy;
        }
}

/* One line: what is missing, why, what would bring it. The errno number only where the rest does not say it better. */
static void put_reason(unsigned int bit, int error, char *ret, size_t n_ret)
{
        const char *remedy = remedy_of(bit, error);
        bool says_why = bit == LINK_LACKS_HOLD || bit == LINK_LACKS_BARRIER;

        if (!remedy)
                (void)snprintf(ret, n_ret, "%s (%s); attach again", table[bit].missing, strerror(error));
        else if (error && !says_why)
                (void)snprintf(ret, n_ret, "%s (%s); %s", table[bit].missing, strerror(error), remedy);
        else
                (void)snprintf(ret, n_ret, "%s; %s", table[bit].missing, remedy);
}

static struct outframe *make_frame(uint32_t trace, const char *what, const char *reason)
{
        uint8_t bytes[PROTO_HEADER_BYTES + 2048];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_degraded message;

        message.what = (struct proto_string){.data = what, .n_bytes = (uint32_t)strlen(what)};
        message.reason = (struct proto_string){.data = reason, .n_bytes = (uint32_t)strlen(reason)};
        if (proto_encode_degraded(&buffer, trace, &message) < 0)
                return NULL;
        return outframe_new(MESSAGE_DEGRADED, bytes, buffer.n_bytes);
}

struct outframe *degraded_frame(uint32_t trace, unsigned int bit, int error)
{
        char reason[LINK_TEXT_BYTES];

        put_reason(bit, error, reason, sizeof(reason));
        return make_frame(trace, link_detail_name((enum link_detail)bit), reason);
}

struct outframe *degraded_stacks_frame(uint32_t trace, uint32_t stack_bytes, unsigned int percent,
                                       uint32_t enough_bytes)
{
        char reason[LINK_TEXT_BYTES];

        if (enough_bytes > stack_bytes)
                (void)snprintf(reason, sizeof(reason),
                               "%u %% of the stacks are longer than the %u bytes that are copied of each, and are cut "
                               "(and marked); --stack=%u would hold nearly all",
                               percent, stack_bytes, enough_bytes);
        else
                (void)snprintf(reason, sizeof(reason),
                               "%u %% of the stacks are longer than the %u bytes that are copied of each, and are cut "
                               "(and marked); many are longer than any size that can be copied (--stack=65528)",
                               percent, stack_bytes);
        return make_frame(trace, "stacks-cut", reason);
}
