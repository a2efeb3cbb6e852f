/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * SIGTERM is the same for both, and the difference is the client's: one that comes back after a stop would start the
 * service again by its socket. The job that stops us knows; systemd tells of it on the system bus
 * (org.freedesktop.systemd1(5)). A restart stays a job of type "restart" until our end, and only then turns into one of
 * type "start".
 *
 * Our unit is asked for by our process id, which is ours for as long as we ask. No call here waits for longer than is
 * left of the time: neither does the conversation's beginning, which sd_bus_call(3) would wait for without bound.
 */
#include "daemon/monitor/restart.h"

#include <errno.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "daemon/link/clock.h"
#include "daemon/monitor/log.h"

#define PATIENCE_NS (500 * NSEC_PER_MSEC)
#define SYSTEMD "org.freedesktop.systemd1"

static uint64_t usec_left(uint64_t deadline_ns)
{
        uint64_t now_ns = monotonic_ns();

        return now_ns < deadline_ns ? (deadline_ns - now_ns) / NSEC_PER_USEC + 1 : 0;
}

/* 0; -ETIMEDOUT; or another -errno. */
static int await_bus(sd_bus *bus, uint64_t deadline_ns)
{
        int r;

        while ((r = sd_bus_is_ready(bus)) == 0) {
                uint64_t usec = usec_left(deadline_ns);

                if (usec == 0)
                        return -ETIMEDOUT;
                r = sd_bus_process(bus, NULL);
                if (r == 0)
                        r = sd_bus_wait(bus, usec);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : 0;
}

/* The reply is the caller's. */
static int call(sd_bus *bus, sd_bus_message *message, uint64_t deadline_ns, sd_bus_message **ret_reply)
{
        uint64_t usec = usec_left(deadline_ns);

        return usec == 0 ? -ETIMEDOUT : sd_bus_call(bus, message, usec, NULL, ret_reply);
}

/* The path of our unit's object; it lives as long as *ret_reply. */
static int find_unit(sd_bus *bus, uint64_t deadline_ns, sd_bus_message **ret_reply, const char **ret_path)
{
        sd_bus_message *message = NULL;
        int r = sd_bus_message_new_method_call(bus, &message, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager",
                                               "GetUnitByPID");

        if (r >= 0)
                r = sd_bus_message_append(message, "u", (uint32_t)getpid());
        if (r >= 0)
                r = call(bus, message, deadline_ns, ret_reply);
        sd_bus_message_unref(message);
        return r < 0 ? r : sd_bus_message_read(*ret_reply, "o", ret_path);
}

static int get_property(sd_bus *bus, const char *path, const char *interface, const char *name, uint64_t deadline_ns,
                        sd_bus_message **ret_reply)
{
        sd_bus_message *message = NULL;
        int r = sd_bus_message_new_method_call(bus, &message, SYSTEMD, path, "org.freedesktop.DBus.Properties", "Get");

        if (r >= 0)
                r = sd_bus_message_append(message, "ss", interface, name);
        if (r >= 0)
                r = call(bus, message, deadline_ns, ret_reply);
        sd_bus_message_unref(message);
        return r;
}

/* 1 = a restart, 0 = something else or no job at all, -errno. */
static int ask(sd_bus *bus, uint64_t deadline_ns)
{
        sd_bus_message *unit_reply = NULL, *job_reply = NULL, *type_reply = NULL;
        const char *unit, *job, *type = "";
        uint32_t id = 0;
        int r = await_bus(bus, deadline_ns);

        if (r >= 0)
                r = find_unit(bus, deadline_ns, &unit_reply, &unit);
        if (r >= 0)
                r = get_property(bus, unit, SYSTEMD ".Unit", "Job", deadline_ns, &job_reply);
        if (r >= 0)
                r = sd_bus_message_read(job_reply, "v", "(uo)", &id, &job);
        if (r >= 0 && id != 0) {
                r = get_property(bus, job, SYSTEMD ".Job", "JobType", deadline_ns, &type_reply);
                if (r >= 0)
                        r = sd_bus_message_read(type_reply, "v", "s", &type);
        }
        if (r >= 0)
                r = strcmp(type, "restart") == 0 || strcmp(type, "try-restart") == 0;
        sd_bus_message_unref(unit_reply);
        sd_bus_message_unref(job_reply);
        sd_bus_message_unref(type_reply);
        return r;
}

bool restart_is_under_way(void)
{
        uint64_t deadline_ns = monotonic_ns() + PATIENCE_NS;
        sd_bus *bus = NULL;
        int r = sd_bus_open_system(&bus);

        if (r >= 0)
                r = ask(bus, deadline_ns);
        sd_bus_close_unref(bus);
        if (r < 0)
                log_line(LOG_PRIORITY_NOTICE, "cannot ask systemd whether this is a restart: %s; all traces end",
                         strerrordesc_np(-r));
        return r > 0;
}
