/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Asking faultline walk. */
#pragma once

#include "tests/support/harness.h"

/* The object that it prints. NULL: it left with 1, and *complaint (the caller's) is what it said; with complaint NULL
 * that ends the test. */
json_t *walk(uid_t uid, pid_t pid, const char *where, char **complaint);
json_t *walk_address(pid_t pid, uint64_t address);

/* A field that must be there, true or false. */
bool is_true(const json_t *object, const char *key);
