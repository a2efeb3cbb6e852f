/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The address space is looked at when a fault ends (resolve_put), names when it goes out (resolve_next): in between it
 * holds references to immutable maps, so nothing that the target does meanwhile changes what the fault hit.
 *
 * One queue for everything, because its order is what clients see: a signal stands right behind the fault that it is
 * about, an exit behind the last fault. Whether something may be shown is asked when it goes out, and never afterwards.
 */
#include "daemon/engine/resolve.h"

#include <errno.h>
#include <string.h>

#include "daemon/engine/model/classify.h"

#define MAX_WAITING 65536 /* power of two */
#define PAGE_SHIFT 12
#define KIN_WAIT_NS (UINT64_C(500) * NSEC_PER_MSEC)
#define SIGNAL_WAIT_NS (UINT64_C(200) * NSEC_PER_MSEC)
/* A fault that waits for user space needs two context switches at the very least. */
#define SUSPICIOUS_NS (UINT64_C(8) * NSEC_PER_USEC)

int resolve_init(struct resolve *resolve)
{
        int r = places_init(&resolve->places);

        return r < 0 ? r : stacks_init(&resolve->stacks, resolve->stack_bytes, resolve->has_lines, resolve->unwind);
}

void resolve_release_fault(struct fault *fault)
{
        fault->map = map_unref(fault->map);
        fault->code_map = map_unref(fault->code_map);
        fault->caller_map = map_unref(fault->caller_map);
        fault->above = map_unref(fault->above);
        fault->map_then = map_unref(fault->map_then);
        fault->stack = callstack_unref(fault->stack);
}

void resolve_release(struct outgoing *outgoing)
{
        resolve_release_fault(&outgoing->fault);
        outgoing->addresses = addresses_unref(outgoing->addresses);
        outgoing->process = process_unref(outgoing->process);
        outgoing->told = told_free(outgoing->told);
        outgoing->message = outframe_unref(outgoing->message);
}

void resolve_keep_map(struct addresses *addresses, struct fault *fault)
{
        if (fault->has_map_then)
                return;
        fault->map_then = map_ref(aspace_lookup(addresses->aspace, fault->addr));
        fault->has_map_then = true;
}

void resolve_deinit(struct resolve *resolve)
{
        for (size_t i = 0; i < resolve->n; i++)
                resolve_release(&resolve->waiting[(resolve->first + i) & (resolve->size - 1)]);
        free(resolve->waiting);
        stacks_deinit(&resolve->stacks);
        places_deinit(&resolve->places);
        threads_deinit(&resolve->threads);
}

/* ---- in ---- */

static int reserve_waiting(struct resolve *resolve)
{
        size_t size = resolve->size ? resolve->size * 2 : 256;
        struct outgoing *waiting;

        if (resolve->n < resolve->size)
                return 0;
        waiting = malloc(size * sizeof(*waiting));
        if (!waiting)
                return -ENOMEM;
        for (size_t i = 0; i < resolve->n; i++)
                waiting[i] = resolve->waiting[(resolve->first + i) & (resolve->size - 1)];
        free(resolve->waiting);
        resolve->waiting = waiting;
        resolve->size = size;
        resolve->first = 0;
        return 0;
}

/* There is room. */
static struct outgoing *push(struct resolve *resolve)
{
        return &resolve->waiting[(resolve->first + resolve->n++) & (resolve->size - 1)];
}

/* On whose behalf the monitor is to open a file. */
static pid_t asking_pid(const struct resolve *resolve, const struct process *process)
{
        return resolve->processes->follows ? process->pid : 0;
}

static struct stacks_scene stacks_scene(struct resolve *resolve, const struct process *process,
                                        struct addresses *addresses, uint64_t now_ns)
{
        return (struct stacks_scene){.places = &resolve->places,
                                     .addresses = addresses,
                                     .pid = asking_pid(resolve, process),
                                     .is_unmapped = process->is_unmapped,
                                     .now_ns = now_ns};
}

struct callstack *resolve_take_stack(struct resolve *resolve, const struct process *process,
                                     const struct record_fault *fault, uint64_t now_ns)
{
        struct stacks_scene scene = stacks_scene(resolve, process, process->addresses, now_ns);

        return resolve->stack_bytes ? stacks_take(&resolve->stacks, &scene, fault) : NULL;
}

void resolve_want_code(struct resolve *resolve, const struct process *process, struct map *map, uint64_t now_ns)
{
        struct stacks_scene scene = stacks_scene(resolve, process, process->addresses, now_ns);

        stacks_want(&resolve->stacks, &scene, map);
}

static void bind_fault(struct resolve *resolve, const struct process *process, struct addresses *addresses,
                       struct fault *fault, uint64_t now_ns)
{
        struct places *places = &resolve->places;
        pid_t pid = asking_pid(resolve, process);
        struct map *map = fault->has_map_then && !fault->completed
                                  ? fault->map_then
                                  : addresses_of_fault(addresses, fault, classify_access(fault));

        fault->map = map_ref(map);
        places_want(places, addresses, pid, fault->map, now_ns);
        if (fault->mode == MODE_USER) {
                fault->code_map = map_ref(addresses_lookup(addresses, fault->ip));
                places_want(places, addresses, pid, fault->code_map, now_ns);
        } else if (fault->caller_ip) {
                fault->caller_map = map_ref(addresses_lookup(addresses, fault->caller_ip));
                places_want(places, addresses, pid, fault->caller_map, now_ns);
        }
        if (!fault->caller_map)
                fault->caller_ip = 0; /* inside an exec: that code is of the program before */
        if (!fault->completed)
                fault->above = map_ref(aspace_above(addresses->aspace, fault->addr));
}

/* Of these faults there is one record, which is there long before the signal; all others wait for it in pairing. */
static bool ends_in_signal(const struct resolve *resolve, const struct fault *fault)
{
        return resolve->is_held && !fault->completed && !fault->signalled && fault->mode == MODE_USER &&
               fault->addr >= EVENT_USER_END;
}

/* The fault that waits for just this signal; NULL = none. */
static struct outgoing *find_awaiting(const struct resolve *resolve, const struct story *story)
{
        for (size_t i = resolve->n; i-- > 0;) {
                struct outgoing *outgoing = &resolve->waiting[(resolve->first + i) & (resolve->size - 1)];

                if (outgoing->told_by_ns && !outgoing->told && outgoing->fault.tid == story->tid &&
                    outgoing->fault.addr == story->signal.addr)
                        return outgoing;
        }
        return NULL;
}

static bool seeks_map(const struct resolve *resolve, const struct process *process, const struct fault *fault)
{
        return !process->is_unmapped && !fault->map && fault->completed && processes_are_asked(resolve->processes);
}

static void put_fault(struct resolve *resolve, struct process *process, struct fault *fault, struct told *told,
                      uint64_t now_ns)
{
        if (!process->is_unmapped)
                bind_fault(resolve, process, process->addresses, fault, now_ns);
        if (fault->mode == MODE_KERNEL)
                names_want_kernel(resolve->places.names, resolve->places.trace, now_ns);
        threads_note(&resolve->threads, fault);
        *push(resolve) = (struct outgoing){.fault = *fault,
                                           .has_fault = true,
                                           .told_by_ns = ends_in_signal(resolve, fault) ? now_ns + SIGNAL_WAIT_NS : 0,
                                           .is_unbound = process->is_unmapped,
                                           .seeks_by_ns = seeks_map(resolve, process, fault) ? now_ns + KIN_WAIT_NS : 0,
                                           .process = process_ref(process),
                                           .addresses = addresses_ref(process->addresses),
                                           .told = told};
        resolve->n_faults++;
}

int resolve_put(struct resolve *resolve, struct process *process, struct fault *fault, uint64_t now_ns)
{
        int r = reserve_waiting(resolve);

        if (r >= 0)
                put_fault(resolve, process, fault, NULL, now_ns);
        else
                resolve_release_fault(fault);
        return r;
}

int resolve_put_signal(struct resolve *resolve, struct process *process, struct fault *fault, const struct story *story,
                       uint64_t now_ns)
{
        struct told *told;
        struct outgoing *outgoing;
        int r = reserve_waiting(resolve);

        if (r >= 0)
                r = told_new(story, now_ns, &told);
        if (r < 0) {
                if (fault)
                        resolve_release_fault(fault);
                return r;
        }
        if (fault) {
                put_fault(resolve, process, fault, told, now_ns);
                outgoing = &resolve->waiting[(resolve->first + resolve->n - 1) & (resolve->size - 1)];
        } else if ((outgoing = find_awaiting(resolve, story))) {
                outgoing->told = told;
        } else {
                outgoing = push(resolve);
                *outgoing =
                        (struct outgoing){.fault = {.pid = process->pid, .tid = story->tid, .time_ns = story->time_ns},
                                          .process = process_ref(process),
                                          .addresses = addresses_ref(process->addresses),
                                          .told = told};
                threads_note(&resolve->threads, &outgoing->fault);
        }
        /* What is not known yet is looked up when it is. */
        if (!process->is_unmapped)
                told_look(told, outgoing->has_fault ? &outgoing->fault : NULL, outgoing->addresses);
        return 0;
}

int resolve_put_message(struct resolve *resolve, struct process *process, uint64_t time_ns, struct outframe *message)
{
        int r = reserve_waiting(resolve);

        if (r < 0)
                return r;
        *push(resolve) = (struct outgoing){
                .fault = {.time_ns = time_ns}, .process = process_ref(process), .message = outframe_ref(message)};
        return 0;
}

/* ---- waiting ---- */

/* Long enough to have waited for user space; clearing a huge page takes long by itself. */
static bool is_suspicious(const struct fault *fault)
{
        return fault->map && fault->map->kind != MAP_KIND_FILE && fault->map->kind != MAP_KIND_SPECIAL &&
               fault->completed && fault->latency_ns != UINT64_MAX && fault->latency_ns > SUSPICIOUS_NS &&
               fault->after.page_bytes <= 1u << PAGE_SHIFT;
}

/* Who shares whose memory is known, or will not be in time: look again, in the memory that the process had then. */
static void seek_map(struct resolve *resolve, struct outgoing *outgoing, uint64_t now_ns)
{
        struct process *process = outgoing->process;
        struct fault *fault = &outgoing->fault;

        outgoing->seeks_by_ns = 0;
        if (process->executed_ns > fault->time_ns)
                return;
        addresses_unref(outgoing->addresses);
        outgoing->addresses = addresses_ref(process->addresses);
        fault->map = map_ref(aspace_lookup(process->addresses->aspace, fault->addr));
        places_want(&resolve->places, process->addresses, asking_pid(resolve, process), fault->map, now_ns);
}

static bool stack_waits(struct resolve *resolve, struct outgoing *outgoing, uint64_t now_ns)
{
        struct stacks_scene scene = stacks_scene(resolve, outgoing->process, outgoing->addresses, now_ns);

        return stacks_wait(&resolve->stacks, &scene, outgoing->fault.time_ns + NAMES_WAIT_NS, &outgoing->fault.stack);
}

static bool fault_waits(struct resolve *resolve, struct outgoing *outgoing, uint64_t now_ns)
{
        struct fault *fault = &outgoing->fault;
        bool kernel = false;

        if (outgoing->is_unbound) {
                if (outgoing->process->is_unmapped && now_ns < outgoing->process->wait_until_ns)
                        return true;
                outgoing->is_unbound = false;
                bind_fault(resolve, outgoing->process, outgoing->addresses, fault, now_ns);
        }
        if (outgoing->seeks_by_ns) {
                if (now_ns < outgoing->seeks_by_ns && processes_are_asked(resolve->processes))
                        return true;
                seek_map(resolve, outgoing, now_ns);
        }
        if (fault->mode == MODE_KERNEL)
                (void)names_kernel(resolve->places.names, now_ns, &kernel);
        if (is_suspicious(fault) &&
            addresses_await_userfault(outgoing->addresses, fault->time_ns + fault->latency_ns, now_ns))
                return true;
        return kernel || places_wait(fault->map, now_ns) ||
               places_code_wait(outgoing->addresses, fault->code_map, fault->ip, now_ns) ||
               places_code_wait(outgoing->addresses, fault->caller_map, fault->caller_ip, now_ns) ||
               (fault->stack && stack_waits(resolve, outgoing, now_ns));
}

static bool signal_waits(struct resolve *resolve, struct outgoing *outgoing, uint64_t now_ns)
{
        struct told_scene scene = {.places = &resolve->places,
                                   .unwind = resolve->unwind,
                                   .addresses = outgoing->addresses,
                                   .pid = asking_pid(resolve, outgoing->process),
                                   .now_ns = now_ns};

        if (!outgoing->told->has_looked) {
                if (outgoing->process->is_unmapped && now_ns < outgoing->process->wait_until_ns)
                        return true;
                told_look(outgoing->told, outgoing->has_fault ? &outgoing->fault : NULL, outgoing->addresses);
        }
        return told_waits(outgoing->told, &scene);
}

/* Sets is_hidden when it need not wait. */
static bool must_wait(struct resolve *resolve, struct outgoing *outgoing, uint64_t now_ns)
{
        enum process_answer answer = PROCESS_SHOWN;

        if (outgoing->process)
                answer = process_shows(outgoing->process, outgoing->fault.time_ns, now_ns);
        outgoing->is_hidden = answer != PROCESS_SHOWN;
        if (answer != PROCESS_SHOWN)
                return answer == PROCESS_WAITS;
        if (!outgoing->told && resolve->is_held && now_ns < outgoing->told_by_ns)
                return true;
        return (outgoing->has_fault && fault_waits(resolve, outgoing, now_ns)) ||
               (outgoing->told && signal_waits(resolve, outgoing, now_ns));
}

/* ---- out ---- */

static void classify_now(struct resolve *resolve, struct outgoing *outgoing)
{
        struct fault *fault = &outgoing->fault;
        bool is_file = fault->map && (fault->map->kind == MAP_KIND_FILE || fault->map->kind == MAP_KIND_SHMEM);
        const struct image_slot *slot = is_file ? fault->map->image : NULL;
        struct classify_context context = {.numa_balancing = resolve->numa_balancing,
                                           .is_threaded = process_is_threaded(outgoing->process),
                                           .swap_in_use = resolve->swap_in_use};

        if (fault->map && fault->map->kind != MAP_KIND_FILE && fault->map->kind != MAP_KIND_SPECIAL)
                context.userfault = addresses_userfault(outgoing->addresses, fault->addr, &context.userfault_known);
        if (slot && slot->state == IMAGE_READY)
                context.file_is_shmem = slot->shmem;
        if (!fault->completed)
                context.file_size_known = slot && names_file_size(slot, &context.file_bytes);
        classify(fault, &context);
}

static uint64_t frame_of(const struct page_state *state)
{
        return state->known ? state->physical >> PAGE_SHIFT : PROTO_UNKNOWN;
}

static uint8_t flags_of(const struct fault *fault)
{
        return (uint8_t)((fault->mode == MODE_KERNEL ? PROTO_EVENT_KERNEL_MODE : 0) |
                         (fault->evidence == EVIDENCE_INFERRED ? PROTO_EVENT_INFERRED : 0) |
                         (fault->incomplete ? PROTO_EVENT_INCOMPLETE : 0) |
                         (fault->unresolved ? PROTO_EVENT_UNRESOLVED : 0));
}

static uint32_t code_id(struct resolve *resolve, const struct outgoing *outgoing, uint64_t now_ns)
{
        const struct fault *fault = &outgoing->fault;

        if (fault->mode == MODE_KERNEL)
                return places_kernel_id(&resolve->places, fault->ip, now_ns);
        return places_code_id(&resolve->places, outgoing->addresses, fault->code_map, fault->ip, now_ns);
}

static uint32_t stack_id(struct resolve *resolve, const struct outgoing *outgoing, uint64_t now_ns)
{
        struct stacks_scene scene = stacks_scene(resolve, outgoing->process, outgoing->addresses, now_ns);

        return stacks_id(&resolve->stacks, &scene, outgoing->fault.stack);
}

static void make_event(struct resolve *resolve, const struct outgoing *outgoing, uint64_t now_ns,
                       struct proto_event *ret)
{
        const struct fault *fault = &outgoing->fault;
        struct places *places = &resolve->places;

        *ret = (struct proto_event){
                .time_ns = fault->time_ns,
                .addr = fault->addr,
                .ip = fault->ip,
                .caller_ip = fault->caller_ip,
                .latency_ns = fault->latency_ns,
                .frame_before = frame_of(&fault->before),
                .frame = frame_of(&fault->after),
                .thread = threads_id(&resolve->threads, places->dict, fault),
                .map = fault->map ? dict_map(places->dict, fault->map) : 0,
                .place = fault->map ? places_id(places, fault->map, fault->addr, false) : 0,
                .code = code_id(resolve, outgoing, now_ns),
                .caller = places_code_id(places, outgoing->addresses, fault->caller_map, fault->caller_ip, now_ns),
                .stack = fault->stack ? stack_id(resolve, outgoing, now_ns) : 0,
                .cpu = (uint16_t)fault->cpu,
                .outcome = (uint8_t)fault->outcome,
                .cause = (uint8_t)fault->cause,
                .access = (uint8_t)fault->access,
                .page_shift = fault->after.known && fault->after.page_bytes
                                      ? (uint8_t)__builtin_ctzll(fault->after.page_bytes)
                                      : 0,
                .flags = flags_of(fault),
        };
}

bool resolve_next(struct resolve *resolve, uint64_t now_ns, struct outgoing *ret, struct proto_event *ret_event)
{
        struct outgoing *outgoing;

        if (!resolve->n)
                return false;
        outgoing = &resolve->waiting[resolve->first];
        if (must_wait(resolve, outgoing, now_ns) && resolve->n < MAX_WAITING)
                return false;
        *ret = *outgoing;
        resolve->first = (resolve->first + 1) & (resolve->size - 1);
        resolve->n--;
        resolve->n_faults -= ret->has_fault;
        if (!ret->has_fault || ret->is_hidden)
                return true;
        ret->fault.unresolved =
                places_lack(ret->fault.map) || places_lack(ret->fault.code_map) || places_lack(ret->fault.caller_map);
        classify_now(resolve, ret);
        make_event(resolve, ret, now_ns, ret_event);
        return true;
}

int resolve_tell(struct resolve *resolve, const struct outgoing *outgoing, uint64_t now_ns, struct outframe **ret)
{
        struct told_scene scene = {.places = &resolve->places,
                                   .unwind = resolve->unwind,
                                   .addresses = outgoing->addresses,
                                   .pid = asking_pid(resolve, outgoing->process),
                                   .now_ns = now_ns};
        uint32_t thread = threads_id(&resolve->threads, resolve->places.dict, &outgoing->fault);

        return told_encode(outgoing->told, &scene, outgoing->has_fault ? &outgoing->fault : NULL, thread, ret);
}
