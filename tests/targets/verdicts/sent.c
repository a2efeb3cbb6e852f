/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* No fault at all: somebody sent the signal. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "verdicts.h"

static pid_t start_sender(int *ret_fd)
{
        pid_t parent = getpid(), child;
        int fds[2];
        char byte;

        if (pipe2(fds, O_CLOEXEC) < 0 || (child = fork()) < 0)
                target_fail("starting a sender");
        if (child > 0) {
                (void)close(fds[0]);
                *ret_fd = fds[1];
                return child;
        }
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)close(fds[1]);
        while (read(fds[0], &byte, 1) == 1)
                (void)kill(parent, SIGSEGV);
        _exit(0);
}

static void await_signal(const volatile void *p)
{
        sigset_t none;

        (void)sigemptyset(&none);
        if (write(*(const int *)(uintptr_t)p, "x", 1) != 1)
                target_fail("telling the sender");
        (void)sigsuspend(&none);
}

void sent(void)
{
        static int fd;
        pid_t child = start_sender(&fd);
        char extra[64];
        sigset_t blocked;

        (void)snprintf(extra, sizeof(extra), ",\"sender\":{\"pid\":%d,\"uid\":%d},\"no_addr\":true", (int)child,
                       (int)getuid());
        strike_expect("SIGSEGV", "SI_USER", "sent", extra);
        strike_catch();
        (void)sigemptyset(&blocked);
        (void)sigaddset(&blocked, SIGSEGV);
        (void)sigprocmask(SIG_BLOCK, &blocked, NULL);
        target_gate();
        strike_repeat(await_signal, &fd);
        strike_finish();
        (void)kill(child, SIGKILL);
        (void)waitpid(child, NULL, 0);
}
