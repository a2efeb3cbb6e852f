/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From the root downwards, not from the leaf upwards: a service that is given its own subtree (Delegate=), and above
 * all a user's manager, names what is beneath as it likes; the first unit on the way is the one that the system's
 * manager named.
 */
#include "daemon/monitor/unit_name.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "proto/base.h"

#define USER_MANAGER "user@"

static bool ends_with(const char *name, size_t n, const char *end)
{
        size_t n_end = strlen(end);

        return n > n_end && memcmp(name + n - n_end, end, n_end) == 0;
}

/* Has processes of its own (systemd.unit(5)); a slice has not. */
static bool is_unit(const char *name, size_t n)
{
        static const char *const types[] = {".service", ".scope", ".socket", ".mount", ".swap"};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (ends_with(name, n, types[i]))
                        return true;
        return false;
}

/* The next component that is a unit; *path moves behind it. Its length, 0 = there is none. */
static size_t next_unit(const char **path, const char *end, const char **ret)
{
        while (*path < end) {
                const char *name = *path;
                const char *slash = memchr(name, '/', (size_t)(end - name));
                size_t n = (size_t)((slash != NULL ? slash : end) - name);

                *path = slash != NULL ? slash + 1 : end;
                if (is_unit(name, n)) {
                        *ret = name;
                        return n;
                }
        }
        return 0;
}

static void append(char *to, const char *name, size_t n)
{
        size_t at = strlen(to);

        for (size_t i = 0; i < n; i++) {
                bool is_plain = name[i] > ' ' && name[i] < 0x7f;
                size_t n_more = is_plain ? 1 : 4;

                if (at + n_more >= UNIT_NAME_BYTES)
                        return;
                if (is_plain)
                        to[at] = name[i];
                else
                        (void)snprintf(to + at, 5, "\\x%02x", (uint8_t)name[i]);
                at += n_more;
                to[at] = '\0';
        }
}

void unit_name_of_path(const char *path, size_t n_path, char ret[static UNIT_NAME_BYTES])
{
        const char *end = path + n_path, *name = path;
        size_t n = next_unit(&path, end, &name);

        ret[0] = '\0';
        append(ret, name, n);
        if (n < sizeof(USER_MANAGER) - 1 || memcmp(name, USER_MANAGER, sizeof(USER_MANAGER) - 1) != 0)
                return;
        n = next_unit(&path, end, &name);
        if (n == 0)
                return;
        append(ret, "/", 1);
        append(ret, name, n);
}

/* The line of the unified hierarchy is "0::PATH"; those of the others have a number and a controller. */
void unit_name_of_process(const char *text, size_t n_text, char ret[static UNIT_NAME_BYTES])
{
        const char *end = text + n_text;

        ret[0] = '\0';
        while (text < end) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));

                if (newline == NULL)
                        return;
                if (newline - text > 3 && memcmp(text, "0::", 3) == 0) {
                        unit_name_of_path(text + 3, (size_t)(newline - text) - 3, ret);
                        return;
                }
                text = newline + 1;
        }
}
