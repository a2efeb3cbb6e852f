/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ELF files of tests/fixtures, and what readelf(1) says of them: the oracle of the image tests. */
#pragma once

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/engine/model/image_rows.h"
#include "elf/image.h"

#define FIXTURE_SECTIONS_MAX 64
#define FIXTURE_SYMBOLS_MAX 4096

struct fixture_section {
        char name[64], type[32];
        uint64_t vaddr, size_bytes;
        bool allocated, thread_local_zeros;
};

struct fixture_symbol {
        char name[128], type[16], bind[16];
        uint64_t value, size_bytes;
        int section; /* -1 = none of the file's */
        bool dynamic;
};

struct fixture {
        struct fixture_section sections[FIXTURE_SECTIONS_MAX];
        int n_sections;
        struct fixture_symbol symbols[FIXTURE_SYMBOLS_MAX];
        size_t n_symbols;
        char build_id[2 * IMAGE_BUILD_ID_BYTES + 1];
};

static inline int fixture_open(const char *name)
{
        char path[4096];
        int fd;

        (void)snprintf(path, sizeof(path), BUILD_DIR "/fixtures/%s", name);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                fail_msg("%s is not there; build the target elf_fixtures first", path);
        return fd;
}

/* The caller's to free. */
static inline uint8_t *fixture_read(const char *name, size_t *ret_n)
{
        int fd CLEANUP_CLOSE = fixture_open(name);
        struct stat st;
        uint8_t *bytes;

        assert_int_equal(fstat(fd, &st), 0);
        bytes = malloc((size_t)st.st_size);
        assert_non_null(bytes);
        assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
        *ret_n = (size_t)st.st_size;
        return bytes;
}

static inline struct image *fixture_image(const char *name)
{
        int fd CLEANUP_CLOSE = fixture_open(name);
        struct image *image = NULL;

        assert_int_equal(image_load(fd, &image), 0);
        return image;
}

static inline void fixture_parse_section(struct fixture *fixture, const char *line)
{
        struct fixture_section *section = &fixture->sections[fixture->n_sections];
        char flags[16];
        int index;

        if (sscanf(line, " [%d] %63s %31s %lx %*x %lx %*x %15s", &index, section->name, section->type, &section->vaddr,
                   &section->size_bytes, flags) != 6)
                return;
        while (fixture->n_sections < index) /* section 0 has no name and does not parse */
                fixture->sections[++fixture->n_sections] = *section;
        section = &fixture->sections[index];
        section->allocated = strchr(flags, 'A') != NULL;
        section->thread_local_zeros = strcmp(section->type, "NOBITS") == 0 && strchr(flags, 'T');
        fixture->n_sections = index + 1;
        assert_true(fixture->n_sections < FIXTURE_SECTIONS_MAX);
}

static inline void fixture_parse_symbol(struct fixture *fixture, const char *line, bool dynamic)
{
        struct fixture_symbol *symbol = &fixture->symbols[fixture->n_symbols];
        char size[32], section[16], *version;

        if (sscanf(line, " %*d: %lx %31s %15s %15s %*s %15s %127s", &symbol->value, size, symbol->type, symbol->bind,
                   section, symbol->name) != 6)
                return;
        symbol->size_bytes = strtoul(size, NULL, 0);
        symbol->section = section[0] >= '0' && section[0] <= '9' ? atoi(section) : -1;
        symbol->dynamic = dynamic;
        version = strchr(symbol->name + 1, '@');
        if (version)
                *version = '\0';
        fixture->n_symbols++;
        assert_true(fixture->n_symbols < FIXTURE_SYMBOLS_MAX);
}

/* The caller's to free. */
static inline struct fixture *fixture_describe(const char *name)
{
        struct fixture *fixture = calloc(1, sizeof(*fixture));
        char path[4096], line[1024];
        bool in_symbols = false, dynamic = false;
        const char *build_id;
        FILE *file;

        assert_non_null(fixture);
        (void)snprintf(path, sizeof(path), BUILD_DIR "/fixtures/%s.readelf", name);
        file = fopen(path, "re");
        if (!file)
                fail_msg("%s is not there; build the target elf_fixtures first", path);
        while (fgets(line, sizeof(line), file)) {
                if (strncmp(line, "Symbol table '", 14) == 0) {
                        in_symbols = true;
                        dynamic = strstr(line, ".dynsym") != NULL;
                } else if (in_symbols) {
                        fixture_parse_symbol(fixture, line, dynamic);
                } else {
                        fixture_parse_section(fixture, line);
                }
                build_id = strstr(line, "Build ID: ");
                if (build_id)
                        (void)sscanf(build_id, "Build ID: %40[0-9a-f]", fixture->build_id);
        }
        (void)fclose(file);
        return fixture;
}

static inline const struct fixture_section *fixture_section(const struct fixture *fixture, const char *name)
{
        for (int i = 1; i < fixture->n_sections; i++)
                if (strcmp(fixture->sections[i].name, name) == 0)
                        return &fixture->sections[i];
        fail_msg("readelf knows no section %s", name);
        return NULL;
}

static inline const struct fixture_symbol *fixture_symbol(const struct fixture *fixture, const char *name)
{
        for (size_t i = 0; i < fixture->n_symbols; i++)
                if (strcmp(fixture->symbols[i].name, name) == 0 && fixture->symbols[i].section > 0)
                        return &fixture->symbols[i];
        fail_msg("readelf knows no symbol %s", name);
        return NULL;
}

/* Whether the symbol names an address at which something is, by the rules that image.h and symtab.h state. */
static inline bool fixture_counts(const struct fixture *fixture, const struct fixture_symbol *symbol)
{
        const struct fixture_section *section = &fixture->sections[symbol->section > 0 ? symbol->section : 0];

        if (symbol->section <= 0 || symbol->value == 0 || !section->allocated || section->thread_local_zeros)
                return false;
        if (strcmp(symbol->type, "SECTION") == 0 || strcmp(symbol->type, "FILE") == 0 ||
            strcmp(symbol->type, "TLS") == 0)
                return false;
        if (symbol->name[0] == '$' || strncmp(symbol->name, ".L", 2) == 0)
                return false;
        return symbol->size_bytes > 0 || symbol->value < section->vaddr + section->size_bytes;
}

static inline int fixture_rank(const struct fixture_symbol *symbol)
{
        return strcmp(symbol->bind, "LOCAL") == 0 ? 0 : strcmp(symbol->bind, "WEAK") == 0 ? 1 : 2;
}

static inline bool fixture_prefers(const struct fixture_symbol *a, const struct fixture_symbol *b)
{
        size_t underscores_a = strspn(a->name, "_"), underscores_b = strspn(b->name, "_");

        if (!a->size_bytes != !b->size_bytes)
                return a->size_bytes > 0;
        if (fixture_rank(a) != fixture_rank(b))
                return fixture_rank(a) > fixture_rank(b);
        return underscores_a != underscores_b ? underscores_a < underscores_b : strcmp(a->name, b->name) < 0;
}

/* The symbol that should answer for the address where this one begins. */
static inline const struct fixture_symbol *fixture_best(const struct fixture *fixture,
                                                        const struct fixture_symbol *symbol)
{
        const struct fixture_symbol *best = symbol;

        for (size_t i = 0; i < fixture->n_symbols; i++)
                if (fixture->symbols[i].value == symbol->value && fixture_counts(fixture, &fixture->symbols[i]) &&
                    fixture_prefers(&fixture->symbols[i], best))
                        best = &fixture->symbols[i];
        return best;
}
