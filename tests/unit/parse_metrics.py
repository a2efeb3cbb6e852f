# SPDX-License-Identifier: LGPL-2.1-or-later
"""Metrics on standard input, read by the parsers of Prometheus' client library: that of OpenMetrics and that of the
older text format. Prints one JSON object: {PARSER: {"types": {FAMILY: TYPE}, "samples": [[NAME, LABELS, VALUE]]}}.
Exit status 77 without the library, 1 with a line on standard error where a parser refuses the text."""

import json
import sys

try:
    from prometheus_client import openmetrics, parser
    from prometheus_client.openmetrics import parser as _
except ImportError:
    sys.exit(77)

text = sys.stdin.buffer.read().decode("utf-8", "strict")
answer = {}
for name, parse in (
    ("openmetrics", openmetrics.parser.text_string_to_metric_families),
    ("prometheus", parser.text_string_to_metric_families),
):
    families = list(parse(text))
    answer[name] = {
        "types": {family.name: family.type for family in families},
        "samples": [[s.name, s.labels, float(s.value)] for family in families for s in family.samples],
    }
json.dump(answer, sys.stdout)
