/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of a slot: OPEN_IMAGE -> JOB_LOAD -> (no symbols of its own?) OPEN_BUILD_ID -> OPEN_DEBUGLINK -> JOB_DEBUG
 * -> ready, and beside it, where stacks are wanted, JOB_ROWS as soon as the file is loaded. Every failure on the way
 * only means fewer names, so each step that fails falls through to the next and the last one is always "ready with what
 * there is". Slots live until the last trace is gone, because maps point to them.
 */
#include "daemon/engine/names.h"
#include "daemon/engine/model/image_rows.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#define VDSO_MAX_BYTES 16384
#define LARGE_BYTES (16 << 20)
#define LINE_CACHE_BYTES ((size_t)512 << 20)

struct names {
        int link_fd;
        struct worker *workers[N_NAMES_WORKERS];
        struct image_slot *slots;
        struct image_slot vdso;
        struct rows_cache *rows;
        struct line_cache *line_cache;
        bool is_ending; /* the workers are gone */
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

/* What is needed while the image itself is in a worker's hands. */
static int keep_outline(struct image_slot *slot)
{
        size_t n = image_count_segments(slot->image);

        slot->rows_key = (struct rows_key){0};
        slot->rows_key.n_build_id = (uint32_t)image_build_id(slot->image, slot->rows_key.build_id);
        slot->segments = calloc(MAX_OF(n, (size_t)1), sizeof(*slot->segments));
        if (!slot->segments)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++)
                slot->segments[i] = *image_segment_at(slot->image, i);
        slot->n_segments = n;
        return 0;
}

/* Every 64-bit process of this kernel has the same vDSO: ours stands for theirs, whose memory is not to be touched. */
static void load_vdso(struct names *names)
{
        const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR); /* NOLINT: address from the kernel */

        names->vdso = (struct image_slot){.state = IMAGE_READY, .fd = -1, .debug_fd = -1};
        if (!header || !vdso_bytes(header) || image_load_memory(header, vdso_bytes(header), &names->vdso.image) < 0)
                return;
        names->vdso.bytes = (const uint8_t *)header;
        names->vdso.n_bytes = vdso_bytes(header);
        names->vdso.rows_state = ROWS_READY;
        if (keep_outline(&names->vdso) < 0 ||
            image_compile_rows_memory(header, vdso_bytes(header), &names->vdso.rows) < 0)
                names->vdso.rows = NULL; /* frame pointers do, where there are any */
}

int names_new(int link_fd, struct worker *const workers[static N_NAMES_WORKERS], struct names **ret)
{
        struct names *names = calloc(1, sizeof(*names));

        if (!names)
                return -ENOMEM;
        names->link_fd = link_fd;
        memcpy(names->workers, workers, sizeof(names->workers));
        names->generation = 1;
        names->next_req = 1;
        if (rows_cache_new(ROWS_CACHE_BYTES, &names->rows) < 0 ||
            line_cache_new(LINE_CACHE_BYTES, &names->line_cache) < 0) {
                rows_cache_free(names->rows);
                free(names);
                return -ENOMEM;
        }
        load_vdso(names);
        *ret = names;
        return 0;
}

/* Its DWARF is the worker's to close, as long as there is one. */
static void close_lines(struct names *names, struct image_slot *slot)
{
        struct line_source *source;
        struct line_query *closing;
        struct job *job;

        slot->lines = slot_lines_free(slot->lines, &source);
        if (!source)
                return;
        if (names->is_ending) {
                line_source_free(source);
                return;
        }
        job = calloc(1, sizeof(*job));
        if (!job || line_query_new_closing(source, &closing) < 0) {
                free(job);
                return; /* no memory: what is left of it stays until the end */
        }
        *job = (struct job){.kind = JOB_LINES, .fd = -1, .lines = closing};
        worker_submit(names->workers[NAMES_LINES], job);
}

static struct image_slot *slot_free(struct names *names, struct image_slot *slot)
{
        close_lines(names, slot);
        cleanup_close(&slot->debug_fd);
        rows_cache_release(names->rows, slot->rows);
        free(slot->segments);
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
                if (slot->n_jobs) {
                        at = &slot->next;
                        continue;
                }
                *at = slot->next;
                slot_free(names, slot);
        }
}

struct names *names_free(struct names *names)
{
        if (!names)
                return NULL;
        names->is_ending = true;
        while (names->slots) {
                struct image_slot *slot = names->slots;

                names->slots = slot->next;
                slot_free(names, slot);
        }
        image_free(names->vdso.image);
        free(names->vdso.segments);
        rows_unref(names->vdso.rows);
        rows_cache_free(names->rows);
        line_cache_free(names->line_cache);
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
        if (slot->fd < 0)
                slot->rows_state = ROWS_READY; /* it could not be had */
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
                slot->fd = slot->debug_fd = -1;
                slot->next = names->slots;
                names->slots = slot;
        }
        /* What could not be had for one trace, perhaps because its process was gone, may be there for the next. */
        if (is_new || (slot->state == IMAGE_READY && slot->fd < 0 && (slot->trace != trace || slot->pid != pid))) {
                slot->state = IMAGE_WAITING;
                slot->rows_state = ROWS_UNWANTED;
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

static enum names_worker worker_of(enum job_kind kind, int fd)
{
        struct stat st;

        if (kind == JOB_KALLSYMS)
                return NAMES_KERNEL;
        return fstat(fd, &st) == 0 && st.st_size > LARGE_BYTES ? NAMES_LARGE_FILES : NAMES_FILES;
}

/* slot NULL: of no file. Takes fd, and on success the image. */
static int submit(struct names *names, enum job_kind kind, struct image_slot *slot, struct image *image, int fd)
{
        struct job *job = calloc(1, sizeof(*job));

        if (!job) {
                cleanup_close(&fd);
                return -ENOMEM;
        }
        job->kind = kind;
        job->owner = slot;
        if (slot)
                slot->n_jobs++;
        job->image = image;
        job->fd = fd;
        worker_submit(names->workers[worker_of(kind, fd)], job);
        return 0;
}

/* ---- unwind rows ---- */

static void fill_key(struct image_slot *slot)
{
        struct rows_key *key = &slot->rows_key;
        struct stat st = {0};

        (void)fstat(slot->fd, &st); /* cannot fail for a file that is open */
        key->device = st.st_dev;
        key->inode = st.st_ino;
        key->n_bytes = (uint64_t)st.st_size;
        key->changed_sec = st.st_ctim.tv_sec;
        key->changed_nsec = st.st_ctim.tv_nsec;
}

/* The file is loaded, and still there. */
static void begin_rows(struct names *names, struct image_slot *slot)
{
        int fd;

        fill_key(slot);
        slot->rows = rows_cache_find(names->rows, &slot->rows_key);
        fd = slot->rows || !slot->segments ? -1 : fcntl(slot->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0 || submit(names, JOB_ROWS, slot, NULL, fd) < 0)
                slot->rows_state = ROWS_READY;
}

void names_want_rows(struct names *names, struct image_slot *slot)
{
        if (slot->rows_state != ROWS_UNWANTED)
                return;
        slot->rows_state = ROWS_WANTED;
        if (slot->fd >= 0)
                begin_rows(names, slot);
        else if (slot->state == IMAGE_READY)
                slot->rows_state = ROWS_READY;
}

bool names_rows_are_waiting(const struct image_slot *slot, uint64_t now_ns)
{
        return slot->rows_state == ROWS_WANTED && now_ns < slot->since_ns + NAMES_WAIT_NS;
}

bool names_vaddr_of_offset(const struct image_slot *slot, uint64_t offset, uint64_t *ret)
{
        const uint64_t page = IMAGE_PAGE_BYTES;

        for (size_t i = 0; i < slot->n_segments; i++) {
                const struct image_segment *segment = &slot->segments[i];

                if (!segment->executable || offset < (segment->offset & ~(page - 1)) ||
                    offset - segment->offset + page >= segment->file_bytes + 2 * page)
                        continue;
                *ret = segment->vaddr + (offset - segment->offset);
                return true;
        }
        return false;
}

static void rows_loaded(struct names *names, struct image_slot *slot, struct job *job)
{
        slot->rows_state = ROWS_READY;
        slot->rows = job->rows;
        if (job->rows && !rows_cache_add(names->rows, &slot->rows_key, TAKE_PTR(job->rows)))
                slot->rows = NULL;
}

/* ---- source lines ---- */

void names_want_lines(struct image_slot *slot)
{
        slot->wants_lines = !slot->lines;
}

/* Once: a file that cannot be had has no lines. */
static void open_lines(struct names *names, struct image_slot *slot)
{
        int fd = slot->debug_fd >= 0 ? slot->debug_fd : slot->fd;
        struct line_source *source;

        slot->wants_lines = false;
        fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0 || line_source_new(names->line_cache, fd, &source) < 0)
                return;
        if (slot_lines_new(source, &slot->lines) < 0)
                line_source_free(source); /* no worker has heard of it */
}

size_t names_find_lines(struct names *names, struct image_slot *slot, uint64_t vaddr, uint64_t now_ns,
                        struct source_line ret[static LINES_MAX_INLINED], bool *ret_waiting)
{
        *ret_waiting = names_is_waiting(slot, now_ns);
        if (slot->state == IMAGE_WAITING)
                return 0;
        if (!slot->lines && slot->wants_lines)
                open_lines(names, slot);
        return slot->lines ? slot_lines_find(slot->lines, vaddr, ret, ret_waiting) : 0;
}

void names_ask_lines(struct names *names)
{
        for (struct image_slot *slot = names->slots; slot; slot = slot->next) {
                struct line_query *query = slot->lines ? slot_lines_ask(slot->lines) : NULL;
                struct job *job = query ? calloc(1, sizeof(*job)) : NULL;

                if (!query)
                        continue;
                if (!job) { /* as if nothing were known */
                        slot_lines_answered(slot->lines, query);
                        continue;
                }
                *job = (struct job){.kind = JOB_LINES, .fd = -1, .owner = slot, .lines = query};
                slot->n_jobs++;
                worker_submit(names->workers[NAMES_LINES], job);
        }
}

/* ---- answers ---- */

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
                if (slot->image && keep_outline(slot) < 0)
                        slot->image = image_free(slot->image);
                if (slot->rows_state == ROWS_WANTED)
                        begin_rows(names, slot);
                if (slot->image)
                        ask_debug(names, slot);
                else
                        finish(names, slot);
        } else if (job->error < 0 && slot->asked == LINK_OPEN_BUILD_ID) {
                ask_debuglink(names, slot);
        } else {
                if (job->error >= 0 && slot->wants_lines)
                        slot->debug_fd = TAKE_FD(job->fd);
                finish(names, slot);
        }
}

int names_loaded(struct names *names, struct job *job)
{
        if (job->owner)
                ((struct image_slot *)job->owner)->n_jobs--;
        if (job->kind == JOB_KALLSYMS) {
                names->kernel = TAKE_PTR(job->symtab);
                names->kernel_waiting = false;
                names->generation++;
        } else if (job->kind == JOB_ROWS) {
                rows_loaded(names, job->owner, job);
        } else if (job->kind == JOB_LINES) {
                if (job->owner)
                        slot_lines_answered(((struct image_slot *)job->owner)->lines, TAKE_PTR(job->lines));
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
