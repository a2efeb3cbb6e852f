/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The real tracer against real processes, with this test in the monitor's and the engine's place. Every target counts
 * in shared memory what happens to it, so "as if nobody had looked" can be checked exactly: each signal once, each stop
 * and each end seen by the parent, nobody left behind stopped.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/link/link.h"
#include "daemon/link/story.h"
#include "daemon/tracer/tracer.h"

#define N_WORKERS 8
#define N_CHAINS 2
#define MARKER UINT64_C(0x6661756c746c696e)

/* ---------------------------------------------------------------- targets */

static struct shared {
        atomic_uint n_signals, sum, n_ready, n_repaired;
        atomic_bool go, done;
        atomic_int child, tid;
        void *page;
        uint64_t mask[2];
} * shared;

struct target {
        pid_t pid;
        int status; /* of the last wait_for() */
};

static pid_t last_target, last_tracer; /* 0: none, or reaped */

static struct target target_start(void (*run)(void))
{
        struct target target = {0};

        memset(shared, 0, sizeof(*shared));
        target.pid = fork();
        assert_true(target.pid >= 0);
        if (target.pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                signal(SIGSEGV, SIG_DFL); /* cmocka has handlers */
                signal(SIGBUS, SIG_DFL);
                run();
                _exit(0);
        }
        last_target = target.pid;
        return target;
}

static void wait_until(atomic_uint *counter, unsigned int n)
{
        while (atomic_load(counter) != n)
                sched_yield();
}

static void wait_for(struct target *target, int flags)
{
        assert_int_equal(waitpid(target->pid, &target->status, flags), target->pid);
        if (WIFEXITED(target->status) || WIFSIGNALED(target->status))
                last_target = 0;
}

static void target_kill(struct target *target)
{
        kill(target->pid, SIGKILL);
        do
                wait_for(target, 0);
        while (!WIFSIGNALED(target->status) && !WIFEXITED(target->status));
}

/* A field of /proc/PID/status; 0 for a process that is gone. */
static void status_field(pid_t pid, const char *name, char *value, size_t n_value)
{
        char path[64], line[256];
        FILE *file;

        value[0] = '\0';
        snprintf(path, sizeof(path), "/proc/%d/status", pid);
        file = fopen(path, "re");
        while (file != NULL && fgets(line, sizeof(line), file) != NULL)
                if (strncmp(line, name, strlen(name)) == 0)
                        snprintf(value, n_value, "%s", line + strlen(name) + 2);
        if (file != NULL)
                fclose(file);
}

static char state_of(pid_t pid)
{
        char value[256];

        status_field(pid, "State", value, sizeof(value));
        return value[0];
}

static pid_t tracer_of(pid_t pid)
{
        char value[256];

        status_field(pid, "TracerPid", value, sizeof(value));
        return (pid_t)strtol(value, NULL, 10);
}

static void wait_state(pid_t pid, char state)
{
        while (state_of(pid) != state)
                sched_yield();
}

static void wait_untraced(pid_t pid)
{
        while (tracer_of(pid) != 0)
                sched_yield();
}

/* ---------------------------------------------------------------- the tracer */

struct tracer {
        pid_t pid;
        int link, stories;
};

static struct tracer tracer_start(pid_t target)
{
        struct tracer tracer = {.stories = -1};
        char path[64];
        int sockets[2], process;

        snprintf(path, sizeof(path), "/proc/%d", target);
        process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        assert_true(process >= 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        tracer.pid = fork();
        assert_true(tracer.pid >= 0);
        if (tracer.pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(sockets[0]);
                fcntl(sockets[1], F_SETFL, O_NONBLOCK);
                _exit(tracer_main(sockets[1], process));
        }
        last_tracer = tracer.pid;
        close(sockets[1]);
        close(process);
        tracer.link = sockets[0];
        return tracer;
}

static void tracer_wait(struct tracer *tracer, int expected)
{
        int status;

        assert_int_equal(waitpid(tracer->pid, &status, 0), tracer->pid);
        last_tracer = 0;
        assert_int_equal(status, expected);
        close(tracer->link);
        if (tracer->stories >= 0)
                close(tracer->stories);
}

/* The link ends. */
static void tracer_end(struct tracer *tracer)
{
        shutdown(tracer->link, SHUT_RDWR);
        tracer_wait(tracer, 0);
}

static void tracer_kill(struct tracer *tracer)
{
        kill(tracer->pid, SIGKILL);
        tracer_wait(tracer, SIGKILL);
}

/* It may have ended by itself already. */
static void tracer_discard(struct tracer *tracer)
{
        kill(tracer->pid, SIGKILL);
        assert_int_equal(waitpid(tracer->pid, NULL, 0), tracer->pid);
        last_tracer = 0;
        close(tracer->link);
}

static void order(const struct tracer *tracer, enum link_type type, pid_t pid)
{
        struct link_message message = {.type = type, .tracer = {.pid = pid, .trace = 1}};

        assert_int_equal(link_send(tracer->link, &message, NULL, 0), 0);
}

static struct link_tracer expect(const struct tracer *tracer, enum link_type type)
{
        struct link_received received;

        assert_int_equal(link_receive(tracer->link, &received), 1);
        assert_int_equal(received.message.type, type);
        return received.message.tracer;
}

/* However busy the machine is: until there is a barrier, and with is_whole until nobody was late for it. */
static struct link_tracer barrier_until(const struct tracer *tracer, pid_t pid, bool is_whole)
{
        struct link_received received;

        for (;;) {
                order(tracer, LINK_TRACER_BARRIER, pid);
                do
                        assert_int_equal(link_receive(tracer->link, &received), 1);
                while (received.message.type == LINK_TRACER_BUSY);
                assert_int_equal(received.message.tracer.pid, pid);
                if (received.message.type == LINK_TRACER_FAILED) {
                        assert_int_equal(received.message.tracer.error, EAGAIN);
                        continue;
                }
                assert_int_equal(received.message.type, LINK_TRACER_STOPPED);
                if (!is_whole || received.message.tracer.n_unstopped == 0)
                        return received.message.tracer;
                order(tracer, LINK_TRACER_GO, pid);
        }
}

/* Of one that watches and so stays. */
static struct link_tracer barrier(const struct tracer *tracer, pid_t pid)
{
        return barrier_until(tracer, pid, false);
}

/* The same by a new tracer, which ends when nothing comes of it. */
static struct tracer tracer_stop(pid_t pid, bool is_whole, struct link_tracer *ret)
{
        struct link_received received;

        for (;;) {
                struct tracer tracer = tracer_start(pid);

                order(&tracer, LINK_TRACER_BARRIER, pid);
                assert_int_equal(link_receive(tracer.link, &received), 1);
                *ret = received.message.tracer;
                if (received.message.type == LINK_TRACER_STOPPED && (!is_whole || ret->n_unstopped == 0))
                        return tracer;
                assert_true(received.message.type == LINK_TRACER_STOPPED || ret->error == EAGAIN);
                tracer_end(&tracer);
        }
}

/* Returns this side's socket. */
static int watch_by(const struct tracer *tracer, pid_t pid, uint32_t flags)
{
        struct link_message message = {.type = LINK_TRACER_WATCH, .tracer = {.pid = pid, .trace = 1, .flags = flags}};
        int sockets[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
        assert_int_equal(link_send(tracer->link, &message, &sockets[1], 1), 0);
        close(sockets[1]);
        return sockets[0];
}

static void watch(struct tracer *tracer, pid_t pid, uint32_t flags)
{
        tracer->stories = watch_by(tracer, pid, flags);
}

/* Attached, watched, and running. */
static struct tracer tracer_hold(pid_t pid, uint32_t flags)
{
        struct link_tracer answer;
        struct tracer tracer = tracer_stop(pid, false, &answer);

        watch(&tracer, pid, flags);
        order(&tracer, LINK_TRACER_GO, pid);
        return tracer;
}

static struct story next_story(const struct tracer *tracer, enum story_type type)
{
        struct story story;
        ssize_t n = recv(tracer->stories, &story, sizeof(story), 0);

        assert_true(n >= (ssize_t)STORY_HEAD_BYTES);
        assert_int_equal(story.type, type);
        assert_int_equal(n, STORY_HEAD_BYTES + (type == STORY_SIGNAL ? story.signal.n_stack_bytes : 0));
        return story;
}

/* What a failed test has left. */
static int clean_up(void **state)
{
        if (last_tracer != 0 && kill(last_tracer, SIGKILL) == 0)
                (void)waitpid(last_tracer, NULL, 0);
        if (last_target != 0 && kill(last_target, SIGKILL) == 0)
                (void)waitpid(last_target, NULL, 0);
        last_tracer = last_target = 0;
        return 0;
}

/* ---------------------------------------------------------------- barrier */

static void *sleep_for_ever(void *arg)
{
        atomic_fetch_add(&shared->n_ready, 1);
        for (;;)
                pause();
        return NULL;
}

static void start_thread(void *(*run)(void *))
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, run, NULL) != 0)
                _exit(70);
}

static void run_threads(void)
{
        for (int i = 0; i < N_WORKERS; i++)
                start_thread(sleep_for_ever);
        sleep_for_ever(NULL);
}

static void run_leaderless(void)
{
        start_thread(sleep_for_ever);
        pthread_exit(NULL);
}

/* Counts how often it is disturbed: epoll_wait(2) is not restarted after a stop (signal(7)). */
static void run_waiting(void)
{
        struct epoll_event event;
        int fd = epoll_create1(EPOLL_CLOEXEC);

        while (fd >= 0 && epoll_wait(fd, &event, 1, -1) < 0 && errno == EINTR)
                atomic_fetch_add(&shared->n_signals, 1);
        _exit(70);
}

/* In epoll_wait(2), again. */
static void wait_blocked(pid_t pid)
{
        char path[64], text[128], call[16];
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
        snprintf(call, sizeof(call), "%d ", SYS_epoll_wait);
        do {
                sched_yield();
                text[0] = '\0';
                file = fopen(path, "re");
                assert_non_null(file);
                if (fgets(text, sizeof(text), file) == NULL)
                        text[0] = '\0';
                fclose(file);
        } while (strncmp(text, call, strlen(call)) != 0);
}

/* Attaching stops a thread once; letting go of a process that nobody wants any more does not. */
static void test_let_go_without_a_stop(void **state)
{
        struct target target = target_start(run_waiting);
        struct link_tracer answer;
        struct tracer tracer;

        wait_blocked(target.pid);
        tracer = tracer_stop(target.pid, true, &answer);
        watch(&tracer, target.pid, 0);
        order(&tracer, LINK_TRACER_GO, target.pid);
        wait_until(&shared->n_signals, 1);
        wait_blocked(target.pid);
        order(&tracer, LINK_TRACER_UNWATCH, 0);
        tracer_wait(&tracer, 0);
        assert_int_equal(tracer_of(target.pid), 0);
        wait_blocked(target.pid);
        assert_int_equal(atomic_load(&shared->n_signals), 1);
        target_kill(&target);
}

static void test_light(void **state)
{
        struct target target = target_start(run_threads);
        struct tracer tracer;

        wait_until(&shared->n_ready, N_WORKERS + 1);
        struct link_tracer answer;
        tracer = tracer_stop(target.pid, true, &answer);
        assert_int_equal(answer.n_threads, N_WORKERS + 1);
        assert_int_equal(answer.n_unstopped, 0);
        assert_int_equal(state_of(target.pid), 't');
        order(&tracer, LINK_TRACER_GO, target.pid);
        tracer_wait(&tracer, 0);
        assert_int_equal(tracer_of(target.pid), 0);
        wait_state(target.pid, 'S');
        target_kill(&target);
}

/* A thread that lives for one birth. */
static void *bear_next(void *arg)
{
        (void)pthread_detach(pthread_self());
        start_thread(bear_next);
        return arg;
}

static void run_births(void)
{
        for (int i = 0; i < N_CHAINS; i++)
                start_thread(bear_next);
        sleep_for_ever(NULL);
}

static unsigned int n_threads_of(pid_t pid)
{
        char value[256];

        status_field(pid, "Threads", value, sizeof(value));
        return (unsigned int)strtoul(value, NULL, 10);
}

/* Whoever is shown in the list of threads may have ended before it is had, and so may the list with it. Nobody escapes
 * by that, else there would be more threads than those that are stopped. */
static void test_births(void **state)
{
        struct target target = target_start(run_births);

        wait_until(&shared->n_ready, 1);
        for (int n_whole = 0; n_whole < 100;) {
                struct link_tracer answer;
                struct tracer tracer = tracer_stop(target.pid, true, &answer);
                unsigned int n_threads = n_threads_of(target.pid);

                if (state_of(target.pid) == 't') { /* else it was held for as long as it may be */
                        assert_int_equal(n_threads, answer.n_threads);
                        n_whole++;
                }
                tracer_discard(&tracer);
                wait_untraced(target.pid);
        }
        target_kill(&target);
}

static void test_no_answer(void **state)
{
        struct target target = target_start(run_threads);
        struct tracer tracer;

        wait_until(&shared->n_ready, N_WORKERS + 1);
        struct link_tracer answer;
        tracer = tracer_stop(target.pid, false, &answer);
        tracer_wait(&tracer, 0);
        wait_state(target.pid, 'S');
        target_kill(&target);
}

static void test_leaderless(void **state)
{
        struct target target = target_start(run_leaderless);
        struct tracer tracer;

        wait_until(&shared->n_ready, 1);
        wait_state(target.pid, 'Z');
        struct link_tracer answer;
        tracer = tracer_stop(target.pid, true, &answer);
        assert_int_equal(answer.n_threads, 1);
        assert_int_equal(answer.n_unstopped, 0);
        tracer_end(&tracer);
        target_kill(&target);
}

static void run_leader_leaves(void)
{
        start_thread(sleep_for_ever);
        while (!atomic_load(&shared->go))
                sched_yield();
        pthread_exit(NULL);
}

/* A leader that ended while it was held: the second barrier neither waits for it nor counts it. */
static void test_leader_leaves(void **state)
{
        struct target target = target_start(run_leader_leaves);
        struct tracer tracer;
        struct story story;

        wait_until(&shared->n_ready, 1);
        tracer = tracer_hold(target.pid, 0);
        atomic_store(&shared->go, true);
        wait_state(target.pid, 'Z');
        struct link_tracer answer = barrier_until(&tracer, target.pid, true);
        assert_int_equal(answer.n_threads, 1);
        assert_int_equal(answer.n_unstopped, 0);
        order(&tracer, LINK_TRACER_GO, target.pid);
        kill(target.pid, SIGTERM);
        story = next_story(&tracer, STORY_EXIT);
        assert_int_equal(story.pid, target.pid);
        assert_int_equal(story.exit.status, SIGTERM);
        wait_for(&target, 0);
        assert_int_equal(target.status, SIGTERM);
        tracer_end(&tracer);
}

static void test_gone(void **state)
{
        struct target target = target_start(run_threads);
        struct tracer tracer;

        tracer = tracer_start(target.pid);
        target_kill(&target);
        order(&tracer, LINK_TRACER_BARRIER, target.pid);
        assert_int_equal(expect(&tracer, LINK_TRACER_FAILED).error, ESRCH);
        tracer_wait(&tracer, 0);
}

static void test_another_tracer(void **state)
{
        struct target target = target_start(run_threads);
        struct tracer first, second;

        wait_until(&shared->n_ready, N_WORKERS + 1);
        first = tracer_hold(target.pid, 0);
        second = tracer_start(target.pid);
        order(&second, LINK_TRACER_BARRIER, target.pid);
        assert_int_equal(expect(&second, LINK_TRACER_FAILED).error, EBUSY);
        tracer_wait(&second, 0);
        tracer_end(&first);
        target_kill(&target);
}

static void run_vfork(void)
{
        start_thread(sleep_for_ever);
        if (vfork() == 0) {
                atomic_fetch_add(&shared->n_ready, 1);
                while (!atomic_load(&shared->go))
                        sched_yield();
                _exit(0);
        }
        atomic_store(&shared->done, true);
        for (;;)
                pause();
}

/* Blocked in vfork(2): late, and not stopped afterwards either. */
static void test_late(void **state)
{
        struct target target = target_start(run_vfork);
        struct tracer tracer;

        wait_until(&shared->n_ready, 2);
        struct link_tracer answer;
        tracer = tracer_stop(target.pid, false, &answer);
        assert_int_equal(answer.n_threads, 1);
        assert_int_equal(answer.n_unstopped, 1);
        watch(&tracer, target.pid, 0);
        atomic_store(&shared->go, true);
        while (!atomic_load(&shared->done)) /* although its sibling is held */
                sched_yield();
        order(&tracer, LINK_TRACER_GO, target.pid);
        tracer_end(&tracer);
        wait_state(target.pid, 'S');
        target_kill(&target);
}

/* ---------------------------------------------------------------- signals */

static void count(int signo, siginfo_t *info, void *context)
{
        atomic_fetch_add(&shared->sum, (unsigned int)info->si_value.sival_int);
        atomic_fetch_add(&shared->n_signals, 1);
}

static void handle_with(int signo, void (*handler)(int, siginfo_t *, void *))
{
        struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART};

        if (sigaction(signo, &action, NULL) < 0)
                _exit(71);
}

static void run_counting(void)
{
        handle_with(SIGRTMIN, count);
        run_threads();
}

/* Real-time signals queue: as many come as were sent. */
static void send_signals(pid_t pid, unsigned int first, unsigned int n)
{
        for (unsigned int i = first; i < first + n; i++) {
                union sigval value = {.sival_int = (int)i};

                while (sigqueue(pid, SIGRTMIN, value) < 0) {
                        assert_int_equal(errno, EAGAIN);
                        sched_yield();
                }
        }
}

static void check_signals(unsigned int n)
{
        wait_until(&shared->n_signals, n);
        assert_int_equal(atomic_load(&shared->sum), n * (n - 1) / 2);
}

static void test_signals(void **state)
{
        struct target target = target_start(run_counting);
        struct tracer tracer;

        wait_until(&shared->n_ready, N_WORKERS + 1);
        tracer = tracer_hold(target.pid, 0);
        send_signals(target.pid, 0, TRACER_BUSY_SIGNALS - 1);
        check_signals(TRACER_BUSY_SIGNALS - 1);
        send_signals(target.pid, TRACER_BUSY_SIGNALS - 1, 2000);
        check_signals(TRACER_BUSY_SIGNALS + 1999);
        assert_int_equal(expect(&tracer, LINK_TRACER_BUSY).n_signals, TRACER_BUSY_SIGNALS);
        tracer_end(&tracer);
        assert_int_equal(atomic_load(&shared->n_signals), TRACER_BUSY_SIGNALS + 1999);
        target_kill(&target);
}

/* At whatever moment it ends, nothing is lost and nothing comes twice. */
static void test_killed(void **state)
{
        struct target target = target_start(run_counting);
        unsigned int n = 0;

        wait_until(&shared->n_ready, N_WORKERS + 1);
        for (int round = 0; round < 60; round++) {
                struct tracer tracer = tracer_hold(target.pid, 0);

                send_signals(target.pid, n, 50);
                n += 50;
                wait_until(&shared->n_signals, round % 3 == 0 ? n : atomic_load(&shared->n_signals));
                tracer_kill(&tracer);
                wait_untraced(target.pid);
        }
        check_signals(n);
        wait_state(target.pid, 'S');
        target_kill(&target);
}

static void *storm(void *arg)
{
        sigset_t none;

        sigemptyset(&none);
        pthread_sigmask(SIG_SETMASK, &none, NULL);
        atomic_fetch_add(&shared->n_ready, 1);
        while (!atomic_load(&shared->done)) {
                union sigval value = {.sival_int = 1};
                siginfo_t info = {.si_code = SI_QUEUE, .si_value = value};

                if (syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), SIGRTMIN, &info) == 0)
                        atomic_fetch_add(&shared->child, 1);
        }
        atomic_fetch_sub(&shared->n_ready, 1);
        return NULL;
}

static void run_storm(void)
{
        handle_with(SIGRTMIN, count);
        for (int i = 0; i < N_WORKERS; i++)
                start_thread(storm);
        for (;;)
                pause();
}

/* Threads that are held in the middle of a signal, many times; with GO, by a time-out, and by the death of the tracer.
 */
static void test_barriers_in_storm(void **state)
{
        struct target target = target_start(run_storm);

        wait_until(&shared->n_ready, N_WORKERS);
        for (int round = 0; round < 20; round++) {
                struct tracer tracer = tracer_hold(target.pid, 0);

                for (int i = 0; i < 5; i++) {
                        struct link_tracer answer = barrier(&tracer, target.pid);

                        assert_int_equal(answer.n_threads + answer.n_unstopped, N_WORKERS + 1);
                        if (i < 4)
                                order(&tracer, LINK_TRACER_GO, target.pid);
                }
                tracer_kill(&tracer);
                wait_untraced(target.pid);
        }
        atomic_store(&shared->done, true);
        wait_until(&shared->n_ready, 0);
        assert_int_equal(atomic_load(&shared->n_signals), atomic_load(&shared->child));
        assert_int_equal(atomic_load(&shared->sum), atomic_load(&shared->child));
        target_kill(&target);
}

/* ---------------------------------------------------------------- job control */

static void test_group_stop(void **state)
{
        struct target target = target_start(run_counting);
        struct tracer tracer;

        wait_until(&shared->n_ready, N_WORKERS + 1);
        tracer = tracer_hold(target.pid, 0);
        kill(target.pid, SIGSTOP);
        wait_for(&target, WUNTRACED);
        assert_int_equal(target.status, SIGSTOP << 8 | 0x7f);
        barrier(&tracer, target.pid); /* what is stopped already counts */
        order(&tracer, LINK_TRACER_GO, target.pid);
        send_signals(target.pid, 0, 5);
        kill(target.pid, SIGCONT);
        wait_for(&target, WCONTINUED);
        assert_int_equal(target.status, 0xffff);
        check_signals(5);
        kill(target.pid, SIGSTOP);
        wait_for(&target, WUNTRACED);
        tracer_end(&tracer);
        wait_state(target.pid, 'T'); /* the kernel wakes it to put it back */
        kill(target.pid, SIGCONT);
        wait_for(&target, WCONTINUED);
        wait_state(target.pid, 'S');
        target_kill(&target);
}

static void test_stopped_before(void **state)
{
        for (int round = 0; round < 3; round++) {
                struct target target = target_start(run_counting);
                struct tracer tracer;

                wait_until(&shared->n_ready, N_WORKERS + 1);
                kill(target.pid, SIGSTOP);
                wait_for(&target, WUNTRACED);
                struct link_tracer answer;
                tracer = tracer_stop(target.pid, true, &answer);
                assert_int_equal(answer.n_threads, N_WORKERS + 1);
                if (round == 0)
                        watch(&tracer, target.pid, 0);
                if (round < 2)
                        order(&tracer, LINK_TRACER_GO, target.pid);
                if (round == 0)
                        tracer_end(&tracer);
                else if (round == 1)
                        tracer_wait(&tracer, 0);
                else
                        tracer_kill(&tracer);
                wait_state(target.pid, 'T');
                kill(target.pid, SIGCONT);
                wait_for(&target, WCONTINUED);
                wait_state(target.pid, 'S');
                target_kill(&target);
        }
}

/* ---------------------------------------------------------------- stories */

static void repair(int signo, siginfo_t *info, void *context)
{
        if (info->si_addr != shared->page || mprotect(shared->page, 4096, PROT_READ | PROT_WRITE) < 0)
                _exit(72);
        atomic_fetch_add(&shared->n_repaired, 1);
}

#define N_REPAIRS 3000

/* A fault each time round, on a stack that has something to recognise it by. */
static void run_repairs(void)
{
        volatile uint64_t marker = MARKER;

        handle_with(SIGSEGV, repair);
        shared->page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        atomic_store(&shared->n_ready, 1);
        while (!atomic_load(&shared->go))
                sched_yield();
        for (int i = 0; i < N_REPAIRS; i++) {
                if (mprotect(shared->page, 4096, PROT_READ) < 0)
                        _exit(73);
                *(volatile char *)shared->page = (char)marker;
        }
        raise(SIGBUS);
}

static bool has_marker(const struct story *story)
{
        for (uint32_t i = 0; i + 8 <= story->signal.n_stack_bytes; i += 8) {
                uint64_t word;

                memcpy(&word, story->stack + i, sizeof(word));
                if (word == MARKER)
                        return true;
        }
        return false;
}

static void test_stories(void **state)
{
        struct target target = target_start(run_repairs);
        struct tracer tracer;
        struct story story;
        uint64_t last_ns = 0;

        wait_until(&shared->n_ready, 1);
        tracer = tracer_hold(target.pid, 0);
        close(watch_by(&tracer, target.pid, 0)); /* once more for the same trace: it has its socket */
        barrier(&tracer, target.pid);
        order(&tracer, LINK_TRACER_GO, target.pid);
        atomic_store(&shared->go, true);
        for (int i = 0; i < N_REPAIRS; i++) {
                story = next_story(&tracer, STORY_SIGNAL);
                assert_int_equal(story.n_missed, 0);
                assert_int_equal(story.pid, target.pid);
                assert_int_equal(story.tid, target.pid);
                assert_true(story.time_ns > last_ns);
                last_ns = story.time_ns;
                assert_int_equal(story.signal.signo, SIGSEGV);
                assert_int_equal(story.signal.code, SEGV_ACCERR);
                assert_true(story.signal.addr == (uintptr_t)shared->page);
                assert_int_equal(story.signal.sender, 0);
                assert_int_equal(story.signal.abi, 64);
                assert_true(story.signal.stack_start == story.signal.registers[STORY_RSP]);
                assert_true(has_marker(&story));
        }
        story = next_story(&tracer, STORY_SIGNAL);
        assert_int_equal(story.signal.signo, SIGBUS);
        assert_int_equal(story.signal.code, SI_TKILL);
        assert_int_equal(story.signal.sender, target.pid);
        assert_int_equal(story.signal.sender_uid, getuid());
        story = next_story(&tracer, STORY_EXIT);
        assert_int_equal(story.exit.status & 0x7f, SIGBUS);
        wait_for(&target, 0);
        assert_int_equal(target.status, story.exit.status);
        assert_int_equal(atomic_load(&shared->n_repaired), N_REPAIRS);
        tracer_end(&tracer);
}

/* An engine that does not read: the target goes on, what was not told is counted. */
static void test_nobody_reads(void **state)
{
        struct target target = target_start(run_repairs);
        struct tracer tracer;
        uint32_t n_told = 0, n_missed = 0;
        struct story story;

        wait_until(&shared->n_ready, 1);
        tracer = tracer_hold(target.pid, 0);
        atomic_store(&shared->go, true);
        wait_for(&target, 0);
        assert_int_equal(target.status & 0x7f, SIGBUS);
        assert_int_equal(atomic_load(&shared->n_repaired), N_REPAIRS);
        /* A second target of the same tracer would tell how many the last ones were; what was told must have no gap. */
        while (recv(tracer.stories, &story, sizeof(story), MSG_DONTWAIT) > 0) {
                n_told++;
                n_missed += story.n_missed;
        }
        assert_int_equal(n_missed, 0);
        assert_in_range(n_told, 1, N_REPAIRS - 1);
        tracer_end(&tracer);
}

/* An engine that is gone for good: that trace is over, the target goes on. */
static void test_listener_gone(void **state)
{
        struct target target = target_start(run_repairs);
        struct tracer tracer;

        wait_until(&shared->n_ready, 1);
        tracer = tracer_hold(target.pid, 0);
        close(tracer.stories);
        tracer.stories = -1;
        atomic_store(&shared->go, true);
        tracer_wait(&tracer, 0);
        wait_for(&target, 0);
        assert_int_equal(target.status & 0x7f, SIGBUS);
        assert_int_equal(atomic_load(&shared->n_repaired), N_REPAIRS);
}

/* ---------------------------------------------------------------- children */

static int clone_child(void *arg)
{
        _exit(5);
}

static char clone_stack[65536] __attribute__((aligned(16)));

static pid_t child_by_fork(void)
{
        pid_t pid = fork();

        if (pid == 0)
                _exit(3);
        return pid;
}

static pid_t child_by_vfork(void)
{
        pid_t pid = vfork();

        if (pid == 0)
                _exit(4);
        return pid;
}

static pid_t child_by_clone(void)
{
        return clone(clone_child, clone_stack + sizeof(clone_stack), CLONE_VM, NULL);
}

static pid_t (*make_child)(void);

static void run_parent(void)
{
        int status;

        atomic_store(&shared->n_ready, 1);
        while (!atomic_load(&shared->go))
                sched_yield();
        pid_t child = make_child();
        atomic_store(&shared->child, child);
        if (waitpid(child, &status, __WALL) != child)
                _exit(74);
        _exit(WEXITSTATUS(status));
}

static void check_child(pid_t (*make)(void), bool follows, int status, bool shares_memory)
{
        struct target target;
        struct tracer tracer;
        struct story story;

        make_child = make;
        target = target_start(run_parent);
        wait_until(&shared->n_ready, 1);
        tracer = tracer_hold(target.pid, follows ? LINK_ATTACH_FOLLOW : 0);
        atomic_store(&shared->go, true);
        if (follows) {
                story = next_story(&tracer, STORY_FORK);
                assert_int_equal(story.pid, target.pid);
                assert_int_equal(story.tid, target.pid);
                assert_int_equal(story.fork.shares_memory, shares_memory);
                pid_t child = story.fork.child;
                story = next_story(&tracer, STORY_EXIT);
                assert_int_equal(story.pid, child);
                assert_int_equal(story.exit.status, status << 8);
                assert_int_equal(atomic_load(&shared->child) == 0 || atomic_load(&shared->child) == child, true);
        }
        story = next_story(&tracer, STORY_EXIT);
        assert_int_equal(story.pid, target.pid);
        assert_int_equal(story.exit.status, status << 8);
        wait_for(&target, 0);
        assert_int_equal(target.status, status << 8);
        tracer_end(&tracer);
}

static void test_children(void **state)
{
        for (int round = 0; round < 20; round++)
                for (int follows = 0; follows < 2; follows++) {
                        check_child(child_by_fork, follows, 3, false);
                        check_child(child_by_vfork, follows, 4, true);
                        check_child(child_by_clone, follows, 5, true);
                }
}

/* ---------------------------------------------------------------- exec */

static void *exec_later(void *arg)
{
        atomic_fetch_add(&shared->n_ready, 1);
        while (!atomic_load(&shared->go))
                sched_yield();
        execl("/bin/sh", "sh", "-c", "kill -SEGV $$", (char *)NULL);
        _exit(75);
}

static void run_exec(void)
{
        exec_later(NULL);
}

static void run_exec_thread(void)
{
        for (int i = 0; i < N_WORKERS - 1; i++)
                start_thread(sleep_for_ever);
        start_thread(exec_later);
        sleep_for_ever(NULL);
}

static void check_exec(void (*run)(void), unsigned int n_ready, bool is_revoked)
{
        struct target target = target_start(run);
        struct tracer tracer;

        wait_until(&shared->n_ready, n_ready);
        tracer = tracer_hold(target.pid, 0);
        atomic_store(&shared->go, true);
        assert_int_equal(expect(&tracer, LINK_TRACER_EXECED).pid, target.pid);
        assert_int_equal(state_of(target.pid), 't');
        assert_int_equal(waitpid(target.pid, NULL, WNOHANG), 0);
        if (is_revoked)
                order(&tracer, LINK_TRACER_UNWATCH, target.pid);
        order(&tracer, LINK_TRACER_GO, target.pid);
        if (!is_revoked) {
                struct story story = next_story(&tracer, STORY_SIGNAL);

                assert_int_equal(story.signal.signo, SIGSEGV);
                assert_int_equal(story.signal.code, SI_USER);
                assert_int_equal(next_story(&tracer, STORY_EXIT).exit.status & 0x7f, SIGSEGV);
        }
        wait_for(&target, 0);
        assert_int_equal(target.status & 0x7f, SIGSEGV);
        tracer_end(&tracer);
}

static void test_exec(void **state)
{
        for (int is_revoked = 0; is_revoked < 2; is_revoked++) {
                check_exec(run_exec, 1, is_revoked);
                check_exec(run_exec_thread, N_WORKERS + 1, is_revoked);
        }
}

/* Nobody answers: the program runs, and nothing is told of it. */
static void test_exec_unanswered(void **state)
{
        struct target target = target_start(run_exec);
        struct tracer tracer;
        struct story story;

        wait_until(&shared->n_ready, 1);
        tracer = tracer_hold(target.pid, 0);
        atomic_store(&shared->go, true);
        expect(&tracer, LINK_TRACER_EXECED);
        wait_for(&target, 0);
        assert_int_equal(target.status & 0x7f, SIGSEGV);
        assert_int_equal(recv(tracer.stories, &story, sizeof(story), MSG_DONTWAIT), -1);
        tracer_end(&tracer);
}

/* ---------------------------------------------------------------- the attach that blocks */

#define N_CROWD 300

static void *exec_when_traced(void *arg)
{
        static char text[4096];
        const char *tracer = NULL;

        while (tracer == NULL || tracer[11] == '0') {
                int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC); /* of the leader: seized first */
                ssize_t n = read(fd, text, sizeof(text) - 1);

                close(fd);
                text[n > 0 ? n : 0] = '\0';
                tracer = strstr(text, "TracerPid:\t");
        }
        execl("/bin/sleep", "sleep", "1000", (char *)NULL);
        _exit(75);
}

static void run_crowd(void)
{
        for (int i = 0; i < N_CROWD; i++)
                start_thread(sleep_for_ever);
        start_thread(exec_when_traced);
        sleep_for_ever(NULL);
}

/* One that only waits for the processor is "running" (proc_pid_syscall(5)). */
static bool is_blocked_in_seize(pid_t pid)
{
        char path[64], text[128] = "";
        unsigned long request = 0;
        long number = -1;

        snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_true(read(fd, text, sizeof(text) - 1) >= 0);
        close(fd);
        return sscanf(text, "%ld %lx", &number, &request) == 2 && number == SYS_ptrace && request == PTRACE_SEIZE;
}

/* The exec waits for the threads that we have seized, we wait for the exec. */
static void test_exec_blocks_attach(void **state)
{
        bool has_blocked = false;

        for (int round = 0; round < 50 && !has_blocked; round++) {
                struct target target = target_start(run_crowd);
                struct tracer tracer;

                wait_until(&shared->n_ready, N_CROWD + 1);
                tracer = tracer_start(target.pid);
                order(&tracer, LINK_TRACER_BARRIER, target.pid);
                struct pollfd answered = {.fd = tracer.link, .events = POLLIN};
                has_blocked = poll(&answered, 1, 1000) == 0 && is_blocked_in_seize(tracer.pid);
                if (has_blocked)
                        tracer_kill(&tracer);
                else
                        tracer_discard(&tracer);
                wait_untraced(target.pid);
                if (has_blocked) {
                        struct link_tracer answer;
                        tracer = tracer_stop(target.pid, true, &answer);
                        assert_int_equal(answer.n_threads, 1);
                        assert_int_equal(answer.n_unstopped, 0);
                        order(&tracer, LINK_TRACER_GO, target.pid);
                        tracer_wait(&tracer, 0);
                }
                wait_state(target.pid, 'S');
                target_kill(&target);
        }
        if (!has_blocked) {
                print_message("the exec never came between two PTRACE_SEIZE\n");
                skip();
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(test_let_go_without_a_stop, clean_up),
                cmocka_unit_test_teardown(test_light, clean_up),
                cmocka_unit_test_teardown(test_births, clean_up),
                cmocka_unit_test_teardown(test_no_answer, clean_up),
                cmocka_unit_test_teardown(test_leaderless, clean_up),
                cmocka_unit_test_teardown(test_leader_leaves, clean_up),
                cmocka_unit_test_teardown(test_gone, clean_up),
                cmocka_unit_test_teardown(test_another_tracer, clean_up),
                cmocka_unit_test_teardown(test_late, clean_up),
                cmocka_unit_test_teardown(test_signals, clean_up),
                cmocka_unit_test_teardown(test_killed, clean_up),
                cmocka_unit_test_teardown(test_barriers_in_storm, clean_up),
                cmocka_unit_test_teardown(test_group_stop, clean_up),
                cmocka_unit_test_teardown(test_stopped_before, clean_up),
                cmocka_unit_test_teardown(test_stories, clean_up),
                cmocka_unit_test_teardown(test_nobody_reads, clean_up),
                cmocka_unit_test_teardown(test_listener_gone, clean_up),
                cmocka_unit_test_teardown(test_children, clean_up),
                cmocka_unit_test_teardown(test_exec, clean_up),
                cmocka_unit_test_teardown(test_exec_unanswered, clean_up),
                cmocka_unit_test_teardown(test_exec_blocks_attach, clean_up),
        };

        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (shared == MAP_FAILED)
                return EXIT_FAILURE;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
