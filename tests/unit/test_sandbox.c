/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an engine cannot do once it is one, and what it still can. Each is tried in a process of its own, whose parent
 * (the monitor's part) is of the same user.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "daemon/link/sandbox.h"
#include "proto/base.h"

static int result_of(long r)
{
        return r < 0 ? errno : 0;
}

static int map(int flags)
{
        return mmap(NULL, 4096, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ? errno : 0;
}

static int map_file(int flags)
{
        return mmap(NULL, 4096, PROT_READ, flags, STDIN_FILENO, 0) == MAP_FAILED ? errno : 0;
}

static int signal_parent(void)
{
        return result_of(syscall(SYS_tgkill, getppid(), getppid(), 0));
}

static int signal_itself(void)
{
        return result_of(syscall(SYS_tgkill, getpid(), getpid(), 0));
}

static int signal_parent_by_kill(void)
{
        return result_of(kill(getppid(), 0));
}

static int own_by_parent(void)
{
        return result_of(fcntl(STDIN_FILENO, F_SETOWN, getppid()));
}

static int choose_signal(void)
{
        return result_of(fcntl(STDIN_FILENO, F_SETSIG, SIGKILL));
}

static int duplicate(void)
{
        return result_of(fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3));
}

static int limit_parent(void)
{
        return result_of(syscall(SYS_prlimit64, getppid(), RLIMIT_NOFILE, NULL, &(struct rlimit){0}));
}

static int read_limit(void)
{
        struct rlimit limit;

        return result_of(getrlimit(RLIMIT_NOFILE, &limit));
}

static int map_private(void)
{
        return map(MAP_PRIVATE | MAP_ANONYMOUS);
}

static int map_shared(void)
{
        return map(MAP_SHARED | MAP_ANONYMOUS);
}

static int map_shared_and_validated(void)
{
        return map(MAP_SHARED_VALIDATE | MAP_ANONYMOUS);
}

static int map_stack_that_grows(void)
{
        return map(MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN);
}

static int map_file_shared(void)
{
        return map_file(MAP_SHARED);
}

static int map_file_private(void)
{
        return map_file(MAP_PRIVATE);
}

static int make_memory_file(void)
{
        return result_of(memfd_create("more", 0));
}

static int open_file(void)
{
        return result_of(open("/", O_RDONLY));
}

static int make_socket(void)
{
        return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int make_process(void)
{
        return result_of(syscall(SYS_fork));
}

static const struct attempt {
        const char *name;
        int (*run)(void); /* 0 or an errno number */
        int expected;
} attempts[] = {
        {"signal another process", signal_parent, EPERM},
        {"signal it by kill(2)", signal_parent_by_kill, EPERM},
        {"signal itself", signal_itself, 0},
        {"let a descriptor signal another process", own_by_parent, EPERM},
        {"choose the signal of a descriptor", choose_signal, EPERM},
        {"duplicate a descriptor", duplicate, 0},
        {"limit another process", limit_parent, EPERM},
        {"read its own limit", read_limit, 0},
        {"map memory", map_private, 0},
        {"map memory that no limit counts", map_shared, EPERM},
        {"map it with checked flags", map_shared_and_validated, EPERM},
        {"map a stack that grows", map_stack_that_grows, EPERM},
        {"map a file", map_file_shared, 0},
        {"map a file for itself", map_file_private, 0},
        {"make a file in memory", make_memory_file, EPERM},
        {"open a file", open_file, EPERM},
        {"make a socket", make_socket, EPERM},
        {"make a process", make_process, EPERM},
};

static int run_in_sandbox(const struct attempt *attempt)
{
        int status, file = memfd_create("file", 0);
        pid_t pid = fork();

        if (pid == 0) {
                if (dup2(file, STDIN_FILENO) < 0 || ftruncate(STDIN_FILENO, 4096) < 0 ||
                    sandbox_enter(SANDBOX_ENGINE) < 0)
                        _exit(UINT8_MAX);
                _exit(attempt->run());
        }
        (void)close(file);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

static void test_engine(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
                int result = run_in_sandbox(&attempts[i]);

                if (result != attempts[i].expected)
                        fail_msg("%s: %d", attempts[i].name, result);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_engine)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
