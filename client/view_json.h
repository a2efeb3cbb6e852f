/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The JSON view: one object a line, as faultline-json(5) describes. Pure. */
#pragma once

#include "client/view.h"

/* NULL: out of memory. */
struct view *view_json_new(void);
struct view *view_json_free(struct view *view); /* NULL passes; returns NULL */
