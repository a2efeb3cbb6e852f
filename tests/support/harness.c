/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Processes, pipes and lines of the live tests. Reads are blocking: what never comes ends the test by its alarm, with
 * the reason that harness_doing() left. Children are not killed one by one when a test fails: clients die with the test
 * (PR_SET_PDEATHSIG), targets see the end of their standard input, clean up and leave.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define PATIENCE 4 /* others may keep the machine busy; tests/live/CMakeLists.txt has the same */

/*
 * Read by AddressSanitizer's runtime when there is one. A test ends with its process and frees little; the programs
 * that it starts are still asked for their leaks.
 */
__attribute__((visibility("default"), used)) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
        return "detect_leaks=0";
}

static const char *doing = "starting";
static const struct child *watched;

void harness_watch(const struct child *child)
{
        watched = child;
}

void child_check_sanitizers(const struct child *child)
{
        CLEANUP_FREE char *text = child_errors(child);

        CHECK(!strstr(text, "Sanitizer") && !strstr(text, "runtime error"), "a sanitizer speaks: %s", text);
}

void child_show_errors(const struct child *child)
{
        CLEANUP_FREE char *text = child ? child_errors(child) : NULL;

        if (text && *text)
                (void)fprintf(stderr, "--- standard error of pid %d:\n%s---\n", (int)child->pid, text);
}

void fail(const char *format, ...)
{
        va_list args;

        (void)fprintf(stderr, "FAIL (%s): ", doing);
        va_start(args, format);
        (void)vfprintf(stderr, format, args);
        va_end(args);
        (void)fprintf(stderr, "\n");
        child_show_errors(watched);
        exit(1);
}

void skip(const char *format, ...)
{
        va_list args;

        printf("SKIP: ");
        va_start(args, format);
        (void)vprintf(format, args);
        va_end(args);
        printf("\n");
        exit(77);
}

void harness_doing(const char *text)
{
        doing = text;
}

static void on_alarm(int signo)
{
        (void)signo;
        /* Not safe in a handler in general; the process only waits in read or poll when it comes to this. */
        fail("no end in sight, time is up");
}

/* faultlined needs no mount of it. */
static bool have_tracefs(void)
{
        char line[128];
        bool found = false;
        FILE *f = fopen("/proc/filesystems", "re");

        while (f && fgets(line, sizeof(line), f))
                found |= strstr(line, "\ttracefs\n") != NULL;
        if (f)
                (void)fclose(f);
        return found;
}

void harness_run_case(const struct test_case *cases, size_t n, const char *name)
{
        for (size_t i = 0; i < n; i++)
                if (strcmp(cases[i].name, name) == 0) {
                        cases[i].run();
                        return;
                }
        fail("no case %s", name);
}

void harness_begin(unsigned int limit_seconds)
{
        (void)signal(SIGALRM, on_alarm);
        (void)signal(SIGPIPE, SIG_IGN);
        (void)alarm(limit_seconds * PATIENCE);
}

void harness_need_root(void)
{
        if (geteuid() != 0)
                skip("needs root");
}

void harness_need_full(void)
{
        harness_need_root();
        if (!have_tracefs())
                skip("this kernel has no tracefs");
}

void harness_need_program(const char *name)
{
        const char *path = getenv("PATH");
        char file[4096];

        while (path && *path) {
                size_t n = strcspn(path, ":");

                (void)snprintf(file, sizeof(file), "%.*s/%s", (int)n, path, name);
                if (access(file, X_OK) == 0)
                        return;
                path += n + (path[n] == ':');
        }
        skip("%s is not installed", name);
}

void harness_need_reachable(uid_t uid)
{
        const char *argv[] = {FAULTLINE_PATH, "--version", NULL};
        struct child child;

        child_start(&child, argv, &(struct child_options){.uid = uid});
        if (child_wait(&child) != 0)
                skip("uid %d cannot execute %s", (int)uid, FAULTLINE_PATH);
        child_close(&child);
}

static void *grown(void *memory, size_t n_bytes)
{
        void *p = realloc(memory, n_bytes);

        CHECK(p, "out of memory");
        return p;
}

void lines_fill(struct lines *lines)
{
        ssize_t n;

        if (lines->start > 0) {
                memmove(lines->data, lines->data + lines->start, lines->end - lines->start);
                lines->end -= lines->start;
                lines->start = 0;
        }
        if (lines->end + 1 >= lines->size_bytes) {
                lines->size_bytes = lines->size_bytes ? 2 * lines->size_bytes : 1 << 16;
                lines->data = grown(lines->data, lines->size_bytes);
        }
        do
                n = read(lines->fd, lines->data + lines->end, lines->size_bytes - lines->end - 1);
        while (n < 0 && errno == EINTR);
        CHECK(n >= 0, "reading from a child: %s", strerror(errno));
        lines->end += (size_t)n;
        lines->eof = n == 0;
}

char *lines_take(struct lines *lines)
{
        char *line = lines->data ? lines->data + lines->start : NULL;
        char *newline = line ? memchr(line, '\n', lines->end - lines->start) : NULL;

        if (!newline)
                return NULL;
        *newline = '\0';
        lines->start = (size_t)(newline + 1 - lines->data);
        return line;
}

char *lines_next(struct lines *lines)
{
        for (;;) {
                char *line = lines_take(lines);

                if (line)
                        return line;
                if (lines->eof) {
                        CHECK(lines->start == lines->end, "a child's output ends within a line");
                        return NULL;
                }
                lines_fill(lines);
        }
}

static void become(uid_t uid)
{
        if (uid == 0)
                return;
        if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
                _exit(126);
        (void)prctl(PR_SET_DUMPABLE, 1);
}

static _Noreturn void child_run(const char *const *argv, const struct child_options *options, int in, int out, int err)
{
        pid_t parent = getppid();
        char byte;

        become(options->uid);
        if (options->dies_with_us)
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
                _exit(126);
        (void)signal(SIGPIPE, SIG_DFL);
        if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
                _exit(126);
        if (options->held && read(0, &byte, 1) != 1)
                _exit(126);
        (void)execvp(argv[0], (char *const *)(uintptr_t)argv);
        (void)dprintf(2, "%s: %s\n", argv[0], strerror(errno));
        _exit(127);
}

void child_start(struct child *child, const char *const *argv, const struct child_options *options)
{
        static const struct child_options plain;
        int in[2], out[2];

        memset(child, 0, sizeof(*child));
        child->error_fd = memfd_create("standard error", MFD_CLOEXEC);
        CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && child->error_fd >= 0, "no descriptors: %s",
              strerror(errno));
        child->pid = fork();
        CHECK(child->pid >= 0, "fork: %s", strerror(errno));
        if (child->pid == 0)
                child_run(argv, options ? options : &plain, in[0], out[1], child->error_fd);
        (void)close(in[0]);
        (void)close(out[1]);
        child->in_fd = in[1];
        child->out.fd = out[0];
}

void child_release(struct child *child)
{
        CHECK(write(child->in_fd, "x", 1) == 1, "a child is gone: %s", strerror(errno));
}

char process_state(pid_t pid)
{
        char path[64], text[512], *p;
        size_t n;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
        f = fopen(path, "re");
        if (!f)
                return 0;
        n = fread(text, 1, sizeof(text) - 1, f);
        (void)fclose(f);
        text[n] = '\0';
        p = strrchr(text, ')');
        return p && p[1] == ' ' ? p[2] : '\0';
}

void process_wait_state(pid_t pid, char state)
{
        while (process_state(pid) != state) {
                CHECK(process_state(pid), "process %d is gone", (int)pid);
                (void)poll(NULL, 0, 1);
        }
}

pid_t process_child(pid_t pid)
{
        char path[64];
        pid_t child = 0;
        FILE *f;

        (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)pid, (int)pid);
        f = fopen(path, "re");
        if (!f)
                return 0;
        if (fscanf(f, "%d", &child) != 1)
                child = 0;
        (void)fclose(f);
        return child;
}

int child_wait(struct child *child)
{
        pid_t pid;

        do
                pid = waitpid(child->pid, &child->status, 0);
        while (pid < 0 && errno == EINTR);
        CHECK(pid == child->pid, "waitpid: %s", strerror(errno));
        if (WIFSIGNALED(child->status))
                return 128 + WTERMSIG(child->status);
        return WEXITSTATUS(child->status);
}

char *child_errors(const struct child *child)
{
        struct stat st;
        char *text;
        ssize_t n;

        if (fstat(child->error_fd, &st) < 0)
                return NULL;
        text = grown(NULL, (size_t)st.st_size + 1);
        n = pread(child->error_fd, text, (size_t)st.st_size, 0);
        text[n > 0 ? n : 0] = '\0';
        return text;
}

void child_close(struct child *child)
{
        if (watched == child)
                watched = NULL;
        (void)close(child->in_fd);
        (void)close(child->out.fd);
        (void)close(child->error_fd);
        free(child->out.data);
}
