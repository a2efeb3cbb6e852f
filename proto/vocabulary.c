/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The words of vocabulary.def. One switch per table, so that a number used twice does not compile; the assertions keep
 * the N_ counts of vocabulary.h, which array sizes and loops depend on, equal to the tables.
 */
#include "proto/vocabulary.h"

#include <stddef.h>

#define X_OUTCOME(name, number, text) +1
_Static_assert(N_OUTCOMES == 0
#include "proto/vocabulary.def"
               ,
               "N_OUTCOMES counts the outcomes");

#define X_CAUSE(name, number, text) +1
_Static_assert(N_CAUSES == 0
#include "proto/vocabulary.def"
               ,
               "N_CAUSES counts the causes");

#define X_ACCESS(name, number, text) +1
_Static_assert(N_ACCESSES == 0
#include "proto/vocabulary.def"
               ,
               "N_ACCESSES counts the accesses");

#define X_VERDICT(name, number, text) +1
_Static_assert(N_VERDICTS == 0
#include "proto/vocabulary.def"
               ,
               "N_VERDICTS counts the verdicts");

const char *outcome_text(unsigned int outcome)
{
        switch (outcome) {
#define X_OUTCOME(name, number, text)                                                                                  \
        case number:                                                                                                   \
                return text;
#include "proto/vocabulary.def"
        }
        return NULL;
}

const char *cause_text(unsigned int cause)
{
        switch (cause) {
#define X_CAUSE(name, number, text)                                                                                    \
        case number:                                                                                                   \
                return text;
#include "proto/vocabulary.def"
        }
        return NULL;
}

const char *access_text(unsigned int access)
{
        switch (access) {
#define X_ACCESS(name, number, text)                                                                                   \
        case number:                                                                                                   \
                return text;
#include "proto/vocabulary.def"
        }
        return NULL;
}

const char *mode_text(unsigned int mode)
{
        switch (mode) {
#define X_MODE(name, number, text)                                                                                     \
        case number:                                                                                                   \
                return text;
#include "proto/vocabulary.def"
        }
        return NULL;
}

const char *evidence_text(unsigned int evidence)
{
        switch (evidence) {
#define X_EVIDENCE(name, number, text)                                                                                 \
        case number:                                                                                                   \
                return text;
#include "proto/vocabulary.def"
        }
        return NULL;
}

const char *detail_text(unsigned int detail)
{
        switch (detail) {
#define X_DETAIL(name, number, text)                                                                                   \
        case number:                                                                                                   \
                return text;
#include "proto/vocabulary.def"
        }
        return NULL;
}

const char *ptrace_mode_text(unsigned int mode)
{
        switch (mode) {
#define X_PTRACE(name, number, text)                                                                                   \
        case number:                                                                                                   \
                return text;
#include "proto/vocabulary.def"
        }
        return NULL;
}

const char *verdict_text(unsigned int verdict)
{
        switch (verdict) {
#define X_VERDICT(name, number, text)                                                                                  \
        case number:                                                                                                   \
                return text;
#include "proto/vocabulary.def"
        }
        return NULL;
}
