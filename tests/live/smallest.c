/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * smallest attach|exec|exec-under-trace: the smallest static program. Attached while it waits, it takes no fault at
 * all. Started by faultline, it takes one in user mode, the fetch of its first instruction; how many the kernel takes
 * in its exec depends on address randomisation, so these are compared with the kernel's own count.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "tests/support/harness.h"

#define PROGRAM TARGETS_DIR "/pause"

static void wait_until_pausing(pid_t pid)
{
        char path[64], text[64] = "";
        int n = -1;

        harness_doing("waiting for the program to be in pause(2)");
        (void)snprintf(path, sizeof(path), "/proc/%d/syscall", (int)pid);
        while (n != SYS_pause) {
                FILE *f = fopen(path, "re");

                CHECK(f, "%s: %s", path, strerror(errno));
                if (!fgets(text, sizeof(text), f) || sscanf(text, "%d", &n) != 1)
                        n = -1;
                (void)fclose(f);
                (void)poll(NULL, 0, 1);
        }
}

static uint64_t entry_address(void)
{
        Elf64_Ehdr header;
        CLEANUP_CLOSE int fd = open(PROGRAM, O_RDONLY | O_CLOEXEC);

        CHECK(read(fd, &header, sizeof(header)) == (ssize_t)sizeof(header), "reading " PROGRAM);
        return header.e_entry;
}

static void test_attach(void)
{
        struct child program;
        struct client client;
        const char *argv[] = {PROGRAM, NULL};
        json_t *ledger;

        child_start(&program, argv, &(struct child_options){.dies_with_us = true});
        wait_until_pausing(program.pid);
        client_attach(&client, program.pid);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        ledger = check_ledger(&client);
        CHECK(number_of(ledger, "kernel") == 0 && number_of(ledger, "unseen") == 0, "not empty: %s",
              json_dumps(ledger, 0));
        client_free(&client);
        CHECK(kill(program.pid, SIGTERM) == 0 && child_wait(&program) == 128 + SIGTERM, "the program did not run on");
        child_close(&program);
}

static void check_only_fault(const json_t *fault)
{
        const json_t *place = json_object_get(fault, "place"), *code = json_object_get(fault, "code");
        uint64_t entry = entry_address();
        /* Another reader of the program may hold the page just then: the kernel calls a fault that waits major. */
        bool major = strcmp(text_of(fault, "outcome"), "major") == 0;
        bool fits = address_of(fault, "addr") == entry && address_of(fault, "ip") == entry &&
                    strcmp(text_of(fault, "access"), "exec") == 0;

        fits &= strcmp(text_of(fault, "outcome"), major ? "major" : "minor") == 0 &&
                strcmp(text_of(fault, "cause"), major ? "file-major" : "file-minor") == 0;
        CHECK(fits, "not the fetch of the first instruction: %s", json_dumps(fault, 0));
        CHECK(strcmp(text_of(place, "symbol"), "_start") == 0 && strcmp(text_of(place, "section"), ".text") == 0 &&
                      number_of(place, "offset") == 0 && strcmp(text_of(code, "symbol"), "_start") == 0,
              "not at _start: %s", json_dumps(fault, 0));
}

static void test_exec(void)
{
        struct client client;
        const char *args[] = {"--", PROGRAM, NULL};
        json_t *fault;
        size_t i, n_user = 0;
        pid_t pid;

        client_start(&client, args);
        pid = (pid_t)number_of(client_wait_for(&client, "attached"), "pid");
        wait_until_pausing(pid);
        CHECK(kill(pid, SIGTERM) == 0, "the program is gone");
        CHECK(client_finish(&client) == 128 + SIGTERM, "the status of the command was not passed on");
        check_nothing_missing(&client);
        json_array_foreach(client.faults, i, fault)
        {
                if (strcmp(text_of(fault, "mode"), "user") != 0)
                        continue;
                check_only_fault(fault);
                n_user++;
        }
        CHECK(n_user == 1, "%zu faults in user mode instead of one", n_user);
        CHECK(strcmp(text_of(client_find(&client, "end"), "reason"), "exited") == 0, "wrong reason: %s",
              json_dumps(client_find(&client, "end"), 0));
        client_free(&client);
}

/* Traced from before its exec: the old address space and its images are forgotten, the new ones are right. */
static void test_exec_under_trace(void)
{
        struct child program;
        struct client client;
        const char *argv[] = {PROGRAM, NULL};
        json_t *fault, *life;
        size_t i, n_at_entry = 0;

        child_start(&program, argv, &(struct child_options){.held = true, .dies_with_us = true});
        process_wait_state(program.pid, 'S');
        client_attach(&client, program.pid);
        child_release(&program);
        wait_until_pausing(program.pid);
        CHECK(client_stop(&client) == 0, "the client failed");
        check_nothing_missing(&client);
        json_array_foreach(client.faults, i, fault)
        {
                if (strcmp(text_of(fault, "mode"), "user") != 0 || address_of(fault, "addr") != entry_address())
                        continue;
                check_only_fault(fault);
                CHECK(strcmp(text_of(fault, "comm"), "pause") == 0, "the old name: %s", json_dumps(fault, 0));
                n_at_entry++;
        }
        CHECK(n_at_entry == 1, "%zu fetches of the first instruction", n_at_entry);
        life = client_find(&client, "life");
        CHECK(life && strcmp(text_of(life, "kind"), "exec") == 0 && strcmp(text_of(life, "comm"), "pause") == 0,
              "nothing said about the exec: %s", life ? json_dumps(life, 0) : "no line");
        client_free(&client);
        CHECK(kill(program.pid, SIGTERM) == 0 && child_wait(&program) == 128 + SIGTERM, "the program did not run on");
        child_close(&program);
}

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: smallest attach|exec|exec-under-trace");
        harness_begin(30);
        harness_need_full();
        if (strcmp(argv[1], "attach") == 0)
                test_attach();
        else if (strcmp(argv[1], "exec-under-trace") == 0)
                test_exec_under_trace();
        else
                test_exec();
        return 0;
}
