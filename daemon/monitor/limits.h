/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one user, and all together, may make the service hold: [Limits] of faultlined.conf(5). How much is in use is
 * counted anew from the lists of clients and traces whenever it matters.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/link/link.h"
#include "proto/base.h"

struct attachment;
struct context;
struct engines;
struct peer;

struct limits {
        uint64_t clients_per_user;
        uint64_t traces_per_user;
        uint64_t memory_per_user_bytes;      /* of a user's engine; 0 = a quarter of the machine's, at least 512 MiB */
        uint64_t ring_memory_per_user_bytes; /* 0 = half of ring_memory_bytes */
        uint64_t descriptors_per_user;       /* 0 = half of RLIMIT_NOFILE */
        uint64_t users;
        uint64_t ring_memory_bytes; /* of locked memory for the rings of all traces; 0 = ring_budget_default() */
};

#define LIMITS_INIT ((struct limits){.clients_per_user = 128, .traces_per_user = 256, .users = 64})

/* Compute those that are 0. */
void limits_settle(struct limits *limits);

/* May this peer have one more connection? 0, or -EDQUOT or -EUSERS and text says why not and what would help. */
int limits_check_client(const struct engines *engines, const struct peer *peer,
                        char text[static LINK_TEXT_BYTES]) MUST_CHECK;
/* And one more trace: 0, or -EAGAIN and text. */
int limits_check_trace(const struct context *context, const struct peer *peer,
                       char text[static LINK_TEXT_BYTES]) MUST_CHECK;

/* The share of a user does not bind this peer: root, and the one user of a private daemon. */
bool limits_exempt(const struct context *context, const struct peer *peer) MUST_CHECK;
/* Of the share of the trace's user: what is left for rings, for descriptors of events; UINT64_MAX = exempt. */
uint64_t limits_ring_memory_left(const struct attachment *trace) MUST_CHECK;
uint64_t limits_descriptors_left(const struct attachment *trace) MUST_CHECK;
/* How many descriptors a trace holds in the monitor now. */
size_t limits_descriptors_of(const struct attachment *trace) MUST_CHECK;
