/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The configuration of the service, in directories of our own: which file wins, what each key may be, and what is said,
 * with file and line, of everything that is wrong. What stays is checked as well: a complaint must change nothing.
 */
#include "daemon/monitor/config.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "daemon/monitor/announce.h"
#include "daemon/monitor/config_value.h"

/* etc, run and lib below a directory of this test, in the order of their importance. */
struct scene {
        char root[64];
        char directories[3][80];
        const char *list[4];
        char said[8192]; /* all complaints, a line each, the root directory cut off */
        struct settings settings;
        size_t n_complaints;
};

static const char *const names[] = {"etc", "run", "lib"};

static void scene_init(struct scene *scene)
{
        *scene = (struct scene){.root = "/tmp/test-config-XXXXXX"};
        assert_non_null(mkdtemp(scene->root));
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                char path[128];

                (void)snprintf(scene->directories[i], sizeof(scene->directories[i]), "%s/%s", scene->root, names[i]);
                assert_int_equal(mkdir(scene->directories[i], 0755), 0);
                (void)snprintf(path, sizeof(path), "%s/faultlined.conf.d", scene->directories[i]);
                assert_int_equal(mkdir(path, 0755), 0);
                scene->list[i] = scene->directories[i];
        }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
        return remove(path);
}

static void scene_deinit(struct scene *scene)
{
        assert_int_equal(nftw(scene->root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

static const char *path_in(const struct scene *scene, const char *name)
{
        static char path[160];

        (void)snprintf(path, sizeof(path), "%s/%s", scene->root, name);
        return path;
}

static void put(const struct scene *scene, const char *name, const char *text)
{
        FILE *file = fopen(path_in(scene, name), "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
}

static void take_complaint(void *user, const char *text)
{
        struct scene *scene = user;
        size_t n = strlen(scene->said), n_root = strlen(scene->root);

        if (strncmp(text, scene->root, n_root) == 0)
                text += n_root + 1;
        (void)snprintf(scene->said + n, sizeof(scene->said) - n, "%s\n", text);
}

static void read_scene(struct scene *scene)
{
        scene->said[0] = '\0';
        scene->n_complaints = config_read(scene->list, &scene->settings, take_complaint, scene);
}

/* One file with this text, and nothing to complain of. */
static struct settings read_well(const char *text)
{
        struct scene scene;

        scene_init(&scene);
        put(&scene, "etc/faultlined.conf", text);
        read_scene(&scene);
        assert_string_equal(scene.said, "");
        assert_int_equal(scene.n_complaints, 0);
        scene_deinit(&scene);
        return scene.settings;
}

/* One file with this text, exactly these complaints, and, but for the administrators, what holds without a file. */
static struct settings read_badly(const char *text, const char *said)
{
        struct settings plain = read_well("");
        struct scene scene;

        scene_init(&scene);
        put(&scene, "etc/faultlined.conf", text);
        read_scene(&scene);
        assert_string_equal(scene.said, said);
        assert_true(scene.n_complaints > 0);
        assert_memory_equal(&scene.settings.limits, &plain.limits, sizeof(plain.limits));
        assert_int_equal(scene.settings.idle_exit_usec, plain.idle_exit_usec);
        scene_deinit(&scene);
        return scene.settings;
}

static void test_defaults(void **state)
{
        struct settings settings = read_well("");
        struct limits ours = LIMITS_INIT;

        limits_settle(&ours);
        assert_memory_equal(&settings.limits, &ours, sizeof(ours));
        assert_int_equal(settings.limits.clients_per_user, 128);
        assert_int_equal(settings.limits.traces_per_user, 256);
        assert_int_equal(settings.limits.users, 64);
        assert_true(settings.limits.memory_per_user_bytes >= 512 << 20);
        assert_int_equal(settings.limits.ring_memory_per_user_bytes, settings.limits.ring_memory_bytes / 2);
        assert_int_equal(settings.idle_exit_usec, 60000000);
        assert_string_equal(settings.admin_group, "faultline");
}

static void test_every_key(void **state)
{
        struct settings settings = read_well("# comment\n"
                                             "[Daemon]\n"
                                             "AdminGroup=4711\n"
                                             "; another one\n"
                                             "IdleExitSec = 5min # and behind\n"
                                             "\n"
                                             "[Limits]\n"
                                             "ClientsPerUser=1\n"
                                             "TracesPerUser=65536\n"
                                             "MemoryPerUser=64M\n"
                                             "RingMemoryPerUser=3M\n"
                                             "DescriptorsPerUser=64\n"
                                             "Users=2\n"
                                             "RingMemory=2G\n");

        assert_true(settings.admins.is_set);
        assert_int_equal(settings.admins.gid, 4711);
        assert_string_equal(settings.admin_group, "4711");
        assert_int_equal(settings.idle_exit_usec, 300000000);
        assert_int_equal(settings.limits.clients_per_user, 1);
        assert_int_equal(settings.limits.traces_per_user, 65536);
        assert_int_equal(settings.limits.ring_memory_per_user_bytes, 3 << 20);
        assert_int_equal(settings.limits.memory_per_user_bytes, 64 << 20);
        assert_int_equal(settings.limits.descriptors_per_user, 64);
        assert_int_equal(settings.limits.users, 2);
        assert_int_equal(settings.limits.ring_memory_bytes, UINT64_C(2) << 30);
}

static void test_half_of_what_is_set(void **state)
{
        assert_int_equal(read_well("[Limits]\nRingMemory=8M\n").limits.ring_memory_per_user_bytes, 4 << 20);
}

static void test_groups(void **state)
{
        struct settings settings = read_well("[Daemon]\nAdminGroup=root\n");

        assert_true(settings.admins.is_set);
        assert_int_equal(settings.admins.gid, 0);
        settings = read_well("[Daemon]\nAdminGroup=\n");
        assert_false(settings.admins.is_set);
        assert_string_equal(settings.admin_group, "");
}

static void test_bad_groups(void **state)
{
        static const struct {
                const char *value, *why;
        } cases[] = {
                {"no-such-group", "there is no such group"},
                {"-1", "there is no such group"},
                {"4294967295", "this number is not that of one group"},
                {"12x", "this number is not that of one group"},
                {"65534", "this number is not that of one group"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                char text[128], said[512];
                struct settings settings;

                (void)snprintf(text, sizeof(text), "[Daemon]\n\nAdminGroup=%s\n", cases[i].value);
                (void)snprintf(said, sizeof(said),
                               "etc/faultlined.conf:3: AdminGroup=%s: %s; the name or number of a group, or nothing is "
                               "allowed, and until then nobody but root is an administrator\n",
                               cases[i].value, cases[i].why);
                settings = read_badly(text, said);
                assert_false(settings.admins.is_set);
        }
}

static void test_bad_values(void **state)
{
        static const struct {
                const char *section, *key, *allowed;
                const char *values[8];
        } cases[] = {
                {"Daemon",
                 "IdleExitSec",
                 "seconds, or a time with ms, s, min, h or d, up to 365d, or infinity",
                 {"", "-1", "1 s", "366d", "1y", "1.5s", "99999999999999999999"}},
                {"Limits", "ClientsPerUser", "a whole number from 1 to 65536", {"", "0", "65537", "0x10", "010", "+5"}},
                {"Limits", "TracesPerUser", "a whole number from 1 to 65536", {"many", "0", "1K"}},
                {"Limits", "Users", "a whole number from 1 to 65536", {"-1", "0", "18446744073709551617"}},
                {"Limits", "DescriptorsPerUser", "a whole number from 64 to 1073741824", {"63", "1073741825"}},
                {"Limits",
                 "RingMemory",
                 "bytes from 1M to 1T, with K, M, G or T for powers of 1024",
                 {"1048575", "2T", "1g", "1MB", "17179869184G"}},
                {"Limits",
                 "MemoryPerUser",
                 "bytes from 64M to 1T, with K, M, G or T for powers of 1024",
                 {"63M", "1025G", "half"}},
                {"Limits",
                 "RingMemoryPerUser",
                 "bytes from 1M to 1T, with K, M, G or T for powers of 1024",
                 {"1023K", "1025G", "half"}},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                for (size_t j = 0; j < ARRAY_SIZE(cases[i].values) && cases[i].values[j] != NULL; j++) {
                        char text[128], said[512];

                        (void)snprintf(text, sizeof(text), "[%s]\n%s=%s\n", cases[i].section, cases[i].key,
                                       cases[i].values[j]);
                        (void)snprintf(said, sizeof(said),
                                       "etc/faultlined.conf:2: %s=%s is not %s; it stays as it was\n", cases[i].key,
                                       cases[i].values[j], cases[i].allowed);
                        (void)read_badly(text, said);
                }
}

static void test_smallest_and_largest(void **state)
{
        struct settings settings = read_well("[Daemon]\nIdleExitSec=1ms\n[Limits]\nRingMemory=1T\n"
                                             "RingMemoryPerUser=1048576\nDescriptorsPerUser=1073741824\n");

        assert_int_equal(settings.idle_exit_usec, 1000);
        assert_int_equal(settings.limits.ring_memory_bytes, UINT64_C(1) << 40);
        assert_int_equal(settings.limits.ring_memory_per_user_bytes, 1 << 20);
        assert_int_equal(settings.limits.descriptors_per_user, 1 << 30);
        assert_int_equal(read_well("[Daemon]\nIdleExitSec=0\n").idle_exit_usec, 0);
        assert_int_equal(read_well("[Daemon]\nIdleExitSec=0s\n").idle_exit_usec, 0);
        assert_int_equal(read_well("[Daemon]\nIdleExitSec=infinity\n").idle_exit_usec, 0);
        assert_int_equal(read_well("[Daemon]\nIdleExitSec=90\n").idle_exit_usec, 90000000);
}

static void test_unknown(void **state)
{
        struct settings settings;

        (void)read_badly("[Daemon]\nColour=blue\n",
                         "etc/faultlined.conf:2: [Daemon] has no key Colour, see faultlined.conf(5)\n");
        (void)read_badly("[Daemon]\nUsers=3\n",
                         "etc/faultlined.conf:2: Users= belongs into [Limits], not into [Daemon]\n");
        (void)read_badly("\n[limits]\nUsers=3\n", "etc/faultlined.conf:3: Users: there is no section [limits]; there "
                                                  "are [Daemon] and [Limits], see faultlined.conf(5)\n");
        (void)read_badly("Users=3\n[Daemon]\n", "etc/faultlined.conf:1: Users stands before any section; there are "
                                                "[Daemon] and [Limits]\n");
        (void)read_badly("[Daemon]\njustwords\n",
                         "etc/faultlined.conf:2: [Daemon] has no key justwords, see faultlined.conf(5)\n");
        settings = read_badly("[Deamon]\nAdminGroup=\n",
                              "etc/faultlined.conf:2: AdminGroup: there is no section [Deamon]; there are [Daemon] and "
                              "[Limits], see faultlined.conf(5)\n");
        assert_false(settings.admins.is_set);
}

static void test_syntax(void **state)
{
        assert_false(read_badly("[Daemon]\nAdminGroup=root\n[Limits\nUsers=3\n",
                                "etc/faultlined.conf:3: Missing bracket; nothing of this file holds\n")
                             .admins.is_set);
        (void)read_badly("[]\nUsers=3\n", "etc/faultlined.conf:1: Empty section name; nothing of this file holds\n");
        (void)read_badly("[Limits] x\nUsers=3\n",
                         "etc/faultlined.conf:1: Text after section; nothing of this file holds\n");
}

#define USERS_TWICE                                                                                                    \
        "etc/faultlined.conf:2: Users= has several values, here and further down in this file; once a whole number "   \
        "from 1 to 65536 is allowed\n"

/* Neither of two lines counts, whatever stands between them; a section may come twice. */
static void test_twice(void **state)
{
        struct scene scene;

        (void)read_badly("[Limits]\nUsers=3\nUsers=4\n", USERS_TWICE);
        (void)read_badly("[Limits]\nUsers=3\n[Daemon]\n[Limits]\nUsers=4\n", USERS_TWICE);
        (void)read_badly("[Limits]\nUsers=3\\\n4\n",
                         "etc/faultlined.conf:3: Users= has several values, here and further down in this file; once a "
                         "whole number from 1 to 65536 is allowed\n");
        assert_false(read_badly("[Daemon]\nAdminGroup=\nAdminGroup=root\n",
                                "etc/faultlined.conf:2: AdminGroup= has several values, here and further down in this "
                                "file; once the name or number of a group, or nothing is allowed\n")
                             .admins.is_set);
        assert_false(read_well("[Daemon]\nAdminGroup=root\nAdminGroup=\n").admins.is_set);
        scene_init(&scene);
        put(&scene, "etc/faultlined.conf", "[Limits]\nUsers=3\n[Daemon]\nIdleExitSec=3\n[Limits]\nTracesPerUser=5\n");
        read_scene(&scene);
        assert_string_equal(scene.said, "");
        assert_int_equal(scene.settings.limits.users, 3);
        assert_int_equal(scene.settings.limits.traces_per_user, 5);
        scene_deinit(&scene);
}

/* The main file of the most important directory alone, then drop-ins by their names, whatever their directories. */
static void test_order(void **state)
{
        struct scene scene;

        scene_init(&scene);
        put(&scene, "lib/faultlined.conf", "[Limits]\nUsers=10\nTracesPerUser=10\n");
        read_scene(&scene);
        assert_int_equal(scene.settings.limits.users, 10);
        put(&scene, "run/faultlined.conf", "[Limits]\nUsers=11\n");
        put(&scene, "etc/faultlined.conf", "[Limits]\nUsers=12\n");
        read_scene(&scene);
        assert_int_equal(scene.settings.limits.users, 12);
        assert_int_equal(scene.settings.limits.traces_per_user, 256);
        put(&scene, "etc/faultlined.conf.d/10-a.conf", "[Limits]\nUsers=13\nTracesPerUser=13\n");
        put(&scene, "run/faultlined.conf.d/15-b.conf", "[Limits]\nUsers=14\n");
        put(&scene, "lib/faultlined.conf.d/20-c.conf", "[Limits]\nUsers=15\n");
        read_scene(&scene);
        assert_int_equal(scene.settings.limits.users, 15);
        assert_int_equal(scene.settings.limits.traces_per_user, 13);
        put(&scene, "etc/faultlined.conf.d/99.txt", "[Limits]\nUsers=16\n");
        put(&scene, "etc/faultlined.conf.d/.99.conf", "[Limits]\nUsers=16\n");
        put(&scene, "etc/faultlined.conf.d/.conf", "[Limits]\nUsers=16\n");
        read_scene(&scene);
        assert_int_equal(scene.settings.limits.users, 15);
        assert_string_equal(scene.said, "");
        scene_deinit(&scene);
}

/* A file takes the place of its namesake, with all of it; /dev/null takes it away, an empty file as well. */
static void test_masks(void **state)
{
        struct scene scene;

        scene_init(&scene);
        put(&scene, "lib/faultlined.conf.d/20.conf", "[Limits]\nUsers=15\nTracesPerUser=15\n");
        put(&scene, "etc/faultlined.conf.d/20.conf", "[Limits]\nUsers=16\n");
        read_scene(&scene);
        assert_int_equal(scene.settings.limits.users, 16);
        assert_int_equal(scene.settings.limits.traces_per_user, 256);
        assert_int_equal(unlink(path_in(&scene, "etc/faultlined.conf.d/20.conf")), 0);
        assert_int_equal(symlink("/dev/null", path_in(&scene, "etc/faultlined.conf.d/20.conf")), 0);
        read_scene(&scene);
        assert_int_equal(scene.settings.limits.users, 64);
        put(&scene, "lib/faultlined.conf", "[Limits]\nUsers=17\n");
        put(&scene, "etc/faultlined.conf", "");
        read_scene(&scene);
        assert_int_equal(scene.settings.limits.users, 64);
        assert_string_equal(scene.said, "");
        scene_deinit(&scene);
}

/* A file that is wrong leaves the others alone, but nobody guesses who it would have made an administrator. */
static void test_one_bad_file(void **state)
{
        struct scene scene;

        scene_init(&scene);
        put(&scene, "etc/faultlined.conf", "[Daemon]\nAdminGroup=root\n[Limits]\nUsers=3\n");
        put(&scene, "etc/faultlined.conf.d/10.conf", "[Daemon\nAdminGroup=\n");
        put(&scene, "etc/faultlined.conf.d/20.conf", "[Limits]\nTracesPerUser=4\n");
        read_scene(&scene);
        assert_string_equal(scene.said,
                            "etc/faultlined.conf.d/10.conf:1: Missing bracket; nothing of this file holds\n");
        assert_int_equal(scene.settings.limits.users, 3);
        assert_int_equal(scene.settings.limits.traces_per_user, 4);
        assert_false(scene.settings.admins.is_set);
        put(&scene, "etc/faultlined.conf.d/30.conf", "[Daemon]\nAdminGroup=root\n"); /* this says it again */
        read_scene(&scene);
        assert_true(scene.settings.admins.is_set);
        scene_deinit(&scene);
}

static void test_not_a_file(void **state)
{
        struct scene scene;

        scene_init(&scene);
        assert_int_equal(mkfifo(path_in(&scene, "etc/faultlined.conf"), 0644), 0);
        assert_int_equal(mkdir(path_in(&scene, "etc/faultlined.conf.d/10.conf"), 0755), 0);
        assert_int_equal(symlink("nowhere", path_in(&scene, "etc/faultlined.conf.d/20.conf")), 0);
        read_scene(&scene);
        assert_string_equal(scene.said,
                            "etc/faultlined.conf cannot be read: not a regular file; nothing of it holds\n"
                            "etc/faultlined.conf.d/10.conf cannot be read: not a regular file; nothing of it holds\n"
                            "etc/faultlined.conf.d/20.conf cannot be read: No such file or directory; nothing of it "
                            "holds\n");
        assert_false(scene.settings.admins.is_set);
        scene_deinit(&scene);
}

static void test_no_directory(void **state)
{
        struct scene scene;

        scene_init(&scene);
        scene.list[1] = path_in(&scene, "absent");
        scene.list[2] = NULL;
        read_scene(&scene);
        assert_string_equal(scene.said, "absent cannot be read: No such file or directory\n");
        put(&scene, "absent", "not a directory");
        read_scene(&scene);
        assert_non_null(strstr(scene.said, "absent/faultlined.conf.d: Not a directory; nothing of it holds\n"));
        assert_false(scene.settings.admins.is_set);
        scene_deinit(&scene);
}

static void test_shares(void **state)
{
        struct scene scene;

        scene_init(&scene);
        put(&scene, "etc/faultlined.conf", "[Limits]\nRingMemory=2M\nRingMemoryPerUser=3M\n");
        read_scene(&scene);
        assert_string_equal(scene.said, "[Limits] RingMemoryPerUser= is more than RingMemory=, which is what all users "
                                        "may have together\n");
        assert_int_equal(scene.settings.limits.ring_memory_per_user_bytes, 2 << 20);
        scene_deinit(&scene);
}

/* What a file can hold must not reach a terminal as it is. */
static void test_control_characters(void **state)
{
        (void)read_badly("[Limits]\nUsers=\033[31m\n",
                         "etc/faultlined.conf:2: Users=?[31m is not a whole number from 1 "
                         "to 65536; it stays as it was\n");
}

/* What is printed is itself a configuration, the same one; and it can be told from one with errors. */
static void test_check(void **state)
{
        static const char text[] = "[Daemon]\n"
                                   "# gid 4711\n"
                                   "AdminGroup=4711\n"
                                   "IdleExitSec=1500ms\n"
                                   "\n"
                                   "[Limits]\n"
                                   "ClientsPerUser=5\n"
                                   "TracesPerUser=6\n"
                                   "MemoryPerUser=65M\n"
                                   "RingMemoryPerUser=3000K\n"
                                   "DescriptorsPerUser=700\n"
                                   "Users=8\n"
                                   "RingMemory=1G\n";
        char printed[1024] = "", errors[1024] = "";
        struct scene scene;

        scene_init(&scene);
        put(&scene, "etc/faultlined.conf", text);
        for (int round = 0; round < 2; round++) {
                FILE *out = fmemopen(printed, sizeof(printed), "w"), *err = fmemopen(errors, sizeof(errors), "w");

                assert_int_equal(config_check(scene.list, out, err), round);
                fclose(out);
                fclose(err);
                assert_string_equal(printed, text);
                put(&scene, "etc/faultlined.conf.d/1.conf", "[Limits]\nUsers=0\n");
        }
        assert_non_null(strstr(errors, "faultlined.conf.d/1.conf:2: Users=0 is not a whole number from 1 to 65536"));
        scene_deinit(&scene);
}

static void test_formats(void **state)
{
        static const struct {
                uint64_t value;
                const char *bytes, *time;
        } cases[] = {
                {1, "1", NULL},
                {1024, "1K", NULL},
                {1536 << 10, "1536K", NULL},
                {UINT64_C(1) << 40, "1T", NULL},
                {0, "0T", "infinity"},
                {1000, NULL, "1ms"},
                {60000000, NULL, "1min"},
                {90000000, NULL, "90s"},
                {UINT64_C(86400000000), NULL, "1d"},
        };
        char text[CONFIG_VALUE_BYTES];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                if (cases[i].bytes != NULL) {
                        config_format_bytes(cases[i].value, text);
                        assert_string_equal(text, cases[i].bytes);
                }
                if (cases[i].time != NULL) {
                        config_format_time(cases[i].value, text);
                        assert_string_equal(text, cases[i].time);
                }
        }
}

/* The file that is installed says what holds without it: every key, each commented out. */
static void test_installed_file(void **state)
{
        FILE *file = fopen(INSTALLED_CONF, "re");
        static const char *const wanted[] = {"#AdminGroup=faultline", "#IdleExitSec=1min", "#ClientsPerUser=128",
                                             "#TracesPerUser=256",    "#MemoryPerUser=",   "#RingMemoryPerUser=",
                                             "#DescriptorsPerUser=",  "#Users=64",         "#RingMemory="};
        size_t n = 0;
        char line[256];

        assert_non_null(file);
        while (fgets(line, sizeof(line), file) != NULL) {
                line[strcspn(line, "\n")] = '\0';
                if (line[0] != '#' && line[0] != '[')
                        assert_string_equal(line, "");
                if (line[0] != '#' || line[1] == ' ')
                        continue;
                assert_true(n < ARRAY_SIZE(wanted));
                assert_string_equal(line, wanted[n++]);
        }
        assert_int_equal(n, ARRAY_SIZE(wanted));
        fclose(file);
}

static void test_status_line(void **state)
{
        static const struct {
                struct announce_figures figures;
                const char *degradations, *text;
        } cases[] = {
                {{0, 0, 0}, "", "no traces, no clients"},
                {{0, 0, 1}, "", "no traces, 1 client"},
                {{1, 1, 1}, "", "1 trace of 1 user, 1 client"},
                {{2, 1, 3},
                 "no tracepoints (Permission denied)",
                 "2 traces of 1 user, 3 clients; degraded: no tracepoints (Permission denied)"},
                {{12, 2, 40}, "", "12 traces of 2 users, 40 clients"},
        };
        char text[ANNOUNCE_TEXT_BYTES];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                announce_format(&cases[i].figures, cases[i].degradations, text);
                assert_string_equal(text, cases[i].text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),
                cmocka_unit_test(test_every_key),
                cmocka_unit_test(test_half_of_what_is_set),
                cmocka_unit_test(test_groups),
                cmocka_unit_test(test_bad_groups),
                cmocka_unit_test(test_bad_values),
                cmocka_unit_test(test_smallest_and_largest),
                cmocka_unit_test(test_unknown),
                cmocka_unit_test(test_syntax),
                cmocka_unit_test(test_twice),
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_masks),
                cmocka_unit_test(test_one_bad_file),
                cmocka_unit_test(test_not_a_file),
                cmocka_unit_test(test_no_directory),
                cmocka_unit_test(test_shares),
                cmocka_unit_test(test_control_characters),
                cmocka_unit_test(test_check),
                cmocka_unit_test(test_formats),
                cmocka_unit_test(test_installed_file),
                cmocka_unit_test(test_status_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
