/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The record of a signal has many fields and most of them belong to one verdict: what says nothing is left out, so that
 * what a reader finds is true. Signals are rare beside faults, nothing is kept between two of them.
 */
#include "client/view_json_signal.h"

#include "client/json_put.h"
#include "client/signal_names.h"

enum { SI_KERNEL_CODE = 0x80 }; /* asm-generic/siginfo.h */

static void begin_object(struct text *out, const char *key)
{
        json_put_key(out, key);
        text_put_char(out, '{');
}

static void end_object(struct text *out)
{
        text_put_char(out, '}');
}

static void put_offset(struct text *out, const struct dict_place *place, uint64_t addr)
{
        if (addr >= place->base)
                json_put_number(out, "offset", addr - place->base);
}

static void put_place(struct text *out, const char *key, const struct state *state, uint32_t id, uint64_t addr)
{
        const struct dict_place *place = state_place(state, id);

        if (!place)
                return;
        begin_object(out, key);
        json_put_place_fields(out, state, place);
        put_offset(out, place, addr);
        end_object(out);
}

static void put_known(struct text *out, const char *key, uint64_t value)
{
        if (value != PROTO_UNKNOWN)
                json_put_number(out, key, value);
}

/* Signals that were sent by somebody have no address, and those of the kernel's own only where it says one. */
static bool has_address(const struct proto_signal *signal)
{
        return signal->code > 0 && (signal->code != SI_KERNEL_CODE || signal->addr != 0);
}

static void put_who(struct text *out, const struct state *state, const struct proto_signal *signal)
{
        const struct dict_thread *thread = state_thread(state, signal->thread);

        json_put_number(out, "time_ns", signal->time_ns);
        json_put_signed(out, "pid", signal->pid);
        json_put_signed(out, "tid", signal->tid);
        if (thread)
                json_put_dict_string(out, "comm", state, thread->comm);
}

static void put_what(struct text *out, const struct proto_signal *signal)
{
        json_put_key(out, "signal");
        text_put_char(out, '"');
        signal_put_name(out, signal->signo);
        text_put_char(out, '"');
        json_put_key(out, "si_code");
        text_put_char(out, '"');
        signal_put_code(out, signal->signo, signal->code);
        text_put_char(out, '"');
        if (has_address(signal))
                json_put_address(out, "addr", signal->addr);
        if (signal->ip != 0 || signal->flags & PROTO_SIGNAL_REGISTERS)
                json_put_address(out, "ip", signal->ip);
        if (signal->access != ACCESS_UNKNOWN && access_text(signal->access))
                json_put_word(out, "access", access_text(signal->access));
}

static void put_verdict(struct text *out, const struct proto_signal *signal)
{
        const char *verdict = verdict_text(signal->verdict);
        bool inferred = signal->flags & PROTO_SIGNAL_INFERRED;

        if (verdict)
                json_put_word(out, "verdict", verdict);
        json_put_word(out, "evidence", evidence_text(inferred ? EVIDENCE_INFERRED : EVIDENCE_MEASURED));
        json_put_string(out, "text", &signal->text);
        if (signal->missing == 'r' || signal->missing == 'w' || signal->missing == 'x')
                json_put_word(out, "missing",
                              signal->missing == 'r'   ? "read"
                              : signal->missing == 'w' ? "write"
                                                       : "exec");
        put_known(out, "depth_bytes", signal->depth_bytes);
        put_known(out, "field_bytes", signal->field_bytes);
        put_known(out, "eof_bytes", signal->eof_bytes);
        if (signal->pointer != PROTO_UNKNOWN)
                json_put_address(out, "pointer", signal->pointer);
}

static void put_nearest(struct text *out, const struct state *state, const struct proto_signal *signal)
{
        const struct dict_map *map = state_map(state, signal->nearest);

        if (!map)
                return;
        begin_object(out, "nearest");
        json_put_map_fields(out, state, map);
        put_known(out, "below_bytes", signal->below_bytes);
        put_known(out, "above_bytes", signal->above_bytes);
        end_object(out);
}

static void put_earlier(struct text *out, const struct state *state, const struct proto_signal *signal)
{
        const struct dict_map *map = state_map(state, signal->earlier);
        const struct dict_place *code = state_place(state, signal->unmap_place);

        if (!map)
                return;
        begin_object(out, "earlier");
        json_put_map_fields(out, state, map);
        if (signal->unmapper != 0)
                json_put_signed(out, "tid", signal->unmapper);
        if (code) { /* without an offset: its address is not told */
                begin_object(out, "code");
                json_put_place_fields(out, state, code);
                end_object(out);
        }
        if (signal->unmapped_ns != 0)
                json_put_number(out, "time_ns", signal->unmapped_ns);
        end_object(out);
}

static void put_where(struct text *out, const struct state *state, const struct proto_signal *signal)
{
        const struct dict_map *map = state_map(state, signal->map);

        if (map) {
                begin_object(out, "map");
                json_put_map_fields(out, state, map);
                end_object(out);
        }
        put_place(out, "place", state, signal->place, signal->addr);
        put_place(out, "code", state, signal->code_place, signal->ip);
        put_nearest(out, state, signal);
        put_earlier(out, state, signal);
}

static void put_sender(struct text *out, const struct proto_signal *signal)
{
        if (signal->sender == 0)
                return;
        begin_object(out, "sender");
        json_put_signed(out, "pid", signal->sender);
        json_put_number(out, "uid", signal->sender_uid);
        end_object(out);
}

static void put_registers(struct text *out, const struct proto_signal *signal)
{
        if (!(signal->flags & PROTO_SIGNAL_REGISTERS))
                return;
        begin_object(out, "registers");
        for (size_t i = 0; i < PROTO_REGISTERS; i++)
                json_put_address(out, register_name(i), signal->registers.value[i]);
        end_object(out);
}

static void put_frame(struct text *out, const struct state *state, const struct proto_frame *frame)
{
        const char *method = frame_method_text(frame->by);
        const struct dict_place *place = state_place(state, frame->place);

        text_put_char(out, '{');
        json_put_address(out, "addr", frame->addr);
        if (place) {
                json_put_dict_string(out, "image", state, place->image);
                json_put_symbol(out, "symbol", state, place->symbol);
                put_offset(out, place, frame->addr);
        }
        if (method)
                json_put_word(out, "by", method);
        text_put_char(out, '}');
}

static void put_stack(struct text *out, const struct state *state, const struct proto_signal *signal)
{
        if (signal->stack.n > 0) {
                json_put_key(out, "stack");
                for (uint32_t i = 0; i < signal->stack.n; i++) {
                        text_put_char(out, i == 0 ? '[' : ',');
                        put_frame(out, state, &signal->stack.frames[i]);
                }
                text_put_char(out, ']');
        }
        if (signal->flags & PROTO_SIGNAL_STACK_CUT)
                json_put_bool(out, "stack_cut", true);
}

void view_json_signal(struct view *view, const struct state *state, const struct proto_signal *signal)
{
        struct text *out = &view->out;

        json_begin_line(out, "signal");
        put_who(out, state, signal);
        put_what(out, signal);
        put_verdict(out, signal);
        put_where(out, state, signal);
        put_sender(out, signal);
        if (signal->flags & PROTO_SIGNAL_MANY)
                json_put_number(out, "n_missed", signal->n_missed);
        if (signal->flags & PROTO_SIGNAL_HAS_FAULT)
                json_put_bool(out, "fault_seen", true);
        if (signal->flags & PROTO_SIGNAL_32BIT)
                json_put_number(out, "abi", 32);
        put_registers(out, signal);
        put_stack(out, state, signal);
        json_end_line(out);
}
