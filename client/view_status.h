/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What faultlined does and for whom, as text for people and as one JSON object. Pure: who asks is cmd_status.c. */
#pragma once

#include "client/status.h"
#include "client/text.h"

struct status_user {
        uint32_t uid;
        const char *name; /* as the system's user database has it: any bytes */
};

struct status_report {
        const struct status *status;
        const struct status_rates *rates;
        const struct status_user *users; /* those that have a name, each once */
        size_t n_users;
};

struct view_status_options {
        bool color;
        uint32_t n_columns; /* of the terminal; 0: none, nothing is cut or wrapped */
};

/* out->ascii as everywhere. */
void view_status_put_text(struct text *out, const struct status_report *report,
                          const struct view_status_options *options);
void view_status_put_json(struct text *out, const struct status_report *report);

/* NULL: it has no name. */
const char *view_status_user(const struct status_report *report, uint32_t uid);
