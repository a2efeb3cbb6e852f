/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The values of options, each with one complaint that quotes what was written and says what may be written instead.
 * strtoull(3) is not used: it takes signs, spaces and other bases, none of which a process id or a time has.
 */
#include "client/option_values.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "client/escape.h"

enum { STACK_LEAST_BYTES = 8 };

/* "unknown" is a cause that a fault can have; an access that is not known is none to ask for. */
const struct option_words option_outcomes = {"outcome", outcome_text, OUTCOME_MINOR, N_OUTCOMES};
const struct option_words option_causes = {"cause", cause_text, CAUSE_UNKNOWN, N_CAUSES};
const struct option_words option_accesses = {"access", access_text, ACCESS_READ, N_ACCESSES};

void option_put_quoted(struct text *out, const char *word)
{
        text_put_char(out, '\'');
        (void)escape_terminal(out, word, strlen(word));
        text_put_char(out, '\'');
}

const char *option_parse_digits(const char *word, uint64_t *ret)
{
        uint64_t value = 0;
        const char *p = word;

        for (; *p >= '0' && *p <= '9'; p++)
                if (__builtin_mul_overflow(value, UINT64_C(10), &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*p - '0'), &value))
                        return NULL;
        if (p == word)
                return NULL;
        *ret = value;
        return p;
}

static uint64_t unit_ns(const char *unit, uint64_t default_unit_ns)
{
        static const struct {
                const char *name;
                uint64_t ns;
        } units[] = {
                {"ns", 1},           {"us", NSEC_PER_USEC},      {"ms", NSEC_PER_MSEC},
                {"s", NSEC_PER_SEC}, {"min", 60 * NSEC_PER_SEC}, {"h", 3600 * NSEC_PER_SEC},
        };

        if (*unit == '\0')
                return default_unit_ns;
        for (size_t i = 0; i < ARRAY_SIZE(units); i++)
                if (strcmp(units[i].name, unit) == 0)
                        return units[i].ns;
        return 0;
}

int options_parse_time(const char *word, uint64_t default_unit_ns, uint64_t *ret_ns)
{
        uint64_t whole, unit, ns, tenth;
        const char *fraction = NULL, *rest;

        rest = option_parse_digits(word, &whole);
        if (!rest)
                return *word >= '0' && *word <= '9' ? -ERANGE : -EINVAL;
        if (*rest == '.') {
                fraction = rest + 1;
                rest = fraction + strspn(fraction, "0123456789");
                if (rest == fraction)
                        return -EINVAL;
        }
        unit = unit_ns(rest, default_unit_ns);
        if (unit == 0)
                return -EINVAL;
        if (__builtin_mul_overflow(whole, unit, &ns))
                return -ERANGE;
        /* Digits below a nanosecond do not count. */
        tenth = unit / 10;
        for (const char *p = fraction; p && p < rest; p++, tenth /= 10)
                if (__builtin_add_overflow(ns, (uint64_t)(*p - '0') * tenth, &ns))
                        return -ERANGE;
        *ret_ns = ns;
        return 0;
}

int option_parse_time(const char *option, const char *word, uint64_t default_unit_ns, uint64_t *ret,
                      struct text *complaint)
{
        uint64_t ns;

        if (options_parse_time(word, default_unit_ns, &ns) == 0 && ns > 0) {
                *ret = ns;
                return 0;
        }
        text_printf(complaint, "--%s=", option);
        option_put_quoted(complaint, word);
        text_put_string(complaint, " is not a time; write a number above 0 and ns, us, ms, s, min or h, such as 1.5ms");
        return -EINVAL;
}

int option_parse_count(const char *option, const char *of_what, const char *word, uint64_t *ret, struct text *complaint)
{
        uint64_t count;
        const char *rest = option_parse_digits(word, &count);

        if (rest && *rest == '\0' && count > 0) {
                *ret = count;
                return 0;
        }
        text_printf(complaint, "--%s=", option);
        option_put_quoted(complaint, word);
        text_printf(complaint, " is not a number of %s; write a whole number above 0", of_what);
        return -EINVAL;
}

int option_parse_stack(const char *word, uint32_t *ret_bytes, struct text *complaint)
{
        uint64_t bytes;
        const char *rest = option_parse_digits(word, &bytes);

        if (rest && strcmp(rest, "K") == 0) {
                bytes = bytes <= PROTO_STACK_MAX_BYTES ? bytes * 1024 : bytes;
                rest++;
        }
        if (rest && *rest == '\0' && bytes >= STACK_LEAST_BYTES && bytes <= PROTO_STACK_MAX_BYTES) {
                *ret_bytes = (uint32_t)(bytes + 7) / 8 * 8; /* perf_event_open(2), sample_stack_user */
                return 0;
        }
        text_put_string(complaint, "--stack=");
        option_put_quoted(complaint, word);
        text_printf(complaint,
                    " is not a size of stacks; write a number of bytes from %d to %" PRIu32 ", or such as 16K",
                    STACK_LEAST_BYTES, PROTO_STACK_MAX_BYTES);
        return -EINVAL;
}

static void add_pid(struct options *options, int32_t pid)
{
        for (size_t i = 0; i < options->n_pids; i++)
                if (options->pids[i] == pid)
                        return;
        options->pids[options->n_pids++] = pid;
}

int option_parse_pids(struct options *options, const char *list, struct text *complaint)
{
        for (const char *p = list;;) {
                uint64_t pid;
                const char *rest = option_parse_digits(p, &pid);

                if (!rest || (*rest != ',' && *rest != '\0') || pid == 0 || pid > INT32_MAX) {
                        text_put_string(complaint, "-p ");
                        option_put_quoted(complaint, list);
                        text_put_string(complaint, " is not a list of process ids; write for example -p 1234 or -p "
                                                   "12,34 (pgrep -l NAME finds "
                                                   "the id of a program)");
                        return -EINVAL;
                }
                if (options->n_pids == OPTIONS_PIDS_MAX) {
                        text_printf(complaint, "more than %d processes in one -p; trace fewer at a time",
                                    OPTIONS_PIDS_MAX);
                        return -EINVAL;
                }
                add_pid(options, (int32_t)pid);
                if (*rest == '\0')
                        return 0;
                p = rest + 1;
        }
}

int option_parse_unit(struct options *options, const char *word, struct text *complaint)
{
        size_t n_bytes = strlen(word);

        if (options->unit.n_bytes > 0) {
                text_put_string(complaint, "-u more than once; trace one unit at a time");
        } else if (n_bytes == 0 || n_bytes > PROTO_UNIT_MAX_BYTES) {
                text_printf(complaint, "-u: the name of a unit has between 1 and %d bytes", PROTO_UNIT_MAX_BYTES);
        } else if (word[0] != '/' && strchr(word, '/')) {
                text_put_string(complaint, "-u ");
                option_put_quoted(complaint, word);
                text_put_string(complaint, " is neither the name of a unit nor the path of a cgroup; write for example "
                                           "-u nginx.service or -u /sys/fs/cgroup/NAME");
        } else {
                options->unit = (struct proto_string){.data = word, .n_bytes = (uint32_t)n_bytes};
                return 0;
        }
        return -EINVAL;
}

/* --- words of the vocabulary --- */

static void put_words(struct text *out, const struct option_words *words)
{
        for (unsigned int i = words->first; i < words->n_words; i++) {
                text_put_string(out, i == words->first ? " " : ", ");
                text_put_string(out, words->text(i));
        }
}

static bool find_word(const struct option_words *words, const char *word, size_t n_bytes, unsigned int *ret)
{
        for (unsigned int i = words->first; i < words->n_words; i++) {
                const char *text = words->text(i);

                if (strlen(text) == n_bytes && memcmp(text, word, n_bytes) == 0) {
                        *ret = i;
                        return true;
                }
        }
        return false;
}

int option_parse_words(const struct option_words *words, const char *list, uint32_t *mask, struct text *complaint)
{
        for (const char *p = list;;) {
                size_t n_bytes = strcspn(p, ",");
                unsigned int number;

                if (!find_word(words, p, n_bytes, &number)) {
                        text_printf(complaint, "--%s: unknown word '", words->option);
                        (void)escape_terminal(complaint, p, n_bytes);
                        text_put_string(complaint, "'; the words are");
                        put_words(complaint, words);
                        return -EINVAL;
                }
                *mask |= UINT32_C(1) << number;
                if (p[n_bytes] == '\0')
                        return 0;
                p += n_bytes + 1;
        }
}

int option_parse_choice(const char *option, const char *word, const char *const *choices, unsigned int n_choices,
                        unsigned int *ret, struct text *complaint)
{
        for (unsigned int i = 0; i < n_choices; i++)
                if (strcmp(word, choices[i]) == 0) {
                        *ret = i;
                        return 0;
                }
        text_printf(complaint, "--%s=", option);
        option_put_quoted(complaint, word);
        text_put_string(complaint, " is not known; write ");
        for (unsigned int i = 0; i < n_choices; i++)
                text_printf(complaint, "%s%s", i ? " or " : "", choices[i]);
        return -EINVAL;
}
