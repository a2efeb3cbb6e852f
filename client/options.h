/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line as values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/tally.h"
#include "client/text.h"
#include "proto/proto.h"

#define OPTIONS_PIDS_MAX 1024

enum output_format { FORMAT_TEXT, FORMAT_JSON, FORMAT_CSV };
enum color_choice { COLOR_AUTO, COLOR_ALWAYS, COLOR_NEVER };
enum options_action {
        ACTION_TRACE,
        ACTION_STAT,
        ACTION_FLAME,
        ACTION_TOP,
        ACTION_MAPS,
        ACTION_WALK,
        ACTION_STATUS,
        ACTION_METRICS,
        ACTION_HELP,
        ACTION_VERSION,
        ACTION_USAGE, /* nothing was asked for */
};

/* What the faults of one group have in common. */
enum group_by {
        GROUP_CAUSE,
        GROUP_MAP,
        GROUP_SECTION,
        GROUP_SYMBOL,
        GROUP_CODE,
        GROUP_THREAD, /* up to here: the tables of stat when none is asked for */
        GROUP_IMAGE,
        GROUP_PROCESS,
        GROUP_STACK,
        N_GROUP_BY,
};
enum flame_file { FLAME_FOLDED, FLAME_SVG };

const char *group_by_text(unsigned int by); /* as on the command line; NULL for an unknown number */

struct options {
        enum options_action action;
        enum options_action help_of; /* HELP: for this command; HELP itself: for all of them */
        /* The target is one of these; MAPS and WALK have one pid: */
        int32_t pids[OPTIONS_PIDS_MAX]; /* each once */
        size_t n_pids;
        struct proto_string unit; /* points into argv; empty: none */
        char **command;           /* the end of argv, NULL-terminated; NULL: none */
        bool follow;              /* always with a unit */
        bool unmaps;
        bool lines;
        bool raw_symbols; /* --no-demangle */
        enum ptrace_mode ptrace;
        uint32_t stack_bytes; /* as in struct proto_attach; a multiple of 8 */
        enum detail detail;
        enum output_format format;
        enum color_choice color;
        struct proto_filter filter;   /* map_glob points into argv */
        uint64_t duration_ns;         /* 0: no limit */
        uint64_t count;               /* 0: no limit */
        enum fault_weight weight;     /* STAT, FLAME */
        enum group_by by[N_GROUP_BY]; /* STAT: the tables, each once; TOP: one */
        size_t n_by;                  /* 0: the command's default */
        uint64_t interval_ns;         /* STAT: tables so often; 0: at the end */
        bool no_fold;                 /* TRACE: a line for each fault, also on a terminal */
        bool live;                    /* MAPS: what happens there, by a trace */
        const char *where;            /* WALK: an address or a symbol; points into argv */
        uint64_t top;                 /* STAT: so many groups; 0: as many as fits the format */
        const char *file;             /* FLAME, METRICS: to be written; points into argv; NULL: standard output */
        enum flame_file file_kind;    /* FLAME: by the end of its name */
        const char *socket;           /* points into argv; NULL: the default */
        bool private_daemon;
};

/*
 * 0; -EINVAL with one line about what is wrong and what would be right, without a newline, appended to complaint.
 * Sees argv only through getopt_long(3), whose state it resets.
 */
int options_parse(int argc, char **argv, struct options *ret, struct text *complaint) MUST_CHECK;

/* Nanoseconds from "1.5ms"; a number without a unit counts in default_unit_ns. 0; -EINVAL; -ERANGE. */
int options_parse_time(const char *word, uint64_t default_unit_ns, uint64_t *ret_ns) MUST_CHECK;

/* usage.c */
void options_put_help(struct text *out);
void options_put_command_help(struct text *out, enum options_action action); /* its share of the help */
void options_put_usage(struct text *out);                                    /* the shortest that helps */
