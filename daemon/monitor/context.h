/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every trace of the monitor shares. One of it, owned by monitor.c. */
#pragma once

#include "daemon/monitor/announce.h"
#include "daemon/monitor/child.h"
#include "daemon/monitor/closer.h"
#include "daemon/monitor/complaints.h"
#include "daemon/monitor/config.h"
#include "daemon/monitor/idle.h"
#include "daemon/monitor/monitor.h"
#include "daemon/monitor/power.h"
#include "daemon/monitor/rings.h"
#include "daemon/monitor/status.h"
#include "daemon/monitor/store.h"
#include "daemon/monitor/tallies.h"
#include "daemon/monitor/tracefs.h"
#include "daemon/monitor/warm.h"

struct attachment;
struct engines;
struct exec_stop;
struct holder;

struct context {
        const struct monitor_options *options;
        struct engines *engines;  /* borrowed, the only ones */
        struct settings settings; /* reload.c */
        size_t n_config_complaints;
        struct announcer announcer;
        struct idle idle;
        sd_event *event;
        struct children children;
        struct closer *closer;
        struct tracefs tracefs;
        struct warm warm;
        struct ring_budget budget;
        struct complaints complaints;
        struct store store;
        struct power power; /* what we may do, from the start on */
        int kallsyms;       /* /proc/kallsyms as opened with all rights; -1 = kallsyms_error says why not */
        int kallsyms_error;
        struct attachment *attachments; /* of all engines */
        uint32_t last_trace_id;         /* never reused */
        struct holder *holders;         /* holders.c: tracer processes */
        struct exec_stop *exec_stops;   /* execs.c: processes that are held in an exec */
        struct tallies tallies;         /* what traces have counted, by user and unit */
        struct status_users users;      /* what happened to whom */
        uint64_t started_ns;            /* CLOCK_MONOTONIC */
};
