/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two moments matter. When the story is taken, everything that was mapped is written down, because a handler may change
 * it at once. When it goes out, the stack is unwound, over and over until no image is missing any more: the unwinder
 * reads the files that images are, and which ones it needs only it finds out.
 */
#include "daemon/engine/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "daemon/engine/model/verdict.h"

#define MESSAGE_BYTES 8192
#define TEXT_BYTES 512

int told_new(const struct story *story, uint64_t now_ns, struct told **ret)
{
        size_t n_bytes = STORY_HEAD_BYTES + story->signal.n_stack_bytes;
        struct told *told = calloc(1, sizeof(*told));

        if (told)
                told->story = malloc(n_bytes);
        if (!told || !told->story) {
                free(told);
                return -ENOMEM;
        }
        memcpy(told->story, story, n_bytes);
        told->since_ns = now_ns;
        *ret = told;
        return 0;
}

struct told *told_free(struct told *told)
{
        if (!told)
                return NULL;
        map_unref(told->map);
        map_unref(told->code_map);
        map_unref(told->stack_map);
        map_unref(told->below);
        map_unref(told->above);
        map_unref(told->burial.map);
        free(told->story);
        free(told);
        return NULL;
}

/* ---- when it happened ---- */

static bool has_registers(const struct story_signal *signal)
{
        return signal->abi == 64 || signal->abi == 32;
}

/* sigaction(2): sent by somebody, or by the kernel without saying for which address. */
static bool has_address(const struct story_signal *signal)
{
        return signal->code > 0 && signal->code != SI_KERNEL;
}

static uint64_t ip_of(const struct story_signal *signal, const struct fault *fault)
{
        if (has_registers(signal))
                return signal->registers[STORY_RIP];
        return fault ? fault->ip : 0;
}

static struct map *find_stack(struct addresses *addresses, uint64_t sp)
{
        struct map *map = aspace_lookup(addresses->aspace, sp);

        return map && map->writable ? map : aspace_above(addresses->aspace, sp);
}

static void look_at_address(struct told *told, const struct fault *fault, struct addresses *addresses)
{
        uint64_t addr = told->story->signal.addr;
        const struct burial *burial;

        /* An access that failed, of what kind is not known: /proc is asked where that contradicts what is. */
        told->map = map_ref(fault ? fault->map
                                  : addresses_of_fault(addresses, &(struct fault){.addr = addr}, ACCESS_UNKNOWN));
        told->below = map_ref(aspace_below(addresses->aspace, addr));
        told->above = map_ref(aspace_above(addresses->aspace, addr));
        if (told->map)
                return;
        burial = aspace_burial(addresses->aspace, addr);
        if (burial) {
                told->burial = *burial;
                map_ref(told->burial.map);
        }
}

void told_look(struct told *told, const struct fault *fault, struct addresses *addresses)
{
        const struct story_signal *signal = &told->story->signal;

        told->has_looked = true;
        if (has_address(signal))
                look_at_address(told, fault, addresses);
        told->code_map = map_ref(addresses_lookup(addresses, ip_of(signal, fault)));
        if (has_registers(signal))
                told->stack_map = map_ref(find_stack(addresses, signal->registers[STORY_RSP]));
}

/* ---- the stack ---- */

static enum unwind_answer find_image(void *user, uint64_t addr, struct unwind_image *ret)
{
        const struct told_scene *scene = user;
        struct map *map = aspace_lookup(scene->addresses->aspace, addr);
        const struct image_slot *slot;
        uint64_t vaddr;

        if (!map || !map->executable)
                return UNWIND_NOT_CODE;
        places_want(scene->places, scene->addresses, scene->pid, map, scene->now_ns);
        if (places_wait(map, scene->now_ns))
                return UNWIND_WAIT;
        slot = map->image;
        if (!slot || slot->state != IMAGE_READY || !slot->image ||
            !image_vaddr_of_offset(slot->image, map->offset + (addr - map->start), &vaddr))
                return UNWIND_NONE;
        *ret = (struct unwind_image){
                .fd = slot->fd, .bytes = slot->bytes, .n_bytes = slot->n_bytes, .bias = addr - vaddr};
        return UNWIND_FOUND;
}

/* Whether images are missing. */
static bool unwind_waits(struct told *told, const struct told_scene *scene)
{
        const struct story_signal *signal = &told->story->signal;
        struct unwind_request request = {.registers = signal->registers,
                                         .stack = told->story->stack,
                                         .n_stack_bytes = signal->n_stack_bytes,
                                         .stack_start = signal->stack_start,
                                         .find_image = find_image,
                                         .user = (void *)(uintptr_t)scene};
        int n;

        if (told->is_unwound || signal->abi != 64)
                return false;
        n = unwind_stack(scene->unwind, &request, told->frames, PROTO_MAX_FRAMES, &told->is_cut);
        if (n == -EAGAIN && scene->now_ns < told->since_ns + NAMES_WAIT_NS)
                return true;
        told->is_unwound = true;
        told->n_frames = n > 0 ? (size_t)n : 0;
        return false;
}

bool told_waits(struct told *told, const struct told_scene *scene)
{
        struct map *maps[] = {told->map, told->code_map};
        bool waits = false;

        for (size_t i = 0; i < ARRAY_SIZE(maps); i++) {
                places_want(scene->places, scene->addresses, scene->pid, maps[i], scene->now_ns);
                waits |= places_wait(maps[i], scene->now_ns);
        }
        return unwind_waits(told, scene) || waits;
}

/* ---- the message ---- */

static uint32_t map_id(const struct told_scene *scene, const struct map *map)
{
        /* Maps are immutable but for what is found out about them, like the dictionary's memo. */
        return map ? dict_map(scene->places->dict, (struct map *)(uintptr_t)map) : 0;
}

static uint32_t place_of(const struct told_scene *scene, struct map *map, uint64_t addr, bool is_code)
{
        return map ? places_id(scene->places, map, addr, is_code) : 0;
}

/* Code that may have been unmapped since goes without names. */
static uint32_t code_place(const struct told_scene *scene, uint64_t ip)
{
        struct map *map = ip ? aspace_lookup(scene->addresses->aspace, ip) : NULL;

        places_want(scene->places, scene->addresses, scene->pid, map, scene->now_ns);
        return place_of(scene, map, ip, true);
}

static void put_frames(const struct told *told, const struct told_scene *scene, struct proto_frames *ret)
{
        ret->n = (uint32_t)told->n_frames;
        for (size_t i = 0; i < told->n_frames; i++) {
                const struct unwind_frame *frame = &told->frames[i];
                /* A return address may be the first of the next function: the call is before it. */
                bool is_return = frame->by != FRAME_BY_REGISTERS && frame->addr;
                uint64_t ip = is_return ? frame->addr - 1 : frame->addr;

                ret->frames[i] = (struct proto_frame){
                        .addr = frame->addr, .place = code_place(scene, ip), .by = (uint8_t)frame->by};
        }
}

static struct verdict_context context_of(const struct told *told, const struct fault *fault)
{
        struct verdict_context context = {.signal = &told->story->signal,
                                          .fault = fault,
                                          .map = told->map,
                                          .below = told->below,
                                          .above = told->above,
                                          .stack = told->stack_map,
                                          .burial = told->burial.map ? &told->burial : NULL};

        context.file_size_known = told->map && told->map->inode && told->map->image &&
                                  names_file_size(told->map->image, &context.file_bytes);
        return context;
}

static uint8_t flags_of(const struct told *told, const struct fault *fault, const struct verdict *verdict)
{
        const struct story_signal *signal = &told->story->signal;

        return (uint8_t)((verdict->evidence == EVIDENCE_INFERRED ? PROTO_SIGNAL_INFERRED : 0) |
                         (has_registers(signal) ? PROTO_SIGNAL_REGISTERS : 0) |
                         (signal->abi == 32 ? PROTO_SIGNAL_32BIT : 0) | (told->is_cut ? PROTO_SIGNAL_STACK_CUT : 0) |
                         (fault ? PROTO_SIGNAL_HAS_FAULT : 0) | (told->story->n_missed ? PROTO_SIGNAL_MANY : 0));
}

/* Where nobody saw the unmapping it is known of the page alone: the rest of the map before it may have gone as well. */
static bool is_doubtful(const struct verdict *verdict)
{
        const struct burial *burial = verdict->burial;

        return burial && !burial->tid && verdict->nearest && verdict->nearest->end == burial->start;
}

/* That the map is still known only means that nobody was there to ask: it is not there any more. */
static void put_earlier(const struct told_scene *scene, const struct verdict *verdict, struct proto_signal *message)
{
        message->map = message->place = 0;
        message->earlier = map_id(scene, verdict->earlier);
        if (is_doubtful(verdict)) {
                message->nearest = 0;
                message->below_bytes = message->above_bytes = PROTO_UNKNOWN;
        }
        if (!verdict->burial)
                return;
        message->unmapper = verdict->burial->tid;
        message->unmap_place = code_place(scene, verdict->burial->ip);
        message->unmapped_ns = verdict->burial->time_ns;
}

static void put_verdict(const struct told_scene *scene, const struct verdict *verdict, struct proto_signal *message)
{
        message->access = (uint8_t)verdict->access;
        message->verdict = (uint8_t)verdict->kind;
        message->missing = (uint8_t)verdict->missing;
        message->nearest = map_id(scene, verdict->nearest);
        message->below_bytes = verdict->below_bytes;
        message->above_bytes = verdict->above_bytes;
        message->depth_bytes = verdict->depth_bytes;
        message->field_bytes = verdict->field_bytes;
        message->eof_bytes = verdict->eof_bytes;
        message->pointer = verdict->pointer;
        if (verdict->kind == VERDICT_USE_AFTER_UNMAP)
                put_earlier(scene, verdict, message);
}

static void put_registers(const struct story_signal *signal, struct proto_registers *ret)
{
        _Static_assert(N_STORY_REGISTERS == PROTO_REGISTERS, "both are rax to r15, rip, eflags");
        if (has_registers(signal))
                memcpy(ret->value, signal->registers, sizeof(ret->value));
}

static void put_signal(const struct story *story, struct proto_signal *message)
{
        message->time_ns = story->time_ns;
        message->pid = story->pid;
        message->tid = story->tid;
        message->signo = story->signal.signo;
        message->code = story->signal.code;
        message->addr = has_address(&story->signal) ? story->signal.addr : 0;
        message->sender = story->signal.sender;
        message->sender_uid = story->signal.sender_uid;
        message->n_missed = story->n_missed;
}

static void put_places(const struct told *told, const struct told_scene *scene, struct proto_signal *message)
{
        message->map = map_id(scene, told->map);
        message->place = place_of(scene, told->map, message->addr, false);
        message->code_place = place_of(scene, told->code_map, message->ip, true);
}

int told_encode(struct told *told, const struct told_scene *scene, const struct fault *fault, uint32_t thread,
                struct outframe **ret)
{
        uint8_t bytes[MESSAGE_BYTES];
        struct proto_buffer buffer = {.data = bytes, .size_bytes = sizeof(bytes)};
        struct verdict_context context = context_of(told, fault);
        struct verdict verdict = verdict_find(&context);
        struct proto_signal message = {.thread = thread, .flags = flags_of(told, fault, &verdict)};
        char text[TEXT_BYTES];
        int r;

        scene->places->saw_32bit |= told->story->signal.abi == 32;
        message.ip = ip_of(&told->story->signal, fault);
        put_signal(told->story, &message);
        put_places(told, scene, &message);
        put_verdict(scene, &verdict, &message);
        put_registers(&told->story->signal, &message.registers);
        put_frames(told, scene, &message.stack);
        verdict_sentence(&context, &verdict, text, sizeof(text));
        message.text = (struct proto_string){.data = text, .n_bytes = (uint32_t)strlen(text)};
        r = proto_encode_signal(&buffer, scene->places->trace, &message);
        if (r < 0)
                return r;
        *ret = outframe_new(MESSAGE_SIGNAL, bytes, buffer.n_bytes);
        return *ret ? 0 : -ENOMEM;
}
