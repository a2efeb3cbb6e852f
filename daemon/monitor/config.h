/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration of the service, faultlined.conf(5). */
#pragma once

#include <stdio.h>

#include "daemon/monitor/admins.h"
#include "daemon/monitor/limits.h"
#include "proto/base.h"

#define CONFIG_GROUP_BYTES 256

struct settings {
        char admin_group[CONFIG_GROUP_BYTES]; /* as it was asked for; empty = nobody */
        struct admins admins;                 /* what it means here */
        uint64_t idle_exit_usec;              /* 0 = never */
        struct limits limits;
};

/* Where the service looks, ends with NULL. */
extern const char *const config_directories[];

/* What holds without a configuration, and without an admin group. */
void settings_init(struct settings *settings);

/*
 * Read the files below these directories (config_files.h). Whatever is wrong with them is told by complain(), a line
 * each that names the file, where it can the line, and what is allowed; what is wrong changes nothing. After a file
 * that cannot be read or an AdminGroup= that means nothing, nobody but root is an administrator. Returns how many
 * complaints there were.
 */
size_t config_read(const char *const *directories, struct settings *ret, void (*complain)(void *user, const char *text),
                   void *user) MUST_CHECK;
/* Every key with its value, in the form of the file. */
void config_print(FILE *file, const struct settings *settings);
/* faultlined --check-config: print what would hold to out, and each complaint to err. The exit status: 0 or 1. */
int config_check(const char *const *directories, FILE *out, FILE *err) MUST_CHECK;
