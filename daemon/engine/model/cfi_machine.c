/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An instruction is a byte and its operands; they either move on, or say where the CFA is, or where one register is. A
 * state holds until the location has really moved: instructions between two advances of 0 belong together.
 *
 * Every offset is bounded to 32 bits; what would be larger is no rule that a stack can have, and becomes CFI_OTHER. Of
 * expressions the three are known that compilers and linkers write for what rows can say, by their exact bytes; none is
 * ever computed.
 */
#include <string.h>

#include "daemon/engine/model/cfi_reader.h"
#include "proto/base.h"

/* DW_CFA_: DWARF 5, 7.24; the last two are GNU's. */
enum {
        CFA_NOP = 0x00,
        CFA_SET_LOC,
        CFA_ADVANCE_LOC1,
        CFA_ADVANCE_LOC2,
        CFA_ADVANCE_LOC4,
        CFA_OFFSET_EXTENDED,
        CFA_RESTORE_EXTENDED,
        CFA_UNDEFINED,
        CFA_SAME_VALUE,
        CFA_REGISTER,
        CFA_REMEMBER_STATE,
        CFA_RESTORE_STATE,
        CFA_DEF_CFA,
        CFA_DEF_CFA_REGISTER,
        CFA_DEF_CFA_OFFSET,
        CFA_DEF_CFA_EXPRESSION,
        CFA_EXPRESSION,
        CFA_OFFSET_EXTENDED_SF,
        CFA_DEF_CFA_SF,
        CFA_DEF_CFA_OFFSET_SF,
        CFA_VAL_OFFSET,
        CFA_VAL_OFFSET_SF,
        CFA_VAL_EXPRESSION,
        CFA_ARGS_SIZE = 0x2e,
        CFA_NEGATIVE_OFFSET_EXTENDED = 0x2f,
        /* In the upper two bits, with an operand in the lower six. */
        CFA_ADVANCE_LOC = 0x40,
        CFA_OFFSET = 0x80,
        CFA_RESTORE = 0xc0,
};

/* DW_OP_: DWARF 5, 7.7.1. */
#define OP_DEREF 0x06
#define OP_BREG0 0x70
#define OP_BREG31 0x8f

static struct cfi_rule rule_of(enum cfi_kind kind)
{
        return (struct cfi_rule){.kind = kind};
}

static struct cfi_rule rule_with(enum cfi_kind kind, uint64_t reg, int64_t offset)
{
        if (reg > UINT8_MAX || offset < INT32_MIN || offset > INT32_MAX)
                return rule_of(CFI_OTHER);
        return (struct cfi_rule){.kind = kind, .reg = (uint8_t)reg, .offset = (int32_t)offset};
}

/* number * factor; what is too large for a rule is too large still. */
static int64_t scaled(const struct cfi_machine *machine, int64_t number)
{
        int64_t value;

        return __builtin_mul_overflow(number, machine->common->data_factor, &value) ? INT64_MAX : value;
}

/* An unsigned operand. */
static int64_t bounded(uint64_t number)
{
        return (int64_t)MIN_OF(number, (uint64_t)INT64_MAX);
}

static void set_rule(struct cfi_state *state, uint64_t reg, struct cfi_rule rule)
{
        if (reg == CFI_RBP)
                state->rbp = rule;
        else if (reg == CFI_RSP)
                state->rsp = rule;
        else if (reg == CFI_RETURN)
                state->return_address = rule;
}

static void restore_rule(struct cfi_machine *machine, uint64_t reg)
{
        const struct cfi_state *initial = &machine->common->initial;

        set_rule(&machine->state, reg,
                 reg == CFI_RBP   ? initial->rbp
                 : reg == CFI_RSP ? initial->rsp
                                  : initial->return_address);
}

/* Of what is not a register plus an offset, neither can be changed by itself. */
static void set_cfa(struct cfi_state *state, uint64_t reg, int64_t offset)
{
        state->cfa = state->cfa.kind == CFI_VALUE ? rule_with(CFI_VALUE, reg, offset) : rule_of(CFI_OTHER);
}

/* rsp + 8 + ((rip & 15) >= 11) * 8: ld's for the PLT that binds lazily. */
static bool is_plt(const uint8_t *bytes, size_t n)
{
        static const uint8_t plt[] = {OP_BREG0 + CFI_RSP,
                                      8,
                                      OP_BREG0 + CFI_RETURN,
                                      0,
                                      0x3f /* lit15 */,
                                      0x1a /* and */,
                                      0x3b /* lit11 */,
                                      0x2a /* ge */,
                                      0x33 /* lit3 */,
                                      0x24 /* shl */,
                                      0x22 /* plus */};

        return n == sizeof(plt) && memcmp(bytes, plt, sizeof(plt)) == 0;
}

/* What an expression of n bytes computes, where it is one of the three that are known here. */
static struct cfi_rule take_expression(struct cfi_reader *reader)
{
        uint64_t n_bytes = cfi_take_uleb128(reader);
        struct cfi_reader expression = *reader;
        enum cfi_kind kind = CFI_VALUE;
        uint8_t operation;
        int64_t offset;

        cfi_skip(reader, n_bytes);
        if (reader->bad)
                return rule_of(CFI_OTHER);
        expression.end = reader->at;
        if (is_plt(reader->table->bytes + expression.at, n_bytes))
                return rule_of(CFI_PLT);
        operation = cfi_take_u8(&expression);
        offset = cfi_take_sleb128(&expression);
        if (!expression.bad && expression.at < expression.end)
                kind = cfi_take_u8(&expression) == OP_DEREF ? CFI_AT : CFI_OTHER;
        if (expression.bad || expression.at < expression.end || operation < OP_BREG0 || operation > OP_BREG31)
                return rule_of(CFI_OTHER);
        return rule_with(kind, operation - OP_BREG0, offset);
}

/* A register saved where an expression says. */
static struct cfi_rule take_place(struct cfi_reader *reader)
{
        struct cfi_rule place = take_expression(reader);

        return place.kind == CFI_VALUE ? rule_with(CFI_AT, place.reg, place.offset) : rule_of(CFI_OTHER);
}

static void advance(struct cfi_machine *machine, uint64_t delta)
{
        uint64_t n_bytes;

        if (__builtin_mul_overflow(delta, machine->common->code_factor, &n_bytes) ||
            __builtin_add_overflow(machine->location, n_bytes, &machine->location))
                machine->location = UINT64_MAX;
}

static void remember(struct cfi_machine *machine, struct cfi_reader *reader)
{
        if (machine->n_remembered == CFI_REMEMBERED_MAX)
                reader->bad = true;
        else
                machine->remembered[machine->n_remembered++] = machine->state;
}

static void restore(struct cfi_machine *machine, struct cfi_reader *reader)
{
        if (machine->n_remembered == 0)
                reader->bad = true;
        else
                machine->state = machine->remembered[--machine->n_remembered];
}

/* Instructions that move on. */
static void run_location(struct cfi_machine *machine, struct cfi_reader *reader, uint8_t instruction)
{
        uint64_t address;

        switch (instruction) {
        case CFA_SET_LOC:
                address = cfi_take_address(reader, machine->common->encoding);
                reader->bad |= address < machine->location;
                machine->location = address;
                return;
        case CFA_ADVANCE_LOC1:
                advance(machine, cfi_take_u8(reader));
                return;
        case CFA_ADVANCE_LOC2:
                advance(machine, cfi_take_u16(reader));
                return;
        case CFA_ADVANCE_LOC4:
                advance(machine, cfi_take_u32(reader));
                return;
        default:
                reader->bad = true;
        }
}

/* Instructions about the CFA. */
static void run_cfa(struct cfi_machine *machine, struct cfi_reader *reader, uint8_t instruction)
{
        struct cfi_state *state = &machine->state;
        uint64_t reg;

        switch (instruction) {
        case CFA_DEF_CFA:
                reg = cfi_take_uleb128(reader);
                state->cfa = rule_with(CFI_VALUE, reg, bounded(cfi_take_uleb128(reader)));
                return;
        case CFA_DEF_CFA_SF:
                reg = cfi_take_uleb128(reader);
                state->cfa = rule_with(CFI_VALUE, reg, scaled(machine, cfi_take_sleb128(reader)));
                return;
        case CFA_DEF_CFA_REGISTER:
                set_cfa(state, cfi_take_uleb128(reader), state->cfa.offset);
                return;
        case CFA_DEF_CFA_OFFSET:
                set_cfa(state, state->cfa.reg, bounded(cfi_take_uleb128(reader)));
                return;
        case CFA_DEF_CFA_OFFSET_SF:
                set_cfa(state, state->cfa.reg, scaled(machine, cfi_take_sleb128(reader)));
                return;
        case CFA_DEF_CFA_EXPRESSION:
                state->cfa = take_expression(reader);
                return;
        default:
                run_location(machine, reader, instruction);
        }
}

/* Instructions about one register, which comes first. */
static void run_register(struct cfi_machine *machine, struct cfi_reader *reader, uint8_t instruction)
{
        uint64_t reg = cfi_take_uleb128(reader);
        struct cfi_rule rule = rule_of(CFI_OTHER);

        switch (instruction) {
        case CFA_OFFSET_EXTENDED:
                rule = rule_with(CFI_AT_CFA, 0, scaled(machine, bounded(cfi_take_uleb128(reader))));
                break;
        case CFA_OFFSET_EXTENDED_SF:
                rule = rule_with(CFI_AT_CFA, 0, scaled(machine, cfi_take_sleb128(reader)));
                break;
        case CFA_NEGATIVE_OFFSET_EXTENDED:
                rule = rule_with(CFI_AT_CFA, 0, scaled(machine, -bounded(cfi_take_uleb128(reader))));
                break;
        case CFA_UNDEFINED:
                rule = rule_of(CFI_UNDEFINED);
                break;
        case CFA_SAME_VALUE:
                rule = rule_of(CFI_SAME);
                break;
        case CFA_EXPRESSION:
                rule = take_place(reader);
                break;
        case CFA_VAL_EXPRESSION:
                (void)take_expression(reader);
                break;
        default: /* CFA_REGISTER, CFA_VAL_OFFSET, CFA_VAL_OFFSET_SF: another number */
                (void)cfi_take_uleb128(reader);
        }
        set_rule(&machine->state, reg, rule);
}

static void run_extended(struct cfi_machine *machine, struct cfi_reader *reader, uint8_t instruction)
{
        switch (instruction) {
        case CFA_NOP:
                return;
        case CFA_REMEMBER_STATE:
                remember(machine, reader);
                return;
        case CFA_RESTORE_STATE:
                restore(machine, reader);
                return;
        case CFA_ARGS_SIZE:
                (void)cfi_take_uleb128(reader);
                return;
        case CFA_RESTORE_EXTENDED:
                restore_rule(machine, cfi_take_uleb128(reader));
                return;
        case CFA_OFFSET_EXTENDED:
        case CFA_OFFSET_EXTENDED_SF:
        case CFA_NEGATIVE_OFFSET_EXTENDED:
        case CFA_UNDEFINED:
        case CFA_SAME_VALUE:
        case CFA_REGISTER:
        case CFA_EXPRESSION:
        case CFA_VAL_EXPRESSION:
        case CFA_VAL_OFFSET:
        case CFA_VAL_OFFSET_SF:
                run_register(machine, reader, instruction);
                return;
        default:
                run_cfa(machine, reader, instruction);
        }
}

static void run(struct cfi_machine *machine, struct cfi_reader *reader)
{
        uint8_t instruction = cfi_take_u8(reader), operand = instruction & 0x3f;

        switch (instruction & 0xc0) {
        case CFA_ADVANCE_LOC:
                advance(machine, operand);
                return;
        case CFA_OFFSET:
                set_rule(&machine->state, operand,
                         rule_with(CFI_AT_CFA, 0, scaled(machine, bounded(cfi_take_uleb128(reader)))));
                return;
        case CFA_RESTORE:
                restore_rule(machine, operand);
                return;
        default:
                run_extended(machine, reader, instruction);
        }
}

void cfi_start(struct cfi_machine *machine, const struct cfi_table *table, const struct cfi_common *common,
               const struct cfi_function *function)
{
        machine->table = table;
        machine->common = common;
        machine->at = function->first;
        machine->end = function->past_end;
        machine->location = function->start;
        machine->state = common->initial;
        machine->n_remembered = 0;
}

bool cfi_step(struct cfi_machine *machine)
{
        struct cfi_reader reader = {.table = machine->table, .at = machine->at, .end = machine->end};
        uint64_t location = machine->location;

        while (!reader.bad && machine->location == location && reader.at < reader.end)
                run(machine, &reader);
        if (reader.at == reader.end && machine->location == location)
                machine->location = UINT64_MAX;
        machine->at = reader.at;
        return !reader.bad;
}
