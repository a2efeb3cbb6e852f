/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes of one perf record -> struct record.
 *
 * The layout of a sample depends on the sample_type of the event that wrote it. We chose those types ourselves
 * (link/events.h), there are only a few, and PERF_SAMPLE_IDENTIFIER puts the event's id first in each, so the decoder
 * looks the kind up and then loads from fixed offsets. A general walk over the bits of sample_type would cost more than
 * all the rest of the decoding, and this runs for every record of every fault.
 *
 * Non-sample records look alike whichever event wrote them: a body of their own and then a trailer {pid, tid, time, id}
 * that sample_id_all puts at the very end. So the id is of no use there and an unknown one does no harm.
 *
 * Invariant: a function checks every size before it writes to its output, so that a failure leaves the output as it was
 * without a copy of the record on the way. Loads go through memcpy because a raw payload starts at 4 modulo 8.
 */
#include <errno.h>
#include <sys/mman.h>

#include "daemon/engine/decode/sample_private.h"

#define CHAIN_FRAMES 40 /* of PERF_SAMPLE_CALLCHAIN, behind their number */

/* Fields of exceptions:page_fault_* (arch/x86/include/asm/trace/exceptions.h), behind the u32 size of the raw payload.
 */
#define SAMPLE_RAW 32 /* unless a chain comes before */
#define RAW_DATA 4    /* from the size on */
#define RAW_ADDR (RAW_DATA + 8)
#define RAW_IP (RAW_DATA + 16)
#define RAW_ERROR (RAW_DATA + 24)
#define RAW_MIN_BYTES 32

/* Fields of syscalls:sys_enter_*: the number of the system call, then its arguments (u64 each). */
#define RAW_ARGUMENTS (RAW_DATA + 16)
#define RAW_MUNMAP_MIN_BYTES 32 /* address, length */
#define RAW_MREMAP_MIN_BYTES 56 /* address, old length, new length, flags, new address */

/* PERF_SAMPLE_REGS_USER with EVENT_REGS_MASK: abi, then RSP and RIP unless the abi is PERF_SAMPLE_REGS_ABI_NONE. */
#define REGS_IP 16
#define REGS_BYTES 24

/* The trailer, counted from the end of the record. */
#define TRAILER_PID 24
#define TRAILER_TIME 16

#define PAGE_BYTES UINT64_C(4096)

/* enum event_kind of a sample, or -EBADMSG. */
static int sample_kind(const struct sample_layout *layout, const struct perf_event_header *header, bool *ret_is_ours)
{
        const uint8_t *bytes = (const uint8_t *)header;
        int kind;

        if (header->size < SAMPLE_OWNER)
                return -EBADMSG;
        kind = event_ids_lookup(layout->ids, get_u64(bytes + SAMPLE_ID));
        *ret_is_ours = kind >= 0;
        return kind < 0 ? page_kind(layout, header) : kind;
}

/* The user registers at an offset of the record: 1 = *ret_ip is set, 0 = the task has none, -EBADMSG. */
static int decode_registers(const struct perf_event_header *header, size_t at, uint64_t *ret_ip)
{
        const uint8_t *bytes = (const uint8_t *)header;

        if (header->size - at < 8)
                return -EBADMSG;
        if (get_u64(bytes + at) == PERF_SAMPLE_REGS_ABI_NONE)
                return 0;
        if (header->size - at < REGS_BYTES)
                return -EBADMSG;
        *ret_ip = get_u64(bytes + at + REGS_IP);
        return 1;
}

static bool has_chain(const struct sample_layout *layout, enum event_kind kind)
{
        return kind == EVENT_TP_KERNEL && layout->stacks & EVENT_KERNEL_CHAIN;
}

/* Where the raw payload begins, with its size; so far it fits. 0 or -EBADMSG. */
static int find_raw(const struct sample_layout *layout, const struct perf_event_header *header, enum event_kind kind,
                    size_t *ret_at)
{
        uint64_t n_chain;

        if (!has_chain(layout, kind)) {
                *ret_at = SAMPLE_RAW;
                return 0;
        }
        if (header->size < CHAIN_FRAMES)
                return -EBADMSG;
        n_chain = get_u64((const uint8_t *)header + CHAIN_FRAMES - 8);
        if (n_chain > (header->size - (size_t)CHAIN_FRAMES) / 8)
                return -EBADMSG;
        *ret_at = CHAIN_FRAMES + n_chain * 8;
        return 0;
}

/* The raw payload is there with all that we read of it: 0 or -EBADMSG. */
static int raw_size(const struct perf_event_header *header, size_t at, uint32_t n_min, uint32_t *ret_n)
{
        uint32_t n;

        if (header->size < at + RAW_DATA + n_min)
                return -EBADMSG;
        n = get_u32((const uint8_t *)header + at);
        if (n < n_min || n > header->size - at - RAW_DATA)
                return -EBADMSG;
        *ret_n = n;
        return 0;
}

/* What follows the raw payload of a page fault: 0 or -EBADMSG. */
static int decode_user(const struct sample_layout *layout, const struct perf_event_header *header, enum event_kind kind,
                       size_t at, struct record_fault *fault)
{
        struct user_part part;
        int r = 0;

        if (layout->stacks & EVENT_BIT(kind)) {
                r = user_part_read(header, at, &part);
                if (r < 0)
                        return r;
                user_part_put(&part, fault);
                fault->has_registers = part.registers;
                fault->user_ip = part.registers ? part.registers[EVENT_STACK_REG_IP] : 0;
        } else if (kind == EVENT_TP_KERNEL) {
                r = decode_registers(header, at, &fault->user_ip);
                fault->has_registers = r > 0;
        }
        return MIN_OF(r, 0);
}

static int decode_tracepoint(const struct sample_layout *layout, const struct perf_event_header *header,
                             enum event_kind kind, struct record *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;
        struct record_fault fault = {.event = kind, .has_ip = true};
        uint32_t n_raw;
        size_t raw;
        int r = find_raw(layout, header, kind, &raw);

        if (r == 0)
                r = raw_size(header, raw, RAW_MIN_BYTES, &n_raw);
        if (r == 0)
                r = decode_user(layout, header, kind, raw + RAW_DATA + n_raw, &fault);
        if (r < 0)
                return r;
        fault.addr = get_u64(bytes + raw + RAW_ADDR);
        fault.ip = get_u64(bytes + raw + RAW_IP);
        fault.error_code = get_u64(bytes + raw + RAW_ERROR);
        if (has_chain(layout, kind) && raw > CHAIN_FRAMES) {
                fault.chain = (const uint64_t *)(const void *)(bytes + CHAIN_FRAMES);
                fault.n_chain = (uint32_t)((raw - CHAIN_FRAMES) / sizeof(uint64_t));
        }
        put_owner(ret, RECORD_FAULT, bytes + SAMPLE_OWNER, get_u64(bytes + SAMPLE_OWNER + OWNER_TIME));
        ret->fault = fault;
        return 0;
}

/* As the kernel rounds and refuses (mm/vma.c, do_vmi_munmap). false: nothing can go by this call. */
static bool unmapped_range(uint64_t start, uint64_t len_bytes, struct record_unmap *ret)
{
        if (start % PAGE_BYTES || start >= EVENT_USER_END || len_bytes == 0 || len_bytes > EVENT_USER_END - start)
                return false;
        ret->start = start;
        ret->len_bytes = (len_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        return true;
}

/*
 * mremap(2): what shrinks loses its end. What moves to a fixed address goes as a whole; what may move anywhere, and
 * what stays behind empty (MREMAP_DONTUNMAP), is left to the next contradiction.
 */
static bool remapped_range(const uint8_t *arguments, struct record_unmap *ret)
{
        uint64_t start = get_u64(arguments), old_bytes = get_u64(arguments + 8), new_bytes = get_u64(arguments + 16);
        uint64_t flags = get_u64(arguments + 24), kept_bytes = new_bytes;

        if (flags & MREMAP_DONTUNMAP || new_bytes == 0 || new_bytes > EVENT_USER_END || start >= EVENT_USER_END)
                return false;
        if (flags & MREMAP_FIXED && !(flags & MREMAP_MAYMOVE))
                return false;
        if (flags & MREMAP_FIXED)
                kept_bytes = 0;
        kept_bytes = (kept_bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
        return old_bytes > kept_bytes && unmapped_range(start + kept_bytes, old_bytes - kept_bytes, ret);
}

static int decode_unmap(const struct perf_event_header *header, enum event_kind kind, struct record *ret)
{
        const uint8_t *bytes = (const uint8_t *)header, *arguments = bytes + SAMPLE_RAW + RAW_ARGUMENTS;
        uint32_t n_raw, n_min = kind == EVENT_TP_MUNMAP ? RAW_MUNMAP_MIN_BYTES : RAW_MREMAP_MIN_BYTES;
        struct record_unmap unmap = {0};
        bool is_range;
        int r = raw_size(header, SAMPLE_RAW, n_min, &n_raw);

        if (r < 0)
                return r;
        r = decode_registers(header, SAMPLE_RAW + RAW_DATA + n_raw, &unmap.ip);
        if (r < 0)
                return r;
        is_range = kind == EVENT_TP_MUNMAP ? unmapped_range(get_u64(arguments), get_u64(arguments + 8), &unmap)
                                           : remapped_range(arguments, &unmap);
        put_owner(ret, is_range ? RECORD_UNMAP : RECORD_OTHER, bytes + SAMPLE_OWNER,
                  get_u64(bytes + SAMPLE_OWNER + OWNER_TIME));
        if (is_range)
                ret->unmap = unmap;
        return 0;
}

static int decode_sample(const struct sample_layout *layout, const struct perf_event_header *header, struct record *ret)
{
        const uint8_t *owner = (const uint8_t *)header + SAMPLE_OWNER;
        bool is_ours;
        int kind = sample_kind(layout, header, &is_ours);

        switch (kind) {
        case EVENT_ENTRY:
        case EVENT_MIN:
        case EVENT_MAJ:
                return page_decode(layout, header, (enum event_kind)kind, ret);
        case EVENT_TP_USER:
        case EVENT_TP_KERNEL:
        case EVENT_TP_HIGH:
                return decode_tracepoint(layout, header, (enum event_kind)kind, ret);
        case EVENT_TP_MUNMAP:
        case EVENT_TP_MREMAP:
                return decode_unmap(header, (enum event_kind)kind, ret);
        case EVENT_SIDEBAND: /* a dummy event counts nothing and so takes no samples, but they would have a time */
                if (header->size < SAMPLE_OWNER + OWNER_TIME + 8)
                        return -EBADMSG;
                put_owner(ret, RECORD_OTHER, owner, get_u64(owner + OWNER_TIME));
                return 0;
        default:
                return -EBADMSG;
        }
}

/* The NUL-terminated string that fills a record from an offset up to its trailer; NULL = none ends there. */
static const char *trailing_string(const struct perf_event_header *header, size_t at, size_t *ret_n)
{
        const char *bytes = (const char *)header;
        size_t end = header->size - (size_t)EVENT_TRAILER_BYTES;
        const char *nul;

        if (at >= end)
                return NULL;
        nul = memchr(bytes + at, '\0', end - at);
        if (!nul)
                return NULL;
        *ret_n = (size_t)(nul - (bytes + at));
        return bytes + at;
}

/* PERF_RECORD_MMAP2: pid, tid, addr, len, pgoff (bytes), maj, min, ino, ino_generation, prot, flags, filename. */
static int decode_map(const struct perf_event_header *header, uint64_t time_ns, struct record *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;
        bool has_inode = !(header->misc & PERF_RECORD_MISC_MMAP_BUILD_ID); /* else these bytes are a build id */
        size_t n_path;
        const char *path = trailing_string(header, 72, &n_path);

        if (!path)
                return -EBADMSG;
        put_owner(ret, RECORD_MAP, bytes + 8, time_ns);
        ret->map = (struct record_map){
                .start = get_u64(bytes + 16),
                .len_bytes = get_u64(bytes + 24),
                .offset = get_u64(bytes + 32),
                .major = has_inode ? get_u32(bytes + 40) : 0,
                .minor = has_inode ? get_u32(bytes + 44) : 0,
                .inode = has_inode ? get_u64(bytes + 48) : 0,
                .prot = get_u32(bytes + 64),
                .flags = get_u32(bytes + 68),
                .path = path,
                .n_path = n_path,
        };
        return 0;
}

/* PERF_RECORD_COMM: pid, tid, comm. */
static int decode_comm(const struct perf_event_header *header, uint64_t time_ns, struct record *ret)
{
        size_t n_comm;
        const char *comm = trailing_string(header, 16, &n_comm);

        if (!comm)
                return -EBADMSG;
        put_owner(ret, RECORD_COMM, (const uint8_t *)header + 8, time_ns);
        ret->comm.exec = header->misc & PERF_RECORD_MISC_COMM_EXEC;
        ret->comm.comm = comm;
        return 0;
}

/*
 * PERF_RECORD_FORK and _EXIT: pid, ppid, tid, ptid, time. Their own time is read a moment after the trailer's
 * (kernel/events/core.c, perf_event_task_output()); the trailer's is the one by which records are merged.
 */
static int decode_task(const struct perf_event_header *header, uint64_t time_ns, struct record *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;

        if (header->size < 32 + EVENT_TRAILER_BYTES)
                return -EBADMSG;
        ret->kind = header->type == PERF_RECORD_FORK ? RECORD_FORK : RECORD_EXIT;
        ret->time_ns = time_ns;
        ret->pid = (pid_t)get_u32(bytes + 8);
        ret->task.parent_pid = (pid_t)get_u32(bytes + 12);
        ret->tid = (pid_t)get_u32(bytes + 16);
        ret->task.parent_tid = (pid_t)get_u32(bytes + 20);
        return 0;
}

/* PERF_RECORD_LOST: id, lost. */
static int decode_lost(const struct perf_event_header *header, uint64_t time_ns, struct record *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;

        if (header->size < 24 + EVENT_TRAILER_BYTES)
                return -EBADMSG;
        put_owner(ret, RECORD_LOST, bytes + header->size - TRAILER_PID, time_ns);
        ret->lost.n = get_u64(bytes + 16);
        return 0;
}

static int trailer_time(const struct perf_event_header *header, uint64_t *ret_time_ns)
{
        if (header->size < sizeof(*header) + EVENT_TRAILER_BYTES)
                return -EBADMSG;
        *ret_time_ns = get_u64((const uint8_t *)header + header->size - TRAILER_TIME);
        return 0;
}

int sample_decode(const struct sample_layout *layout, const struct perf_event_header *header, struct record *ret)
{
        uint64_t time_ns;
        int r;

        if (header->type == PERF_RECORD_SAMPLE)
                return decode_sample(layout, header, ret);
        r = trailer_time(header, &time_ns);
        if (r < 0)
                return r;
        switch (header->type) {
        case PERF_RECORD_MMAP2:
                return decode_map(header, time_ns, ret);
        case PERF_RECORD_COMM:
                return decode_comm(header, time_ns, ret);
        case PERF_RECORD_FORK:
        case PERF_RECORD_EXIT:
                return decode_task(header, time_ns, ret);
        case PERF_RECORD_LOST:
                return decode_lost(header, time_ns, ret);
        default:
                put_owner(ret, RECORD_OTHER, (const uint8_t *)header + header->size - TRAILER_PID, time_ns);
                return 0;
        }
}

/* Offsets of owner and address of a sample that is long enough for them, time stands between; or -EBADMSG. */
static int look_at(const struct sample_layout *layout, const struct perf_event_header *header, enum event_kind kind,
                   size_t *ret_owner, size_t *ret_addr)
{
        size_t raw, owner = SAMPLE_OWNER, addr = 0, end = SAMPLE_OWNER + OWNER_TIME + 8;

        if (sample_is_of_page(kind)) {
                owner = page_owner_offset(layout, kind);
                addr = owner + OWNER_ADDR;
                end = page_head_bytes(layout, kind);
        } else if (kind != EVENT_SIDEBAND) {
                if (find_raw(layout, header, kind, &raw) < 0)
                        return -EBADMSG;
                addr = raw + RAW_ADDR;
                end = raw + RAW_DATA + RAW_MIN_BYTES;
        }
        if (header->size < end)
                return -EBADMSG;
        *ret_owner = owner;
        *ret_addr = addr;
        return 0;
}

int sample_look(const struct sample_layout *layout, const struct perf_event_header *header, struct sample_look *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;
        uint64_t time_ns;
        bool is_ours;
        size_t owner, addr;
        int kind, r;

        if (header->type != PERF_RECORD_SAMPLE) {
                r = trailer_time(header, &time_ns);
                if (r < 0)
                        return r;
                *ret = (struct sample_look){.kind = N_EVENT_KINDS, .is_ours = true, .time_ns = time_ns};
                return 0;
        }
        kind = sample_kind(layout, header, &is_ours);
        if (kind < 0 || look_at(layout, header, (enum event_kind)kind, &owner, &addr) < 0)
                return -EBADMSG;
        *ret = (struct sample_look){.kind = kind,
                                    .is_ours = is_ours,
                                    .tid = (pid_t)get_u32(bytes + owner + 4),
                                    .time_ns = get_u64(bytes + owner + OWNER_TIME),
                                    .addr = addr ? get_u64(bytes + addr) : 0};
        return 0;
}
