/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Definitions are encoded the moment they are first needed into one open DICT frame; dict_flush() closes it. Strings
 * and places are found again through hash tables, threads through their (pid, tid, name), maps through the memo that
 * each carries, because maps are many and looked up for every fault.
 */
#include "daemon/engine/serve/dict.h"

#include <errno.h>
#include <string.h>

#include "daemon/engine/serve/idtable.h"

#define DEF_ROOM_BYTES (PROTO_STRING_MAX_BYTES + 64) /* the largest definition but for a stack */
#define STACK_ROOM_BYTES(n_frames) (64 + (size_t)(n_frames)*PROTO_STACK_FRAME_BYTES)

struct dict {
        uint32_t trace;
        uint32_t epoch;
        size_t cap_bytes, n_bytes;
        uint32_t high_water;
        struct idtable strings, places, threads, lines;
        uint32_t n_maps, n_stacks;
        struct outframe **log;
        size_t n_log, size_log, n_sent;
        uint8_t *open; /* PROTO_FRAME_MAX_BYTES, the frame being built */
        struct proto_buffer buffer;
        uint32_t n_open; /* definitions in it */
};

static int begin(struct dict *dict)
{
        dict->buffer = (struct proto_buffer){.data = dict->open, .size_bytes = PROTO_FRAME_MAX_BYTES};
        dict->n_open = 0;
        return proto_begin_frame(&dict->buffer);
}

int dict_new(uint32_t trace, size_t cap_bytes, struct dict **ret)
{
        struct dict *dict = calloc(1, sizeof(*dict));

        if (!dict)
                return -ENOMEM;
        dict->trace = trace;
        dict->cap_bytes = cap_bytes;
        dict->epoch = 1;
        dict->open = malloc(PROTO_FRAME_MAX_BYTES);
        if (!dict->open || begin(dict) < 0) {
                dict_free(dict);
                return -ENOMEM;
        }
        *ret = dict;
        return 0;
}

static void forget(struct dict *dict)
{
        idtable_clear(&dict->strings);
        idtable_clear(&dict->places);
        idtable_clear(&dict->threads);
        idtable_clear(&dict->lines);
        for (size_t i = 0; i < dict->n_log; i++)
                outframe_unref(dict->log[i]);
        dict->n_log = dict->n_sent = 0;
        dict->n_bytes = 0;
        dict->n_maps = dict->n_stacks = 0;
        dict->high_water = 0;
}

struct dict *dict_free(struct dict *dict)
{
        if (!dict)
                return NULL;
        forget(dict);
        free(dict->log);
        free(dict->open);
        free(dict);
        return NULL;
}

/* The open frame becomes the last of the log. */
static int close_frame(struct dict *dict)
{
        struct proto_header header = {
                .type = MESSAGE_DICT, .trace = dict->trace, .count = dict->n_open, .dict_hw = dict->high_water};
        struct outframe *frame;
        int n;

        if (!dict->n_open)
                return 0;
        if (dict->n_log == dict->size_log) {
                size_t size = dict->size_log ? dict->size_log * 2 : 16;
                struct outframe **log = realloc(dict->log, size * sizeof(*log));

                if (!log)
                        return -ENOMEM;
                dict->log = log;
                dict->size_log = size;
        }
        n = proto_finish_frame(&dict->buffer, &header);
        if (n < 0)
                return n;
        frame = outframe_new(MESSAGE_DICT, dict->open, (size_t)n);
        if (!frame)
                return -ENOMEM;
        dict->log[dict->n_log++] = frame;
        return begin(dict);
}

/* Asked for before an id is given away: an id without a definition would never get one. */
static bool make_room_of(struct dict *dict, size_t n_bytes)
{
        return dict->buffer.size_bytes - dict->buffer.n_bytes >= n_bytes || close_frame(dict) >= 0;
}

static bool make_room(struct dict *dict)
{
        return make_room_of(dict, DEF_ROOM_BYTES);
}

/* Returns the id. */
static uint32_t define(struct dict *dict, const struct proto_def *def)
{
        size_t before = dict->buffer.n_bytes;

        if (proto_append_def(&dict->buffer, def) < 0)
                return 0; /* cannot be: there is room, and the kind is known */
        dict->n_bytes += dict->buffer.n_bytes - before;
        dict->n_open++;
        dict->high_water++;
        return def->id;
}

uint32_t dict_string(struct dict *dict, const char *bytes, size_t n_bytes)
{
        struct proto_def def = {.kind = DEF_STRING};
        int r;

        if (!n_bytes)
                return 0;
        n_bytes = MIN_OF(n_bytes, (size_t)PROTO_STRING_MAX_BYTES);
        if (!make_room(dict))
                return 0;
        r = idtable_get(&dict->strings, bytes, n_bytes, &def.id);
        if (r < 0)
                return 0;
        if (r == IDTABLE_FOUND)
                return def.id;
        def.string = (struct proto_string){.data = bytes, .n_bytes = (uint32_t)n_bytes};
        return define(dict, &def);
}

uint32_t dict_map(struct dict *dict, struct map *map)
{
        struct proto_def def = {.kind = DEF_MAP};

        if (map->def_epoch == dict->epoch)
                return map->def_id;
        def.map.path = dict_string(dict, map->path, strlen(map->path));
        if (!make_room(dict))
                return 0;
        def.map.start = map->start;
        def.map.end = map->end;
        def.map.offset = map->offset;
        def.map.perms[0] = map->readable ? 'r' : '-';
        def.map.perms[1] = map->writable ? 'w' : '-';
        def.map.perms[2] = map->executable ? 'x' : '-';
        def.map.perms[3] = map->shared ? 's' : 'p';
        def.id = ++dict->n_maps;
        map->def_id = define(dict, &def);
        map->def_epoch = dict->epoch;
        return map->def_id;
}

uint32_t dict_place(struct dict *dict, const struct dict_place *place)
{
        uint64_t key[] = {(uint64_t)place->image << 32 | place->section, place->symbol, place->base};
        struct proto_def def = {.kind = DEF_PLACE};
        int r = make_room(dict) ? idtable_get(&dict->places, key, sizeof(key), &def.id) : -ENOMEM;

        if (r < 0)
                return 0;
        if (r == IDTABLE_FOUND)
                return def.id;
        def.place.image = place->image;
        def.place.section = place->section;
        def.place.symbol = place->symbol;
        def.place.base = place->base;
        return define(dict, &def);
}

uint32_t dict_thread(struct dict *dict, pid_t pid, pid_t tid, const char *comm)
{
        uint32_t name = dict_string(dict, comm, strlen(comm));
        uint32_t key[] = {(uint32_t)pid, (uint32_t)tid, name};
        struct proto_def def = {.kind = DEF_THREAD};
        int r = make_room(dict) ? idtable_get(&dict->threads, key, sizeof(key), &def.id) : -ENOMEM;

        if (r < 0)
                return 0;
        if (r == IDTABLE_FOUND)
                return def.id;
        def.thread.pid = pid;
        def.thread.tid = tid;
        def.thread.comm = name;
        return define(dict, &def);
}

uint32_t dict_line(struct dict *dict, const struct dict_line *line)
{
        uint32_t key[] = {line->function, line->file, line->line, line->outer};
        struct proto_def def = {.kind = DEF_LINE};
        int r = make_room(dict) ? idtable_get(&dict->lines, key, sizeof(key), &def.id) : -ENOMEM;

        if (r < 0)
                return 0;
        if (r == IDTABLE_FOUND)
                return def.id;
        def.line.function = line->function;
        def.line.file = line->file;
        def.line.line = line->line;
        def.line.outer = line->outer;
        return define(dict, &def);
}

uint32_t dict_stack(struct dict *dict, const struct proto_stack_frame *frames, uint32_t n_frames, bool is_cut)
{
        struct proto_def def = {.kind = DEF_STACK};

        n_frames = MIN_OF(n_frames, (uint32_t)PROTO_STACK_MAX_FRAMES);
        if (!make_room_of(dict, STACK_ROOM_BYTES(n_frames)))
                return 0;
        def.id = ++dict->n_stacks;
        def.stack.flags = is_cut ? PROTO_STACK_CUT : 0;
        def.stack.n_frames = n_frames;
        def.stack.frames = frames;
        return define(dict, &def);
}

uint32_t dict_epoch(const struct dict *dict)
{
        return dict->epoch;
}

uint32_t dict_high_water(const struct dict *dict)
{
        return dict->high_water;
}

bool dict_is_full(const struct dict *dict)
{
        return dict->n_bytes >= dict->cap_bytes;
}

int dict_flush(struct dict *dict, struct outframe **ret)
{
        int r = close_frame(dict);

        if (r < 0)
                return r;
        if (dict->n_sent == dict->n_log)
                return 0;
        *ret = dict->log[dict->n_sent++];
        return 1;
}

struct outframe *dict_log(const struct dict *dict, size_t index)
{
        return index < dict->n_sent ? dict->log[index] : NULL;
}

int dict_reset(struct dict *dict, struct outframe **ret)
{
        uint8_t bytes[PROTO_HEADER_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct outframe *frame;
        int n = proto_encode_empty(&buffer, dict->trace, MESSAGE_DICT_RESET);

        if (n < 0)
                return n;
        frame = outframe_new(MESSAGE_DICT_RESET, bytes, (size_t)n);
        if (!frame)
                return -ENOMEM;
        forget(dict);
        n = begin(dict);
        if (n < 0) {
                outframe_unref(frame);
                return n;
        }
        if (++dict->epoch == 0)
                dict->epoch = 1;
        *ret = frame;
        return 0;
}
