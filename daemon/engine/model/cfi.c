/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entries are read in the order of the file, by their lengths alone: an FDE names its CIE by a distance, and whoever
 * compiles looks that up among the CIEs that were really met, so that no reference leads in circles or into the middle
 * of something. A CIE's instructions are run once, not once for each FDE: the work for a table is linear in its bytes.
 *
 * What is not read: 64-bit DWARF in .eh_frame (the specification and the tools differ about it, and nobody writes it),
 * the augmentation "eh" of gcc 2, and letters that are not known (they may change what follows).
 */
#include "daemon/engine/model/cfi.h"

#include "daemon/engine/model/cfi_reader.h"
#include "proto/base.h"

/* From the length on. */
static void read_reference(struct cfi_reader *reader, bool is_long, struct cfi_entry *entry)
{
        size_t here = reader->at;
        uint64_t reference = is_long ? cfi_take_u64(reader) : cfi_take_u32(reader);

        entry->is_supported = !reader->bad && (!is_long || reader->table->is_debug);
        if (reader->table->is_debug) {
                entry->is_common = reference == (is_long ? UINT64_MAX : UINT32_MAX);
                entry->common = reference;
        } else {
                entry->is_common = reference == 0;
                entry->common = here - reference; /* what lies before the table wraps around, and is no CIE */
        }
        entry->body = reader->at;
}

bool cfi_next(const struct cfi_table *table, size_t *offset, struct cfi_entry *ret)
{
        struct cfi_reader reader = {.table = table, .at = *offset, .end = table->n_bytes};
        struct cfi_entry entry = {.start = *offset};
        uint64_t n_bytes = cfi_take_u32(&reader);
        bool is_long = n_bytes == UINT32_MAX;

        if (is_long)
                n_bytes = cfi_take_u64(&reader);
        /* In .eh_frame a length of 0 ends the table, whatever follows. */
        if (reader.bad || reader.end - reader.at < n_bytes || (n_bytes == 0 && !table->is_debug))
                return false;
        entry.end = reader.end = reader.at + n_bytes;
        *offset = entry.end;
        read_reference(&reader, is_long, &entry);
        *ret = entry;
        return true;
}

static int32_t fitting(int64_t value, bool *bad)
{
        *bad |= value < INT32_MIN || value > INT32_MAX;
        return (int32_t)value;
}

/* What is behind "z". */
static void read_augmentation(struct cfi_reader *reader, const char *letters, struct cfi_common *common)
{
        uint64_t n_bytes = cfi_take_uleb128(reader);
        struct cfi_reader data = *reader;

        cfi_skip(reader, n_bytes);
        data.end = reader->at;
        common->has_augmentation = true;
        for (; *letters && !data.bad; letters++) {
                uint8_t encoding;

                switch (*letters) {
                case 'R':
                        common->encoding = cfi_take_u8(&data);
                        break;
                case 'P': /* the personality routine */
                        encoding = cfi_take_u8(&data);
                        if (encoding != ENCODED_OMIT)
                                (void)cfi_take_number(&data, encoding);
                        break;
                case 'L': /* how the FDE says where its exception table is */
                        (void)cfi_take_u8(&data);
                        break;
                case 'S':
                        common->is_signal = true;
                        break;
                default:
                        data.bad = true;
                }
        }
        reader->bad |= data.bad;
}

/* Letters of at most 7: "zPLRS" is the longest that compilers write. */
static void take_letters(struct cfi_reader *reader, char ret[static 8])
{
        for (size_t i = 0; i < 8; i++) {
                ret[i] = (char)cfi_take_u8(reader);
                if (ret[i] == '\0')
                        return;
        }
        reader->bad = true;
}

static void read_factors(struct cfi_reader *reader, uint8_t version, struct cfi_common *common)
{
        uint64_t code_factor, column;

        if (version == 4 &&
            (cfi_take_u8(reader) != sizeof(uint64_t) || cfi_take_u8(reader) != 0 /* segment selectors */))
                reader->bad = true;
        code_factor = cfi_take_uleb128(reader);
        common->code_factor = (uint32_t)code_factor;
        common->data_factor = fitting(cfi_take_sleb128(reader), &reader->bad);
        column = version == 1 ? cfi_take_u8(reader) : cfi_take_uleb128(reader);
        reader->bad |= code_factor > UINT32_MAX || column != CFI_RETURN;
}

/* Where its locations are does not matter: it describes no code. */
static bool run_initial(const struct cfi_reader *reader, struct cfi_common *common)
{
        struct cfi_function instructions = {.first = (uint32_t)reader->at, .past_end = (uint32_t)reader->end};
        struct cfi_machine machine;

        cfi_start(&machine, reader->table, common, &instructions);
        do {
                if (!cfi_step(&machine))
                        return false;
        } while (machine.location != UINT64_MAX);
        common->initial = machine.state;
        return true;
}

bool cfi_read_common(const struct cfi_table *table, const struct cfi_entry *entry, struct cfi_common *ret)
{
        struct cfi_reader reader = {.table = table, .at = entry->body, .end = entry->end, .bad = !entry->is_supported};
        struct cfi_common common = {.start = (uint32_t)entry->start, .encoding = ENCODED_ABSPTR};
        uint8_t version = cfi_take_u8(&reader);
        char letters[8] = "";

        take_letters(&reader, letters);
        if (version != 1 && version != 3 && version != 4)
                return false;
        read_factors(&reader, version, &common);
        if (letters[0] == 'z')
                read_augmentation(&reader, letters + 1, &common);
        else if (letters[0] != '\0')
                return false;
        if (reader.bad || !run_initial(&reader, &common))
                return false;
        *ret = common;
        return true;
}

bool cfi_read_function(const struct cfi_table *table, const struct cfi_common *common, const struct cfi_entry *entry,
                       struct cfi_function *ret)
{
        struct cfi_reader reader = {.table = table, .at = entry->body, .end = entry->end, .bad = !entry->is_supported};
        uint64_t start = cfi_take_address(&reader, common->encoding);
        uint64_t n_code_bytes = cfi_take_number(&reader, common->encoding);

        if (common->has_augmentation)
                cfi_skip(&reader, cfi_take_uleb128(&reader));
        if (reader.bad || start == 0 || n_code_bytes == 0 || n_code_bytes > INT64_MAX ||
            n_code_bytes > UINT64_MAX - start)
                return false;
        *ret = (struct cfi_function){.start = start,
                                     .n_code_bytes = (uint32_t)MIN_OF(n_code_bytes, (uint64_t)UINT32_MAX),
                                     .first = (uint32_t)reader.at,
                                     .past_end = (uint32_t)reader.end};
        return true;
}
