/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The families of causes (client/cause_family.h) as they are shown: in which order, by which word and style. Pure. */
#pragma once

#include "client/cause_family.h"
#include "client/screen/grid.h"

/* From the bottom of a column to its top: what is worse is on top. */
extern const enum cause_family families[N_FAMILIES];

const char *family_text(enum cause_family family); /* "new", "copy", ... */
enum style family_style(enum cause_family family);
