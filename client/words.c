/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A word is copied as many bytes as the longest has, whatever its length (row_put_short()): that is why it is kept here
 * and not pointed to. Colours go by the family of a cause, because nobody tells twenty of them apart.
 */
#include "client/words.h"

#include <string.h>

#include "client/cause_family.h"
#include "client/color.h"

#define FITS(name, number, text) _Static_assert(sizeof(text) - 1 <= ROW_SHORT_BYTES, "too long for a word");
#define X_OUTCOME FITS
#define X_CAUSE FITS
#define X_ACCESS FITS
#include "proto/vocabulary.def"

static const char *cause_color(unsigned int cause)
{
        static const char *const colors[N_FAMILIES] = {
                [FAMILY_UNKNOWN] = COLOR_NONE,     [FAMILY_NEW] = COLOR_GREEN,
                [FAMILY_COPY] = COLOR_MAGENTA,     [FAMILY_FILE] = COLOR_CYAN,
                [FAMILY_STORAGE] = COLOR_YELLOW,   [FAMILY_SHARED] = COLOR_BOLD_BLUE,
                [FAMILY_SWAP] = COLOR_BOLD_YELLOW, [FAMILY_SERVED] = COLOR_BOLD_MAGENTA,
                [FAMILY_IDLE] = COLOR_DIM,         [FAMILY_FAILED] = COLOR_BOLD_RED,
        };

        return colors[cause_family_of(cause)];
}

static const char *outcome_color(unsigned int outcome)
{
        return outcome == OUTCOME_MAJOR ? COLOR_YELLOW : outcome == OUTCOME_FAILED ? COLOR_BOLD_RED : COLOR_NONE;
}

static struct word word(const char *text, const char *color, char letter)
{
        struct word word = {.color = color, .n_bytes = (uint32_t)strlen(text), .letter = letter};

        memcpy(word.text, text, word.n_bytes);
        return word;
}

void words_init(struct words *words)
{
        static const char outcome_letters[N_OUTCOMES + 1] =
                "? MFIEO"; /* the usual one is blank: the others stand out */
        static const char access_letters[N_ACCESSES + 1] = "-rwx";

        for (unsigned int i = 0; i < N_OUTCOMES; i++)
                words->outcomes[i] =
                        word(i == OUTCOME_NONE ? "incomplete" : outcome_text(i), outcome_color(i), outcome_letters[i]);
        for (unsigned int i = 0; i < N_CAUSES; i++)
                words->causes[i] = word(cause_text(i), cause_color(i), '\0');
        for (unsigned int i = 0; i < N_ACCESSES; i++)
                words->accesses[i] = word(i == ACCESS_UNKNOWN ? "-" : access_text(i), COLOR_NONE, access_letters[i]);
        words->outcomes[N_OUTCOMES] = words->causes[N_CAUSES] = words->accesses[N_ACCESSES] =
                word("?", COLOR_NONE, '?');
}
