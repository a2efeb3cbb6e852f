/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The bytes of images as unwinding needs them: by link-time address, and the index of their unwind tables. Private to
 * unwind*.c.
 */
#pragma once

#include "daemon/engine/model/unwind.h"

#define UNWIND_VADDR_BITS 47 /* link-time addresses are below: user space (Documentation/arch/x86/x86_64/mm.rst) */
#define UNWIND_IMAGES_MAX 4096
#define UNWIND_SCAN_MAX_BYTES (UINT64_C(16) << 20) /* of an .eh_frame without index */
#define UNWIND_PAGES_MAX 16384 /* 64 MiB of table and code bytes; more: everything is forgotten and learned anew */

struct unwind_images;

int unwind_images_new(struct unwind_images **ret) MUST_CHECK; /* 0 or -ENOMEM */
struct unwind_images *unwind_images_free(struct unwind_images *images);
void unwind_images_forget(struct unwind_images *images);
/* No room for another image or page: time to forget. */
bool unwind_images_are_full(const struct unwind_images *images);

/* The number of an image, the same until it is forgotten; -1 = it is no ELF file, or no memory. */
int unwind_images_find(struct unwind_images *images, const struct unwind_image *image);
/*
 * n bytes as the file says they are at a link-time address; false = not there. What was read once stays as it was until
 * it is forgotten, whatever happens to the file: who checked it need not check it again.
 */
bool unwind_images_read(struct unwind_images *images, int image, uint64_t vaddr, void *ret, size_t n) MUST_CHECK;
/* The last FDE of code that begins at or below an address: its own link-time address. */
bool unwind_images_entry(struct unwind_images *images, int image, uint64_t vaddr, uint64_t *ret) MUST_CHECK;
