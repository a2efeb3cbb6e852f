/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image is opened in a helper process, for three reasons: open(2) can wait for ever (a FUSE file system of the
 * target's user), what the records call a path must be opened with the peer's rights and not ours, and one process can
 * do both in turn.
 *
 * First what only power can do: the very file that is mapped (/proc/PID/map_files), whatever its name is now. Then the
 * helper becomes the peer and asks the kernel whether it may trace the process, and only then the descriptor is worth
 * something: if the file is mapped in memory that the peer itself may look at, for the process may have run a program
 * that is not for the peer's eyes when the file was opened, and another one when it was asked. Memory maps are opened
 * as the peer: there the kernel decides about the very memory that the descriptor is for (mm_access()). If the process
 * or the map is gone, the path is opened as the peer beneath the root directory that the target had at the attach, and
 * its inode must be the one of the record. A perf map is opened as the peer as well. Only regular files are ever opened
 * for reading: opening a device or a FIFO has effects.
 */
#include "daemon/monitor/opens.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <linux/types.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "daemon/link/procmap.h"
#include "daemon/monitor/authorize.h"
#include "daemon/monitor/follow.h"
#include "daemon/monitor/power.h"

#define MAX_OPENINGS 4096 /* asked for and not yet answered, by all traces of one user */
#define MAX_HELPERS 4     /* of one trace at a time, so that no trace takes all of HELPER_MAX_OF_USER */
#define DEBUG_ROOT "/usr/lib/debug"

struct opening {
        struct attachment *trace;
        struct opening *next;
        struct helper *helper; /* NULL: waits for its turn */
        struct link_open request;
};

/* --- in the helper --- */

struct open_job {
        const struct link_open *request;
        const struct target *target;
        const struct peer *peer;  /* NULL: it may look at all processes, as we may */
        const struct peer *admin; /* instead: but a file that is looked for by its name it opens as itself; else NULL */
};

/* A regular file behind an O_PATH descriptor, opened for reading. Descriptor or -errno. */
static int open_regular(int path_fd)
{
        char path[40];
        struct stat st;
        int fd;

        if (fstat(path_fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
        fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/*
 * The device number in a record is the file system's, stat(2) gives that of a subvolume or a layer; where the latter
 * has no major number (btrfs, overlay), only the inode can be compared.
 */
static bool is_file(int fd, uint64_t inode, unsigned int dev_major, unsigned int dev_minor)
{
        struct stat st;

        if (fstat(fd, &st) < 0 || st.st_ino != inode)
                return false;
        return major(st.st_dev) == 0 || dev_major == 0 ||
               (major(st.st_dev) == dev_major && minor(st.st_dev) == dev_minor);
}

static bool is_file_of_record(int fd, const struct link_open *request)
{
        return is_file(fd, request->inode, request->major, request->minor);
}

static int open_beneath(int root, const char *path)
{
        struct open_how how = {.flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
        CLEANUP_CLOSE int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));

        return fd < 0 ? -errno : open_regular(fd);
}

struct mapping {
        uint64_t start, end, inode;
        unsigned int major, minor;
};

/* The same for older kernels. */
static int list_mapping(int maps, uint64_t addr, struct mapping *ret)
{
        int fd = fcntl(maps, F_DUPFD_CLOEXEC, 0);
        FILE *file = fd < 0 ? NULL : fdopen(fd, "r");
        CLEANUP_FREE char *line = NULL;
        struct mapping mapping;
        size_t n_room = 0;
        int r = -ENOENT;

        if (file == NULL) {
                r = -errno;
                cleanup_close(&fd);
                return r;
        }
        while (r < 0 && getline(&line, &n_room, file) > 0)
                if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %x:%x %" SCNu64, &mapping.start, &mapping.end,
                           &mapping.major, &mapping.minor, &mapping.inode) == 5 &&
                    addr >= mapping.start && addr < mapping.end) {
                        *ret = mapping;
                        r = 0;
                }
        (void)fclose(file);
        return r;
}

/* What is mapped at addr, by the maps file. -ENOENT nothing is. */
static int find_mapping(const struct target *target, uint64_t addr, struct mapping *ret)
{
        struct procmap_query query = {.size = sizeof(query), .query_addr = addr};
        CLEANUP_CLOSE int maps = target_open(target, "maps", O_RDONLY);

        if (maps < 0)
                return maps;
        if (ioctl(maps, PROCMAP_QUERY_REQUEST, &query) < 0)
                return errno == ENOTTY ? list_mapping(maps, addr, ret) : -errno;
        *ret = (struct mapping){.start = query.vma_start,
                                .end = query.vma_end,
                                .inode = query.inode,
                                .major = query.dev_major,
                                .minor = query.dev_minor};
        return 0;
}

/* By the path in map_files, which only its owner may search. */
static int open_map_file(int map_files, const char *path)
{
        struct stat st;
        int fd, r;

        if (fstat(map_files, &st) < 0)
                return -errno;
        power_files_as(st.st_uid, st.st_gid);
        fd = openat(map_files, path, O_PATH | O_CLOEXEC);
        r = fd < 0 ? -errno : open_regular(fd);
        cleanup_close(&fd);
        power_files_as(geteuid(), getegid());
        return r;
}

static int open_mapped(const struct target *target, const struct link_open *request)
{
        CLEANUP_CLOSE int map_files = target_open(target, "map_files", O_PATH | O_DIRECTORY);
        struct mapping mapping = {0};
        char path[64];
        int r;

        if (map_files < 0)
                return map_files;
        r = find_mapping(target, request->addr, &mapping);
        if (r < 0)
                return r;
        (void)snprintf(path, sizeof(path), "%" PRIx64 "-%" PRIx64, mapping.start, mapping.end);
        return open_map_file(map_files, path);
}

/* Also a program file that was deleted or replaced since. */
static int open_program(const struct target *target, const struct link_open *request)
{
        CLEANUP_CLOSE int fd = target_open(target, "exe", O_PATH);

        if (fd < 0)
                return fd;
        return is_file_of_record(fd, request) ? open_regular(fd) : -ENOENT;
}

/* As long as the thread through which the files are looked at ends meanwhile, through another one. */
static int open_image(const struct target *target, const struct link_open *request)
{
        for (;;) {
                pid_t tid = target_live_thread(target);
                int fd = open_mapped(target, request);

                if (fd < 0)
                        fd = open_program(target, request);
                if (fd >= 0 || target_live_thread(target) == tid)
                        return fd;
        }
}

static int open_path(const struct target *target, const struct link_open *request)
{
        CLEANUP_CLOSE int fd = target->root < 0 ? -EACCES : open_beneath(target->root, request->path);

        if (fd < 0)
                return fd;
        return is_file_of_record(fd, request) ? TAKE_FD(fd) : -ESTALE;
}

static int open_build_id(const struct target *target, const struct link_open *request)
{
        char path[sizeof(DEBUG_ROOT "/.build-id/xx/.debug") + 2 * LINK_BUILD_ID_BYTES];
        char *p = path + sprintf(path, DEBUG_ROOT "/.build-id/%02x/", request->build_id[0]);

        for (uint32_t i = 1; i < request->n_build_id; i++)
                p += sprintf(p, "%02x", request->build_id[i]);
        (void)sprintf(p, ".debug");
        CLEANUP_CLOSE int host_root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        int fd = host_root < 0 ? -errno : open_beneath(host_root, path);
        return fd < 0 && target->root >= 0 ? open_beneath(target->root, path) : fd;
}

/* The places of gdb's manual, "Debugging Information in Separate Files". */
static int open_debuglink(const struct target *target, const struct link_open *request)
{
        static const char *const formats[] = {"%.*s/%s", "%.*s/.debug/%s", DEBUG_ROOT "%.*s/%s"};
        const char *slash = strrchr(request->path, '/');
        int r = -ENOENT;

        if (target->root < 0 || slash == NULL)
                return -ENOENT;
        for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
                char path[LINK_PATH_BYTES + LINK_NAME_BYTES + 32];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
                (void)snprintf(path, sizeof(path), formats[i], (int)(slash - request->path), request->path,
                               request->name);
#pragma GCC diagnostic pop
                int fd = open_beneath(target->root, path);

                if (fd >= 0)
                        return fd;
                if (fd != -ENOENT)
                        r = fd;
        }
        return r;
}

/* Whose file it must be: the process's (its effective uid), or root's. */
static bool is_owned(const struct target *target, int fd)
{
        unsigned int uid, effective_uid;
        char uids[64];
        struct stat st;

        if (fstat(fd, &st) < 0 || target_read_status(target, "Uid", uids, sizeof(uids)) < 0 ||
            sscanf(uids, "%u %u", &uid, &effective_uid) != 2)
                return false;
        return st.st_uid == effective_uid || st.st_uid == 0;
}

/* The process id that it has for itself: the last of NSpid (proc_pid_status(5)). -errno */
static int read_own_pid(const struct target *target, pid_t *ret)
{
        char pids[512];
        int r = target_read_status(target, "NSpid", pids, sizeof(pids));
        const char *last;

        if (r < 0)
                return r;
        last = strrchr(pids, '\t');
        *ret = (pid_t)strtol(last != NULL ? last + 1 : pids, NULL, 10);
        return *ret > 0 ? 0 : -EBADMSG;
}

/*
 * What a JIT compiler tells perf(1) of its code. Everybody may write to /tmp: so no link is followed, and the file of a
 * stranger is none.
 */
static int open_perf_map(const struct target *target)
{
        struct open_how how = {.flags = O_PATH | O_CLOEXEC,
                               .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
        CLEANUP_CLOSE int root = target_open(target, "root", O_PATH | O_DIRECTORY);
        CLEANUP_CLOSE int fd = -1;
        char path[64];
        pid_t pid;
        int r = root < 0 ? root : read_own_pid(target, &pid);

        if (r < 0)
                return r;
        (void)snprintf(path, sizeof(path), "/tmp/perf-%d.map", pid);
        fd = (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
        if (fd < 0)
                return -errno;
        return is_owned(target, fd) ? open_regular(fd) : -EACCES;
}

/* Part one: what the target has now, with all our rights. */
static int open_of_target(const struct open_job *job)
{
        return job->request->kind == LINK_OPEN_IMAGE ? open_image(job->target, job->request) : -ENOENT;
}

/* As the peer: it may look at memory in which this file is mapped. */
static bool is_mapped(const struct open_job *job, int fd)
{
        struct mapping mapping = {0};

        return find_mapping(job->target, job->request->addr, &mapping) == 0 &&
               is_file(fd, mapping.inode, mapping.major, mapping.minor);
}

/* Part two: what the peer itself could open. */
static int open_as_peer(const struct open_job *job)
{
        switch (job->request->kind) {
        case LINK_OPEN_MAPS:
                return target_open(job->target, "maps", O_RDONLY);
        case LINK_OPEN_SMAPS:
                return target_open(job->target, "smaps", O_RDONLY);
        case LINK_OPEN_IMAGE:
                return open_path(job->target, job->request);
        case LINK_OPEN_BUILD_ID:
                return open_build_id(job->target, job->request);
        case LINK_OPEN_DEBUGLINK:
                return open_debuglink(job->target, job->request);
        case LINK_OPEN_PERF_MAP:
                return open_perf_map(job->target);
        default:
                return -ENOENT;
        }
}

/* Not by a process: an administrator's power does not reach such files (admins.c). */
static bool is_by_name(uint32_t kind)
{
        return kind == LINK_OPEN_IMAGE || kind == LINK_OPEN_BUILD_ID || kind == LINK_OPEN_DEBUGLINK;
}

static int open_work(void *user, int *ret_fd)
{
        const struct open_job *job = user;
        CLEANUP_CLOSE int fd = open_of_target(job);
        int r, error = fd;

        if (job->peer != NULL) {
                r = peer_become(job->peer);
                if (r < 0)
                        return r;
                r = authorize_ask(job->target->pidfd);
                if (r == 0 && fd >= 0 && !is_mapped(job, fd))
                        r = -ESRCH;
                if (r < 0 && fd >= 0) {
                        cleanup_close(&fd);
                        fd = error = r;
                }
                if (r == -EPERM)
                        return r;
        }
        if (fd < 0 && job->admin != NULL && is_by_name(job->request->kind)) {
                r = peer_become(job->admin);
                if (r < 0)
                        return r;
        }
        if (fd < 0 && job->peer == NULL && job->admin == NULL)
                power_files_as(0, 0);
        if (fd < 0)
                fd = open_as_peer(job);
        if (fd < 0)
                return fd == -ENOENT && error < 0 ? error : fd;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

/* --- in the monitor --- */

static void answer(struct attachment *trace, const struct link_open *request, int error, int fd)
{
        struct link_message message = {
                .type = LINK_OPENED,
                .opened = {.trace = trace->id, .req = request->req, .kind = request->kind, .error = error}};

        outbox_send(trace->outbox, &message, &fd, error == 0 ? 1 : 0);
}

static struct opening *opening_free(struct opening *opening)
{
        struct attachment *trace = opening->trace;

        for (struct opening **p = &trace->openings; *p != NULL; p = &(*p)->next)
                if (*p == opening) {
                        *p = opening->next;
                        trace->n_openings--;
                        break;
                }
        helper_free(opening->helper);
        free(opening);
        return NULL;
}

static void start_waiting(struct attachment *trace);

static void on_opened(void *user, int result, int fd)
{
        struct opening *opening = user;
        struct attachment *trace = opening->trace;

        opening->helper = NULL;
        answer(trace, &opening->request, result < 0 ? -result : fd < 0 ? EIO : 0, fd);
        cleanup_close(&fd);
        opening_free(opening);
        start_waiting(trace);
}

/* A process that is followed has the root directory of the target once it has ended. */
static struct target process_of(const struct attachment *trace, pid_t pid, struct target *member)
{
        struct target process = trace->target;

        if (pid != 0 && pid != trace->target.pid) {
                if (follow_open(trace, pid, member) < 0)
                        *member = TARGET_INIT;
                process.pid = member->pid;
                process.pidfd = member->pidfd;
                process.process = member->process;
        }
        return process;
}

static int start(struct opening *opening)
{
        CLEANUP(target_deinit) struct target member = TARGET_INIT;
        struct attachment *trace = opening->trace;
        struct target process = process_of(trace, opening->request.pid, &member);
        struct open_job job = {
                .request = &opening->request,
                .target = &process,
                .peer = trace->needs_check ? &trace->peer : NULL,
                .admin = trace->peer.is_admin ? &trace->peer : NULL,
        };
        int keep[] = {process.pidfd, process.process, process.root};

        return helper_start(&trace->context->children, trace->peer.uid, keep, ARRAY_SIZE(keep), open_work, &job,
                            on_opened, opening, &opening->helper);
}

/* The oldest requests first, a few at a time. */
static void start_waiting(struct attachment *trace)
{
        struct opening *next;
        size_t n_started = 0;

        for (struct opening *o = trace->openings; o != NULL && n_started < MAX_HELPERS; o = next) {
                next = o->next;
                int r = o->helper != NULL ? 0 : start(o);

                if (r == 0) {
                        n_started++;
                } else if (r == -EAGAIN && n_started > 0) {
                        return; /* the end of one that runs is its turn */
                } else {
                        answer(trace, &o->request, -r, -1);
                        opening_free(o);
                }
        }
}

static bool is_base_name(const char *name, size_t size)
{
        return memchr(name, '\0', size) != NULL && name[0] != '\0' && strchr(name, '/') == NULL &&
               strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static bool is_absolute(const char *path, size_t size)
{
        return memchr(path, '\0', size) != NULL && path[0] == '/';
}

static bool is_valid(const struct link_open *request)
{
        switch (request->kind) {
        case LINK_OPEN_IMAGE:
                return is_absolute(request->path, sizeof(request->path));
        case LINK_OPEN_BUILD_ID:
                return request->n_build_id >= 2 && request->n_build_id <= LINK_BUILD_ID_BYTES;
        case LINK_OPEN_DEBUGLINK:
                return is_absolute(request->path, sizeof(request->path)) &&
                       is_base_name(request->name, sizeof(request->name));
        case LINK_OPEN_KALLSYMS:
        case LINK_OPEN_MAPS:
        case LINK_OPEN_SMAPS:
        case LINK_OPEN_PERF_MAP:
                return true;
        default:
                return false;
        }
}

static void answer_kallsyms(struct attachment *trace, const struct link_open *request)
{
        int fd = trace->context->kallsyms;

        if (fd >= 0)
                (void)lseek(fd, 0, SEEK_SET);
        answer(trace, request, fd < 0 ? trace->context->kallsyms_error : 0, fd);
}

/* A request has room for a path, so what an engine may let wait is some megabytes. */
static bool may_wait(const struct attachment *trace)
{
        size_t n = 0;

        for (const struct attachment *t = trace->context->attachments; t != NULL; t = t->next)
                n += t->peer.uid == trace->peer.uid ? t->n_openings : 0;
        return n < MAX_OPENINGS;
}

void opens_request(struct attachment *trace, const struct link_open *request)
{
        struct opening *opening, **last = &trace->openings;

        if (!is_valid(request)) {
                answer(trace, request, EINVAL, -1);
                return;
        }
        if (request->kind == LINK_OPEN_KALLSYMS) {
                answer_kallsyms(trace, request);
                return;
        }
        opening = may_wait(trace) ? calloc(1, sizeof(*opening)) : NULL;
        if (opening == NULL) {
                answer(trace, request, EBUSY, -1);
                return;
        }
        opening->trace = trace;
        opening->request = *request;
        while (*last != NULL)
                last = &(*last)->next;
        *last = opening;
        trace->n_openings++;
        start_waiting(trace);
}

void opens_cancel(struct attachment *trace)
{
        while (trace->openings != NULL)
                opening_free(trace->openings);
}
