/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading call frame information: numbers one after the other, from the front. What runs over the end, or is of no
 * known encoding, makes the reader bad; from then on everything reads as 0, so that callers look once, when they are
 * done. Private to cfi*.c. Pure.
 */
#pragma once

#include "daemon/engine/model/cfi.h"

/* DW_EH_PE_: LSB Core, 10.5. */
enum {
        ENCODED_ABSPTR = 0x00,
        ENCODED_ULEB128 = 0x01,
        ENCODED_UDATA2 = 0x02,
        ENCODED_UDATA4 = 0x03,
        ENCODED_UDATA8 = 0x04,
        ENCODED_SLEB128 = 0x09,
        ENCODED_SDATA2 = 0x0a,
        ENCODED_SDATA4 = 0x0b,
        ENCODED_SDATA8 = 0x0c,
        ENCODED_FORMAT = 0x0f,
        ENCODED_PCREL = 0x10,
        ENCODED_TEXTREL = 0x20,
        ENCODED_DATAREL = 0x30,
        ENCODED_ALIGNED = 0x50,
        ENCODED_RELATION = 0x70,
        ENCODED_INDIRECT = 0x80,
        ENCODED_OMIT = 0xff,
};

struct cfi_reader {
        const struct cfi_table *table;
        size_t at, end;
        bool bad; /* once set, everything reads as 0 */
};

uint8_t cfi_take_u8(struct cfi_reader *reader);
uint16_t cfi_take_u16(struct cfi_reader *reader);
uint32_t cfi_take_u32(struct cfi_reader *reader);
uint64_t cfi_take_u64(struct cfi_reader *reader);
/* At most ten bytes; what is above 64 bits is lost. */
uint64_t cfi_take_uleb128(struct cfi_reader *reader);
int64_t cfi_take_sleb128(struct cfi_reader *reader);
/* A number in one of the encodings, alone, whatever it is relative to. */
uint64_t cfi_take_number(struct cfi_reader *reader, uint8_t encoding);
/* A link-time address. 0 stays 0, whatever it is relative to: there is nothing. */
uint64_t cfi_take_address(struct cfi_reader *reader, uint8_t encoding);
void cfi_skip(struct cfi_reader *reader, uint64_t n);
