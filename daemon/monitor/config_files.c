/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The places are those of every daemon of systemd (systemd-system.conf(5), "Configuration Directories and Precedence"),
 * so that nobody has to learn others. libeconf, which reads the files, could find them as well; but until its version
 * 0.7 it puts all of /usr/lib before all of /etc whatever their names, and lets a file of /etc change its namesake of
 * /usr/lib key by key instead of taking its place. What a setting is must not depend on a library's version.
 */
#include "daemon/monitor/config_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define SUFFIX ".conf"

static int add_path(struct config_files *files, const char *directory, const char *name)
{
        char **paths = reallocarray(files->paths, files->n + 1, sizeof(*paths));

        if (paths == NULL)
                return -ENOMEM;
        files->paths = paths;
        if (asprintf(&paths[files->n], "%s/%s", directory, name) < 0)
                return -ENOMEM;
        files->n++;
        return 0;
}

static const char *name_of(const char *path)
{
        return strrchr(path, '/') + 1;
}

static bool have_name(const struct config_files *files, const char *name)
{
        for (size_t i = 0; i < files->n; i++)
                if (strcmp(name_of(files->paths[i]), name) == 0)
                        return true;
        return false;
}

static bool is_drop_in(const char *name)
{
        size_t n = strlen(name);

        return name[0] != '.' && n > strlen(SUFFIX) && strcmp(name + n - strlen(SUFFIX), SUFFIX) == 0;
}

/* Those of one directory whose names no directory before it has. */
static int add_drop_ins(struct config_files *files, const char *path)
{
        DIR *directory = opendir(path);
        const struct dirent *entry;
        int r = 0;

        if (directory == NULL)
                return errno == ENOENT ? 0 : -errno;
        for (;;) {
                errno = 0;
                entry = readdir(directory);
                if (entry == NULL || r < 0)
                        break;
                if (is_drop_in(entry->d_name) && !have_name(files, entry->d_name))
                        r = add_path(files, path, entry->d_name);
        }
        if (r == 0)
                r = -errno;
        (void)closedir(directory);
        return r;
}

static int compare_names(const void *a, const void *b)
{
        const char *const *x = a, *const *y = b;

        return strcmp(name_of(*x), name_of(*y));
}

static bool is_null_device(const char *path)
{
        struct stat st;

        return stat(path, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static void remove_masked(struct config_files *files)
{
        size_t n = 0;

        for (size_t i = 0; i < files->n; i++)
                if (is_null_device(files->paths[i]))
                        free(files->paths[i]);
                else
                        files->paths[n++] = files->paths[i];
        files->n = n;
}

/* Where there is nothing, that is no failure; where it cannot be told, it is. */
static int add_main(struct config_files *files, const char *directory)
{
        CLEANUP_FREE char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/" CONFIG_NAME, directory) < 0) {
                path = NULL;
                return -ENOMEM;
        }
        if (lstat(path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        return add_path(files, directory, CONFIG_NAME);
}

static int find(const char *const *directories, struct config_files *files, struct config_files *drop_ins,
                char **ret_where)
{
        for (const char *const *d = directories; *d != NULL; d++) {
                CLEANUP_FREE char *path = NULL;
                int r = files->n == 0 ? add_main(files, *d) : 0;

                if (asprintf(&path, "%s/" CONFIG_NAME ".d", *d) < 0)
                        path = NULL;
                if (r == 0)
                        r = path == NULL ? -ENOMEM : add_drop_ins(drop_ins, path);
                if (r < 0) {
                        *ret_where = TAKE_PTR(path);
                        return r;
                }
        }
        return 0;
}

int config_files_find(const char *const *directories, struct config_files *ret, char **ret_where)
{
        CLEANUP(config_files_deinit) struct config_files files = {0};
        CLEANUP(config_files_deinit) struct config_files drop_ins = {0};
        int r = find(directories, &files, &drop_ins, ret_where);

        if (r < 0)
                return r;
        if (drop_ins.n > 0)
                qsort(drop_ins.paths, drop_ins.n, sizeof(*drop_ins.paths), compare_names);
        for (size_t i = 0; i < drop_ins.n; i++) {
                char **paths = reallocarray(files.paths, files.n + 1, sizeof(*paths));

                if (paths == NULL)
                        return -ENOMEM;
                files.paths = paths;
                paths[files.n++] = TAKE_PTR(drop_ins.paths[i]);
        }
        remove_masked(&files);
        *ret = files;
        files = (struct config_files){0};
        return 0;
}

void config_files_deinit(struct config_files *files)
{
        for (size_t i = 0; i < files->n; i++)
                free(files->paths[i]);
        free(files->paths);
        *files = (struct config_files){0};
}
