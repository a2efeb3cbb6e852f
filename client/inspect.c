/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An empty list of maps is not an error for the kernel. It is what a process has that has ended and was not waited for,
 * what a thread of the kernel has, and what the first thread has that ended before its siblings: these still have all
 * the memory, and /proc knows them by their own numbers.
 */
#include "client/inspect.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "client/escape.h"
#include "client/say.h"

/* --- /proc/PID/status --- */

/* What stands behind "NAME:" and white space; NULL: no such line. */
static const char *find_line(const struct text *status, const char *name)
{
        size_t n_name = strlen(name);

        for (const char *line = status->data; line && *line; line = strchrnul(line, '\n')) {
                line += *line == '\n';
                if (strncmp(line, name, n_name) == 0 && line[n_name] == ':')
                        return line + n_name + 1 + strspn(line + n_name + 1, "\t ");
        }
        return NULL;
}

bool inspect_number(const struct inspection *inspection, const char *name, uint64_t *ret)
{
        const char *value = find_line(&inspection->status, name);

        if (!value || *value < '0' || *value > '9')
                return false;
        *ret = strtoull(value, NULL, 10);
        return true;
}

/* status and comm; in status the name has escapes. */
static int read_identity(struct inspection *inspection)
{
        struct text *status = &inspection->status, *comm = &inspection->comm;
        int r;

        status->n_bytes = comm->n_bytes = 0;
        r = process_read(&inspection->process, "comm", comm);
        if (r == 0)
                r = process_read(&inspection->process, "status", status);
        text_put_char(status, '\0');
        if (comm->n_bytes > 0 && comm->data[comm->n_bytes - 1] == '\n')
                comm->n_bytes--;
        return r < 0 ? r : status->failed ? -ENOMEM : 0;
}

/* --- what stands in the way --- */

static void complain_gone(pid_t pid)
{
        say("there is no process %" PRId32, (int32_t)pid);
}

/* "process 1 (init)" */
static void put_process(struct text *line, const struct inspection *inspection)
{
        text_printf(line, "process %" PRId32, (int32_t)inspection->pid);
        if (inspection->comm.n_bytes == 0)
                return;
        text_put_string(line, " (");
        (void)escape_terminal(line, inspection->comm.data, inspection->comm.n_bytes);
        text_put_string(line, ")");
}

static void complain_denied(const struct inspection *inspection)
{
        CLEANUP_TEXT struct text line = {0};
        uint64_t uid = 0;

        text_put_string(&line, "the memory of ");
        put_process(&line, inspection);
        text_put_string(&line, " may not be looked at: ");
        if (geteuid() == 0)
                text_put_string(&line, "we are root, but without CAP_SYS_PTRACE over it; run faultline outside of the "
                                       "container or with that capability");
        else if (inspect_number(inspection, "Uid", &uid) && uid != getuid())
                text_printf(&line,
                            "it belongs to user %" PRIu64 ", and we are user %" PRIu32
                            "; run faultline as that user or as root",
                            uid, (uint32_t)getuid());
        else
                text_put_string(&line,
                                "it has other ids or capabilities than we, or has forbidden it (PR_SET_DUMPABLE of "
                                "prctl(2)); run faultline as root");
        say_text(&line);
}

void inspect_complain(const struct inspection *inspection, int error)
{
        if (error == -ESRCH)
                complain_gone(inspection->pid);
        else if (error == -EACCES || error == -EPERM)
                complain_denied(inspection);
        else
                say("cannot read the maps of process %" PRId32 ": %s", (int32_t)inspection->pid,
                    error == -EBADMSG ? "the kernel's text is not understood" : strerror(-error));
}

/* Linux 6.8 and later say so; before, what has page tables or had them a moment ago is a process. */
static bool is_of_kernel(const struct inspection *inspection)
{
        const char *kthread = find_line(&inspection->status, "Kthread");

        return kthread ? *kthread == '1' : !inspect_number(inspection, "VmPTE", &(uint64_t){0});
}

static int complain_no_maps(const struct inspection *inspection)
{
        const char *state = find_line(&inspection->status, "State");
        CLEANUP_TEXT struct text line = {0};

        put_process(&line, inspection);
        if (state && (*state == 'Z' || *state == 'X'))
                text_put_string(&line, " has ended and only waits for its parent to notice: it has no memory any more");
        else if (is_of_kernel(inspection))
                text_put_string(&line, " is a thread of the kernel: it has no memory of its own");
        else
                text_put_string(&line, " has no maps now: it is just ending or starting another program; try again");
        say_text(&line);
        return -ESRCH;
}

/* --- opening --- */

/* 0; -ENOENT: it has none; other -errno. */
static int read_maps(const struct process *process, struct smaps *ret)
{
        int r = process_smaps(process, true, ret);

        if (r < 0 || ret->n_maps > 0)
                return r;
        smaps_free(ret);
        return -ENOENT;
}

/* The first thread has no maps: another one may. 0; -ENOENT: none has. */
static int use_another_thread(struct inspection *inspection)
{
        int fd = openat(inspection->process.folder_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *folder = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;
        int r = -ENOENT;

        if (!folder) {
                cleanup_close(&fd);
                return r;
        }
        while (r < 0 && (entry = readdir(folder))) {
                int tid = atoi(entry->d_name);
                struct process thread;

                if (tid <= 0 || tid == inspection->pid || process_open(tid, &thread) < 0)
                        continue;
                r = read_maps(&thread, &inspection->smaps);
                if (r < 0) {
                        process_close(&thread);
                        continue;
                }
                process_close(&inspection->process);
                inspection->process = thread;
        }
        (void)closedir(folder);
        return r;
}

static int open_all(struct inspection *inspection)
{
        int r = process_open(inspection->pid, &inspection->process);

        if (r == 0)
                r = read_identity(inspection);
        if (r == 0)
                r = read_maps(&inspection->process, &inspection->smaps);
        if (r == -ENOENT && use_another_thread(inspection) == 0)
                r = read_identity(inspection);
        return r;
}

int inspect_open(pid_t pid, struct inspection *ret)
{
        struct inspection inspection = {.pid = pid, .process = {.folder_fd = -1}};
        int r = open_all(&inspection);

        if (r == 0) {
                *ret = inspection;
                return 0;
        }
        /* it may have ended meanwhile */
        if (r == -ENOENT && read_identity(&inspection) == 0)
                r = complain_no_maps(&inspection);
        else
                inspect_complain(&inspection, r == -ENOENT ? -ESRCH : r);
        inspect_close(&inspection);
        return r;
}

void inspect_close(struct inspection *inspection)
{
        process_close(&inspection->process);
        smaps_free(&inspection->smaps);
        text_free(&inspection->status);
        text_free(&inspection->comm);
}

/* --- writing --- */

void inspect_output_open(const struct options *options, struct inspect_output *ret)
{
        *ret = (struct inspect_output){0};
        output_open(&ret->output);
        ret->n_columns = output_columns(&ret->output);
        ret->ascii = ret->output.is_terminal && !output_locale_is_utf8();
        ret->color = output_wants_color(&ret->output, options->color);
}

void inspect_output_close(struct inspect_output *output)
{
        output_close(&output->output);
}

int inspect_write(const struct inspect_output *output, const struct text *text)
{
        struct pollfd ready = {.fd = output->output.fd, .events = POLLOUT};
        size_t offset = 0;
        int r;

        (void)signal(SIGPIPE, SIG_IGN); /* a reader that has gone shows as EPIPE */
        do {
                r = text->failed ? -ENOMEM : output_write(&output->output, text, &offset);
                if (r == -EAGAIN)
                        (void)poll(&ready, 1, -1);
        } while (r == -EAGAIN);
        if (r < 0 && r != -EPIPE)
                say("cannot write to standard output: %s", strerror(-r));
        return r;
}
