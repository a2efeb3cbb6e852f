/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One perf event: with which attributes it is asked for (link/events.h says what the engine expects in its samples),
 * and what is given up when the kernel refuses it.
 */
#include "daemon/monitor/event.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

void event_level_init(struct event_level *level, enum detail wanted)
{
        *level = (struct event_level){
                .detail = wanted == DETAIL_BASIC ? DETAIL_BASIC : DETAIL_FULL,
                .physical = true,
                .kernel_mode = true,
                .tracepoints = wanted != DETAIL_BASIC,
                .lost_count = true,
        };
}

void event_level_lack(struct event_level *level, enum link_detail what, int error)
{
        level->degraded |= 1u << what;
        level->degraded_errno[what] = error;
}

static bool is_unmap(enum event_kind kind)
{
        return (EVENT_UNMAP_KINDS & EVENT_BIT(kind)) != 0;
}

bool event_is_tracepoint(enum event_kind kind)
{
        return kind == EVENT_TP_USER || kind == EVENT_TP_KERNEL || kind == EVENT_TP_HIGH || is_unmap(kind);
}

uint32_t event_level_kinds(const struct event_level *level)
{
        uint32_t kinds = event_kinds(level->detail) | (level->unmaps ? EVENT_UNMAP_KINDS : 0);

        return level->tracepoints
                       ? kinds
                       : kinds & ~(EVENT_BIT(EVENT_TP_USER) | EVENT_BIT(EVENT_TP_KERNEL) | EVENT_BIT(EVENT_TP_HIGH));
}

uint32_t event_level_stacks(const struct event_level *level)
{
        return level->stack_bytes == 0 ? 0 : event_stacks(level->tracepoints, level->kernel_chain);
}

static int refused_because_of_rights(int error)
{
        return error == EACCES || error == EPERM;
}

/* The order is that of what hurts least; a refused tracepoint tells nothing about the others. */
bool event_level_down(struct event_level *level, enum event_kind kind, int error)
{
        if (error == EINVAL && level->lost_count) {
                level->lost_count = false; /* PERF_FORMAT_LOST came with Linux 6.0 */
                event_level_lack(level, LINK_LACKS_LOST_COUNT, error);
        } else if (is_unmap(kind) && error != EMFILE && error != ENFILE) {
                level->unmaps = false;
                event_level_lack(level, LINK_LACKS_UNMAPS, error);
        } else if (event_is_tracepoint(kind) &&
                   (refused_because_of_rights(error) || error == ENOENT || error == ENODEV)) {
                level->tracepoints = false;
                event_level_lack(level, LINK_LACKS_TRACEPOINTS, error);
        } else if (refused_because_of_rights(error) && level->physical) {
                level->physical = false;
                event_level_lack(level, LINK_LACKS_PHYSICAL, error);
        } else if (refused_because_of_rights(error) && level->kernel_mode) {
                level->kernel_mode = false;
                event_level_lack(level, LINK_LACKS_KERNEL_MODE, error);
                if (level->detail == DETAIL_FULL) {
                        level->detail = DETAIL_UNPRIVILEGED;
                        level->tracepoints = false;
                        event_level_lack(level, LINK_LACKS_TRACEPOINTS, error);
                }
        } else {
                return false;
        }
        return true;
}

bool event_level_fewer(struct event_level *level, int error)
{
        if (level->detail == DETAIL_BASIC)
                return false;
        level->detail = DETAIL_BASIC;
        level->tracepoints = false;
        event_level_lack(level, LINK_LACKS_DESCRIPTORS, error);
        return true;
}

static void common_attr(const struct event_level *level, bool follow, struct perf_event_attr *ret)
{
        *ret = (struct perf_event_attr){
                .size = sizeof(*ret),
                .type = PERF_TYPE_SOFTWARE,
                .read_format = level->lost_count ? PERF_FORMAT_LOST : 0,
                .inherit = 1,
                .inherit_thread = !follow, /* since Linux 5.13 */
                .exclude_kernel = !level->kernel_mode,
                .exclude_hv = !level->kernel_mode,
        };
}

static void fault_attr(const struct event_request *request, enum event_kind kind, struct perf_event_attr *attr)
{
        const struct tracefs *tracefs = request->tracefs;

        attr->sample_period = 1;
        attr->disabled = 1;
        attr->enable_on_exec = request->from_exec;
        switch (kind) {
        case EVENT_TP_KERNEL:
                attr->type = PERF_TYPE_TRACEPOINT;
                attr->config = tracefs->page_fault_kernel;
                attr->sample_regs_user = EVENT_REGS_MASK;
                break;
        case EVENT_TP_USER:
        case EVENT_TP_HIGH:
                attr->type = PERF_TYPE_TRACEPOINT;
                attr->config = tracefs->page_fault_user;
                break;
        case EVENT_TP_MUNMAP:
        case EVENT_TP_MREMAP:
                attr->type = PERF_TYPE_TRACEPOINT;
                attr->config = kind == EVENT_TP_MUNMAP ? tracefs->munmap : tracefs->mremap;
                attr->sample_regs_user = EVENT_REGS_MASK;
                break;
        case EVENT_ENTRY:
                attr->config = PERF_COUNT_SW_PAGE_FAULTS;
                break;
        case EVENT_MIN:
                attr->config = PERF_COUNT_SW_PAGE_FAULTS_MIN;
                break;
        default:
                attr->config = PERF_COUNT_SW_PAGE_FAULTS_MAJ;
                break;
        }
}

static void sideband_attr(struct perf_event_attr *attr)
{
        attr->config = PERF_COUNT_SW_DUMMY;
        attr->mmap = 1;
        attr->mmap2 = 1;
        attr->mmap_data = 1;
        attr->comm = 1;
        attr->comm_exec = 1;
        attr->task = 1;
}

/* Registers and stack of the user's code (perf_event_open(2)), and the kernel's own frames from where it is. */
static void stack_attr(const struct event_level *level, enum event_kind kind, struct perf_event_attr *attr)
{
        uint32_t stacks = event_level_stacks(level);

        attr->sample_type = event_sample_type(kind, level->detail, level->physical, stacks);
        if ((stacks & EVENT_BIT(kind)) != 0) {
                attr->sample_regs_user = EVENT_STACK_REGS_MASK;
                attr->sample_stack_user = level->stack_bytes;
        }
        attr->exclude_callchain_user = (attr->sample_type & PERF_SAMPLE_CALLCHAIN) != 0;
}

static int set_filter(int fd, enum event_kind kind)
{
        const char *filter = kind == EVENT_TP_HIGH     ? EVENT_HIGH_FILTER
                             : kind == EVENT_TP_KERNEL ? EVENT_LOW_FILTER
                                                       : NULL;

        return filter != NULL && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, filter) < 0 ? -errno : 0;
}

int event_open(const struct event_request *request, const struct event_level *level, pid_t tid,
               const struct ring_pair *pair, enum event_kind kind)
{
        struct perf_event_attr attr;
        bool is_sideband = kind == EVENT_SIDEBAND;
        int r;

        if (event_is_tracepoint(kind) && request->tracefs->error != 0)
                return -request->tracefs->error;
        if (is_unmap(kind) && request->tracefs->munmap == 0)
                return -ENOENT;
        common_attr(level, request->follow, &attr);
        if (is_sideband)
                sideband_attr(&attr);
        else
                fault_attr(request, kind, &attr);
        stack_attr(level, kind, &attr);
        attr.sample_id_all = 1;
        attr.use_clockid = 1;
        attr.clockid = CLOCK_MONOTONIC;
        attr.watermark = 1;
        attr.wakeup_watermark = ring_watermark(is_sideband ? request->rings->side_bytes : request->rings->ring_bytes);
        int fd = (int)syscall(SYS_perf_event_open, &attr, request->is_cgroup ? request->cgroup : tid, pair->cpu,
                              is_sideband ? pair->side_fd : pair->fault_fd,
                              PERF_FLAG_FD_CLOEXEC | PERF_FLAG_FD_OUTPUT | PERF_FLAG_FD_NO_GROUP |
                                      (request->is_cgroup ? PERF_FLAG_PID_CGROUP : 0));
        if (fd < 0)
                return -errno;
        r = set_filter(fd, kind);
        if (r < 0) {
                (void)close(fd);
                return r;
        }
        return fd;
}

int event_open_counter(const struct event_level *level, pid_t pid, uint64_t config)
{
        struct perf_event_attr attr;
        int fd;

        common_attr(level, false, &attr);
        attr.config = config;
        attr.read_format = 0;
        fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

int event_open_idle(uint64_t tracepoint)
{
        struct perf_event_attr attr = {
                .size = sizeof(attr), .type = PERF_TYPE_TRACEPOINT, .config = tracepoint, .disabled = 1};

        return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

int event_try_cgroup(int cgroup)
{
        struct perf_event_attr attr = {
                .size = sizeof(attr), .type = PERF_TYPE_SOFTWARE, .config = PERF_COUNT_SW_DUMMY, .disabled = 1};
        CLEANUP_CLOSE int fd =
                (int)syscall(SYS_perf_event_open, &attr, cgroup, 0, -1, PERF_FLAG_FD_CLOEXEC | PERF_FLAG_PID_CGROUP);

        return fd < 0 ? -errno : 0;
}
