/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes of images are read page by page when unwinding first asks for them, by pread(2): whoever owns a file can
 * truncate it, which a mapping answers with SIGBUS. Pages stay until all are forgotten. That bounds memory without an
 * order of eviction, and it is what makes checking tables worth the effort: libunwind reads expressions again at every
 * step, and must find what was checked.
 *
 * Addresses are translated as the kernel maps segments, in whole pages (elf_load(), fs/binfmt_elf.c): the bytes of the
 * file around a segment are in its first and last page. What lies behind the end of the file in its last page is zero.
 *
 * Of .eh_frame_hdr only the one encoding is read that linkers write: a table of 32-bit offsets from the index itself.
 * Static programs often have none (gcc asks the linker for it only where dl_iterate_phdr(3) would find it): their
 * .eh_frame is read through once and the index made here.
 */
#include "daemon/engine/model/unwind_image.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "daemon/engine/model/unwind_check.h"
#include "elf/binary.h"

#define PAGE_BYTES 4096
#define N_BUCKETS (2 * UNWIND_PAGES_MAX) /* a power of two */
#define SEGMENTS_MAX 32                  /* PT_LOAD; linkers make four, some layouts a dozen */

/* Encodings of pointers: "DWARF Exception Header Encoding", LSB Core, 10.5. */
#define ENCODED_UDATA4 0x03
#define ENCODED_4_BYTES(encoding) (((encoding)&0x07) == ENCODED_UDATA4) /* udata4, sdata4 */
#define ENCODED_DATAREL_SDATA4 0x3b

struct segment {
        uint64_t start, end; /* link-time, whole pages */
        uint64_t offset;     /* of start, in the file */
};

struct place {
        uint64_t start, description; /* link-time addresses of code and of its FDE */
};

struct image {
        int fd;
        const uint8_t *bytes;
        size_t n_bytes;
        struct segment segments[SEGMENTS_MAX];
        size_t n_segments;
        uint64_t index;       /* .eh_frame_hdr */
        uint64_t n_entries;   /* 0 = no table */
        struct place *places; /* made here, where there is none; by start */
        size_t n_places;
};

struct page {
        int image;
        uint64_t offset;
        size_t n_bytes; /* 0 = it cannot be read */
        uint8_t bytes[PAGE_BYTES];
};

struct unwind_images {
        struct image *images;
        size_t n_images, n_room;
        struct page *pages[N_BUCKETS];
        size_t n_pages;
};

int unwind_images_new(struct unwind_images **ret)
{
        struct unwind_images *images = calloc(1, sizeof(*images));

        if (!images)
                return -ENOMEM;
        *ret = images;
        return 0;
}

void unwind_images_forget(struct unwind_images *images)
{
        for (size_t i = 0; i < N_BUCKETS && images->n_pages > 0; i++) {
                images->n_pages -= images->pages[i] ? 1 : 0;
                free(images->pages[i]);
                images->pages[i] = NULL;
        }
        for (size_t i = 0; i < images->n_images; i++)
                free(images->images[i].places);
        images->n_images = 0;
}

struct unwind_images *unwind_images_free(struct unwind_images *images)
{
        if (!images)
                return NULL;
        unwind_images_forget(images);
        free(images->images);
        free(images);
        return NULL;
}

bool unwind_images_are_full(const struct unwind_images *images)
{
        return images->n_pages == UNWIND_PAGES_MAX || images->n_images == UNWIND_IMAGES_MAX;
}

/* The page's bucket, or the empty one where it belongs: there are always empty ones. */
static struct page **find_bucket(struct unwind_images *images, int image, uint64_t offset)
{
        uint64_t hash = ((offset / PAGE_BYTES) ^ ((uint64_t)image << 40)) * UINT64_C(0x9e3779b97f4a7c15);
        size_t i = (hash >> 32) % N_BUCKETS;

        while (images->pages[i] && (images->pages[i]->image != image || images->pages[i]->offset != offset))
                i = (i + 1) % N_BUCKETS;
        return &images->pages[i];
}

static const struct page *find_page(struct unwind_images *images, int image, uint64_t offset)
{
        struct page **bucket = find_bucket(images, image, offset);
        ssize_t n;

        if (*bucket || images->n_pages == UNWIND_PAGES_MAX)
                return *bucket;
        *bucket = calloc(1, sizeof(**bucket));
        if (!*bucket)
                return NULL;
        images->n_pages++;
        n = pread(images->images[image].fd, (*bucket)->bytes, PAGE_BYTES, (off_t)offset);
        (*bucket)->image = image;
        (*bucket)->offset = offset;
        (*bucket)->n_bytes = n > 0 ? (size_t)n : 0;
        return *bucket;
}

/* n bytes of one page of the file. */
static bool read_page(struct unwind_images *images, int number, uint64_t offset, uint8_t *ret, size_t n)
{
        const struct image *image = &images->images[number];
        const struct page *page;

        if (image->bytes) {
                if (offset > image->n_bytes || image->n_bytes - offset < n)
                        return false;
                memcpy(ret, image->bytes + offset, n);
                return true;
        }
        page = find_page(images, number, offset - offset % PAGE_BYTES);
        if (!page || page->n_bytes == 0)
                return false;
        memcpy(ret, page->bytes + offset % PAGE_BYTES, n);
        return true;
}

static const struct segment *find_segment(const struct image *image, uint64_t vaddr)
{
        for (size_t i = 0; i < image->n_segments; i++)
                if (vaddr >= image->segments[i].start && vaddr < image->segments[i].end)
                        return &image->segments[i];
        return NULL;
}

bool unwind_images_read(struct unwind_images *images, int image, uint64_t vaddr, void *ret, size_t n)
{
        const struct segment *segment = find_segment(&images->images[image], vaddr);
        uint64_t offset;
        uint8_t *bytes = ret;

        if (!segment || segment->end - vaddr < n)
                return false;
        offset = vaddr - segment->start + segment->offset;
        while (n > 0) {
                size_t n_here = MIN_OF(n, PAGE_BYTES - offset % PAGE_BYTES);

                if (!read_page(images, image, offset, bytes, n_here))
                        return false;
                bytes += n_here;
                offset += n_here;
                n -= n_here;
        }
        return true;
}

static void add_segment(struct image *image, const struct binary_segment *segment)
{
        uint64_t in_page = segment->vaddr % PAGE_BYTES, limit = UINT64_C(1) << UNWIND_VADDR_BITS;

        if (image->n_segments == SEGMENTS_MAX || segment->file_bytes == 0 || segment->offset % PAGE_BYTES != in_page ||
            segment->vaddr >= limit || segment->file_bytes >= limit || segment->offset >= limit)
                return;
        image->segments[image->n_segments++] = (struct segment){
                .start = segment->vaddr - in_page,
                .end = (segment->vaddr + segment->file_bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES,
                .offset = segment->offset - in_page,
        };
}

/* The segment of .eh_frame_hdr: version, three encodings, the address of .eh_frame, the number of lines, the lines. */
static void read_index(struct unwind_images *images, int number, const struct binary_segment *segment)
{
        struct image *image = &images->images[number];
        uint8_t head[12];
        uint32_t n_entries;

        if (segment->file_bytes < sizeof(head) || segment->vaddr >= UINT64_C(1) << UNWIND_VADDR_BITS ||
            !unwind_images_read(images, number, segment->vaddr, head, sizeof(head)))
                return;
        if (head[0] != 1 || !ENCODED_4_BYTES(head[1]) || head[2] != ENCODED_UDATA4 || head[3] != ENCODED_DATAREL_SDATA4)
                return;
        memcpy(&n_entries, head + 8, sizeof(n_entries));
        image->index = segment->vaddr;
        image->n_entries = MIN_OF(n_entries, (segment->file_bytes - sizeof(head)) / 8);
}

static int open_binary(const struct unwind_image *image, struct binary **ret)
{
        return image->fd >= 0 ? binary_open(image->fd, ret) : binary_open_memory(image->bytes, image->n_bytes, ret);
}

static bool is_named_eh_frame(const struct binary_piece *names, const struct binary_section *section)
{
        size_t n = 0;
        const char *name = binary_string(names, section->name, &n);

        return name && strcmp(name, ".eh_frame") == 0;
}

static bool find_eh_frame(struct binary *binary, struct binary_section *ret)
{
        struct binary_section names_section;
        struct binary_piece names;

        if (!binary_section(binary, binary_names_section(binary), &names_section) ||
            !binary_read(binary, BINARY_BYTES, names_section.offset, names_section.size_bytes, UNWIND_SCAN_MAX_BYTES,
                         &names))
                return false;
        for (size_t i = 1; i < binary_count_sections(binary); i++)
                if (binary_section(binary, i, ret) && is_named_eh_frame(&names, ret))
                        return ret->size_bytes <= UNWIND_SCAN_MAX_BYTES;
        return false;
}

static bool add_place(struct image *image, size_t *n_room, struct place place)
{
        if (image->n_places == *n_room) {
                size_t n_grown = *n_room ? 2 * *n_room : 256;
                struct place *grown = reallocarray(image->places, n_grown, sizeof(*grown));

                if (!grown)
                        return false;
                image->places = grown;
                *n_room = n_grown;
        }
        image->places[image->n_places++] = place;
        return true;
}

static int compare_places(const void *a, const void *b)
{
        const struct place *one = a, *other = b;

        return (one->start > other->start) - (one->start < other->start);
}

static void make_index(struct unwind_images *images, int number, struct binary *binary)
{
        struct image *image = &images->images[number];
        struct binary_section section;
        uint64_t addr, at, start;
        size_t n_room = 0;
        int r = 0;

        if (!find_eh_frame(binary, &section))
                return;
        addr = section.vaddr;
        while (r >= 0 && addr - section.vaddr < section.size_bytes) {
                at = addr;
                r = unwind_check_next(images, number, &addr, &start);
                if (r > 0 && !add_place(image, &n_room, (struct place){start, at}))
                        break;
        }
        if (image->n_places > 0)
                qsort(image->places, image->n_places, sizeof(*image->places), compare_places);
}

static void learn(struct unwind_images *images, int number, const struct unwind_image *source)
{
        struct binary_segment segment;
        struct binary *binary;

        if (open_binary(source, &binary) < 0)
                return;
        for (size_t i = 0; i < binary_count_segments(binary); i++)
                if (binary_segment(binary, i, &segment) && segment.type == PT_LOAD)
                        add_segment(&images->images[number], &segment);
        for (size_t i = 0; i < binary_count_segments(binary); i++)
                if (binary_segment(binary, i, &segment) && segment.type == PT_GNU_EH_FRAME)
                        read_index(images, number, &segment);
        if (images->images[number].n_entries == 0)
                make_index(images, number, binary);
        binary = binary_close(binary);
}

static bool make_room(struct unwind_images *images)
{
        size_t n_room = images->n_room ? 2 * images->n_room : 16;
        struct image *grown;

        if (images->n_images < images->n_room)
                return true;
        if (images->n_images == UNWIND_IMAGES_MAX)
                return false;
        grown = reallocarray(images->images, n_room, sizeof(*grown));
        if (!grown)
                return false;
        images->images = grown;
        images->n_room = n_room;
        return true;
}

int unwind_images_find(struct unwind_images *images, const struct unwind_image *image)
{
        int number;

        if (image->fd < 0 && !image->bytes)
                return -1;
        for (size_t i = 0; i < images->n_images; i++)
                if (image->fd >= 0 ? images->images[i].fd == image->fd : images->images[i].bytes == image->bytes)
                        return (int)i;
        if (!make_room(images))
                return -1;
        number = (int)images->n_images++;
        images->images[number] = (struct image){.fd = image->fd};
        if (image->fd < 0) {
                images->images[number].fd = -1;
                images->images[number].bytes = image->bytes;
                images->images[number].n_bytes = image->n_bytes;
        }
        learn(images, number, image);
        return number;
}

static bool read_place(struct unwind_images *images, int number, uint64_t i, struct place *ret)
{
        const struct image *image = &images->images[number];
        int32_t line[2]; /* both from the index */

        if (image->places) {
                *ret = image->places[i];
                return true;
        }
        if (!unwind_images_read(images, number, image->index + 12 + 8 * i, line, sizeof(line)))
                return false;
        *ret = (struct place){.start = image->index + (uint64_t)(int64_t)line[0],
                              .description = image->index + (uint64_t)(int64_t)line[1]};
        return true;
}

bool unwind_images_entry(struct unwind_images *images, int number, uint64_t vaddr, uint64_t *ret)
{
        const struct image *image = &images->images[number];
        uint64_t below = 0, above = image->places ? image->n_places : image->n_entries;
        struct place place;

        while (below < above) {
                uint64_t middle = below + (above - below) / 2;

                if (!read_place(images, number, middle, &place))
                        return false;
                if ((int64_t)place.start <= (int64_t)vaddr)
                        below = middle + 1;
                else
                        above = middle;
        }
        if (below == 0 || !read_place(images, number, below - 1, &place))
                return false;
        *ret = place.description;
        return true;
}
