/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The composition root of the monitor: one event loop, one context, and the order of beginning and end. Power is used
 * at the start for what needs it once (tracepoint numbers, kernel symbols, limits), then reduced to what attaching
 * needs.
 */
#include "daemon/monitor/monitor.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "daemon/monitor/attachment.h"
#include "daemon/monitor/context.h"
#include "daemon/monitor/engines.h"
#include "daemon/monitor/holders.h"
#include "daemon/monitor/listener.h"
#include "daemon/monitor/log.h"
#include "daemon/monitor/peer.h"

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

/*
 * Kernel symbols are shown with addresses or with zeros, decided when the file is opened (kallsyms_open(),
 * kernel/kallsyms.c). Zeros all over the first page are no symbols.
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

static void open_kallsyms(struct context *context)
{
        context->kallsyms = open("/proc/kallsyms", O_RDONLY | O_CLOEXEC);
        context->kallsyms_error = context->kallsyms < 0 ? errno : 0;
        if (context->kallsyms >= 0 && !shows_addresses(context->kallsyms)) {
                cleanup_close(&context->kallsyms);
                context->kallsyms = -1;
                context->kallsyms_error = EPERM;
        }
}

static void raise_limit(int resource)
{
        struct rlimit limit;

        if (getrlimit(resource, &limit) < 0)
                return;
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(resource, &limit);
}

/*
 * What attaching needs, and no more. Which of CAP_PERFMON and CAP_SYS_ADMIN opens perf events depends on the
 * distribution's kernel (Debian's asks for CAP_SYS_ADMIN where perf_event_paranoid is 3), so both stay if they are
 * there. CAP_SYS_NICE is for the engines' reading of the rings (urgency.h), which have none left when they begin.
 */
static void reduce_capabilities(void)
{
        static const unsigned int kept[] = {
                CAP_PERFMON, CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_CHECKPOINT_RESTORE, CAP_SETUID,
                CAP_SETGID,  CAP_KILL,       CAP_IPC_LOCK,        CAP_SYS_ADMIN,          CAP_SYS_NICE};
        bool have[ARRAY_SIZE(kept)];

        capng_clear(CAPNG_SELECT_ALL);
        if (capng_get_caps_process() < 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
                have[i] = capng_have_capability(CAPNG_PERMITTED, kept[i]) == 1;
        capng_clear(CAPNG_SELECT_CAPS);
        for (size_t i = 0; i < ARRAY_SIZE(kept); i++)
                if (have[i])
                        (void)capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
        if (capng_apply(CAPNG_SELECT_CAPS) != 0)
                log_line(LOG_PRIORITY_WARNING, "cannot drop the capabilities that are not needed");
}

static void on_idle(void *user)
{
        struct monitor *monitor = user;

        if (monitor->engines.is_private || monitor->is_ending)
                (void)sd_event_exit(monitor->context.event, 0);
}

static int on_shutdown_timeout(sd_event_source *source, uint64_t usec, void *user)
{
        return sd_event_exit(sd_event_source_get_event(source), 0);
}

static int on_signal(sd_event_source *source, const struct signalfd_siginfo *info, void *user)
{
        struct monitor *monitor = user;

        if (monitor->is_ending)
                return sd_event_exit(monitor->context.event, 0);
        monitor->is_ending = true;
        (void)sd_notify(0, "STOPPING=1");
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
                log_line(LOG_PRIORITY_ERROR,
                         "cannot accept connections: %s; they wait until that is over (LimitNOFILE= of the service or "
                         "ulimit -n bounds the descriptors)",
                         strerrordesc_np(-error));
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
        return 0;
}

static int start_loop(struct monitor *monitor)
{
        sigset_t signals;
        int r;

        sigemptyset(&signals);
        sigaddset(&signals, SIGTERM);
        sigaddset(&signals, SIGINT);
        if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
                return -errno;
        (void)signal(SIGPIPE, SIG_IGN);
        r = sd_event_new(&monitor->context.event);
        if (r >= 0)
                r = sd_event_add_signal(monitor->context.event, NULL, SIGTERM, on_signal, monitor);
        if (r >= 0)
                r = sd_event_add_signal(monitor->context.event, NULL, SIGINT, on_signal, monitor);
        if (r >= 0)
                r = sd_event_set_watchdog(monitor->context.event, 1);
        if (r >= 0)
                r = closer_new(&monitor->context.closer);
        monitor->context.warm.event = monitor->context.event;
        monitor->context.warm.closer = monitor->context.closer;
        monitor->context.children.event = monitor->context.event;
        monitor->context.complaints.event = monitor->context.event;
        return r < 0 ? r : 0;
}

static int start_serving(struct monitor *monitor, const struct monitor_options *options)
{
        int r;

        if (options->private_fd >= 0) {
                engines_add_client(&monitor->engines, options->private_fd);
                return 0;
        }
        monitor->listener = listener_open(options->socket_path != NULL ? options->socket_path : MONITOR_SOCKET_PATH);
        if (monitor->listener < 0)
                return monitor->listener;
        r = sd_event_add_io(monitor->context.event, &monitor->listening, monitor->listener, EPOLLIN, on_connection,
                            monitor);
        if (r >= 0) /* now: a timer needs a descriptor, and this one is for when there is none */
                r = sd_event_add_time_relative(monitor->context.event, &monitor->accept_timer, CLOCK_MONOTONIC,
                                               ACCEPT_PAUSE_USEC, 0, on_accept_timer, monitor);
        if (r >= 0)
                r = sd_event_source_set_enabled(monitor->accept_timer, SD_EVENT_OFF);
        if (r >= 0)
                (void)sd_notify(0, "READY=1");
        return r < 0 ? r : 0;
}

static void monitor_deinit(struct monitor *monitor)
{
        struct context *context = &monitor->context;

        engines_deinit(&monitor->engines);
        complaints_deinit(&context->complaints);
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
                .context = {.options = options,
                            .budget = {.size_bytes = options->ring_budget_bytes != 0 ? options->ring_budget_bytes
                                                                                     : ring_budget_default()},
                            .kallsyms = -1},
                .engines = {.is_private = options->private_fd >= 0, .idle = on_idle},
                .listener = -1,
        };
        int r;

        monitor.engines.context = &monitor.context;
        monitor.engines.user = &monitor;
        raise_limit(RLIMIT_NOFILE);
        raise_limit(RLIMIT_MEMLOCK);
        tracefs_read(&monitor.context.tracefs);
        open_kallsyms(&monitor.context);
        reduce_capabilities();
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
