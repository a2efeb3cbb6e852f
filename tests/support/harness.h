/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a live test drives the real client, the real daemon and a target that knows what it will do.
 *
 * Every function here either does what it says or ends the test: with a readable reason and status 1, or with 77 when
 * the machine lacks something. A test has no time-outs of its own but the alarm that harness_begin() sets.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/base.h"

#define MAX_ARGS 32

_Noreturn void fail(const char *format, ...) PRINTF_LIKE(1, 2);
_Noreturn void skip(const char *format, ...) PRINTF_LIKE(1, 2);
#define CHECK(condition, ...)                                                                                          \
        do {                                                                                                           \
                if (!(condition))                                                                                      \
                        fail(__VA_ARGS__);                                                                             \
        } while (false)

/* Ends the test with what it was doing after so many seconds. */
void harness_begin(unsigned int limit_seconds);

struct test_case {
        const char *name;
        void (*run)(void);
};
/* Runs the one of this name; fails if there is none. */
void harness_run_case(const struct test_case *cases, size_t n, const char *name);
/* Said when the time is up. text must live on. */
void harness_doing(const char *text);
/* The machine traces at full detail: root, tracepoints. Skips the test otherwise. */
void harness_need_full(void);
void harness_need_root(void);
void harness_need_program(const char *name);
/* That user can execute what was built and search the working directory. */
void harness_need_reachable(uid_t uid);
#define NOBODY 65534

/* Lines of a pipe, whole ones only. */
struct lines {
        int fd;
        char *data;
        size_t start, end, size_bytes;
        bool eof;
};

/* One read(2), for those who poll(2) first. */
void lines_fill(struct lines *lines);
/* A line that has been read already; NULL: none is complete. */
char *lines_take(struct lines *lines);
/* The next line without its newline, valid until the next call; NULL at end of file. */
char *lines_next(struct lines *lines);

/* A child with its standard streams: in and out are pipes, error goes to a file that child_errors() reads back. */
struct child {
        pid_t pid;
        int in_fd;
        struct lines out;
        int error_fd;
        int status; /* of waitpid(), once reaped */
};

struct child_options {
        uid_t uid; /* 0: as we are */
        bool dies_with_us;
        bool held; /* waits before its exec until child_release() */
};

/* argv ends with NULL; looked up in PATH. */
void child_start(struct child *child, const char *const *argv, const struct child_options *options);
void child_release(struct child *child);
/* Exit status as a shell has it: 128 + the signal's number. Reaps. */
int child_wait(struct child *child);
/* All that the child wrote to standard error so far. Freed by the caller. */
char *child_errors(const struct child *child);
void child_show_errors(const struct child *child);
/* Neither it nor its own children wrote what a build with sanitizers writes. */
void child_check_sanitizers(const struct child *child);
void child_close(struct child *child);
/* When the test fails, what this child wrote to standard error is shown. */
void harness_watch(const struct child *child);

/* Third field of /proc/PID/stat; 0 when there is no such process. */
char process_state(pid_t pid);
void process_wait_state(pid_t pid, char state);
/* The first child of a process; 0 if it has none. */
pid_t process_child(pid_t pid);

/* A target: its expectations were read, it waits at its gate. */
struct target {
        struct child child;
        pid_t pid;
        json_t *expected;
};

/* Name without "target_", then its case and argument (may be NULL). Skips the test if the target says so. */
void target_start(struct target *target, const char *name, const char *which, const char *argument);
void target_start_as(struct target *target, uid_t uid, const char *name, const char *which, const char *argument);
/* Whatever argv starts, in the end a target; its pid is what it says, which in another pid namespace is not ours. */
void target_start_program(struct target *target, const char *const *argv);
void target_open_gate(struct target *target);
/* It does all that it does while this process, which reads of it, stands still. */
void target_run_unread(struct target *target, pid_t reader);
/* Let it go and reap it; its exit status. */
int target_finish(struct target *target);
size_t target_n_expected(const struct target *target);

/* faultline --format=json. */
struct client {
        struct child child;
        json_t *faults; /* array, unless only counted */
        json_t *others; /* array of every other line */
        uint64_t n_faults;
        bool count_only;
        uint64_t last_seq;
};

/* args ends with NULL and may begin with a command; --private is added unless args name a socket. */
void client_start(struct client *client, const char *const *args);
void client_start_as(struct client *client, uid_t uid, const char *const *args);
void client_attach(struct client *client, pid_t pid); /* -p PID and nothing else, and waits until attached */
/* A daemon of our own at a socket in the working directory. */
struct daemon {
        struct child child;
        char socket[64];
        char config[64]; /* its directory: what the machine's own says is not for tests */
};

/* -p PID, through a daemon or, with NULL, a private one; waits until attached. */
void client_attach_as(struct client *client, uid_t uid, pid_t pid, const struct daemon *daemon);
/* Reads one line. false at end of file. */
bool client_read(struct client *client);
/* Reads until a line of this type came, which is returned (borrowed). */
json_t *client_wait_for(struct client *client, const char *type);
/* Reads both until the target says done. */
void client_read_until_done(struct client *client, struct target *target);
void clients_read_until_done(struct client *const *clients, size_t n_clients, struct target *target);
/* To the end of file; the exit status. */
int client_finish(struct client *client);
/* SIGINT, then client_finish(). */
int client_stop(struct client *client);
/* Each of them, without one waiting for the other; every one must leave with 0. */
void clients_stop(struct client *const *clients, size_t n_clients);
json_t *client_find(const struct client *client, const char *type); /* first line of the type, borrowed, or NULL */
json_t *client_find_degraded(const struct client *client, const char *what); /* likewise, of type degraded */
size_t client_n(const struct client *client, const char *type);
void client_free(struct client *client);

/* For --config=: faultlined.conf in this directory with this text, or none. Nothing is left by config_remove(). */
void config_write(const char *directory, const char *text);
void config_remove(const char *directory);
/* wrapper: program and arguments before faultlined, NULL-terminated, or NULL. Returns once it listens. */
void daemon_start(struct daemon *daemon, const char *const *wrapper);
/* The same with this text as its configuration; NULL = none. */
void daemon_start_configured(struct daemon *daemon, const char *const *wrapper, const char *config);
void daemon_stop(struct daemon *daemon);
/* Every user may connect. */
void daemon_open_to_all(const struct daemon *daemon);
/* Like "--socket=PATH", freed by the caller. */
char *daemon_option(const struct daemon *daemon);

const char *text_of(const json_t *object, const char *key); /* "" when absent */
uint64_t number_of(const json_t *object, const char *key);  /* fails the test when absent */
uint64_t address_of(const json_t *object, const char *key);

/* The client (not reaped) was refused: exit status 1, one line on standard error that holds this text, no trace. */
void check_refused(struct client *client, const char *what, const char *text);

/* The ledger of the (only) end line adds up, and delivered is the number of fault lines. Returned borrowed. */
json_t *check_ledger(const struct client *client);
/* ... and nothing was filtered, dropped, lost or incomplete. */
void check_nothing_missing(const struct client *client);

enum compare_fields {
        COMPARE_ADDRESS = 0,
        COMPARE_CAUSE = 1, /* cause and evidence */
        COMPARE_ACCESS = 2,
        COMPARE_OUTCOME = 4, /* outcome and mode */
        COMPARE_NAMES = 8,
        COMPARE_PAGE = 16, /* page size and frames */
        COMPARE_ALL = 31,
};

/* The faults are those that the target announced, each as often as it said, and no other. */
void compare_faults(const struct client *client, const struct target *target, unsigned int fields);
