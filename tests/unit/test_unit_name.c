/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whose unit a process is in, by texts of /proc/PID/cgroup as systemd, containers and hostile users make them. */
#include "daemon/monitor/unit_name.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

#include "proto/base.h"

static void test_processes(void **state)
{
        static const struct {
                const char *text, *unit;
        } cases[] = {
                {"0::/system.slice/nginx.service\n", "nginx.service"},
                {"0::/init.scope\n", "init.scope"},
                {"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"},
                {"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"},
                {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/editor.service\n",
                 "user@1000.service/editor.service"},
                {"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "user@1000.service/init.scope"},
                {"0::/user.slice/user-1000.slice/user@1000.service/app.slice\n", "user@1000.service"},
                /* What is beneath is named by whoever lives there. */
                {"0::/user.slice/user-1000.slice/user@1000.service/nginx.service/evil.service\n",
                 "user@1000.service/nginx.service"},
                {"0::/system.slice/nginx.service/sshd.service\n", "nginx.service"},
                {"0::/system.slice/docker-0123abcd.scope/init\n", "docker-0123abcd.scope"},
                {"0::/system.slice/run-\\x2d.mount\n", "run-\\x2d.mount"},
                {"1:name=systemd:/old.service\n0::/system.slice/new.service\n", "new.service"},
                {"0::/\n", ""},
                {"0::/user.slice\n", ""},
                {"0::/system.slice/.service\n", ""},
                {"0::/docker/0123abcd\n", ""},
                {"12:cpu:/system.slice/old.service\n", ""},
                {"0::/system.slice/cut.service", ""},
                {"0::\n", ""},
                {"", ""},
                {"\n\n\n", ""},
                {"0::/system.slice/a b\x1b[2J\xff.service\n", "a\\x20b\\x1b[2J\\xff.service"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char unit[UNIT_NAME_BYTES] = "untouched";

                unit_name_of_process(cases[i].text, strlen(cases[i].text), unit);
                assert_string_equal(unit, cases[i].unit);
        }
}

static void test_paths(void **state)
{
        static const char path[] = "/sys/fs/cgroup/system.slice/nginx.service", none[] = "/sys/fs/cgroup/a.slice";
        char unit[UNIT_NAME_BYTES];

        unit_name_of_path(path, sizeof(path) - 1, unit);
        assert_string_equal(unit, "nginx.service");
        unit_name_of_path(none, sizeof(none) - 1, unit);
        assert_string_equal(unit, "");
        unit_name_of_path("", 0, unit);
        assert_string_equal(unit, "");
}

/* Never half of an escape, never more than there is room for. */
static void test_long_names(void **state)
{
        for (size_t n = 1; n < 600; n++) {
                char path[1024], unit[UNIT_NAME_BYTES];

                memset(path, n % 2 != 0 ? 'x' : '\x01', n);
                memcpy(path + n, ".scope", 6);
                unit_name_of_path(path, n + 6, unit);
                if (n % 2 != 0)
                        assert_int_equal(strlen(unit), MIN_OF(n + 6, UNIT_NAME_BYTES - 1u));
                else if (n * 4 + 6 < UNIT_NAME_BYTES)
                        assert_int_equal(strlen(unit), n * 4 + 6);
                else
                        assert_true(strlen(unit) > UNIT_NAME_BYTES - 5 && strlen(unit) < UNIT_NAME_BYTES);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_processes),
                cmocka_unit_test(test_paths),
                cmocka_unit_test(test_long_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
