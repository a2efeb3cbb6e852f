/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * getopt_long(3) finds the options; everything it would print itself is switched off, because each complaint should
 * say what is allowed instead. Nothing is accepted that is not there yet: an option that has no effect would be a
 * lie about the trace that follows.
 *
 * Parsing stops at the first word that is not an option: what follows "--" belongs to the command, down to its dashes.
 * Where no command can follow options may stand behind the words.
 */
#include "client/options.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "client/option_table.h"
#include "client/option_values.h"

/* --- values --- */

static int parse_detail(struct options *options, const char *word, struct text *complaint)
{
        static const char *const choices[] = {"basic", "full"};
        unsigned int choice;
        int r = option_parse_choice("detail", word, choices, ARRAY_SIZE(choices), &choice, complaint);

        if (r == 0)
                options->detail = choice == 0 ? DETAIL_BASIC : DETAIL_FULL;
        return r;
}

static int parse_ptrace(struct options *options, const char *word, struct text *complaint)
{
        static const char *const choices[] = {"hold", "light", "off"};
        static const enum ptrace_mode modes[] = {PTRACE_MODE_HOLD, PTRACE_MODE_LIGHT, PTRACE_MODE_OFF};
        unsigned int choice;
        int r = option_parse_choice("ptrace", word, choices, ARRAY_SIZE(choices), &choice, complaint);

        if (r == 0)
                options->ptrace = modes[choice];
        return r;
}

static int parse_format(struct options *options, const char *word, struct text *complaint)
{
        static const char *const choices[] = {[FORMAT_TEXT] = "text", [FORMAT_JSON] = "json", [FORMAT_CSV] = "csv"};
        unsigned int n_choices = options->action == ACTION_STAT ? ARRAY_SIZE(choices) : FORMAT_CSV, choice;
        int r = option_parse_choice("format", word, choices, n_choices, &choice, complaint);

        if (r == 0)
                options->format = (enum output_format)choice;
        return r;
}

static int parse_color(struct options *options, const char *word, struct text *complaint)
{
        static const char *const choices[] = {
                [COLOR_AUTO] = "auto", [COLOR_ALWAYS] = "always", [COLOR_NEVER] = "never"};
        unsigned int choice;
        int r = option_parse_choice("color", word, choices, ARRAY_SIZE(choices), &choice, complaint);

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

const char *group_by_text(unsigned int by)
{
        static const char *const words[] = {
                [GROUP_CAUSE] = "cause",   [GROUP_MAP] = "map",         [GROUP_SECTION] = "section",
                [GROUP_SYMBOL] = "symbol", [GROUP_CODE] = "code",       [GROUP_THREAD] = "thread",
                [GROUP_IMAGE] = "image",   [GROUP_PROCESS] = "process", [GROUP_STACK] = "stack",
        };

        return by < ARRAY_SIZE(words) ? words[by] : NULL;
}

static int add_by(struct options *options, unsigned int by, struct text *complaint)
{
        for (size_t i = 0; i < options->n_by; i++)
                if (options->by[i] == by)
                        return 0;
        if (options->action == ACTION_TOP && options->n_by == 1) {
                text_put_string(complaint, "--by: top shows one table; its keys switch to the others");
                return -EINVAL;
        }
        options->by[options->n_by++] = (enum group_by)by;
        return 0;
}

static int parse_by(struct options *options, const char *list, struct text *complaint)
{
        const char *choices[N_GROUP_BY];
        int r = 0;

        for (unsigned int i = 0; i < ARRAY_SIZE(choices); i++)
                choices[i] = group_by_text(i);
        for (const char *word = list, *end; r == 0 && word; word = *end ? end + 1 : NULL) {
                CLEANUP_FREE char *copy = NULL;
                unsigned int choice;

                end = strchrnul(word, ',');
                copy = strndup(word, (size_t)(end - word));
                r = copy ? option_parse_choice("by", copy, choices, ARRAY_SIZE(choices), &choice, complaint) : -ENOMEM;
                if (r == 0)
                        r = add_by(options, choice, complaint);
        }
        return r;
}

static int parse_weight(struct options *options, const char *word, struct text *complaint)
{
        static const char *const choices[] = {
                [WEIGHT_COUNT] = "count", [WEIGHT_BYTES] = "bytes", [WEIGHT_TIME] = "time"};
        unsigned int choice;
        int r = option_parse_choice("weight", word, choices, ARRAY_SIZE(choices), &choice, complaint);

        if (r == 0)
                options->weight = (enum fault_weight)choice;
        return r;
}

static bool ends_with(const char *word, const char *end)
{
        size_t n_word = strlen(word), n_end = strlen(end);

        return n_word > n_end && strcmp(word + n_word - n_end, end) == 0; /* a name is more than its end */
}

static int parse_file(struct options *options, const char *name, struct text *complaint)
{
        if (options->action == ACTION_METRICS) {
                if (*name == '\0') {
                        text_put_string(complaint, "-o: the name of the file is empty");
                        return -EINVAL;
                }
        } else if (ends_with(name, ".folded")) {
                options->file_kind = FLAME_FOLDED;
        } else if (ends_with(name, ".svg")) {
                options->file_kind = FLAME_SVG;
        } else {
                text_put_string(complaint, "-o ");
                option_put_quoted(complaint, name);
                text_put_string(complaint, ": the name says what to write; end it in .folded or .svg");
                return -EINVAL;
        }
        options->file = name;
        return 0;
}

/* --- the command line --- */

static int complain_unavailable(struct text *complaint, const char *what)
{
        option_put_quoted(complaint, what);
        text_put_string(complaint, " is not available in this version of faultline");
        return -EINVAL;
}

static int complain_option(int code, char **argv, struct text *complaint)
{
        const char *word = argv[optind - 1];

        if (code == ':') {
                text_put_string(complaint, "option ");
                option_put_quoted(complaint, word);
                text_put_string(complaint, " needs a value");
        } else if (optopt != 0 && optopt < 256 && strncmp(word, "--", 2) != 0) {
                char letter[] = {'-', (char)optopt, '\0'};

                text_put_string(complaint, "unknown option ");
                option_put_quoted(complaint, letter);
        } else {
                text_put_string(complaint, optopt ? "no value belongs to option " : "unknown or ambiguous option ");
                option_put_quoted(complaint, word);
        }
        return -EINVAL;
}

static int apply_filter(struct options *options, int code, struct text *complaint)
{
        struct proto_filter *filter = &options->filter;

        switch (code) {
        case OPTION_OUTCOME:
                return option_parse_words(&option_outcomes, optarg, &filter->outcomes, complaint);
        case OPTION_CAUSE:
                return option_parse_words(&option_causes, optarg, &filter->causes, complaint);
        case OPTION_ACCESS:
                return option_parse_words(&option_accesses, optarg, &filter->accesses, complaint);
        case OPTION_MAP:
                return parse_map(options, optarg, complaint);
        default:
                return option_parse_time("min-latency", optarg, NSEC_PER_USEC, &filter->min_latency_ns, complaint);
        }
}

/* Whom to trace and how to get at it. */
static int apply_target(struct options *options, int code, struct text *complaint)
{
        switch (code) {
        case OPTION_PID:
                return option_parse_pids(options, optarg, complaint);
        case OPTION_UNIT:
                options->follow = true; /* a unit is what runs in it, now and later */
                return option_parse_unit(options, optarg, complaint);
        case OPTION_FOLLOW:
                options->follow = true;
                return 0;
        case OPTION_PTRACE:
                return parse_ptrace(options, optarg, complaint);
        default:
                options->unmaps = true;
                return 0;
        }
}

/* What is said about the code that faults. */
static int apply_stack(struct options *options, int code, struct text *complaint)
{
        switch (code) {
        case OPTION_STACK:
                options->stack_bytes = PROTO_STACK_AUTO;
                return optarg ? option_parse_stack(optarg, &options->stack_bytes, complaint) : 0;
        case OPTION_LINES:
                options->lines = true;
                return 0;
        default:
                options->raw_symbols = true;
                return 0;
        }
}

/* What is made of the faults, by the commands that gather them. */
static int apply_gathering(struct options *options, int code, struct text *complaint)
{
        switch (code) {
        case OPTION_WEIGHT:
                return parse_weight(options, optarg, complaint);
        case OPTION_FILE:
                return parse_file(options, optarg, complaint);
        case OPTION_BY:
                return parse_by(options, optarg, complaint);
        case OPTION_INTERVAL:
                return option_parse_time("interval", optarg, NSEC_PER_SEC, &options->interval_ns, complaint);
        case OPTION_NO_FOLD:
                options->no_fold = true;
                return 0;
        case OPTION_LIVE:
                options->live = true;
                return 0;
        default:
                return option_parse_count("top", "groups", optarg, &options->top, complaint);
        }
}

static int apply_option(struct options *options, int code, char **argv, struct text *complaint)
{
        int r = option_check_command(options, code, complaint);

        if (r < 0)
                return r;
        switch (code) {
        case OPTION_BY:
        case OPTION_TOP:
        case OPTION_INTERVAL:
        case OPTION_NO_FOLD:
        case OPTION_LIVE:
        case OPTION_WEIGHT:
        case OPTION_FILE:
                return apply_gathering(options, code, complaint);
        case OPTION_PID:
        case OPTION_UNIT:
        case OPTION_FOLLOW:
        case OPTION_PTRACE:
        case OPTION_UNMAPS:
                return apply_target(options, code, complaint);
        case OPTION_STACK:
        case OPTION_LINES:
        case OPTION_NO_DEMANGLE:
                return apply_stack(options, code, complaint);
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
                return option_parse_time("duration", optarg, NSEC_PER_SEC, &options->duration_ns, complaint);
        case OPTION_COUNT:
                return option_parse_count("count", "faults", optarg, &options->count, complaint);
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
        default:
                return complain_option(code, argv, complaint);
        }
}

/* Words that name commands, where none may stand. 0: none of them. */
static int check_first_word(const char *word, struct text *complaint)
{
        static const char *const later[] = {"record", "replay", "export"};
        enum options_action action;

        if (option_find_command(word, &action)) {
                text_printf(complaint, "the command comes first: faultline %s%s", word,
                            option_command_of(action)->words == WORDS_NONE ? "" : " TARGET ...");
                return -EINVAL;
        }
        for (size_t i = 0; i < ARRAY_SIZE(later); i++)
                if (strcmp(word, later[i]) == 0)
                        return complain_unavailable(complaint, word);
        return 0;
}

static int check_daemon(const struct options *options, struct text *complaint)
{
        if (options->socket && options->private_daemon)
                text_put_string(complaint, "--socket and --private together; use one or the other");
        else if (options->socket && !*options->socket)
                text_put_string(complaint, "--socket: the path is empty");
        else
                return 0;
        return -EINVAL;
}

static int check_target(const struct options *options, struct text *complaint)
{
        bool has_pids = options->n_pids > 0, has_unit = options->unit.n_bytes > 0;

        if ((has_pids || has_unit) && options->command)
                text_printf(complaint, "-%c and a command together; trace one or the other", has_pids ? 'p' : 'u');
        else if (has_pids && has_unit)
                text_put_string(complaint, "-p and -u together; trace one or the other");
        else if (!has_pids && !has_unit && !options->command)
                text_put_string(complaint, "nothing to trace; write -p PID, -u UNIT or -- COMMAND");
        else
                return check_daemon(options, complaint);
        return -EINVAL;
}

static int check_command(const struct options *options, struct text *complaint)
{
        if (options->action != ACTION_FLAME || options->file)
                return 0;
        text_put_string(complaint, "flame writes a file; name it with -o FILE.svg or -o FILE.folded");
        return -EINVAL;
}

static bool is_pid(const char *word)
{
        uint64_t number;
        const char *rest = option_parse_digits(word, &number);

        return rest && *rest == '\0';
}

static int complain_stray_word(const char *word, struct text *complaint)
{
        int r = check_first_word(word, complaint);

        if (r < 0)
                return r;
        text_put_string(complaint, "what is ");
        option_put_quoted(complaint, word);
        if (is_pid(word))
                text_printf(complaint, "? to trace the process with this id write -p %s", word);
        else
                text_put_string(complaint, "? to trace a new process write -- before its command");
        return -EINVAL;
}

/* faultline maps PID, faultline walk PID ADDRESS|SYMBOL: the words that are no options. */
static int parse_process(int argc, char **argv, struct options *options, struct text *complaint)
{
        bool is_walk = options->action == ACTION_WALK;
        const char *form = is_walk ? "faultline walk PID ADDRESS|SYMBOL" : "faultline maps [--live] PID", *rest;
        uint64_t pid;

        if (argc - optind != (is_walk ? 2 : 1)) {
                text_printf(complaint, "write %s", form);
                return -EINVAL;
        }
        rest = option_parse_digits(argv[optind], &pid);
        if (!rest || *rest || pid == 0 || pid > INT32_MAX) {
                option_put_quoted(complaint, argv[optind]);
                text_printf(complaint, " is not the id of a process; write %s", form);
                return -EINVAL;
        }
        options->pids[0] = (int32_t)pid;
        options->n_pids = 1;
        if (is_walk)
                options->where = argv[optind + 1];
        return check_daemon(options, complaint);
}

/* faultline status, faultline metrics: of the service, there are no words but options. */
static int parse_nothing(int argc, char **argv, const struct options *options, struct text *complaint)
{
        if (optind < argc) {
                text_put_string(complaint, "what is ");
                option_put_quoted(complaint, argv[optind]);
                text_printf(complaint, "? write faultline %s", option_command_of(options->action)->form);
                return -EINVAL;
        }
        return check_daemon(options, complaint);
}

static bool is_of_process(const struct options *options)
{
        return options->action == ACTION_MAPS || options->action == ACTION_WALK;
}

static bool is_of_service(const struct options *options)
{
        return options->action == ACTION_STATUS || options->action == ACTION_METRICS;
}

static int parse_rest(int argc, char **argv, bool separated, struct options *options, struct text *complaint)
{
        int r;

        if (is_of_process(options))
                return parse_process(argc, argv, options, complaint);
        if (is_of_service(options))
                return parse_nothing(argc, argv, options, complaint);
        if (optind < argc && !separated)
                return complain_stray_word(argv[optind], complaint);
        if (optind < argc)
                options->command = argv + optind;
        else if (separated) {
                text_put_string(complaint, "no command after --");
                return -EINVAL;
        }
        r = check_target(options, complaint);
        return r < 0 ? r : check_command(options, complaint);
}

/* What is not asked for by itself but needed for what is. */
static void imply(struct options *options)
{
        bool by_stack = false;

        for (size_t i = 0; i < options->n_by; i++)
                by_stack |= options->by[i] == GROUP_STACK;
        if (options->stack_bytes == 0 && (options->lines || options->action == ACTION_FLAME || by_stack))
                options->stack_bytes = PROTO_STACK_AUTO;
}

int options_parse(int argc, char **argv, struct options *ret, struct text *complaint)
{
        struct options options = {.action = ACTION_TRACE, .help_of = ACTION_HELP, .detail = DETAIL_AUTO};
        bool separated;
        int code, before, r;

        optind = 0; /* glibc: start anew, with the ordering of this option string */
        opterr = 0;
        if (argc > 1 && option_find_command(argv[1], &options.action)) {
                options.help_of = options.action;
                argc--;
                argv++;
        }
        if (argc == 1 && !is_of_service(&options)) {
                *ret = (struct options){.action = ACTION_USAGE};
                return 0;
        }
        for (;;) {
                before = optind ? optind : 1;
                code = getopt_long(argc, argv, &option_letters[is_of_process(&options) || is_of_service(&options)],
                                   option_table, NULL);
                if (code < 0)
                        break;
                r = apply_option(&options, code, argv, complaint);
                if (r < 0)
                        return r;
                if (options.action == ACTION_HELP || options.action == ACTION_VERSION) {
                        *ret = options;
                        return 0;
                }
        }
        imply(&options);
        separated = optind == before + 1 && strcmp(argv[before], "--") == 0;
        r = parse_rest(argc, argv, separated, &options, complaint);
        if (r == 0)
                *ret = options;
        return r;
}
