/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether an unwind description is one that libunwind may be given. Private to unwind*.c. */
#pragma once

#include "daemon/engine/model/unwind_image.h"

/* The FDE covers the address, and it and its CIE are sound. */
bool unwind_check(struct unwind_images *images, int image, uint64_t description, uint64_t vaddr) MUST_CHECK;

/*
 * What stands at *addr of .eh_frame, which moves behind it. 1: an FDE, of code that begins at *ret_start; 0: a CIE, or
 * an FDE that is of no use; -ENODATA: the end.
 */
int unwind_check_next(struct unwind_images *images, int image, uint64_t *addr, uint64_t *ret_start) MUST_CHECK;
