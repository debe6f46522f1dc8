"""One listing of `lmstat -i`: what the license file grants; the server is not asked, and no time is said."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from collector.importers.records import Reading, Record, SetAside, Tally

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY = re.compile(rf"(\d{{1,2}})-({'|'.join(_MONTHS)})-(\d{{1,4}})", re.IGNORECASE)
_PERMANENT = "permanent(no expiration date)"
_NUMBER = re.compile(r"\d{1,10}")


def columns_of(line: str) -> list[str] | None:
    """Return the columns where a line is the head of a listing."""
    words = line.split()
    return words if words[:1] == ["Feature"] and {"#licenses", "Expires", "Vendor"} <= set(words) else None


@dataclass
class Listing:
    """What has been read of a listing so far."""

    at_ms: int
    day: date
    columns: list[str]
    application: str | None
    """Count everything as this one."""
    prefix: str
    """Of the daemons' names."""
    issued: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By daemon and application; what is listed more than once adds up."""

    def line(self, place: str, line: str, tally: Tally) -> Iterator[Record]:
        """Take in the next line."""
        words = line.replace(_PERMANENT, "permanent").split()
        if not words or words == self.columns or words[0].startswith("___"):
            return
        row = dict(zip(self.columns, words, strict=False))
        number, vendor, expires = row.get("#licenses", ""), row.get("Vendor"), row.get("Expires")
        if vendor and number.lower() in {"0", "uncounted"}:
            tally.skipped["licenses that are not counted"] += 1
        elif not vendor or not expires or not _NUMBER.fullmatch(number):
            yield SetAside(place, "a license without number, vendor or expiry", " ".join(words)[:500])
        elif self._has_expired(expires):
            tally.skipped["licenses that have expired"] += 1
        else:
            self.issued[vendor, self.application or row["Feature"]] += int(number)

    def _has_expired(self, text: str) -> bool:
        """Say whether a license had expired; the year 0 and "permanent" mean never."""
        found = _DAY.match(text)
        if found is None or not int(found[3]):
            return False
        year, month, day = int(found[3]), _MONTHS.index(found[2].lower()) + 1, int(found[1])
        return (year, month, day) < (self.day.year, self.day.month, self.day.day)

    def readings(self, tally: Tally) -> Iterator[Record]:
        """Give a reading of each feature."""
        if not self.issued:
            tally.skipped["listings of no license"] += 1
        for (vendor, application), issued in self.issued.items():
            yield Reading(self.prefix + vendor, self.at_ms, application, issued)
