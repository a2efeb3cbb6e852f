/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Everything goes through one descriptor of /proc/PID: when the process has gone and its number is somebody else's,
 * the descriptor still means the one that has gone, and every look-up in it fails (proc_pid_lookup() of
 * fs/proc/base.c).
 *
 * The file behind a map is opened for its names, so only regular files are: opening a device or a FIFO has effects. It
 * is therefore looked at with O_PATH first and opened anew by its descriptor.
 */
#include "client/proc/process.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#define READ_BYTES_MIN 16384 /* a read of smaps or maps gives whole lines, up to the room that there is */

int process_open(pid_t pid, struct process *ret)
{
        char path[32];
        int fd;

        (void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? -ESRCH : -errno;
        *ret = (struct process){.pid = pid, .folder_fd = fd};
        return 0;
}

void process_close(struct process *process)
{
        cleanup_close(&process->folder_fd);
        process->folder_fd = -1;
}

int process_open_file(const struct process *process, const char *name)
{
        int fd = openat(process->folder_fd, name, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : fd;
}

/* To the end of the file. */
static int read_all(int fd, struct text *out)
{
        for (;;) {
                ssize_t n;

                if (out->size_bytes - out->n_bytes < READ_BYTES_MIN && !text_grow(out, READ_BYTES_MIN))
                        return -ENOMEM;
                n = read(fd, out->data + out->n_bytes, out->size_bytes - out->n_bytes);
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : 0;
                out->n_bytes += (size_t)n;
        }
}

/* A file of a process that has gone is not there any more; one that this kernel does not have is not there either. */
static int check_alive(const struct process *process, int r)
{
        struct stat status;

        if (r == -ENOENT && fstatat(process->folder_fd, "stat", &status, 0) < 0)
                return -ESRCH;
        return r;
}

int process_read(const struct process *process, const char *name, struct text *out)
{
        CLEANUP_CLOSE int fd = process_open_file(process, name);

        return fd < 0 ? check_alive(process, fd) : read_all(fd, out);
}

static int read_and_parse(const struct process *process, const char *name, struct smaps *ret)
{
        CLEANUP_TEXT struct text text = {0};
        int r = process_read(process, name, &text);

        return r < 0 ? r : smaps_parse(text.data ? text.data : "", text.n_bytes, ret);
}

int process_smaps(const struct process *process, bool with_amounts, struct smaps *ret)
{
        int r = with_amounts ? read_and_parse(process, "smaps", ret) : -ENOENT;

        if (r == -EACCES || r == -EPERM || r == -ENOENT)
                r = read_and_parse(process, "maps", ret);
        return r;
}

/* --- the file behind a map --- */

/* A regular file behind an O_PATH descriptor, for reading. */
static int open_regular(int path_fd)
{
        char path[40];
        struct stat status;
        int fd;

        if (fstat(path_fd, &status) < 0)
                return -errno;
        if (!S_ISREG(status.st_mode))
                return -ENOEXEC;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* The map's number of the device is the file system's, stat(2) gives that of a subvolume or a layer; where one of them
 * has no major number (btrfs, overlay), only the inode can be compared. */
static bool is_file_of(int path_fd, const struct smaps_map *map)
{
        struct stat status;

        if (fstat(path_fd, &status) < 0 || status.st_ino != map->inode)
                return false;
        return major(status.st_dev) == 0 || map->major == 0 ||
               (major(status.st_dev) == map->major && minor(status.st_dev) == map->minor);
}

static int open_path_of(int root_fd, const char *path, const struct smaps_map *map)
{
        struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
        CLEANUP_CLOSE int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

        if (fd < 0)
                return -errno;
        return is_file_of(fd, map) ? open_regular(fd) : -ESTALE;
}

/* The kernel writes a newline of a path as \012 and leaves a backslash as it is (seq_path() of fs/seq_file.c). */
static void put_path(struct text *out, const char *path, bool is_escaped)
{
        for (const char *at = path; *at;) {
                bool is_newline = is_escaped && strncmp(at, "\\012", 4) == 0;

                text_put_char(out, is_newline ? '\n' : *at);
                at += is_newline ? 4 : 1;
        }
}

/* Where the path may lead as the process sees it: as it is written, or with what the kernel has written for a newline,
 * or to a file that is really called "x (deleted)". */
static int open_by_path(const struct process *process, const struct smaps_map *map)
{
        CLEANUP_CLOSE int root_fd = openat(process->folder_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int r = -ESTALE;

        if (root_fd < 0)
                return -errno;
        for (unsigned int i = 0; i < 4 && (r == -ESTALE || r == -ENOENT); i++) {
                CLEANUP_TEXT struct text path = {0};

                if ((i & 1 && !strstr(map->path, "\\012")) || (i & 2 && !map->is_deleted))
                        continue;
                put_path(&path, map->path, i & 1);
                text_put_string(&path, i & 2 ? " (deleted)" : "");
                text_put_char(&path, '\0');
                r = path.failed ? -ENOMEM : open_path_of(root_fd, path.data, map);
        }
        return r == -ENOENT ? -ESTALE : r;
}

int process_open_map(const struct process *process, const struct smaps_map *map)
{
        char name[64];

        if (map->inode == 0 || map->path[0] != '/')
                return -ENOEXEC;
        (void)snprintf(name, sizeof(name), "map_files/%" PRIx64 "-%" PRIx64, map->start, map->end);

        CLEANUP_CLOSE int fd = openat(process->folder_fd, name, O_PATH | O_CLOEXEC);

        if (fd >= 0)
                return is_file_of(fd, map) ? open_regular(fd) : -ESTALE;
        return open_by_path(process, map);
}

/* --- the machine --- */

/* The processor has it, and the kernel uses it: else it clears the flag (arch/x86/kernel/cpu/common.c). */
unsigned int machine_n_levels(void)
{
        CLEANUP_CLOSE int fd = open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC);
        char text[16384]; /* the first processor's */
        size_t n_bytes = 0;
        ssize_t n;

        while (fd >= 0 && n_bytes < sizeof(text) - 1) {
                n = read(fd, text + n_bytes, sizeof(text) - 1 - n_bytes);
                if (n <= 0)
                        break;
                n_bytes += (size_t)n;
        }
        text[n_bytes] = '\0';
        return strstr(text, " la57 ") || strstr(text, " la57\n") ? 5 : 4;
}
