/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A signal as a line of JSON: the operation of view_json.c for SIGNAL. Pure. */
#pragma once

#include "client/view.h"

void view_json_signal(struct view *view, const struct state *state, const struct proto_signal *signal);
