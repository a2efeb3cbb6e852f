/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * capabilities MANUAL TABLE: what a daemon can do with which capabilities, at which kernel.perf_event_paranoid and at
 * which kernel.yama.ptrace_scope. Tried, and compared with the tables in the source of faultlined(8), so that the page
 * is true on this kernel.
 *
 * The daemon is nobody with the capabilities in question; its client is root, who is let through everywhere, so what
 * is found is what the daemon can do, not what its client may. Sysctls are put back by a process of its own, which does
 * it as well when this one is killed.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "tests/live/modes_table.h"
#include "tests/support/harness.h"

#define OTHER 4001 /* neither root nor the daemon's user; needs no name */
#define PARANOID "/proc/sys/kernel/perf_event_paranoid"
#define SCOPE "/proc/sys/kernel/yama/ptrace_scope"
#define SERVICE "+perfmon,+sys_ptrace,+checkpoint_restore,+setuid,+setgid,+kill"

static char folder[64], private_folder[96];

static void remove_folder(void)
{
        static const char *const names[] = {"target_libc", "libc.so.6"};
        char path[192];

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                (void)snprintf(path, sizeof(path), "%s/%s", private_folder, names[i]);
                (void)unlink(path);
        }
        (void)rmdir(private_folder);
        (void)rmdir(folder);
}

static void run(const char *const *argv)
{
        struct child child;

        child_start(&child, argv, NULL);
        CHECK(child_wait(&child) == 0, "%s: %s", argv[0], child_errors(&child));
        child_close(&child);
}

/* Where the C library of this program lies. */
static void find_library(char path[static 256])
{
        FILE *maps = fopen("/proc/self/maps", "re");
        char line[512];
        bool found = false;

        CHECK(maps, "/proc/self/maps: %s", strerror(errno));
        while (!found && fgets(line, sizeof(line), maps))
                found = strstr(line, "/libc.so.6") && sscanf(line, "%*s %*s %*s %*s %*s %255s", path) == 1;
        (void)fclose(maps);
        if (!found)
                skip("the C library is not called libc.so.6");
}

/* A directory that the daemon may make its socket in, and a program with its library that only OTHER can reach. */
static void make_folders(void)
{
        char library[256];
        const char *install[] = {"install", "-o4001",       "-g4001", TARGETS_DIR "/target_libc",
                                 library,   private_folder, NULL};

        find_library(library);
        (void)snprintf(folder, sizeof(folder), "/tmp/faultline-capabilities-%d", (int)getpid());
        (void)snprintf(private_folder, sizeof(private_folder), "%s/private", folder);
        CHECK(mkdir(folder, 0755) == 0 && chdir(folder) == 0, "%s: %s", folder, strerror(errno));
        (void)atexit(remove_folder);
        CHECK(chown(folder, NOBODY, NOBODY) == 0, "chown: %s", strerror(errno));
        CHECK(mkdir(private_folder, 0700) == 0 && chown(private_folder, OTHER, OTHER) == 0, "%s: %s", private_folder,
              strerror(errno));
        run(install);
}

/* ------------------------------------------------------------------ a sysctl, for the time of the test */

static struct {
        pid_t pid;
        int pipe;
} keeper = {.pid = -1, .pipe = -1};

static bool sysctl_read(const char *path, char value[static 16])
{
        CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, value, 15);

        if (n <= 0)
                return false;
        value[n] = '\0';
        value[strcspn(value, "\n")] = '\0';
        return true;
}

static bool sysctl_write(const char *path, const char *value)
{
        CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

        return fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
}

static void end_keeper(void)
{
        cleanup_close(&keeper.pipe);
        (void)waitpid(keeper.pid, NULL, 0);
}

/* Skips the test if it cannot be set to what it is. */
static void keep_sysctl(const char *path)
{
        char value[16], byte;
        int ends[2];

        if (!sysctl_read(path, value))
                skip("%s is not there", path);
        if (!sysctl_write(path, value))
                skip("%s cannot be set: %s", path, strerror(errno));
        CHECK(pipe2(ends, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
        keeper.pid = fork();
        CHECK(keeper.pid >= 0, "fork: %s", strerror(errno));
        if (keeper.pid == 0) {
                (void)setsid();
                (void)signal(SIGTERM, SIG_IGN);
                (void)signal(SIGINT, SIG_IGN);
                (void)close(ends[1]);
                while (read(ends[0], &byte, 1) > 0)
                        continue;
                _exit(sysctl_write(path, value) ? 0 : 1);
        }
        (void)close(ends[0]);
        keeper.pipe = ends[1];
        (void)atexit(end_keeper);
}

/* ------------------------------------------------------------------ one trace */

struct found {
        bool is_attached, is_held, is_full, has_user, has_kernel, has_names, has_kernel_names;
};

static void start_target_of(struct target *target, uid_t uid)
{
        bool is_private = uid == OTHER;
        char user[32], group[32], program[160], library_path[160];
        const char *argv[] = {"setpriv", user,         group,   "--clear-groups",
                              "env",     library_path, program, is_private ? "read" : "zero-fill",
                              NULL};

        (void)snprintf(user, sizeof(user), "--reuid=%u", uid);
        (void)snprintf(group, sizeof(group), "--regid=%u", uid);
        (void)snprintf(library_path, sizeof(library_path), "LD_LIBRARY_PATH=%s", is_private ? private_folder : "");
        (void)snprintf(program, sizeof(program), "%s/%s", is_private ? private_folder : TARGETS_DIR,
                       is_private ? "target_libc" : "target_anon");
        target_start_program(target, argv);
}

static void look_at_faults(const struct client *client, struct found *found)
{
        json_t *fault;
        size_t i;

        json_array_foreach(client->faults, i, fault)
        {
                const json_t *caller = json_object_get(fault, "caller");

                found->has_user |= strcmp(text_of(fault, "mode"), "user") == 0;
                found->has_names |= caller && *text_of(caller, "symbol") &&
                                    strncmp(text_of(caller, "image"), private_folder, strlen(private_folder)) == 0;
        }
}

static struct found trace(const struct daemon *daemon, uid_t client_uid, uid_t target_uid)
{
        CLEANUP_FREE char *socket_option = daemon ? daemon_option(daemon) : NULL;
        char number[16];
        const char *args[] = {"-p", number, socket_option, NULL};
        struct found found = {0};
        struct target target;
        struct client client;
        const json_t *attached;

        start_target_of(&target, target_uid);
        (void)snprintf(number, sizeof(number), "%d", (int)target.pid);
        client_start_as(&client, client_uid, args);
        while (!client_find(&client, "attached") && client_read(&client))
                continue;
        attached = client_find(&client, "attached");
        found.is_attached = attached;
        target_open_gate(&target);
        if (attached) {
                client_read_until_done(&client, &target);
                CHECK(client_stop(&client) == 0, "the client failed");
                found.is_full = strcmp(text_of(attached, "detail"), "full") == 0 &&
                                !client_find_degraded(&client, "tracepoints");
                found.is_held =
                        strcmp(text_of(attached, "ptrace"), "off") != 0 && !client_find_degraded(&client, "barrier");
                found.has_kernel = !client_find_degraded(&client, "kernel-mode");
                found.has_kernel_names = found.has_kernel && !client_find_degraded(&client, "kernel-symbols");
                look_at_faults(&client, &found);
        } else {
                CHECK(client_finish(&client) == 1, "neither attached nor refused");
                child_release(&target.child);
        }
        client_free(&client);
        (void)target_finish(&target);
        return found;
}

/* ------------------------------------------------------------------ comparing */

static size_t n_wrong;

/* Everybody may read the numbers of tracepoints; usually only root may, but it is a matter of how tracefs is mounted.
 */
static bool is_tracefs_open(void)
{
        struct stat directory, number;

        return stat("/sys/kernel/tracing", &directory) == 0 && (directory.st_mode & S_IXOTH) &&
               stat("/sys/kernel/tracing/events/exceptions/page_fault_user/id", &number) == 0 &&
               (number.st_mode & S_IROTH);
}

/* "yes", "no", or on what it depends. */
static bool promises(const char *cell)
{
        int major, minor, our_major, our_minor;
        struct utsname system;

        if (strcmp(cell, "if tracefs is open") == 0)
                return is_tracefs_open();
        if (sscanf(cell, "since Linux %d.%d", &major, &minor) != 2)
                return strcmp(cell, "yes") == 0;
        CHECK(uname(&system) == 0 && sscanf(system.release, "%d.%d", &our_major, &our_minor) == 2, "which Linux?");
        return our_major > major || (our_major == major && our_minor >= minor);
}

static void compare(const char *row, const char *column, bool found)
{
        const char *cell = table_cell(row, column);
        bool is_wrong = promises(cell) != found;

        printf("%s, %s: %s%s%s\n", row, column, found ? "yes" : "no", is_wrong ? ", but the manual says " : "",
               is_wrong ? cell : "");
        n_wrong += is_wrong;
}

static void check_all_right(size_t n_rows)
{
        CHECK(table_n_features() == n_rows, "%zu rows, of which %zu are known", table_n_features(), n_rows);
        CHECK(n_wrong == 0, "%zu cells of the manual are wrong", n_wrong);
}

/* --------------------------------------------------------------- capabilities */

static const struct {
        const char *column, *capabilities; /* as setpriv(1) takes them */
        bool by_systemd;                   /* standard input is what systemd makes it */
} sets[] = {
        {"none", NULL, false},
        {"CAP_PERFMON", "+perfmon", false},
        {"CAP_SYS_PTRACE", "+sys_ptrace", false},
        {"both", "+perfmon,+sys_ptrace", false},
        {"the service's", SERVICE, true},
};

static void start_daemon(struct daemon *daemon, const char *capabilities, bool by_systemd)
{
        char inheritable[160], ambient[160];
        const char *script = by_systemd ? "exec \"$0\" \"$@\" </proc/kallsyms" : "exec \"$0\" \"$@\"";
        const char *wrapper[] = {"sh",
                                 "-c",
                                 script,
                                 "setpriv",
                                 "--reuid=65534",
                                 "--regid=65534",
                                 "--clear-groups",
                                 "--pdeathsig=keep",
                                 inheritable,
                                 ambient,
                                 NULL};

        (void)snprintf(inheritable, sizeof(inheritable), "--inh-caps=%s", capabilities ? capabilities : "-all");
        (void)snprintf(ambient, sizeof(ambient), "--ambient-caps=%s", capabilities ? capabilities : "-all");
        daemon_start(daemon, wrapper);
}

static void try_set(size_t i)
{
        const char *column = sets[i].column;
        struct found own, other, of_root;
        struct daemon daemon;

        start_daemon(&daemon, sets[i].capabilities, sets[i].by_systemd);
        own = trace(&daemon, 0, NOBODY);
        other = trace(&daemon, 0, OTHER);
        of_root = trace(&daemon, 0, 0);
        daemon_stop(&daemon);
        compare("own process: faults in user mode", column, own.has_user);
        compare("own process: faults in kernel mode", column, own.has_kernel);
        compare("own process: exact causes (full detail)", column, own.is_full);
        compare("own process: stopped for the attach", column, own.is_held);
        compare("another user's process", column, other.is_attached);
        compare("another user's process: stopped for the attach", column, other.is_held);
        compare("another user's process: names from libraries that only it may read", column, other.has_names);
        compare("root's process", column, of_root.is_attached);
        compare("names of kernel functions", column, own.has_kernel_names);
}

static void try_capabilities(void)
{
        keep_sysctl(PARANOID);
        CHECK(sysctl_write(PARANOID, "2"), "%s: %s", PARANOID, strerror(errno));
        for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
                try_set(i);
        check_all_right(9);
}

/* -------------------------------------------------------- perf_event_paranoid */

/* As the kernel without a level 3 has it, or as the manual says for those that have it. */
static bool is_as_at_2(const struct found *own, const struct found *service)
{
        return own->is_attached && service->is_attached;
}

static void try_level(const char *level)
{
        struct found own, other, service;
        struct daemon daemon;

        CHECK(sysctl_write(PARANOID, level), "%s: %s", PARANOID, strerror(errno));
        own = trace(NULL, NOBODY, NOBODY);
        other = trace(NULL, NOBODY, OTHER);
        start_daemon(&daemon, SERVICE ",+sys_admin", true);
        service = trace(&daemon, 0, OTHER);
        daemon_stop(&daemon);
        if (strcmp(level, "3") == 0 && is_as_at_2(&own, &service)) {
                printf("level 3: skipped, this kernel has none (it is as 2)\n");
                level = "2";
        }
        compare("no capability, own process: faults in user mode", level, own.has_user);
        compare("no capability, own process: faults in kernel mode", level, own.has_kernel);
        compare("no capability, own process: exact causes (full detail)", level, own.is_full);
        compare("no capability, another user's process", level, other.is_attached);
        compare("the service, another user's process: full detail", level, service.is_full);
}

static void try_paranoid(void)
{
        static const char *const levels[] = {"-1", "0", "1", "2", "3"};

        keep_sysctl(PARANOID);
        for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
                try_level(levels[i]);
        check_all_right(5);
}

/* --------------------------------------------------------------- ptrace_scope */

static void try_scope(const char *scope)
{
        struct found own, through_service, service;
        struct daemon daemon;

        own = trace(NULL, NOBODY, NOBODY);
        start_daemon(&daemon, SERVICE, true);
        daemon_open_to_all(&daemon);
        through_service = trace(&daemon, OTHER, OTHER);
        service = trace(&daemon, 0, OTHER);
        daemon_stop(&daemon);
        compare("no capability, own process: stopped for the attach", scope, own.is_held);
        compare("the service, a user's own process", scope, through_service.is_attached);
        compare("the service, for root: stopped for the attach", scope, service.is_held);
}

/* The last level cannot be left again before the next boot. */
static void try_scopes(void)
{
        static const char *const scopes[] = {"0", "1", "2"};

        if (access(SCOPE, F_OK) < 0) {
                printf("scopes 1, 2 and 3: skipped, this kernel has no Yama (it is as 0)\n");
                try_scope("0");
        } else {
                keep_sysctl(SCOPE);
                for (size_t i = 0; i < ARRAY_SIZE(scopes); i++) {
                        CHECK(sysctl_write(SCOPE, scopes[i]), "%s: %s", SCOPE, strerror(errno));
                        try_scope(scopes[i]);
                }
                printf("scope 3: skipped, it could not be left again\n");
        }
        check_all_right(3);
}

static const struct {
        const char *name, *section;
        void (*try)(void);
} tables[] = {
        {"capabilities", "## By capability", try_capabilities},
        {"paranoid", "## By kernel.perf_event_paranoid", try_paranoid},
        {"scope", "## By kernel.yama.ptrace_scope", try_scopes},
};

int main(int argc, char **argv)
{
        CHECK(argc == 3, "usage: capabilities MANUAL TABLE");
        harness_begin(100);
        harness_need_full();
        harness_need_program("setpriv");
        harness_need_reachable(NOBODY);
        for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
                if (strcmp(tables[i].name, argv[2]) == 0) {
                        table_read(argv[1], tables[i].section);
                        make_folders();
                        tables[i].try();
                        return 0;
                }
        fail("no table %s", argv[2]);
}
