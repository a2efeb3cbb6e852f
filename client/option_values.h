/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words of the command line as values. All return 0, or -EINVAL with a complaint appended: one line without a newline
 * about what is wrong and what would be right. Outputs are untouched then, except for lists, which may be half read.
 */
#pragma once

#include "client/options.h"

/* A word in quotes, safe for a terminal. */
void option_put_quoted(struct text *out, const char *word);

/* Decimal digits only, no sign, no space. Returns where they end; NULL: no digit, or too large. */
const char *option_parse_digits(const char *word, uint64_t *ret);

/* Above 0. option is the long name, as in all that follow. */
int option_parse_time(const char *option, const char *word, uint64_t default_unit_ns, uint64_t *ret,
                      struct text *complaint) MUST_CHECK;
int option_parse_count(const char *option, const char *of_what, const char *word, uint64_t *ret,
                       struct text *complaint) MUST_CHECK;

/* Bytes, with or without K, rounded up to a multiple of 8. */
int option_parse_stack(const char *word, uint32_t *ret_bytes, struct text *complaint) MUST_CHECK;

/* "12,34" added to options->pids, each once. */
int option_parse_pids(struct options *options, const char *list, struct text *complaint) MUST_CHECK;

/* A unit's name or the path of a cgroup, once. */
int option_parse_unit(struct options *options, const char *word, struct text *complaint) MUST_CHECK;

/* Words of a vocabulary, as an option takes them. */
struct option_words {
        const char *option;
        const char *(*text)(unsigned int number);
        unsigned int first; /* the first number that is a word for users */
        unsigned int n_words;
};

extern const struct option_words option_outcomes, option_causes, option_accesses;

/* "a,b" as bits added to *mask. */
int option_parse_words(const struct option_words *words, const char *list, uint32_t *mask,
                       struct text *complaint) MUST_CHECK;

/* One word out of a few; their index is the value. */
int option_parse_choice(const char *option, const char *word, const char *const *choices, unsigned int n_choices,
                        unsigned int *ret, struct text *complaint) MUST_CHECK;
