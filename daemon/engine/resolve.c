/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The address space is looked at when a fault ends (resolve_put), names when it goes out (resolve_next): in between it
 * holds references to immutable maps, so nothing that the target does meanwhile changes what the fault hit.
 */
#include "daemon/engine/resolve.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "daemon/engine/model/classify.h"

#define MAX_WAITING 65536 /* power of two */
#define PAGE_SHIFT 12
#define MIN_THREADS 64 /* power of two */
#define LOAD_MAX_MAPS 16
/* A fault that waits for user space needs two context switches at the very least. */
#define SUSPICIOUS_NS (UINT64_C(8) * NSEC_PER_USEC)
#define KERNEL_IMAGE "[kernel]"

int resolve_init(struct resolve *resolve)
{
        resolve->memos = calloc(RESOLVE_CACHE, sizeof(*resolve->memos));
        return resolve->memos ? 0 : -ENOMEM;
}

void resolve_release(struct fault *fault)
{
        fault->map = map_unref(fault->map);
        fault->code_map = map_unref(fault->code_map);
        fault->caller_map = map_unref(fault->caller_map);
        fault->above = map_unref(fault->above);
        fault->map_then = map_unref(fault->map_then);
}

void resolve_keep_map(struct resolve *resolve, struct fault *fault)
{
        if (fault->has_map_then)
                return;
        fault->map_then = map_ref(aspace_lookup(resolve->addresses->aspace, fault->addr));
        fault->has_map_then = true;
}

void resolve_deinit(struct resolve *resolve)
{
        for (size_t i = 0; resolve->memos && i < RESOLVE_CACHE; i++)
                map_unref(resolve->memos[i].map);
        for (size_t i = 0; i < resolve->n; i++)
                resolve_release(&resolve->waiting[(resolve->first + i) & (resolve->size - 1)]);
        free(resolve->memos);
        free(resolve->waiting);
        free(resolve->threads);
}

/* ---- threads ---- */

static struct thread_name *find_thread(const struct resolve *resolve, pid_t tid)
{
        size_t mask = resolve->size_threads - 1, i = (uint32_t)tid * UINT32_C(2654435761) & mask;

        while (resolve->threads[i].tid && resolve->threads[i].tid != tid)
                i = (i + 1) & mask;
        return &resolve->threads[i];
}

static int grow_threads(struct resolve *resolve)
{
        struct thread_name *old = resolve->threads;
        size_t n_old = resolve->size_threads, size = n_old ? n_old * 2 : MIN_THREADS;
        struct thread_name *threads = calloc(size, sizeof(*threads));

        if (!threads)
                return -ENOMEM;
        resolve->threads = threads;
        resolve->size_threads = size;
        for (size_t i = 0; i < n_old; i++)
                if (old[i].tid)
                        *find_thread(resolve, old[i].tid) = old[i];
        free(old);
        return 0;
}

int resolve_thread_name(struct resolve *resolve, pid_t tid, const char *comm)
{
        struct thread_name *thread;
        int r;

        if (resolve->n_threads * 2 >= resolve->size_threads) {
                r = grow_threads(resolve);
                if (r < 0)
                        return r;
        }
        thread = find_thread(resolve, tid);
        if (!thread->tid)
                resolve->n_threads++;
        *thread = (struct thread_name){.tid = tid};
        (void)strncpy(thread->comm, comm, sizeof(thread->comm) - 1);
        return 0;
}

int resolve_thread_born(struct resolve *resolve, pid_t tid, pid_t parent_tid)
{
        char comm[16] = "";

        if (resolve->size_threads)
                memcpy(comm, find_thread(resolve, parent_tid)->comm, sizeof(comm));
        return resolve_thread_name(resolve, tid, comm);
}

void resolve_thread_exited(struct resolve *resolve, pid_t tid)
{
        size_t mask = resolve->size_threads - 1, hole, i;

        if (!resolve->size_threads)
                return;
        hole = (size_t)(find_thread(resolve, tid) - resolve->threads);
        if (!resolve->threads[hole].tid)
                return;
        resolve->threads[hole].tid = 0;
        resolve->n_threads--;
        for (i = (hole + 1) & mask; resolve->threads[i].tid; i = (i + 1) & mask) {
                size_t home = (uint32_t)resolve->threads[i].tid * UINT32_C(2654435761) & mask;

                if (((i - home) & mask) >= ((i - hole) & mask)) {
                        resolve->threads[hole] = resolve->threads[i];
                        resolve->threads[i].tid = 0;
                        hole = i;
                }
        }
}

static void note_name(const struct resolve *resolve, struct fault *fault)
{
        if (resolve->size_threads)
                memcpy(fault->comm, find_thread(resolve, fault->tid)->comm, sizeof(fault->comm));
}

/* The name is that of the time of the fault: the thread may have another one by now, or be gone. */
static uint32_t thread_id(struct resolve *resolve, const struct fault *fault)
{
        struct thread_name *thread = resolve->size_threads ? find_thread(resolve, fault->tid) : NULL;
        char comm[sizeof(fault->comm) + 1] = "";

        if (thread && thread->tid && thread->epoch == dict_epoch(resolve->dict) &&
            memcmp(thread->comm, fault->comm, sizeof(fault->comm)) == 0)
                return thread->id;
        memcpy(comm, fault->comm, sizeof(fault->comm));
        if (!thread || !thread->tid || memcmp(thread->comm, fault->comm, sizeof(fault->comm)) != 0)
                return dict_thread(resolve->dict, fault->pid, fault->tid, comm);
        thread->id = dict_thread(resolve->dict, fault->pid, fault->tid, comm);
        thread->epoch = dict_epoch(resolve->dict);
        return thread->id;
}

/* ---- maps and images ---- */

/*
 * Plain anonymous memory right behind a private file map may be that image's .bss (image_covers() tells later), also
 * where mprotect(2) has cut it into pieces. NULL = it stands behind something else.
 */
static struct map *image_neighbour(struct aspace *aspace, struct map *map)
{
        for (unsigned int n = 0; n < LOAD_MAX_MAPS && map->kind == MAP_KIND_ANON && !map->path[0]; n++) {
                struct map *below = aspace_below(aspace, map->start);

                if (!below || below->end != map->start || below->shared)
                        return NULL;
                map = below;
        }
        return map->kind == MAP_KIND_FILE ? map : NULL;
}

/*
 * The lowest map of the load that a file map belongs to. Segments of one load follow each other with ascending file
 * offsets; a lower offset begins another load of the same file. The bound is for files mapped in thousands of pieces.
 */
static const struct map *load_of(struct aspace *aspace, const struct map *map)
{
        for (unsigned int n = 0; map->offset && n < LOAD_MAX_MAPS; n++) {
                const struct map *below = aspace_below(aspace, map->start);

                if (!below || below->inode != map->inode || below->major != map->major || below->minor != map->minor ||
                    below->offset > map->offset)
                        break;
                map = below;
        }
        return map;
}

static int decide_image(struct resolve *resolve, struct map *map, uint64_t now_ns)
{
        struct aspace *aspace = resolve->addresses->aspace;
        struct map *file = map;
        const struct map *load;

        if (!map || map->image_known)
                return 0;
        map->image_known = true;
        if (map->kind == MAP_KIND_ANON && !map->path[0]) {
                file = image_neighbour(aspace, map);
                if (!file)
                        return 0;
        }
        load = load_of(aspace, file);
        map->image_start = load->start;
        map->image_offset = load->offset;
        return names_slot(resolve->names, resolve->trace, file, now_ns, &map->image);
}

static struct map *take_map(struct resolve *resolve, struct map *map, uint64_t now_ns)
{
        (void)decide_image(resolve, map, now_ns); /* out of memory: the map goes without names */
        return map_ref(map);
}

static int reserve_waiting(struct resolve *resolve)
{
        size_t size = resolve->size ? resolve->size * 2 : 256;
        struct fault *waiting;

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

int resolve_put(struct resolve *resolve, struct fault *fault, uint64_t now_ns)
{
        struct addresses *addresses = resolve->addresses;
        int r = reserve_waiting(resolve);

        if (r < 0)
                return r;
        if (fault->has_map_then && !fault->completed)
                fault->map = take_map(resolve, fault->map_then, now_ns);
        else
                fault->map = take_map(resolve, addresses_of_fault(addresses, fault, classify_access(fault)), now_ns);
        if (fault->mode == MODE_USER)
                fault->code_map = take_map(resolve, addresses_lookup(addresses, fault->ip), now_ns);
        else if (fault->caller_ip)
                fault->caller_map = take_map(resolve, addresses_lookup(addresses, fault->caller_ip), now_ns);
        if (!fault->caller_map)
                fault->caller_ip = 0; /* inside an exec: that code is of the program before */
        if (!fault->completed)
                fault->above = map_ref(aspace_above(addresses->aspace, fault->addr));
        if (fault->mode == MODE_KERNEL)
                names_want_kernel(resolve->names, resolve->trace, now_ns);
        note_name(resolve, fault);
        resolve->waiting[(resolve->first + resolve->n++) & (resolve->size - 1)] = *fault;
        return 0;
}

/* ---- places ---- */

static struct resolve_memo *memo_of(struct resolve *resolve, const struct map *map, uint64_t addr, unsigned int shift)
{
        uint64_t hash = (addr >> shift) * UINT64_C(0x9e3779b97f4a7c15) ^ (uintptr_t)map >> 5;

        return &resolve->memos[(hash >> 20 ^ hash >> 40) & (RESOLVE_CACHE - 1)];
}

static bool memo_holds(const struct resolve *resolve, const struct resolve_memo *memo, const struct map *map,
                       uint64_t addr)
{
        return memo->epoch == dict_epoch(resolve->dict) && memo->generation == names_generation(resolve->names) &&
               memo->map == map && addr >= memo->start && addr < memo->end;
}

static void memo_set(struct resolve *resolve, struct resolve_memo *memo, struct map *map, uint64_t start, uint64_t end,
                     uint32_t id)
{
        struct map *held = map_ref(map);

        map_unref(memo->map);
        *memo = (struct resolve_memo){.map = held,
                                      .start = start,
                                      .end = end,
                                      .epoch = dict_epoch(resolve->dict),
                                      .generation = names_generation(resolve->names),
                                      .id = id};
}

static uint32_t string_id(struct resolve *resolve, const char *text)
{
        return text ? dict_string(resolve->dict, text, strlen(text)) : 0;
}

/* The image that a place names: that of the map, unless the address lies behind the image's own memory. */
static const char *image_name(const struct map *map, const struct place *place, bool is_code)
{
        if (place->section || place->symbol)
                return map->image && map->image->path ? map->image->path : map->path;
        if (map->kind == MAP_KIND_ANON || map->kind == MAP_KIND_STACK || !map->path[0])
                return NULL;
        return is_code || (map->image && map->image->image) ? map->path : NULL;
}

static uint32_t place_id(struct resolve *resolve, struct map *map, uint64_t addr, bool is_code)
{
        struct resolve_memo *memo = memo_of(resolve, map, addr, is_code ? 6 : PAGE_SHIFT);
        const struct image *image = map->image && map->image->state == IMAGE_READY ? map->image->image : NULL;
        struct dict_place key;
        struct place place;
        uint32_t id = 0;

        if (memo_holds(resolve, memo, map, addr))
                return memo->id;
        place = place_find(map, image, addr);
        key = (struct dict_place){.image = string_id(resolve, image_name(map, &place, is_code)),
                                  .section = string_id(resolve, place.section),
                                  .symbol = string_id(resolve, place.symbol),
                                  .base = place.base};
        if (key.image || key.section || key.symbol)
                id = dict_place(resolve->dict, &key);
        memo_set(resolve, memo, map, place.section || place.symbol ? addr : place.base, place.end, id);
        return id;
}

static uint32_t kernel_place_id(struct resolve *resolve, uint64_t ip, uint64_t now_ns)
{
        struct resolve_memo *memo = memo_of(resolve, NULL, ip, 0);
        struct dict_place key = {.base = ip};
        const struct symtab *symtab;
        struct symbol symbol;
        bool waiting;

        if (memo_holds(resolve, memo, NULL, ip))
                return memo->id;
        symtab = names_kernel(resolve->names, now_ns, &waiting);
        key.image = string_id(resolve, KERNEL_IMAGE);
        if (symtab && symtab_lookup(symtab, ip, &symbol)) {
                key.symbol = string_id(resolve, symbol.name);
                key.base = symbol.value;
        }
        if (resolve->hide_kernel)
                key.base = 0;
        memo_set(resolve, memo, NULL, ip, ip + 1, dict_place(resolve->dict, &key));
        return memo->id;
}

/* ---- out ---- */

static bool map_waits(const struct map *map, uint64_t now_ns)
{
        return map && map->image && names_is_waiting(map->image, now_ns);
}

/* Long enough to have waited for user space; clearing a huge page takes long by itself. */
static bool is_suspicious(const struct fault *fault)
{
        return fault->map && fault->map->kind != MAP_KIND_FILE && fault->map->kind != MAP_KIND_SPECIAL &&
               fault->completed && fault->latency_ns != UINT64_MAX && fault->latency_ns > SUSPICIOUS_NS &&
               fault->after.page_bytes <= 1u << PAGE_SHIFT;
}

static bool must_wait(struct resolve *resolve, const struct fault *fault, uint64_t now_ns)
{
        bool kernel = false;

        if (fault->mode == MODE_KERNEL)
                (void)names_kernel(resolve->names, now_ns, &kernel);
        if (is_suspicious(fault) &&
            addresses_await_userfault(resolve->addresses, fault->time_ns + fault->latency_ns, now_ns))
                return true;
        return kernel || map_waits(fault->map, now_ns) || map_waits(fault->code_map, now_ns) ||
               map_waits(fault->caller_map, now_ns);
}

static bool map_unresolved(const struct map *map)
{
        return map && map->image && map->image->state == IMAGE_WAITING;
}

static void classify_now(struct resolve *resolve, struct fault *fault)
{
        bool is_file = fault->map && (fault->map->kind == MAP_KIND_FILE || fault->map->kind == MAP_KIND_SHMEM);
        const struct image_slot *slot = is_file ? fault->map->image : NULL;
        struct classify_context context = {.numa_balancing = resolve->numa_balancing,
                                           .is_threaded = resolve->is_threaded,
                                           .swap_in_use = resolve->swap_in_use};
        struct stat st;

        if (fault->map && fault->map->kind != MAP_KIND_FILE && fault->map->kind != MAP_KIND_SPECIAL)
                context.userfault = addresses_userfault(resolve->addresses, fault->addr, &context.userfault_known);
        if (slot && slot->state == IMAGE_READY)
                context.file_is_shmem = slot->shmem;
        if (slot && !fault->completed && slot->state == IMAGE_READY && slot->fd >= 0 && fstat(slot->fd, &st) == 0) {
                context.file_size_known = true;
                context.file_bytes = (uint64_t)st.st_size;
        }
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

static uint32_t code_id(struct resolve *resolve, const struct fault *fault, uint64_t now_ns)
{
        if (fault->mode == MODE_KERNEL)
                return kernel_place_id(resolve, fault->ip, now_ns);
        return fault->code_map ? place_id(resolve, fault->code_map, fault->ip, true) : 0;
}

static void make_event(struct resolve *resolve, const struct fault *fault, uint64_t now_ns, struct proto_event *ret)
{
        *ret = (struct proto_event){
                .time_ns = fault->time_ns,
                .addr = fault->addr,
                .ip = fault->ip,
                .caller_ip = fault->caller_ip,
                .latency_ns = fault->latency_ns,
                .frame_before = frame_of(&fault->before),
                .frame = frame_of(&fault->after),
                .thread = thread_id(resolve, fault),
                .map = fault->map ? dict_map(resolve->dict, fault->map) : 0,
                .place = fault->map ? place_id(resolve, fault->map, fault->addr, false) : 0,
                .code = code_id(resolve, fault, now_ns),
                .caller = fault->caller_map ? place_id(resolve, fault->caller_map, fault->caller_ip, true) : 0,
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

bool resolve_next(struct resolve *resolve, uint64_t now_ns, struct fault *ret_fault, struct proto_event *ret_event)
{
        struct fault *fault;

        if (!resolve->n)
                return false;
        fault = &resolve->waiting[resolve->first];
        if (resolve->n < MAX_WAITING && must_wait(resolve, fault, now_ns))
                return false;
        *ret_fault = *fault;
        resolve->first = (resolve->first + 1) & (resolve->size - 1);
        resolve->n--;
        ret_fault->unresolved = map_unresolved(ret_fault->map) || map_unresolved(ret_fault->code_map) ||
                                map_unresolved(ret_fault->caller_map);
        classify_now(resolve, ret_fault);
        make_event(resolve, ret_fault, now_ns, ret_event);
        return true;
}
