/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Names chosen by others (commands, paths, symbols, the daemon's texts) made safe to show. They may hold any bytes:
 * newlines that forge lines, escape sequences that drive a terminal, direction marks that turn text round. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/text.h"
#include "proto/utf8.h"

/* Terminal columns that a character takes at most. */
unsigned int utf8_cells(uint32_t point);
/* Of all characters of a text together; a byte that is part of none takes one. */
uint32_t utf8_text_cells(const char *s, size_t n_bytes);

/*
 * For people: bytes of control characters, of invisible and direction-changing characters and of invalid UTF-8 become
 * \xNN, and where out->ascii is set those of every other character beyond ASCII; a backslash becomes two. Returns the
 * number of terminal columns that it takes at most.
 */
uint32_t escape_terminal(struct text *out, const char *s, size_t n_bytes);

/*
 * For JSON, what stands between the quotes. The same characters become \uNNNN, so that JSON too is safe on a terminal;
 * each byte that is not part of valid UTF-8 becomes U+FFFD, because JSON has no way to spell it and a made-up
 * character could be taken for a real one.
 */
void escape_json(struct text *out, const char *s, size_t n_bytes);
