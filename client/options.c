/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * getopt_long(3) finds the options; everything it would print itself is switched off, because each complaint should
 * say what is allowed instead. Nothing is accepted that is not there yet: an option that has no effect would be a
 * lie about the trace that follows.
 *
 * Parsing stops at the first word that is not an option: what follows "--" belongs to the command, down to its dashes.
 */
#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <string.h>

#include "client/escape.h"

enum option_code {
        OPTION_PID = 'p',
        OPTION_HELP = 'h',
        OPTION_DETAIL = 256,
        OPTION_FORMAT,
        OPTION_OUTCOME,
        OPTION_CAUSE,
        OPTION_ACCESS,
        OPTION_MAP,
        OPTION_MIN_LATENCY,
        OPTION_DURATION,
        OPTION_COUNT,
        OPTION_SOCKET,
        OPTION_PRIVATE,
        OPTION_COLOR,
        OPTION_VERSION,
        OPTION_RESERVED,
};

static const struct option long_options[] = {
        {"detail", required_argument, NULL, OPTION_DETAIL},
        {"format", required_argument, NULL, OPTION_FORMAT},
        {"outcome", required_argument, NULL, OPTION_OUTCOME},
        {"cause", required_argument, NULL, OPTION_CAUSE},
        {"access", required_argument, NULL, OPTION_ACCESS},
        {"map", required_argument, NULL, OPTION_MAP},
        {"min-latency", required_argument, NULL, OPTION_MIN_LATENCY},
        {"duration", required_argument, NULL, OPTION_DURATION},
        {"count", required_argument, NULL, OPTION_COUNT},
        {"socket", required_argument, NULL, OPTION_SOCKET},
        {"private", no_argument, NULL, OPTION_PRIVATE},
        {"color", required_argument, NULL, OPTION_COLOR},
        {"version", no_argument, NULL, OPTION_VERSION},
        {"help", no_argument, NULL, OPTION_HELP},
        {"follow", no_argument, NULL, OPTION_RESERVED},
        {"stack", optional_argument, NULL, OPTION_RESERVED},
        {"lossless", no_argument, NULL, OPTION_RESERVED},
        {"ptrace", optional_argument, NULL, OPTION_RESERVED},
        {0},
};

void options_put_help(struct text *out)
{
        text_put_string(out, "Usage: faultline [trace] TARGET [options]\n"
                             "Show every page fault of a running process as it happens.\n"
                             "\n"
                             "TARGET:\n"
                             "  -p PID[,PID...]          running processes\n"
                             "  -- COMMAND [ARG...]      a new process, traced from its first instruction\n"
                             "\n"
                             "Options:\n"
                             "  --detail=basic|full      how much to find out (default: as much as is permitted)\n"
                             "  --format=text|json       a line for people or an object for programs (default: text)\n"
                             "  --outcome=LIST           only faults with these outcomes, e.g. major,failed\n"
                             "  --cause=LIST             only faults with these causes, e.g. cow-copy,zero-fill\n"
                             "  --access=LIST            only faults with these accesses, e.g. write\n"
                             "  --map=GLOB               only faults in maps whose path matches, e.g. '*/libc.so*'\n"
                             "  --min-latency=TIME       only faults that took at least so long (no unit: us)\n"
                             "  --duration=TIME          stop after so long (no unit: s)\n"
                             "  --count=N                stop after N faults of each process\n"
                             "  --socket=PATH            use the faultlined that listens there\n"
                             "  --private                start a faultlined of one's own, do not use the service\n"
                             "  --color=auto|always|never\n"
                             "  --version, --help\n"
                             "\n"
                             "TIME is a number with a unit: ns, us, ms, s, min, h.\n"
                             "See faultline(1) for the columns, the causes and the ledger.\n");
}

/* --- values --- */

static void put_quoted(struct text *out, const char *word)
{
        text_put_char(out, '\'');
        (void)escape_terminal(out, word, strlen(word));
        text_put_char(out, '\'');
}

/* Decimal digits only, no sign, no space. Returns where they end; NULL: no digit, or too large. */
static const char *parse_digits(const char *word, uint64_t *ret)
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

        rest = parse_digits(word, &whole);
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

static int parse_time_option(const char *option, const char *word, uint64_t default_unit_ns, uint64_t *ret,
                             struct text *complaint)
{
        uint64_t ns;

        if (options_parse_time(word, default_unit_ns, &ns) == 0 && ns > 0) {
                *ret = ns;
                return 0;
        }
        text_printf(complaint, "--%s=", option);
        put_quoted(complaint, word);
        text_put_string(complaint, " is not a time; write a number above 0 and ns, us, ms, s, min or h, such as 1.5ms");
        return -EINVAL;
}

static int parse_count(const char *word, uint64_t *ret, struct text *complaint)
{
        uint64_t count;
        const char *rest = parse_digits(word, &count);

        if (rest && *rest == '\0' && count > 0) {
                *ret = count;
                return 0;
        }
        text_put_string(complaint, "--count=");
        put_quoted(complaint, word);
        text_put_string(complaint, " is not a number of faults; write a whole number above 0");
        return -EINVAL;
}

static void add_pid(struct options *options, int32_t pid)
{
        for (size_t i = 0; i < options->n_pids; i++)
                if (options->pids[i] == pid)
                        return;
        options->pids[options->n_pids++] = pid;
}

static int parse_pids(struct options *options, const char *list, struct text *complaint)
{
        for (const char *p = list;;) {
                uint64_t pid;
                const char *rest = parse_digits(p, &pid);

                if (!rest || (*rest != ',' && *rest != '\0') || pid == 0 || pid > INT32_MAX) {
                        text_put_string(complaint, "-p ");
                        put_quoted(complaint, list);
                        text_put_string(complaint,
                                        " is not a list of process ids; write for example -p 1234 or -p 12,34");
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

/* --- words of the vocabulary --- */

struct vocabulary {
        const char *option;
        const char *(*text)(unsigned int number);
        unsigned int first; /* the first number that is a word for users */
        unsigned int n_words;
};

static void put_words(struct text *out, const struct vocabulary *vocabulary)
{
        for (unsigned int i = vocabulary->first; i < vocabulary->n_words; i++) {
                text_put_string(out, i == vocabulary->first ? " " : ", ");
                text_put_string(out, vocabulary->text(i));
        }
}

static bool find_word(const struct vocabulary *vocabulary, const char *word, size_t n_bytes, unsigned int *ret)
{
        for (unsigned int i = vocabulary->first; i < vocabulary->n_words; i++) {
                const char *text = vocabulary->text(i);

                if (strlen(text) == n_bytes && memcmp(text, word, n_bytes) == 0) {
                        *ret = i;
                        return true;
                }
        }
        return false;
}

static int parse_words(const struct vocabulary *vocabulary, const char *list, uint32_t *mask, struct text *complaint)
{
        for (const char *p = list;;) {
                size_t n_bytes = strcspn(p, ",");
                unsigned int number;

                if (!find_word(vocabulary, p, n_bytes, &number)) {
                        text_printf(complaint, "--%s: unknown word '", vocabulary->option);
                        (void)escape_terminal(complaint, p, n_bytes);
                        text_put_string(complaint, "'; the words are");
                        put_words(complaint, vocabulary);
                        return -EINVAL;
                }
                *mask |= UINT32_C(1) << number;
                if (p[n_bytes] == '\0')
                        return 0;
                p += n_bytes + 1;
        }
}

/* "unknown" is a cause that a fault can have; an access that is not known is none to ask for. */
static const struct vocabulary outcome_words = {"outcome", outcome_text, OUTCOME_MINOR, N_OUTCOMES};
static const struct vocabulary cause_words = {"cause", cause_text, CAUSE_UNKNOWN, N_CAUSES};
static const struct vocabulary access_words = {"access", access_text, ACCESS_READ, N_ACCESSES};

/* One word out of a few; their index is the value. */
static int parse_choice(const char *option, const char *word, const char *const *choices, unsigned int n_choices,
                        unsigned int *ret, struct text *complaint)
{
        for (unsigned int i = 0; i < n_choices; i++)
                if (strcmp(word, choices[i]) == 0) {
                        *ret = i;
                        return 0;
                }
        text_printf(complaint, "--%s=", option);
        put_quoted(complaint, word);
        text_put_string(complaint, " is not known; write ");
        for (unsigned int i = 0; i < n_choices; i++)
                text_printf(complaint, "%s%s", i ? " or " : "", choices[i]);
        return -EINVAL;
}

static int parse_detail(struct options *options, const char *word, struct text *complaint)
{
        static const char *const choices[] = {"basic", "full"};
        unsigned int choice;
        int r = parse_choice("detail", word, choices, ARRAY_SIZE(choices), &choice, complaint);

        if (r == 0)
                options->detail = choice == 0 ? DETAIL_BASIC : DETAIL_FULL;
        return r;
}

static int parse_format(struct options *options, const char *word, struct text *complaint)
{
        static const char *const choices[] = {[FORMAT_TEXT] = "text", [FORMAT_JSON] = "json"};
        unsigned int choice;
        int r = parse_choice("format", word, choices, ARRAY_SIZE(choices), &choice, complaint);

        if (r == 0)
                options->format = (enum output_format)choice;
        return r;
}

static int parse_color(struct options *options, const char *word, struct text *complaint)
{
        static const char *const choices[] = {
                [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"};
        unsigned int choice;
        int r = parse_choice("color", word, choices, ARRAY_SIZE(choices), &choice, complaint);

        if (r == 0)
                options->color = (enum color_choice)choice;
        return r;
}

static int parse_map(struct options *options, const char *glob, struct text *complaint)
{
        size_t n_bytes = strlen(glob);

        if (n_bytes == 0 || n_bytes > PROTO_STRING_MAX_BYTES) {
                text_printf(complaint, "--map: a pattern has between 1 and %d bytes", PROTO_STRING_MAX_BYTES);
                return -EINVAL;
        }
        options->filter.map_glob = (struct proto_string){.data = glob, .n_bytes = (uint32_t)n_bytes};
        return 0;
}

/* --- the command line --- */

static int complain_unavailable(struct text *complaint, const char *what)
{
        put_quoted(complaint, what);
        text_put_string(complaint, " is not available in this version of faultline");
        return -EINVAL;
}

static int complain_option(int code, char **argv, struct text *complaint)
{
        const char *word = argv[optind - 1];

        if (code == ':') {
                text_put_string(complaint, "option ");
                put_quoted(complaint, word);
                text_put_string(complaint, " needs a value");
        } else if (optopt != 0 && optopt < 256 && strncmp(word, "--", 2) != 0) {
                char letter[] = {'-', (char)optopt, '\0'};

                text_put_string(complaint, "unknown option ");
                put_quoted(complaint, letter);
        } else {
                text_put_string(complaint, optopt ? "no value belongs to option " : "unknown or ambiguous option ");
                put_quoted(complaint, word);
        }
        return -EINVAL;
}

static int apply_filter(struct options *options, int code, struct text *complaint)
{
        struct proto_filter *filter = &options->filter;

        switch (code) {
        case OPTION_OUTCOME:
                return parse_words(&outcome_words, optarg, &filter->outcomes, complaint);
        case OPTION_CAUSE:
                return parse_words(&cause_words, optarg, &filter->causes, complaint);
        case OPTION_ACCESS:
                return parse_words(&access_words, optarg, &filter->accesses, complaint);
        case OPTION_MAP:
                return parse_map(options, optarg, complaint);
        default:
                return parse_time_option("min-latency", optarg, NSEC_PER_USEC, &filter->min_latency_ns, complaint);
        }
}

static int apply_option(struct options *options, int code, char **argv, struct text *complaint)
{
        switch (code) {
        case OPTION_PID:
                return parse_pids(options, optarg, complaint);
        case OPTION_DETAIL:
                return parse_detail(options, optarg, complaint);
        case OPTION_FORMAT:
                return parse_format(options, optarg, complaint);
        case OPTION_OUTCOME:
        case OPTION_CAUSE:
        case OPTION_ACCESS:
        case OPTION_MAP:
        case OPTION_MIN_LATENCY:
                return apply_filter(options, code, complaint);
        case OPTION_DURATION:
                return parse_time_option("duration", optarg, NSEC_PER_SEC, &options->duration_ns, complaint);
        case OPTION_COUNT:
                return parse_count(optarg, &options->count, complaint);
        case OPTION_SOCKET:
                options->socket = optarg;
                return 0;
        case OPTION_PRIVATE:
                options->private_daemon = true;
                return 0;
        case OPTION_COLOR:
                return parse_color(options, optarg, complaint);
        case OPTION_HELP:
                options->action = ACTION_HELP;
                return 0;
        case OPTION_VERSION:
                options->action = ACTION_VERSION;
                return 0;
        case OPTION_RESERVED:
                return complain_unavailable(complaint, argv[optind - 1]);
        case 'f':
                return complain_unavailable(complaint, "-f");
        case 'u':
                return complain_unavailable(complaint, "-u");
        default:
                return complain_option(code, argv, complaint);
        }
}

/* Words that name other commands. 0: none of them. */
static int check_first_word(const char *word, struct text *complaint)
{
        static const char *const later[] = {"top",    "stat",   "flame",  "maps",  "walk",
                                            "record", "replay", "export", "status"};

        for (size_t i = 0; i < ARRAY_SIZE(later); i++)
                if (strcmp(word, later[i]) == 0)
                        return complain_unavailable(complaint, word);
        return 0;
}

static int check_target(const struct options *options, struct text *complaint)
{
        if (options->n_pids > 0 && options->command)
                text_put_string(complaint, "-p and a command together; trace one or the other");
        else if (options->n_pids == 0 && !options->command)
                text_put_string(complaint, "nothing to trace; write -p PID or -- COMMAND");
        else if (options->socket && options->private_daemon)
                text_put_string(complaint, "--socket and --private together; use one or the other");
        else if (options->socket && !*options->socket)
                text_put_string(complaint, "--socket: the path is empty");
        else
                return 0;
        return -EINVAL;
}

static int parse_rest(int argc, char **argv, bool separated, struct options *options, struct text *complaint)
{
        if (optind < argc && !separated) {
                int r = check_first_word(argv[optind], complaint);

                if (r < 0)
                        return r;
                text_put_string(complaint, "what is ");
                put_quoted(complaint, argv[optind]);
                text_put_string(complaint, "? to trace a new process write -- before its command");
                return -EINVAL;
        }
        if (optind < argc)
                options->command = argv + optind;
        else if (separated) {
                text_put_string(complaint, "no command after --");
                return -EINVAL;
        }
        return check_target(options, complaint);
}

int options_parse(int argc, char **argv, struct options *ret, struct text *complaint)
{
        struct options options = {.action = ACTION_TRACE, .detail = DETAIL_AUTO};
        bool separated;
        int code, before, r;

        optind = 0; /* glibc: start anew, with the ordering of this option string */
        opterr = 0;
        if (argc > 1 && strcmp(argv[1], "trace") == 0) {
                argc--;
                argv++;
        }
        for (;;) {
                before = optind ? optind : 1;
                code = getopt_long(argc, argv, "+:p:hfu:", long_options, NULL);
                if (code < 0)
                        break;
                r = apply_option(&options, code, argv, complaint);
                if (r < 0)
                        return r;
                if (options.action != ACTION_TRACE) {
                        *ret = options;
                        return 0;
                }
        }
        separated = optind == before + 1 && strcmp(argv[before], "--") == 0;
        r = parse_rest(argc, argv, separated, &options, complaint);
        if (r == 0)
                *ret = options;
        return r;
}
