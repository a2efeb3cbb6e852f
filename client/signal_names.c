/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The numbers are those of Linux on x86-64, which the protocol carries (asm-generic/siginfo.h, asm/signal.h), and not
 * the constants of the C library that this client happens to be built with: some of the codes are newer than it.
 */
#include "client/signal_names.h"

#include <signal.h>

#include "proto/proto.h"

enum { FIRST_REALTIME = 32, LAST_SIGNAL = 64, SIGRTMIN_OF_LIBC = 34 /* it keeps two for itself */ };

static const char *const names[FIRST_REALTIME] = {
        NULL,        "SIGHUP",  "SIGINT",    "SIGQUIT", "SIGILL",   "SIGTRAP", "SIGABRT", "SIGBUS",
        "SIGFPE",    "SIGKILL", "SIGUSR1",   "SIGSEGV", "SIGUSR2",  "SIGPIPE", "SIGALRM", "SIGTERM",
        "SIGSTKFLT", "SIGCHLD", "SIGCONT",   "SIGSTOP", "SIGTSTP",  "SIGTTIN", "SIGTTOU", "SIGURG",
        "SIGXCPU",   "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO",   "SIGPWR",  "SIGSYS",
};

void signal_put_name(struct text *out, int signo)
{
        if (signo > 0 && signo < FIRST_REALTIME)
                text_put_string(out, names[signo]);
        else if (signo >= SIGRTMIN_OF_LIBC && signo <= LAST_SIGNAL)
                text_printf(out, "SIGRTMIN+%d", signo - SIGRTMIN_OF_LIBC);
        else
                text_put_i64(out, signo);
}

static const struct {
        int signo; /* 0: any */
        int code;
        const char *name;
} codes[] = {
        {SIGSEGV, 1, "SEGV_MAPERR"},  {SIGSEGV, 2, "SEGV_ACCERR"},
        {SIGSEGV, 3, "SEGV_BNDERR"},  {SIGSEGV, 4, "SEGV_PKUERR"},
        {SIGSEGV, 5, "SEGV_ACCADI"},  {SIGSEGV, 6, "SEGV_ADIDERR"},
        {SIGSEGV, 7, "SEGV_ADIPERR"}, {SIGSEGV, 8, "SEGV_MTEAERR"},
        {SIGSEGV, 9, "SEGV_MTESERR"}, {SIGSEGV, 10, "SEGV_CPERR"},
        {SIGBUS, 1, "BUS_ADRALN"},    {SIGBUS, 2, "BUS_ADRERR"},
        {SIGBUS, 3, "BUS_OBJERR"},    {SIGBUS, 4, "BUS_MCEERR_AR"},
        {SIGBUS, 5, "BUS_MCEERR_AO"}, {0, 0, "SI_USER"},
        {0, 0x80, "SI_KERNEL"},       {0, -1, "SI_QUEUE"},
        {0, -2, "SI_TIMER"},          {0, -3, "SI_MESGQ"},
        {0, -4, "SI_ASYNCIO"},        {0, -5, "SI_SIGIO"},
        {0, -6, "SI_TKILL"},          {0, -7, "SI_DETHREAD"},
        {0, -60, "SI_ASYNCNL"},
};

void signal_put_code(struct text *out, int signo, int code)
{
        for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
                if (codes[i].code == code && (codes[i].signo == 0 || codes[i].signo == signo)) {
                        text_put_string(out, codes[i].name);
                        return;
                }
        text_put_i64(out, code);
}

const char *register_name(size_t i)
{
        static const char *const registers[PROTO_REGISTERS] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi",
                                                               "rbp", "rsp", "r8",  "r9",  "r10", "r11",
                                                               "r12", "r13", "r14", "r15", "rip", "eflags"};

        return registers[i];
}
