/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nobody knows whether a terminal is dark or light, so its own background stays, and what has to be told from it does
 * so on both: of 256 colours those whose contrast is at least 3:1 against black and against white, of 8 those that
 * users have chosen to be readable on theirs. Without colours it is bold, underlined and reversed that tell what must
 * be told: the chosen row, the cursor, titles, trouble. What tells causes apart there is their names.
 */
#include "client/screen/look.h"

#include "client/cause_family.h"
#include "client/screen/grid.h"

enum { RED = 1, GREEN, YELLOW, BLUE, MAGENTA, CYAN };

static struct look family_of_256(enum cause_family family)
{
        static const struct look looks[N_FAMILIES] = {
                [FAMILY_UNKNOWN] = {.color = 244},
                [FAMILY_NEW] = {.color = 64},
                [FAMILY_COPY] = {.color = 133},
                [FAMILY_FILE] = {.color = 30},
                [FAMILY_STORAGE] = {.color = 166, .bold = true},
                [FAMILY_SHARED] = {.color = 33},
                [FAMILY_SWAP] = {.color = 136, .bold = true},
                [FAMILY_SERVED] = {.color = 99},
                [FAMILY_IDLE] = {.color = 101},
                [FAMILY_FAILED] = {.color = 160, .bold = true},
        };

        return looks[family];
}

static struct look family_of_8(enum cause_family family)
{
        static const struct look looks[N_FAMILIES] = {
                [FAMILY_UNKNOWN] = {.color = LOOK_COLOR_OWN, .dim = true},
                [FAMILY_NEW] = {.color = GREEN},
                [FAMILY_COPY] = {.color = MAGENTA},
                [FAMILY_FILE] = {.color = CYAN},
                [FAMILY_STORAGE] = {.color = YELLOW},
                [FAMILY_SHARED] = {.color = BLUE, .bold = true},
                [FAMILY_SWAP] = {.color = YELLOW, .bold = true},
                [FAMILY_SERVED] = {.color = MAGENTA, .bold = true},
                [FAMILY_IDLE] = {.color = LOOK_COLOR_OWN},
                [FAMILY_FAILED] = {.color = RED, .bold = true},
        };

        return looks[family];
}

static struct look family_without_colors(enum cause_family family)
{
        return (struct look){
                .color = LOOK_COLOR_OWN,
                .bold = family == FAMILY_FAILED || family == FAMILY_STORAGE,
                .dim = family == FAMILY_UNKNOWN || family == FAMILY_IDLE,
        };
}

static struct look colored(enum style style, unsigned int n_colors)
{
        bool many = n_colors >= 256;

        switch (style) {
        case STYLE_CURSOR:
                return (struct look){.color = many ? 166 : YELLOW, .bold = true, .reversed = true};
        case STYLE_GOOD:
                return (struct look){.color = many ? 64 : GREEN};
        case STYLE_WARNING:
                return (struct look){.color = many ? 166 : YELLOW, .bold = true};
        case STYLE_BAD:
                return (struct look){.color = many ? 160 : RED, .bold = true};
        case STYLE_DIM:
                return many ? (struct look){.color = 244} : (struct look){.color = LOOK_COLOR_OWN, .dim = true};
        default:
                return (struct look){.color = LOOK_COLOR_OWN,
                                     .bold = style == STYLE_STRONG,
                                     .underlined = style == STYLE_TITLE,
                                     .reversed = style == STYLE_SELECTED};
        }
}

static struct look without_colors(enum style style)
{
        return (struct look){
                .color = LOOK_COLOR_OWN,
                .bold = style == STYLE_STRONG || style == STYLE_WARNING || style == STYLE_BAD || style == STYLE_CURSOR,
                .dim = style == STYLE_DIM,
                .underlined = style == STYLE_TITLE || style == STYLE_BAD || style == STYLE_CURSOR,
                .reversed = style == STYLE_SELECTED || style == STYLE_CURSOR,
        };
}

struct look look_of(unsigned int style, unsigned int n_colors)
{
        if (style >= STYLE_CAUSE) {
                enum cause_family family = cause_family_of(style - (unsigned int)STYLE_CAUSE);

                return n_colors >= 256 ? family_of_256(family)
                       : n_colors >= 8 ? family_of_8(family)
                                       : family_without_colors(family);
        }
        return n_colors >= 8 ? colored((enum style)style, n_colors) : without_colors((enum style)style);
}
