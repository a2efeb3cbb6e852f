/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/live/walk_ask.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

json_t *walk(uid_t uid, pid_t pid, const char *where, char **complaint)
{
        char number[16];
        const char *argv[] = {FAULTLINE_PATH, "walk", "--format=json", number, where, NULL};
        const struct child_options options = {.uid = uid};
        struct child child;
        json_t *object = NULL;
        char *line;
        int status;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(&child, argv, &options);
        line = lines_next(&child.out);
        if (line) {
                object = json_loads(line, 0, NULL);
                CHECK(object, "not an object: %s", line);
                CHECK(!lines_next(&child.out), "more than one line");
        }
        status = child_wait(&child);
        child_check_sanitizers(&child);
        CHECK(status == (object ? 0 : 1), "walk %s: exit status %d", where, status);
        if (complaint)
                *complaint = child_errors(&child);
        else
                CHECK(object, "walk %s: refused", where);
        child_close(&child);
        return object;
}

json_t *walk_address(pid_t pid, uint64_t address)
{
        char where[32];
        json_t *object;

        (void)snprintf(where, sizeof(where), "0x%" PRIx64, address);
        object = walk(0, pid, where, NULL);
        CHECK(address_of(object, "addr") == address, "another address: %s", json_dumps(object, 0));
        return object;
}

bool is_true(const json_t *object, const char *key)
{
        const json_t *value = json_object_get(object, key);

        CHECK(json_is_boolean(value), "%s is missing: %s", key, json_dumps(object, 0));
        return json_is_true(value);
}
