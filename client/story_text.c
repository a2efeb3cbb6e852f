/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The first line says what happened, in the daemon's sentence; what is indented below it is the evidence, most useful
 * first: where in the code, what was and is mapped around the address, registers, call stack. Lines that would say
 * nothing are left out. What happens next is not told, because it is not known here: a handler may repair the damage.
 */
#include "client/story_text.h"

#include <inttypes.h>

#include "client/color.h"
#include "client/escape.h"
#include "client/fault_line.h"
#include "client/signal_names.h"

enum { REGISTERS_PER_LINE = 4, SI_KERNEL_CODE = 0x80 /* asm-generic/siginfo.h */ };

struct story {
        const struct story_style *style;
        struct text *out;
        const struct state *state;
        const struct proto_signal *signal;
};

static void begin_row(const struct story *s, const char *label)
{
        text_printf(s->out, "    %-8s ", label);
}

static void put_memo(const struct story *s, const struct memo *memo)
{
        text_put(s->out, memo->data ? memo->data : "", memo->n_bytes);
}

static void put_offset(const struct story *s, uint64_t addr, uint64_t base)
{
        text_put_char(s->out, addr >= base ? '+' : '-'); /* before it only when the daemon is wrong */
        text_put_hex(s->out, addr >= base ? addr - base : base - addr);
}

/* --- the header --- */

static void put_comm(const struct story *s)
{
        struct dict_thread *thread = state_thread(s->state, s->signal->thread);

        put_memo(s, thread ? names_of_comm(s->style->names, s->state, thread) : names_unknown());
}

static void put_header(const struct story *s)
{
        const struct proto_signal *signal = s->signal;

        if (s->style->color)
                text_put_string(s->out, COLOR_RED);
        text_put_string(s->out, "--- ");
        signal_put_name(s->out, signal->signo);
        text_put_string(s->out, " in ");
        put_comm(s);
        text_printf(s->out, "[%d", signal->pid);
        if (signal->tid != signal->pid)
                text_printf(s->out, "/%d", signal->tid);
        text_put_char(s->out, ']');
        if (signal->text.n_bytes > 0) {
                text_put_string(s->out, ": ");
                (void)escape_terminal(s->out, signal->text.data, signal->text.n_bytes);
        }
        if (s->style->color)
                text_put_string(s->out, COLOR_RESET);
        text_put_char(s->out, '\n');
}

/* --- what and where --- */

static void put_since(const struct story *s, uint64_t time_ns)
{
        char digits[SINCE_MAX_BYTES];
        char *end = digits + sizeof(digits);
        char *begin = format_since(end, s->state, time_ns);

        text_put(s->out, begin, (size_t)(end - begin));
}

static void put_verdict(const struct story *s)
{
        const char *verdict = verdict_text(s->signal->verdict);

        begin_row(s, "verdict");
        text_put_string(s->out, verdict ? verdict : "?");
        text_put_string(s->out, s->signal->flags & PROTO_SIGNAL_INFERRED ? "~, " : ", ");
        signal_put_code(s->out, s->signal->signo, s->signal->code);
        text_put_string(s->out, ", at ");
        put_since(s, s->signal->time_ns);
        text_put_string(s->out, " s\n");
        if (s->signal->flags & PROTO_SIGNAL_MANY) {
                begin_row(s, "missed");
                text_printf(s->out, "signals before this one that came too fast to be told: %" PRIu32 "\n",
                            s->signal->n_missed);
        }
}

static void put_map(const struct story *s, struct dict_map *map)
{
        text_put_hex(s->out, map->start);
        text_put_char(s->out, '-');
        text_put_hex(s->out, map->end);
        text_put_char(s->out, ' ');
        (void)escape_terminal(s->out, map->perms, sizeof(map->perms));
        text_put_char(s->out, ' ');
        put_memo(s, names_of_map(s->style->names, s->state, map));
}

static void put_map_row(const struct story *s, const char *label, uint32_t id)
{
        struct dict_map *map = state_map(s->state, id);

        if (!map)
                return;
        begin_row(s, label);
        put_map(s, map);
        text_put_char(s->out, '\n');
}

/* The name of what is there, where it has one apart from its map's. */
static void put_place(const struct story *s)
{
        struct dict_place *place = state_place(s->state, s->signal->place);

        if (!place || place->image == 0)
                return;
        text_put_string(s->out, "  ");
        put_memo(s, names_of_place(s->style->names, s->state, place));
        put_offset(s, s->signal->addr, place->base);
}

static void put_address(const struct story *s)
{
        const struct proto_signal *signal = s->signal;

        if (signal->pointer != PROTO_UNKNOWN) {
                begin_row(s, "pointer");
                text_put_hex(s->out, signal->pointer);
                text_put_char(s->out, '\n');
        }
        if (signal->code <= 0 || (signal->code == SI_KERNEL_CODE && signal->addr == 0))
                return; /* sent, or without an address of its own */
        begin_row(s, "address");
        text_put_hex(s->out, signal->addr);
        put_place(s);
        text_put_char(s->out, '\n');
}

static void put_code(const struct story *s)
{
        const struct proto_signal *signal = s->signal;
        struct dict_place *place = state_place(s->state, signal->code_place);

        if (!place && signal->ip == 0 && !(signal->flags & PROTO_SIGNAL_REGISTERS))
                return;
        begin_row(s, "code");
        text_put_hex(s->out, signal->ip);
        if (place && place->image != 0) {
                text_put_string(s->out, "  ");
                put_memo(s, names_of_code(s->style->names, s->state, place));
                put_offset(s, signal->ip, place->base);
        }
        text_put_char(s->out, '\n');
}

/* What was mapped here once, and how far its end is known. */
static void put_earlier(const struct story *s)
{
        const struct proto_signal *signal = s->signal;
        struct dict_map *map = state_map(s->state, signal->earlier);
        struct dict_place *code = state_place(s->state, signal->unmap_place);

        if (!map)
                return;
        begin_row(s, "was");
        put_map(s, map);
        if (signal->unmapped_ns != 0) {
                text_put_string(s->out, ", unmapped at ");
                put_since(s, signal->unmapped_ns);
                text_put_string(s->out, " s");
        }
        if (signal->unmapper != 0)
                text_printf(s->out, " by thread %d", signal->unmapper);
        if (code) {
                text_put_string(s->out, " in ");
                put_memo(s, names_of_code(s->style->names, s->state, code));
        }
        text_put_char(s->out, '\n');
}

static void put_sender(const struct story *s)
{
        if (s->signal->sender == 0)
                return;
        begin_row(s, "sender");
        text_printf(s->out, "process %d of user %" PRIu32 "\n", s->signal->sender, s->signal->sender_uid);
}

/* --- the thread --- */

static void put_registers(const struct story *s)
{
        if (!(s->signal->flags & PROTO_SIGNAL_REGISTERS))
                return;
        for (size_t i = 0; i < PROTO_REGISTERS; i++) {
                bool last = i + 1 == PROTO_REGISTERS || (i + 1) % REGISTERS_PER_LINE == 0;

                text_put_string(s->out, i % REGISTERS_PER_LINE == 0 ? "    " : "  ");
                text_printf(s->out, "%-3s 0x%016" PRIx64, register_name(i), s->signal->registers.value[i]);
                if (last)
                        text_put_char(s->out, '\n');
        }
}

/* "malloc+0x1f (libc.so.6)"; the address where no symbol is known. */
static void put_frame_name(const struct story *s, const struct proto_frame *frame)
{
        const struct dict_place *place = state_place(s->state, frame->place);

        if (place && state_symbol(s->state, place->symbol).n_bytes > 0) {
                names_put_symbol(s->out, s->state, place->symbol);
                put_offset(s, frame->addr, place->base);
        } else {
                text_put_hex(s->out, frame->addr);
        }
        if (place && place->image != 0) {
                text_put_string(s->out, " (");
                names_put_base_name(s->out, s->state, place->image);
                text_put_char(s->out, ')');
        }
}

/* Unwind tables are the rule, and the innermost frame is where the thread is. */
static const char *method_words(uint32_t i, unsigned int method)
{
        if (method == FRAME_BY_CFI || (i == 0 && method == FRAME_BY_REGISTERS))
                return "";
        if (method == FRAME_BY_REGISTERS)
                return ", by the registers";
        if (method == FRAME_BY_POINTER)
                return ", by its frame pointer";
        if (method == FRAME_BY_KERNEL)
                return ", by the kernel";
        return ", by a method unknown to this version";
}

static void put_stack(const struct story *s)
{
        const struct proto_signal *signal = s->signal;

        if (signal->flags & PROTO_SIGNAL_32BIT)
                text_put_string(s->out, "    no stack: the thread ran 32-bit code\n");
        for (uint32_t i = 0; i < signal->stack.n; i++) {
                const struct proto_frame *frame = &signal->stack.frames[i];

                text_printf(s->out, "    #%-3" PRIu32 " ", i);
                put_frame_name(s, frame);
                text_put_string(s->out, method_words(i, frame->by));
                text_put_char(s->out, '\n');
        }
        if (signal->flags & PROTO_SIGNAL_STACK_CUT)
                text_put_string(s->out, "    ...  the stack goes on from here\n");
}

void story_text_put(const struct story_style *style, struct text *out, const struct state *state,
                    const struct proto_signal *signal)
{
        const struct story s = {.style = style, .out = out, .state = state, .signal = signal};

        put_header(&s);
        put_verdict(&s);
        put_code(&s);
        put_address(&s);
        put_map_row(&s, "map", signal->map);
        if (signal->nearest != signal->map)
                put_map_row(&s, "near", signal->nearest);
        put_earlier(&s);
        put_sender(&s);
        put_registers(&s);
        put_stack(&s);
}
