/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What decides whether a peer may trace a process must say no when it cannot become the peer: when the kernel refuses a
 * change of credentials (a seccomp filter, a security module), and when the change is said to be done and is not.
 * strace(1) puts both in the way of the real code, which runs in this program as "denials ask PID".
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/monitor/authorize.h"

#define NOBODY 65534
#define SKIPPED 77

static const struct denial {
        const char *inject; /* strace's -e; NULL: nothing */
        int result;
} denials[] = {
        {NULL, 0},
        {"inject=setgroups:error=EPERM", -EPERM},
        {"inject=setgroups:retval=0", -EPERM},
        {"inject=setresgid:error=EPERM", -EPERM},
        {"inject=setresgid:retval=0", -EPERM},
        {"inject=setresuid:error=EPERM", -EPERM},
        {"inject=setresuid:error=EAGAIN", -EAGAIN},
        {"inject=setresuid:retval=0", -EPERM},
        {"inject=capset:error=EPERM", -EPERM},
        {"inject=getresuid:error=EFAULT", -EFAULT},
        {"inject=pidfd_getfd:error=ENOSYS", -EPERM},
        {"inject=pidfd_getfd:error=EINVAL", -EPERM},
};

/* Prints the answer about a process, asked as nobody. */
static int ask(pid_t pid)
{
        struct peer peer = {.uid = NOBODY, .gid = NOBODY};
        struct authorize_question question = {.peer = &peer, .pidfd = (int)syscall(SYS_pidfd_open, pid, 0)};
        int fd = -1;

        if (question.pidfd < 0)
                return EXIT_FAILURE;
        printf("%d\n", authorize_work(&question, &fd));
        return EXIT_SUCCESS;
}

_Noreturn static void run_ask(const char *inject, pid_t pid)
{
        char self[4096] = "", number[16];

        (void)snprintf(number, sizeof(number), "%d", pid);
        if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
                _exit(EXIT_FAILURE);
        if (inject == NULL)
                (void)execl(self, self, "ask", number, NULL);
        else
                (void)execlp("strace", "strace", "-f", "-qq", "-o", "/dev/null", "-e", inject, self, "ask", number,
                             NULL);
        _exit(errno == ENOENT ? SKIPPED : EXIT_FAILURE);
}

/* The exit status, and what was printed. */
static int ask_with(const char *inject, pid_t pid, char *answer, size_t size)
{
        int pipe_fds[2], status;
        pid_t child;

        if (pipe(pipe_fds) < 0)
                return EXIT_FAILURE;
        child = fork();
        if (child == 0) {
                (void)dup2(pipe_fds[1], STDOUT_FILENO);
                (void)close(pipe_fds[0]);
                (void)close(pipe_fds[1]);
                run_ask(inject, pid);
        }
        (void)close(pipe_fds[1]);
        ssize_t n = read(pipe_fds[0], answer, size - 1);
        answer[n > 0 ? n : 0] = '\0';
        (void)close(pipe_fds[0]);
        if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
                return EXIT_FAILURE;
        return WEXITSTATUS(status);
}

/* Nobody's process, which nobody may trace. Its id, once it is one, or -1. */
static pid_t start_target(void)
{
        int pipe_fds[2];
        pid_t pid;
        char c;

        if (pipe(pipe_fds) < 0)
                return -1;
        pid = fork();
        if (pid == 0) {
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (syscall(SYS_setgroups, 0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
                    setresuid(NOBODY, NOBODY, NOBODY) < 0 || prctl(PR_SET_DUMPABLE, 1) < 0 ||
                    write(pipe_fds[1], "r", 1) != 1)
                        _exit(EXIT_FAILURE);
                for (;;)
                        (void)pause();
        }
        (void)close(pipe_fds[1]);
        return read(pipe_fds[0], &c, 1) == 1 ? pid : -1;
}

static int check(const struct denial *denial, pid_t pid)
{
        char answer[32];
        int status = ask_with(denial->inject, pid, answer, sizeof(answer));

        if (status != EXIT_SUCCESS || answer[0] == '\0') {
                printf("%s: could not be asked, status %d\n", denial->inject ? denial->inject : "plain", status);
                return status == SKIPPED ? SKIPPED : EXIT_FAILURE;
        }
        if (strtol(answer, NULL, 10) == denial->result)
                return EXIT_SUCCESS;
        printf("%s: the answer is %s instead of %d\n", denial->inject ? denial->inject : "plain", strtok(answer, "\n"),
               denial->result);
        return EXIT_FAILURE;
}

static int check_all(pid_t target)
{
        char answer[32];
        int result = EXIT_SUCCESS;

        if (ask_with("inject=acct:error=EPERM", target, answer, sizeof(answer)) != EXIT_SUCCESS) {
                printf("skipped: needs strace(1), allowed to trace\n");
                return SKIPPED;
        }
        for (size_t i = 0; i < ARRAY_SIZE(denials); i++)
                result |= check(&denials[i], target);
        result |= check(&(struct denial){NULL, -EPERM}, getpid()); /* root's */
        return result;
}

int main(int argc, char *argv[])
{
        const gid_t group = 1;
        pid_t target;
        int result;

        if (argc == 3 && strcmp(argv[1], "ask") == 0)
                return ask((pid_t)strtol(argv[2], NULL, 10));
        if (geteuid() != 0) {
                printf("skipped: needs root, to become another user\n");
                return SKIPPED;
        }
        target = start_target();
        if (target < 0 || setgroups(1, &group) < 0) { /* one that the peer does not have */
                printf("cannot set up the processes: %s\n", strerror(errno));
                return EXIT_FAILURE;
        }
        result = check_all(target);
        (void)kill(target, SIGKILL);
        return result;
}
