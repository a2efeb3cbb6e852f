/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An answer to STATUS with PROTO_STATUS_UNITS as OpenMetrics 1.0 text. Pure. */
#pragma once

#include "client/status.h"
#include "client/text.h"

/* The whole text, "# EOF" included. Prometheus' own format (node_exporter) reads it as well: see metrics.c. */
void metrics_put(struct text *out, const struct status *status);

/*
 * What stands between the quotes of a label: quotes, backslashes and newlines as the format wants them; other
 * characters that may not be shown (escape.h) and bytes that are no UTF-8 become U+FFFD and two hexadecimal digits for
 * each byte, and so does U+FFFD itself: different bytes stay different labels.
 */
void metrics_put_label(struct text *out, const char *bytes, size_t n_bytes);
