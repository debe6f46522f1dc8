"""What `lmstat` printed as readings of what a license server has and gave out; docs/importers/lmstat.md.

`snapshots` reads `lmstat -a`, `listings` reads `lmstat -i`, `reading` tells one from the other. Of the users
in a snapshot stays how many there are.
"""

from __future__ import annotations

from collector.importers.lmstat.reading import KEYS, read

__all__ = ["KEYS", "read"]
