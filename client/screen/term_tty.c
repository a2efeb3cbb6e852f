/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A terminal that is left in its raw modes on its alternate screen is useless to whoever sits there, so it is given
 * back even when we crash: the bytes that do so are prepared beforehand, because a signal handler may call hardly
 * anything (signal-safety(7): write(2), tcsetattr(3), sigaction(2), raise(3) it may). It has a stack of its own, since
 * ours may be what has overflowed. The signal then meets what was there before: a core is dumped, a sanitizer reports.
 *
 * SIGKILL cannot be met: after it the user types "reset".
 */
#include "client/screen/term_tty.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { CRASH_STACK_BYTES = 64 * 1024 };

static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGQUIT, SIGTRAP, SIGSYS, SIGXCPU};

static struct {
        int fd;
        struct termios modes;
        size_t n_bytes;
        char bytes[TERM_CRASH_BYTES_MAX];
        struct sigaction before[ARRAY_SIZE(crashes)];
        stack_t stack_before;
} crash = {.fd = -1};

static char crash_stack[CRASH_STACK_BYTES];

int term_tty_open_input(void)
{
        int fd = open(isatty(STDIN_FILENO) ? "/proc/self/fd/0" : "/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);

        if (fd < 0 && isatty(STDIN_FILENO))
                fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0);
        return fd < 0 ? -ENOTTY : fd;
}

void term_tty_set(int fd, const struct termios *modes)
{
        while (tcsetattr(fd, TCSANOW, modes) < 0 && errno == EINTR)
                ;
}

static void on_crash(int signo)
{
        ssize_t n = write(crash.fd, crash.bytes, crash.n_bytes);

        (void)n; /* there is nobody left to tell */
        (void)tcsetattr(crash.fd, TCSANOW, &crash.modes);
        for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
                if (crashes[i] == signo)
                        (void)sigaction(signo, &crash.before[i], NULL);
        (void)raise(signo);
}

void term_crash_arm(int fd, const struct termios *modes, const char *bytes, size_t n_bytes)
{
        const stack_t stack = {.ss_sp = crash_stack, .ss_size = sizeof(crash_stack)};
        struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_ONSTACK | SA_NODEFER};

        if (crash.fd >= 0)
                return;
        crash.modes = *modes;
        crash.n_bytes = MIN_OF(n_bytes, sizeof(crash.bytes));
        memcpy(crash.bytes, bytes, crash.n_bytes);
        crash.fd = fd;
        (void)sigaltstack(&stack, &crash.stack_before);
        for (size_t i = 0; i < ARRAY_SIZE(crashes); i++) {
                (void)sigaction(crashes[i], &action, &crash.before[i]);
                if (crash.before[i].sa_handler == SIG_IGN)
                        (void)sigaction(crashes[i], &crash.before[i], NULL);
        }
}

void term_crash_disarm(void)
{
        if (crash.fd < 0)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(crashes); i++)
                (void)sigaction(crashes[i], &crash.before[i], NULL);
        (void)sigaltstack(&crash.stack_before, NULL);
        crash.fd = -1;
}
