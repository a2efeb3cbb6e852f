/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Joins the records of a fault.
 *
 * The kernel reports a fault in pieces, always in this order on the faulting thread (arch/x86/mm/fault.c, mm/memory.c):
 * tracepoint (error code), PAGE_FAULTS (entry), and MIN or MAJ at the end of a successful attempt. A thread cannot
 * fault on user memory again before its fault is over, so one slot a thread is enough, and whatever the thread does
 * next tells that an uncompleted fault did not complete. The caller feeds records in time order.
 *
 * Invariant: every anchor that is fed comes out as exactly one fault, whatever else is missing, so that the ledger can
 * be exact without looking at the pieces.
 *
 * A call stack comes with one piece of a fault and has one owner at a time: the record, the thread's tracepoint, the
 * fault. What is dropped on the way releases it.
 */
#include "daemon/engine/model/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_SHIFT 12
#define PAGE_BYTES (UINT64_C(1) << PAGE_SHIFT)
#define MIN_SLOTS 64 /* power of two */
#define VSYSCALL_PAGE UINT64_C(0xffffffffff600000)
#define KERNEL_HALF UINT64_C(0xffff800000000000)
#define ERROR_CODE_USER 4 /* X86_PF_USER, arch/x86/include/asm/trap_pf.h */

struct thread {
        pid_t tid; /* 0 = free slot */
        bool has_tracepoint, is_open;
        uint64_t tp_losses, open_losses; /* pair->n_losses at the tracepoint, at the entry */
        bool foreign_stamp;              /* the entry's time is not of our clock */
        uint64_t tp_time_ns, tp_addr, tp_error_code, tp_user_ip;
        struct callstack *tp_stack; /* while has_tracepoint */
        size_t open_index;          /* in pair->open, valid if is_open */
        struct fault fault;
};

struct pair {
        enum detail detail;
        bool has_tracepoints;
        struct thread **slots; /* open addressing by tid */
        size_t n_slots, n_threads;
        struct thread **open; /* threads with an open fault, any order; room for n_threads */
        size_t n_open;
        struct fault *done; /* ring of finished faults */
        size_t first_done, n_done, size_done;
        uint64_t n_losses; /* LOST records so far: what stands on both sides of one cannot be joined for sure */
        struct pair_stats stats;
};

static size_t hash_tid(pid_t tid)
{
        return (size_t)((uint32_t)tid * UINT32_C(2654435761));
}

int pair_new(enum detail detail, bool has_tracepoints, struct pair **ret)
{
        struct pair *pair = calloc(1, sizeof *pair);

        if (!pair)
                return -ENOMEM;
        pair->detail = detail;
        pair->has_tracepoints = has_tracepoints;
        *ret = pair;
        return 0;
}

/* What a fault holds before it is given out. */
static void release(struct fault *fault)
{
        map_unref(fault->map_then);
        callstack_unref(fault->stack);
}

/* Its fault, if one is open, is released or given out by the caller. */
static struct thread *thread_free(struct thread *thread)
{
        if (thread)
                callstack_unref(thread->tp_stack);
        free(thread);
        return NULL;
}

struct pair *pair_free(struct pair *pair)
{
        if (!pair)
                return NULL;
        for (size_t i = 0; i < pair->n_open; i++)
                release(&pair->open[i]->fault);
        for (size_t i = 0; i < pair->n_slots; i++)
                thread_free(pair->slots[i]);
        for (size_t i = 0; i < pair->n_done; i++)
                release(&pair->done[(pair->first_done + i) & (pair->size_done - 1)]);
        free(pair->slots);
        free(pair->open);
        free(pair->done);
        free(pair);
        return NULL;
}

const struct pair_stats *pair_stats(const struct pair *pair)
{
        return &pair->stats;
}

/* The slot that holds tid, or the free one where it belongs. */
static size_t find_slot(const struct pair *pair, pid_t tid)
{
        size_t mask = pair->n_slots - 1, i = hash_tid(tid) & mask;

        while (pair->slots[i] && pair->slots[i]->tid != tid)
                i = (i + 1) & mask;
        return i;
}

static int grow_slots(struct pair *pair)
{
        size_t n_old = pair->n_slots, n_new = n_old ? n_old * 2 : MIN_SLOTS;
        struct thread **old = pair->slots, **slots = calloc(n_new, sizeof(*slots));
        struct thread **open = realloc(pair->open, n_new * sizeof(*open));

        if (open)
                pair->open = open;
        if (!slots || !open) {
                free(slots);
                return -ENOMEM;
        }
        pair->slots = slots;
        pair->n_slots = n_new;
        for (size_t i = 0; i < n_old; i++)
                if (old[i])
                        slots[find_slot(pair, old[i]->tid)] = old[i];
        free(old);
        return 0;
}

static int get_thread(struct pair *pair, pid_t tid, struct thread **ret)
{
        size_t i;
        int r;

        if (pair->n_threads * 2 >= pair->n_slots) {
                r = grow_slots(pair);
                if (r < 0)
                        return r;
        }
        i = find_slot(pair, tid);
        if (!pair->slots[i]) {
                pair->slots[i] = calloc(1, sizeof(**pair->slots));
                if (!pair->slots[i])
                        return -ENOMEM;
                pair->slots[i]->tid = tid;
                pair->n_threads++;
        }
        *ret = pair->slots[i];
        return 0;
}

/* Open addressing without tombstones: move later members of the run back into the hole. */
static void forget_thread(struct pair *pair, pid_t tid)
{
        size_t mask = pair->n_slots - 1, hole, i;

        if (!pair->n_slots)
                return;
        hole = find_slot(pair, tid);
        if (!pair->slots[hole])
                return;
        pair->slots[hole] = thread_free(pair->slots[hole]);
        pair->n_threads--;
        for (i = (hole + 1) & mask; pair->slots[i]; i = (i + 1) & mask) {
                size_t home = hash_tid(pair->slots[i]->tid) & mask;

                if (((i - home) & mask) >= ((i - hole) & mask)) {
                        pair->slots[hole] = pair->slots[i];
                        pair->slots[i] = NULL;
                        hole = i;
                }
        }
}

/* Make room for one more finished fault. Done before anything is opened, so that finishing cannot fail. */
static int reserve_done(struct pair *pair, size_t n)
{
        size_t size = pair->size_done ? pair->size_done : MIN_SLOTS;
        struct fault *done;

        if (pair->n_done + n <= pair->size_done)
                return 0;
        while (size < pair->n_done + n)
                size *= 2;
        done = malloc(size * sizeof(*done));
        if (!done)
                return -ENOMEM;
        for (size_t i = 0; i < pair->n_done; i++)
                done[i] = pair->done[(pair->first_done + i) & (pair->size_done - 1)];
        free(pair->done);
        pair->done = done;
        pair->size_done = size;
        pair->first_done = 0;
        return 0;
}

static void put_done(struct pair *pair, const struct fault *fault)
{
        pair->done[(pair->first_done + pair->n_done++) & (pair->size_done - 1)] = *fault;
}

bool pair_next(struct pair *pair, struct fault *ret)
{
        if (!pair->n_done)
                return false;
        *ret = pair->done[pair->first_done];
        pair->first_done = (pair->first_done + 1) & (pair->size_done - 1);
        pair->n_done--;
        return true;
}

static void close_open(struct pair *pair, struct thread *thread)
{
        struct thread *last = pair->open[--pair->n_open];

        pair->open[thread->open_index] = last;
        last->open_index = thread->open_index;
        thread->is_open = false;
        put_done(pair, &thread->fault);
}

static bool loss_since_entry(const struct pair *pair, const struct thread *thread)
{
        return thread->open_losses != pair->n_losses;
}

/* The thread does something else: its open fault did not complete. */
static void abandon(struct pair *pair, struct thread *thread)
{
        struct fault *fault = &thread->fault;

        if (!thread->is_open)
                return;
        fault->incomplete |= loss_since_entry(pair, thread);
        close_open(pair, thread);
}

static struct page_state page_state_of(const struct record_fault *record)
{
        return (struct page_state){
                .known = record->has_physical, .physical = record->physical, .page_bytes = record->page_bytes};
}

static enum mode mode_of_ip(uint64_t ip)
{
        return ip >= KERNEL_HALF && (ip & ~UINT64_C(0xfff)) != VSYSCALL_PAGE ? MODE_KERNEL : MODE_USER;
}

static struct fault new_fault(const struct record *record, uint32_t cpu)
{
        return (struct fault){.time_ns = record->time_ns,
                              .addr = record->fault.addr,
                              .ip = record->fault.ip,
                              .latency_ns = UINT64_MAX,
                              .pid = record->pid,
                              .tid = record->tid,
                              .cpu = cpu,
                              .anchored = true,
                              .mode = mode_of_ip(record->fault.ip)};
}

static void take_error_code(struct fault *fault, uint64_t error_code, uint64_t user_ip)
{
        fault->has_error_code = true;
        fault->error_code = error_code;
        fault->mode = error_code & ERROR_CODE_USER ? MODE_USER : MODE_KERNEL;
        fault->caller_ip = fault->mode == MODE_KERNEL ? user_ip : 0;
}

static bool is_kernel_address(uint64_t addr)
{
        return addr >= EVENT_USER_END && (addr & ~UINT64_C(0xfff)) != VSYSCALL_PAGE;
}

/* The tracepoint has found its entry, or never will. */
static void forget_tracepoint(struct thread *thread)
{
        thread->has_tracepoint = false;
        thread->tp_stack = callstack_unref(thread->tp_stack);
}

static void feed_tracepoint(struct pair *pair, struct thread *thread, uint64_t time_ns,
                            const struct record_fault *record, struct callstack **stack)
{
        /* A kernel address has a sample of EVENT_TP_HIGH as well: that one is its anchor. */
        if (record->event == EVENT_TP_USER && is_kernel_address(record->addr))
                return;
        abandon(pair, thread);
        forget_tracepoint(thread);
        thread->has_tracepoint = true;
        thread->tp_losses = pair->n_losses;
        thread->tp_time_ns = time_ns;
        thread->tp_addr = record->addr;
        thread->tp_error_code = record->error_code;
        thread->tp_user_ip = record->has_registers ? record->user_ip : 0;
        thread->tp_stack = TAKE_PTR(*stack);
}

static void feed_kernel_address(struct pair *pair, struct thread *thread, const struct record *record, uint32_t cpu,
                                struct callstack **stack)
{
        struct fault fault = new_fault(record, cpu);

        abandon(pair, thread);
        take_error_code(&fault, record->fault.error_code, 0);
        fault.stack = TAKE_PTR(*stack);
        pair->stats.n_anchors++;
        put_done(pair, &fault);
}

static void mark_overlaps(struct pair *pair, struct thread *thread)
{
        for (size_t i = 0; i < pair->n_open; i++) {
                struct fault *other = &pair->open[i]->fault;

                if (other != &thread->fault && other->addr >> PAGE_SHIFT == thread->fault.addr >> PAGE_SHIFT)
                        other->overlapped = thread->fault.overlapped = true;
        }
}

/*
 * Where somebody else samples the same event of the same task by another clock, the kernel stamps once for both, by the
 * clock of whoever comes first (kernel/events/core.c, perf_prepare_sample: fields that are set already are kept). A
 * stamp before that of the fault's own tracepoint gives that away.
 */
static void take_tracepoint(struct thread *thread)
{
        struct fault *fault = &thread->fault;

        take_error_code(fault, thread->tp_error_code, thread->tp_user_ip);
        fault->stack = TAKE_PTR(thread->tp_stack);
        if (fault->time_ns < thread->tp_time_ns) {
                fault->time_ns = thread->tp_time_ns;
                thread->foreign_stamp = true;
        }
}

static void feed_entry(struct pair *pair, struct thread *thread, const struct record *record, uint32_t cpu)
{
        abandon(pair, thread);
        thread->fault = new_fault(record, cpu);
        thread->fault.before = page_state_of(&record->fault);
        thread->foreign_stamp = false;
        if (thread->has_tracepoint && thread->tp_addr == record->fault.addr && thread->tp_losses == pair->n_losses)
                take_tracepoint(thread);
        else
                thread->fault.incomplete = pair->has_tracepoints;
        forget_tracepoint(thread);
        thread->open_losses = pair->n_losses;
        thread->is_open = true;
        thread->open_index = pair->n_open;
        pair->open[pair->n_open++] = thread;
        pair->stats.n_anchors++;
        mark_overlaps(pair, thread);
}

/* What a completion mapped: more than the page that was asked for where the kernel chose a huge one. */
static uint64_t mapped_bytes(const struct fault *fault)
{
        uint64_t bytes = fault->after.page_bytes;

        return bytes > PAGE_BYTES && (bytes & (bytes - 1)) == 0 ? bytes : PAGE_BYTES;
}

static void mark_losers(struct pair *pair, struct fault *winner)
{
        uint64_t mask = ~(mapped_bytes(winner) - 1);

        for (size_t i = 0; i < pair->n_open; i++) {
                struct fault *other = &pair->open[i]->fault;

                if (other != winner && (other->addr & mask) == (winner->addr & mask))
                        other->lost_race = other->overlapped = winner->overlapped = true;
        }
}

static void feed_completion(struct pair *pair, struct thread *thread, const struct record *record,
                            struct callstack **stack)
{
        struct fault *fault = &thread->fault;

        if (!thread->is_open || fault->addr != record->fault.addr) {
                pair->stats.n_orphans++;
                return;
        }
        fault->completed = true;
        fault->major = record->fault.event == EVENT_MAJ;
        fault->after = page_state_of(&record->fault);
        if (!fault->stack)
                fault->stack = TAKE_PTR(*stack);
        fault->loss_seen = loss_since_entry(pair, thread);
        thread->foreign_stamp |= record->time_ns < fault->time_ns;
        fault->time_ns = MIN_OF(fault->time_ns, record->time_ns);
        /* Its time says nothing if it is a later fault's, or if the kernel's clock stepped back in between. */
        if (!fault->loss_seen && !thread->foreign_stamp)
                fault->latency_ns = record->time_ns - fault->time_ns;
        if (fault->overlapped || mapped_bytes(fault) > PAGE_BYTES)
                mark_losers(pair, fault);
        close_open(pair, thread);
}

/* Basic detail: the completion is all there is. */
static void feed_lone_completion(struct pair *pair, const struct record *record, uint32_t cpu, struct callstack **stack)
{
        struct fault fault = new_fault(record, cpu);

        fault.completed = true;
        fault.major = record->fault.event == EVENT_MAJ;
        fault.after = page_state_of(&record->fault);
        fault.stack = TAKE_PTR(*stack);
        pair->stats.n_anchors++;
        put_done(pair, &fault);
}

static void cleanup_callstack(struct callstack **stack)
{
        callstack_unref(*stack);
}

/* The record's stack goes to whoever takes it on; else this is its end. */
static int feed_fault(struct pair *pair, const struct record *record, uint32_t cpu)
{
        CLEANUP(cleanup_callstack) struct callstack *stack = record->fault.callstack;
        struct thread *thread;
        int r = reserve_done(pair, 2);

        if (r < 0)
                return r;
        if (pair->detail == DETAIL_BASIC) {
                feed_lone_completion(pair, record, cpu, &stack);
                return 0;
        }
        r = get_thread(pair, record->tid, &thread);
        if (r < 0)
                return r;
        switch (record->fault.event) {
        case EVENT_TP_USER:
        case EVENT_TP_KERNEL:
                feed_tracepoint(pair, thread, record->time_ns, &record->fault, &stack);
                break;
        case EVENT_TP_HIGH:
                feed_kernel_address(pair, thread, record, cpu, &stack);
                break;
        case EVENT_ENTRY:
                feed_entry(pair, thread, record, cpu);
                break;
        default:
                feed_completion(pair, thread, record, &stack);
                break;
        }
        return 0;
}

static int feed_exit(struct pair *pair, pid_t tid)
{
        size_t i;
        int r = reserve_done(pair, 1);

        if (r < 0 || !pair->n_slots)
                return r;
        i = find_slot(pair, tid);
        if (pair->slots[i] && pair->slots[i]->is_open) {
                pair->slots[i]->fault.ended = true;
                pair->slots[i]->fault.incomplete |= loss_since_entry(pair, pair->slots[i]);
                close_open(pair, pair->slots[i]);
        }
        forget_thread(pair, tid);
        return 0;
}

/* A thread maps nothing by itself while it faults: a map reported meanwhile is its stack being grown (mm/mmap.c,
 * expand_stack). */
static void feed_map(struct pair *pair, const struct record *record)
{
        size_t i;

        if (!pair->n_slots)
                return;
        i = find_slot(pair, record->tid);
        if (pair->slots[i] && pair->slots[i]->is_open && pair->slots[i]->fault.addr >= record->map.start &&
            pair->slots[i]->fault.addr - record->map.start < record->map.len_bytes)
                pair->slots[i]->fault.stack_grew = true;
}

void pair_each_open(struct pair *pair, uint64_t start, uint64_t end, void (*found)(void *user, struct fault *fault),
                    void *user)
{
        for (size_t i = 0; i < pair->n_open; i++) {
                struct fault *fault = &pair->open[i]->fault;

                if (fault->addr >= start && fault->addr < end)
                        found(user, fault);
        }
}

int pair_feed(struct pair *pair, const struct record *record, uint32_t cpu)
{
        switch (record->kind) {
        case RECORD_FAULT:
                return feed_fault(pair, record, cpu);
        case RECORD_LOST:
                pair->n_losses++; /* nothing open now can be told failed when its completion does not come */
                return 0;
        case RECORD_EXIT:
                return feed_exit(pair, record->tid);
        case RECORD_MAP:
                feed_map(pair, record);
                return 0;
        default:
                return 0;
        }
}

int pair_expire(struct pair *pair, uint64_t before_ns, bool (*is_hopeless)(void *user, const struct fault *fault),
                void *user)
{
        int r = reserve_done(pair, pair->n_open);

        if (r < 0)
                return r;
        for (size_t i = pair->n_open; i-- > 0;) {
                struct thread *thread = pair->open[i];

                if (thread->fault.time_ns < before_ns && !loss_since_entry(pair, thread) &&
                    is_hopeless(user, &thread->fault))
                        close_open(pair, thread);
        }
        return 0;
}

/*
 * A fault that was given up already, or that another record closed, has gone out as not completed: nothing is left to
 * say. Nor is a fault that the kernel takes on its own behalf and ends with EFAULT: no signal comes of it, and before
 * one comes of the same page, the entry of its own fault has closed that one.
 */
int pair_fail(struct pair *pair, pid_t tid, uint64_t addr)
{
        struct thread *thread;
        int r = reserve_done(pair, 1);

        if (r < 0 || !pair->n_slots)
                return r;
        thread = pair->slots[find_slot(pair, tid)];
        if (!thread || !thread->is_open || thread->fault.addr >> PAGE_SHIFT != addr >> PAGE_SHIFT)
                return 0;
        /* A completion may have been lost, and after it the entry that the signal is about. */
        thread->fault.signalled = !loss_since_entry(pair, thread);
        r = thread->fault.signalled;
        abandon(pair, thread);
        return r;
}

int pair_end(struct pair *pair)
{
        int r = reserve_done(pair, pair->n_open);

        if (r < 0)
                return r;
        while (pair->n_open) {
                struct thread *thread = pair->open[pair->n_open - 1];

                thread->fault.ended = true;
                thread->fault.incomplete |= loss_since_entry(pair, thread);
                close_open(pair, thread);
        }
        return 0;
}
