/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An address that is not in the file may have been compiled since it was read, or belong to code that nobody names.
 * Asking costs a helper of the monitor's and the parsing of the whole file: so at most every REREAD_NS, and for no more
 * than a tenth of the time.
 */
#include "daemon/engine/jit.h"

#include "daemon/link/clock.h"

#define REREAD_NS NSEC_PER_SEC
#define SHARE 10
#define WAIT_NS (UINT64_C(2) * NSEC_PER_SEC)

static bool may_ask(const struct jit *jit, uint64_t now_ns)
{
        uint64_t cost_ns = jit->answered_ns - jit->asked_ns;

        return !jit->asked_ns || now_ns >= jit->answered_ns + MAX_OF(REREAD_NS, cost_ns * SHARE);
}

enum jit_answer jit_find(struct jit *jit, uint64_t addr, uint64_t now_ns, struct symbol *ret)
{
        if (jit->symtab && symtab_lookup(jit->symtab, addr, ret))
                return JIT_FOUND;
        if (jit->is_over)
                return JIT_UNKNOWN;
        if (!jit->is_pending && may_ask(jit, now_ns)) {
                jit->is_wanted = jit->is_pending = true;
                jit->asked_ns = now_ns;
        }
        return jit->is_pending && now_ns < jit->asked_ns + WAIT_NS ? JIT_WAIT : JIT_UNKNOWN;
}

void jit_take(struct jit *jit, struct symtab *symtab, uint64_t now_ns)
{
        symtab_free(jit->symtab);
        jit->symtab = symtab;
        jit->generation++;
        jit->is_wanted = jit->is_pending = false;
        jit->answered_ns = now_ns;
}

void jit_deinit(struct jit *jit)
{
        jit->symtab = symtab_free(jit->symtab);
}
