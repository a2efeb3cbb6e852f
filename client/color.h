/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The colours of the text view: ECMA-48 sequences that every terminal of today knows. Black, white and plain blue are
 * not among them, because on one background or the other they cannot be read.
 */
#pragma once

#define COLOR_NONE ""
#define COLOR_BOLD "\033[1m"
#define COLOR_DIM "\033[2m"
#define COLOR_RED "\033[31m"
#define COLOR_GREEN "\033[32m"
#define COLOR_YELLOW "\033[33m"
#define COLOR_MAGENTA "\033[35m"
#define COLOR_CYAN "\033[36m"
#define COLOR_BOLD_RED "\033[1;31m"
#define COLOR_BOLD_YELLOW "\033[1;33m"
#define COLOR_BOLD_BLUE "\033[1;34m"
#define COLOR_BOLD_MAGENTA "\033[1;35m"
#define COLOR_RESET "\033[0m"
