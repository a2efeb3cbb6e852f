/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One fault with everything that is known of it, a line for each question: what happened, to whom, where, by which
 * code. What is not known has no line. Written when the fault comes and shown at the end, so lines are cut only then.
 */
#include <inttypes.h>

#include "client/escape.h"
#include "client/fault_line.h"
#include "client/row.h"
#include "client/stack_text.h"
#include "client/view_stat_report.h"

struct slow {
        struct names *names;
        struct text *out;
        const struct state *state;
        const struct proto_event *event;
};

static void put_memo(const struct slow *s, const struct memo *memo)
{
        if (memo->n_bytes > 0)
                text_put(s->out, memo->data, memo->n_bytes);
}

static void put_thread(const struct slow *s)
{
        struct dict_thread *thread = state_thread(s->state, s->event->thread);

        if (!thread) {
                text_put_char(s->out, '?');
                return;
        }
        put_memo(s, names_of_thread(s->names, thread));
        text_put_char(s->out, ' ');
        put_memo(s, names_of_comm(s->names, s->state, thread));
}

static void put_head(const struct slow *s)
{
        char digits[SINCE_MAX_BYTES];
        char *end = digits + sizeof(digits);
        char *begin = format_since(end, s->state, s->event->time_ns);

        text_printf(s->out, "%" PRIu64 ".%03u us at ", s->event->latency_ns / NSEC_PER_USEC,
                    (unsigned int)(s->event->latency_ns % NSEC_PER_USEC));
        text_put(s->out, begin, (size_t)(end - begin));
        text_put_string(s->out, " s, ");
        put_thread(s);
        text_printf(s->out, ", CPU %u\n", s->event->cpu);
}

static const char *known(const char *word)
{
        return word ? word : "?";
}

static void put_words(const struct slow *s)
{
        const struct proto_event *event = s->event;
        bool has_access = event->access != ACCESS_UNKNOWN;

        text_printf(s->out, "    %s, %s (%s), %s%sin %s mode\n",
                    event->outcome == OUTCOME_NONE ? "incomplete" : known(outcome_text(event->outcome)),
                    known(cause_text(event->cause)),
                    evidence_text(event->flags & PROTO_EVENT_INFERRED ? EVIDENCE_INFERRED : EVIDENCE_MEASURED),
                    has_access ? known(access_text(event->access)) : "", has_access ? " " : "",
                    mode_text(event->flags & PROTO_EVENT_KERNEL_MODE ? MODE_KERNEL : MODE_USER));
}

/* A power of two. */
static void put_page_size(struct text *out, unsigned int shift)
{
        static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

        text_printf(out, ", page of %u %s", 1U << shift % 10, units[shift / 10]);
}

static void put_address(const struct slow *s)
{
        const struct proto_event *event = s->event;

        text_put_string(s->out, "    address ");
        text_put_hex(s->out, event->addr);
        if (event->page_shift > 0 && event->page_shift < 64)
                put_page_size(s->out, event->page_shift);
        if (event->frame != PROTO_UNKNOWN) {
                text_put_string(s->out, ", frame ");
                text_put_hex(s->out, event->frame);
        }
        if (event->frame_before != PROTO_UNKNOWN) {
                text_put_string(s->out, ", before ");
                if (event->frame_before != 0)
                        text_put_hex(s->out, event->frame_before);
                else
                        text_put_string(s->out, "none");
        }
        text_put_char(s->out, '\n');
}

/* A file has a line of its own, because paths are long. */
static void put_path(const struct slow *s, const struct dict_map *map, const struct dict_string *path)
{
        bool is_file = path->data[0] != '[';

        if (is_file) {
                text_put_string(s->out, " offset ");
                text_put_hex(s->out, map->offset);
        }
        text_put_string(s->out, is_file ? "\n    file    " : " ");
        (void)escape_terminal(s->out, path->data, path->n_bytes);
}

static void put_map(const struct slow *s)
{
        const struct dict_map *map = state_map(s->state, s->event->map);
        const struct dict_string *path;

        if (!map)
                return;
        text_put_string(s->out, "    map     ");
        text_put_hex(s->out, map->start);
        text_put_char(s->out, '-');
        text_put_hex(s->out, map->end);
        text_put_char(s->out, ' ');
        (void)escape_terminal(s->out, map->perms, sizeof(map->perms));
        path = state_string(s->state, map->path);
        if (path && path->n_bytes > 0)
                put_path(s, map, path);
        else
                text_put_string(s->out, " anon");
        text_put_char(s->out, '\n');
}

/* How far behind its beginning; before it only when the daemon is wrong, and then better shown than hidden. */
static void put_offset(const struct slow *s, uint64_t address, uint64_t base)
{
        text_put_char(s->out, address >= base ? '+' : '-');
        text_put_hex(s->out, address >= base ? address - base : base - address);
}

/* Where a file has no section or symbol, the position in the map says more than the one in the file's image. */
static void put_place(const struct slow *s)
{
        struct dict_place *place = state_place(s->state, s->event->place);
        struct dict_map *map = state_map(s->state, s->event->map);
        bool has_place = place && place->image != 0 && (place->section != 0 || place->symbol != 0 || !map);

        if (!has_place && !map)
                return;
        text_put_string(s->out, "    place   ");
        put_memo(s, has_place ? names_of_place(s->names, s->state, place) : names_of_map(s->names, s->state, map));
        put_offset(s, s->event->addr, has_place ? place->base : map->start);
        text_put_char(s->out, '\n');
}

/* address 0: not known. */
static void put_code(const struct slow *s, const char *label, uint32_t id, uint64_t address)
{
        struct dict_place *place = state_place(s->state, id);
        bool has_name = place && place->image != 0;

        if (!has_name && address == 0)
                return;
        text_put_string(s->out, label);
        if (has_name)
                put_memo(s, names_of_place(s->names, s->state, place));
        else
                text_put_hex(s->out, address);
        if (has_name && address != 0)
                put_offset(s, address, place->base);
        text_put_char(s->out, '\n');
}

void stat_slow_put(struct names *names, struct text *out, const struct state *state, const struct proto_event *event)
{
        const struct slow s = {.names = names, .out = out, .state = state, .event = event};
        uint64_t ip = event->flags & PROTO_EVENT_IP_HIDDEN ? 0 : event->ip;

        put_head(&s);
        put_words(&s);
        put_address(&s);
        put_map(&s);
        put_place(&s);
        put_code(&s, "    code    ", event->code, ip);
        put_code(&s, "    caller  ", event->caller, event->caller_ip);
        stack_text_put(names, out, state, event->stack, ROW_ENDLESS);
}
