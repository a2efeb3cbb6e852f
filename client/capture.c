/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pipe would bind the writer's life to ours: it waits when we are slow and dies of SIGPIPE when we are killed, and a
 * traced program must not change its ways because it is traced. A file takes everything at once and outlives us. It
 * lies in memory (memfd_create(2)), where the front of it can be given back while its end grows
 * (fallocate(2), FALLOC_FL_PUNCH_HOLE), so that a command that writes for days costs no more than one that does not.
 */
#include "client/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int capture_open(struct capture *ret)
{
        CLEANUP_CLOSE int fd = memfd_create("captured", MFD_CLOEXEC);

        /* Several may write, by several descriptors. */
        if (fd < 0 || fcntl(fd, F_SETFL, O_APPEND) < 0)
                return -errno;
        *ret = (struct capture){.fd = TAKE_FD(fd)};
        return 0;
}

void capture_close(struct capture *capture)
{
        if (capture->fd >= 0)
                (void)close(TAKE_FD(capture->fd));
}

static uint64_t size_of(const struct capture *capture)
{
        struct stat status;

        return capture->fd >= 0 && fstat(capture->fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

void capture_trim(const struct capture *capture)
{
        uint64_t size = size_of(capture);

        if (size > CAPTURE_KEPT_BYTES)
                (void)fallocate(capture->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                (off_t)(size - CAPTURE_KEPT_BYTES));
}

bool capture_has_more(const struct capture *capture)
{
        return size_of(capture) > capture->read_bytes;
}

static void put_all(int fd, const char *bytes, size_t n_bytes)
{
        while (n_bytes > 0) {
                ssize_t n = write(fd, bytes, n_bytes);

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                bytes += n;
                n_bytes -= (size_t)n;
        }
}

uint64_t capture_give(struct capture *capture, int fd)
{
        CLEANUP_FREE char *bytes = malloc(CAPTURE_KEPT_BYTES);
        uint64_t size = size_of(capture), begin = capture->read_bytes, left_out = 0;
        const char *first = bytes;
        ssize_t n;

        if (!bytes || size <= begin)
                return 0;
        if (size - begin > CAPTURE_KEPT_BYTES) {
                left_out = size - begin - CAPTURE_KEPT_BYTES;
                begin += left_out;
        }
        n = pread(capture->fd, bytes, CAPTURE_KEPT_BYTES, (off_t)begin);
        if (n <= 0)
                return left_out;
        capture->read_bytes = begin + (uint64_t)n;
        if (left_out > 0) {
                const char *newline = memchr(bytes, '\n', (size_t)n);

                first = newline ? newline + 1 : bytes;
                left_out += (uint64_t)(first - bytes);
        }
        put_all(fd, first, (size_t)(bytes + n - first));
        return left_out;
}
