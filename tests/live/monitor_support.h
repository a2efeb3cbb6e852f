/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For tests of the real monitor and tracer on real processes, with the test in the engine's place. What a target did is
 * known exactly, and so is what must be counted.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/link/link.h"
#include "proto/proto.h"

#define N_WORKERS 8
#define N_PAGES 300
#define PAGE ((size_t)4096)
#define NOBODY 65534

/* --- targets --- */

struct target {
        pid_t pid;
        int command; /* write a byte */
        int answer;  /* read a byte */
};

void say(int fd, char c);
char hear(int fd);
/* The same for a target, which has nobody to report to: it ends when the test is gone. */
void target_say(int fd, char c);
void target_hear(int fd);
struct target target_start(void (*run)(int command, int answer));
void target_end(struct target *target);
/* The letter of proc_pid_stat(5). */
char target_state(pid_t pid);
/* Who traces it, 0 = nobody. */
pid_t tracer_of(pid_t pid);
void tracer_await_none(pid_t pid);
/* Somebody else's tracer of all its threads. */
struct target debugger_start(pid_t pid);
char *fresh_pages(size_t n);
void touch_pages(volatile char *p, size_t n);
/* A thread of run_workers(). */
void *worker(void *arg);
/*
 * Eight threads. 'g': each touches N_PAGES fresh pages, and nothing else faults: everything was done once before, on
 * other pages. 'p': 64 pages are populated. 'x': ends.
 */
void run_workers(int command, int answer);
/* Counts SIGRTMIN; 'n' answers with the count as an int. */
void run_signals(int command, int answer);

/* --- the monitor, and its engine's link --- */

struct session {
        pid_t monitor;
        int client;
        int link_fd;
        struct link_conn conn;
};

void take_link(struct session *session);
struct session session_start_with(uint64_t ring_budget_bytes);
struct session session_start(void);
struct session session_start_with_tracer(int (*tracer)(int link_fd, int process_fd));
/* A private daemon of the user nobody. The monitor's peer is root all the same: it made the socketpair. */
struct session session_start_as_nobody(void);
void session_end(struct session *session);
/* What is sent until monitor_continue() is there at once. */
void monitor_pause(const struct session *session);
void monitor_continue(const struct session *session);
/* The next message, which must be of this type. */
struct link_received expect_on(int socket, enum link_type type);
struct link_received expect(struct session *session, enum link_type type);
void send_id(struct session *session, enum link_type type, uint32_t id);
struct link_trace ask_with(struct session *session, struct link_attach attach, struct link_received *ret);
struct link_trace ask_trace(struct session *session, pid_t pid, uint32_t flags, struct link_received *ret);
void expect_refused(struct session *session, pid_t pid, int error, const char *text);

/* --- what an engine does with a trace --- */

struct ring_view {
        struct perf_event_mmap_page *page;
        size_t n_bytes;
};

struct attached {
        struct link_trace trace;
        struct link_started started;
        struct link_event_id *ids;
        struct ring_view rings[64];
        size_t n_rings;
        int stories;
        bool is_shared; /* another trace has the same target */
};

void take_rings(int socket, struct attached *attached);
/* Until LINK_TRACE and the rings are there; until LINK_STARTED. */
struct attached prepare_with(struct session *session, struct link_attach wish);
struct attached prepare(struct session *session, pid_t pid, uint32_t flags);
struct attached attach_with(struct session *session, struct link_attach wish);
struct attached attach(struct session *session, pid_t pid, uint32_t flags);
struct link_counts expect_counts(struct session *session, const struct attached *attached, uint32_t reason);
struct link_counts stop(struct session *session, const struct attached *attached);
void detach(struct session *session, struct attached *attached);
/* Samples in the fault rings by kind. The rings must not have wrapped. */
void count_samples(const struct attached *attached, uint64_t ret[static N_EVENT_KINDS]);
void check_counts(const struct attached *attached, const struct link_counts *counts, uint64_t n);
struct link_received open_file(struct session *session, struct link_open open);
void expect_open_error(struct session *session, struct link_open open, int error);
void expect_same_file(struct session *session, struct link_open open, const struct stat *st);

/* --- another user's client, of the service --- */

struct service {
        pid_t monitor;
        int log; /* its standard error */
        char folder[32], path[64];
};

struct service service_start_with(int (*engine)(int link_fd));
struct service service_start(void);
int service_connect(const struct service *service);
void service_end(struct service *service);
void become_nobody(void);
struct session session_of_nobody(const struct service *service);

/* 0, or 77 after saying why. */
int monitor_tests_cannot_run(void);
/* The first child of a process that has one. */
pid_t child_of(pid_t parent);
