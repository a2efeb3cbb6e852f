/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records of faults, fed to pair.c in few words, for its tests. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/engine/model/pair.h"

#define PID 100
#define TID 101
#define OTHER_TID 102
#define CPU 3
#define ADDR UINT64_C(0x7f0000001230)
#define IP UINT64_C(0x400123)
#define KERNEL_IP UINT64_C(0xffffffff81234567)
#define KERNEL_ADDR UINT64_C(0xffff888000001000)
#define VSYSCALL UINT64_C(0xffffffffff600000)

#define PF_PROTECTION 1
#define PF_WRITE 2
#define PF_USER 4
#define PF_FETCH 16

static inline struct record fault_record(enum event_kind event, pid_t tid, uint64_t time_ns, uint64_t addr)
{
        return (struct record){.kind = RECORD_FAULT,
                               .time_ns = time_ns,
                               .pid = PID,
                               .tid = tid,
                               .fault = {.event = event, .has_ip = true, .addr = addr, .ip = IP}};
}

static inline void feed(struct pair *pair, struct record record)
{
        assert_int_equal(pair_feed(pair, &record, CPU), 0);
}

static inline void tracepoint(struct pair *pair, pid_t tid, uint64_t time_ns, uint64_t addr, uint64_t error_code)
{
        struct record record = fault_record(EVENT_TP_USER, tid, time_ns, addr);

        record.fault.error_code = error_code;
        feed(pair, record);
}

static inline void entry(struct pair *pair, pid_t tid, uint64_t time_ns, uint64_t addr)
{
        feed(pair, fault_record(EVENT_ENTRY, tid, time_ns, addr));
}

static inline void completion(struct pair *pair, pid_t tid, uint64_t time_ns, uint64_t addr)
{
        feed(pair, fault_record(EVENT_MIN, tid, time_ns, addr));
}

static inline void lost(struct pair *pair)
{
        feed(pair, (struct record){.kind = RECORD_LOST, .pid = PID, .tid = TID, .lost = {.n = 1}});
}

static inline void thread_exit(struct pair *pair, pid_t tid)
{
        feed(pair, (struct record){.kind = RECORD_EXIT, .pid = PID, .tid = tid});
}

static inline struct pair *new_pair(enum detail detail)
{
        struct pair *pair;

        assert_int_equal(pair_new(detail, detail == DETAIL_FULL, &pair), 0);
        return pair;
}

static inline struct fault next(struct pair *pair)
{
        struct fault fault;

        assert_true(pair_next(pair, &fault));
        return fault;
}

static inline void assert_none(struct pair *pair)
{
        struct fault fault;

        assert_false(pair_next(pair, &fault));
}

static inline struct record map_record(pid_t tid, uint64_t start, uint64_t len_bytes)
{
        return (struct record){.kind = RECORD_MAP,
                               .pid = PID,
                               .tid = tid,
                               .map = {.start = start, .len_bytes = len_bytes, .path = "[stack]", .n_path = 7}};
}

static inline bool is_at_addr(void *user, const struct fault *fault)
{
        ++*(unsigned int *)user;
        return fault->addr == ADDR;
}
