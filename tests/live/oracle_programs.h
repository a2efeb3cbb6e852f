/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that no one here wrote, and what they are given to do. */
#pragma once

#include <stdbool.h>

#define N_ORACLE_PROGRAMS 7

struct oracle_program {
        const char *name;
        const char *path; /* NULL: the compiler's, oracle_find_compiler() */
        const char *arguments[9];
        const char *package; /* of Debian */
        int status;          /* that it ends with */
};

extern const struct oracle_program oracle_programs[N_ORACLE_PROGRAMS];
/* The one that oracle_run_program() executes. */
extern const struct oracle_program *oracle_to_execute;

/* Setup and teardown: the file that some of them read. */
int oracle_write_source(void **state);
int oracle_remove_source(void **state);
void oracle_find_compiler(void);
bool oracle_is_installed(const struct oracle_program *program);
/* For target_start(): waits for a byte, then executes. */
void oracle_run_program(int command, int answer);
