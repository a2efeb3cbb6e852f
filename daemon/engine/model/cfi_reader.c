/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Addresses that only stand in the memory of the process (DW_EH_PE_indirect) are not followed, and padding before an
 * address (DW_EH_PE_aligned) is not read: no linker writes either for code.
 */
#include "daemon/engine/model/cfi_reader.h"

#include <string.h>

static void take(struct cfi_reader *reader, void *ret, size_t n)
{
        if (reader->bad || reader->end - reader->at < n) {
                reader->bad = true;
                memset(ret, 0, n);
                return;
        }
        memcpy(ret, reader->table->bytes + reader->at, n);
        reader->at += n;
}

uint8_t cfi_take_u8(struct cfi_reader *reader)
{
        uint8_t value;

        take(reader, &value, sizeof(value));
        return value;
}

uint16_t cfi_take_u16(struct cfi_reader *reader)
{
        uint16_t value;

        take(reader, &value, sizeof(value));
        return value;
}

uint32_t cfi_take_u32(struct cfi_reader *reader)
{
        uint32_t value;

        take(reader, &value, sizeof(value));
        return value;
}

uint64_t cfi_take_u64(struct cfi_reader *reader)
{
        uint64_t value;

        take(reader, &value, sizeof(value));
        return value;
}

uint64_t cfi_take_uleb128(struct cfi_reader *reader)
{
        uint64_t value = 0;

        for (unsigned int shift = 0; shift < 64; shift += 7) {
                uint8_t byte = cfi_take_u8(reader);

                value |= (uint64_t)(byte & 0x7f) << shift;
                if (!(byte & 0x80))
                        return value;
        }
        reader->bad = true;
        return 0;
}

int64_t cfi_take_sleb128(struct cfi_reader *reader)
{
        uint64_t value = 0;

        for (unsigned int shift = 0; shift < 64; shift += 7) {
                uint8_t byte = cfi_take_u8(reader);

                value |= (uint64_t)(byte & 0x7f) << shift;
                if (byte & 0x80)
                        continue;
                if (byte & 0x40 && shift + 7 < 64)
                        value |= UINT64_MAX << (shift + 7);
                return (int64_t)value;
        }
        reader->bad = true;
        return 0;
}

void cfi_skip(struct cfi_reader *reader, uint64_t n)
{
        if (reader->bad || reader->end - reader->at < n)
                reader->bad = true;
        else
                reader->at += n;
}

uint64_t cfi_take_number(struct cfi_reader *reader, uint8_t encoding)
{
        reader->bad |= (encoding & ENCODED_RELATION) == ENCODED_ALIGNED;
        switch (encoding & ENCODED_FORMAT) {
        case ENCODED_ABSPTR:
        case ENCODED_UDATA8:
        case ENCODED_SDATA8:
                return cfi_take_u64(reader);
        case ENCODED_UDATA2:
                return cfi_take_u16(reader);
        case ENCODED_SDATA2:
                return (uint64_t)(int16_t)cfi_take_u16(reader);
        case ENCODED_UDATA4:
                return cfi_take_u32(reader);
        case ENCODED_SDATA4:
                return (uint64_t)(int32_t)cfi_take_u32(reader);
        case ENCODED_ULEB128:
                return cfi_take_uleb128(reader);
        case ENCODED_SLEB128:
                return (uint64_t)cfi_take_sleb128(reader);
        default:
                reader->bad = true;
                return 0;
        }
}

uint64_t cfi_take_address(struct cfi_reader *reader, uint8_t encoding)
{
        const struct cfi_table *table = reader->table;
        uint64_t here = table->vaddr + reader->at, value = cfi_take_number(reader, encoding), base = 0;

        switch (encoding & (ENCODED_RELATION | ENCODED_INDIRECT)) {
        case 0:
                break;
        case ENCODED_PCREL:
                base = here;
                break;
        case ENCODED_TEXTREL:
                base = table->text_vaddr;
                reader->bad |= base == 0;
                break;
        case ENCODED_DATAREL:
                base = table->got_vaddr;
                reader->bad |= base == 0;
                break;
        default:
                reader->bad = true;
        }
        return value == 0 ? 0 : value + base;
}
