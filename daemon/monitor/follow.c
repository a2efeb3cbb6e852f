/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An engine may ask about any process id, so what protects others is not who descends from whom (a child whose parent
 * has ended has nothing left to show it by) but what protects them at an attach: the kernel's word that this peer may
 * trace this process. Nothing is given that an attach would not give; of a process that descends from elsewhere the
 * rings hold nothing.
 *
 * A member costs one descriptor, its pidfd, which tells of its end. The rest is opened when it is needed. Requests wait
 * as mere numbers for their turn, so that a target that forks without end does not take all descriptors.
 */
#include "daemon/monitor/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

#include "daemon/monitor/added.h"
#include "daemon/monitor/asks.h"
#include "daemon/monitor/tell.h"
#include "daemon/monitor/unit.h"

#define MAX_WAITING 16384 /* requests, of all traces of one user */
#define MAX_OPEN 16       /* of them at a time */
#define MAX_COMPARED 1024 /* members whose memory is compared with a new one's: a millisecond */
#define MAX_ANCESTORS 256

struct member {
        struct member *next;
        struct attachment *trace;
        pid_t pid;
        int pidfd;
        sd_event_source *exit_source;
};

struct following {
        struct following *next;
        struct attachment *trace;
        pid_t pid;
        bool wants_threads;
        struct target target; /* not pinned yet: waits for its turn */
        int maps, smaps;
        struct ask *ask;
};

/* --- members --- */

static struct member *find(const struct attachment *trace, pid_t pid)
{
        for (struct member *m = trace->members; m != NULL; m = m->next)
                if (m->pid == pid)
                        return m;
        return NULL;
}

static void member_free(struct member *member)
{
        struct attachment *trace = member->trace;

        for (struct member **p = &trace->members; *p != NULL; p = &(*p)->next)
                if (*p == member) {
                        *p = member->next;
                        trace->n_members--;
                        break;
                }
        added_retire(trace, member->pid);
        sd_event_source_disable_unref(member->exit_source);
        (void)close(member->pidfd);
        free(member);
}

static int on_member_exit(sd_event_source *source, int fd, uint32_t events, void *user)
{
        struct member *member = user;
        struct attachment *trace = member->trace;

        member_free(member);
        follow_check_empty(trace);
        return 0;
}

/* Takes over the pidfd. */
static int member_new(struct attachment *trace, pid_t pid, int *pidfd)
{
        struct member *member = calloc(1, sizeof(*member));
        int r;

        if (member == NULL)
                return -ENOMEM;
        *member = (struct member){.trace = trace, .pid = pid};
        r = sd_event_add_io(trace->context->event, &member->exit_source, *pidfd, EPOLLIN, on_member_exit, member);
        if (r < 0) {
                free(member);
                return r;
        }
        member->pidfd = TAKE_FD(*pidfd);
        member->next = trace->members;
        trace->members = member;
        trace->n_members++;
        return 0;
}

static bool is_reaped(int pidfd)
{
        return syscall(SYS_pidfd_send_signal, pidfd, 0, NULL, 0) < 0 && errno == ESRCH;
}

/* What has this number now is the member if the member was not reaped before it was opened. */
int follow_open(const struct attachment *trace, pid_t pid, struct target *ret)
{
        CLEANUP(target_deinit) struct target target = TARGET_INIT;
        const struct member *member = find(trace, pid);
        int r = member == NULL ? -ESRCH : target_pin_process(pid, &target);

        if (r < 0)
                return r;
        if (is_reaped(member->pidfd))
                return -ESRCH;
        *ret = target;
        target = TARGET_INIT;
        return 0;
}

void follow_each(const struct attachment *trace, void (*call)(void *user, const struct target *process), void *user)
{
        for (const struct member *m = trace->members; m != NULL; m = m->next) {
                CLEANUP(target_deinit) struct target target = TARGET_INIT;

                if (follow_open(trace, m->pid, &target) == 0)
                        call(user, &target);
        }
}

static pid_t parent_of(pid_t pid)
{
        CLEANUP(target_deinit) struct target target = TARGET_INIT;
        char text[32];

        if (target_pin_process(pid, &target) < 0 || target_read_status(&target, "PPid", text, sizeof(text)) < 0)
                return 0;
        return (pid_t)strtol(text, NULL, 10);
}

bool follow_knows(const struct attachment *trace, pid_t pid)
{
        return pid == trace->target.pid || find(trace, pid) != NULL;
}

size_t follow_pids(const struct attachment *trace, pid_t *ret)
{
        size_t n = 0;

        if (ret != NULL) {
                ret[n++] = trace->target.pid;
                for (const struct member *m = trace->members; m != NULL; m = m->next)
                        ret[n++] = m->pid;
        }
        return trace->n_members + 1;
}

/* All that this tracer holds descends from one target. */
static bool has_tracer_alone(const struct attachment *trace)
{
        for (const struct attachment *t = trace->context->attachments; t != NULL; t = t->next)
                if (t->holder == trace->holder && t->target.pid != trace->target.pid)
                        return false;
        return true;
}

bool follow_has(const struct attachment *trace, pid_t pid)
{
        pid_t ancestor = pid;

        if (follow_knows(trace, pid))
                return true;
        if ((trace->request.flags & LINK_ATTACH_FOLLOW) == 0)
                return false;
        for (int i = 0; i < MAX_ANCESTORS && ancestor > 1; i++) {
                ancestor = parent_of(ancestor);
                if (follow_knows(trace, ancestor))
                        return true;
        }
        return has_tracer_alone(trace); /* its parent has ended */
}

static bool is_empty(const struct attachment *trace)
{
        return trace->is_exited && trace->members == NULL && trace->followings == NULL && !unit_is_populated(trace);
}

bool follow_lost(struct attachment *trace, pid_t pid)
{
        struct member *member = find(trace, pid);

        added_retire(trace, pid);
        if (pid == trace->target.pid) {
                trace->is_exited = true; /* for this trace */
                (void)sd_event_source_set_enabled(trace->exit_source, SD_EVENT_OFF);
        } else if (member != NULL) {
                member_free(member);
        }
        return !is_empty(trace);
}

void follow_check_empty(struct attachment *trace)
{
        if ((trace->request.flags & LINK_ATTACH_FOLLOW) != 0 && trace->state == ATTACHMENT_RUNNING && is_empty(trace))
                tell_empty(trace);
}

/* --- requests --- */

static void start_waiting(struct attachment *trace);

static void following_free(struct following *following)
{
        for (struct following **p = &following->trace->followings; *p != NULL; p = &(*p)->next)
                if (*p == following) {
                        *p = following->next;
                        following->trace->n_followings--;
                        break;
                }
        ask_cancel(following->ask);
        cleanup_close(&following->maps);
        cleanup_close(&following->smaps);
        target_deinit(&following->target);
        free(following);
}

static bool shares_memory(pid_t a, pid_t b)
{
        return syscall(SYS_kcmp, a, b, KCMP_VM, 0, 0) == 0;
}

/* Mostly it is the parent: vfork(2), posix_spawn(3). */
static pid_t find_memory(const struct attachment *trace, const struct target *process)
{
        char text[32];
        pid_t parent = target_read_status(process, "PPid", text, sizeof(text)) == 0 ? (pid_t)strtol(text, NULL, 10) : 0;
        size_t n = 0;

        if (parent != process->pid && follow_knows(trace, parent) && shares_memory(process->pid, parent))
                return parent;
        if (process->pid != trace->target.pid && shares_memory(process->pid, trace->target.pid))
                return trace->target.pid;
        for (const struct member *m = trace->members; m != NULL && n < MAX_COMPARED; m = m->next, n++)
                if (m->pid != process->pid && shares_memory(process->pid, m->pid))
                        return m->pid;
        return 0;
}

static int take_in(struct following *following)
{
        struct attachment *trace = following->trace;

        if (follow_knows(trace, following->pid))
                return 0; /* a new engine asks again */
        return trace->n_members < FOLLOW_MAX_MEMBERS ? member_new(trace, following->pid, &following->target.pidfd)
                                                     : -EMFILE;
}

/* A file of them, or -1: then they stay without names. */
static int list_threads(const struct target *process, uint32_t *ret_n)
{
        struct target_threads threads = {0};
        int fd = target_list_threads(process, &threads);

        if (fd == 0)
                fd = make_sealed_file("faultline-threads", threads.threads, threads.n * sizeof(*threads.threads));
        free(threads.threads);
        if (fd < 0)
                return -1;
        *ret_n = (uint32_t)threads.n;
        return fd;
}

static void answer(struct attachment *trace, pid_t pid, int r, const struct following *following)
{
        struct link_follow followed = {.trace = trace->id, .pid = pid, .error = -r};

        if (r == 0) {
                CLEANUP_CLOSE int threads =
                        following->wants_threads ? list_threads(&following->target, &followed.n_threads) : -1;

                followed.shares_memory_of = find_memory(trace, &following->target);
                tell_followed(trace, &followed, (int[]){following->maps, following->smaps, threads});
        } else {
                tell_followed(trace, &followed, NULL);
        }
}

static void finish(struct following *following, int r)
{
        struct attachment *trace = following->trace;

        if (r == 0)
                r = take_in(following);
        answer(trace, following->pid, r, following);
        following_free(following);
}

static void on_answer(void *user, int result)
{
        struct following *following = user;
        struct attachment *trace = following->trace;

        following->ask = NULL;
        finish(following, result);
        start_waiting(trace);
        follow_check_empty(trace);
}

static int open_process(struct following *following)
{
        struct context *context = following->trace->context;
        int r = target_pin_process(following->pid, &following->target);

        if (r < 0)
                return r;
        if (following->pid == getpid() || children_have(&context->children, following->pid))
                return -EPERM;
        following->maps = target_open(&following->target, "maps", O_RDONLY);
        following->smaps = target_open(&following->target, "smaps", O_RDONLY);
        return MIN_OF(following->maps, following->smaps) < 0 ? MIN_OF(following->maps, following->smaps) : 0;
}

/* false = it was answered. */
static bool start(struct following *following)
{
        struct attachment *trace = following->trace;
        int r = open_process(following);

        if (r == 0 && trace->needs_check) {
                r = ask_start(trace, following->target.pidfd, on_answer, following, &following->ask);
                if (r == 0)
                        return true;
        }
        finish(following, r == -ENOENT ? -ESRCH : r);
        return false;
}

static void start_waiting(struct attachment *trace)
{
        struct following *next;
        size_t n_open = 0;

        for (struct following *f = trace->followings; f != NULL && n_open < MAX_OPEN; f = next) {
                next = f->next;
                n_open += f->ask != NULL || start(f);
        }
}

static bool may_wait(const struct attachment *trace)
{
        size_t n = 0;

        for (const struct attachment *t = trace->context->attachments; t != NULL; t = t->next)
                n += t->peer.uid == trace->peer.uid ? t->n_followings : 0;
        return n < MAX_WAITING;
}

void follow_request(struct attachment *trace, pid_t pid, bool wants_threads)
{
        struct following *following, **last = &trace->followings;

        following = (trace->request.flags & LINK_ATTACH_FOLLOW) != 0 && may_wait(trace) ? calloc(1, sizeof(*following))
                                                                                        : NULL;
        if (following == NULL) {
                answer(trace, pid, -EBUSY, NULL);
                return;
        }
        *following = (struct following){.trace = trace,
                                        .pid = pid,
                                        .wants_threads = wants_threads,
                                        .target = TARGET_INIT,
                                        .maps = -1,
                                        .smaps = -1};
        while (*last != NULL)
                last = &(*last)->next;
        *last = following;
        trace->n_followings++;
        start_waiting(trace);
        follow_check_empty(trace);
}

void follow_cancel(struct attachment *trace)
{
        while (trace->followings != NULL)
                following_free(trace->followings);
}

void follow_free(struct attachment *trace)
{
        follow_cancel(trace);
        while (trace->members != NULL)
                member_free(trace->members);
}
