/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A trace that is watched on a full screen: view_top.h with what it needs from /proc, at its own pace. The loop and the
 * terminal are in cmd_trace.c and trace_screen.c.
 *
 * The maps of a process with many of them take long to read (the kernel walks its page tables for the amounts), and
 * nothing else happens meanwhile: so they are read the less often the longer it takes.
 */
#include "client/cmd_top.h"

#include <errno.h>
#include <time.h>

#include "client/cost.h"
#include "client/proc/pages_read.h"
#include "client/proc/process.h"
#include "client/top/view_top.h"
#include "client/top_images.h"
#include "client/trace.h"

enum {
        READING_SHARE = 10, /* of the time, one in so many goes to reading maps at most */
};

#define COST_EVERY_NS NSEC_PER_SEC

struct top_needs {
        uint64_t cost_ns; /* when it was told last; 0: never */
        uint64_t maps_ns; /* not to be read before then */
        struct top_images images;
};

static uint64_t clock_ns(void)
{
        struct timespec now;

        (void)clock_gettime(CLOCK_MONOTONIC, &now);
        return (uint64_t)now.tv_sec * NSEC_PER_SEC + (uint64_t)now.tv_nsec;
}

static void tell_cost(struct top_needs *needs, const struct trace_command *t, uint64_t now_ns)
{
        struct cost ours = {PROTO_UNKNOWN, PROTO_UNKNOWN}, theirs = {PROTO_UNKNOWN, PROTO_UNKNOWN};
        struct top_cost cost;

        if (t->over || (needs->cost_ns > 0 && now_ns - needs->cost_ns < COST_EVERY_NS))
                return;
        needs->cost_ns = now_ns;
        /* What cannot be read stays unknown. */
        (void)!cost_of_ourselves(&ours);
        if (t->conn.daemon_pid > 0)
                (void)!cost_of_family(t->conn.daemon_pid, &theirs);
        cost = (struct top_cost){.client_cpu_ns = ours.cpu_ns,
                                 .client_bytes = ours.bytes,
                                 .daemon_cpu_ns = theirs.cpu_ns,
                                 .daemon_bytes = theirs.bytes};
        view_top_set_cost(t->view, &cost, now_ns);
}

static bool fetch_maps(struct top_needs *needs, struct view *view, uint64_t now_ns)
{
        int32_t pid = view_top_space_pid(view);
        CLEANUP_FREE struct space_mark *marks = NULL;
        struct process process;
        struct smaps maps = {0};
        size_t n_marks;
        int r;

        if (pid <= 0 || now_ns < needs->maps_ns || !view_top_wants_maps(view, now_ns))
                return false;
        r = process_open(pid, &process);
        if (r == 0) {
                r = process_smaps(&process, true, &maps);
                process_close(&process);
        }
        /* Without its sections a map still has its name. */
        if (r == 0 && top_images_sections(&needs->images, pid, &maps, &marks, &n_marks) > 0)
                (void)!view_top_set_marks(view, marks, n_marks);
        view_top_set_maps(view, pid, &maps, r, now_ns);
        needs->maps_ns = now_ns + READING_SHARE * (clock_ns() - now_ns);
        return true;
}

static int read_pages(int32_t pid, uint64_t start, size_t n_pages, uint64_t *entries)
{
        CLEANUP_CLOSE int pagemap = -1;
        struct process process;
        int r;

        r = process_open(pid, &process);
        if (r < 0)
                return r;
        pagemap = pages_open(process.folder_fd);
        process_close(&process);
        return pagemap < 0 ? pagemap : pages_read(pagemap, start, n_pages, entries);
}

/* true: there are some that were not there before. */
static bool fetch_pages(struct view *view)
{
        CLEANUP_FREE uint64_t *entries = malloc(SPACE_PAGES_MAX * sizeof(*entries));
        int32_t pid = view_top_space_pid(view);
        bool have_some = false;
        uint64_t start;
        size_t n_pages;

        while (entries && pid > 0 && view_top_wants_pages(view, &start, &n_pages)) {
                if (read_pages(pid, start, n_pages, entries) < 0)
                        n_pages = 0;
                if (view_top_set_pages(view, start, n_pages > 0 ? entries : NULL, n_pages) < 0 || n_pages == 0)
                        break;
                have_some = true;
        }
        return have_some;
}

static bool fetch_name(struct top_needs *needs, struct view *view, bool demangles)
{
        CLEANUP_TEXT struct text name = {0};
        int32_t pid = view_top_space_pid(view);
        uint64_t address;

        if (pid <= 0 || !view_top_wants_name(view, &address))
                return false;
        (void)!top_images_name(&needs->images, pid, address, demangles, &name);
        view_top_set_name(view, address, name.data, name.n_bytes);
        return true;
}

static bool fetch(void *user, struct trace_command *t, uint64_t now_ns)
{
        struct top_needs *needs = user;
        bool has_name = fetch_name(needs, t->view, !t->options->raw_symbols);
        bool has_maps = fetch_maps(needs, t->view, now_ns);
        bool has_pages = fetch_pages(t->view);

        tell_cost(needs, t, now_ns);
        return has_maps || has_pages || has_name;
}

static enum trace_key_answer on_key(struct view *view, const struct key *key, uint64_t now_ns)
{
        switch (view_top_key(view, key, now_ns)) {
        case VIEW_TOP_QUIT:
                return TRACE_KEY_QUIT;
        case VIEW_TOP_REPAINT:
                return TRACE_KEY_REPAINT;
        case VIEW_TOP_OK:
                break;
        }
        return TRACE_KEY_OK;
}

static struct view *make_view(const struct options *options, const struct output *output)
{
        const struct view_top_options top = {
                .by = options->n_by > 0 ? options->by[0] : GROUP_MAP,
                .starts_with_space = options->action == ACTION_MAPS,
                .n_levels = machine_n_levels(),
        };

        return view_top_new(&top);
}

static struct view *free_view(const struct options *options, struct view *view)
{
        return view_top_free(view);
}

int cmd_top(const struct options *options)
{
        struct top_needs needs = {0};
        const struct trace_screen_kind screen = {
                .user = &needs,
                .fetch = fetch,
                .draw = view_top_draw,
                .key = on_key,
                .over = view_top_set_over,
        };
        const struct trace_kind kind = {.make_view = make_view, .free_view = free_view, .screen = &screen};
        int r = trace_run(options, &kind);

        top_images_free(&needs.images);
        return r;
}
