/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * journal CASE: what the daemon tells the journal, read where journald would: in a mount namespace of our own, where
 * the test listens at journald's socket, and standard error of the daemon is what JOURNAL_STREAM names. The last two
 * cases are those without a journal.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "tests/support/harness.h"

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define RECORDS_MAX 2000
#define FLOOD "2000000"
#define TOO_MANY_DEATHS 6
#define TOO_MANY_CLIENTS 129 /* ClientsPerUser= and one */

/* As in daemon/monitor/journal.def: what people's scripts go by must not change unnoticed. */
#define ATTACH_GRANTED "8db714b7512e4185957c3204761d9171"
#define ATTACH_DENIED "e2cca1417f0c402bbc41a941e570143d"
#define ATTACH_FAILED "c1ed4074072d4bc58256e20a2ce2be02"
#define TRACE_REVOKED "cf5735ad3fc346dab6b1fcef1f49b810"
#define TRACE_ENDED "1ab22c42bdd245b0a78a3afc19a03757"
#define TRACE_DEGRADED "15679f50ce4541cb9a3eb2385d32d365"
#define SERVICE_DEGRADED "5786537cfa084934960a392e048ebb2f"
#define CLIENT_DROPPED "a4ebee5818874497be9a7f93a2265296"
#define LOSS_BEGAN "84df7cffae224ef29186ededec687d07"
#define LOSS_ENDED "fecaad94be9a4165bf6b2dc4db46b9af"
#define LIMIT_REACHED "71ce2ee664824d7490863e3de23f95ad"
#define ENGINE_RESTARTED "3529eeb3616444d0982b7408e773c8de"
#define ENGINE_GIVEN_UP "a284d0bf9dfe4827a3247396ce946efe"
#define SUPPRESSED "00b87d1447df411ca9b922686c1f8834"

/* --- the journal --- */

struct record {
        char *data; /* the datagram, NUL-terminated; NULL once it was asked for */
};

static int journal = -1;
static struct record records[RECORDS_MAX];
static size_t n_records;

static void make_folder(const char *path)
{
        CHECK(mkdir(path, 0755) == 0 || errno == EEXIST, "%s: %s", path, strerror(errno));
}

static void journal_listen(void)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};

        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
                skip("no mount namespace of our own: %s", strerror(errno));
        CHECK(mount("tmpfs", "/run", "tmpfs", 0, "mode=0755") == 0, "mounting a tmpfs: %s", strerror(errno));
        make_folder("/run/systemd");
        make_folder("/run/systemd/journal");
        journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        CHECK(journal >= 0 && bind(journal, (const struct sockaddr *)&address, sizeof(address)) == 0, "%s: %s",
              JOURNAL_SOCKET, strerror(errno));
}

/* Its standard error is a file, and the variable names it. config: a text, or NULL. */
static void serve_configured(struct daemon *daemon, const char *config)
{
        static const char *const wrapper[] = {
                "sh", "-c", "JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec \"$@\"", "sh", NULL};

        daemon_start_configured(daemon, wrapper, config);
        daemon_open_to_all(daemon);
}

static void serve(struct daemon *daemon)
{
        serve_configured(daemon, NULL);
}

/* 0 in the child, which is nobody and ends when we do. */
static pid_t fork_nobody(void)
{
        pid_t child;

        harness_need_reachable(NOBODY);
        child = fork();
        CHECK(child >= 0, "fork: %s", strerror(errno));
        if (child == 0 && (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0 ||
                           prctl(PR_SET_PDEATHSIG, SIGKILL) < 0))
                _exit(EXIT_FAILURE);
        return child;
}

static void end_child(pid_t child)
{
        CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child, "the child is gone");
}

/* Into value; false: the record has no such field. */
static bool field_of(const struct record *record, const char *name, char value[static 1024])
{
        size_t n = strlen(name);

        for (const char *line = record->data; *line; line = strchr(line, '\n') + 1)
                if (strncmp(line, name, n) == 0 && line[n] == '=') {
                        (void)snprintf(value, 1024, "%.*s", (int)strcspn(line + n + 1, "\n"), line + n + 1);
                        return true;
                }
        return false;
}

/* NAME=value and nothing else: a name with a length behind it, for a value of several lines, never comes. */
static void check_form(const struct record *record)
{
        char value[1024];

        for (const char *line = record->data; *line; line = strchr(line, '\n') + 1) {
                size_t n = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_");

                CHECK(n > 0 && line[n] == '=' && strchr(line, '\n'), "no field: %s", line);
                for (const char *p = line; *p != '\n'; p++)
                        CHECK((unsigned char)*p >= ' ' && *p != 0x7f, "a control character: %s", line);
        }
        CHECK(field_of(record, "MESSAGE", value) && *value, "no MESSAGE: %s", record->data);
        CHECK(field_of(record, "SYSLOG_IDENTIFIER", value) && strcmp(value, "faultlined") == 0,
              "no SYSLOG_IDENTIFIER: %s", record->data);
        CHECK(field_of(record, "PRIORITY", value) && strchr("3456", *value), "no PRIORITY: %s", record->data);
}

static void receive_record(void)
{
        char bytes[16384];
        ssize_t n = recv(journal, bytes, sizeof(bytes) - 1, 0);

        CHECK(n > 0 && n_records < RECORDS_MAX, "receiving a record: %s", strerror(errno));
        bytes[n] = '\0';
        records[n_records].data = strdup(bytes);
        check_form(&records[n_records]);
        printf("%s---\n", records[n_records].data);
        n_records++;
}

static bool is_of(const struct record *record, const char *id, const char *reason)
{
        char value[1024];

        return record->data && field_of(record, "MESSAGE_ID", value) && strcmp(value, id) == 0 &&
               (!reason || (field_of(record, "FAULTLINE_REASON", value) && strcmp(value, reason) == 0));
}

/* The next one with this id and reason (NULL = any), which may have come already; others are kept. */
static struct record *record_wait(const char *id, const char *reason)
{
        harness_doing(id);
        for (size_t i = 0;; i++) {
                if (i == n_records)
                        receive_record();
                if (is_of(&records[i], id, reason))
                        return &records[i];
        }
}

static void record_done(struct record *record)
{
        free(record->data);
        record->data = NULL;
}

static void check_field(const struct record *record, const char *name, const char *expected)
{
        char value[1024];

        CHECK(field_of(record, name, value), "%s is missing: %s", name, record->data);
        CHECK(strcmp(value, expected) == 0, "%s is %s, not %s: %s", name, value, expected, record->data);
}

static void check_number(const struct record *record, const char *name, uint64_t expected)
{
        char number[32];

        (void)snprintf(number, sizeof(number), "%" PRIu64, expected);
        check_field(record, name, number);
}

static uint64_t number_in(const struct record *record, const char *name)
{
        char value[1024];

        CHECK(field_of(record, name, value), "%s is missing: %s", name, record->data);
        return strtoull(value, NULL, 10);
}

/* --- cases --- */

static void test_granted(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        struct record *record;
        uint64_t trace;

        serve(&daemon);
        target_start_as(&target, NOBODY, "anon", "zero-fill", NULL);
        client_attach_as(&client, NOBODY, target.pid, &daemon);
        record = record_wait(ATTACH_GRANTED, NULL);
        check_field(record, "PRIORITY", "6");
        check_number(record, "FAULTLINE_UID", NOBODY);
        check_number(record, "FAULTLINE_PID", (uint64_t)target.pid);
        check_number(record, "FAULTLINE_CLIENT_PID", (uint64_t)client.child.pid);
        check_field(record, "FAULTLINE_COMM", "target_anon");
        trace = number_in(record, "FAULTLINE_TRACE");
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        record = record_wait(TRACE_ENDED, NULL);
        check_number(record, "FAULTLINE_TRACE", trace);
        check_field(record, "FAULTLINE_REASON", "stopped");
        check_number(record, "FAULTLINE_FAULTS", number_of(check_ledger(&client), "kernel"));
        check_number(record, "FAULTLINE_LOST", 0);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

static void ask(const struct daemon *daemon, pid_t pid, const char *said)
{
        CLEANUP_FREE char *option = daemon_option(daemon);
        char number[16];
        struct client client;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start_as(&client, NOBODY, (const char *const[]){"-p", number, option, NULL});
        check_refused(&client, number, said);
        client_free(&client);
}

static void test_denied(void)
{
        struct daemon daemon;
        struct target target;
        struct record *record;

        serve(&daemon);
        target_start(&target, "anon", "zero-fill", NULL);
        ask(&daemon, target.pid, "may not trace it");
        record = record_wait(ATTACH_DENIED, NULL);
        check_field(record, "PRIORITY", "5");
        check_number(record, "FAULTLINE_UID", NOBODY);
        check_number(record, "FAULTLINE_PID", (uint64_t)target.pid);
        check_number(record, "FAULTLINE_ERRNO", EPERM);
        target_open_gate(&target);
        CHECK(target_finish(&target) == 0, "the target failed");
        ask(&daemon, target.pid, "no such process");
        record = record_wait(ATTACH_FAILED, NULL);
        check_number(record, "FAULTLINE_ERRNO", ESRCH);
        check_number(record, "FAULTLINE_PID", (uint64_t)target.pid);
        daemon_stop(&daemon);
}

static char folder[] = "faultline-journal-XXXXXX", program[128];

static void remove_program(void)
{
        (void)unlink(program);
        (void)rmdir(folder);
}

/* Another user's program, which its executor has no right to read. */
static void make_unreadable(void)
{
        CLEANUP_CLOSE int from = open(TARGETS_DIR "/target_setid", O_RDONLY | O_CLOEXEC), to = -1;
        struct stat st;
        off_t at = 0;

        CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0, "%s: %s", folder, strerror(errno));
        (void)snprintf(program, sizeof(program), "%s/program", folder);
        (void)atexit(remove_program);
        to = open(program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        CHECK(from >= 0 && to >= 0 && fstat(from, &st) == 0, "%s: %s", program, strerror(errno));
        while (at < st.st_size)
                CHECK(sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0, "%s: %s", program, strerror(errno));
        CHECK(fchmod(to, 0711) == 0 && setenv("TARGET_PROGRAM", program, 1) == 0, "%s: %s", program, strerror(errno));
}

/* Held, and seen by the monitor; or not, and seen by the engine from the silence after it. */
static void take_away(const struct daemon *daemon, const char *mode)
{
        CLEANUP_FREE char *option = daemon_option(daemon);
        struct target target;
        struct client client;
        struct record *record;
        char number[16];

        target_start_as(&target, NOBODY, "setid", "enter", NULL);
        (void)snprintf(number, sizeof(number), "%d", (int)target.pid);
        client_start_as(&client, NOBODY, (const char *const[]){"-p", number, option, mode, NULL});
        (void)client_wait_for(&client, "attached");
        target_open_gate(&target);
        CHECK(lines_next(&target.child.out), "the target failed");
        client_read_until_done(&client, &target);
        child_release(&target.child);
        CHECK(client_finish(&client) == 0, "the client failed");
        record = record_wait(TRACE_REVOKED, NULL);
        check_number(record, "FAULTLINE_UID", NOBODY);
        check_number(record, "FAULTLINE_PID", (uint64_t)target.pid);
        check_number(record, "FAULTLINE_TRACE", number_in(record_wait(ATTACH_GRANTED, NULL), "FAULTLINE_TRACE"));
        record_done(record);
        record_done(record_wait(ATTACH_GRANTED, NULL));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void test_revoked(void)
{
        struct daemon daemon;

        harness_need_reachable(NOBODY);
        make_unreadable();
        serve(&daemon);
        take_away(&daemon, "--ptrace=hold");
        take_away(&daemon, "--ptrace=light");
        daemon_stop(&daemon);
        while (recv(journal, (char[1]){0}, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
                receive_record();
        for (size_t i = 0; i < n_records; i++)
                CHECK(!is_of(&records[i], TRACE_REVOKED, NULL), "told twice: %s", records[i].data);
}

static int reach(const struct daemon *daemon)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", daemon->socket);
        CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0,
              "connecting to the daemon: %s", strerror(errno));
        return fd;
}

static void test_dropped(void)
{
        struct daemon daemon;
        struct record *record;
        int fd;

        serve(&daemon);
        fd = reach(&daemon);
        CHECK(send(fd, "rubbish", 7, MSG_NOSIGNAL) == 7, "sending: %s", strerror(errno));
        record = record_wait(CLIENT_DROPPED, NULL);
        check_field(record, "FAULTLINE_REASON", "malformed");
        check_number(record, "FAULTLINE_UID", 0);
        check_number(record, "FAULTLINE_CLIENT_PID", (uint64_t)getpid());
        check_number(record, "FAULTLINE_DELIVERED", 0);
        check_number(record, "FAULTLINE_DROPPED", 0);
        (void)close(fd);
        daemon_stop(&daemon);
}

/* What is said to be lost is what the client counts, to the last fault. */
static void test_slow(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        struct record *record;

        serve(&daemon);
        target_start(&target, "anon", "flood", FLOOD);
        client_attach_as(&client, 0, target.pid, &daemon);
        client.count_only = true;
        CHECK(kill(client.child.pid, SIGSTOP) == 0, "the client is gone");
        process_wait_state(client.child.pid, 'T');
        target_open_gate(&target);
        record = record_wait(LOSS_BEGAN, "client");
        check_number(record, "FAULTLINE_CLIENT_PID", (uint64_t)client.child.pid);
        check_number(record, "FAULTLINE_PID", (uint64_t)target.pid);
        harness_doing("waiting for the target while the client is stopped");
        CHECK(strcmp(lines_next(&target.child.out), "done") == 0, "the target failed");
        CHECK(kill(client.child.pid, SIGCONT) == 0, "the client is gone");
        CHECK(client_stop(&client) == 0, "the client failed");
        CHECK(number_of(check_ledger(&client), "dropped_client") > 0, "nothing was dropped");
        record = record_wait(LOSS_ENDED, "client");
        check_number(record, "FAULTLINE_DROPPED", number_of(check_ledger(&client), "dropped_client"));
        check_number(record, "FAULTLINE_TRACE", number_in(record_wait(LOSS_BEGAN, "client"), "FAULTLINE_TRACE"));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

/* The daemon's only child that stays is the engine. */
static pid_t engine_of(const struct daemon *daemon)
{
        pid_t engine = process_child(daemon->child.pid);

        CHECK(engine > 0, "the daemon has no engine");
        return engine;
}

static void test_rings(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        struct record *record;
        uint64_t n_lost;

        serve(&daemon);
        target_start(&target, "anon", "flood", FLOOD);
        client_attach_as(&client, 0, target.pid, &daemon);
        client.count_only = true;
        target_run_unread(&target, engine_of(&daemon));
        CHECK(client_stop(&client) == 0, "the client failed");
        n_lost = number_of(check_ledger(&client), "lost_kernel");
        CHECK(n_lost > 0, "nothing was lost");
        record = record_wait(LOSS_BEGAN, "rings");
        check_number(record, "FAULTLINE_PID", (uint64_t)target.pid);
        record = record_wait(LOSS_ENDED, "rings");
        CHECK(number_in(record, "FAULTLINE_LOST_RECORDS") >= n_lost, "too few records: %s", record->data);
        record = record_wait(TRACE_ENDED, NULL);
        check_number(record, "FAULTLINE_LOST", n_lost);
        check_number(record, "FAULTLINE_FAULTS", number_of(check_ledger(&client), "kernel"));
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

static void test_engine(void)
{
        struct daemon daemon;
        struct record *record;
        int fd;

        serve(&daemon);
        fd = reach(&daemon);
        for (int i = 1; i <= TOO_MANY_DEATHS; i++) {
                pid_t engine;

                harness_doing("waiting for an engine");
                while ((engine = process_child(daemon.child.pid)) == 0 || process_state(engine) == 'Z')
                        (void)sched_yield();
                CHECK(kill(engine, SIGKILL) == 0, "the engine is gone");
                record = record_wait(i < TOO_MANY_DEATHS ? ENGINE_RESTARTED : ENGINE_GIVEN_UP, "killed");
                check_number(record, "FAULTLINE_UID", 0);
                check_number(record, "FAULTLINE_PID", (uint64_t)engine);
                record_done(record);
        }
        record = record_wait(CLIENT_DROPPED, "engine");
        check_number(record, "FAULTLINE_CLIENT_PID", (uint64_t)getpid());
        harness_doing("waiting for the end of the connection");
        while (recv(fd, (char[1]){0}, 1, 0) > 0) /* what the engines said of the gaps */
                ;
        (void)close(fd);
        daemon_stop(&daemon);
}

/* More connections than a user may have; they are made by nobody. */
static void test_limit(void)
{
        struct daemon daemon;
        struct record *record;
        pid_t child;

        serve(&daemon);
        child = fork_nobody();
        if (child == 0) {
                for (int i = 0; i < TOO_MANY_CLIENTS; i++)
                        (void)reach(&daemon);
                for (;;)
                        (void)pause();
        }
        record = record_wait(LIMIT_REACHED, NULL);
        check_field(record, "FAULTLINE_LIMIT", "clients");
        check_field(record, "PRIORITY", "4");
        check_number(record, "FAULTLINE_UID", NOBODY);
        check_number(record, "FAULTLINE_CLIENT_PID", (uint64_t)child);
        check_number(record, "FAULTLINE_ERRNO", EDQUOT);
        end_child(child);
        daemon_stop(&daemon);
}

/* A trace that needs more than a user's share, and is nothing but refused. */
static void test_share(void)
{
        CLEANUP_FREE char *option = NULL;
        char number[16];
        const char *args[] = {"-p", number, NULL, NULL};
        struct daemon daemon;
        struct target target;
        struct client client;
        struct record *record;

        harness_need_reachable(NOBODY);
        serve_configured(&daemon, "[Limits]\nDescriptorsPerUser=64\n");
        target_start_as(&target, NOBODY, "threads", "existing", "100");
        (void)snprintf(number, sizeof(number), "%d", (int)target.pid);
        args[2] = option = daemon_option(&daemon);
        client_start_as(&client, NOBODY, args);
        record = record_wait(LIMIT_REACHED, NULL);
        check_field(record, "FAULTLINE_LIMIT", "descriptors");
        check_number(record, "FAULTLINE_UID", NOBODY);
        check_number(record, "FAULTLINE_PID", (uint64_t)target.pid);
        check_number(record, "FAULTLINE_CLIENT_PID", (uint64_t)client.child.pid);
        check_number(record, "FAULTLINE_ERRNO", EMFILE);
        CHECK(client_finish(&client) == 1, "it was not refused");
        client_free(&client);
        target_open_gate(&target);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

/* A target whose name is made to be obeyed by a terminal, and a unit whose name is made to look like a field. */
static void test_hostile(void)
{
        CLEANUP_FREE char *option = NULL;
        struct daemon daemon;
        struct client client;
        struct record *record;
        pid_t child;

        serve(&daemon);
        option = daemon_option(&daemon);
        child = fork();
        CHECK(child >= 0, "fork: %s", strerror(errno));
        if (child == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                (void)prctl(PR_SET_NAME, "a\x1b]0;b\x07\xc2\x9b"
                                         "2J");
                for (;;)
                        (void)pause();
        }
        while (process_state(child) != 'S') /* it has its name */
                (void)sched_yield();
        client_attach_as(&client, 0, child, &daemon);
        record = record_wait(ATTACH_GRANTED, NULL);
        check_field(record, "FAULTLINE_COMM", "a?]0;b???2J");
        check_field(record, "PRIORITY", "6");
        CHECK(strstr(record->data, "(a?]0;b???2J)"), "the message does not name it: %s", record->data);
        CHECK(client_stop(&client) == 0, "the client failed");
        client_free(&client);
        end_child(child);
        client_start_as(&client, NOBODY, (const char *const[]){"-u", "x\nPRIORITY=0\n", option, NULL});
        CHECK(client_finish(&client) == 1, "such a unit is traced");
        client_free(&client);
        record = record_wait(ATTACH_FAILED, NULL);
        check_field(record, "FAULTLINE_UNIT", "x?PRIORITY=0?");
        check_field(record, "PRIORITY", "5");
        daemon_stop(&daemon);
}

/* Another tracer has the target: us. */
static void test_degraded(void)
{
        struct daemon daemon;
        struct client client;
        struct record *record;
        pid_t child;

        serve(&daemon);
        child = fork();
        CHECK(child >= 0, "fork: %s", strerror(errno));
        if (child == 0)
                for (;;)
                        (void)pause();
        CHECK(ptrace(PTRACE_SEIZE, child, NULL, NULL) == 0, "seizing: %s", strerror(errno));
        client_attach_as(&client, 0, child, &daemon);
        record = record_wait(TRACE_DEGRADED, NULL);
        check_field(record, "FAULTLINE_REASON", "barrier hold");
        check_number(record, "FAULTLINE_ERRNO", EBUSY);
        check_number(record, "FAULTLINE_PID", (uint64_t)child);
        check_number(record, "FAULTLINE_TRACE", number_in(record_wait(ATTACH_GRANTED, NULL), "FAULTLINE_TRACE"));
        CHECK(client_stop(&client) == 0, "the client failed");
        client_free(&client);
        end_child(child);
        daemon_stop(&daemon);
}

/* Kernel symbols that cannot be read, in our mount namespace. */
static void test_service_degraded(void)
{
        struct daemon daemon;
        struct record *record;
        char reason[1024];

        CHECK(mount("/dev/null", "/proc/kallsyms", NULL, MS_BIND, NULL) == 0, "hiding the symbols: %s",
              strerror(errno));
        serve(&daemon);
        record = record_wait(SERVICE_DEGRADED, NULL);
        CHECK(field_of(record, "FAULTLINE_REASON", reason) &&
                      strcmp(reason, "no kernel symbols (Operation not permitted)") == 0,
              "not why: %s", record->data);
        CHECK(!field_of(record, "FAULTLINE_UID", reason), "whose it is: %s", record->data);
        daemon_stop(&daemon);
}

/* A user who causes more than is written: what is written, and what is said to be left out, is all there was. */
static void test_flood(void)
{
        enum { N_ASKED = 60 };
        struct daemon daemon;
        uint64_t n_told = 0;
        pid_t child;

        serve(&daemon);
        child = fork_nobody();
        if (child == 0) {
                for (int i = 0; i < N_ASKED; i++) {
                        int fd = reach(&daemon);

                        if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
                                _exit(EXIT_FAILURE);
                }
                for (;;)
                        (void)pause();
        }
        while (n_told < N_ASKED) {
                size_t i = n_records;

                receive_record();
                if (is_of(&records[i], SUPPRESSED, NULL)) {
                        check_number(&records[i], "FAULTLINE_UID", NOBODY);
                        n_told += number_in(&records[i], "FAULTLINE_SUPPRESSED");
                } else if (is_of(&records[i], CLIENT_DROPPED, NULL)) {
                        n_told++;
                }
        }
        CHECK(n_told == N_ASKED, "%" PRIu64 " of %d", n_told, N_ASKED);
        CHECK(n_records < N_ASKED, "nothing was suppressed");
        end_child(child);
        daemon_stop(&daemon);
}

/* No journal, although the variable is there: lines, and the same words. */
static void test_lines(void)
{
        struct daemon daemon;
        struct target target;
        struct client client;
        char expected[128];
        char *errors;

        CHECK(setenv("JOURNAL_STREAM", "8:1", 1) == 0, "setenv: %s", strerror(errno));
        daemon_start(&daemon, NULL);
        target_start(&target, "anon", "zero-fill", NULL);
        client_attach_as(&client, 0, target.pid, &daemon);
        CHECK(client_stop(&client) == 0, "the client failed");
        errors = child_errors(&daemon.child);
        (void)snprintf(expected, sizeof(expected),
                       "\nfaultlined: uid 0 traces process %d (target_anon): trace 1, asked for by process %d\n",
                       (int)target.pid, (int)client.child.pid);
        CHECK(strstr(errors, expected) || strncmp(errors, expected + 1, strlen(expected + 1)) == 0,
              "not said: %s instead: %s", expected, errors);
        free(errors);
        client_free(&client);
        target_open_gate(&target);
        CHECK(target_finish(&target) == 0, "the target failed");
        CHECK(recv(journal, (char[1]){0}, 1, MSG_DONTWAIT) < 0, "the journal was told");
        daemon_stop(&daemon);
}

/* A private daemon has one client, which tells its user itself. */
static void test_private(void)
{
        struct target target;
        struct client client;
        char *errors;

        target_start(&target, "anon", "zero-fill", NULL);
        client_attach(&client, target.pid);
        CHECK(client_stop(&client) == 0, "the client failed");
        errors = child_errors(&client.child);
        CHECK(!strstr(errors, "faultlined"), "the private daemon says: %s", errors);
        free(errors);
        client_free(&client);
        target_open_gate(&target);
        CHECK(target_finish(&target) == 0, "the target failed");
}

int main(int argc, char **argv)
{
        static const struct test_case cases[] = {
                {"granted", test_granted}, {"denied", test_denied},     {"revoked", test_revoked},
                {"dropped", test_dropped}, {"slow", test_slow},         {"rings", test_rings},
                {"engine", test_engine},   {"limit", test_limit},       {"hostile", test_hostile},
                {"flood", test_flood},     {"share", test_share},       {"lines", test_lines},
                {"private", test_private}, {"degraded", test_degraded}, {"service-degraded", test_service_degraded},
        };

        CHECK(argc == 2, "usage: journal CASE");
        harness_begin(50);
        harness_need_full();
        journal_listen();
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
}
