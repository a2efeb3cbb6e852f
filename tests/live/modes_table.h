/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tables "feature by something" of the man pages. What is not as expected ends the test. */
#pragma once

#include <stddef.h>

/* The tables of one section, as one. path: the manual's source. section: its line, "# NAME". */
void table_read(const char *path, const char *section);
/* What the table says of the feature, which has one row, in a mode, which is the title of a column. */
const char *table_cell(const char *feature, const char *mode);
size_t table_n_features(void);
