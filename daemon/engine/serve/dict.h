/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The dictionary of one trace: every string, map, place, thread, stack and source line is defined to clients once per
 * epoch and then referred to by a dense id. The definitions of the current epoch stay as frames, so that a client who
 * joins late gets them too. When they exceed the cap a new epoch begins: whatever a target invents, memory stays
 * bounded. Pure.
 *
 * All lookups return an id; 0 = out of memory, which clients show as not known.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/engine/model/map.h"
#include "daemon/engine/serve/outframe.h"
#include "proto/proto.h"

struct dict;

struct dict_line {
        uint32_t function, file; /* string ids of this epoch, 0 = not known */
        uint32_t line;
        uint32_t outer; /* id of the line of the function that this one is inlined into; 0 = none */
};

struct dict_place {
        uint32_t image, section, symbol; /* string ids of this epoch, 0 = not known */
        uint64_t base;
};

/* trace: goes into the frames' headers. cap_bytes: of encoded definitions. */
int dict_new(uint32_t trace, size_t cap_bytes, struct dict **ret) MUST_CHECK;
struct dict *dict_free(struct dict *dict);

uint32_t dict_string(struct dict *dict, const char *bytes, size_t n_bytes); /* "" has id 0 */
uint32_t dict_map(struct dict *dict, struct map *map);                      /* memo in map->def_epoch, def_id */
uint32_t dict_place(struct dict *dict, const struct dict_place *place);
uint32_t dict_thread(struct dict *dict, pid_t pid, pid_t tid, const char *comm);
uint32_t dict_line(struct dict *dict, const struct dict_line *line);
/* Defined anew with each call: who has the stack remembers its id for the epoch. At most PROTO_STACK_MAX_FRAMES. */
uint32_t dict_stack(struct dict *dict, const struct proto_stack_frame *frames, uint32_t n_frames, bool is_cut);

/* Ids found now mean nothing once this has changed. Never 0. */
uint32_t dict_epoch(const struct dict *dict);
/* For the header of frames that refer to what is defined by now. */
uint32_t dict_high_water(const struct dict *dict);
/* The cap is passed: flush all that refers to this epoch, then call dict_reset(). */
bool dict_is_full(const struct dict *dict);

/*
 * Definitions made since the last call become a frame of the log. 1: *ret (borrowed from the log) is the next frame to
 * send, call again; 0: nothing new; -ENOMEM.
 */
int dict_flush(struct dict *dict, struct outframe **ret) MUST_CHECK;
/* Frames of the current epoch for a client who joins: index from 0; NULL = no more. */
struct outframe *dict_log(const struct dict *dict, size_t index);
/* New epoch. *ret: the DICT_RESET frame, the caller's reference. */
int dict_reset(struct dict *dict, struct outframe **ret) MUST_CHECK;
