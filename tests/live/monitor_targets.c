/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that do what they are told and nothing else that could be counted. */
#include "tests/live/monitor_support.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "proto/proto.h"

void say(int fd, char c)
{
        assert_int_equal(write(fd, &c, 1), 1);
}

char hear(int fd)
{
        char c;

        assert_int_equal(read(fd, &c, 1), 1);
        return c;
}

/* The same for a target, which has nobody to report to: it ends when the test is gone. */
void target_say(int fd, char c)
{
        if (write(fd, &c, 1) != 1)
                _exit(76);
}

void target_hear(int fd)
{
        char c;

        if (read(fd, &c, 1) < 0)
                _exit(77);
}

struct target target_start(void (*run)(int command, int answer))
{
        int to[2], from[2];
        struct target target;

        assert_int_equal(pipe2(to, O_CLOEXEC), 0);
        assert_int_equal(pipe2(from, O_CLOEXEC), 0);
        target.pid = fork();
        assert_true(target.pid >= 0);
        if (target.pid == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                close(to[1]);
                close(from[0]);
                run(to[0], from[1]);
                _exit(0);
        }
        close(to[0]);
        close(from[1]);
        target.command = to[1];
        target.answer = from[0];
        return target;
}

void target_end(struct target *target)
{
        int status;

        close(target->command);
        close(target->answer);
        kill(target->pid, SIGKILL);
        assert_int_equal(waitpid(target->pid, &status, 0), target->pid);
}

static pid_t debugged;

static void run_debugger(int command, int answer)
{
        char path[64];

        for (pid_t tid = debugged; tid < debugged + 1000; tid++) {
                snprintf(path, sizeof(path), "/proc/%d/task/%d", debugged, tid);
                if (access(path, F_OK) == 0 && ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
                        _exit(1);
        }
        target_say(answer, 'r');
        for (;;)
                pause();
}

struct target debugger_start(pid_t pid)
{
        struct target debugger;

        debugged = pid;
        debugger = target_start(run_debugger);
        assert_int_equal(hear(debugger.answer), 'r');
        return debugger;
}

pid_t tracer_of(pid_t pid)
{
        char path[64], line[256];
        int tracer = -1;
        FILE *file;

        snprintf(path, sizeof(path), "/proc/%d/status", pid);
        file = fopen(path, "r");
        assert_non_null(file);
        while (fgets(line, sizeof(line), file) != NULL)
                if (sscanf(line, "TracerPid: %d", &tracer) == 1)
                        break;
        fclose(file);
        assert_true(tracer >= 0);
        return tracer;
}

void tracer_await_none(pid_t pid)
{
        while (tracer_of(pid) != 0)
                sched_yield();
}

char target_state(pid_t pid)
{
        char path[64], text[1024];
        ssize_t n;
        int fd;

        snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        fd = open(path, O_RDONLY);
        assert_true(fd >= 0);
        n = read(fd, text, sizeof(text) - 1);
        assert_true(n > 0);
        close(fd);
        text[n] = '\0';
        return strrchr(text, ')')[2];
}

/* Raw system calls and plain loops only: nothing that would fault a page of its own in the second round. */
char *fresh_pages(size_t n)
{
        char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED || madvise(p, n * PAGE, MADV_NOHUGEPAGE) < 0)
                _exit(70);
        return p;
}

/* AddressSanitizer's shadow of these pages would fault as well. */
__attribute__((no_sanitize("address", "undefined"))) void touch_pages(volatile char *p, size_t n)
{
        for (size_t i = 0; i < n; i++)
                p[i * PAGE] = 1;
}

static struct {
        volatile char *pages[2];
        sem_t go[N_WORKERS], done;
} work;

void *worker(void *arg)
{
        size_t i = (size_t)(uintptr_t)arg;

        for (int round = 0; round < 2; round++) {
                while (sem_wait(&work.go[i]) < 0)
                        ;
                touch_pages(work.pages[round] + i * N_PAGES * PAGE, N_PAGES);
                sem_post(&work.done);
        }
        for (;;)
                pause();
        return NULL;
}

static void run_round(void)
{
        for (int i = 0; i < N_WORKERS; i++)
                sem_post(&work.go[i]);
        for (int i = 0; i < N_WORKERS; i++)
                while (sem_wait(&work.done) < 0)
                        ;
}

/*
 * Eight threads. 'g': each touches N_PAGES fresh pages, and nothing else faults: everything was done once before, on
 * other pages.
 */
void run_workers(int command, int answer)
{
        pthread_t thread;
        char c;

        if (mlockall(MCL_CURRENT) < 0)
                _exit(71);
        work.pages[0] = fresh_pages((size_t)N_WORKERS * N_PAGES);
        work.pages[1] = fresh_pages((size_t)N_WORKERS * N_PAGES);
        sem_init(&work.done, 0, 0);
        for (uintptr_t i = 0; i < N_WORKERS; i++)
                if (sem_init(&work.go[i], 0, 0) < 0 || pthread_create(&thread, NULL, worker, (void *)i) != 0)
                        _exit(72);
        run_round();
        if (mlockall(MCL_CURRENT) < 0 || munlockall() < 0)
                _exit(73);
        work.pages[1] = mmap((void *)(uintptr_t)work.pages[1], (size_t)N_WORKERS * N_PAGES * PAGE,
                             PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
        if (madvise((void *)(uintptr_t)work.pages[1], (size_t)N_WORKERS * N_PAGES * PAGE, MADV_NOHUGEPAGE) < 0)
                _exit(74);
        target_say(answer, 'r');
        while (read(command, &c, 1) == 1) {
                if (c == 'g')
                        run_round();
                if (c == 'p' && mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) == MAP_FAILED)
                        _exit(75);
                if (c == 'x')
                        _exit(0);
                target_say(answer, 'd');
        }
}

static volatile sig_atomic_t n_signals;

static void on_signal(int sig)
{
        n_signals++;
}

/* Counts SIGRTMIN; 'n' answers with the count as an int. */
void run_signals(int command, int answer)
{
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        char c;

        sigaction(SIGRTMIN, &action, NULL);
        target_say(answer, 'r');
        while (read(command, &c, 1) == 1) {
                int n = n_signals;

                if (write(answer, &n, sizeof(n)) != sizeof(n))
                        _exit(76);
        }
}
