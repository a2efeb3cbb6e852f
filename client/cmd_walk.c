/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * faultline walk: one address of a running process, explained. No daemon, no trace: /proc is read with the rights of
 * whoever runs us, and the process does not notice.
 */
#include "client/cmd_walk.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "client/demangle.h"
#include "client/escape.h"
#include "client/inspect.h"
#include "client/proc/process_symbols.h"
#include "client/say.h"
#include "client/view_walk.h"

struct command {
        const struct options *options;
        struct inspection inspection;
        struct image_cache *images;
        struct find_symbol find;
        struct text name; /* of the symbol, demangled; NUL-terminated */
        char *symbol;     /* likewise, as demangle() gave it */
};

static int32_t pid_of(const struct command *c)
{
        return c->inspection.pid;
}

/* --- where --- */

static void put_escaped(struct text *out, const char *bytes)
{
        (void)escape_terminal(out, bytes, strlen(bytes));
}

static int complain_several(const struct command *c)
{
        const struct find_symbol *find = &c->find;
        CLEANUP_TEXT struct text line = {0};

        put_escaped(&line, c->options->where);
        text_printf(&line, " is at %s%zu addresses; choose one by its address, or write IMAGE:SYMBOL:",
                    find->more ? "more than " : "", find->n_matches);
        for (size_t i = 0; i < find->n_matches; i++) {
                text_put_string(&line, "\n  ");
                text_put_hex(&line, find->matches[i].address);
                text_put_string(&line, "  ");
                put_escaped(&line, find->matches[i].path);
                text_put_string(&line, "  ");
                put_escaped(&line, find->matches[i].name);
        }
        say_text(&line);
        return -EINVAL;
}

static int complain_none(const struct command *c, const struct process_search *search)
{
        CLEANUP_TEXT struct text line = {0};
        CLEANUP_TEXT struct text status = {0};

        /* A process that has ended has no images; its numbers can still be read for a moment. */
        if (process_read(&c->inspection.process, "maps", &status) < 0 || status.n_bytes == 0) {
                inspect_complain(&c->inspection, -ESRCH);
                return -ESRCH;
        }
        text_put_string(&line, "no symbol ");
        put_escaped(&line, c->options->where);
        text_printf(&line, " in the images of process %" PRId32 " (%zu were searched", pid_of(c), search->n_images);
        if (search->n_failed > 0)
                text_printf(&line, ", %zu maps are of files that could not be read as images", search->n_failed);
        text_put_string(&line, ")");
        text_put_string(&line, "; write a name as in the program or as the linker has it, IMAGE:SYMBOL, SYMBOL+OFFSET, "
                               "or an address in hexadecimal");
        say_text(&line);
        return -ENOENT;
}

static int find_by_name(struct command *c, uint64_t *ret)
{
        struct process_search search;
        int r = process_find_symbol(c->images, &c->inspection.smaps, &c->find, &search);

        if (r < 0) {
                say("cannot look through the symbols of process %" PRId32 ": %s", pid_of(c), strerror(-r));
                return r;
        }
        if (c->find.n_matches > 1)
                return complain_several(c);
        if (c->find.n_matches == 0 && !c->find.has_address)
                return complain_none(c, &search);
        *ret = c->find.n_matches == 1 ? c->find.matches[0].address : c->find.address;
        return 0;
}

static int find_address(struct command *c, uint64_t *ret)
{
        CLEANUP_TEXT struct text line = {0};
        int r = find_symbol_init(&c->find, c->options->where, demangle);

        if (r == -ERANGE) {
                put_escaped(&line, c->options->where);
                text_put_string(&line, ": an address has at most 16 hexadecimal digits");
                say_text(&line);
                return r;
        }
        if (r < 0) {
                say("the address is empty; write it in hexadecimal, or a symbol");
                return r;
        }
        if (!c->find.only_address)
                return find_by_name(c, ret);
        *ret = c->find.address;
        return 0;
}

/* --- what is there --- */

/* Of several names at one address, the one that was asked for. */
static bool name_as_asked(const struct command *c, struct walk *walk)
{
        const struct find_match *match = c->find.matches;

        if (c->find.n_matches == 0 || c->find.readings[match->reading].offset != walk->symbol_offset)
                return false;
        walk->symbol = match->name;
        return true;
}

static void name_symbol(struct command *c, const struct process_place *place, struct walk *walk)
{
        uint32_t n_bytes = 0;

        walk->symbol = place->symbol;
        walk->symbol_offset = place->symbol_offset;
        if (name_as_asked(c, walk) || !place->symbol || c->options->raw_symbols)
                return;
        demangle(place->symbol, strlen(place->symbol), &c->symbol, &n_bytes);
        if (!c->symbol)
                return;
        text_put(&c->name, c->symbol, n_bytes);
        text_put_char(&c->name, '\0');
        if (!c->name.failed)
                walk->symbol = c->name.data;
}

static void name_place(struct command *c, struct walk *walk)
{
        const struct smaps_map *map = walk->facts.map;
        struct process_place place;

        if (!map)
                return;
        if (map->inode) {
                walk->has_file_offset = true;
                walk->file_offset = walk->facts.address - map->start + map->offset;
        }
        process_place(c->images, &c->inspection.smaps, map, walk->facts.address, &place);
        walk->image = place.image;
        walk->section = place.section;
        name_symbol(c, &place, walk);
}

/* --- all of it --- */

static int show(const struct options *options, const struct walk *walk)
{
        CLEANUP(inspect_output_close) struct inspect_output output;
        CLEANUP_TEXT struct text text = {0};

        inspect_output_open(options, &output);
        text.ascii = output.ascii;
        if (options->format == FORMAT_JSON)
                view_walk_put_json(&text, walk);
        else
                view_walk_put_text(&text, walk, output.n_columns, output.color);
        return inspect_write(&output, &text);
}

static int run(struct command *c)
{
        struct inspection *inspection = &c->inspection;
        struct walk walk = {.asked = c->options->where};
        uint64_t address = 0;
        int r = inspect_open(c->options->pids[0], inspection);

        if (r < 0)
                return r;
        c->images = image_cache_new(&inspection->process);
        r = c->images ? find_address(c, &address) : -ENOMEM;
        if (!c->images)
                inspect_complain(inspection, r);
        if (r < 0)
                return r;
        walk.pid = pid_of(c);
        walk.read_as_hex = c->find.looks_decimal;
        r = process_walk(&inspection->process, &inspection->smaps, address, &walk);
        if (r < 0) {
                inspect_complain(inspection, r);
                return r;
        }
        name_place(c, &walk);
        text_put_char(&inspection->comm, '\0');
        walk.comm = inspection->comm.failed ? "" : inspection->comm.data;
        return show(c->options, &walk);
}

int cmd_walk(const struct options *options)
{
        struct command command = {.options = options, .inspection = {.process = {.folder_fd = -1}}};
        int r = run(&command);

        find_symbol_free(&command.find);
        command.images = image_cache_free(command.images);
        inspect_close(&command.inspection);
        text_free(&command.name);
        free(command.symbol);
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
