/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The colours of the text view: ECMA-48 sequences that every terminal of today knows. */
#pragma once

#define COLOR_NONE ""
#define COLOR_RED "\033[31m"
#define COLOR_GREEN "\033[32m"
#define COLOR_YELLOW "\033[33m"
#define COLOR_CYAN "\033[36m"
#define COLOR_RESET "\033[0m"
