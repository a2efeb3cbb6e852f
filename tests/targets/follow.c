/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * follow CASE: processes that come from the one that is traced. Whose fault it is, and in which address space, is what
 * is announced; only for areas that are announced, since what a forked child faults on otherwise is the C library's
 * business. Expectations name their process ("who"); behind "done" come "who NAME PID PARENT".
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "target.h"

#define N_CHILDREN 3
#define N_GRANDCHILDREN 2
#define N_EACH 8
#define N_THREADS 4
#define MAX_PROCESSES 16
#define CHILD_STACK_BYTES (64UL << 10)
/* Where no loader puts anything. */
#define PROGRAM_AREA ((char *)0x310000000000)
#define NEW_AREA ((char *)0x320000000000)

extern char **environ;

/* Shared with every descendant. */
static struct table {
        struct {
                char name[16];
                pid_t pid, parent;
        } processes[MAX_PROCESSES];
        _Atomic size_t n, n_ready;
        atomic_bool again, go;
} * table;

static void make_table(void)
{
        table = mmap(NULL, sizeof(*table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (table == MAP_FAILED)
                target_fail("mapping memory");
        target_populate(table, sizeof(*table), true);
}

static void enroll(const char *name, pid_t pid, pid_t parent)
{
        size_t i = atomic_fetch_add(&table->n, 1);

        (void)snprintf(table->processes[i].name, sizeof(table->processes[i].name), "%s", name);
        table->processes[i].pid = pid;
        table->processes[i].parent = parent;
}

static void tell_who(void)
{
        for (size_t i = 0; i < table->n; i++)
                printf("who %s %d %d\n", table->processes[i].name, (int)table->processes[i].pid,
                       (int)table->processes[i].parent);
        printf("who end 0 0\n");
        (void)fflush(stdout);
}

static void announce(const char *who, const char *p, size_t n, const char *cause, const char *access, const char *path)
{
        printf("{\"who\":\"%s\",\"addr\":\"0x%lx\",\"n\":%zu,\"stride\":%lu,\"cause\":\"%s\",\"access\":\"%s\","
               "\"path\":\"%s\"}\n",
               who, (unsigned long)p, n, PAGE_BYTES, cause, access, path);
}

static pid_t must_fork(void)
{
        pid_t pid = fork();

        if (pid < 0)
                target_fail("fork");
        if (pid == 0)
                (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        return pid;
}

static void reap(pid_t pid)
{
        int status;

        if (waitpid(pid, &status, 0) != pid || status != 0)
                target_fail("a child");
}

static void ready_and_wait(void)
{
        atomic_fetch_add(&table->n_ready, 1);
        while (!atomic_load(&table->go))
                (void)sched_yield();
}

/* --- a tree: all live until the last has written, so every write is a copy --- */

static const char *tree_name(size_t child, size_t grandchild)
{
        static char name[16];

        (void)snprintf(name, sizeof(name), grandchild ? "c%zu.%zu" : "c%zu", child, grandchild);
        return name;
}

static _Noreturn void run_child(char *area, size_t child)
{
        pid_t pids[N_GRANDCHILDREN];

        for (size_t g = 1; g <= N_GRANDCHILDREN; g++) {
                pids[g - 1] = must_fork();
                if (pids[g - 1] != 0)
                        continue;
                enroll(tree_name(child, g), getpid(), getppid());
                touch_write_each(area + (child * (N_GRANDCHILDREN + 1) + g) * N_EACH * PAGE_BYTES, N_EACH, PAGE_BYTES);
                ready_and_wait();
                _exit(0);
        }
        touch_write_each(area + child * (N_GRANDCHILDREN + 1) * N_EACH * PAGE_BYTES, N_EACH, PAGE_BYTES);
        ready_and_wait();
        for (size_t g = 0; g < N_GRANDCHILDREN; g++)
                reap(pids[g]);
        _exit(0);
}

static void tree(void)
{
        const size_t n_processes = N_CHILDREN * (N_GRANDCHILDREN + 1);
        size_t n_pages = (n_processes + 1) * N_EACH;
        char *area = map_anon(n_pages * PAGE_BYTES), *own = area + n_processes * N_EACH * PAGE_BYTES;
        pid_t pids[N_CHILDREN];

        make_table();
        target_populate(area, n_pages * PAGE_BYTES, true);
        for (size_t c = 0; c < N_CHILDREN; c++)
                for (size_t g = 0; g <= N_GRANDCHILDREN; g++)
                        announce(tree_name(c, g), area + (c * (N_GRANDCHILDREN + 1) + g) * N_EACH * PAGE_BYTES, N_EACH,
                                 "cow-copy", "write", "");
        announce("self", own, N_EACH, "cow-copy", "write", "");
        target_gate();
        for (size_t c = 0; c < N_CHILDREN; c++) {
                pids[c] = must_fork();
                if (pids[c] == 0)
                        run_child(area, c);
                enroll(tree_name(c, 0), pids[c], getpid());
        }
        while (atomic_load(&table->n_ready) < n_processes)
                (void)sched_yield();
        touch_write_each(own, N_EACH, PAGE_BYTES);
        atomic_store(&table->go, true);
        for (size_t c = 0; c < N_CHILDREN; c++)
                reap(pids[c]);
        target_done();
        tell_who();
}

/* --- the same addresses, other maps --- */

static _Noreturn void run_other_maps(char *area)
{
        int fd = memfd_create("other", MFD_CLOEXEC);

        if (fd < 0 || ftruncate(fd, N_EACH * PAGE_BYTES) < 0 ||
            mmap(area, N_EACH * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != area)
                _exit(1);
        touch_write_each(area, N_EACH, PAGE_BYTES);
        ready_and_wait();
        _exit(0);
}

static void other_maps(void)
{
        char *area = map_anon(N_EACH * PAGE_BYTES);
        pid_t child;

        make_table();
        announce("child", area, N_EACH, "shmem", "write", "/memfd:other (deleted)");
        announce("self", area, N_EACH, "zero-fill", "write", "");
        target_gate();
        child = must_fork();
        if (child == 0)
                run_other_maps(area);
        enroll("child", child, getpid());
        while (atomic_load(&table->n_ready) < 1)
                (void)sched_yield();
        touch_write_each(area, N_EACH, PAGE_BYTES);
        atomic_store(&table->go, true);
        reap(child);
        target_done();
        tell_who();
}

/* --- a child's threads --- */

static void *touch_part(void *data)
{
        touch_write_each(data, N_EACH, PAGE_BYTES);
        return NULL;
}

static _Noreturn void run_threads(char *area)
{
        pthread_t threads[N_THREADS];

        for (size_t i = 0; i < N_THREADS; i++)
                if (pthread_create(&threads[i], NULL, touch_part, area + i * N_EACH * PAGE_BYTES) != 0)
                        _exit(1);
        for (size_t i = 0; i < N_THREADS; i++)
                (void)pthread_join(threads[i], NULL);
        _exit(0);
}

static void childs_threads(void)
{
        char *area = map_anon(N_THREADS * N_EACH * PAGE_BYTES);
        pid_t child;

        make_table();
        announce("child", area, N_THREADS * N_EACH, "zero-fill", "write", "");
        target_gate();
        child = must_fork();
        if (child == 0)
                run_threads(area);
        enroll("child", child, getpid());
        reap(child);
        target_done();
        tell_who();
}

/* --- vfork, exec: first in the parent's memory, then in its own --- */

static void program(void)
{
        char *area = mmap(PROGRAM_AREA, N_EACH * PAGE_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

        if (area != PROGRAM_AREA)
                _exit(1);
        (void)madvise(area, N_EACH * PAGE_BYTES, MADV_NOHUGEPAGE);
        touch_write_each(area, N_EACH, PAGE_BYTES);
        _exit(0);
}

static char *const program_argv[] = {(char[]){"target_follow"}, (char[]){"program"}, NULL};

static void vfork_exec(void)
{
        char *area = map_anon(2 * N_EACH * PAGE_BYTES);
        pid_t child;

        make_table();
        announce("child", area, N_EACH, "zero-fill", "write", "");
        announce("self", area + N_EACH * PAGE_BYTES, N_EACH, "zero-fill", "write", "");
        announce("child", PROGRAM_AREA, N_EACH, "zero-fill", "write", "");
        target_gate();
        child = vfork();
        if (child == 0) {
                touch_write_each(area, N_EACH, PAGE_BYTES);
                (void)execve("/proc/self/exe", program_argv, environ);
                _exit(1);
        }
        enroll("child", child, getpid());
        touch_write_each(area + N_EACH * PAGE_BYTES, N_EACH, PAGE_BYTES);
        touch_write_each(area, N_EACH, PAGE_BYTES); /* present already: the child's writes were ours */
        reap(child);
        target_done();
        tell_who();
}

static void spawn(void)
{
        char *area = map_anon(N_EACH * PAGE_BYTES);
        pid_t child;

        make_table();
        announce("self", area, N_EACH, "zero-fill", "write", "");
        announce("child", PROGRAM_AREA, N_EACH, "zero-fill", "write", "");
        target_gate();
        if (posix_spawn(&child, "/proc/self/exe", NULL, NULL, program_argv, environ) != 0)
                target_fail("posix_spawn");
        enroll("child", child, getpid());
        reap(child);
        touch_write_each(area, N_EACH, PAGE_BYTES);
        target_done();
        tell_who();
}

/* --- a process of its own with our memory: what it maps is ours --- */

static int run_sharing(void *data)
{
        char *area = data;

        touch_write_each(area, N_EACH, PAGE_BYTES);
        if (mmap(NEW_AREA, 2 * N_EACH * PAGE_BYTES, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != NEW_AREA)
                return 1;
        touch_write_each(NEW_AREA, N_EACH, PAGE_BYTES);
        ready_and_wait();
        return 0;
}

static void sharing(void)
{
        char *area = map_anon(2 * N_EACH * PAGE_BYTES), *stack = map_anon(CHILD_STACK_BYTES);
        pid_t child;

        make_table();
        target_populate(stack, CHILD_STACK_BYTES, true);
        announce("child", area, N_EACH, "zero-fill", "write", "");
        announce("child", NEW_AREA, N_EACH, "zero-fill", "write", "");
        announce("self", area + N_EACH * PAGE_BYTES, N_EACH, "zero-fill", "write", "");
        announce("self", NEW_AREA + N_EACH * PAGE_BYTES, N_EACH, "zero-fill", "write", "");
        target_gate();
        child = clone(run_sharing, stack + CHILD_STACK_BYTES, CLONE_VM | SIGCHLD, area);
        if (child < 0)
                target_fail("clone");
        enroll("child", child, getpid());
        while (atomic_load(&table->n_ready) < 1)
                (void)sched_yield();
        touch_write_each(area + N_EACH * PAGE_BYTES, N_EACH, PAGE_BYTES);
        touch_write_each(NEW_AREA + N_EACH * PAGE_BYTES, N_EACH, PAGE_BYTES);
        target_done(); /* until then there is somebody whose memory can be compared */
        atomic_store(&table->go, true);
        reap(child);
        tell_who();
}

/* --- whoever watches dies at the first "done": children born before, and children of both born after --- */

enum { PART_EARLY, PART_EARLY_LATE, PART_GRANDCHILD, PART_CHILD, PART_SELF, PART_SELF_LATE, N_PARTS };

static char *part(char *area, size_t i)
{
        return area + i * N_EACH * PAGE_BYTES;
}

static void await_ready(size_t n)
{
        while (atomic_load(&table->n_ready) < n)
                (void)sched_yield();
}

static _Noreturn void run_late(const char *name, char *at)
{
        enroll(name, getpid(), getppid());
        touch_write_each(at, N_EACH, PAGE_BYTES);
        ready_and_wait();
        _exit(0);
}

/* Its memory is not that of its parent: only who reads it anew knows. */
static _Noreturn void run_early(char *area)
{
        int fd = memfd_create("early", MFD_CLOEXEC);
        pid_t child;

        if (fd < 0 || ftruncate(fd, 2 * N_EACH * PAGE_BYTES) < 0 ||
            mmap(area, 2 * N_EACH * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != area)
                _exit(1);
        (void)sched_yield(); /* what it needs for waiting is there before it has touched the last */
        touch_write_each(part(area, PART_EARLY), N_EACH, PAGE_BYTES);
        atomic_fetch_add(&table->n_ready, 1);
        while (!atomic_load(&table->again))
                (void)sched_yield();
        child = must_fork();
        if (child == 0)
                run_late("late.1", part(area, PART_GRANDCHILD));
        touch_write_each(part(area, PART_EARLY_LATE), N_EACH, PAGE_BYTES);
        ready_and_wait();
        reap(child);
        _exit(0);
}

static void early_and_late(void)
{
        char *area = map_anon(N_PARTS * N_EACH * PAGE_BYTES);
        pid_t early, late;

        make_table();
        announce("early", part(area, PART_EARLY), N_EACH, "shmem", "write", "/memfd:early (deleted)");
        announce("self", part(area, PART_SELF), N_EACH, "zero-fill", "write", "");
        announce("early", part(area, PART_EARLY_LATE), N_EACH, "shmem", "write", "/memfd:early (deleted)");
        announce("late.1", part(area, PART_GRANDCHILD), N_EACH, "zero-fill", "write", "");
        announce("late", part(area, PART_CHILD), N_EACH, "zero-fill", "write", "");
        announce("self", part(area, PART_SELF_LATE), N_EACH, "zero-fill", "write", "");
        target_gate();
        early = must_fork();
        if (early == 0)
                run_early(area);
        enroll("early", early, getpid());
        await_ready(1);
        touch_write_each(part(area, PART_SELF), N_EACH, PAGE_BYTES);
        target_done();
        atomic_store(&table->again, true);
        late = must_fork();
        if (late == 0)
                run_late("late", part(area, PART_CHILD));
        await_ready(4);
        touch_write_each(part(area, PART_SELF_LATE), N_EACH, PAGE_BYTES);
        target_done();
        atomic_store(&table->go, true);
        reap(early);
        reap(late);
        tell_who();
}

/* --- the child is the last --- */

static void outlive(void)
{
        char *area = map_anon(2 * N_EACH * PAGE_BYTES);
        pid_t parent = getpid(), child;

        make_table();
        announce("child", area + N_EACH * PAGE_BYTES, N_EACH, "zero-fill", "write", "");
        target_gate();
        child = fork();
        if (child < 0)
                target_fail("fork");
        if (child > 0)
                _exit(0);
        while (getppid() == parent)
                (void)sched_yield();
        touch_write_each(area + N_EACH * PAGE_BYTES, N_EACH, PAGE_BYTES);
        enroll("child", getpid(), parent);
        target_done();
        tell_who();
        _exit(0);
}

const struct target_case target_cases[] = {
        {"tree", tree},
        {"other-maps", other_maps},
        {"threads", childs_threads},
        {"vfork-exec", vfork_exec},
        {"spawn", spawn},
        {"sharing", sharing},
        {"outlive", outlive},
        {"program", program},
        {"early-and-late", early_and_late},
        {NULL, NULL},
};
