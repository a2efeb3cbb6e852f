/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * programs compiler | programs STRESSOR DEPTH [FAULTS]: programs that were not written for us. What they do is not
 * known, so the ledger is compared with a counting perf event that the test opens on the same task while it stands
 * still.
 */
#include <errno.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "tests/support/harness.h"

#define N_FAULTS 30000 /* of a stressor, unless told otherwise */
#define N_FUNCTIONS 2000

static int counter_open(pid_t pid)
{
        struct perf_event_attr attr = {
                .type = PERF_TYPE_SOFTWARE, .size = sizeof(attr), .config = PERF_COUNT_SW_PAGE_FAULTS};
        int fd = (int)syscall(SYS_perf_event_open, &attr, pid, -1, -1, PERF_FLAG_FD_CLOEXEC);

        CHECK(fd >= 0, "perf_event_open: %s", strerror(errno));
        return fd;
}

static uint64_t counter_read(int fd)
{
        uint64_t value;

        CHECK(read(fd, &value, sizeof(value)) == (ssize_t)sizeof(value), "reading a counter");
        return value;
}

static void start_on(struct client *client, pid_t pid)
{
        char number[16];
        const char *args[] = {"-p", number, NULL};

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start(client, args);
        client->count_only = true;
        (void)client_wait_for(client, "attached");
}

static void check_count(const struct client *client, uint64_t counted)
{
        json_t *ledger = check_ledger(client);

        printf("%" PRIu64 " faults: %s\n", counted, json_dumps(ledger, 0));
        CHECK(number_of(ledger, "kernel") == counted, "a counter says %" PRIu64 ": %s", counted, json_dumps(ledger, 0));
        CHECK(number_of(ledger, "lost_kernel") == 0 && number_of(ledger, "dropped_daemon") == 0, "lost: %s",
              json_dumps(ledger, 0));
        CHECK(counted > 0, "the program did nothing");
}

static void find_compiler(char *path, size_t size)
{
        const char *argv[] = {"gcc", "-print-prog-name=cc1", NULL};
        struct child gcc;
        char *line;

        harness_need_program("gcc");
        child_start(&gcc, argv, NULL);
        line = lines_next(&gcc.out);
        if (!line || access(line, X_OK) < 0)
                skip("gcc has no cc1");
        (void)snprintf(path, size, "%s", line);
        CHECK(child_wait(&gcc) == 0, "gcc failed");
        child_close(&gcc);
}

static void write_source(const char *name)
{
        FILE *f = fopen(name, "we");

        CHECK(f, "%s: %s", name, strerror(errno));
        for (int i = 0; i < N_FUNCTIONS; i++)
                (void)fprintf(f, "int f%d(int a, int b) { for (int i = 0; i < b; i++) a += i * %d; return a; }\n", i,
                              i);
        CHECK(fclose(f) == 0, "%s: %s", name, strerror(errno));
}

/* The child is traced from before its exec, so the address space changes under the trace. */
static void test_compiler(void)
{
        char cc1[4096], source[64];
        const char *argv[] = {cc1, "-quiet", "-O1", source, "-o", "/dev/null", NULL};
        struct child compiler;
        struct client client;
        int counter;

        find_compiler(cc1, sizeof(cc1));
        (void)snprintf(source, sizeof(source), "./faultline-source-%d.c", (int)getpid());
        write_source(source);
        child_start(&compiler, argv, &(struct child_options){.held = true, .dies_with_us = true});
        process_wait_state(compiler.pid, 'S');
        counter = counter_open(compiler.pid);
        start_on(&client, compiler.pid);
        child_release(&compiler);
        CHECK(client_finish(&client) == 0, "the client failed");
        CHECK(child_wait(&compiler) == 0, "cc1 failed: %s", child_errors(&compiler));
        (void)unlink(source);
        check_count(&client, counter_read(counter));
        CHECK(client_n(&client, "life") >= 1, "nothing said about the exec");
        client_free(&client);
}

static pid_t descendant(pid_t pid, int depth)
{
        harness_doing("waiting for the stressor to start its worker");
        while (depth > 0) {
                pid_t child = process_child(pid);

                if (child > 0) {
                        pid = child;
                        depth--;
                } else {
                        CHECK(process_state(pid), "stress-ng ended");
                        (void)poll(NULL, 0, 1);
                }
        }
        return pid;
}

static void run_for_a_while(struct client *client, int counter, uint64_t n_faults)
{
        harness_doing("tracing the worker");
        while (counter_read(counter) < n_faults && client_read(client))
                ;
}

/* By job control; one that is held shows it as a stop of its tracer (ptrace(2)). */
static void wait_until_stopped(pid_t pid)
{
        for (char state = 0; state != 'T' && state != 't';) {
                state = process_state(pid);
                CHECK(state, "the worker is gone");
                (void)poll(NULL, 0, 1);
        }
}

static void test_stressor(const char *name, int depth, uint64_t n_faults)
{
        char option[32];
        /* Many of the maps of "mmap" are populated, which makes no fault: let them be small, and more of them. */
        const char *argv[] = {"stress-ng", "-q", option, "1", "--mmap-bytes", "8m", "--timeout", "300", NULL};
        struct child stress;
        struct client client;
        pid_t worker;
        int counter;

        harness_need_program("stress-ng");
        (void)snprintf(option, sizeof(option), "--%s", name);
        child_start(&stress, argv, &(struct child_options){.dies_with_us = true});
        worker = descendant(stress.pid, depth);
        CHECK(kill(worker, SIGSTOP) == 0, "the worker is gone");
        process_wait_state(worker, 'T');
        counter = counter_open(worker);
        start_on(&client, worker);
        CHECK(kill(worker, SIGCONT) == 0, "the worker is gone");
        run_for_a_while(&client, counter, n_faults);
        CHECK(kill(worker, SIGSTOP) == 0, "the worker is gone");
        wait_until_stopped(worker);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_count(&client, counter_read(counter));
        client_free(&client);
        (void)kill(stress.pid, SIGTERM);
        (void)kill(worker, SIGCONT);
        (void)child_wait(&stress);
        child_close(&stress);
}

int main(int argc, char **argv)
{
        CHECK(argc >= 2 && argc <= 4, "usage: programs compiler | programs STRESSOR DEPTH [FAULTS]");
        harness_begin(80);
        harness_need_full();
        if (strcmp(argv[1], "compiler") == 0)
                test_compiler();
        else
                test_stressor(argv[1], argc > 2 ? atoi(argv[2]) : 1, argc > 3 ? strtoull(argv[3], NULL, 10) : N_FAULTS);
        return 0;
}
