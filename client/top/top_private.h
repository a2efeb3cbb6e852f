/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the model share:
 *
 * top_names.c   our own numbers for names, which outlive the daemon's
 * top_wire.c    the daemon's numbers -> ours, remembered
 * top_tuples.c  sums by tuple, of the whole trace
 * top_slices.c  time: sums by tuple and slice
 * top_recent.c  the last faults in full
 * top_fold.c    from tuples to groups
 * top_table.c   tables: groups in order, as many as are shown
 * top_model.c   what holds these together, and what is told of all faults
 */
#pragma once

#include "client/names.h"
#include "client/top/top_model.h"

/* --- top_names.c --- */

enum {
        TOP_NAME_OTHER,   /* what found no room */
        TOP_NAME_UNKNOWN, /* "?" */
};

#define TOP_NAME_MAX_BYTES (UINT32_C(64) << 10)    /* a longer one is cut */
#define TOP_NAMES_MAX_BYTES (UINT64_C(64) << 20)   /* of all, what keeps them included */
#define TOP_NAMES_LEAST_BYTES (UINT64_C(16) << 20) /* not swept below that */

struct top_name {
        char *bytes; /* owned, NUL-terminated, safe for a terminal; NULL: this number is free */
        uint32_t n_bytes;
        uint32_t hash;
        uint32_t generation; /* how often this number has meant something else */
        uint32_t next_free;
        int32_t pid, tid;    /* of a thread's name */
        uint32_t comm_start; /* ... where its comm begins */
        bool is_used;        /* while sweeping */
};

struct top_names {
        struct top_name *entries;
        uint32_t n_entries, size_entries;
        uint32_t free_head; /* number of the first free one; 0: none (0 is never free) */
        uint32_t *slots;    /* number + 1; 0: free */
        uint32_t n_slots;
        uint32_t n_used;
        uint64_t n_bytes;
        uint64_t sweep_at; /* so many bytes make it worth looking for names that nothing refers to */
};

int top_names_init(struct top_names *names) MUST_CHECK; /* 0; -ENOMEM */
void top_names_free(struct top_names *names);           /* contents */
/* 0; -ENOMEM; -ENOSPC: no further names until some have gone. */
int top_names_put(struct top_names *names, const char *bytes, size_t n_bytes, uint32_t *ret_name) MUST_CHECK;
static inline void top_names_use(struct top_names *names, uint32_t name)
{
        names->entries[name].is_used = true;
}
/* Names that were not used since the last sweep are freed; their numbers mean something else then. */
void top_names_sweep(struct top_names *names);

static inline uint64_t top_group_of(const struct top_names *names, uint32_t name)
{
        return (uint64_t)names->entries[name].generation << 32 | name;
}
/* false: this group has gone, or never was. */
bool top_name_of_group(const struct top_names *names, uint64_t group, uint32_t *ret_name);

/* --- top_wire.c --- */

enum top_wire_kind { WIRE_PLACE, WIRE_CODE, WIRE_THREAD, WIRE_STACK, N_WIRE_KINDS };

enum { PLACE_MAP, PLACE_SECTION, PLACE_SYMBOL, PLACE_IMAGE };
enum { CODE_BOTH, CODE_OWN, CODE_CALLER };
enum { THREAD_ITSELF, THREAD_PROCESS };
enum { STACK_FOLDED, STACK_LINES };

struct top_wire_entry {
        uint32_t ids[2];
        uint32_t context; /* of which definitions, and which kind */
        uint32_t hash;    /* of names; 0: free */
        uint32_t names[4];
        uint64_t bases[2]; /* WIRE_PLACE: of the symbol or map; WIRE_CODE: of code and caller */
};

/* Definitions of one epoch of a state. */
struct top_context {
        const struct state *state; /* to be compared, never looked into later */
        uint32_t epoch;
        uint32_t number;
};

#define TOP_CONTEXTS_MAX 1024
#define TOP_WIRE_SLOTS_MAX (UINT32_C(1) << 19)

struct top_wire {
        struct top_wire_entry *entries;
        uint32_t n_entries, n_slots;
        struct top_context contexts[TOP_CONTEXTS_MAX];
        uint32_t n_contexts, next_context; /* next_context: the one that gives way when there are too many */
        uint32_t n_numbers;
        struct names names;
        struct text scratch;
        struct text sequence;
        bool failed; /* out of memory: a name is "other" that need not have been */
};

int top_wire_init(struct top_wire *wire) MUST_CHECK; /* 0; -ENOMEM */
void top_wire_free(struct top_wire *wire);           /* contents */
void top_wire_clear(struct top_wire *wire);          /* names have gone */
uint32_t top_wire_context(struct top_wire *wire, const struct state *state);
void top_wire_make_room(struct top_wire *wire); /* for an entry of each kind: none moves while they are looked up */
const struct top_wire_entry *top_wire_find(struct top_wire *wire, struct top_names *names, uint32_t context,
                                           const struct state *state, enum top_wire_kind kind,
                                           const struct proto_event *event);

/* --- top_tuples.c --- */

struct top_sum {
        struct measure measure;
        uint64_t n_major, n_failed;
};

struct top_tuple {
        uint32_t groups[N_GROUP_BY]; /* names */
        uint32_t hash;
        uint32_t n_refs;    /* entries of slices; free ones: the next free one */
        uint32_t at[2];     /* where in an even and in an odd slice it was last: to be checked */
        uint8_t cause;      /* below N_CAUSES */
        bool is_other;      /* some of its names are */
        struct top_sum sum; /* count 0: not of any fault yet, or free */
};

struct top_tuples {
        struct top_tuple *tuples;
        uint32_t n_tuples, size_tuples;
        uint32_t n_used;
        uint32_t free_head; /* number + 1; 0: none */
        struct top_tuple_slot {
                uint32_t hash, number; /* number + 1; 0: free */
        } * slots;
        uint32_t n_slots;
        bool has_evicted; /* sums of tuples that are no more have become "other" */
};

#define TOP_TUPLES_SIZE_MAX (2 * TOP_TUPLES_MAX) /* those of slices, and as many that are not in any */

/* names: of the causes. The first N_CAUSES tuples are "other" ones, one a cause, and stay. 0; -ENOMEM. */
int top_tuples_init(struct top_tuples *tuples, const uint32_t cause_names[static N_CAUSES]) MUST_CHECK;
void top_tuples_free(struct top_tuples *tuples); /* contents */
/* The tuple with these groups, made if there is none. 0; -ENOMEM. */
int top_tuples_find(struct top_tuples *tuples, const uint32_t groups[static N_GROUP_BY], uint32_t hash, uint8_t cause,
                    uint32_t *ret_number) MUST_CHECK;
/* The sums of a quarter of all there may be, those of the fewest faults and in no slice, become "other". */
void top_tuples_evict(struct top_tuples *tuples);

static inline uint32_t top_hash(uint32_t hash, uint32_t more)
{
        uint64_t mixed = (((uint64_t)hash << 32 | hash) ^ more) * UINT64_C(0x9e3779b97f4a7c15);

        return (uint32_t)(mixed >> 32) ^ (uint32_t)mixed;
}
uint32_t top_hash_names(const uint32_t *names, size_t n);

void top_sum_add(struct top_sum *to, const struct top_sum *more);

/* --- top_slices.c --- */

struct top_entry { /* of a tuple in a slice; a tuple may have several */
        uint32_t tuple;
        uint32_t count, n_major, n_failed, n_timed;
        uint64_t bytes, time_ns, max_ns;
};

/* All faults of a time. */
struct top_amount {
        struct measure sum;
        uint64_t n_outcomes[N_OUTCOMES];
        uint32_t n_causes[N_CAUSES];
        struct latency latency;
};

struct top_slice {
        struct top_entry *entries; /* owned */
        uint32_t n_entries, size_entries;
        bool is_incomplete; /* some of it is "other" */
        struct top_amount amount;
};

struct top_slices {
        struct top_slice ring[TOP_SLICES_MAX];
        bool has_origin, is_ticked;
        uint64_t origin_ns; /* where slice 0 begins */
        uint64_t clock_ns;  /* how far the time has come */
        uint64_t ticked_ns;
        uint64_t current;    /* the slice of clock_ns: not complete */
        uint64_t current_ns; /* where it begins */
        uint64_t oldest;
        uint64_t lost_until; /* behind the last slice that had faults and has gone */
        uint32_t n_entries;  /* of all slices */
};

void top_slices_free(struct top_slices *slices); /* contents */
void top_slices_tick(struct top_slices *slices, struct top_tuples *tuples, uint64_t now_ns);
/* The slice of a fault; it may be below `oldest`. */
uint64_t top_slices_of(struct top_slices *slices, struct top_tuples *tuples, uint64_t time_ns);
/* 0; -ENOMEM: it is counted, but nobody will know where. */
int top_slices_add(struct top_slices *slices, struct top_tuples *tuples, uint64_t number, uint32_t tuple,
                   const struct top_sum *one, const struct proto_event *event) MUST_CHECK;
static inline const struct top_slice *top_slice_at(const struct top_slices *slices, uint64_t number)
{
        return &slices->ring[number % TOP_SLICES_MAX]; /* number: from oldest to current */
}
static inline struct top_sum top_entry_sum(const struct top_entry *entry)
{
        return (struct top_sum){.measure = {.count = entry->count,
                                            .bytes = entry->bytes,
                                            .time_ns = entry->time_ns,
                                            .max_ns = entry->max_ns,
                                            .n_timed = entry->n_timed},
                                .n_major = entry->n_major,
                                .n_failed = entry->n_failed};
}
/* 0; -ENOMEM: without its latency. */
int top_amount_add(struct top_amount *amount, const struct measure *one, const struct proto_event *event) MUST_CHECK;

/* What a span is: slices [start, until), or the whole trace. */
struct top_range {
        uint64_t start, until;
        uint64_t n_last; /* of these the last, at most two: what is "now" */
        bool is_whole;
        bool is_incomplete; /* it began earlier than what is still there */
};
struct top_range top_slices_range(const struct top_slices *slices, const struct top_span *span);
/* The time of the last slices: per second from a count. */
double top_range_rate(const struct top_range *range, uint64_t n);

/* --- top_recent.c --- */

struct top_recent_fault {
        struct proto_event event;
        uint64_t start_ns; /* of its trace */
        uint64_t slice;
        uint64_t place_base, code_base, caller_base;
        uint32_t groups[N_GROUP_BY];
        uint32_t code, caller, lines; /* names */
};

struct top_recent {
        struct top_recent_fault *faults; /* owned; TOP_RECENT_MAX */
        uint64_t n_faults;               /* all that ever came */
        struct text scratch;
};

int top_recent_init(struct top_recent *recent) MUST_CHECK; /* 0; -ENOMEM */
void top_recent_free(struct top_recent *recent);           /* contents */
void top_recent_use_names(const struct top_recent *recent, struct top_names *names);

/* --- top_fold.c --- */

struct top_group {
        uint32_t name;
        struct top_sum sum;
        uint64_t n_last; /* in the last slices of the span */
};

struct top_key {
        uint64_t key;
        uint32_t group;
};

/* What making tables needs again and again. */
struct top_scratch {
        struct top_group *groups;
        size_t n_groups, size_groups;
        uint32_t *group_of; /* by name: index + 1; all 0 between tables */
        size_t size_group_of;
        struct top_key *keys;
        size_t size_keys;
        uint64_t *causes; /* by row and cause */
        size_t size_causes;
        char *search; /* what `found` is about */
        uint8_t *found;
        size_t size_found;
};

void top_scratch_free(struct top_scratch *scratch); /* contents */
void top_scratch_forget_names(struct top_scratch *scratch);

/* Steps as names. */
struct top_path {
        uint32_t names[TOP_DEPTH_MAX];
        enum group_by by[TOP_DEPTH_MAX];
        size_t n;
};
/* false: nothing is there, because a step's group has gone. */
bool top_path_of(const struct top_names *names, const struct top_query *query, struct top_path *ret);
static inline bool top_path_has(const struct top_path *path, const uint32_t groups[static N_GROUP_BY])
{
        for (size_t i = 0; i < path->n; i++)
                if (groups[path->by[i]] != path->names[i])
                        return false;
        return true;
}
/* From tuples to groups, which are scratch->groups then. */
struct top_fold {
        struct top_model *model;
        struct top_range range;
        struct top_path path;
        enum group_by by;
        bool is_incomplete;
};
int top_fold_begin(struct top_model *model, const struct top_query *query, struct top_fold *ret) MUST_CHECK;
int top_fold_all(struct top_fold *fold) MUST_CHECK; /* by the path, which is the caller's to set. 0; -ENOMEM */
void top_fold_end(struct top_scratch *scratch);     /* always, once it has begun */

/* The name has what the query searches for. 1; 0; -ENOMEM. */
int top_search(struct top_model *model, const char *search, uint32_t name) MUST_CHECK;

/* --- top_model.c --- */

struct top_model {
        struct top_names names;
        struct top_wire wire;
        struct top_tuples tuples;
        struct top_slices slices;
        struct top_recent recent;
        struct top_amount all; /* the whole trace */
        struct top_scratch scratch;
        uint32_t cause_names[N_CAUSES];
        uint64_t swept_at;  /* the slice of the last sweep that did not find enough */
        bool is_incomplete; /* names found no room */
};
