/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files for an engine: mapped images, debug files, kernel symbols, maps. Answered by LINK_OPENED, in any order. */
#pragma once

#include "daemon/monitor/attachment.h"

void opens_request(struct attachment *trace, const struct link_open *request);
/* The trace ends or its engine died: forget all requests. */
void opens_cancel(struct attachment *trace);
