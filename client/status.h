/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What faultlined answers to STATUS, gathered frame by frame, and what two answers say together: how fast the figures
 * grow. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/proto.h"

#define STATUS_MAX_BYTES (UINT32_C(16) << 20) /* of one answer; a service far beyond its limits has less */

struct status_body;

/* Zeroed: nothing came yet. Strings point into memory of the status. */
struct status {
        bool has_daemon;
        struct proto_status_daemon daemon;
        struct proto_status_engine *engines;
        struct proto_status_trace *traces;
        struct proto_status_unit *units;
        size_t n_engines, n_traces, n_units;
        uint32_t n_omitted;
        struct status_body *bodies;
        size_t n_bytes;
};

enum status_progress {
        STATUS_UNRELATED = 0, /* no part of the answer to this request */
        STATUS_MORE = 1,      /* a part of it, and more comes */
        STATUS_COMPLETE = 2,
};

/*
 * A message of this type with this body came; req is the request that is being answered. enum status_progress;
 * -EBADMSG: malformed, or an answer without its beginning; -EMSGSIZE: more than STATUS_MAX_BYTES; -ENOMEM.
 */
int status_receive(struct status *status, uint32_t req, unsigned int type, const uint8_t *body,
                   size_t n_bytes) MUST_CHECK;
void status_free(struct status *status); /* contents; zeroed afterwards */

/* How fast something grew between two answers. */
struct status_rate {
        bool is_known;
        double per_second;
};

struct status_rates {
        uint64_t interval_ns;        /* between the answers; 0: there was only one */
        struct status_rate cpu;      /* of the monitor: 1 is one CPU */
        struct status_rate *engines; /* the same of them, in the order of the later answer */
        struct status_rate *traces;  /* their faults, likewise */
};

/* before NULL: nothing is known. What is in one answer only has no rate. 0; -ENOMEM. */
int status_rates_make(const struct status *before, const struct status *after, struct status_rates *ret) MUST_CHECK;
void status_rates_free(struct status_rates *rates); /* contents */
