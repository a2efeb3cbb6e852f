/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A family is known by its colour, which is that of any of its causes. */
#include "client/top/families.h"

const enum cause_family families[N_FAMILIES] = {
        FAMILY_NEW,  FAMILY_COPY,   FAMILY_FILE,    FAMILY_SHARED, FAMILY_IDLE,
        FAMILY_SWAP, FAMILY_SERVED, FAMILY_STORAGE, FAMILY_FAILED, FAMILY_UNKNOWN,
};

const char *family_text(enum cause_family family)
{
        static const char *const texts[N_FAMILIES] = {
                [FAMILY_UNKNOWN] = "unknown", [FAMILY_NEW] = "new",         [FAMILY_COPY] = "copy",
                [FAMILY_FILE] = "file",       [FAMILY_STORAGE] = "storage", [FAMILY_SHARED] = "shared",
                [FAMILY_SWAP] = "swap",       [FAMILY_SERVED] = "served",   [FAMILY_IDLE] = "idle",
                [FAMILY_FAILED] = "failed",
        };

        return texts[family];
}

enum style family_style(enum cause_family family)
{
        for (unsigned int cause = 0; cause < N_CAUSES; cause++)
                if (cause_family_of(cause) == family)
                        return (enum style)(STYLE_CAUSE + cause);
        return STYLE_PLAIN;
}
