/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which event an id belongs to. The kernel hands ids out one after the other, so those of a trace lie close together:
 * an array from the smallest on, and a sorted list for the rare stragglers. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "daemon/link/link.h"
#include "proto/base.h"

struct event_ids;
/* Copies the n pairs. *ret is the caller's; -EINVAL: an unknown kind or a duplicate id; -ENOMEM. */
int event_ids_new(const struct link_event_id *pairs, size_t n, struct event_ids **ret) MUST_CHECK;
/* Events were opened anew: theirs too. Errors as above (a duplicate may also be of one known before); then none is. */
int event_ids_add(struct event_ids *ids, const struct link_event_id *pairs, size_t n) MUST_CHECK;
struct event_ids *event_ids_free(struct event_ids *ids); /* returns NULL */
/* enum event_kind, or -ENOENT. */
int event_ids_lookup(const struct event_ids *ids, uint64_t id);
/* EVENT_BIT mask of the kinds that have an id; 0 for NULL. */
uint32_t event_ids_kinds(const struct event_ids *ids);
