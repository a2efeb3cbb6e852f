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
#include "daemon/engine/decode/sample.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Where things are in a sample, in bytes from the header (perf_event_open(2), PERF_RECORD_SAMPLE): id, [ip,] pid and
 * tid, time, then addr, [cpu, period,] [physical address, page size] or the raw payload and the registers.
 */
#define SAMPLE_ID 8
#define SAMPLE_IP 16
#define SAMPLE_OWNER 16 /* pid, tid; 8 more where an ip comes before */
#define IP_BYTES 8
#define OWNER_TIME 8 /* from pid and tid on */
#define OWNER_ADDR 16
#define OWNER_PHYSICAL 24 /* then the page size */
#define MAJ_PAD_BYTES 16  /* PERF_SAMPLE_CPU and PERIOD of EVENT_MAJ, before the physical address */

/* Fields of exceptions:page_fault_* (arch/x86/include/asm/trace/exceptions.h), behind the u32 size of the raw payload.
 */
#define SAMPLE_RAW 32
#define RAW_DATA (SAMPLE_RAW + 4)
#define RAW_ADDR (RAW_DATA + 8)
#define RAW_IP (RAW_DATA + 16)
#define RAW_ERROR (RAW_DATA + 24)
#define RAW_MIN_BYTES 32

/* Fields of syscalls:sys_enter_*: the number of the system call, then its arguments (u64 each). */
#define RAW_ARGUMENTS (RAW_DATA + 16)
#define RAW_MUNMAP_MIN_BYTES 32 /* address, length */
#define RAW_MREMAP_MIN_BYTES 56 /* address, old length, new length, flags, new address */

/* PERF_SAMPLE_REGS_USER: abi, then RSP and RIP unless the abi is PERF_SAMPLE_REGS_ABI_NONE. */
#define REGS_IP 16
#define REGS_BYTES 24

/* The trailer, counted from the end of the record. */
#define TRAILER_PID 24
#define TRAILER_TIME 16

/* Ids closer than this to the smallest one are looked up by index. */
#define NEAR_PER_ID 16
#define NEAR_MIN 4096
#define NO_KIND UINT8_MAX

#define PAGE_BYTES UINT64_C(4096)

struct event_ids {
        uint32_t kinds; /* EVENT_BIT mask */
        uint64_t first;
        uint64_t n_near;
        uint8_t *near; /* enum event_kind of first + index, or NO_KIND */
        size_t n_far;
        struct link_event_id *far; /* by id, ascending */
};

static uint32_t get_u32(const uint8_t *from)
{
        uint32_t value;

        memcpy(&value, from, sizeof(value));
        return value;
}

static uint64_t get_u64(const uint8_t *from)
{
        uint64_t value;

        memcpy(&value, from, sizeof(value));
        return value;
}

static int compare_ids(const void *a, const void *b)
{
        const struct link_event_id *left = a, *right = b;

        return (left->id > right->id) - (left->id < right->id);
}

/* Sorted by id. 0, or -EINVAL for what event_ids_new() refuses. */
static int check_pairs(const struct link_event_id *sorted, size_t n)
{
        for (size_t i = 0; i < n; i++) {
                if (sorted[i].kind >= N_EVENT_KINDS)
                        return -EINVAL;
                if (i > 0 && sorted[i].id == sorted[i - 1].id)
                        return -EINVAL;
        }
        return 0;
}

/* Takes the sorted pairs over and makes their front the array. */
static int index_pairs(struct event_ids *ids, size_t n)
{
        uint64_t window = MAX_OF((uint64_t)NEAR_MIN, (uint64_t)n * NEAR_PER_ID);
        size_t n_in_window = 0;

        if (n == 0)
                return 0;
        ids->first = ids->far[0].id;
        while (n_in_window < n && ids->far[n_in_window].id - ids->first < window)
                n_in_window++;
        ids->n_near = ids->far[n_in_window - 1].id - ids->first + 1;
        ids->near = malloc(ids->n_near);
        if (!ids->near)
                return -ENOMEM;
        memset(ids->near, NO_KIND, ids->n_near);
        for (size_t i = 0; i < n_in_window; i++)
                ids->near[ids->far[i].id - ids->first] = (uint8_t)ids->far[i].kind;
        ids->n_far = n - n_in_window;
        memmove(ids->far, ids->far + n_in_window, ids->n_far * sizeof(*ids->far));
        return 0;
}

int event_ids_new(const struct link_event_id *pairs, size_t n, struct event_ids **ret)
{
        struct event_ids *ids;
        int r;

        ids = calloc(1, sizeof(*ids));
        if (!ids)
                return -ENOMEM;
        if (n > 0) {
                ids->far = calloc(n, sizeof(*ids->far));
                if (!ids->far) {
                        event_ids_free(ids);
                        return -ENOMEM;
                }
                memcpy(ids->far, pairs, n * sizeof(*pairs));
                qsort(ids->far, n, sizeof(*ids->far), compare_ids);
        }
        r = check_pairs(ids->far, n);
        if (r == 0)
                r = index_pairs(ids, n);
        if (r < 0) {
                event_ids_free(ids);
                return r;
        }
        for (size_t i = 0; i < n; i++)
                ids->kinds |= EVENT_BIT(pairs[i].kind);
        *ret = ids;
        return 0;
}

static bool any_known(const struct event_ids *ids, const struct link_event_id *pairs, size_t n)
{
        for (size_t i = 0; i < n; i++)
                if (event_ids_lookup(ids, pairs[i].id) >= 0)
                        return true;
        return false;
}

/* They are put behind the stragglers and looked at there; then those that lie in the array go there. */
int event_ids_add(struct event_ids *ids, const struct link_event_id *pairs, size_t n)
{
        struct link_event_id *far = reallocarray(ids->far, MAX_OF(ids->n_far + n, (size_t)1), sizeof(*far)), *fresh;

        if (!far)
                return -ENOMEM;
        ids->far = far;
        fresh = far + ids->n_far;
        for (size_t i = 0; i < n; i++)
                fresh[i] = pairs[i];
        qsort(fresh, n, sizeof(*fresh), compare_ids);
        if (check_pairs(fresh, n) < 0 || any_known(ids, fresh, n))
                return -EINVAL;
        for (size_t i = 0; i < n; i++) {
                uint64_t index = fresh[i].id - ids->first;

                ids->kinds |= EVENT_BIT(fresh[i].kind);
                if (index < ids->n_near)
                        ids->near[index] = (uint8_t)fresh[i].kind;
                else
                        far[ids->n_far++] = fresh[i];
        }
        qsort(far, ids->n_far, sizeof(*far), compare_ids);
        return 0;
}

struct event_ids *event_ids_free(struct event_ids *ids)
{
        if (ids) {
                free(ids->near);
                free(ids->far);
                free(ids);
        }
        return NULL;
}

uint32_t event_ids_kinds(const struct event_ids *ids)
{
        return ids ? ids->kinds : 0;
}

static int lookup_far(const struct event_ids *ids, uint64_t id)
{
        struct link_event_id key = {.id = id};
        const struct link_event_id *found = NULL;

        if (ids->n_far > 0)
                found = bsearch(&key, ids->far, ids->n_far, sizeof(*ids->far), compare_ids);
        return found ? (int)found->kind : -ENOENT;
}

int event_ids_lookup(const struct event_ids *ids, uint64_t id)
{
        uint64_t index = id - ids->first; /* an id below the first wraps to a huge index */

        if (index >= ids->n_near)
                return lookup_far(ids, id);
        return ids->near[index] == NO_KIND ? -ENOENT : ids->near[index];
}

/* The id is that of somebody else's event on the same task (link/events.h, event_sample_type). */
static int kind_by_size(const struct sample_layout *layout, size_t n_bytes)
{
        static const enum event_kind kinds[] = {EVENT_ENTRY, EVENT_MIN, EVENT_MAJ};

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (event_kinds(layout->detail) & EVENT_BIT(kinds[i]) &&
                    n_bytes == event_sample_bytes(kinds[i], layout->detail, layout->physical))
                        return kinds[i];
        return -EBADMSG;
}

/* enum event_kind of a sample, or -EBADMSG. */
static int sample_kind(const struct sample_layout *layout, const struct perf_event_header *header, bool *ret_is_ours)
{
        const uint8_t *bytes = (const uint8_t *)header;
        int kind;

        if (header->size < SAMPLE_OWNER)
                return -EBADMSG;
        kind = event_ids_lookup(layout->ids, get_u64(bytes + SAMPLE_ID));
        *ret_is_ours = kind >= 0;
        return kind < 0 ? kind_by_size(layout, header->size) : kind;
}

/* Offset of pid and tid, which everything else of a sample follows at a fixed distance. */
static size_t owner_offset(const struct sample_layout *layout, enum event_kind kind)
{
        bool has_ip = event_sample_type(kind, layout->detail, layout->physical) & PERF_SAMPLE_IP;

        return SAMPLE_OWNER + (has_ip ? IP_BYTES : 0);
}

static void put_owner(struct record *ret, enum record_kind kind, const uint8_t *owner, uint64_t time_ns)
{
        ret->kind = kind;
        ret->time_ns = time_ns;
        ret->pid = (pid_t)get_u32(owner);
        ret->tid = (pid_t)get_u32(owner + 4);
}

static int decode_page_event(const struct sample_layout *layout, const struct perf_event_header *header,
                             enum event_kind kind, struct record *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;
        size_t at = owner_offset(layout, kind), page = at + OWNER_PHYSICAL + (kind == EVENT_MAJ ? MAJ_PAD_BYTES : 0);
        bool has_ip = at > SAMPLE_OWNER, physical = layout->physical;

        if (header->size < event_sample_bytes(kind, layout->detail, physical))
                return -EBADMSG;
        put_owner(ret, RECORD_FAULT, bytes + at, get_u64(bytes + at + OWNER_TIME));
        ret->fault = (struct record_fault){
                .event = kind,
                .has_ip = has_ip,
                .has_physical = physical,
                .addr = get_u64(bytes + at + OWNER_ADDR),
                .ip = has_ip ? get_u64(bytes + SAMPLE_IP) : 0,
                .physical = physical ? get_u64(bytes + page) : 0,
                .page_bytes = physical ? get_u64(bytes + page + 8) : 0,
        };
        return 0;
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

/* The raw payload is there with all that we read of it: 0 or -EBADMSG. */
static int raw_size(const struct perf_event_header *header, uint32_t n_min, uint32_t *ret_n)
{
        uint32_t n;

        if (header->size < RAW_DATA + n_min)
                return -EBADMSG;
        n = get_u32((const uint8_t *)header + SAMPLE_RAW);
        if (n < n_min || n > header->size - (uint32_t)RAW_DATA)
                return -EBADMSG;
        *ret_n = n;
        return 0;
}

static int decode_tracepoint(const struct perf_event_header *header, enum event_kind kind, struct record *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;
        uint64_t user_ip = 0;
        uint32_t n_raw;
        int r = raw_size(header, RAW_MIN_BYTES, &n_raw);

        if (r < 0)
                return r;
        if (kind == EVENT_TP_KERNEL) {
                r = decode_registers(header, RAW_DATA + n_raw, &user_ip);
                if (r < 0)
                        return r;
        }
        put_owner(ret, RECORD_FAULT, bytes + SAMPLE_OWNER, get_u64(bytes + SAMPLE_OWNER + OWNER_TIME));
        ret->fault = (struct record_fault){
                .event = kind,
                .has_ip = true,
                .has_registers = r > 0,
                .addr = get_u64(bytes + RAW_ADDR),
                .ip = get_u64(bytes + RAW_IP),
                .error_code = get_u64(bytes + RAW_ERROR),
                .user_ip = user_ip,
        };
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
        const uint8_t *bytes = (const uint8_t *)header, *arguments = bytes + RAW_ARGUMENTS;
        uint32_t n_raw, n_min = kind == EVENT_TP_MUNMAP ? RAW_MUNMAP_MIN_BYTES : RAW_MREMAP_MIN_BYTES;
        struct record_unmap unmap = {0};
        bool is_range;
        int r = raw_size(header, n_min, &n_raw);

        if (r < 0)
                return r;
        r = decode_registers(header, RAW_DATA + n_raw, &unmap.ip);
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
                return decode_page_event(layout, header, (enum event_kind)kind, ret);
        case EVENT_TP_USER:
        case EVENT_TP_KERNEL:
        case EVENT_TP_HIGH:
                return decode_tracepoint(header, (enum event_kind)kind, ret);
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

static size_t look_bytes(const struct sample_layout *layout, enum event_kind kind)
{
        if (sample_is_of_page(kind))
                return event_sample_bytes(kind, layout->detail, layout->physical);
        return kind == EVENT_SIDEBAND ? SAMPLE_OWNER + OWNER_TIME + 8 : RAW_DATA + RAW_MIN_BYTES;
}

int sample_look(const struct sample_layout *layout, const struct perf_event_header *header, struct sample_look *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;
        uint64_t time_ns;
        bool is_ours;
        size_t owner;
        int kind, r;

        if (header->type != PERF_RECORD_SAMPLE) {
                r = trailer_time(header, &time_ns);
                if (r < 0)
                        return r;
                *ret = (struct sample_look){.kind = N_EVENT_KINDS, .is_ours = true, .time_ns = time_ns};
                return 0;
        }
        kind = sample_kind(layout, header, &is_ours);
        if (kind < 0 || header->size < look_bytes(layout, (enum event_kind)kind))
                return -EBADMSG;
        owner = owner_offset(layout, (enum event_kind)kind);
        *ret = (struct sample_look){.kind = kind,
                                    .is_ours = is_ours,
                                    .tid = (pid_t)get_u32(bytes + owner + 4),
                                    .time_ns = get_u64(bytes + owner + OWNER_TIME)};
        if (sample_is_of_page(kind))
                ret->addr = get_u64(bytes + owner + OWNER_ADDR);
        else if (kind != EVENT_SIDEBAND)
                ret->addr = get_u64(bytes + RAW_ADDR);
        return 0;
}
