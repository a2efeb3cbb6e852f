/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Signals, their codes and the registers that they come with, by name. Pure. */
#pragma once

#include <stddef.h>

#include "client/text.h"

/* "SIGSEGV", "SIGRTMIN+3"; the number for what is no signal. */
void signal_put_name(struct text *out, int signo);

/* "SEGV_MAPERR", "SI_TKILL"; the number where there is no name. */
void signal_put_code(struct text *out, int signo, int code);

/* "rax" for 0: the order of struct proto_registers; i < PROTO_REGISTERS. */
const char *register_name(size_t i);
