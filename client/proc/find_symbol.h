/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a user writes for an address, and where it is: ADDRESS, or [IMAGE:]SYMBOL[+OFFSET]. Numbers are hexadecimal with
 * or without 0x, always: decimal is not guessed. A word that begins with a digit is an address; one of hexadecimal
 * letters alone ("add") is a symbol if there is one, else an address. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf/image.h"
#include "proto/base.h"

#define FIND_READINGS_MAX 4
#define FIND_MATCHES_MAX 64

struct find_reading { /* one way to read the word as a symbol; points into it */
        const char *image;
        size_t n_image; /* 0: any */
        const char *name;
        size_t n_name;
        uint64_t offset;
        const char *part; /* the function's own name within: occurs in every mangled form; n 0: none does */
        size_t n_part;
};

struct find_match {
        uint64_t address; /* with the offset */
        const char *path; /* of the image; borrowed from who called find_symbol_in() */
        char *name;       /* as its programmers wrote it; owned */
        unsigned int reading;
};

struct find_symbol {
        bool has_address; /* it can be an address */
        bool only_address;
        bool looks_decimal; /* of decimal digits alone, without 0x, and decimal would be another number: read as
                               hexadecimal */
        uint64_t address;
        struct find_reading readings[FIND_READINGS_MAX]; /* the first that leads somewhere counts */
        unsigned int n_readings;
        struct find_match matches[FIND_MATCHES_MAX]; /* each address once, all of one reading */
        size_t n_matches;
        bool more;   /* there were too many */
        bool failed; /* out of memory: some are missing */
        void (*demangle)(const char *name, size_t n_bytes, char **ret_data, uint32_t *ret_n_bytes);
};

/*
 * word is borrowed. demangle: client/demangle.h. 0; -EINVAL: it can be neither (empty); -ERANGE: a number of more than
 * 64 bits.
 */
int find_symbol_init(struct find_symbol *find, const char *word,
                     void (*demangle)(const char *, size_t, char **, uint32_t *)) MUST_CHECK;
void find_symbol_free(struct find_symbol *find); /* contents */

/* Look through one image, mapped with this bias (address - bias = link-time address). A symbol's name is the linker's
 * or the demangled one, with its parameters or without. */
void find_symbol_in(struct find_symbol *find, const struct image *image, const char *path, uint64_t bias);
