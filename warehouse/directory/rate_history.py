"""What became of each rate and conversion rate: who changed what, when, from what to what."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Engine

from warehouse import store

_EVENTS = """
    SELECT at_ms, actor, CAST(detail AS TEXT) AS detail FROM audit_event WHERE action = 'import' ORDER BY id
"""
_RATES = "SELECT id, author, created_ms, rate_scaled, currency, valid_from_on FROM rate ORDER BY id"


class Change(NamedTuple):
    """One change of one value of a rate.

    Attributes
    ----------
    rate
        The rate version; a conversion is named `USD-EUR 2026-01-01`.
    at_ms, actor
        When and by whom.
    what
        The column of `rate` or `conversion_rate`; `new` where the row was added, `stored` where nothing is
        on record but the row itself.
    before, after
        Its values, as stored; None where there was none.
    """

    rate: int | str
    at_ms: int
    actor: str
    what: str
    before: Any
    after: Any


def rate_history(engine: Engine, rate: int | None = None) -> list[Change]:
    """Return the changes of all rates and conversions, or of one rate version, oldest first.

    Read from the audited events of the imports, which nobody can change unseen; a rate that came into the
    warehouse in another way is told by its row.
    """
    told = [
        change
        for at_ms, actor, detail in store.read(engine, _EVENTS).iter_rows()
        for change in _of_event(at_ms, actor, json.loads(detail or "{}"))
    ]
    known = {change.rate for change in told if change.what == "new"}
    silent = [
        Change(
            number, at_ms, author, "stored", None,
            {"rate_scaled": scaled, "currency": currency, "valid_from_on": first},
        )
        for number, author, at_ms, scaled, currency, first in store.read(engine, _RATES).iter_rows()
        if number not in known and all(change.rate != number for change in told)
    ]  # fmt: skip
    every = sorted([*silent, *told], key=lambda change: change.at_ms)
    return [change for change in every if rate is None or change.rate == rate]


def _of_event(at_ms: int, actor: str, detail: Mapping[str, Any]) -> Iterator[Change]:
    for note in detail.get("notes", []):
        if "rate" in note:
            number, values = int(note["rate"]), {name: told for name, told in note.items() if name != "rate"}
            for name, told in values.items():
                before, after = (None, told) if name == "new" else told
                yield Change(number, at_ms, actor, name, before, after)
        elif "conversion" in note:
            name = f"{note['from_currency']}-{note['to_currency']} {note['from_on']}"
            yield Change(name, at_ms, actor, "factor_scaled", *note["factor_scaled"])
