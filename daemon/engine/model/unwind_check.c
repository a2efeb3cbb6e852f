/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libunwind 1.6 trusts the tables of the process that it unwinds: the number of the return address's column indexes an
 * array, DW_OP_div of INT64_MIN by -1 is SIGFPE, DW_OP_bra can loop for ever, an instruction that it does not know is
 * taken to have no operands, and what it allocated for a description that turns out not to cover the address is lost.
 * So every description is walked here first, and what is not plainly what compilers emit does not get through; the
 * frame is then treated as code without unwind data. Expressions may not branch: this makes one walk exact, and the
 * length of the description a bound of all work.
 *
 * Formats: DWARF 5, 6.4 and 7.24; .eh_frame: LSB Core, 10.6. Where libunwind reads differently from the standard, this
 * file reads as libunwind does.
 */
#include "daemon/engine/model/unwind_check.h"

#include <errno.h>
#include <string.h>

#define DESCRIPTION_MAX_BYTES 65536
#define REMEMBERED_MAX 64
#define N_REGISTERS 17 /* rax ... r15, return address: System V ABI, AMD64 supplement, figure 3.36 */
#define RETURN_COLUMN 16

#define ENCODED_FORMAT(encoding) ((encoding)&0x0f)
#define ENCODED_RELATION(encoding) ((encoding)&0x70)
#define ENCODED_PCREL 0x10
#define ENCODED_OMIT 0xff

struct reader {
        struct unwind_images *images;
        int image;
        uint64_t addr, end;
        bool bad; /* once set, everything reads as 0 */
};

struct description {
        uint64_t code_start, code_end; /* what it describes */
        uint8_t encoding;              /* of the FDE's addresses */
        uint8_t special_encoding;      /* of the exception tables' (LSDA) address */
        struct reader initial;         /* instructions of the CIE */
};

static void take(struct reader *reader, void *ret, size_t n)
{
        if (!reader->bad && reader->end - reader->addr >= n &&
            unwind_images_read(reader->images, reader->image, reader->addr, ret, n)) {
                reader->addr += n;
                return;
        }
        reader->bad = true;
        memset(ret, 0, n);
}

static uint8_t take_u8(struct reader *reader)
{
        uint8_t value;

        take(reader, &value, sizeof(value));
        return value;
}

static uint32_t take_u32(struct reader *reader)
{
        uint32_t value;

        take(reader, &value, sizeof(value));
        return value;
}

static void skip(struct reader *reader, uint64_t n)
{
        if (reader->bad || reader->end - reader->addr < n)
                reader->bad = true;
        else
                reader->addr += n;
}

/* Unsigned; a signed one is as long. */
static uint64_t take_leb128(struct reader *reader)
{
        uint64_t value = 0;
        unsigned int shift = 0;
        uint8_t byte;

        do {
                byte = take_u8(reader);
                if (shift > 63)
                        reader->bad = true;
                else
                        value |= (uint64_t)(byte & 0x7f) << shift;
                shift += 7;
        } while (byte & 0x80);
        return value;
}

static size_t encoded_bytes(uint8_t encoding)
{
        switch (ENCODED_FORMAT(encoding)) {
        case 0x02: /* udata2 */
        case 0x0a: /* sdata2 */
                return 2;
        case 0x03: /* udata4 */
        case 0x0b: /* sdata4 */
                return 4;
        case 0x00: /* absptr */
        case 0x04: /* udata8 */
        case 0x0c: /* sdata8 */
                return 8;
        default:
                return 0;
        }
}

static void skip_encoded(struct reader *reader, uint8_t encoding)
{
        if (encoding == ENCODED_OMIT)
                return;
        if (encoded_bytes(encoding) == 0 || ENCODED_RELATION(encoding) == 0x50 /* aligned */)
                reader->bad = true;
        skip(reader, encoded_bytes(encoding));
}

/* 4 or 8 bytes. An unsigned one that would be negative if signed is not taken: no image is that large. */
static int64_t take_distance(struct reader *reader, uint8_t encoding)
{
        bool is_signed = encoding & 0x08;
        int64_t value = 0;

        if (encoded_bytes(encoding) == 4)
                value = (int32_t)take_u32(reader);
        else if (encoded_bytes(encoding) == 8)
                take(reader, &value, sizeof(value));
        else
                reader->bad = true;
        reader->bad |= !is_signed && value < 0;
        return value;
}

/* A CIE or FDE from its length on: 32-bit DWARF only, as is all .eh_frame below 4 GiB. */
static struct reader open_reader(struct unwind_images *images, int image, uint64_t addr)
{
        struct reader reader = {.images = images, .image = image, .addr = addr, .end = addr + sizeof(uint32_t)};
        uint32_t n_bytes = take_u32(&reader);

        if (n_bytes == 0 || n_bytes > DESCRIPTION_MAX_BYTES)
                reader.bad = true;
        reader.end = reader.addr + n_bytes;
        return reader;
}

static bool operation_is_plain(uint8_t operation)
{
        static const uint8_t plain[] = {0x06, /* deref */
                                        0x12, /* dup */
                                        0x13, /* drop */
                                        0x14, /* over */
                                        0x16, /* swap */
                                        0x17, /* rot */
                                        0x1a, /* and */
                                        0x1c, /* minus */
                                        0x1e, /* mul */
                                        0x1f, /* neg */
                                        0x20, /* not */
                                        0x21, /* or */
                                        0x22, /* plus */
                                        0x27 /* xor */};

        return memchr(plain, operation, sizeof(plain)) || (operation >= 0x29 && operation <= 0x2e) /* eq ... ne */ ||
               (operation >= 0x30 && operation <= 0x4f) /* lit0 ... lit31 */;
}

/* Shifts by more than 63 are undefined in C, but not dangerous: any result is as good. */
static void check_operation(struct reader *reader)
{
        uint8_t operation = take_u8(reader);

        if (operation >= 0x70 && operation < 0x70 + N_REGISTERS) /* breg */
                (void)take_leb128(reader);
        else if (operation == 0x23) /* plus_uconst */
                (void)take_leb128(reader);
        else if (operation >= 0x08 && operation <= 0x0f) /* const1u, const1s, const2u ... const8s */
                skip(reader, UINT64_C(1) << ((operation - 0x08) / 2));
        else if (operation == 0x15) /* pick */
                skip(reader, 1);
        else if (!operation_is_plain(operation) && !(operation >= 0x24 && operation <= 0x26) /* shl, shr, shra */)
                reader->bad = true;
}

static void check_expression(struct reader *reader)
{
        uint64_t n_bytes = take_leb128(reader);
        struct reader expression = *reader;

        skip(reader, n_bytes);
        if (reader->bad)
                return;
        expression.end = reader->addr;
        while (expression.addr < expression.end && !expression.bad)
                check_operation(&expression);
        reader->bad = expression.bad;
}

static void take_register(struct reader *reader)
{
        if (take_leb128(reader) >= N_REGISTERS)
                reader->bad = true;
}

/* What a state of the walk is: whether a CFA is defined, and how many states are remembered. */
struct walk {
        bool has_cfa;
        unsigned int n_remembered;
};

static void check_extended(struct reader *reader, uint8_t instruction, struct walk *walk)
{
        switch (instruction) {
        case 0x00: /* nop */
                return;
        case 0x02: /* advance_loc1 */
        case 0x03:
        case 0x04:
                skip(reader, UINT64_C(1) << (instruction - 0x02));
                return;
        case 0x06: /* restore_extended */
        case 0x07: /* undefined */
        case 0x08: /* same_value */
        case 0x0d: /* def_cfa_register */
                take_register(reader);
                return;
        case 0x05: /* offset_extended */
        case 0x11: /* offset_extended_sf */
        case 0x2f: /* GNU_negative_offset_extended */
                take_register(reader);
                (void)take_leb128(reader);
                return;
        case 0x09: /* register */
                take_register(reader);
                take_register(reader);
                return;
        case 0x0c: /* def_cfa */
        case 0x12: /* def_cfa_sf */
                take_register(reader);
                (void)take_leb128(reader);
                walk->has_cfa = true;
                return;
        case 0x0e: /* def_cfa_offset */
        case 0x13: /* def_cfa_offset_sf */
        case 0x2e: /* GNU_args_size */
                (void)take_leb128(reader);
                return;
        case 0x0f: /* def_cfa_expression */
                check_expression(reader);
                walk->has_cfa = true;
                return;
        case 0x10: /* expression */
        case 0x16: /* val_expression */
                take_register(reader);
                check_expression(reader);
                return;
        case 0x0a: /* remember_state */
                reader->bad |= ++walk->n_remembered > REMEMBERED_MAX;
                return;
        case 0x0b: /* restore_state */
                reader->bad |= walk->n_remembered-- == 0;
                return;
        default:
                reader->bad = true;
        }
}

static void check_instruction(struct reader *reader, struct walk *walk)
{
        uint8_t instruction = take_u8(reader);

        switch (instruction & 0xc0) {
        case 0x40: /* advance_loc */
                break;
        case 0x80: /* offset */
                (void)take_leb128(reader);
                /* fall through */
        case 0xc0: /* restore */
                reader->bad |= (instruction & 0x3f) >= N_REGISTERS;
                break;
        default:
                check_extended(reader, instruction, walk);
        }
        /* The CFA comes first, so that no row and no remembered state is without. */
        reader->bad |= instruction != 0 && !walk->has_cfa;
}

static bool check_instructions(struct reader *reader, struct walk *walk)
{
        while (!reader->bad && reader->addr < reader->end)
                check_instruction(reader, walk);
        return !reader->bad;
}

/* What the letters of the augmentation say; they must fill it exactly, for libunwind goes by the letters. */
static void check_augmentation(struct reader *reader, const char *letters, struct description *description)
{
        uint64_t n_bytes = take_leb128(reader), start = reader->addr;

        for (; *letters != '\0'; letters++)
                if (*letters == 'R')
                        description->encoding = take_u8(reader);
                else if (*letters == 'L')
                        description->special_encoding = take_u8(reader);
                else if (*letters == 'P')
                        skip_encoded(reader, take_u8(reader));
                else if (*letters != 'S')
                        reader->bad = true;
        if (reader->addr - start != n_bytes)
                reader->bad = true;
}

static bool check_common(struct reader reader, struct description *description)
{
        char letters[5] = "";
        uint8_t version;
        size_t n = 0;

        if (take_u32(&reader) != 0) /* the mark of a CIE */
                return false;
        version = take_u8(&reader);
        while (n < sizeof(letters) && (letters[n] = (char)take_u8(&reader)) != '\0')
                n++;
        if (n == sizeof(letters) || letters[0] != 'z' || (version != 1 && version != 3))
                return false;
        (void)take_leb128(&reader); /* code alignment */
        (void)take_leb128(&reader); /* data alignment */
        if ((version == 1 ? take_u8(&reader) : take_leb128(&reader)) != RETURN_COLUMN)
                return false;
        *description = (struct description){.special_encoding = ENCODED_OMIT};
        check_augmentation(&reader, letters + 1, description);
        description->initial = reader;
        return !reader.bad;
}

static void take_range(struct reader *reader, struct description *description)
{
        uint64_t here = reader->addr;
        int64_t n_bytes;

        if (ENCODED_RELATION(description->encoding) != ENCODED_PCREL || description->encoding & 0x80 /* indirect */)
                reader->bad = true;
        description->code_start = here + (uint64_t)take_distance(reader, description->encoding);
        n_bytes = take_distance(reader, description->encoding);
        if (n_bytes <= 0)
                reader->bad = true;
        description->code_end = description->code_start + (uint64_t)n_bytes;
}

/* From the FDE's reference to its CIE on. */
static bool open_description(struct reader *reader, struct description *description)
{
        uint64_t common = reader->addr;

        common -= (uint64_t)(int64_t)(int32_t)take_u32(reader);
        if (reader->bad || !check_common(open_reader(reader->images, reader->image, common), description))
                return false;
        take_range(reader, description);
        return !reader->bad;
}

bool unwind_check(struct unwind_images *images, int image, uint64_t addr, uint64_t vaddr)
{
        struct reader reader = open_reader(images, image, addr), augmentation;
        struct description description;
        struct walk walk = {.has_cfa = false};
        uint64_t n_bytes;

        if (!open_description(&reader, &description) || vaddr < description.code_start || vaddr >= description.code_end)
                return false;
        n_bytes = take_leb128(&reader);
        augmentation = reader;
        skip(&reader, n_bytes);
        augmentation.end = reader.addr;
        skip_encoded(&augmentation, description.special_encoding);
        if (reader.bad || augmentation.bad || !check_instructions(&description.initial, &walk))
                return false;
        walk.n_remembered = 0; /* libunwind forgets what the CIE remembered */
        return check_instructions(&reader, &walk);
}

int unwind_check_next(struct unwind_images *images, int image, uint64_t *addr, uint64_t *ret_start)
{
        struct reader reader = open_reader(images, image, *addr);
        struct description description;

        if (reader.bad)
                return -ENODATA;
        *addr = reader.end;
        if (!open_description(&reader, &description))
                return 0;
        *ret_start = description.code_start;
        return 1;
}
