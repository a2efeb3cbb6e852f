/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two libraries that take each other's place: the same function, with frames of their own each. */
#pragma once

#define KEEP(p) __asm__ volatile("" : : "r"(p) : "memory")

struct library_call {
        void (*note)(const char *symbol, const void *base, const void *returns);
        void (*then)(char *page);
        char *page;
};

#define LIBRARY_ENTRY "through_library"
void through_library(const struct library_call *call);
