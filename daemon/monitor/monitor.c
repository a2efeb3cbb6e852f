/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The composition root of the monitor: one event loop, one context, and the order of beginning and end. Power is used
 * at the start for what needs it once (tracepoint numbers, kernel symbols, limits), then reduced to what attaching
 * needs.
 */
#include "daemon/monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "daemon/link/clock.h"
#include "daemon/link/sandbox.h"
#include "daemon/monitor/attachment.h"
#include "daemon/monitor/context.h"
#include "daemon/monitor/engines.h"
#include "daemon/monitor/holders.h"
#include "daemon/monitor/kallsyms.h"
#include "daemon/monitor/listener.h"
#include "daemon/monitor/log.h"
#include "daemon/monitor/peer.h"
#include "daemon/monitor/power.h"
#include "daemon/monitor/records.h"
#include "daemon/monitor/reload.h"
#include "daemon/monitor/restart.h"

#define SHUTDOWN_USEC (3 * 1000 * 1000) /* for engines to bring their clients the end of every trace */
#define ACCEPTS_PER_WAKEUP 16
#define ACCEPT_PAUSE_USEC (100 * 1000)

struct monitor {
        struct context context;
        struct engines engines;
        sd_event_source *listening;
        sd_event_source *accept_timer; /* on while no connection can be accepted */
        sd_event_source *shutdown_timer;
        int listener;
        bool cannot_accept; /* and it was logged */
        bool is_ending;
};

/* Whether the one client of a private daemon is our own user, which is all whom it will ever serve. */
static bool serves_own_user(int private_fd)
{
        CLEANUP(peer_deinit) struct peer peer = {0};

        return private_fd >= 0 && peer_read(private_fd, &peer) == 0 && peer.uid == geteuid() && peer.gid == getegid();
}

static void open_kallsyms(struct context *context)
{
        bool is_service = context->options->private_fd < 0;
        int r = power_open_kallsyms();

        if (r >= 0 && is_service) {
                CLEANUP_CLOSE int file = r;

                r = kallsyms_copy(file);
        }
        context->kallsyms = MAX_OF(r, -1);
        context->kallsyms_error = r < 0 ? -r : 0;
}

static int give_up_power(struct monitor *monitor)
{
        struct context *context = &monitor->context;
        char text[POWER_TEXT_BYTES];
        int r;

        open_kallsyms(context);
        r = power_reduce(context->budget.size_bytes, serves_own_user(context->options->private_fd), &context->power);
        if (r >= 0)
                r = sandbox_prepare(SANDBOX_HELPER);
        if (r >= 0)
                r = sandbox_prepare(SANDBOX_TRACER);
        if (r >= 0)
                r = sandbox_enter(SANDBOX_MONITOR);
        if (r < 0 || !log_is_journal())
                return r;
        power_text(context->power.held, text);
        log_line(LOG_PRIORITY_INFO, "capabilities held: %s", text);
        return 0;
}

static void on_idle(void *user)
{
        struct monitor *monitor = user;

        if (monitor->engines.is_private || monitor->is_ending)
                (void)sd_event_exit(monitor->context.event, 0);
        else
                idle_look(&monitor->context);
}

static int on_shutdown_timeout(sd_event_source *source, uint64_t usec, void *user)
{
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_reload(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
        struct monitor *monitor = user;

        if (!monitor->is_ending)
                reload(&monitor->context);
        return 0;
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
        struct monitor *monitor = user;

        if (monitor->is_ending)
                return sd_event_exit(monitor->context.event, 0);
        monitor->is_ending = true;
        (void)sd_notify(0, "STOPPING=1");
        store_leave(&monitor->context.store, store_has_any(&monitor->context.store) && restart_is_under_way());
        monitor->listening = sd_event_source_disable_unref(monitor->listening);
        monitor->accept_timer = sd_event_source_disable_unref(monitor->accept_timer);
        engines_shutdown(&monitor->engines);
        return sd_event_add_time_relative(monitor->context.event, &monitor->shutdown_timer, CLOCK_MONOTONIC,
                                          SHUTDOWN_USEC, 0, on_shutdown_timeout, monitor);
}

/* accept4(2) failed for want of something; the connection stays in the queue and the socket readable. */
static bool is_lack(int r)
{
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM || r == -ENOBUFS;
}

static int on_accept_timer(sd_event_source *source, uint64_t usec, void *user)
{
        struct monitor *monitor = user;

        return sd_event_source_set_enabled(monitor->listening, SD_EVENT_ON);
}

static int pause_accepting(struct monitor *monitor, int error)
{
        if (!monitor->cannot_accept)
                records_cannot_accept(&monitor->context, -error);
        monitor->cannot_accept = true;
        (void)sd_event_source_set_enabled(monitor->listening, SD_EVENT_OFF);
        (void)sd_event_source_set_time_relative(monitor->accept_timer, ACCEPT_PAUSE_USEC);
        return sd_event_source_set_enabled(monitor->accept_timer, SD_EVENT_ONESHOT);
}

static int on_connection(sd_event_source *source, int listener, uint32_t events, void *user)
{
        struct monitor *monitor = user;

        for (int i = 0; i < ACCEPTS_PER_WAKEUP; i++) {
                int fd = listener_accept(listener);

                if (is_lack(fd))
                        return pause_accepting(monitor, fd);
                if (fd < 0)
                        break;
                monitor->cannot_accept = false;
                engines_add_client(&monitor->engines, fd);
        }
        idle_look(&monitor->context);
        return 0;
}

static int start_loop(struct monitor *monitor)
{
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        if (monitor->context.options->config_directories != NULL)
                sigaddset(&signals, SIGHUP);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        (void)signal(SIGPIPE, SIG_IGN);
        r = sd_event_new(&monitor->context.event);
        if (r >= 0)
                r = sd_event_add_signal(monitor->context.event, NULL, SIGTERM, on_signal, monitor);
        if (r >= 0)
                r = sd_event_add_signal(monitor->context.event, NULL, SIGINT, on_signal, monitor);
        if (r >= 0 && monitor->context.options->config_directories != NULL)
                r = sd_event_add_signal(monitor->context.event, NULL, SIGHUP, on_reload, monitor);
        if (r >= 0)
                r = sd_event_set_watchdog(monitor->context.event, 1);
        if (r >= 0)
                r = closer_new(&monitor->context.closer);
        monitor->context.warm.event = monitor->context.event;
        monitor->context.warm.closer = monitor->context.closer;
        monitor->context.children.event = monitor->context.event;
        monitor->context.complaints.event = monitor->context.event;
        monitor->context.complaints.is_private = monitor->engines.is_private;
        return r < 0 ? r : 0;
}

static int start_serving(struct monitor *monitor, const struct monitor_options *options)
{
        CLEANUP(handed_deinit) struct handed handed = HANDED_INIT;
        int r;

        if (options->private_fd >= 0) {
                engines_add_client(&monitor->engines, options->private_fd);
                return 0;
        }
        r = handed_take(&handed);
        if (r < 0)
                return r;
        store_init(&monitor->context.store, &monitor->context, handed.kept, handed.n_kept);
        monitor->context.idle.is_activated = handed.listener >= 0;
        monitor->listener = handed.listener >= 0           ? TAKE_FD(handed.listener)
                            : options->socket_path != NULL ? listener_open(options->socket_path)
                                                           : listener_open(MONITOR_SOCKET_PATH);
        if (monitor->listener < 0)
                return monitor->listener;
        r = sd_event_add_io(monitor->context.event, &monitor->listening, monitor->listener, EPOLLIN, on_connection,
                            monitor);
        if (r >= 0) /* now: a timer needs a descriptor, and this one is for when there is none */
                r = sd_event_add_time_relative(monitor->context.event, &monitor->accept_timer, CLOCK_MONOTONIC,
                                               ACCEPT_PAUSE_USEC, 0, on_accept_timer, monitor);
        if (r >= 0)
                r = sd_event_source_set_enabled(monitor->accept_timer, SD_EVENT_OFF);
        if (r >= 0) {
                records_service_lacks(&monitor->context);
                (void)sd_notify(0, "READY=1");
                announce_later(&monitor->context);
                idle_look(&monitor->context);
        }
        return r < 0 ? r : 0;
}

static void monitor_deinit(struct monitor *monitor)
{
        struct context *context = &monitor->context;

        engines_deinit(&monitor->engines);
        store_deinit(&context->store);
        announce_deinit(&context->announcer);
        idle_deinit(&context->idle);
        complaints_deinit(&context->complaints);
        tallies_deinit(&context->tallies);
        holders_free(context);
        children_deinit(&context->children);
        warm_deinit(&context->warm);
        closer_free(context->closer);
        sd_event_source_disable_unref(monitor->listening);
        sd_event_source_disable_unref(monitor->accept_timer);
        sd_event_source_disable_unref(monitor->shutdown_timer);
        sd_event_unref(context->event);
        cleanup_close(&monitor->listener);
        cleanup_close(&context->kallsyms);
}

int monitor_run(const struct monitor_options *options)
{
        CLEANUP(monitor_deinit)
        struct monitor monitor = {
                .context = {.options = options, .kallsyms = -1},
                .engines = {.is_private = options->private_fd >= 0, .idle = on_idle},
                .listener = -1,
        };
        int r;

        monitor.engines.context = &monitor.context;
        monitor.context.engines = &monitor.engines;
        monitor.context.started_ns = monotonic_ns();
        monitor.context.tallies.max_of_user = TALLIES_MAX_OF_USER;
        monitor.engines.user = &monitor;
        power_raise_limits();
        power_files_as(0, 0); /* whose tracefs is */
        tracefs_read(&monitor.context.tracefs);
        power_files_as(geteuid(), getegid());
        reload_begin(&monitor.context);
        r = give_up_power(&monitor);
        if (r >= 0)
                r = start_loop(&monitor);
        if (r < 0) {
                log_line(LOG_PRIORITY_ERROR, "cannot start: %s", strerrordesc_np(-r));
                return EXIT_FAILURE;
        }
        if (start_serving(&monitor, options) < 0)
                return EXIT_FAILURE;
        r = sd_event_loop(monitor.context.event);
        if (r < 0)
                log_line(LOG_PRIORITY_ERROR, "the event loop failed: %s", strerrordesc_np(-r));
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
