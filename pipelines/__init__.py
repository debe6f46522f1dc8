"""Scheduled work: reports, billing, the demo."""

import sys

# nbformat brings jsonschema, which would compile a grammar of internationalized addresses at each start if it
# finds it: more than a second, for a check that no notebook asks for. None tells it that there is none.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
