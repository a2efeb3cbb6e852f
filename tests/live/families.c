/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * families CASE: programs that were not written for us and consist of many processes. What they do is not known, so
 * the ledger is compared with a counting event that the kernel hands down to the same processes, and what is known of
 * them: how many programs they start, that they succeed, which process copies which pages.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/harness.h"
#include "tests/support/observe.h"

#define N_PROGRAMS 20
#define N_SOURCES 8
#define KEYS_TEXT "40000"

static char folder[] = "faultline-family-XXXXXX";

static void remove_folder(void)
{
        const char *argv[] = {"rm", "-rf", folder, NULL};
        struct child rm;

        child_start(&rm, argv, NULL);
        (void)child_wait(&rm);
        child_close(&rm);
}

static void make_folder(void)
{
        CHECK(mkdtemp(folder), "%s: %s", folder, strerror(errno));
        (void)atexit(remove_folder);
}

static void attach(struct client *client, pid_t pid)
{
        char number[16];
        const char *args[] = {"--follow", "-p", number, NULL};

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start(client, args);
        (void)client_wait_for(client, "attached");
}

static size_t count_lives(const struct client *client, const char *kind, const char *comm)
{
        json_t *line;
        size_t i, n = 0;

        json_array_foreach(client->others, i, line) n += strcmp(text_of(line, "type"), "life") == 0 &&
                                                         strcmp(text_of(line, "kind"), kind) == 0 &&
                                                         strcmp(text_of(line, "comm"), comm) == 0;
        return n;
}

static void check_counted(const struct client *client, uint64_t counted)
{
        json_t *ledger = check_ledger(client);

        printf("%" PRIu64 " faults: %s\n", counted, json_dumps(ledger, 0));
        CHECK(counted > 0 && number_of(ledger, "kernel") == counted, "a counter says %" PRIu64 ": %s", counted,
              json_dumps(ledger, 0));
        check_nothing_missing(client);
}

/* The command waits before its exec; it is traced from there with all that it starts. */
static void run_family(const char *const *argv, const char *comm, size_t n_programs)
{
        struct child child;
        struct client client;
        struct counter counter;

        child_start(&child, argv, &(struct child_options){.held = true, .dies_with_us = true});
        process_wait_state(child.pid, 'S');
        counter_open(&counter, child.pid);
        attach(&client, child.pid);
        client.count_only = true;
        child_release(&child);
        CHECK(client_finish(&client) == 0, "the client failed");
        CHECK(child_wait(&child) == 0, "%s failed: %s", argv[0], child_errors(&child));
        CHECK(count_lives(&client, "exec", comm) == n_programs, "%zu times %s instead of %zu",
              count_lives(&client, "exec", comm), comm, n_programs);
        check_counted(&client, counter_read(&counter));
        client_free(&client);
        child_close(&child);
}

static void test_python(void)
{
        static const char script[] = "import subprocess, sys\n"
                                     "for i in range(20): subprocess.run(['true'], check=True)\n"
                                     "r = subprocess.run(['sh', '-c', 'kill -TERM $$'])\n"
                                     "sys.exit(0 if r.returncode == -15 else 1)\n";
        const char *argv[] = {"python3", "-c", script, NULL};

        harness_need_program("python3");
        run_family(argv, "true", N_PROGRAMS);
}

static void write_project(void)
{
        char name[128];
        FILE *f;

        for (int i = 0; i < N_SOURCES; i++) {
                (void)snprintf(name, sizeof(name), "%s/part%d.c", folder, i);
                f = fopen(name, "we");
                CHECK(f, "%s: %s", name, strerror(errno));
                for (int k = 0; k < 50; k++)
                        (void)fprintf(f, "int f%d_%d(int a) { return a * %d; }\n", i, k, k);
                if (i == 0)
                        (void)fprintf(f, "int main(void) { return f0_0(1); }\n");
                (void)fclose(f);
        }
        (void)snprintf(name, sizeof(name), "%s/Makefile", folder);
        f = fopen(name, "we");
        CHECK(f, "%s: %s", name, strerror(errno));
        (void)fprintf(f, "all:");
        for (int i = 0; i < N_SOURCES; i++)
                (void)fprintf(f, " part%d.o", i);
        (void)fprintf(f, "\n\tgcc -o program $^\n%%.o: %%.c\n\tgcc -O1 -c -o $@ $<\n");
        (void)fclose(f);
}

static void test_make(void)
{
        const char *argv[] = {"make", "-s", "-j4", "-C", folder, NULL};
        char program[128];

        harness_need_program("make");
        harness_need_program("gcc");
        make_folder();
        write_project();
        run_family(argv, "cc1", N_SOURCES);
        (void)snprintf(program, sizeof(program), "%s/program", folder);
        CHECK(access(program, X_OK) == 0, "make made no program");
}

/* --- a server that saves in the background --- */

static void ask_redis(const char *socket, const char *const *words, const char *expected)
{
        const char *argv[MAX_ARGS] = {"redis-cli", "-s", socket};
        struct child cli;
        char *line;

        for (size_t i = 0; words[i]; i++)
                argv[i + 3] = words[i];
        child_start(&cli, argv, &(struct child_options){.dies_with_us = true});
        line = lines_next(&cli.out);
        CHECK(!expected || (line && strstr(line, expected)), "redis says: %s", line ? line : "nothing");
        while (lines_next(&cli.out))
                ;
        CHECK(!expected || child_wait(&cli) == 0, "redis-cli failed");
        if (!expected)
                (void)child_wait(&cli);
        child_close(&cli);
}

static void await_redis(struct child *server, const char *socket)
{
        harness_doing("waiting for redis-server");
        while (access(socket, F_OK) < 0) {
                CHECK(process_state(server->pid) != 'Z', "redis-server ended");
                (void)poll(NULL, 0, 1);
        }
}

/* Copies in memory without a file, of the server itself or of its child. */
static size_t count_copies(const struct client *client, pid_t pid)
{
        json_t *fault;
        size_t i, n = 0;

        json_array_foreach(client->faults, i, fault) n +=
                number_of(fault, "pid") == (uint64_t)pid && strcmp(text_of(fault, "cause"), "cow-copy") == 0;
        return n;
}

static pid_t find_saver(const struct client *client)
{
        json_t *line;
        size_t i;

        json_array_foreach(client->others, i,
                           line) if (strcmp(text_of(line, "type"), "life") == 0 &&
                                     strcmp(text_of(line, "kind"), "fork") == 0) return (pid_t)number_of(line, "pid");
        fail("nothing said about the fork");
}

static void test_redis(void)
{
        char socket[128];
        const char *argv[] = {"redis-server", "--port",       "0",    "--save",      "",   "--dir",
                              folder,         "--unixsocket", socket, "--daemonize", "no", NULL};
        struct child server;
        struct client client;
        uint64_t counted;
        pid_t saver;
        struct counter counter;

        harness_need_program("redis-server");
        harness_need_program("redis-cli");
        make_folder();
        (void)snprintf(socket, sizeof(socket), "%s/%s/redis.socket", get_current_dir_name(), folder);
        child_start(&server, argv, &(struct child_options){.dies_with_us = true});
        await_redis(&server, socket);
        ask_redis(socket,
                  (const char *[]){"eval",
                                   "for i=1," KEYS_TEXT
                                   " do redis.call('set','key'..i,string.rep('x',100)) end return 'filled'",
                                   "0", NULL},
                  "filled");
        counter_open(&counter, server.pid);
        attach(&client, server.pid);
        ask_redis(socket, (const char *[]){"config", "set", "rdb-key-save-delay", "50", NULL}, "OK");
        ask_redis(socket, (const char *[]){"bgsave", NULL}, "Background saving started");
        ask_redis(socket,
                  (const char *[]){
                          "eval", "for i=1," KEYS_TEXT " do redis.call('setrange','key'..i,7,'y') end return 'written'",
                          "0", NULL},
                  "written");
        ask_redis(socket, (const char *[]){"config", "set", "rdb-key-save-delay", "0", NULL}, "OK");
        ask_redis(socket, (const char *[]){"shutdown", "nosave", NULL}, NULL);
        (void)child_wait(&server);
        CHECK(client_finish(&client) == 0, "the client failed");
        counted = counter_read(&counter);
        saver = find_saver(&client);
        printf("copies: %zu of the server, %zu of the child that saves\n", count_copies(&client, server.pid),
               count_copies(&client, saver));
        CHECK(count_copies(&client, server.pid) > 0 && count_copies(&client, saver) > 0, "no copies");
        check_counted(&client, counted);
        client_free(&client);
}

static const struct test_case cases[] = {{"python", test_python}, {"make", test_make}, {"redis", test_redis}};

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: families CASE");
        harness_begin(80);
        harness_need_full();
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
