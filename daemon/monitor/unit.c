/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where events are opened process by process, the first process is the trace's target, and the rest are added like
 * those that an exec took from us (added.c). New members of the cgroup are looked for once a second, because cgroups(7)
 * announces none. One that descends from a process of ours has inherited its events and must not get a second set: the
 * engine asks about such a child within a tick of its birth (follow.c), so who is still a stranger at the second look
 * came from elsewhere.
 */
#include "daemon/monitor/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "daemon/monitor/added.h"
#include "daemon/monitor/asks.h"
#include "daemon/monitor/cgroup.h"
#include "daemon/monitor/event.h"
#include "daemon/monitor/events.h"
#include "daemon/monitor/follow.h"
#include "daemon/monitor/log.h"
#include "daemon/monitor/prepare.h"
#include "daemon/monitor/records.h"
#include "daemon/monitor/tell.h"

#define LOOK_USEC (1000 * 1000)

struct unit {
        struct attachment *trace;
        struct helper *finding;
        int cgroup, events; /* its directory; cgroup.events */
        bool is_whole;      /* the events are the cgroup's */
        sd_event_source *source, *timer;
        struct cgroup_processes strangers; /* at the last look */
        struct ask *ask;
        struct target asked;  /* process under question, pinned */
        int maps, smaps, ids; /* of it, opened, until the answer that counts */
        uint32_t n_ids;
        size_t n_ripe, n_next; /* of ->strangers: who may be taken in, who is next of them */
};

static void forget_asked(struct unit *unit)
{
        cleanup_close(&unit->maps);
        cleanup_close(&unit->smaps);
        cleanup_close(&unit->ids);
        target_deinit(&unit->asked);
}

struct unit *unit_free(struct unit *unit)
{
        if (unit == NULL)
                return NULL;
        helper_free(unit->finding);
        ask_cancel(unit->ask);
        forget_asked(unit);
        sd_event_source_disable_unref(unit->source);
        sd_event_source_disable_unref(unit->timer);
        cleanup_close(&unit->cgroup);
        cleanup_close(&unit->events);
        free(unit->strangers.pids);
        free(unit);
        return NULL;
}

int unit_cgroup(const struct attachment *trace)
{
        return trace->unit != NULL && trace->unit->is_whole ? trace->unit->cgroup : -1;
}

int unit_directory(const struct attachment *trace)
{
        return trace->unit != NULL ? trace->unit->cgroup : -1;
}

bool unit_is_populated(const struct attachment *trace)
{
        return trace->unit != NULL && cgroup_is_populated(trace->unit->events) > 0;
}

static int on_events(sd_event_source *source, int fd, uint32_t events, void *user)
{
        struct unit *unit = user;

        int r = cgroup_is_populated(fd); /* what has been read is not announced again */

        if (r <= 0)
                follow_check_empty(unit->trace);
        return 0;
}

/* ---- threads, for their names ---- */

static int add_threads(struct target_threads *all, const struct target_threads *some)
{
        struct link_thread *grown = reallocarray(all->threads, all->n + some->n, sizeof(*grown));

        if (grown == NULL)
                return -ENOMEM;
        memcpy(grown + all->n, some->threads, some->n * sizeof(*grown));
        all->threads = grown;
        all->n += some->n;
        return 0;
}

void unit_list_threads(struct attachment *trace)
{
        struct target_threads *all = &trace->events.threads;
        struct cgroup_processes processes;
        int r = 0;

        if (cgroup_list(trace->unit->cgroup, &processes) < 0)
                return; /* threads without names */
        for (size_t i = 0; i < processes.n && r == 0; i++) {
                CLEANUP(target_deinit) struct target target = TARGET_INIT;
                struct target_threads threads = {0};

                if (target_pin_process(processes.pids[i], &target) == 0 && target_list_threads(&target, &threads) == 0)
                        r = add_threads(all, &threads);
                free(threads.threads);
        }
        free(processes.pids);
}

/* ---- strangers ---- */

static void ask_next(struct unit *unit);

/* What counts is the answer after everything was opened, as at an attach (prepare.c). */
static void on_last_answer(void *user, int result)
{
        struct unit *unit = user;
        struct attachment *trace = unit->trace;

        unit->ask = NULL;
        if (result == 0 && trace->state == ATTACHMENT_RUNNING) {
                added_enable(trace, unit->asked.pid);
                tell_ids(trace, unit->asked.pid, unit->n_ids, (int[]){unit->ids, unit->maps, unit->smaps});
                follow_request(trace, unit->asked.pid, true);
        } else {
                added_retire(trace, unit->asked.pid);
        }
        forget_asked(unit);
        if (trace->needs_check)
                ask_next(unit);
}

/* -errno: there will be no answer. */
static int take_in(struct unit *unit)
{
        int r;

        unit->maps = target_open(&unit->asked, "maps", O_RDONLY);
        unit->smaps = target_open(&unit->asked, "smaps", O_RDONLY);
        if (unit->maps < 0 || unit->smaps < 0)
                return MIN_OF(unit->maps, unit->smaps);
        r = added_open(unit->trace, &unit->asked, &unit->ids, &unit->n_ids);
        if (r < 0)
                return r;
        r = ask_start(unit->trace, unit->asked.pidfd, on_last_answer, unit, &unit->ask);
        if (r < 0)
                added_retire(unit->trace, unit->asked.pid);
        return r;
}

/* A no is the end of it: it is asked again only if it is still there at the next look. */
static void on_answer(void *user, int result)
{
        struct unit *unit = user;

        unit->ask = NULL;
        if (result == 0 && unit->trace->state == ATTACHMENT_RUNNING && take_in(unit) == 0)
                return;
        forget_asked(unit);
        ask_next(unit);
}

static bool is_stranger(const struct unit *unit, pid_t pid)
{
        return !follow_knows(unit->trace, pid) && !added_has(unit->trace, pid) &&
               !children_have(&unit->trace->context->children, pid) && pid != getpid();
}

static void ask_next(struct unit *unit)
{
        while (unit->n_next < unit->n_ripe && unit->trace->state == ATTACHMENT_RUNNING) {
                pid_t pid = unit->strangers.pids[unit->n_next++];

                if (!is_stranger(unit, pid) || target_pin_process(pid, &unit->asked) < 0)
                        continue;
                if (unit->trace->needs_check) {
                        if (ask_start(unit->trace, unit->asked.pidfd, on_answer, unit, &unit->ask) == 0)
                                return;
                } else if (take_in(unit) == 0) {
                        continue;
                }
                forget_asked(unit);
        }
}

static int compare_pids(const void *a, const void *b)
{
        const pid_t *x = a, *y = b;

        return (*x > *y) - (*x < *y);
}

static bool has(const struct cgroup_processes *sorted, pid_t pid)
{
        return sorted->n > 0 && bsearch(&pid, sorted->pids, sorted->n, sizeof(pid), compare_pids) != NULL;
}

static void sort(struct cgroup_processes *processes)
{
        if (processes->n > 0)
                qsort(processes->pids, processes->n, sizeof(*processes->pids), compare_pids);
}

/* The ripe ones to the front: those that were strangers at the last look. */
static size_t sort_out(struct cgroup_processes *before, struct cgroup_processes *now)
{
        size_t n_ripe = 0;

        sort(before);
        for (size_t i = 0; i < now->n; i++)
                if (has(before, now->pids[i])) {
                        pid_t pid = now->pids[i];

                        now->pids[i] = now->pids[n_ripe];
                        now->pids[n_ripe++] = pid;
                }
        return n_ripe;
}

/* Those whom is_stranger() does not know: there may be ten thousand who are none, at every look. */
static void remove_ours(const struct unit *unit, struct cgroup_processes *processes)
{
        const struct attachment *trace = unit->trace;
        struct cgroup_processes ours = {
                .pids = calloc(follow_pids(trace, NULL) + added_pids(trace, NULL), sizeof(*ours.pids))};
        size_t n = 0;

        if (ours.pids != NULL) {
                ours.n = follow_pids(trace, ours.pids);
                ours.n += added_pids(trace, ours.pids + ours.n);
                sort(&ours);
        }
        for (size_t i = 0; i < processes->n; i++)
                if (!has(&ours, processes->pids[i]) && is_stranger(unit, processes->pids[i]))
                        processes->pids[n++] = processes->pids[i];
        processes->n = n;
        free(ours.pids);
}

static void look(struct unit *unit)
{
        struct cgroup_processes now;

        if (unit->ask != NULL || cgroup_list(unit->cgroup, &now) < 0)
                return;
        remove_ours(unit, &now);
        unit->n_ripe = sort_out(&unit->strangers, &now);
        unit->n_next = 0;
        free(unit->strangers.pids);
        unit->strangers = now;
        ask_next(unit);
}

/* ---- CPUs ---- */

/* Also what the engine is to know about no process. */
static int tell_new_ids(struct attachment *trace, size_t n_before)
{
        uint32_t n = (uint32_t)(trace->events.n - n_before);
        CLEANUP_CLOSE int ids = events_make_id_file(&trace->events, n_before);
        CLEANUP_CLOSE int nothing = make_sealed_file("faultline-empty", "", 0);
        int r = ids < 0 ? ids : nothing < 0 ? nothing : added_join_ids(trace, ids, n);

        if (r < 0)
                return r;
        trace->n_added_ids += n;
        tell_ids(trace, 0, n, (int[]){ids, nothing, nothing});
        return 0;
}

static void lack_cpus(struct attachment *trace)
{
        if ((trace->level.degraded & (1u << LINK_LACKS_CPUS)) != 0)
                return;
        event_level_lack(&trace->level, LINK_LACKS_CPUS, ENODEV);
        trace->started.degraded = trace->level.degraded;
        trace->started.degraded_errno[LINK_LACKS_CPUS] = ENODEV;
        tell_degraded(trace, LINK_LACKS_CPUS, ENODEV);
        records_degraded(trace, LINK_LACKS_CPUS, ENODEV);
}

/* The kernel takes a CPU's events of cgroups when it goes, and does not give them back (perf_event_exit_cpu()). */
static void on_cpu(void *user, const struct ring_pair *pair)
{
        struct unit *unit = user;
        struct attachment *trace = unit->trace;
        struct event_request request = prepare_event_request(trace, false);
        size_t n_before = trace->events.n;
        int r = 0;

        if (pair->is_online)
                r = events_add_cpu(&request, &trace->level, pair, trace->context->closer, &trace->events);
        if (r == 0 && pair->is_online)
                r = tell_new_ids(trace, n_before);
        if (r < 0)
                log_line(LOG_PRIORITY_WARNING, "unit %s: faults on CPU %u are not seen: %s", trace->request.unit,
                         pair->cpu, strerrordesc_np(-r));
        lack_cpus(trace);
}

static void look_at_cpus(struct unit *unit)
{
        struct attachment *trace = unit->trace;
        int r = rings_look(&trace->rings, on_cpu, unit);

        if (r < 0)
                log_line(LOG_PRIORITY_WARNING, "unit %s: cannot find out which CPUs are online: %s",
                         trace->request.unit, strerrordesc_np(-r));
        for (size_t i = 0; i < trace->rings.n; i++)
                if (!trace->rings.pairs[i].is_online)
                        lack_cpus(trace);
}

/* ---- from time to time ---- */

static int on_time(sd_event_source *source, uint64_t usec, void *user)
{
        struct unit *unit = user;

        if (unit->trace->state != ATTACHMENT_RUNNING)
                return -ECANCELED; /* any error switches the source off */
        if (unit->is_whole)
                look_at_cpus(unit);
        else
                look(unit);
        return sd_event_source_set_time(source, usec + LOOK_USEC);
}

void unit_tell_processes(struct attachment *trace)
{
        struct unit *unit = trace->unit;

        for (size_t i = 0; unit != NULL && unit->is_whole && i < unit->strangers.n; i++)
                follow_request(trace, unit->strangers.pids[i], true);
}

void unit_started(struct attachment *trace)
{
        struct unit *unit = trace->unit;
        sd_event *event = trace->context->event;

        if (unit == NULL)
                return;
        if (sd_event_add_time_relative(event, &unit->timer, CLOCK_MONOTONIC, LOOK_USEC, 0, on_time, unit) < 0 ||
            sd_event_source_set_enabled(unit->timer, SD_EVENT_ON) < 0)
                log_line(LOG_PRIORITY_WARNING,
                         "unit %s: out of memory or descriptors: new processes and CPUs are not looked for",
                         trace->request.unit);
        if (unit->is_whole) {
                look_at_cpus(unit);
                return;
        }
        unit->n_ripe = unit->strangers.n; /* nobody can have inherited anything before: all but the target are ripe */
        ask_next(unit);
}

/* ---- the beginning ---- */

static void fail(struct attachment *trace, int error, const char *why)
{
        char text[LINK_TEXT_BYTES];

        (void)snprintf(text, sizeof(text), "cannot trace unit %.200s: %s", trace->request.unit, why);
        attachment_fail(trace, error, text);
}

/* Each of our lines, and each line that the client prints, would make faults to tell of. */
static bool has_ourselves(const struct unit *unit)
{
        const struct attachment *trace = unit->trace;

        for (size_t i = 0; i < unit->strangers.n; i++) {
                pid_t pid = unit->strangers.pids[i];

                if (pid == getpid() || pid == trace->peer.pid || children_have(&trace->context->children, pid))
                        return true;
        }
        return false;
}

static void pick_target(struct unit *unit);

static void on_pick(void *user, int result)
{
        struct unit *unit = user;
        struct attachment *trace = unit->trace;

        unit->ask = NULL;
        if (result == 0) {
                trace->target = unit->asked;
                unit->asked = TARGET_INIT;
                unit->n_next = 0;
                attachment_prepare(trace);
        } else {
                target_deinit(&unit->asked);
                pick_target(unit);
        }
}

/* The first process that the peer may trace. */
static void pick_target(struct unit *unit)
{
        struct attachment *trace = unit->trace;
        int r = -EPERM;

        while (unit->n_next < unit->strangers.n) {
                if (target_pin_process(unit->strangers.pids[unit->n_next++], &unit->asked) < 0)
                        continue;
                r = trace->needs_check ? ask_start(trace, unit->asked.pidfd, on_pick, unit, &unit->ask) : 0;
                if (r < 0)
                        break;
                if (!trace->needs_check)
                        on_pick(unit, 0);
                return;
        }
        fail(trace, -r,
             r == -EPERM ? "you may trace none of its processes (they belong to another user, run set-user-ID programs "
                           "or are protected); ask as their user or as root"
                         : strerrordesc_np(-r));
}

/* Does the kernel have them (CONFIG_CGROUP_PERF), and the peer the right? 0 or an errno number. */
static int refused_whole(const struct unit *unit)
{
        if ((peer_rights(&unit->trace->peer) & LINK_RIGHT_KERNEL) == 0)
                return EPERM;
        return -event_try_cgroup(unit->cgroup);
}

/* All processes alike: the first one is no more than the others, whom nobody holds. */
static void begin_by_process(struct unit *unit, int error)
{
        struct attachment *trace = unit->trace;

        event_level_lack(&trace->level, LINK_LACKS_UNIT, error);
        if (trace->request.ptrace == PTRACE_MODE_AUTO || trace->request.ptrace == PTRACE_MODE_HOLD) {
                trace->request.ptrace = PTRACE_MODE_LIGHT;
                event_level_lack(&trace->level, LINK_LACKS_HOLD, EOPNOTSUPP);
        }
        pick_target(unit);
}

/* Of its processes that ended files are found beneath the root directory that the first one has. */
static void keep_root(struct unit *unit)
{
        for (size_t i = 0; i < unit->strangers.n && unit->trace->target.root < 0; i++) {
                CLEANUP(target_deinit) struct target first = TARGET_INIT;

                if (target_pin_process(unit->strangers.pids[i], &first) < 0)
                        continue;
                target_keep_root(&first);
                unit->trace->target.root = TAKE_FD(first.root);
        }
}

static void begin(struct unit *unit)
{
        struct attachment *trace = unit->trace;
        int error = refused_whole(unit);

        trace->request.flags |= LINK_ATTACH_FOLLOW;
        unit->is_whole = error == 0;
        if (!unit->is_whole) {
                begin_by_process(unit, error);
                return;
        }
        trace->is_exited = true; /* there is no target to wait for */
        keep_root(unit);
        attachment_prepare(trace);
}

static void on_found(void *user, int result, int fd)
{
        struct unit *unit = user;
        struct attachment *trace = unit->trace;
        char text[LINK_TEXT_BYTES];
        int r = result;

        unit->finding = NULL;
        unit->cgroup = fd;
        if (r >= 0)
                r = unit->events = cgroup_open_events(fd);
        if (r >= 0)
                r = cgroup_list(fd, &unit->strangers);
        if (r >= 0)
                r = sd_event_add_io(trace->context->event, &unit->source, unit->events, EPOLLPRI, on_events, unit);
        if (r < 0) {
                cgroup_explain(trace->request.unit, -r, text);
                attachment_fail(trace, -r, text);
        } else if (unit->strangers.n == 0) {
                fail(trace, ESRCH, "no process runs in it; start it first");
        } else if (has_ourselves(unit)) {
                fail(trace, EINVAL,
                     "faultline itself runs in it, which would trace its own tracing; run the client elsewhere "
                     "(systemd-run --user --scope), or trace processes by -p");
        } else {
                begin(unit);
        }
}

void unit_request(struct attachment *trace)
{
        struct unit *unit = calloc(1, sizeof(*unit));
        int r = -ENOMEM;

        if (unit != NULL) {
                *unit = (struct unit){.trace = trace,
                                      .cgroup = -1,
                                      .events = -1,
                                      .asked = TARGET_INIT,
                                      .maps = -1,
                                      .smaps = -1,
                                      .ids = -1};
                trace->unit = unit;
                r = helper_start(&trace->context->children, trace->peer.uid, NULL, 0, cgroup_find_work,
                                 trace->request.unit, on_found, unit, &unit->finding);
        }
        if (r < 0)
                fail(trace, -r, strerrordesc_np(-r));
}
