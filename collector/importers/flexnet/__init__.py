"""FlexNet debug logs of any vendor daemon as check-outs; docs/importers/flexnet.md says what is read and how.

A line has a time of day only: `dates` finds the days, `clock` the instants, `messages` what is said,
`reading` puts them together, `checkouts` makes sessions of what was taken and what came back.
"""

from __future__ import annotations

from collector.importers.flexnet.checkouts import pair
from collector.importers.flexnet.reading import KEYS, read

__all__ = ["KEYS", "pair", "read"]
