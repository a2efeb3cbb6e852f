/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A spell of losses: from the first one after a while without any to the last one before such a while. Who lives with a
 * client that is always a little behind is told once, and not at every frame. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "proto/base.h"

#define SPELL_QUIET_NS (UINT64_C(5) * 1000 * 1000 * 1000)

struct spell {             /* all zero: nothing was lost yet */
        uint64_t n_seen;   /* losses, in all */
        uint64_t n_before; /* of these: before this spell */
        uint64_t last_ns;
        bool is_on;
};

enum spell_news {
        SPELL_NOTHING = 0,
        SPELL_BEGAN = 1,
        SPELL_ENDED = 2, /* *ret_n is how many it had */
};

/*
 * n: losses so far, which never falls. is_over: there will be no more, so a spell ends now. To be called again until
 * SPELL_NOTHING: one that is over at once has both news.
 */
enum spell_news spell_look(struct spell *spell, uint64_t n, uint64_t now_ns, bool is_over, uint64_t *ret_n) MUST_CHECK;
