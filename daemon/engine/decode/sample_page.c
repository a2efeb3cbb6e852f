/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Samples of page events: entries and completions.
 *
 * Their bytes need care where somebody else has the same event on the same task. The kernel then prepares a sample once
 * for all (kernel/events/core.c, do_perf_sw_event(), perf_prepare_sample()), but writes for each what its own
 * sample_type says. So whatever is filled in once, the id and the time above all, may be by their event; the size of
 * the record counts what they have of variable length (a call chain, another copy of the stack) in addition to what is
 * written, or instead of it: then stale bytes follow, or the end is missing, cut by the next record. (Measured, 6.18.)
 * What stands where is as we asked for in any case.
 *
 * So with a foreign id the kind is found from the bytes, by what only this kind has where it has it; and what does not
 * fit is left out while that before it is kept.
 */
#include <errno.h>

#include "daemon/engine/decode/sample_private.h"

#define IP_BYTES 8
#define MAJ_PAD_BYTES 16 /* PERF_SAMPLE_CPU and PERIOD of EVENT_MAJ, before all that may vary */
#define MAJ_RESERVED 4   /* behind the cpu; always 0 */
#define MAJ_PERIOD 8     /* as opened, always 1 */
#define PHYSICAL_BYTES 16
#define PAGE_BYTES UINT64_C(4096)
#define PID_MAX (1u << 22) /* PID_MAX_LIMIT, include/linux/threads.h */

struct page_tail { /* what follows the head */
        struct user_part user;
        bool has_physical;
        uint64_t physical, page_bytes;
        size_t end;
};

/* How well a sample would fit a kind. */
enum fit {
        FITS_NOT,
        FITS_CUT, /* as far as it goes */
        FITS,
        FITS_EXACTLY,
};

static bool has_ip(const struct sample_layout *layout, enum event_kind kind)
{
        return event_sample_type(kind, layout->detail, layout->physical, layout->stacks) & PERF_SAMPLE_IP;
}

static bool has_stack(const struct sample_layout *layout, enum event_kind kind)
{
        return layout->stacks & EVENT_BIT(kind);
}

size_t page_owner_offset(const struct sample_layout *layout, enum event_kind kind)
{
        return SAMPLE_OWNER + (has_ip(layout, kind) ? IP_BYTES : 0);
}

size_t page_head_bytes(const struct sample_layout *layout, enum event_kind kind)
{
        return page_owner_offset(layout, kind) + OWNER_ADDR + sizeof(uint64_t) +
               (kind == EVENT_MAJ ? MAJ_PAD_BYTES : 0);
}

/* Where the user part does not fit, nothing behind it can be found. true = it is all there. */
static bool read_tail(const struct sample_layout *layout, const struct perf_event_header *header, enum event_kind kind,
                      struct page_tail *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;

        *ret = (struct page_tail){.end = page_head_bytes(layout, kind)};
        if (has_stack(layout, kind)) {
                if (user_part_read(header, ret->end, &ret->user) < 0)
                        return false;
                ret->end = ret->user.end;
        }
        if (!layout->physical)
                return true;
        if (header->size - ret->end < PHYSICAL_BYTES)
                return false;
        ret->has_physical = true;
        ret->physical = get_u64(bytes + ret->end);
        ret->page_bytes = get_u64(bytes + ret->end + 8);
        ret->end += PHYSICAL_BYTES;
        return true;
}

static bool is_task(const uint8_t *owner)
{
        uint32_t pid = get_u32(owner), tid = get_u32(owner + 4);

        return pid > 0 && pid <= PID_MAX && tid > 0 && tid <= PID_MAX;
}

/* A page and the byte in it: perf_virt_to_phys(), perf_get_page_size(). */
static bool is_page(const struct page_tail *tail, uint64_t addr)
{
        uint64_t bytes = tail->page_bytes;

        return (tail->physical == 0 || tail->physical % PAGE_BYTES == addr % PAGE_BYTES) &&
               (bytes == 0 || (bytes >= PAGE_BYTES && (bytes & (bytes - 1)) == 0));
}

static bool has_abi(const struct perf_event_header *header, size_t at)
{
        return header->size - at < sizeof(uint64_t) || get_u64((const uint8_t *)header + at) <= PERF_SAMPLE_REGS_ABI_64;
}

static enum fit fit_of(const struct sample_layout *layout, const struct perf_event_header *header, enum event_kind kind)
{
        const uint8_t *bytes = (const uint8_t *)header;
        size_t owner = page_owner_offset(layout, kind), head = page_head_bytes(layout, kind);
        const uint8_t *pad = bytes + owner + OWNER_ADDR + sizeof(uint64_t);
        struct page_tail tail;

        if (!(event_kinds(layout->detail) & EVENT_BIT(kind)) || header->size < head || !is_task(bytes + owner))
                return FITS_NOT;
        if (kind == EVENT_MAJ && (get_u32(pad + MAJ_RESERVED) != 0 || get_u64(pad + MAJ_PERIOD) != 1))
                return FITS_NOT;
        if (!read_tail(layout, header, kind, &tail))
                return has_stack(layout, kind) && has_abi(header, head) ? FITS_CUT : FITS_NOT;
        if (tail.has_physical && !is_page(&tail, get_u64(bytes + owner + OWNER_ADDR)))
                return FITS_NOT;
        return tail.end == header->size ? FITS_EXACTLY : FITS;
}

/* The best one. Of equals EVENT_MAJ, whose marks hardly come about by chance; else it cannot be told. */
int page_kind(const struct sample_layout *layout, const struct perf_event_header *header)
{
        static const enum event_kind kinds[] = {EVENT_ENTRY, EVENT_MIN, EVENT_MAJ};
        enum fit best = FITS_NOT;
        int kind = -EBADMSG;

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                enum fit fit = fit_of(layout, header, kinds[i]);

                if (fit > best || (fit == best && kinds[i] == EVENT_MAJ && fit != FITS_NOT))
                        kind = kinds[i];
                else if (fit == best)
                        kind = -EBADMSG;
                best = MAX_OF(best, fit);
        }
        return kind;
}

int page_decode(const struct sample_layout *layout, const struct perf_event_header *header, enum event_kind kind,
                struct record *ret)
{
        const uint8_t *bytes = (const uint8_t *)header;
        size_t owner = page_owner_offset(layout, kind);
        struct page_tail tail;

        if (header->size < page_head_bytes(layout, kind))
                return -EBADMSG;
        if (!read_tail(layout, header, kind, &tail) && !has_stack(layout, kind))
                return -EBADMSG;
        put_owner(ret, RECORD_FAULT, bytes + owner, get_u64(bytes + owner + OWNER_TIME));
        ret->fault = (struct record_fault){
                .event = kind,
                .has_ip = owner > SAMPLE_OWNER,
                .has_physical = tail.has_physical,
                .addr = get_u64(bytes + owner + OWNER_ADDR),
                .ip = owner > SAMPLE_OWNER ? get_u64(bytes + SAMPLE_IP) : 0,
                .physical = tail.physical,
                .page_bytes = tail.page_bytes,
        };
        user_part_put(&tail.user, &ret->fault);
        return 0;
}
