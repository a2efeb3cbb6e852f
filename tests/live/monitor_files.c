/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files that an engine may have: mapped images, maps, debug files, perf maps. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "proto/proto.h"
#include "tests/live/monitor_support.h"

static void *sleeper(void *arg)
{
        for (;;)
                pause();
        return NULL;
}

/* The leader is a zombie; the first of its two threads ends when it is told. */
static void *quitter(void *arg)
{
        target_hear((int)(intptr_t)arg);
        return NULL;
}

static void run_dwindling(int command, int answer)
{
        pthread_t thread;

        if (pthread_create(&thread, NULL, quitter, (void *)(intptr_t)command) != 0 ||
            pthread_create(&thread, NULL, sleeper, NULL) != 0)
                _exit(78);
        target_say(answer, 'r');
        syscall(SYS_exit, 0);
}

static size_t count_threads(pid_t pid)
{
        char path[64];
        struct stat st;

        snprintf(path, sizeof(path), "/proc/%d/task", pid);
        assert_int_equal(stat(path, &st), 0);
        return (size_t)st.st_nlink - 2;
}

static void expect_own_files(struct session *session, uint32_t trace)
{
        struct link_open open = {.trace = trace, .kind = LINK_OPEN_IMAGE, .path = "/"};
        struct stat st;
        char byte;

        assert_int_equal(stat("/proc/self/exe", &st), 0);
        open.addr = (uint64_t)(uintptr_t)run_dwindling;
        open.inode = st.st_ino;
        open.major = major(st.st_dev);
        open.minor = minor(st.st_dev);
        expect_same_file(session, open, &st);
        open.kind = LINK_OPEN_MAPS;
        struct link_received received = open_file(session, open);
        assert_int_equal(received.message.opened.error, 0);
        assert_int_equal(read(received.fds[0], &byte, 1), 1);
        link_close_fds(&received);
}

static void test_files_of_a_zombie_leader(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_dwindling);

        assert_int_equal(hear(target.answer), 'r');
        while (target_state(target.pid) != 'Z')
                sched_yield();
        struct attached attached = attach(&session, target.pid, 0);
        expect_own_files(&session, attached.trace.trace);
        say(target.command, 'q');
        while (count_threads(target.pid) != 2) /* the zombie and one more */
                sched_yield();
        expect_own_files(&session, attached.trace.trace);
        stop(&session, &attached);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

static void *mapped_file;

/* Maps the file "mapped" of the current directory. */
static void run_mapper(int command, int answer)
{
        target_say(answer, 'r');
        target_hear(command);
        target_say(answer, 'd');
        target_hear(command);
}

static void test_files(void **state)
{
        struct session session = session_start();
        char path[] = "/tmp/monitor-link-XXXXXX", other[64];
        int fd = mkstemp(path);
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, (off_t)PAGE), 0);
        assert_int_equal(fstat(fd, &st), 0);
        mapped_file = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
        assert_ptr_not_equal(mapped_file, MAP_FAILED);
        struct target target = target_start(run_mapper);
        assert_int_equal(hear(target.answer), 'r');
        munmap(mapped_file, PAGE);
        close(fd);
        struct attached attached = attach(&session, target.pid, 0);
        struct link_open open = {.trace = attached.trace.trace,
                                 .req = 9,
                                 .kind = LINK_OPEN_IMAGE,
                                 .addr = (uint64_t)(uintptr_t)mapped_file,
                                 .inode = st.st_ino,
                                 .major = major(st.st_dev),
                                 .minor = minor(st.st_dev)};

        memcpy(open.path, path, sizeof(path));
        expect_same_file(&session, open, &st);
        /* Renamed, then deleted: what is mapped is still what is opened. */
        snprintf(other, sizeof(other), "%s.renamed", path);
        assert_int_equal(rename(path, other), 0);
        expect_same_file(&session, open, &st);
        assert_int_equal(unlink(other), 0);
        expect_same_file(&session, open, &st);
        /* Nothing mapped there, and the path gone. */
        open.addr = 4096;
        expect_open_error(&session, open, ENOENT);
        /* By path alone: another inode than the record's, a directory, a device, a relative path. */
        memcpy(open.path, "/bin/sh", 8);
        expect_open_error(&session, open, ESTALE);
        memcpy(open.path, "/tmp", 5);
        expect_open_error(&session, open, EINVAL);
        memcpy(open.path, "/dev/zero", 10);
        expect_open_error(&session, open, EINVAL);
        memcpy(open.path, "bin/sh", 7);
        expect_open_error(&session, open, EINVAL);
        memset(open.path, 'x', sizeof(open.path));
        expect_open_error(&session, open, EINVAL);

        memset(&open, 0, sizeof(open));
        open.trace = attached.trace.trace;
        open.kind = LINK_OPEN_BUILD_ID;
        open.n_build_id = LINK_BUILD_ID_BYTES;
        expect_open_error(&session, open, ENOENT);
        open.n_build_id = LINK_BUILD_ID_BYTES + 1;
        expect_open_error(&session, open, EINVAL);
        open.kind = LINK_OPEN_DEBUGLINK;
        memcpy(open.path, "/bin/sh", 8);
        memcpy(open.name, "../../etc/passwd", 17);
        expect_open_error(&session, open, EINVAL);
        memcpy(open.name, "..", 3);
        expect_open_error(&session, open, EINVAL);
        memcpy(open.name, "no-such.debug", 14);
        expect_open_error(&session, open, ENOENT);
        open.kind = 77;
        expect_open_error(&session, open, EINVAL);

        open.kind = LINK_OPEN_MAPS;
        struct link_received maps = open_file(&session, open);
        assert_int_equal(maps.message.opened.error, 0);
        link_close_fds(&maps);
        open.kind = LINK_OPEN_KALLSYMS;
        struct link_received kallsyms = open_file(&session, open);
        assert_int_equal(kallsyms.message.opened.error,
                         (attached.started.degraded & (1u << LINK_LACKS_KALLSYMS)) != 0 ? EPERM : 0);
        link_close_fds(&kallsyms);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

/* --- what a JIT compiler writes for perf(1) --- */

static void run_idle(int command, int answer)
{
        target_say(answer, 'r');
        target_hear(command);
}

static void run_idle_as_nobody(int command, int answer)
{
        become_nobody();
        run_idle(command, answer);
}

static volatile pid_t *inner_pid; /* shared with run_contained() */
static char inner_root[32];

/* The process 1 of a pid namespace, with a root directory of its own. */
static void run_contained(int command, int answer)
{
        pid_t child;
        int status;

        if (unshare(CLONE_NEWPID) < 0)
                _exit(78);
        child = fork();
        if (child == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                if (chroot(inner_root) < 0 || chdir("/") < 0)
                        _exit(79);
                while (*inner_pid == 0)
                        sched_yield();
                run_idle(command, answer);
                _exit(0);
        }
        *inner_pid = child;
        if (child < 0 || waitpid(child, &status, 0) != child)
                _exit(80);
}

static struct stat make_file(const char *path, uid_t uid, mode_t mode)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        struct stat st;

        assert_true(fd >= 0);
        assert_int_equal(fchown(fd, uid, uid), 0);
        assert_int_equal(fchmod(fd, mode), 0);
        assert_int_equal(fstat(fd, &st), 0);
        close(fd);
        return st;
}

static struct link_open perf_map_of(const struct attached *attached)
{
        return (struct link_open){.trace = attached->trace.trace, .req = 3, .kind = LINK_OPEN_PERF_MAP};
}

static void test_perf_map(void **state)
{
        struct session session = session_start();
        struct target target = target_start(run_idle);
        char path[64];
        struct stat st;

        assert_int_equal(hear(target.answer), 'r');
        (void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", target.pid);
        struct attached attached = attach(&session, target.pid, 0);
        struct link_open open = perf_map_of(&attached);
        expect_open_error(&session, open, ENOENT);
        st = make_file(path, 0, 0600);
        expect_same_file(&session, open, &st);
        /* The path in the request is nobody's business. */
        memcpy(open.path, "/etc/passwd", 12);
        expect_same_file(&session, open, &st);
        assert_int_equal(unlink(path), 0);
        /* A stranger's, a link, something that is no file. */
        st = make_file(path, NOBODY, 0644);
        expect_open_error(&session, open, EACCES);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("/etc/passwd", path), 0);
        expect_open_error(&session, open, ELOOP);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(mkfifo(path, 0600), 0);
        expect_open_error(&session, open, EINVAL);
        assert_int_equal(unlink(path), 0);
        detach(&session, &attached);
        target_end(&target);
        session_end(&session);
}

/* As the client itself: what it may not read it does not get. */
static void test_perf_map_of_another_user(void **state)
{
        struct service service = service_start();
        struct session session = session_of_nobody(&service);
        struct target target = target_start(run_idle_as_nobody);
        char path[64];
        struct stat st;

        assert_int_equal(hear(target.answer), 'r');
        (void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", target.pid);
        struct attached attached = attach(&session, target.pid, 0);
        struct link_open open = perf_map_of(&attached);
        st = make_file(path, NOBODY, 0600);
        expect_same_file(&session, open, &st);
        assert_int_equal(unlink(path), 0);
        st = make_file(path, 0, 0644);
        expect_same_file(&session, open, &st);
        assert_int_equal(chmod(path, 0600), 0);
        expect_open_error(&session, open, EACCES);
        assert_int_equal(chmod(path, 0644), 0);
        assert_int_equal(chown(path, 1, 1), 0);
        expect_open_error(&session, open, EACCES);
        assert_int_equal(unlink(path), 0);
        detach(&session, &attached);
        target_end(&target);
        close(session.client);
        close(session.link_fd);
        service_end(&service);
}

static void test_perf_map_in_a_container(void **state)
{
        struct session session = session_start();
        char tmp[64], path[96];
        struct stat st;

        inner_pid = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_ptr_not_equal((void *)(uintptr_t)inner_pid, MAP_FAILED);
        memcpy(inner_root, "/tmp/monitor-files-XXXXXX", 26);
        assert_non_null(mkdtemp(inner_root));
        (void)snprintf(tmp, sizeof(tmp), "%s/tmp", inner_root);
        (void)snprintf(path, sizeof(path), "%s/perf-1.map", tmp);
        assert_int_equal(mkdir(tmp, 0700), 0);
        struct target target = target_start(run_contained);
        assert_int_equal(hear(target.answer), 'r');
        struct attached attached = attach(&session, *inner_pid, 0);
        struct link_open open = perf_map_of(&attached);
        expect_open_error(&session, open, ENOENT);
        st = make_file(path, 0, 0600);
        expect_same_file(&session, open, &st);
        /* No way leads around the last component either. */
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(tmp), 0);
        assert_int_equal(symlink("/", tmp), 0);
        (void)snprintf(path, sizeof(path), "%s/perf-1.map", inner_root);
        (void)make_file(path, 0, 0600);
        expect_open_error(&session, open, ELOOP);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(unlink(tmp), 0);
        assert_int_equal(rmdir(inner_root), 0);
        detach(&session, &attached);
        target_end(&target);
        munmap((void *)(uintptr_t)inner_pid, PAGE);
        session_end(&session);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_files_of_a_zombie_leader),
                cmocka_unit_test(test_files),
                cmocka_unit_test(test_perf_map),
                cmocka_unit_test(test_perf_map_of_another_user),
                cmocka_unit_test(test_perf_map_in_a_container),
        };
        int r = monitor_tests_cannot_run();

        return r != 0 ? r : cmocka_run_group_tests(tests, NULL, NULL);
}
