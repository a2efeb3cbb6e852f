/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which files make up the configuration, in the order in which they are read. */
#pragma once

#include <stddef.h>

#include "proto/base.h"

#define CONFIG_NAME "faultlined.conf"

struct config_files {
        char **paths;
        size_t n;
};

/*
 * `directories` ends with NULL, the most important one first. The first CONFIG_NAME that there is, then CONFIG_NAME.d/
 * *.conf of all directories, by their names; of files with one name that of the most important directory is taken, and
 * one that is /dev/null is none. 0, or -errno and *ret_where is the path that could not be looked at (the caller
 * frees). The caller config_files_deinit()s.
 */
int config_files_find(const char *const *directories, struct config_files *ret, char **ret_where) MUST_CHECK;
void config_files_deinit(struct config_files *files);
