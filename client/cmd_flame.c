/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trace whose stacks are gathered, and a file that is written when it is over. The file appears whole or not at all:
 * it is written under another name beside it and then renamed. Renaming also replaces a symbolic link instead of
 * following it, so nobody who may write to the folder can send root's picture somewhere else.
 *
 * Whether the folder can be written to is asked before the trace begins: afterwards would be too late to say.
 */
#include "client/cmd_flame.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "client/escape.h"
#include "client/flame_svg.h"
#include "client/say.h"
#include "client/trace.h"
#include "client/view_flame.h"
#include "client/view_json.h"
#include "client/view_text.h"

static int say_cannot_write(const char *name, int error)
{
        CLEANUP_TEXT struct text quoted = {0};

        (void)escape_terminal(&quoted, name, strlen(name));
        say("cannot write '%.*s': %s", (int)quoted.n_bytes, quoted.data ? quoted.data : "", strerror(-error));
        return error;
}

/* --- the file --- */

static void remove_file(char **name)
{
        if (*name)
                (void)unlink(*name);
        free(*name);
}

static mode_t usual_mode(void)
{
        mode_t mask = umask(0);

        (void)umask(mask);
        return 0666 & ~mask;
}

static int write_all(int fd, const struct text *text)
{
        for (size_t offset = 0; offset < text->n_bytes;) {
                ssize_t n = write(fd, text->data + offset, text->n_bytes - offset);

                if (n >= 0)
                        offset += (size_t)n;
                else if (errno != EINTR)
                        return -errno;
        }
        return 0;
}

static int replace_file(const char *name, const struct text *text)
{
        CLEANUP(remove_file) char *temporary = NULL;
        CLEANUP_CLOSE int fd = -1;
        char *pattern;
        int r;

        if (asprintf(&pattern, "%s.XXXXXX", name) < 0)
                return -ENOMEM;
        fd = mkostemp(pattern, O_CLOEXEC);
        if (fd < 0) {
                r = -errno;
                free(pattern);
                return r;
        }
        temporary = pattern;
        r = write_all(fd, text);
        if (r < 0)
                return r;
        if (fchmod(fd, usual_mode()) < 0 || close(TAKE_FD(fd)) < 0 || rename(temporary, name) < 0)
                return -errno;
        free(TAKE_PTR(temporary));
        return 0;
}

static int check_folder(const char *name)
{
        CLEANUP_FREE char *folder = strdup(name);
        struct stat status;
        char *slash;

        if (!folder)
                return -ENOMEM;
        slash = strrchr(folder, '/');
        if (slash)
                slash[slash == folder] = '\0';
        if (access(slash ? folder : ".", W_OK | X_OK) < 0)
                return -errno;
        return stat(name, &status) == 0 && S_ISDIR(status.st_mode) ? -EISDIR : 0;
}

/* --- what is in it --- */

static void put_title(const struct options *options, struct text *out)
{
        static const char *const weights[] = {
                [WEIGHT_COUNT] = "number", [WEIGHT_BYTES] = "bytes of pages", [WEIGHT_TIME] = "time taken"};

        text_put_string(out, "Page faults of ");
        if (options->command)
                text_put_string(out, options->command[0]);
        else if (options->unit.n_bytes > 0)
                text_put(out, options->unit.data, options->unit.n_bytes);
        else
                text_put_string(out, options->n_pids == 1 ? "process" : "processes");
        for (size_t i = 0; i < options->n_pids; i++) {
                text_put_string(out, i ? ", " : " ");
                text_put_i64(out, options->pids[i]);
        }
        text_printf(out, ", by %s", weights[options->weight]);
}

static void put_file(const struct options *options, const struct flame *flame, struct text *out)
{
        CLEANUP_TEXT struct text title = {0};

        if (options->file_kind == FLAME_FOLDED) {
                flame_put_folded(flame, out);
                return;
        }
        put_title(options, &title);
        out->failed |= title.failed;
        if (!title.failed)
                flame_put_svg(flame,
                              &(struct flame_svg_options){
                                      .title = title.data, .n_title = title.n_bytes, .weight = options->weight},
                              out);
}

static void put_part(struct text *out, uint64_t n, const char *what)
{
        if (n > 0)
                text_printf(out, ", %" PRIu64 " %s", n, what);
}

static void put_summary(const struct options *options, const struct view_flame_summary *summary, struct text *err)
{
        const struct measure *all = &summary->all;

        text_put_string(err, "-- ");
        (void)escape_terminal(err, options->file, strlen(options->file));
        text_printf(err, ": %" PRIu64 " fault%s", all->count, all->count == 1 ? "" : "s");
        put_part(err, summary->n_without_stack, "without a stack");
        put_part(err, summary->n_cut, "with a cut stack");
        put_part(err, summary->n_homeless, "not all of it because the graph is as large as it may be");
        if (options->weight == WEIGHT_TIME)
                put_part(err, all->count - all->n_timed, "without a latency, which weigh nothing");
        text_put_char(err, '\n');
}

/* --- the command --- */

static struct view *make_view(const struct options *options, const struct output *output)
{
        const struct view_text_options text = {.no_faults = true};
        bool for_programs = options->format == FORMAT_JSON;
        const struct view_flame_options flame = {.weight = options->weight,
                                                 .notes = for_programs ? view_json_new() : view_text_new(&text),
                                                 .notes_for_programs = for_programs};
        struct view *view = flame.notes ? view_flame_new(&flame) : NULL;

        if (!view)
                (void)trace_free_view(options, flame.notes);
        return view;
}

static struct view *free_view(const struct options *options, struct view *view)
{
        struct view *notes = view ? view_flame_notes(view) : NULL;

        view = view_flame_free(view);
        (void)trace_free_view(options, notes);
        return view;
}

static int finish(const struct options *options, struct view *view)
{
        CLEANUP_TEXT struct text text = {0};
        struct view_flame_summary summary;
        int r;

        r = view_flame_finish(view, &summary);
        if (r == 0)
                put_file(options, summary.flame, &text);
        if (r == 0)
                r = text.failed ? -ENOMEM : replace_file(options->file, &text);
        if (r < 0)
                return say_cannot_write(options->file, r);
        if (options->format == FORMAT_TEXT)
                put_summary(options, &summary, &view->err);
        return 0;
}

int cmd_flame(const struct options *options)
{
        static const struct trace_kind kind = {.make_view = make_view, .free_view = free_view, .finish = finish};
        int r;

        r = check_folder(options->file);
        if (r < 0) {
                (void)say_cannot_write(options->file, r);
                return EXIT_FAILURE;
        }
        return trace_run(options, &kind);
}
