/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What cannot be traced is refused at once: exit status 1, one line on standard error that names the target, nothing
 * that looks like a trace.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/harness.h"

static void refuse_pid(const char *what, pid_t pid, const char *socket)
{
        char number[16];
        const char *args[] = {"-p", number, socket, NULL};
        struct client client;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        client_start(&client, args);
        check_refused(&client, what, number);
        client_free(&client);
}

static pid_t make_zombie(void)
{
        pid_t pid = fork();
        siginfo_t info;

        if (pid == 0)
                _exit(0);
        CHECK(pid > 0 && waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0, "making a zombie: %s",
              strerror(errno));
        return pid;
}

/* A shell that becomes the client: its own pid is known before. */
static void refuse_self(void)
{
        const char *argv[] = {"sh", "-c", "exec " FAULTLINE_PATH " --private --format=json -p $$", NULL};
        struct client client = {.faults = json_array(), .others = json_array()};
        char number[16];

        child_start(&client.child, argv, &(struct child_options){.dies_with_us = true});
        (void)snprintf(number, sizeof(number), "%d", (int)client.child.pid);
        check_refused(&client, "the client itself", number);
        client_free(&client);
}

static void refuse_daemon(void)
{
        struct daemon daemon;
        char option[256];

        daemon_start(&daemon, NULL);
        (void)snprintf(option, sizeof(option), "--socket=%s", daemon.socket);
        refuse_pid("the daemon itself", daemon.child.pid, option);
        daemon_stop(&daemon);
}

int main(void)
{
        pid_t zombie;

        harness_begin(50);
        harness_need_full();
        zombie = make_zombie();
        refuse_pid("a zombie", zombie, NULL);
        (void)waitpid(zombie, NULL, 0);
        refuse_pid("nobody", zombie, NULL);
        refuse_pid("a kernel thread", 2, NULL);
        refuse_self();
        refuse_daemon();
        return 0;
}
