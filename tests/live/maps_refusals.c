/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cannot be shown: processes without memory, those of others, a smaps that may not be read, a reader that has
 * gone. */
#include "tests/live/maps_cases.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

static void check_says(uid_t uid, pid_t pid, const char *text)
{
        char number[16];
        const char *argv[] = {FAULTLINE_PATH, "maps", number, NULL};
        const struct child_options options = {.uid = uid};
        CLEANUP_FREE char *errors = NULL;
        struct child client;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(&client, argv, &options);
        CHECK(!lines_next(&client.out), "something is shown of process %d", (int)pid);
        CHECK(child_wait(&client) == 1, "no failure of process %d", (int)pid);
        errors = child_errors(&client);
        CHECK(strstr(errors, text) && strchr(errors, '\n') == errors + strlen(errors) - 1,
              "not one line with '%s': '%s'", text, errors);
        child_close(&client);
}

static void check_dead_ones(void)
{
        siginfo_t info;
        pid_t pid = fork();

        CHECK(pid >= 0, "fork: %s", strerror(errno));
        if (pid == 0)
                _exit(0);
        CHECK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0, "waitid: %s", strerror(errno));
        check_says(0, pid, "has ended and only waits for its parent");
        CHECK(waitpid(pid, NULL, 0) == pid, "waitpid: %s", strerror(errno));
        check_says(0, pid, "there is no process ");
}

/* Process 2 is the parent of the kernel's threads where there is one. */
static void check_kernel_thread(void)
{
        if (access("/proc/2/status", F_OK) == 0) {
                CLEANUP_FREE char *status = read_proc(2, "status");

                if (strstr(status, "kthreadd"))
                        check_says(0, 2, "is a thread of the kernel");
        }
}

/* A device on a file system without devices cannot be opened, by root either. */
static void forbid_smaps(pid_t pid)
{
        char path[64];

        (void)snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
        CHECK(mkdir("maps-nodev", 0700) == 0 && mount("none", "maps-nodev", "tmpfs", MS_NODEV, NULL) == 0 &&
                      mknod("maps-nodev/null", S_IFCHR | 0600, makedev(1, 3)) == 0 &&
                      mount("maps-nodev/null", path, NULL, MS_BIND, NULL) == 0,
              "cannot forbid %s: %s", path, strerror(errno));
        CHECK(open(path, O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES, "smaps can still be read");
        CHECK(umount2("maps-nodev", MNT_DETACH) == 0 && rmdir("maps-nodev") == 0, "cannot clean up: %s",
              strerror(errno));
}

static void check_only_maps(pid_t pid)
{
        char number[16];
        const char *argv[] = {FAULTLINE_PATH, "maps", number, NULL};
        CLEANUP_FREE char *maps = read_proc(pid, "maps");
        struct child client;
        struct shown shown;
        bool noted = false;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        forbid_smaps(pid);
        show_maps(pid, &shown);
        check_all(&shown, maps, true);
        CHECK(!json_object_get(shown.totals, "rss"), "made up: %s", describe(shown.totals));
        free_shown(&shown);
        child_start(&client, argv, NULL);
        for (const char *line; (line = lines_next(&client.out));)
                noted |= strstr(line, "smaps cannot be read, only maps") != NULL;
        CHECK(child_wait(&client) == 0 && noted, "nothing is said about smaps");
        child_close(&client);
}

static void check_closed_pipe(pid_t pid)
{
        char number[16];
        const char *argv[] = {FAULTLINE_PATH, "maps", number, NULL};
        CLEANUP_FREE char *errors = NULL;
        struct child client;

        (void)snprintf(number, sizeof(number), "%d", (int)pid);
        child_start(&client, argv, &(struct child_options){.held = true});
        (void)close(client.out.fd);
        client.out.fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        child_release(&client);
        CHECK(child_wait(&client) == 1, "the status tells nothing about the closed pipe");
        errors = child_errors(&client);
        CHECK(errors[0] == '\0', "it is not quiet: %s", errors);
        child_close(&client);
}

void test_refusals(void)
{
        struct child child;

        begin_root();
        harness_need_reachable(NOBODY);
        start_smallest(&child);
        check_dead_ones();
        check_kernel_thread();
        check_says(NOBODY, child.pid,
                   "(pause) may not be looked at: it belongs to user 0, and we are user 65534; run "
                   "faultline as that user or as root");
        check_closed_pipe(child.pid);
        check_only_maps(child.pid);
        end_program(&child, child.pid);
}
