/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The text of /proc/PID/maps and smaps.
 *
 * Parsed by hand, with the line as the only bound: sscanf() needs a terminating NUL, stops silently at numbers
 * that overflow, and takes most of the time of a snapshot with 65 000 maps. Strict about everything the kernel
 * formats (fs/proc/task_mmu.c, show_vma_header_prefix()) and about nothing in the path, which is the target's to
 * choose: a file may be called like a whole line of maps, but the kernel writes a newline in a name as \012, so that a
 * line is always a map. That escape is undone here, so that a path is the same bytes whether a record or this text told
 * it; the text itself is never changed, for it may be read again.
 */
#include "daemon/engine/decode/procmaps.h"

#include <errno.h>
#include <string.h>

static const char newline_escape[] = "\\012";
#define N_NEWLINE_ESCAPE (sizeof(newline_escape) - 1)

struct cursor {
        const char *at, *end;
};

static bool take_char(struct cursor *cursor, char c)
{
        if (cursor->at == cursor->end || *cursor->at != c)
                return false;
        cursor->at++;
        return true;
}

static int digit_value(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return 16;
}

/* At least one digit, and a value of at most `max`. */
static bool take_number(struct cursor *cursor, unsigned int base, uint64_t max, uint64_t *ret)
{
        const char *first = cursor->at;
        uint64_t value = 0;

        for (; cursor->at < cursor->end; cursor->at++) {
                unsigned int digit = (unsigned int)digit_value(*cursor->at);

                if (digit >= base)
                        break;
                if (value > (max - digit) / base)
                        return false;
                value = value * base + digit;
        }
        *ret = value;
        return cursor->at > first;
}

static bool take_perms(struct cursor *cursor, char ret[static 4])
{
        static const char letters[4] = {'r', 'w', 'x', 's'}, absent[4] = {'-', '-', '-', 'p'};

        if (cursor->end - cursor->at < 4)
                return false;
        for (size_t i = 0; i < 4; i++)
                if (cursor->at[i] != letters[i] && cursor->at[i] != absent[i])
                        return false;
        memcpy(ret, cursor->at, 4);
        cursor->at += 4;
        return true;
}

static bool take_device(struct cursor *cursor, struct procmaps_line *line)
{
        uint64_t major, minor;

        if (!take_number(cursor, 16, UINT32_MAX, &major) || !take_char(cursor, ':') ||
            !take_number(cursor, 16, UINT32_MAX, &minor))
                return false;
        line->major = (uint32_t)major;
        line->minor = (uint32_t)minor;
        return true;
}

static bool take_path(struct cursor *cursor, struct procmaps_line *line)
{
        if (cursor->at < cursor->end && *cursor->at != ' ')
                return false;
        while (take_char(cursor, ' '))
                ;
        line->path = cursor->at;
        line->n_path = (size_t)(cursor->end - cursor->at);
        return true;
}

static bool parse_line(struct cursor cursor, struct procmaps_line *line)
{
        return take_number(&cursor, 16, UINT64_MAX, &line->start) && take_char(&cursor, '-') &&
               take_number(&cursor, 16, UINT64_MAX, &line->end) && line->start < line->end && take_char(&cursor, ' ') &&
               take_perms(&cursor, line->perms) && take_char(&cursor, ' ') &&
               take_number(&cursor, 16, UINT64_MAX, &line->offset) && take_char(&cursor, ' ') &&
               take_device(&cursor, line) && take_char(&cursor, ' ') &&
               take_number(&cursor, 10, UINT64_MAX, &line->inode) && take_path(&cursor, line);
}

/* The line at *offset without its newline; *offset moves behind it. */
static struct cursor take_line(const char *text, size_t n_text, size_t *offset)
{
        const char *first = text + *offset;
        const char *newline = memchr(first, '\n', n_text - *offset);
        const char *end = newline ? newline : text + n_text;

        *offset = (size_t)(end - text) + (newline ? 1 : 0);
        return (struct cursor){.at = first, .end = end};
}

static void unescape_path(struct procmaps_line *line)
{
        const char *from = line->path, *end = line->path + line->n_path;
        const char *escape = memmem(from, line->n_path, newline_escape, N_NEWLINE_ESCAPE);
        char *to = line->unescaped;

        if (escape == NULL || line->n_path > sizeof(line->unescaped))
                return;
        while (escape != NULL) {
                to = mempcpy(to, from, (size_t)(escape - from));
                *to++ = '\n';
                from = escape + N_NEWLINE_ESCAPE;
                escape = memmem(from, (size_t)(end - from), newline_escape, N_NEWLINE_ESCAPE);
        }
        to = mempcpy(to, from, (size_t)(end - from));
        line->path = line->unescaped;
        line->n_path = (size_t)(to - line->unescaped);
}

int procmaps_next(const char *text, size_t n_text, size_t *offset, struct procmaps_line *ret)
{
        struct procmaps_line line;

        if (*offset >= n_text)
                return 0;
        if (!parse_line(take_line(text, n_text, offset), &line))
                return -EBADMSG;
        memcpy(ret, &line, offsetof(struct procmaps_line, unescaped));
        unescape_path(ret);
        return 1;
}

/* Whether a line is "VmFlags:" with this flag among its words, each of two letters. */
static bool has_flag(struct cursor line, const char flag[static 2])
{
        static const char label[] = "VmFlags:";
        size_t n_label = sizeof(label) - 1;

        if ((size_t)(line.end - line.at) < n_label || memcmp(line.at, label, n_label) != 0)
                return false;
        line.at += n_label;
        while (line.at < line.end) {
                const char *word;

                while (take_char(&line, ' '))
                        ;
                word = line.at;
                while (line.at < line.end && *line.at != ' ')
                        line.at++;
                if (line.at - word == 2 && memcmp(word, flag, 2) == 0)
                        return true;
        }
        return false;
}

size_t procmaps_find_flag(const char *smaps, size_t n_smaps, const char flag[static 2],
                          void (*found)(void *user, uint64_t start, uint64_t end), void *user)
{
        uint64_t start = 0, end = 0; /* no map ends at 0: so far none, or its flags are done */
        size_t n_found = 0;

        for (size_t offset = 0; offset < n_smaps;) {
                struct cursor line = take_line(smaps, n_smaps, &offset);
                struct procmaps_line parsed;

                if (parse_line(line, &parsed)) {
                        start = parsed.start;
                        end = parsed.end;
                } else if (end > 0 && has_flag(line, flag)) {
                        found(user, start, end);
                        end = 0;
                        n_found++;
                }
        }
        return n_found;
}
