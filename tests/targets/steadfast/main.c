/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * target_steadfast VARIANT: the supervisor. Prints "ready PID" of the worker, runs until a byte or the end of its
 * standard input, or SIGTERM, then prints its verdict as one line of JSON and leaves with 0 if nothing was changed.
 *
 * Not on target.c, whose main() readies a process that faults exactly as announced: here nothing is announced.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "steadfast.h"

#define TURN_MS 1
#define STOP_MS 2
#define PATIENCE_MS 10000 /* what has not come by then is lost */
#define REPORT_FD 50
#define WORKER_CHANGED 1

static const struct variant *const variants[] = {
        &variant_running,  &variant_sleeping, &variant_stopped, &variant_threads,   &variant_forking,
        &variant_vforking, &variant_execing,  &variant_signals, &variant_repairing, &variant_storm};
static const struct variant *variant;
static volatile sig_atomic_t terminated;

static const struct {
        enum count which;
        const char *name;
} names[] = {
        {COUNT_ROUNDS, "rounds"},
        {COUNT_SENT, "signals_sent"},
        {COUNT_LOST, "signals_lost"},
        {COUNT_RECEIVED, "signals_received"},
        {COUNT_DOUBLED, "signals_doubled"},
        {COUNT_CHILDREN, "children"},
        {COUNT_THREADS, "threads"},
        {COUNT_EXECS, "execs"},
        {COUNT_STOPS, "stops"},
        {COUNT_CONTINUES, "continues"},
        {COUNT_REPAIRS, "repairs"},
        {COUNT_TIMERS, "timers"},
        {COUNT_WAKES, "wakes"},
        {COUNT_EINTR, "eintr"},
        {COUNT_EINTR_ALLOWED, "eintr_allowed"},
};

static void map_report(void)
{
        report = mmap(NULL, sizeof(*report), PROT_READ | PROT_WRITE, MAP_SHARED, REPORT_FD, 0);
        if (report == MAP_FAILED)
                exit(3);
}

void execute_again(void)
{
        char *const argv[] = {(char[]){"target_steadfast"}, (char *)(uintptr_t)variant->name, (char[]){"again"}, NULL};

        (void)execv(STEADFAST_PATH, argv);
}

static _Noreturn void work(void)
{
        if (variant->begin)
                variant->begin();
        state_begin();
        while (!told_to_stop()) {
                variant->round();
                state_check();
                count(COUNT_ROUNDS, 1);
        }
        if (variant->end)
                variant->end();
        _exit(atomic_load(&report->changed) ? WORKER_CHANGED : 0);
}

/* Nothing to be reported of the worker now. */
static void expect_silence(pid_t worker, const char *when)
{
        int status = 0;

        if (waitpid(worker, &status, WNOHANG | WUNTRACED | WCONTINUED) != 0)
                changed("%s: a report of the worker that nobody caused, status 0x%x", when, status);
}

static void expect_report(pid_t worker, int flags, bool (*fits)(int status, int signo), int signo)
{
        int status = 0;
        pid_t pid = waitpid(worker, &status, flags);

        if (pid < 0 && errno == EINTR)
                return expect_report(worker, flags, fits, signo);
        if (pid != worker || !fits(status, signo))
                changed("after signal %d: waitpid said %d, status 0x%x", signo, (int)pid, status);
}

static bool is_stop(int status, int signo)
{
        return WIFSTOPPED(status) && WSTOPSIG(status) == signo && status >> 16 == 0;
}

static bool is_continue(int status, int signo)
{
        (void)signo;
        return WIFCONTINUED(status);
}

static bool is_alive(pid_t worker)
{
        siginfo_t info = {.si_pid = 0};

        return waitid(P_PID, (id_t)worker, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

/* It runs again, and its handler for SIGCONT was called. */
static void expect_progress(pid_t worker, uint64_t n)
{
        for (int i = 0; i < PATIENCE_MS && is_alive(worker); i++) {
                if (counted(COUNT_ROUNDS) != n && counted(COUNT_RECEIVED) == counted(COUNT_SENT))
                        return;
                (void)poll(NULL, 0, 1);
        }
        if (counted(COUNT_RECEIVED) < counted(COUNT_SENT))
                count(COUNT_LOST, 1);
        changed("the worker did not go on after SIGCONT, or never heard of it");
}

/* Stopped: reported once, and nothing moves until it is continued: reported once, and it moves. */
void supervise_stop(pid_t worker)
{
        static const int stops[] = {SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};
        int signo = stops[counted(COUNT_STOPS) % 4];
        uint64_t n;

        (void)kill(worker, signo);
        expect_report(worker, WUNTRACED, is_stop, signo);
        count(COUNT_STOPS, 1);
        n = counted(COUNT_ROUNDS);
        (void)poll(NULL, 0, STOP_MS);
        if (counted(COUNT_ROUNDS) != n)
                changed("the worker ran while it was stopped by signal %d", signo);
        expect_silence(worker, "stopped");
        n = counted(COUNT_ROUNDS);
        count(COUNT_SENT, 1);
        (void)kill(worker, SIGCONT);
        expect_report(worker, WCONTINUED, is_continue, SIGCONT);
        count(COUNT_CONTINUES, 1);
        expect_progress(worker, n);
}

static void on_term(int signo)
{
        (void)signo;
        terminated = 1;
}

static void supervise(pid_t worker)
{
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

        while (!terminated && poll(&in, 1, TURN_MS) <= 0) {
                expect_silence(worker, "running");
                if (atomic_load(&report->changed))
                        return;
                if (variant == &variant_stopped)
                        supervise_stop(worker);
                if (variant == &variant_signals)
                        supervise_signals(worker);
        }
}

static int verdict(int status)
{
        bool fine;

        if (status != 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == WORKER_CHANGED))
                changed("the worker ended with status 0x%x", status);
        if (counted(COUNT_SENT) != counted(COUNT_RECEIVED))
                changed("signals sent and received are not the same number");
        fine = !atomic_load(&report->changed);
        printf("{\"variant\":\"%s\",\"verdict\":\"%s\",\"status\":%d", variant->name, fine ? "unchanged" : "changed",
               status);
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                printf(",\"%s\":%llu", names[i].name, (unsigned long long)counted(names[i].which));
        printf(",\"what\":\"%s\"}\n", report->what);
        return fine ? 0 : 1;
}

static pid_t start_worker(void)
{
        pid_t supervisor = getpid(), worker = fork();

        if (worker != 0)
                return worker;
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != supervisor)
                _exit(3);
        (void)setpgid(0, 0); /* not orphaned: the terminal stops work */
        (void)signal(SIGTERM, SIG_DFL);
        work();
}

static void make_report(void)
{
        int fd = memfd_create("report", 0);

        if (fd < 0 || ftruncate(fd, sizeof(*report)) < 0 || dup2(fd, REPORT_FD) < 0)
                exit(3);
        (void)close(fd);
        map_report();
}

int main(int argc, char **argv)
{
        int status = 0;
        pid_t worker;

        if (argc == 3 && strcmp(argv[1], "exit") == 0)
                return atoi(argv[2]);
        for (size_t i = 0; i < sizeof(variants) / sizeof(variants[0]); i++)
                if (argc > 1 && strcmp(variants[i]->name, argv[1]) == 0)
                        variant = variants[i];
        if (!variant)
                return 2;
        if (argc > 2) {
                map_report();
                work();
        }
        make_report();
        (void)signal(SIGTERM, on_term);
        worker = start_worker();
        while (counted(COUNT_ROUNDS) == 0 && is_alive(worker))
                (void)poll(NULL, 0, TURN_MS);
        printf("ready %d\n", (int)worker);
        (void)fflush(stdout);
        supervise(worker);
        atomic_store(&report->stop, true);
        if (atomic_load(&report->changed))
                (void)kill(worker, SIGCONT);
        while (waitpid(worker, &status, 0) < 0 && errno == EINTR)
                ;
        return verdict(status);
}
