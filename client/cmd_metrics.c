/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * faultline metrics. A file is written as node_exporter's textfile collector wants it: beside its place under a name
 * that the collector does not read, and then renamed, so that whoever opens it sees either the old text or the new one,
 * also after a crash. The temporary file is made anew (O_EXCL) in a folder that is opened once: neither a link that
 * somebody has put there nor a folder that is exchanged meanwhile leads the text to another place.
 */
#include "client/cmd_metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/escape.h"
#include "client/inspect.h"
#include "client/metrics.h"
#include "client/say.h"
#include "client/status_ask.h"

enum { FILE_MODE = 0644 };

/* --- the file --- */

static int write_all(int fd, const struct text *text)
{
        for (size_t offset = 0; offset < text->n_bytes;) {
                ssize_t n = write(fd, text->data + offset, text->n_bytes - offset);

                if (n < 0 && errno != EINTR)
                        return -errno;
                offset += n > 0 ? (size_t)n : 0;
        }
        return 0;
}

/* Written, readable for everybody whatever the umask is, and on the disk. */
static int fill(int fd, const struct text *text)
{
        int r = write_all(fd, text);

        if (r == 0 && (fchmod(fd, FILE_MODE) < 0 || fsync(fd) < 0))
                r = -errno;
        return r;
}

/* The folder of the path, opened, and the name in it. 0; -errno. */
static int open_folder(const char *path, int *ret_fd, const char **ret_name)
{
        const char *slash = strrchr(path, '/');
        char folder[PATH_MAX] = ".";
        size_t n_bytes = slash ? MAX_OF((size_t)(slash - path), (size_t)1) : 1;

        if (n_bytes >= sizeof(folder))
                return -ENAMETOOLONG;
        if (slash)
                memcpy(folder, path, n_bytes);
        folder[n_bytes] = '\0';
        *ret_name = slash ? slash + 1 : path;
        if (**ret_name == '\0')
                return -EISDIR;
        *ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return *ret_fd < 0 ? -errno : 0;
}

/* rename(2) would put it in the place of anything else that is there, too. */
static int check_place(int folder_fd, const char *name)
{
        struct stat status;

        if (fstatat(folder_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
                return errno == ENOENT ? 0 : -errno;
        return S_ISREG(status.st_mode) ? 0 : S_ISDIR(status.st_mode) ? -EISDIR : -EEXIST;
}

static int replace(int folder_fd, const char *name, const struct text *text)
{
        CLEANUP_CLOSE int fd = -1;
        char temporary[NAME_MAX + 1];
        int r, n;

        /* Not *.prom. The number is ours alone: what has this name is left from one that was killed. */
        n = snprintf(temporary, sizeof(temporary), ".%s.%" PRId32, name, (int32_t)getpid());
        if (n >= (int)sizeof(temporary))
                return -ENAMETOOLONG;
        (void)unlinkat(folder_fd, temporary, 0);
        fd = openat(folder_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        r = fill(fd, text);
        if (r == 0 && renameat(folder_fd, temporary, folder_fd, name) < 0)
                r = -errno;
        if (r < 0)
                (void)unlinkat(folder_fd, temporary, 0);
        else
                (void)fsync(folder_fd); /* the text is whole in any case, this makes it the new one after a crash */
        return r;
}

static int write_file(const char *path, const struct text *text)
{
        CLEANUP_CLOSE int folder_fd = -1;
        CLEANUP_TEXT struct text line = {0};
        const char *name;
        int r = open_folder(path, &folder_fd, &name);

        if (r == 0)
                r = check_place(folder_fd, name);
        if (r == 0)
                r = replace(folder_fd, name, text);
        if (r == 0)
                return 0;
        text_put_string(&line, "cannot write ");
        (void)escape_terminal(&line, path, strlen(path));
        text_printf(&line, ": %s",
                    r == -EEXIST ? "something else than a file is there; name another one, or remove it"
                                 : strerror(-r));
        say_text(&line);
        return r;
}

/* --- all of it --- */

static int put_out(const struct options *options, const struct text *text)
{
        CLEANUP(inspect_output_close) struct inspect_output output;

        if (options->file)
                return write_file(options->file, text);
        inspect_output_open(options, &output);
        return inspect_write(&output, text);
}

static int ask(const struct options *options, struct text *ret)
{
        CLEANUP(status_ask_close) struct status_ask ask = {.conn = {.fd = -1}};
        CLEANUP(status_free) struct status status = {.n_bytes = 0};
        int r = status_ask_open(options->socket, PROTO_STATUS_UNITS, &ask);

        if (r == 0)
                r = status_ask_next(&ask, &status);
        if (r < 0)
                return r;
        metrics_put(ret, &status);
        if (!ret->failed)
                return 0;
        say("cannot tell the metrics: %s", strerror(ENOMEM));
        return -ENOMEM;
}

int cmd_metrics(const struct options *options)
{
        CLEANUP_TEXT struct text text = {0};
        int r = ask(options, &text);

        if (r == 0)
                r = put_out(options, &text);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
