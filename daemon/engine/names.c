/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a slot: OPEN_IMAGE -> JOB_LOAD -> (no symbols of its own?) OPEN_BUILD_ID -> OPEN_DEBUGLINK -> JOB_DEBUG
 * -> ready. Every failure on the way only means fewer names, so each step that fails falls through to the next and the
 * last one is always "ready with what there is". Slots live until the last trace is gone, because maps point to them.
 */
#include "daemon/engine/names.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#define VDSO_MAX_BYTES 16384

struct names {
        int link_fd;
        struct worker *files_worker, *kernel_worker;
        struct image_slot *slots;
        struct image_slot vdso;
        struct symtab *kernel;
        bool kernel_asked, kernel_waiting;
        uint64_t kernel_since_ns;
        uint32_t generation;
        uint32_t next_req;
};

/* The vDSO's size by its own header: sections come last in it. */
static size_t vdso_bytes(const Elf64_Ehdr *header)
{
        size_t n = (size_t)header->e_shoff + (size_t)header->e_shnum * header->e_shentsize;

        return n <= VDSO_MAX_BYTES ? n : 0;
}

/* Every 64-bit process of this kernel has the same vDSO: ours stands for theirs, whose memory is not to be touched. */
static void load_vdso(struct names *names)
{
        const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR); /* NOLINT: address from the kernel */

        names->vdso = (struct image_slot){.state = IMAGE_READY, .fd = -1};
        if (!header || !vdso_bytes(header) || image_load_memory(header, vdso_bytes(header), &names->vdso.image) < 0)
                return;
        names->vdso.bytes = (const uint8_t *)header;
        names->vdso.n_bytes = vdso_bytes(header);
}

int names_new(int link_fd, struct worker *files, struct worker *kernel, struct names **ret)
{
        struct names *names = calloc(1, sizeof(*names));

        if (!names)
                return -ENOMEM;
        names->link_fd = link_fd;
        names->files_worker = files;
        names->kernel_worker = kernel;
        names->generation = 1;
        names->next_req = 1;
        load_vdso(names);
        *ret = names;
        return 0;
}

static struct image_slot *slot_free(struct image_slot *slot)
{
        image_free(slot->image);
        cleanup_close(&slot->fd);
        free(slot->path);
        free(slot);
        return NULL;
}

void names_forget(struct names *names)
{
        struct image_slot **at = &names->slots;

        while (*at) {
                struct image_slot *slot = *at;

                /* A job still points to the slot: it goes when the next last trace ends. */
                if (slot->state == IMAGE_WAITING && !slot->req) {
                        at = &slot->next;
                        continue;
                }
                *at = slot->next;
                slot_free(slot);
        }
}

struct names *names_free(struct names *names)
{
        if (!names)
                return NULL;
        while (names->slots) {
                struct image_slot *slot = names->slots;

                names->slots = slot->next;
                slot_free(slot);
        }
        image_free(names->vdso.image);
        symtab_free(names->kernel);
        free(names);
        return NULL;
}

uint32_t names_generation(const struct names *names)
{
        return names->generation;
}

static void finish(struct names *names, struct image_slot *slot)
{
        slot->state = IMAGE_READY;
        slot->req = 0;
        names->generation++;
}

/* One request for this slot; if it cannot even be sent the slot is ready as it is. */
static void ask(struct names *names, struct image_slot *slot, struct link_message *message)
{
        slot->req = names->next_req++;
        slot->asked = message->open.kind;
        message->type = LINK_OPEN;
        message->open.trace = slot->trace;
        message->open.req = slot->req;
        message->open.pid = slot->pid;
        message->open.major = slot->major;
        message->open.minor = slot->minor;
        message->open.inode = slot->inode;
        (void)strncpy(message->open.path, slot->path, sizeof(message->open.path) - 1);
        if (link_send(names->link_fd, message, NULL, 0) < 0)
                finish(names, slot);
}

static void ask_debuglink(struct names *names, struct image_slot *slot)
{
        struct link_message message = {.open.kind = LINK_OPEN_DEBUGLINK};
        uint32_t crc;
        const char *name = image_debuglink(slot->image, &crc);

        if (!name || strlen(name) >= sizeof(message.open.name)) {
                finish(names, slot);
                return;
        }
        memcpy(message.open.name, name, strlen(name));
        ask(names, slot, &message);
}

static void ask_debug(struct names *names, struct image_slot *slot)
{
        struct link_message message = {.open.kind = LINK_OPEN_BUILD_ID};
        uint8_t id[IMAGE_BUILD_ID_BYTES];
        size_t n = image_build_id(slot->image, id);

        if (!image_wants_debug(slot->image)) {
                finish(names, slot);
        } else if (!n) {
                ask_debuglink(names, slot);
        } else {
                message.open.n_build_id = (uint32_t)n;
                memcpy(message.open.build_id, id, n);
                ask(names, slot, &message);
        }
}

static struct image_slot *find_slot(const struct names *names, const struct map *map)
{
        struct image_slot *slot = names->slots;

        while (slot && (slot->inode != map->inode || slot->major != map->major || slot->minor != map->minor ||
                        strcmp(slot->path, map->path) != 0))
                slot = slot->next;
        return slot;
}

int names_slot(struct names *names, uint32_t trace, pid_t pid, const struct map *map, uint64_t now_ns,
               struct image_slot **ret)
{
        struct link_message message = {.open.kind = LINK_OPEN_IMAGE, .open.addr = map->start};
        struct image_slot *slot;
        bool is_new;

        if (map->kind == MAP_KIND_SPECIAL || !map->inode) {
                *ret = strcmp(map->path, "[vdso]") == 0 ? &names->vdso : NULL;
                return 0;
        }
        slot = find_slot(names, map);
        is_new = !slot;
        if (is_new) {
                slot = calloc(1, sizeof(*slot));
                if (slot)
                        slot->path = strdup(map->path);
                if (!slot || !slot->path) {
                        free(slot);
                        return -ENOMEM;
                }
                slot->major = map->major;
                slot->minor = map->minor;
                slot->inode = map->inode;
                slot->fd = -1;
                slot->next = names->slots;
                names->slots = slot;
        }
        /* What could not be had for one trace, perhaps because its process was gone, may be there for the next. */
        if (is_new || (slot->state == IMAGE_READY && slot->fd < 0 && (slot->trace != trace || slot->pid != pid))) {
                slot->state = IMAGE_WAITING;
                slot->trace = trace;
                slot->pid = pid;
                slot->since_ns = now_ns;
                ask(names, slot, &message);
        }
        *ret = slot;
        return 0;
}

bool names_is_waiting(const struct image_slot *slot, uint64_t now_ns)
{
        return slot->state == IMAGE_WAITING && now_ns < slot->since_ns + NAMES_WAIT_NS;
}

bool names_file_size(const struct image_slot *slot, uint64_t *ret)
{
        struct stat st;

        if (slot->state != IMAGE_READY || slot->fd < 0 || fstat(slot->fd, &st) < 0)
                return false;
        *ret = (uint64_t)st.st_size;
        return true;
}

void names_want_kernel(struct names *names, uint32_t trace, uint64_t now_ns)
{
        struct link_message message = {.type = LINK_OPEN, .open = {.trace = trace, .kind = LINK_OPEN_KALLSYMS}};

        if (names->kernel_asked)
                return;
        names->kernel_asked = true;
        /* When the monitor cannot even be asked, kernel code goes without names; the loop will notice and end. */
        names->kernel_waiting = link_send(names->link_fd, &message, NULL, 0) >= 0;
        names->kernel_since_ns = now_ns;
}

const struct symtab *names_kernel(const struct names *names, uint64_t now_ns, bool *ret_waiting)
{
        *ret_waiting = names->kernel_waiting && now_ns < names->kernel_since_ns + NAMES_WAIT_NS;
        return names->kernel;
}

static int submit(struct names *names, enum job_kind kind, void *owner, struct image *image, int fd)
{
        struct job *job = calloc(1, sizeof(*job));

        if (!job) {
                cleanup_close(&fd);
                return -ENOMEM;
        }
        job->kind = kind;
        job->owner = owner;
        job->image = image;
        job->fd = fd;
        worker_submit(kind == JOB_KALLSYMS ? names->kernel_worker : names->files_worker, job);
        return 0;
}

static int slot_opened(struct names *names, struct image_slot *slot, int fd)
{
        enum job_kind kind = slot->asked == LINK_OPEN_IMAGE ? JOB_LOAD : JOB_DEBUG;
        int r = 0;

        slot->req = 0;
        if (fd >= 0) {
                r = submit(names, kind, slot, slot->image, fd);
                if (r < 0)
                        finish(names, slot);
                else
                        slot->image = NULL; /* the worker's for now */
        } else if (slot->asked == LINK_OPEN_BUILD_ID) {
                ask_debuglink(names, slot);
        } else {
                finish(names, slot);
        }
        return r;
}

int names_opened(struct names *names, const struct link_opened *opened, int fd)
{
        if (opened->kind == LINK_OPEN_KALLSYMS) {
                if (fd >= 0)
                        return submit(names, JOB_KALLSYMS, NULL, NULL, fd);
                names->kernel_waiting = false;
                return 0;
        }
        for (struct image_slot *slot = names->slots; slot; slot = slot->next)
                if (slot->req == opened->req)
                        return slot_opened(names, slot, fd);
        cleanup_close(&fd); /* its trace has ended meanwhile */
        return 0;
}

static void image_loaded(struct names *names, struct image_slot *slot, struct job *job)
{
        slot->image = TAKE_PTR(job->image);
        if (job->kind == JOB_LOAD) {
                slot->shmem = job->shmem;
                slot->fd = TAKE_FD(job->fd);
                if (slot->image)
                        ask_debug(names, slot);
                else
                        finish(names, slot);
        } else if (job->error < 0 && slot->asked == LINK_OPEN_BUILD_ID) {
                ask_debuglink(names, slot);
        } else {
                finish(names, slot);
        }
}

int names_loaded(struct names *names, struct job *job)
{
        if (job->kind == JOB_KALLSYMS) {
                names->kernel = TAKE_PTR(job->symtab);
                names->kernel_waiting = false;
                names->generation++;
        } else {
                image_loaded(names, job->owner, job);
        }
        job_free(job);
        return 0;
}

void names_trace_closed(struct names *names, uint32_t trace)
{
        for (struct image_slot *slot = names->slots; slot; slot = slot->next)
                if (slot->trace == trace && slot->req)
                        finish(names, slot);
}
