/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * systemd knows which cgroup a unit has, and names of units are mostly names of directories as well; the bus goes
 * first because a unit may sit anywhere (Slice=), the file system second because there may be no bus, and because a
 * user's own systemd does not answer on the system's. A name that the file system has twice is refused: tracing the
 * wrong one silently would be worse.
 *
 * The path of a unit comes from a trusted systemd, the path of a request from anybody: it is resolved beneath the
 * cgroup mount and never out of it (openat2(2), RESOLVE_BENEATH).
 */
#include "daemon/monitor/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <systemd/sd-bus.h>

#define MAX_DEPTH 32
#define BUS_TIMEOUT_USEC (500 * 1000)
#define MAX_PROCESSES 65536

/* ---- finding ---- */

/* cgroup v2's root: alone, or beside v1 controllers ("hybrid"). *ret_mount: where it is. */
static int open_root(const char **ret_mount)
{
        static const char *const mounts[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};

        for (size_t i = 0; i < ARRAY_SIZE(mounts); i++) {
                CLEANUP_CLOSE int fd = open(mounts[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                struct statfs fs;

                if (fd >= 0 && fstatfs(fd, &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC) {
                        *ret_mount = mounts[i];
                        return TAKE_FD(fd);
                }
        }
        return -ENOTSUP;
}

static int open_path(int root, const char *path)
{
        struct open_how how = {.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

        while (*path == '/')
                path++;
        int fd = (int)syscall(SYS_openat2, root, *path != '\0' ? path : ".", &how, sizeof(how));
        return fd < 0 ? -errno : fd;
}

static const char *strip(const char *path, const char *prefix)
{
        size_t n = strlen(prefix);

        return strncmp(path, prefix, n) == 0 && (path[n] == '/' || path[n] == '\0') ? path + n : NULL;
}

/* The kernel knows the states of all cgroups but this one (cgroups(7), cgroup.events); a container's root is another.
 */
static bool is_whole_machine(int root, int fd)
{
        struct stat of_root, st;

        return fstat(root, &of_root) == 0 && fstat(fd, &st) == 0 && st.st_ino == of_root.st_ino &&
               st.st_dev == of_root.st_dev && faccessat(fd, "cgroup.events", F_OK, 0) < 0;
}

/*
 * Its path in the file system, as ls(1) has it, or in the hierarchy, as /proc/PID/cgroup has it; also one that is right
 * where cgroup v2 is alone.
 */
static int find_path(int root, const char *mount, const char *path)
{
        const char *below = strip(path, mount);
        int fd;

        if (below == NULL)
                below = strip(path, "/sys/fs/cgroup");
        fd = open_path(root, below != NULL ? below : path);
        if (fd >= 0 && is_whole_machine(root, fd)) {
                (void)close(fd);
                return -EISDIR;
        }
        return fd;
}

struct search {
        const char *name;
        size_t n_found;
        int fd; /* of the first found */
};

static void search_below(int dir, unsigned int depth, struct search *search)
{
        int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = copy < 0 ? NULL : fdopendir(copy);
        const struct dirent *entry;

        if (list == NULL) {
                cleanup_close(&copy);
                return;
        }
        while ((entry = readdir(list)) != NULL) {
                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                CLEANUP_CLOSE int below = openat(dir, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (below < 0)
                        continue;
                if (depth > 1)
                        search_below(below, depth - 1, search);
                if (strcmp(entry->d_name, search->name) == 0 && search->n_found++ == 0)
                        search->fd = TAKE_FD(below);
        }
        (void)closedir(list);
}

static int find_in_files(int root, const char *name)
{
        struct search search = {.name = name, .fd = -1};

        search_below(root, MAX_DEPTH, &search);
        if (search.n_found > 1) {
                cleanup_close(&search.fd);
                return -ENOTUNIQ;
        }
        return search.n_found == 1 ? search.fd : -ENOENT;
}

/* The D-Bus interface that has ControlGroup for a unit of this kind (org.freedesktop.systemd1(5)); NULL = none has. */
static const char *interface_of(const char *name)
{
        static const struct {
                const char *suffix, *interface;
        } kinds[] = {
                {".service", "org.freedesktop.systemd1.Service"}, {".scope", "org.freedesktop.systemd1.Scope"},
                {".slice", "org.freedesktop.systemd1.Slice"},     {".socket", "org.freedesktop.systemd1.Socket"},
                {".mount", "org.freedesktop.systemd1.Mount"},     {".swap", "org.freedesktop.systemd1.Swap"},
        };
        const char *suffix = strrchr(name, '.');

        for (size_t i = 0; suffix != NULL && i < ARRAY_SIZE(kinds); i++)
                if (strcmp(suffix, kinds[i].suffix) == 0)
                        return kinds[i].interface;
        return NULL;
}

/* The unit's ControlGroup; *ret is the caller's. 0 or -errno; -ENOENT: systemd has no such unit, or it runs nothing. */
static int ask_systemd(const char *name, char **ret)
{
        static const char service[] = "org.freedesktop.systemd1";
        const char *interface = interface_of(name), *object;
        CLEANUP(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        char *path = NULL;
        int r = interface == NULL ? -ENOENT : sd_bus_open_system(&bus);

        if (r >= 0)
                r = sd_bus_set_method_call_timeout(bus, BUS_TIMEOUT_USEC);
        if (r >= 0)
                r = sd_bus_call_method(bus, service, "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
                                       "GetUnit", NULL, &reply, "s", name);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &object);
        if (r >= 0)
                r = sd_bus_get_property_string(bus, service, object, interface, "ControlGroup", NULL, &path);
        if (r < 0)
                return r;
        if (path[0] == '\0') {
                free(path);
                return -ENOENT;
        }
        *ret = path;
        return 0;
}

static int find_unit(int root, const char *unit)
{
        CLEANUP_FREE char *path = NULL;
        char name[LINK_UNIT_BYTES + sizeof(".service")];
        int fd = -ENOENT;

        (void)snprintf(name, sizeof(name), "%s%s", unit, interface_of(unit) == NULL ? ".service" : "");
        if (ask_systemd(name, &path) == 0)
                fd = open_path(root, path);
        return fd >= 0 ? fd : find_in_files(root, name);
}

int cgroup_find_work(void *unit, int *ret_fd)
{
        const char *name = unit;
        const char *mount;
        CLEANUP_CLOSE int root = open_root(&mount);
        int fd;

        if (root < 0)
                return root;
        fd = strchr(name, '/') != NULL ? find_path(root, mount, name) : find_unit(root, name);
        if (fd < 0)
                return fd == -ENOTDIR || fd == -EXDEV || fd == -ELOOP ? -ENOENT : fd;
        *ret_fd = fd;
        return 0;
}

void cgroup_explain(const char *unit, int error, char text[static LINK_TEXT_BYTES])
{
        switch (error) {
        case ENOENT:
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace unit %.200s: neither systemd nor the cgroup file system knows a running "
                               "unit or cgroup of this name; `systemctl status` and `systemd-cgls` list them",
                               unit);
                return;
        case EISDIR:
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace unit %.200s: the root cgroup is the whole machine; name a unit or a slice "
                               "(-u system.slice)",
                               unit);
                return;
        case ENOTUNIQ:
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace unit %.200s: several cgroups have this name; give the path of one, as "
                               "/proc/PID/cgroup shows it (-u /user.slice/...)",
                               unit);
                return;
        case ENOTSUP:
                (void)snprintf(text, LINK_TEXT_BYTES,
                               "cannot trace unit %.200s: cgroup v2 is not mounted at /sys/fs/cgroup; trace its "
                               "processes by -p PID -f",
                               unit);
                return;
        default:
                (void)snprintf(text, LINK_TEXT_BYTES, "cannot trace unit %.200s: its cgroup cannot be opened: %s", unit,
                               strerrordesc_np(error));
        }
}

/* ---- listing ---- */

static int add_pid(struct cgroup_processes *processes, pid_t pid)
{
        if (processes->n == MAX_PROCESSES)
                return -E2BIG;
        if (processes->n % 64 == 0) {
                pid_t *grown = reallocarray(processes->pids, processes->n + 64, sizeof(*grown));

                if (grown == NULL)
                        return -ENOMEM;
                processes->pids = grown;
        }
        processes->pids[processes->n++] = pid;
        return 0;
}

static int list_one(int cgroup, struct cgroup_processes *processes)
{
        int fd = openat(cgroup, "cgroup.procs", O_RDONLY | O_CLOEXEC);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
        int r = 0, pid;

        if (file == NULL) {
                r = -errno;
                cleanup_close(&fd);
                return r;
        }
        while (r == 0 && fscanf(file, "%d", &pid) == 1)
                if (pid > 0) /* 0: in another pid namespace */
                        r = add_pid(processes, pid);
        (void)fclose(file);
        return r;
}

static int list_below(int cgroup, unsigned int depth, struct cgroup_processes *processes)
{
        int r = list_one(cgroup, processes);
        int copy = r < 0 ? -1 : openat(cgroup, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *list = copy < 0 ? NULL : fdopendir(copy);
        const struct dirent *entry;

        if (list == NULL) {
                cleanup_close(&copy);
                return r == -EOPNOTSUPP || r == -ENODEV ? 0 : r; /* threaded, or removed meanwhile */
        }
        while (r == 0 && depth > 0 && (entry = readdir(list)) != NULL) {
                if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
                        continue;
                CLEANUP_CLOSE int below = openat(cgroup, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                if (below >= 0)
                        r = list_below(below, depth - 1, processes);
        }
        (void)closedir(list);
        return r;
}

int cgroup_list(int cgroup, struct cgroup_processes *ret)
{
        struct cgroup_processes processes = {0};
        int r = list_below(cgroup, MAX_DEPTH, &processes);

        if (r < 0) {
                free(processes.pids);
                return r;
        }
        *ret = processes;
        return 0;
}

/* ---- its end ---- */

int cgroup_open_events(int cgroup)
{
        int fd = openat(cgroup, "cgroup.events", O_RDONLY | O_CLOEXEC);

        return fd < 0 ? -errno : fd;
}

int cgroup_is_populated(int events_fd)
{
        char text[256];
        ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

        if (n < 0)
                return -errno;
        text[n] = '\0';
        return strstr(text, "populated 1") != NULL;
}
