/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the styles of a grid look on a terminal with so many colours. Pure. */
#pragma once

#include <stdbool.h>

#define LOOK_COLOR_OWN (-1) /* the terminal's own foreground */

struct look {
        int color; /* of the foreground, its number in the terminal's palette; the background is always the terminal's
                      own */
        bool bold, dim, underlined, reversed;
};

/* style: enum style; n_colors as terminfo has it, 0: none, or none are wanted. */
struct look look_of(unsigned int style, unsigned int n_colors);
