"""Scheduled work: reports, billing, the demo."""

import sys

# nbformat brings jsonschema, which looks for what checks formats that no notebook asks for, and does without
# where it finds none: of international addresses (it compiles a grammar at each start, more than a second),
# of others and of durations (with a calendar library, 30 ms). None tells it that there is none.
for _unasked in ("rfc3987_syntax", "rfc3986_validator", "isoduration"):
    sys.modules.setdefault(_unasked, None)  # type: ignore[arg-type]
