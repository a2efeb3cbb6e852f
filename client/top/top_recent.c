/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The last faults in full. By the time somebody looks at one, the definitions that it refers to may be forgotten, and
 * rendering each fault when it comes would cost more than all else: so what is kept are our numbers of its names and
 * what its offsets count from, and the words are put together when they are asked for.
 */
#include <errno.h>
#include <string.h>

#include "client/top/top_private.h"

int top_recent_init(struct top_recent *recent)
{
        recent->faults = calloc(TOP_RECENT_MAX, sizeof(*recent->faults));
        return recent->faults ? 0 : -ENOMEM;
}

void top_recent_free(struct top_recent *recent)
{
        free(recent->faults);
        text_free(&recent->scratch);
}

static size_t n_kept(const struct top_recent *recent)
{
        return (size_t)MIN_OF(recent->n_faults, (uint64_t)TOP_RECENT_MAX);
}

void top_recent_use_names(const struct top_recent *recent, struct top_names *names)
{
        for (size_t i = 0; i < n_kept(recent); i++) {
                const struct top_recent_fault *fault = &recent->faults[i];
                const struct top_name *lines = &names->entries[fault->lines];
                uint32_t line;

                for (size_t by = 0; by < N_GROUP_BY; by++)
                        top_names_use(names, fault->groups[by]);
                top_names_use(names, fault->code);
                top_names_use(names, fault->caller);
                top_names_use(names, fault->lines);
                if (fault->lines == TOP_NAME_OTHER)
                        continue;
                for (size_t at = 0; at + sizeof(line) <= lines->n_bytes; at += sizeof(line)) {
                        memcpy(&line, lines->bytes + at, sizeof(line));
                        top_names_use(names, line);
                }
        }
}

/* --- its words --- */

/* Where each begins in scratch: pointers would move as it grows. */
struct words {
        size_t map, place, code, caller, comm, stack;
};

static void put_name(struct text *out, const struct top_name *name)
{
        text_put(out, name->bytes, name->n_bytes);
}

static void put_offset(struct text *out, uint64_t addr, uint64_t base)
{
        text_put_char(out, addr >= base ? '+' : '-'); /* before it only when the daemon is wrong */
        text_put_hex(out, addr >= base ? addr - base : base - addr);
}

static size_t put_map(struct text *out, const struct top_names *names, const struct top_recent_fault *fault)
{
        size_t start = out->n_bytes;

        if (fault->groups[GROUP_MAP] != TOP_NAME_UNKNOWN)
                put_name(out, &names->entries[fault->groups[GROUP_MAP]]);
        text_put_char(out, '\0');
        return start;
}

/* Where neither map nor symbol is known, the image may be. */
static size_t put_place(struct text *out, const struct top_names *names, const struct top_recent_fault *fault)
{
        uint32_t name = fault->groups[GROUP_SYMBOL];
        size_t start = out->n_bytes;

        if (name == TOP_NAME_UNKNOWN)
                name = fault->groups[GROUP_IMAGE];
        if (name != TOP_NAME_UNKNOWN) {
                put_name(out, &names->entries[name]);
                put_offset(out, fault->event.addr, fault->place_base);
        }
        text_put_char(out, '\0');
        return start;
}

static size_t put_code(struct text *out, const struct top_names *names, uint32_t name, uint64_t ip, uint64_t base)
{
        size_t start = out->n_bytes;

        if (name != TOP_NAME_UNKNOWN)
                put_name(out, &names->entries[name]);
        if (ip != 0 && name != TOP_NAME_UNKNOWN)
                put_offset(out, ip, base);
        else if (ip != 0)
                text_put_hex(out, ip);
        text_put_char(out, '\0');
        return start;
}

static size_t put_comm(struct text *out, const struct top_names *names, const struct top_recent_fault *fault)
{
        const struct top_name *thread = &names->entries[fault->groups[GROUP_THREAD]];
        size_t start = out->n_bytes;

        if (thread->comm_start > 0)
                text_put(out, thread->bytes + thread->comm_start, thread->n_bytes - thread->comm_start);
        text_put_char(out, '\0');
        return start;
}

static size_t put_stack(struct text *out, const struct top_names *names, const struct top_recent_fault *fault)
{
        const struct top_name *lines = &names->entries[fault->lines];
        size_t start = out->n_bytes;
        uint32_t line;

        for (size_t at = 0; fault->lines != TOP_NAME_OTHER && at + sizeof(line) <= lines->n_bytes; at += sizeof(line)) {
                memcpy(&line, lines->bytes + at, sizeof(line));
                put_name(out, &names->entries[line]);
                text_put_char(out, '\n');
        }
        text_put_char(out, '\0');
        return start;
}

static bool render(struct text *out, const struct top_names *names, const struct top_recent_fault *fault,
                   struct words *ret)
{
        const struct proto_event *event = &fault->event;
        uint64_t ip = event->flags & PROTO_EVENT_IP_HIDDEN ? 0 : event->ip;

        out->n_bytes = 0;
        out->failed = false;
        ret->map = put_map(out, names, fault);
        ret->place = put_place(out, names, fault);
        ret->code = put_code(out, names, fault->code, ip, fault->code_base);
        ret->caller = put_code(out, names, fault->caller, event->caller_ip, fault->caller_base);
        ret->comm = put_comm(out, names, fault);
        ret->stack = put_stack(out, names, fault);
        return !out->failed;
}

/* --- which one --- */

struct choice {
        struct top_path path;
        struct top_range range;
        enum group_by by;
        const char *search;
};

static bool is_chosen(struct top_model *model, const struct choice *choice, const struct top_recent_fault *fault)
{
        if (!choice->range.is_whole && (fault->slice < choice->range.start || fault->slice >= choice->range.until))
                return false;
        return top_path_has(&choice->path, fault->groups) &&
               top_search(model, choice->search, fault->groups[choice->by]) > 0;
}

static const struct top_recent_fault *find(struct top_model *model, const struct choice *choice, size_t index)
{
        const struct top_recent *recent = &model->recent;

        for (size_t i = 1; i <= n_kept(recent); i++) {
                const struct top_recent_fault *fault = &recent->faults[(recent->n_faults - i) % TOP_RECENT_MAX];

                if (is_chosen(model, choice, fault) && index-- == 0)
                        return fault;
        }
        return NULL;
}

bool top_model_fault(struct top_model *model, const struct top_query *query, size_t index, struct top_fault *ret)
{
        struct choice choice = {.by = query->by, .search = query->search};
        struct text *scratch = &model->recent.scratch;
        const struct top_recent_fault *fault;
        const struct top_name *thread;
        struct words at;

        choice.range = top_slices_range(&model->slices, &query->span);
        if (query->by >= N_GROUP_BY || !top_path_of(&model->names, query, &choice.path))
                return false;
        fault = find(model, &choice, index);
        if (!fault || !render(scratch, &model->names, fault, &at))
                return false;
        thread = &model->names.entries[fault->groups[GROUP_THREAD]];
        *ret = (struct top_fault){.time_ns = fault->event.time_ns - MIN_OF(fault->start_ns, fault->event.time_ns),
                                  .event = &fault->event,
                                  .map = scratch->data + at.map,
                                  .place = scratch->data + at.place,
                                  .code = scratch->data + at.code,
                                  .caller = scratch->data + at.caller,
                                  .comm = scratch->data + at.comm,
                                  .pid = thread->pid,
                                  .tid = thread->tid,
                                  .stack = scratch->data + at.stack};
        return true;
}
