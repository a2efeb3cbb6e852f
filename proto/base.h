/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The few words of C that every file of faultline speaks: cleanup attributes, ownership transfer and
 * attributes on declarations. Needs nothing but libc, so that both programs may use it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

/* Run FUNCTION on the address of the variable when it leaves its scope. */
#define CLEANUP(function) __attribute__((cleanup(function)))

static inline void cleanup_free(void *p)
{
        free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
        if (*fd >= 0)
                (void)close(*fd);
}

#define CLEANUP_FREE CLEANUP(cleanup_free)
#define CLEANUP_CLOSE CLEANUP(cleanup_close)

/* Hand a value over: the variable no longer owns it. */
#define TAKE_PTR(ptr)                                                                                                  \
        ({                                                                                                             \
                __typeof__(ptr) *_p = &(ptr);                                                                          \
                __typeof__(ptr) _v = *_p;                                                                              \
                *_p = NULL;                                                                                            \
                _v;                                                                                                    \
        })

static inline int take_fd(int *fd)
{
        int taken = *fd;

        *fd = -1;
        return taken;
}
#define TAKE_FD(fd) take_fd(&(fd))

#define NSEC_PER_SEC UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_USEC UINT64_C(1000)
