/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What pages that faulted are part of, by their address: for the cursor of the picture. Bounded memory: a later page
 * takes the place of an earlier one that falls on the same entry. Pure. */
#pragma once

#include "client/state.h"
#include "client/text.h"

struct page_names; /* opaque */

struct page_names *page_names_new(void);                      /* NULL: out of memory */
struct page_names *page_names_free(struct page_names *names); /* returns NULL */
void page_names_clear(struct page_names *names);

void page_names_add(struct page_names *names, const struct state *state, const struct proto_event *event);

/* The place of an address whose page has faulted, "libc.so.6 .text malloc+0x10", appended, raw bytes. false: nothing is
 * known of it. */
bool page_names_put(const struct page_names *names, uint64_t address, struct text *out);
