/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of /proc/kallsyms -> symtab. A line is "ADDRESS TYPE NAME", for a module's symbol followed by a tab and
 * "[MODULE]" (proc_kallsyms(5), kernel/kallsyms.c: s_show()). Modules are not sorted in among the rest, and nothing has
 * a size.
 *
 * Types are those of nm(1). Absolute symbols ("a", "A": on x86 the offsets of per-CPU variables) are no addresses,
 * undefined ones
 * ("U") are not there. The kernel prints zeros to readers that may not see addresses; that differs from a text without
 * symbols, and the caller can say what to do about it.
 *
 * A line that does not parse is skipped: a kernel that prints more or other lines still yields what is understood.
 */
#include <errno.h>
#include <string.h>

#include "elf/symtab.h"
#include "proto/hex.h"

/*
 * The last symbol before a hole (end of the image, of a module) must not claim all addresses up to the next module. No
 * single kernel function or static variable comes near this size.
 */
#define EXTENT_MAX_BYTES (UINT64_C(16) << 20)

struct kallsyms_line {
        uint64_t value;
        char type;
        const char *name;
        size_t n_name;
};

/* [text, end) is one line without its newline. */
static bool parse_line(const char *text, const char *end, struct kallsyms_line *ret)
{
        const char *at = text;
        uint64_t value = 0;
        const char *tab;

        for (int digit; at < end && (digit = hex_digit(*at)) >= 0; at++) {
                if (at - text == 16)
                        return false;
                value = value << 4 | (uint64_t)digit;
        }
        if (at == text || end - at < 4 || at[0] != ' ' || at[2] != ' ')
                return false;
        tab = memchr(at + 3, '\t', (size_t)(end - at - 3));
        if (!tab)
                tab = end;
        *ret = (struct kallsyms_line){.value = value, .type = at[1], .name = at + 3, .n_name = (size_t)(tab - at - 3)};
        return ret->n_name > 0;
}

static enum symbol_rank rank_of(char type)
{
        if (strchr("wWvV", type))
                return SYMBOL_WEAK;
        return type >= 'A' && type <= 'Z' ? SYMBOL_GLOBAL : SYMBOL_LOCAL;
}

static bool has_address(char type)
{
        return type != '\0' && strchr("tTdDbBrRsSgGwWvVuiI", type);
}

static int add_line(struct symtab *symtab, const struct kallsyms_line *line)
{
        uint64_t limit = line->value > UINT64_MAX - EXTENT_MAX_BYTES ? UINT64_MAX : line->value + EXTENT_MAX_BYTES;

        if (line->value == 0 || !has_address(line->type))
                return 0;
        return symtab_add(symtab, line->value, 0, limit, rank_of(line->type), line->name, line->n_name);
}

static void free_symtab(struct symtab **symtab)
{
        *symtab = symtab_free(*symtab);
}

int symtab_from_kallsyms(const char *text, size_t n_text, struct symtab **ret)
{
        struct symtab *symtab CLEANUP(free_symtab) = NULL;
        const char *end = text + n_text;
        bool any_line = false, any_value = false;
        int r = symtab_new(&symtab);

        if (r < 0)
                return r;
        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));
                const char *line_end = newline ? newline : end;
                struct kallsyms_line line;

                if (parse_line(text, line_end, &line)) {
                        any_line = true;
                        any_value = any_value || line.value != 0;
                        r = add_line(symtab, &line);
                        if (r < 0)
                                return r;
                }
                text = newline ? newline + 1 : end;
        }
        if (any_line && !any_value)
                return -EACCES;
        r = symtab_finish(symtab);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(symtab);
        return 0;
}
