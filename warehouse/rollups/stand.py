"""How far the rollups stand, and under what they were derived; one updater at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from itertools import groupby
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import landing, schema, store
from warehouse.evidence.inserting import dialect_insert
from warehouse.metrics.states import Policy

THROUGH = "rolled_up_through"
"""Mark with the number of the last landing that the rollups have taken in."""

_ENTRY, _UNDER, _UPDATER = "rolled_up_entry", "rolled_up_under", "rolled_up_by"
_DERIVATION = "1"
"""Another one, and everything is derived anew: raise it whenever the rows of equal evidence change."""


@dataclass(frozen=True)
class Stand:
    """What the rollups have taken in.

    Attributes
    ----------
    landing, entry
        Numbers of the newest landing and the newest project entry.
    under
        Digests of what else they depend on, by what it is: `application <id>` (the license policy's rule and
        the token weight), `account <id>` (whose it is, and where that person belonged).
    """

    landing: int
    entry: int
    under: Mapping[str, str]

    def changed(self, other: Stand, kind: str) -> list[int]:
        """List the ids of applications or accounts about which two stands differ."""
        names = sorted({*self.under, *other.under})
        differ = [name for name in names if self.under.get(name) != other.under.get(name)]
        return [int(name.split()[1]) for name in differ if name.startswith(f"{kind} ")]


class OvertakenError(Exception):
    """Another updater started later: it takes in what this one would have."""


def stored(engine: Engine) -> Stand | None:
    """Return how far the rollups stand; None where they have to be derived from the start."""
    with engine.connect() as connection:
        known = [landing.mark(connection, name) for name in (THROUGH, _ENTRY, _UNDER)]
        through, entry, under = (value or "" for value in known)
        if not all(known) or int(through) + 1 < landing.kept_from(connection):
            return None
    derivation, digests = json.loads(under)
    return Stand(int(through), int(entry), digests) if derivation == _DERIVATION else None


def current(engine: Engine, policy: Policy) -> Stand:
    """Return how far they can be brought now.

    Everything up to these numbers is there to be read: on PostgreSQL this waits for the writers under way,
    who were given theirs before they could be seen.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(landing.LOCK)))
        entry = connection.scalar(sa.select(sa.func.max(schema.project_entry.c.id)))
        landed = connection.scalar(sa.select(sa.func.max(schema.landing.c.id)))
        # Of landings that were all forgotten, the last one was the one before the oldest to be kept.
        through = landed or landing.kept_from(connection) - 1
    return Stand(int(through), int(entry or 0), {**_applications(engine, policy), **_accounts(engine)})


def _applications(engine: Engine, policy: Policy) -> dict[str, str]:
    rows = store.read(engine, _APPLICATIONS).rows()
    rules = ((number, weight, policy.applications.get(code, policy.default)) for number, code, weight in rows)
    return {f"application {number}": _digest([weight, asdict(rule)]) for number, weight, rule in rules}


_APPLICATIONS = """
    SELECT application.id, application.code, coalesce(product.token_weight, 1) AS token_weight
    FROM application LEFT JOIN product ON product.id = application.product_id ORDER BY application.id
"""


def _accounts(engine: Engine) -> dict[str, str]:
    rows = store.read(engine, _PLACES).rows()
    grouped = groupby(rows, key=lambda row: row[0])
    return {f"account {number}": _digest([row[1:] for row in places]) for number, places in grouped}


# An account without a person counts as itself: it depends on nothing.
_PLACES = """
    SELECT account.id, account.person_id, office.id AS office_id, office.zone, placement.valid_from_on,
           placement.valid_to_on
    FROM account
    LEFT JOIN placement ON placement.person_id = account.person_id
    LEFT JOIN office ON office.id = placement.office_id
    WHERE account.person_id IS NOT NULL AND NOT account.shared
    ORDER BY account.id, placement.valid_from_on
"""


def _digest(facts: object) -> str:
    return blake2b(json.dumps(facts).encode(), digest_size=8).hexdigest()


# --- Marks -------------------------------------------------------------------------------------------------


def keep(connection: Connection, stand: Stand) -> None:
    """Note how far the rollups stand, in the transaction that brings them there."""
    landing.set_mark(connection, THROUGH, str(stand.landing))
    landing.set_mark(connection, _ENTRY, str(stand.entry))
    landing.set_mark(connection, _UNDER, json.dumps([_DERIVATION, stand.under]))


def take_over(engine: Engine) -> str:
    """Become the updater; who was it before stops at its next transaction. Return what proves it."""
    proof = uuid4().hex
    with store.writing(engine) as connection:
        insert = dialect_insert(connection, schema.mark).values(name=_UPDATER, value=proof)
        connection.execute(
            insert.on_conflict_do_update(index_elements=["name"], set_={"value": insert.excluded.value})
        )
    return proof


def require(connection: Connection, proof: str) -> None:
    """Go on only as the updater; whoever wants to take over waits for the end of this transaction.

    Raises
    ------
    OvertakenError
        Another one has taken over.
    """
    mark = schema.mark.c
    holder = connection.scalar(sa.select(mark.value).where(mark.name == _UPDATER).with_for_update())
    if holder != proof:
        raise OvertakenError
