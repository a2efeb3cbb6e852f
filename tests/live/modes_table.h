/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table "feature by mode" of faultline(1). What is not as expected ends the test. */
#pragma once

#include <stddef.h>

/* path: the manual's source, client/faultline.1.scd. */
void table_read(const char *path);
/* What the table says of the feature, which has one row, in a mode. */
const char *table_cell(const char *feature, const char *mode);
size_t table_n_features(void);
