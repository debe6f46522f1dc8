"""Whether a warehouse holds what it must: every invariant, proved on the whole database."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Engine

from warehouse.check import billing, mirrored, references, rolled_up, tiling, validity
from warehouse.check.findings import EXAMPLES, RULES, Finding, Findings
from warehouse.check.snapshot import snapshot

__all__ = ["EXAMPLES", "RULES", "Finding", "check"]

Tell = Callable[[str, float], None]
"""Called with what is being checked and the share of the whole that is done, 0 to 1."""


def check(engine: Engine, tell: Tell = lambda _what, _share: None) -> list[Finding]:
    """Check the invariants of the whole warehouse, as it is at one moment.

    Parameters
    ----------
    tell
        Told about each step.

    Returns
    -------
    list[Finding]
        What breaks them, in order of `RULES`; at most `EXAMPLES` of each rule, then one that counts the
        others. Empty where all is well.
    """
    findings = Findings()
    with snapshot(engine) as seen:
        tell("segments", 0.0)
        evidence, known = tiling.seen(seen), tiling.sessions(seen)
        tiling.check(seen, known, evidence, findings)
        tell("references", 0.5)
        references.check(seen, findings)
        validity.check(seen, findings)
        tell("charges", 0.6)
        billing.check(engine, seen, evidence, findings)
        tell("rollups", 0.7)
        rolled_up.check(engine, seen, known, evidence, findings)
        tell("the mirror", 0.9)
        mirrored.check(engine, seen, known, evidence, findings)
    return findings.listed()
