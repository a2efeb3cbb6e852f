/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A kernel that refuses: loaded into the daemon (LD_PRELOAD), it fails the system calls that FAULTLINE_TEST_REFUSE
 * names, as an older, stricter or poorer machine would. Which of the calls it fails depends on what they ask for, so
 * error injection by number would not do.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define FORMAT_LOST (1U << 4) /* PERF_FORMAT_LOST, Linux 6.0 */
#define PROCMAP_QUERY_TYPE 'f'
#define PROCMAP_QUERY_NUMBER 17

EXPORT long syscall(long number, ...);
EXPORT int ioctl(int fd, unsigned long request, ...);
EXPORT long ptrace(enum __ptrace_request request, ...);
EXPORT int fsopen(const char *name, unsigned int flags);
EXPORT int open(const char *path, int flags, ...);

static int refuses(const char *what)
{
        const char *list = getenv("FAULTLINE_TEST_REFUSE");

        return list && strcmp(list, what) == 0;
}

static void *next(const char *name)
{
        return dlsym(RTLD_NEXT, name);
}

static int error_of_event(const struct perf_event_attr *attr)
{
        if (refuses("perf"))
                return EACCES;
        if (refuses("physical") && (attr->sample_type & PERF_SAMPLE_PHYS_ADDR))
                return EACCES;
        if (refuses("lost") && (attr->read_format & FORMAT_LOST))
                return EINVAL;
        if (refuses("kernel") && (!attr->exclude_kernel || attr->type == PERF_TYPE_TRACEPOINT))
                return EACCES;
        return 0;
}

long syscall(long number, ...)
{
        long (*real)(long, ...) = (long (*)(long, ...))next("syscall");
        long a[6];
        va_list args;

        va_start(args, number);
        for (size_t i = 0; i < 6; i++)
                a[i] = va_arg(args, long);
        va_end(args);
        if (number == SYS_perf_event_open) {
                int error = error_of_event((const struct perf_event_attr *)a[0]);

                if (error) {
                        errno = error;
                        return -1;
                }
        }
        return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int ioctl(int fd, unsigned long request, ...)
{
        int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))next("ioctl");
        va_list args;
        void *argument;

        va_start(args, request);
        argument = va_arg(args, void *);
        va_end(args);
        if (refuses("procmap") && ((request >> 8) & 0xff) == PROCMAP_QUERY_TYPE &&
            (request & 0xff) == PROCMAP_QUERY_NUMBER) {
                errno = ENOTTY;
                return -1;
        }
        return real(fd, request, argument);
}

long ptrace(enum __ptrace_request request, ...)
{
        long (*real)(enum __ptrace_request, ...) = (long (*)(enum __ptrace_request, ...))next("ptrace");
        void *a[3];
        va_list args;

        va_start(args, request);
        for (size_t i = 0; i < 3; i++)
                a[i] = va_arg(args, void *);
        va_end(args);
        if (refuses("ptrace") && request == PTRACE_SEIZE) {
                errno = EPERM;
                return -1;
        }
        return real(request, a[0], a[1], a[2]);
}

int fsopen(const char *name, unsigned int flags)
{
        int (*real)(const char *, unsigned int) = (int (*)(const char *, unsigned int))next("fsopen");

        if (refuses("tracefs")) {
                errno = EPERM;
                return -1;
        }
        return real(name, flags);
}

int open(const char *path, int flags, ...)
{
        int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))next("open");
        mode_t mode = 0;
        va_list args;

        if (flags & (O_CREAT | __O_TMPFILE)) {
                va_start(args, flags);
                mode = va_arg(args, mode_t);
                va_end(args);
        }
        if (refuses("tracefs") && strstr(path, "/tracing")) {
                errno = ENOENT;
                return -1;
        }
        return real(path, flags, mode);
}
