/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Nothing is lost between two spells, in the sums either: each ends with all losses since the last one ended, so the
 * spells of a subscription add up to what its ledger says.
 */
#include "daemon/engine/serve/spell.h"

enum spell_news spell_look(struct spell *spell, uint64_t n, uint64_t now_ns, bool is_over, uint64_t *ret_n)
{
        if (n > spell->n_seen) {
                spell->n_seen = n;
                spell->last_ns = now_ns;
                if (!spell->is_on) {
                        spell->is_on = true;
                        *ret_n = n - spell->n_before;
                        return SPELL_BEGAN;
                }
        }
        if (!spell->is_on || (!is_over && now_ns - spell->last_ns < SPELL_QUIET_NS))
                return SPELL_NOTHING;
        *ret_n = n - spell->n_before;
        spell->n_before = n;
        spell->is_on = false;
        return SPELL_ENDED;
}
