/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of faultlined.conf(5). Each function: 0, or -EINVAL (no such value), -ERANGE (out of the bounds). */
#pragma once

#include <stdint.h>

#include "proto/base.h"

/* A whole number. */
int config_parse_count(const char *text, uint64_t min, uint64_t max, uint64_t *ret) MUST_CHECK;
/* The same with K, M, G or T behind it, powers of 1024. */
int config_parse_bytes(const char *text, uint64_t min, uint64_t max, uint64_t *ret) MUST_CHECK;
/* A whole number of seconds, or of ms, s, min, h, d; 0 and "infinity" are 0. min and max in microseconds. */
int config_parse_time(const char *text, uint64_t min_usec, uint64_t max_usec, uint64_t *ret_usec) MUST_CHECK;

#define CONFIG_VALUE_BYTES 32

/* The same backwards: in the largest unit that leaves a whole number. */
void config_format_bytes(uint64_t bytes, char text[static CONFIG_VALUE_BYTES]);
void config_format_time(uint64_t usec, char text[static CONFIG_VALUE_BYTES]);
