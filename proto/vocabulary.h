/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The enums and texts of vocabulary.def. The *_text() functions return NULL for a number that has no word. */
#pragma once

enum outcome {
#define X_OUTCOME(name, number, text) OUTCOME_##name = (number),
#include "proto/vocabulary.def"
        N_OUTCOMES = 7,
};

enum cause {
#define X_CAUSE(name, number, text) CAUSE_##name = (number),
#include "proto/vocabulary.def"
        N_CAUSES = 23,
};

enum access {
#define X_ACCESS(name, number, text) ACCESS_##name = (number),
#include "proto/vocabulary.def"
        N_ACCESSES = 4,
};

enum mode {
#define X_MODE(name, number, text) MODE_##name = (number),
#include "proto/vocabulary.def"
};

enum evidence {
#define X_EVIDENCE(name, number, text) EVIDENCE_##name = (number),
#include "proto/vocabulary.def"
};

enum detail {
#define X_DETAIL(name, number, text) DETAIL_##name = (number),
#include "proto/vocabulary.def"
};

enum ptrace_mode {
#define X_PTRACE(name, number, text) PTRACE_MODE_##name = (number),
#include "proto/vocabulary.def"
};

enum verdict_kind {
#define X_VERDICT(name, number, text) VERDICT_##name = (number),
#include "proto/vocabulary.def"
        N_VERDICTS = 13,
};

const char *outcome_text(unsigned int outcome);
const char *cause_text(unsigned int cause);
const char *access_text(unsigned int access);
const char *mode_text(unsigned int mode);
const char *evidence_text(unsigned int evidence);
const char *detail_text(unsigned int detail);
const char *ptrace_mode_text(unsigned int mode);
const char *verdict_text(unsigned int verdict);
