/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * faultline maps: no daemon, no trace. /proc is read with the rights of whoever runs us; the process is not stopped,
 * and goes on changing its maps while they are read: what is shown is one moment of each map, not of all together.
 *
 * Where a thread's stack is, only its stack pointer tells. The kernel has it for a thread that is not running just then
 * (/proc/PID/task/TID/syscall, proc_pid_syscall(5)); the others go without that name.
 */
#include "client/cmd_maps.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "client/inspect.h"
#include "client/proc/image_cache.h"
#include "client/say.h"
#include "client/view_maps.h"

struct command {
        const struct options *options;
        struct inspection inspection;
        struct image_cache *cache;
        struct annotate_image *images; /* one for each map */
        struct annotate_thread *threads;
        size_t n_threads, size_threads, n_unopened_maps;
        struct process_pages pages;
        bool has_pages;
        struct annotation annotation;
};

/* --- threads --- */

/* "0 0x7 ... 0x7ffd1234 0x7f12", or "-1 0x7ffd1234 0x7f12": the stack pointer is the last but one. */
static bool parse_stack_pointer(const char *text, uint64_t *ret)
{
        const char *last = strrchr(text, ' '), *at = last;

        if (!last)
                return false; /* "running" */
        while (at > text && at[-1] != ' ')
                at--;
        *ret = strtoull(at, NULL, 16);
        return at > text;
}

static bool read_stack_pointer(const struct process *process, const char *tid, uint64_t *ret)
{
        CLEANUP_TEXT struct text text = {0};
        char name[64];

        (void)snprintf(name, sizeof(name), "task/%.16s/syscall", tid);
        if (process_read(process, name, &text) < 0)
                return false;
        text_put_char(&text, '\0');
        return !text.failed && parse_stack_pointer(text.data, ret);
}

static int add_thread(struct command *c, const struct annotate_thread *thread)
{
        if (c->n_threads == c->size_threads) {
                size_t n = c->size_threads ? c->size_threads * 2 : 16;
                struct annotate_thread *threads = reallocarray(c->threads, n, sizeof(*threads));

                if (!threads)
                        return -ENOMEM;
                c->threads = threads;
                c->size_threads = n;
        }
        c->threads[c->n_threads++] = *thread;
        return 0;
}

static void close_folder(DIR **folder)
{
        if (*folder)
                (void)closedir(*folder);
}

static int read_threads(struct command *c)
{
        const struct process *process = &c->inspection.process;
        int fd = openat(process->folder_fd, "task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        CLEANUP(close_folder) DIR *folder = fd < 0 ? NULL : fdopendir(fd);
        const struct dirent *entry;

        if (!folder) {
                cleanup_close(&fd);
                return 0; /* it has gone; what was read of it is still worth showing */
        }
        while (r == 0 && (entry = readdir(folder))) {
                struct annotate_thread thread = {.tid = atoi(entry->d_name)};

                if (thread.tid > 0 && read_stack_pointer(process, entry->d_name, &thread.stack_pointer))
                        r = add_thread(c, &thread);
        }
        return r;
}

/* --- images, pages --- */

/* The map has a file that might be an image, but no way leads to it: no right to (ptrace access shows the maps to its
 * owner, and CAP_PERFMON does, which opens no file), or another file is at the path. */
static bool is_unopened(int error)
{
        return error == -EACCES || error == -EPERM || error == -ESTALE;
}

static int find_images(struct command *c)
{
        const struct smaps *smaps = &c->inspection.smaps;
        int error;

        c->cache = image_cache_new(&c->inspection.process);
        c->images = calloc(smaps->n_maps, sizeof(*c->images));
        if (!c->cache || !c->images)
                return -ENOMEM;
        for (size_t i = 0; i < smaps->n_maps; i++) {
                c->images[i].image = image_cache_find(c->cache, smaps, &smaps->maps[i], &c->images[i].bias, &error);
                if (error == -ENOMEM)
                        return error;
                c->n_unopened_maps += is_unopened(error);
        }
        return 0;
}

static bool read_min_addr(uint64_t *ret)
{
        CLEANUP_CLOSE int fd = open("/proc/sys/vm/mmap_min_addr", O_RDONLY | O_CLOEXEC);
        char text[32];
        ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

        if (n <= 0)
                return false;
        text[n] = '\0';
        *ret = strtoull(text, NULL, 10);
        return true;
}

static bool has_amounts(const struct smaps *smaps)
{
        for (size_t i = 0; i < smaps->n_maps; i++)
                if (!smaps->maps[i].has_amounts)
                        return false;
        return true;
}

/* --- all of it --- */

static int gather(struct command *c, unsigned int n_levels)
{
        int r = find_images(c);

        if (r == 0)
                r = read_threads(c);
        if (r < 0)
                return r;
        r = process_scan(&c->inspection.process, &c->inspection.smaps, n_levels, &c->pages);
        if (r == -ENOMEM)
                return r;
        c->has_pages = r == 0;
        return annotate(&(struct annotate_input){.smaps = &c->inspection.smaps,
                                                 .images = c->images,
                                                 .threads = c->threads,
                                                 .n_threads = c->n_threads,
                                                 .guards = c->pages.guards,
                                                 .n_guards = c->pages.n_guards,
                                                 .n_levels = n_levels},
                        &c->annotation);
}

static int show(const struct command *c, unsigned int n_levels)
{
        struct maps_report report = {
                .pid = c->inspection.pid,
                .comm = c->inspection.comm.data ? c->inspection.comm.data : "",
                .n_comm_bytes = c->inspection.comm.n_bytes,
                .annotation = &c->annotation,
                .n_levels = n_levels,
                .has_amounts = has_amounts(&c->inspection.smaps),
                .n_unopened_maps = c->n_unopened_maps,
                .pages = c->has_pages ? &c->pages : NULL,
        };
        CLEANUP(inspect_output_close) struct inspect_output output;
        CLEANUP_TEXT struct text text = {0};

        report.knows_min_addr = read_min_addr(&report.min_addr);
        report.knows_vm_pte = inspect_number(&c->inspection, "VmPTE", &report.vm_pte_bytes);
        report.vm_pte_bytes *= 1024; /* the line has kB */
        inspect_output_open(c->options, &output);
        text.ascii = output.ascii;
        if (c->options->format == FORMAT_JSON)
                view_maps_put_json(&text, &report);
        else
                view_maps_put_text(&text, &report,
                                   &(struct view_maps_options){.color = output.color, .n_columns = output.n_columns});
        return inspect_write(&output, &text);
}

static int run(struct command *c)
{
        unsigned int n_levels = machine_n_levels();
        int r = inspect_open(c->options->pids[0], &c->inspection);

        if (r < 0)
                return r;
        r = gather(c, n_levels);
        if (r < 0) {
                say("cannot show the maps of process %d: %s", (int)c->inspection.pid, strerror(-r));
                return r;
        }
        return show(c, n_levels);
}

int cmd_maps(const struct options *options)
{
        struct command command = {.options = options, .inspection = {.process = {.folder_fd = -1}}};
        int r = run(&command);

        annotation_free(&command.annotation);
        process_pages_free(&command.pages);
        command.cache = image_cache_free(command.cache);
        free(command.images);
        free(command.threads);
        inspect_close(&command.inspection);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
