/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fault within the procedure linkage table: the first call through an entry pushes two words for the loader, and the
 * one or the other is pushed to where the stack has no page. A function can be called for the first time only once, so
 * the rehearsal calls another one, with the same pushes.
 */
#include <string.h>

#include "../target.h"
#include "notes.h"

/* jmp *slot(%rip); push $n; jmp header: the psABI's entry, not resolved yet. */
static bool is_lazy(const uint8_t *entry)
{
        const uint8_t *slot;
        const void *leads_to;
        int32_t distance;

        if (entry[0] != 0xff || entry[1] != 0x25 || entry[6] != 0x68 || entry[11] != 0xe9)
                return false;
        memcpy(&distance, entry + 2, sizeof(distance));
        slot = entry + 6 + distance;
        memcpy(&leads_to, slot, sizeof(leads_to));
        return leads_to == entry + 6;
}

static const uint8_t *header_of(const uint8_t *entry)
{
        int32_t distance;

        memcpy(&distance, entry + 12, sizeof(distance));
        return entry + 16 + distance;
}

/* room: for the return address, and what is pushed before the fault. */
static APART void call_first(const uint8_t *entry, const uint8_t *ip, size_t room)
{
        ENTER(call_first);
        ENTER_ASSEMBLY(via_lazy);
        note(NULL, NULL, lazy_return);
        notes.ip = (uint64_t)ip;
        via_lazy(notes.rehearsing ? (const void *)(uintptr_t)push_twice : entry, room);
        notes.fault = lazy_fault;
        KEEP(&notes);
}

APART void lazy_entry(char *page)
{
        const uint8_t *entry = getppid_entry();

        ENTER(lazy_entry);
        if (notes.rehearsing && !is_lazy(entry))
                target_skip("this is not linked lazily");
        call_first(entry, entry + 6, 8);
        KEEP(&notes);
}

APART void lazy_header(char *page)
{
        const uint8_t *entry = getpgrp_entry();

        ENTER(lazy_header);
        if (notes.rehearsing && !is_lazy(entry))
                target_skip("this is not linked lazily");
        call_first(entry, header_of(entry), 16);
        KEEP(&notes);
}
