/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * restart CASE: the daemon is killed, or restarted, or stopped under a client, with a test in the service manager's
 * place (tests/support/manager.h). The target counts its own faults (getrusage(2)), so it is known to the last one how
 * many there were while no daemon ran, and how many in all.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/groups.h"
#include "tests/support/manager.h"
#include "tests/support/talk.h"

#define OTHER_USER 65533
#define PAGE_BYTES 4096
#define N_PAGES 65536 /* untouched ones, in all */
#define N_BEFORE 100
#define N_MEANWHILE 77
#define N_AFTER 50
#define N_LAP 256 /* pages, touched and given back again and again */
#define N_LAPS 4000
#define N_FLOOD ((uint64_t)N_LAP * N_LAPS)

/* --- a target that does as it is told --- */

enum order { ORDER_TOUCH, ORDER_LAPS, ORDER_HIDE, ORDER_LEAVE };

struct command {
        enum order order;
        size_t n;
};

struct worker {
        pid_t pid;
        int to, from;
};

static uint64_t own_faults(void)
{
        struct rusage usage;

        (void)getrusage(RUSAGE_SELF, &usage);
        return (uint64_t)usage.ru_minflt + (uint64_t)usage.ru_majflt;
}

static void touch(volatile char *at, size_t n_pages)
{
        for (size_t i = 0; i < n_pages; i++)
                at[i * PAGE_BYTES] = 1;
}

static void run_laps(char *lap, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                touch(lap, N_LAP);
                (void)madvise(lap, (size_t)N_LAP * PAGE_BYTES, MADV_DONTNEED);
        }
}

static void *map_pages(size_t n)
{
        void *pages = mmap(NULL, n * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        return pages == MAP_FAILED || madvise(pages, n * PAGE_BYTES, MADV_NOHUGEPAGE) < 0 ? NULL : pages;
}

static _Noreturn void obey(int from, int to)
{
        char *fresh = map_pages(N_PAGES), *lap = map_pages(N_LAP);
        struct command command;

        while (fresh && lap && read(from, &command, sizeof(command)) == (ssize_t)sizeof(command)) {
                uint64_t n_faults;

                if (command.order == ORDER_LEAVE)
                        break;
                if (command.order == ORDER_HIDE)
                        (void)prctl(PR_SET_DUMPABLE, 0);
                if (command.order == ORDER_LAPS)
                        run_laps(lap, command.n);
                if (command.order == ORDER_TOUCH) {
                        touch(fresh, command.n);
                        fresh += command.n * PAGE_BYTES;
                }
                n_faults = own_faults();
                if (write(to, &n_faults, sizeof(n_faults)) != (ssize_t)sizeof(n_faults))
                        break;
        }
        _exit(0);
}

static void order(const struct worker *worker, enum order what, size_t n)
{
        const struct command command = {.order = what, .n = n};

        CHECK(write(worker->to, &command, sizeof(command)) == (ssize_t)sizeof(command), "the target is gone");
}

/* How many faults it has had by now. */
static uint64_t hear_worker(const struct worker *worker)
{
        uint64_t n_faults;

        harness_doing("waiting for the target");
        CHECK(read(worker->from, &n_faults, sizeof(n_faults)) == (ssize_t)sizeof(n_faults), "the target is gone");
        return n_faults;
}

static uint64_t touch_pages(const struct worker *worker, size_t n)
{
        order(worker, ORDER_TOUCH, n);
        return hear_worker(worker);
}

static void worker_start(struct worker *worker, uid_t uid)
{
        int to[2], from[2];

        CHECK(pipe2(to, O_CLOEXEC) == 0 && pipe2(from, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
        worker->pid = fork();
        CHECK(worker->pid >= 0, "fork: %s", strerror(errno));
        if (worker->pid == 0) {
                (void)close(to[1]);
                (void)close(from[0]);
                if (uid != 0 && (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0))
                        _exit(126);
                (void)prctl(PR_SET_DUMPABLE, 1);
                obey(to[0], from[1]);
        }
        (void)close(to[0]);
        (void)close(from[1]);
        worker->to = to[1];
        worker->from = from[0];
        for (int i = 0; i < 3; i++) /* what was shared with us over the fork is its own afterwards */
                (void)touch_pages(worker, 1);
        order(worker, ORDER_LAPS, 1);
        (void)hear_worker(worker);
}

static void worker_end(struct worker *worker)
{
        order(worker, ORDER_LEAVE, 0);
        CHECK(waitpid(worker->pid, NULL, 0) == worker->pid, "the target was not there any more");
        (void)close(worker->to);
        (void)close(worker->from);
}

/* --- what is common --- */

struct stage {
        struct manager manager;
        struct worker worker;
        struct client client;
        uint64_t n_start; /* faults of the target when it was attached to */
};

static void stage_begin(struct stage *stage, uid_t uid)
{
        manager_begin(&stage->manager);
        manager_start(&stage->manager);
        worker_start(&stage->worker, uid);
        client_attach_as(&stage->client, uid, stage->worker.pid, &stage->manager.daemon);
        stage->n_start = touch_pages(&stage->worker, 0);
}

static void stage_end(struct stage *stage)
{
        client_free(&stage->client);
        CHECK(manager_kill(&stage->manager, SIGTERM) == 0, "the daemon did not end well");
        manager_end(&stage->manager);
}

static void read_faults(struct stage *stage, uint64_t n)
{
        harness_doing("waiting for faults");
        while (stage->client.n_faults < n)
                CHECK(client_read(&stage->client), "the client ended after %" PRIu64 " faults", stage->client.n_faults);
}

static json_t *last_gap(struct stage *stage, size_t n)
{
        json_t *line, *gap = NULL;
        size_t i;

        harness_doing("waiting for a gap");
        while (client_n(&stage->client, "gap") < n)
                CHECK(client_read(&stage->client), "the client ended without a gap");
        json_array_foreach(stage->client.others, i, line) if (strcmp(text_of(line, "type"), "gap") == 0) gap = line;
        return gap;
}

static uint64_t missed(const json_t *gap)
{
        return number_of(gap, "min_flt") + number_of(gap, "maj_flt");
}

static void check_runs(pid_t pid)
{
        char state = process_state(pid);

        CHECK(state == 'S' || state == 'R', "the target is in state %c", state);
}

/* The ledger of all daemons together is what the target has counted. */
static void check_sum(struct stage *stage, uint64_t n_in_all, uint64_t n_counted)
{
        json_t *ledger = check_ledger(&stage->client);

        CHECK(number_of(ledger, "kernel") == n_in_all, "the target had %" PRIu64 " faults: %s", n_in_all,
              json_dumps(ledger, 0));
        CHECK(number_of(ledger, "counted") == n_counted, "%" PRIu64 " faults were only counted: %s", n_counted,
              json_dumps(ledger, 0));
}

/* --- the cases --- */

static void check_gap(const json_t *gap, pid_t pid, uint64_t n, bool is_exact)
{
        CHECK(missed(gap) == n, "%" PRIu64 " faults were missed: %s", n, json_dumps(gap, 0));
        CHECK(number_of(gap, "pid") == (uint64_t)pid, "whose gap is it: %s", json_dumps(gap, 0));
        CHECK(number_of(gap, "since_ns") < number_of(gap, "until_ns"), "the wrong way round: %s", json_dumps(gap, 0));
        CHECK(json_is_true(json_object_get(gap, "exact")) == is_exact, "exact: %s", json_dumps(gap, 0));
}

static void go_through(unsigned int n_times, int signo, const char *job, uid_t uid)
{
        bool is_clean = signo == SIGTERM;
        uint64_t n_end, n_missed = 0;
        struct stage stage;

        stage_begin(&stage, uid);
        manager_await_kept(&stage.manager, "trace-", 1);
        manager_await_kept(&stage.manager, "sessions", 1);
        for (unsigned int i = 1; i <= n_times; i++) {
                uint64_t n_before = touch_pages(&stage.worker, N_BEFORE), n_meanwhile;

                read_faults(&stage, n_before - stage.n_start - n_missed);
                manager_set_job(&stage.manager, job);
                CHECK(manager_kill(&stage.manager, signo) == (is_clean ? 0 : 128 + signo),
                      "the daemon ended otherwise");
                check_runs(stage.worker.pid);
                n_meanwhile = touch_pages(&stage.worker, N_MEANWHILE) - n_before;
                manager_start(&stage.manager);
                check_gap(last_gap(&stage, i), stage.worker.pid, n_meanwhile, is_clean);
                n_missed += n_meanwhile;
        }
        n_end = touch_pages(&stage.worker, N_AFTER);
        read_faults(&stage, n_end - stage.n_start - n_missed);
        CHECK(client_stop(&stage.client) == 0, "the client failed");
        check_sum(&stage, n_end - stage.n_start, n_missed);
        check_runs(stage.worker.pid);
        manager_await_kept(&stage.manager, "trace-", 0);
        worker_end(&stage.worker);
        stage_end(&stage);
}

static void test_killed(void)
{
        go_through(1, SIGKILL, "", 0);
}

static void test_killed_nobody(void)
{
        go_through(1, SIGKILL, "", NOBODY);
}

static void test_killed_thrice(void)
{
        go_through(3, SIGKILL, "", 0);
}

static void test_restarted(void)
{
        go_through(1, SIGTERM, "restart", 0);
}

static void test_restarted_thrice(void)
{
        go_through(3, SIGTERM, "restart", NOBODY);
}

/* In the midst of it: what was on its way when the daemon died is in the gap, and none is forgotten. */
static void flood(int signo, const char *job)
{
        struct stage stage;
        uint64_t n_end, n_missed;

        stage_begin(&stage, 0);
        stage.client.count_only = true;
        order(&stage.worker, ORDER_LAPS, N_LAPS);
        read_faults(&stage, N_FLOOD / 100);
        manager_set_job(&stage.manager, job);
        (void)manager_kill(&stage.manager, signo);
        manager_start(&stage.manager);
        check_runs(stage.worker.pid);
        n_missed = missed(last_gap(&stage, 1));
        n_end = hear_worker(&stage.worker);
        CHECK(client_stop(&stage.client) == 0, "the client failed");
        check_sum(&stage, n_end - stage.n_start, n_missed);
        printf("%" PRIu64 " faults, %" PRIu64 " of them in the gap\n", n_end - stage.n_start, n_missed);
        worker_end(&stage.worker);
        stage_end(&stage);
}

static void test_flood_killed(void)
{
        flood(SIGKILL, "");
}

static void test_flood_restarted(void)
{
        flood(SIGTERM, "restart");
}

/* Nobody comes back: the trace ends with its ledger, the client with it, and nothing is kept. */
static void check_stops(const char *job)
{
        struct stage stage;
        uint64_t n_end;

        stage_begin(&stage, 0);
        n_end = touch_pages(&stage.worker, N_BEFORE);
        manager_set_job(&stage.manager, job);
        CHECK(manager_kill(&stage.manager, SIGTERM) == 0, "the daemon did not end well");
        CHECK(client_finish(&stage.client) == 0, "the client failed");
        CHECK(strcmp(text_of(client_find(&stage.client, "end"), "reason"), "stopped") == 0, "another reason");
        check_sum(&stage, n_end - stage.n_start, 0);
        manager_await_kept(&stage.manager, "", 0);
        worker_end(&stage.worker);
        client_free(&stage.client);
        manager_end(&stage.manager);
}

static void test_stopped(void)
{
        check_stops("stop");
}

/* systemd is asked, and never answers. */
static void test_stopped_deaf(void)
{
        check_stops(NULL);
}

/* The target ends while there is no daemon: the client learns that, and what there is to know. */
static void end_meanwhile(bool is_reaped, bool is_dropped)
{
        struct stage stage;
        uint64_t n_before, n_end;
        json_t *end;

        stage_begin(&stage, 0);
        n_before = touch_pages(&stage.worker, N_BEFORE);
        read_faults(&stage, n_before - stage.n_start);
        (void)manager_kill(&stage.manager, SIGKILL);
        n_end = touch_pages(&stage.worker, N_MEANWHILE);
        CHECK(kill(stage.worker.pid, SIGKILL) == 0, "the target is gone");
        process_wait_state(stage.worker.pid, 'Z');
        if (is_reaped)
                CHECK(waitpid(stage.worker.pid, NULL, 0) == stage.worker.pid, "waitpid: %s", strerror(errno));
        if (is_dropped)
                manager_drop(&stage.manager, "trace-");
        manager_start(&stage.manager);
        CHECK(client_finish(&stage.client) == 0, "the client failed");
        end = client_find(&stage.client, "end");
        CHECK(strcmp(text_of(end, "reason"), "exited") == 0 && strstr(text_of(end, "text"), "restarted"),
              "the client does not know: %s", json_dumps(end, 0));
        if (is_reaped) {
                CHECK(json_is_null(json_object_get(last_gap(&stage, 1), "min_flt")), "who has counted?");
                check_sum(&stage, n_before - stage.n_start, 0);
        } else {
                check_sum(&stage, n_end - stage.n_start, missed(last_gap(&stage, 1)));
                CHECK(waitpid(stage.worker.pid, NULL, 0) == stage.worker.pid, "waitpid: %s", strerror(errno));
        }
        manager_await_kept(&stage.manager, "trace-", 0);
        stage_end(&stage);
}

static void test_ended(void)
{
        end_meanwhile(false, false);
}

static void test_reaped(void)
{
        end_meanwhile(true, false);
}

static void test_dropped(void)
{
        end_meanwhile(true, true);
}

static pid_t clone_as(pid_t pid)
{
        struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&pid, .set_tid_size = 1};

        return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

/* Another process has the number by then: it is left alone. */
static void test_reused(void)
{
        struct stage stage;
        pid_t other;
        json_t *end;

        stage_begin(&stage, 0);
        (void)manager_kill(&stage.manager, SIGKILL);
        CHECK(kill(stage.worker.pid, SIGKILL) == 0 && waitpid(stage.worker.pid, NULL, 0) == stage.worker.pid,
              "the target is gone");
        other = clone_as(stage.worker.pid);
        if (other < 0)
                skip("a process with a given number cannot be made: %s", strerror(errno));
        if (other == 0)
                for (;;)
                        (void)pause();
        manager_start(&stage.manager);
        CHECK(client_finish(&stage.client) == 0, "the client failed");
        end = client_find(&stage.client, "end");
        CHECK(strcmp(text_of(end, "reason"), "exited") == 0, "%s", json_dumps(end, 0));
        check_sum(&stage, 0, 0);
        CHECK(kill(other, SIGKILL) == 0 && waitpid(other, NULL, 0) == other, "the other process is gone");
        stage_end(&stage);
}

/* The process is not the peer's business any more. */
static void test_revoked(void)
{
        CLEANUP_FREE char *errors = NULL;
        struct stage stage;

        stage_begin(&stage, NOBODY);
        (void)touch_pages(&stage.worker, N_BEFORE);
        read_faults(&stage, N_BEFORE);
        (void)manager_kill(&stage.manager, SIGKILL);
        order(&stage.worker, ORDER_HIDE, 0);
        (void)hear_worker(&stage.worker);
        manager_start(&stage.manager);
        CHECK(client_finish(&stage.client) == 1, "the client was not refused");
        errors = child_errors(&stage.client.child);
        CHECK(strstr(errors, "may not trace it") && client_n(&stage.client, "gap") == 0, "not told why: %s", errors);
        manager_await_kept(&stage.manager, "trace-", 0);
        worker_end(&stage.worker);
        stage_end(&stage);
}

/* --- the key, by hand --- */

static struct proto_attached attach_by_hand(int fd, pid_t pid)
{
        uint8_t bytes[1024];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct proto_attached attached;
        struct answer answer;
        int n = proto_encode_attach(&buffer, 0, &(struct proto_attach){.req = 1, .pid = pid});

        CHECK(n > 0, "encoding ATTACH");
        say(fd, bytes, (size_t)n);
        answer = expect_type(fd, MESSAGE_ATTACHED);
        CHECK(proto_decode_attached(answer.body, answer.n_body, &attached) == 0, "ATTACHED is malformed");
        CHECK(proto_key_is_set(&attached.key), "ATTACHED has no key");
        return attached;
}

static void resume_by_hand(int fd, const struct proto_key *key)
{
        uint8_t bytes[1024];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        int n = proto_encode_resume(&buffer, 0, &(struct proto_resume){.req = 1, .past.key = *key});

        CHECK(n > 0, "encoding RESUME");
        say(fd, bytes, (size_t)n);
}

static void expect_refusal(const struct daemon *daemon, uid_t uid, const struct proto_key *key)
{
        CLEANUP_CLOSE int fd = reach_as(daemon, uid);
        struct proto_error error;
        struct answer answer;

        greet_on(fd);
        resume_by_hand(fd, key);
        answer = expect_type(fd, MESSAGE_ERROR);
        CHECK(proto_decode_error(answer.body, answer.n_body, &error) == 0 && error.req == 1 && error.error == ESRCH,
              "another answer");
        printf("uid %u: %.*s\n", uid, (int)error.text.n_bytes, error.text.data);
}

static void test_key(void)
{
        struct proto_key key, wrong;
        struct manager manager;
        struct worker worker;
        int fd;

        manager_begin(&manager);
        manager_start(&manager);
        worker_start(&worker, NOBODY);
        fd = reach_as(&manager.daemon, NOBODY);
        greet_on(fd);
        key = attach_by_hand(fd, worker.pid).key;
        wrong = (struct proto_key){.high = key.high, .low = key.low ^ 1};
        expect_refusal(&manager.daemon, NOBODY, &key); /* it runs, here */
        (void)manager_kill(&manager, SIGKILL);
        (void)close(fd);
        manager_start(&manager);
        expect_refusal(&manager.daemon, NOBODY, &wrong);
        expect_refusal(&manager.daemon, OTHER_USER, &key);
        expect_refusal(&manager.daemon, 0, &key);
        fd = reach_as(&manager.daemon, NOBODY);
        greet_on(fd);
        resume_by_hand(fd, &key);
        (void)expect_type(fd, MESSAGE_ATTACHED);
        (void)expect_type(fd, MESSAGE_GAP);
        expect_refusal(&manager.daemon, NOBODY, &key);
        (void)close(fd);
        worker_end(&worker);
        CHECK(manager_kill(&manager, SIGTERM) == 0, "the daemon did not end well");
        manager_end(&manager);
}

/* --- others --- */

/* --count goes on counting. */
static void test_count(void)
{
        struct stage stage = {0};
        CLEANUP_FREE char *option = NULL;
        char number[16], count[32];

        manager_begin(&stage.manager);
        manager_start(&stage.manager);
        worker_start(&stage.worker, 0);
        option = daemon_option(&stage.manager.daemon);
        (void)snprintf(number, sizeof(number), "%d", (int)stage.worker.pid);
        (void)snprintf(count, sizeof(count), "--count=%d", N_BEFORE + N_AFTER);
        client_start(&stage.client, (const char *[]){"-p", number, count, option, NULL});
        (void)client_wait_for(&stage.client, "attached");
        (void)touch_pages(&stage.worker, N_BEFORE);
        read_faults(&stage, N_BEFORE);
        (void)manager_kill(&stage.manager, SIGKILL);
        manager_start(&stage.manager);
        (void)last_gap(&stage, 1);
        (void)touch_pages(&stage.worker, N_AFTER);
        CHECK(client_finish(&stage.client) == 0, "the client failed");
        CHECK(strcmp(text_of(client_find(&stage.client, "end"), "reason"), "count") == 0, "another reason");
        (void)check_ledger(&stage.client);
        worker_end(&stage.worker);
        stage_end(&stage);
}

/* Children that run already are lost, and that is said; what the target did itself meanwhile is told. */
static void test_follow(void)
{
        struct stage stage = {0};
        CLEANUP_FREE char *option = NULL;
        uint64_t n_before;
        char number[16];
        json_t *gap;

        manager_begin(&stage.manager);
        manager_start(&stage.manager);
        worker_start(&stage.worker, 0);
        option = daemon_option(&stage.manager.daemon);
        (void)snprintf(number, sizeof(number), "%d", (int)stage.worker.pid);
        client_start(&stage.client, (const char *[]){"-p", number, "--follow", option, NULL});
        (void)client_wait_for(&stage.client, "attached");
        CHECK(!client_find_degraded(&stage.client, "children"), "nothing was lost yet");
        n_before = touch_pages(&stage.worker, N_BEFORE);
        read_faults(&stage, N_BEFORE);
        manager_set_job(&stage.manager, "restart");
        (void)manager_kill(&stage.manager, SIGTERM);
        n_before = touch_pages(&stage.worker, N_MEANWHILE) - n_before;
        manager_start(&stage.manager);
        gap = last_gap(&stage, 1);
        check_gap(gap, stage.worker.pid, n_before, false);
        while (!client_find_degraded(&stage.client, "children"))
                CHECK(client_read(&stage.client), "the client ended, and never said what it lacks");
        CHECK(client_stop(&stage.client) == 0, "the client failed");
        (void)check_ledger(&stage.client);
        worker_end(&stage.worker);
        stage_end(&stage);
}

/* A unit is found again by its name; its processes come and go, so nobody can say how much was missed. */
static void test_unit(void)
{
        struct stage stage = {0};
        CLEANUP_FREE char *option = NULL;
        const char *group;
        json_t *gap;

        groups_begin();
        group = group_make(NULL, "restart");
        manager_begin(&stage.manager);
        manager_start(&stage.manager);
        worker_start(&stage.worker, 0);
        group_move_in(group, stage.worker.pid);
        option = daemon_option(&stage.manager.daemon);
        client_start(&stage.client, (const char *[]){"-u", group_path(group), option, NULL});
        (void)client_wait_for(&stage.client, "attached");
        (void)touch_pages(&stage.worker, N_BEFORE);
        read_faults(&stage, N_BEFORE);
        manager_set_job(&stage.manager, "restart");
        (void)manager_kill(&stage.manager, SIGTERM);
        (void)touch_pages(&stage.worker, N_MEANWHILE);
        manager_start(&stage.manager);
        gap = last_gap(&stage, 1);
        CHECK(json_is_null(json_object_get(gap, "min_flt")) && !json_object_get(gap, "pid"), "who has counted: %s",
              json_dumps(gap, 0));
        (void)touch_pages(&stage.worker, N_AFTER);
        read_faults(&stage, N_BEFORE + N_AFTER);
        CHECK(client_stop(&stage.client) == 0, "the client failed");
        CHECK(number_of(check_ledger(&stage.client), "counted") == 0, "who has counted?");
        worker_end(&stage.worker);
        stage_end(&stage);
}

/* Two targets of one client, and a table at the end that is about all of it. */
static void test_stat(void)
{
        struct worker other;
        struct stage stage = {0};
        CLEANUP_FREE char *option = NULL;
        char numbers[2][16];

        manager_begin(&stage.manager);
        manager_start(&stage.manager);
        worker_start(&stage.worker, 0);
        worker_start(&other, 0);
        option = daemon_option(&stage.manager.daemon);
        (void)snprintf(numbers[0], sizeof(numbers[0]), "%d", (int)stage.worker.pid);
        (void)snprintf(numbers[1], sizeof(numbers[1]), "%d", (int)other.pid);
        client_start(&stage.client, (const char *[]){"stat", "-p", numbers[0], "-p", numbers[1], option, NULL});
        while (client_n(&stage.client, "attached") < 2)
                CHECK(client_read(&stage.client), "the client ended");
        (void)manager_kill(&stage.manager, SIGKILL);
        (void)touch_pages(&other, N_MEANWHILE);
        manager_start(&stage.manager);
        (void)last_gap(&stage, 2);
        CHECK(client_stop(&stage.client) == 0, "the client failed");
        CHECK(client_n(&stage.client, "end") == 2, "not two ends");
        worker_end(&other);
        worker_end(&stage.worker);
        stage_end(&stage);
}

int main(int argc, char *argv[])
{
        static const struct test_case cases[] = {
                {"killed", test_killed},
                {"killed-nobody", test_killed_nobody},
                {"killed-thrice", test_killed_thrice},
                {"restarted", test_restarted},
                {"restarted-thrice", test_restarted_thrice},
                {"flood-killed", test_flood_killed},
                {"flood-restarted", test_flood_restarted},
                {"stopped", test_stopped},
                {"stopped-deaf", test_stopped_deaf},
                {"ended", test_ended},
                {"reaped", test_reaped},
                {"dropped", test_dropped},
                {"reused", test_reused},
                {"revoked", test_revoked},
                {"key", test_key},
                {"count", test_count},
                {"follow", test_follow},
                {"unit", test_unit},
                {"stat", test_stat},
        };

        harness_begin(60);
        harness_need_full();
        CHECK(argc == 2, "usage: restart CASE");
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return EXIT_SUCCESS;
}
