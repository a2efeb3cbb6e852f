/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A name of C++ may hold nearly anything: "ns::f(int)", "operator+", "f(a::b const&)+10". So a word is not taken apart
 * by one grammar. It is read in every way that makes sense, the whole of it as a name first, and the first reading that
 * some image knows is what was meant; later readings never take a match away.
 *
 * Demangling costs more than all the rest. A mangled name holds the function's own name as its programmers wrote it, so
 * names without it are not demangled; operators have none, and then every name is.
 */
#include "client/proc/find_symbol.h"

#include <errno.h>
#include <string.h>

#include "proto/hex.h"

static bool is_decimal_digit(char c)
{
        return c >= '0' && c <= '9';
}

static bool is_identifier(char c)
{
        return is_decimal_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

/* All of the text is a number. 0; -EINVAL: it is not; -ERANGE. */
static int parse_hex(const char *text, uint64_t *ret)
{
        uint64_t value = 0;

        if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
                text += 2;
        if (!*text)
                return -EINVAL;
        for (const char *at = text; *at; at++)
                if (hex_digit(*at) < 0)
                        return -EINVAL;
        for (; *text; text++) {
                if (value >> 60)
                        return -ERANGE;
                value = value << 4 | (uint64_t)hex_digit(*text);
        }
        *ret = value;
        return 0;
}

/* The last identifier in front of the parameters: "f" of "ns::f(int)". Nothing for operators and templates, whose
 * names are spelled otherwise when mangled. */
static void set_part(struct find_reading *reading)
{
        const char *paren = memchr(reading->name, '(', reading->n_name);
        size_t end = paren ? (size_t)(paren - reading->name) : reading->n_name, begin;

        if (memmem(reading->name, reading->n_name, "operator", strlen("operator")) || end == 0 ||
            !is_identifier(reading->name[end - 1]))
                return;
        for (begin = end; begin > 0 && is_identifier(reading->name[begin - 1]);)
                begin--;
        reading->part = reading->name + begin;
        reading->n_part = end - begin;
}

static void add_reading(struct find_symbol *find, const char *image, size_t n_image, const char *name, size_t n_name,
                        uint64_t offset)
{
        struct find_reading *reading = &find->readings[find->n_readings];

        if (n_name == 0)
                return;
        *reading = (struct find_reading){
                .image = image, .n_image = n_image, .name = name, .n_name = n_name, .offset = offset};
        set_part(reading);
        find->n_readings++;
}

/* The end of IMAGE in IMAGE:SYMBOL; NULL: no colon but those of "::". */
static const char *image_end(const char *word)
{
        for (const char *at = strchr(word, ':'); at; at = strchr(at, ':')) {
                if (at[1] != ':')
                        return at > word ? at : NULL;
                at += 2;
        }
        return NULL;
}

static int add_readings(struct find_symbol *find, const char *word)
{
        const char *colon = image_end(word), *plus = strrchr(word, '+'), *name = colon ? colon + 1 : NULL;
        size_t n_image = colon ? (size_t)(colon - word) : 0;
        uint64_t offset = 0;
        int r = plus ? parse_hex(plus + 1, &offset) : -EINVAL;

        if (r == -ERANGE)
                return r;
        add_reading(find, NULL, 0, word, strlen(word), 0);
        if (colon)
                add_reading(find, word, n_image, name, strlen(name), 0);
        if (r < 0)
                return 0;
        add_reading(find, NULL, 0, word, (size_t)(plus - word), offset);
        if (colon && plus > colon)
                add_reading(find, word, n_image, name, (size_t)(plus - name), offset);
        return 0;
}

int find_symbol_init(struct find_symbol *find, const char *word,
                     void (*demangle)(const char *, size_t, char **, uint32_t *))
{
        uint64_t address = 0;
        int r = parse_hex(word, &address);

        if (r == -ERANGE && is_decimal_digit(word[0]))
                return r;
        *find = (struct find_symbol){.demangle = demangle, .address = address, .has_address = r == 0};
        find->only_address = r == 0 && is_decimal_digit(word[0]);
        find->looks_decimal = r == 0 && address > 9 && word[strspn(word, "0123456789")] == '\0';
        if (find->only_address)
                return 0;
        r = add_readings(find, word);
        if (r < 0)
                return r;
        return find->n_readings > 0 ? 0 : -EINVAL;
}

void find_symbol_free(struct find_symbol *find)
{
        for (size_t i = 0; i < find->n_matches; i++)
                free(find->matches[i].name);
        find->n_matches = 0;
}

/* --- one image --- */

struct look {
        struct find_symbol *find;
        const char *path;
        uint64_t bias;
        bool of_image[FIND_READINGS_MAX]; /* the reading may mean this image */
};

static const char *base_name(const char *path)
{
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

/* IMAGE is its path, its base name, or that without what follows a dot or a dash: "libc" for libc.so.6. */
static bool means_image(const struct find_reading *reading, const char *path)
{
        const char *base = base_name(path);
        size_t n = reading->n_image;
        bool is_bracketed = base[0] == '[' && n > 0 && reading->image[0] != '[';

        if (n == 0 || (strlen(path) == n && memcmp(path, reading->image, n) == 0))
                return true;
        base += is_bracketed;
        return strncmp(base, reading->image, n) == 0 && strchr(is_bracketed ? "]" : ".-", base[n]);
}

/* The name is this one, or this one with parameters behind it, or a version ("@@GLIBC_2.14"). */
static bool is_named(const char *name, size_t n_name, const struct find_reading *reading)
{
        size_t n = reading->n_name;

        if (n_name < n || memcmp(name, reading->name, n) != 0)
                return false;
        return n_name == n || name[n] == '(' || name[n] == '@';
}

static bool may_be_mangled_form(const struct find_reading *reading, const char *name)
{
        if (name[0] != '_' || (name[1] != 'Z' && name[1] != 'R'))
                return false;
        return reading->n_part == 0 || memmem(name, strlen(name), reading->part, reading->n_part);
}

/* A better reading than those before throws their matches away. */
static struct find_match *new_match(struct find_symbol *find, uint64_t address, unsigned int reading)
{
        if (find->n_matches > 0 && find->matches[0].reading > reading) {
                find_symbol_free(find);
                find->more = false;
        }
        for (size_t i = 0; i < find->n_matches; i++)
                if (find->matches[i].address == address)
                        return NULL;
        if (find->n_matches == FIND_MATCHES_MAX) {
                find->more = true;
                return NULL;
        }
        return &find->matches[find->n_matches];
}

static void add_match(struct look *look, unsigned int reading, uint64_t vaddr, const char *name, size_t n_name)
{
        struct find_symbol *find = look->find;
        uint64_t address = vaddr + look->bias + find->readings[reading].offset;
        struct find_match *match = new_match(find, address, reading);
        char *copy = match ? strndup(name, n_name) : NULL;

        if (match && !copy)
                find->failed = true;
        if (!copy)
                return;
        *match = (struct find_match){.address = address, .path = look->path, .name = copy, .reading = reading};
        find->n_matches++;
}

static void visit(void *arg, uint64_t vaddr, const char *name)
{
        struct look *look = arg;
        struct find_symbol *find = look->find;
        unsigned int n = find->n_matches > 0 ? find->matches[0].reading + 1 : find->n_readings;
        char *plain CLEANUP_FREE = NULL;
        uint32_t n_plain = 0;
        bool demangled = false;

        for (unsigned int i = 0; i < n; i++) {
                const struct find_reading *reading = &find->readings[i];

                if (!look->of_image[i])
                        continue;
                if (!demangled && may_be_mangled_form(reading, name)) {
                        find->demangle(name, strlen(name), &plain, &n_plain);
                        demangled = true;
                }
                if ((plain && is_named(plain, n_plain, reading)) || is_named(name, strlen(name), reading)) {
                        add_match(look, i, vaddr, plain ? plain : name, plain ? n_plain : strlen(name));
                        return;
                }
        }
}

void find_symbol_in(struct find_symbol *find, const struct image *image, const char *path, uint64_t bias)
{
        struct look look = {.find = find, .path = path, .bias = bias};

        for (unsigned int i = 0; i < find->n_readings; i++)
                look.of_image[i] = means_image(&find->readings[i], path);
        image_each_symbol(image, visit, &look);
}
