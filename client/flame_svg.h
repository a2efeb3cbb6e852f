/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A flame graph as one SVG file for a browser: nothing else is needed, and nothing is fetched. Pure. */
#pragma once

#include "client/flame.h"
#include "client/tally.h"

struct flame_svg_options {
        const char *title; /* arbitrary bytes, n_title of them */
        size_t n_title;
        enum fault_weight weight; /* what the weights are */
};

/*
 * flame: finished. What would be narrower than a tenth of a pixel is left out; the drawing says how many frames that
 * are. Same flame, same bytes.
 */
void flame_put_svg(const struct flame *flame, const struct flame_svg_options *options, struct text *out);
