/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * namespaces CASE: a target that sees other processes, users and files than we do. Where its program lies we have
 * another one of the same path, without its symbols: whose names are shown tells which file was opened.
 *
 *   user    its own pid, mount and user namespaces
 *   mount   its program is mounted over ours
 *   root    chroot(2) with copies of everything
 *   all     a container's: all of these
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/harness.h"

#define TARGET TARGETS_DIR "/target_anon"

static char folder[] = "faultline-names-XXXXXX", *path; /* the same, and absolute */

static char *join(const char *format, ...) PRINTF_LIKE(1, 2);
static char *join(const char *format, ...)
{
        char *text;
        va_list args;

        va_start(args, format);
        CHECK(vasprintf(&text, format, args) >= 0, "out of memory");
        va_end(args);
        return text;
}

static void shell(const char *what)
{
        const char *argv[] = {"sh", "-ec", what, NULL};
        struct child sh;

        child_start(&sh, argv, NULL);
        if (child_wait(&sh) != 0)
                skip("%s: %s", what, child_errors(&sh));
        child_close(&sh);
}

static void remove_folder(void)
{
        CLEANUP_FREE char *command = join("rm -rf %s", folder);

        shell(command);
}

/* folder/program is ours; what the target is to execute is in folder/theirs or, with what it needs, under folder/root.
 */
static void make_folder(void)
{
        CLEANUP_FREE char *cwd = get_current_dir_name(), *script = NULL;

        CHECK(cwd && mkdtemp(folder), "%s: %s", folder, strerror(errno));
        (void)atexit(remove_folder);
        path = join("%s/%s", cwd, folder);
        script = join("cp $(command -v ls) %s/program; cp " TARGET " %s/theirs\n"
                      "mkdir -p %s/root%s %s/root/proc; cp " TARGET " %s/root%s/program\n"
                      "for library in $(ldd " TARGET " | grep -o '/[^ ]*'); do cp -L --parents $library %s/root; done",
                      path, path, path, path, path, path, path, path);
        shell(script);
}

/* Its path as the kernel tells it to us. */
static void read_program(pid_t pid, char name[PATH_MAX])
{
        char link[64];
        ssize_t n;

        (void)snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
        n = readlink(link, name, PATH_MAX - 1);
        CHECK(n > 0, "%s: %s", link, strerror(errno));
        name[n] = '\0';
}

/* Prefix: the program that makes the namespaces; command: what it runs in them. */
static void run(const char *const *prefix, const char *command, bool forks)
{
        char image[PATH_MAX];
        const char *argv[MAX_ARGS];
        struct target target;
        struct client client;
        json_t *fault;
        size_t i, n = 0;

        for (; prefix[n]; n++)
                argv[n] = prefix[n];
        argv[n++] = "sh";
        argv[n++] = "-ec";
        argv[n++] = command;
        argv[n] = NULL;
        target_start_program(&target, argv);
        if (forks)
                target.pid = process_child(target.child.pid);
        read_program(target.pid, image);
        client_attach(&client, target.pid);
        target_open_gate(&target);
        client_read_until_done(&client, &target);
        CHECK(client_stop(&client) == 0, "the client failed");
        compare_faults(&client, &target, COMPARE_ALL);
        check_nothing_missing(&client);
        json_array_foreach(client.faults, i, fault)
                CHECK(strcmp(text_of(json_object_get(fault, "code"), "image"), image) == 0, "the image is not %s: %s",
                      image, json_dumps(fault, 0));
        CHECK(client.n_faults > 0, "no faults");
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
}

static void test_user(void)
{
        const char *prefix[] = {"unshare", "--user",  "--map-root-user", "--pid",
                                "--fork",  "--mount", "--mount-proc",    NULL};

        run(prefix, "exec " TARGET " zero-fill", true);
}

static void test_mount(void)
{
        const char *prefix[] = {"unshare", "--mount", NULL};
        CLEANUP_FREE char *image = join("%s/program", path);
        CLEANUP_FREE char *script = join("mount --bind %s/theirs %s; exec %s zero-fill", path, image, image);
        run(prefix, script, false);
}

static void test_root(void)
{
        const char *prefix[] = {"unshare", "--mount", NULL};
        CLEANUP_FREE char *image = join("%s/program", path);
        CLEANUP_FREE char *script =
                join("mount --rbind /proc %s/root/proc; exec chroot %s/root %s zero-fill", path, path, image);
        run(prefix, script, false);
}

static void test_all(void)
{
        const char *prefix[] = {"unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount", NULL};
        CLEANUP_FREE char *image = join("%s/program", path);
        CLEANUP_FREE char *script =
                join("mount -t proc proc %s/root/proc; exec chroot %s/root %s zero-fill", path, path, image);
        run(prefix, script, true);
}

static const struct test_case cases[] = {
        {"user", test_user}, {"mount", test_mount}, {"root", test_root}, {"all", test_all}};

int main(int argc, char **argv)
{
        CHECK(argc == 2, "usage: namespaces CASE");
        harness_begin(50);
        harness_need_full();
        harness_need_program("unshare");
        shell("unshare --user --map-root-user --pid --fork --mount --mount-proc true");
        make_folder();
        harness_run_case(cases, ARRAY_SIZE(cases), argv[1]);
        return 0;
}
