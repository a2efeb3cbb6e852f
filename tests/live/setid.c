/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * setid KIND CASE: a target that executes a program which the kernel does not let everybody see: set-user-ID ("setuid")
 * or without the right to read it ("unreadable"). The kernel removes the trace's events there, even root's.
 *
 *   root         held, and the peer may trace the new program: the trace goes on without a fault missing
 *   nobody       held for a user who may not: the trace ends with its reason, nothing of the new program was told
 *   root-light   not held: the trace ends with its reason
 *   root-child   a followed child executes it: as root, and the parent's trace goes on
 *   nobody-child as nobody: the child is revoked, the parent's trace goes on
 *
 * In each of them the new program gets the rights that it gets without us.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "tests/support/harness.h"

#define TARGET TARGETS_DIR "/target_setid"
#define N_INSIDE 16

static char folder[] = "faultline-setid-XXXXXX", program[128];

static void copy_target(uid_t owner, mode_t mode)
{
        CLEANUP_CLOSE int from = open(TARGET, O_RDONLY | O_CLOEXEC), to = -1;
        struct stat st;
        off_t at = 0;

        to = open(program, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        CHECK(from >= 0 && to >= 0 && fstat(from, &st) == 0, "%s: %s", program, strerror(errno));
        while (at < st.st_size)
                CHECK(sendfile(to, from, &at, (size_t)(st.st_size - at)) > 0, "%s: %s", program, strerror(errno));
        CHECK(fchown(to, owner, owner) == 0 && fchmod(to, mode) == 0, "%s: %s", program, strerror(errno));
}

static void remove_program(void)
{
        (void)unlink(program);
        (void)rmdir(folder);
}

static void make_program(const char *kind)
{
        struct statvfs fs;
        char *cwd = get_current_dir_name();

        CHECK(mkdtemp(folder) && chmod(folder, 0755) == 0 && statvfs(folder, &fs) == 0, "%s: %s", folder,
              strerror(errno));
        (void)snprintf(program, sizeof(program), "%s/program", folder);
        if (strcmp(kind, "setuid") == 0 && (fs.f_flag & ST_NOSUID)) {
                remove_program();
                skip("%s: set-user-ID programs have no effect on this file system", cwd);
        }
        if (strcmp(kind, "setuid") == 0)
                copy_target(0, 04755);
        else
                copy_target(0, 0711);
        free(cwd);
        CHECK(setenv("TARGET_PROGRAM", program, 1) == 0, "setenv: %s", strerror(errno));
}

/* The new program's rights; its process. */
static pid_t read_rights(struct target *target, const char *kind)
{
        int uid, euid, pid;
        const char *line = lines_next(&target->child.out);

        CHECK(line && sscanf(line, "rights %d %d %d", &uid, &euid, &pid) == 3, "the target says: %s",
              line ? line : "nothing");
        CHECK(uid == NOBODY && euid == (strcmp(kind, "setuid") == 0 ? 0 : NOBODY),
              "the new program has uid %d, euid %d", uid, euid);
        return pid;
}

static bool is_inside(const json_t *expectation)
{
        return number_of(expectation, "n") == N_INSIDE;
}

/*
 * Announced faults of the new program, if they are to be seen, and of the old one: each once. The names of a program
 * that is gone can be had only by those who may see what took its place.
 */
static void check_faults(const struct client *client, const struct target *target, bool sees_inside)
{
        size_t i, k;
        json_t *e, *fault;

        json_array_foreach(target->expected, i, e)
        {
                uint64_t start = address_of(e, "addr"), n = number_of(e, "n"), n_seen = 0;

                json_array_foreach(client->faults, k, fault)
                {
                        uint64_t addr = address_of(fault, "addr");

                        if (addr < start || addr >= start + n * number_of(e, "stride"))
                                continue;
                        CHECK(strcmp(text_of(fault, "cause"), text_of(e, "cause")) == 0, "not as announced: %s",
                              json_dumps(fault, 0));
                        CHECK(!sees_inside ||
                                      strcmp(text_of(json_object_get(fault, "code"), "symbol"), "touch_write") == 0,
                              "not from touch_write: %s", json_dumps(fault, 0));
                        n_seen++;
                }
                CHECK(n_seen == (is_inside(e) && !sees_inside ? 0 : n),
                      "%" PRIu64 " of %" PRIu64 " faults of %s program", n_seen, n,
                      is_inside(e) ? "the new" : "the old");
        }
}

/* Nothing that the new program did is told, not even what it is called. */
static void check_secret(const struct client *client, pid_t pid)
{
        json_t *line;
        size_t i;
        bool revoked = false;

        json_array_foreach(client->faults, i, line) CHECK(strcmp(text_of(line, "comm"), "program") != 0,
                                                          "told of the new program: %s", json_dumps(line, 0));
        json_array_foreach(client->others, i, line)
        {
                const char *type = text_of(line, "type");

                CHECK(strcmp(text_of(line, "comm"), "program") != 0, "told of the new program: %s",
                      json_dumps(line, 0));
                if (strcmp(type, "revoked") == 0) {
                        CHECK(number_of(line, "pid") == (uint64_t)pid && *text_of(line, "reason"), "revoked: %s",
                              json_dumps(line, 0));
                        revoked = true;
                }
                CHECK(strcmp(type, "signal") != 0, "told of the new program: %s", json_dumps(line, 0));
        }
        CHECK(revoked || !client_find(client, "revoked"), "another process was revoked");
}

static void check_end(const struct client *client, const char *reason)
{
        const json_t *end = client_find(client, "end");

        CHECK(end && strcmp(text_of(end, "reason"), reason) == 0, "the end should be \"%s\": %s", reason,
              end ? json_dumps(end, 0) : "none");
        if (strcmp(reason, "exited") != 0)
                CHECK(*text_of(end, "text"), "it does not say why: %s", json_dumps(end, 0));
}

struct plan {
        const char *name, *which; /* case of the target */
        uid_t uid;                /* of the client */
        const char *mode;
        bool sees_inside;
        const char *reason;
};

static const struct plan plans[] = {
        {"root", "enter", 0, "--ptrace=hold", true, "exited"},
        {"nobody", "enter", NOBODY, "--ptrace=hold", false, "stripped"},
        {"root-light", "enter", 0, "--ptrace=light", false, "stripped"},
        {"root-child", "child", 0, "--ptrace=hold", true, "exited"},
        {"nobody-child", "child", NOBODY, "--ptrace=hold", false, "exited"},
};

static void run(const struct plan *plan, const char *kind)
{
        CLEANUP_FREE char *socket_option = NULL;
        struct daemon daemon;
        struct target target;
        struct client client;
        char pid[16];
        const char *args[6] = {"-p", pid, plan->mode};
        bool is_child = strcmp(plan->which, "child") == 0;
        pid_t inside;

        daemon_start(&daemon, NULL);
        daemon_open_to_all(&daemon);
        args[3] = socket_option = daemon_option(&daemon);
        if (is_child)
                args[4] = "--follow";
        target_start_as(&target, NOBODY, "setid", plan->which, NULL);
        (void)snprintf(pid, sizeof(pid), "%d", (int)target.pid);
        client_start_as(&client, plan->uid, args);
        (void)client_wait_for(&client, "attached");
        target_open_gate(&target);
        harness_doing("waiting for the new program");
        inside = read_rights(&target, kind);
        client_read_until_done(&client, &target);
        if (is_child) { /* of the new program; the parent's comes when that has ended */
                child_release(&target.child);
                client_read_until_done(&client, &target);
        }
        child_release(&target.child);
        CHECK(client_finish(&client) == 0, "the client failed");
        check_faults(&client, &target, plan->sees_inside);
        check_end(&client, plan->reason);
        if (plan->uid != 0)
                check_secret(&client, inside);
        if (plan->uid != 0 && is_child)
                CHECK(client_n(&client, "revoked") == 1, "the child was not revoked");
        if (plan->sees_inside)
                check_nothing_missing(&client);
        client_free(&client);
        CHECK(target_finish(&target) == 0, "the target failed");
        daemon_stop(&daemon);
}

int main(int argc, char **argv)
{
        CHECK(argc == 3, "usage: setid KIND CASE");
        harness_begin(50);
        harness_need_full();
        harness_need_reachable(NOBODY);
        make_program(argv[1]);
        (void)atexit(remove_program);
        for (size_t i = 0; i < ARRAY_SIZE(plans); i++)
                if (strcmp(plans[i].name, argv[2]) == 0) {
                        run(&plans[i], argv[1]);
                        return 0;
                }
        fail("no case %s", argv[2]);
}
