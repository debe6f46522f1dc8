"""The names that a closed run keeps for its workbook: sealed, and yet erasable without breaking the chain.

Each name is digested upon a salt of its own, an HMAC under the key of the pseudonyms. The seal in the run's
totals is the digest of these digests. An erasure takes name and salt away and leaves the digest, which says
nothing to anybody without the key: the seal still holds.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from hashlib import sha256

import polars as pl
import sqlalchemy as sa
from sqlalchemy import Connection

from warehouse import directory, schema
from warehouse.ledger.audit import canonical
from warehouse.ledger.disclosure import PEOPLE
from warehouse.ledger.events import Told
from warehouse.ledger.links import Read
from warehouse.ledger.runs import Run

_person, _line, _kept = schema.person, schema.charge_line, schema.billed_name
_NAME = pl.Schema(
    {
        "person_id": pl.Int64, "name": pl.String, "employee_number": pl.String, "salt": pl.String,
        "digest": pl.String, "code": pl.String,
    }
)  # fmt: skip
COUNT = "names_in_closed_bills"
"""What the event of an erasure calls the number of names that it took out of closed runs."""
_GONE = "SELECT count(*) FROM billed_name WHERE salt IS NULL"
_SELECT = """
    SELECT billed_name.person_id, billed_name.name, billed_name.employee_number, billed_name.salt,
           billed_name.digest, person.code
    FROM billed_name LEFT JOIN person ON person.id = billed_name.person_id
    WHERE billed_name.billing_run_id = :run ORDER BY billed_name.id
"""


def keep_names(connection: Connection, run: Run) -> str:
    """Keep the names and employee numbers of the people on a run's lines, as they are; return their seal.

    Parameters
    ----------
    connection
        The transaction that closes the run.

    Returns
    -------
    str
        SHA-256 over the digests of the names, by person, a line for each.
    """
    on_lines = sa.select(_line.c.person_id).where(_line.c.billing_run_id == run.id)
    people = sa.select(_person.c.id, _person.c.name, _person.c.employee_number)
    key = directory.pseudonym_key(connection.engine.url)
    rows = []
    for number, name, employee in connection.execute(
        people.where(_person.c.id.in_(on_lines)).order_by(_person.c.id)
    ):
        salt = hmac.new(key, f"name {run.number} {number}".encode(), sha256).hexdigest()
        told = {"person_id": number, "name": name, "employee_number": employee, "salt": salt}
        rows.append({"billing_run_id": run.id, **told, "digest": _digest(number, name, employee, salt)})
    if rows:
        connection.execute(sa.insert(_kept), rows)
    return _seal(row["digest"] for row in rows)


def named_at_close(connection: Connection, run_id: int, people: pl.DataFrame) -> pl.DataFrame:
    """Give people the names that a closed run keeps; whom it keeps none of stays as today.

    That is whoever was erased since, everybody of a run that is not closed, and of one that an earlier
    version closed.

    Parameters
    ----------
    people
        As `disclosure.named_people` returns them.
    """
    chosen = sa.select(_kept.c.person_id, _kept.c.employee_number, _kept.c.name)
    mine = chosen.where(_kept.c.billing_run_id == run_id, _kept.c.name.is_not(None))
    then = pl.DataFrame([tuple(row) for row in connection.execute(mine)], schema=PEOPLE, orient="row")
    is_kept = pl.col("person_then").is_not_null()
    return people.join(then, on="person_id", how="left", suffix="_then", maintain_order="left").select(
        "person_id",
        employee_number=pl.when(is_kept).then("employee_number_then").otherwise("employee_number"),
        person=pl.when(is_kept).then("person_then").otherwise("person"),
    )


def forget_name(connection: Connection, person_id: int) -> int:
    """Take a person's name out of every closed run, for good; return out of how many."""
    mine = (_kept.c.person_id == person_id) & _kept.c.name.is_not(None)
    gone = {"name": None, "employee_number": None, "salt": None}
    return connection.execute(sa.update(_kept).where(mine).values(gone)).rowcount


def broken_names(read: Read, run: Run) -> Iterator[str]:
    """Give one sentence for each name of a closed run that is not what it was, or is gone unerased."""
    said = run.totals.get("sealed", {}).get("names")
    if said is None:  # closed by a version that kept none; the header tells whether that is so
        return
    rows = read(_SELECT, _NAME, {"run": run.id}).to_dicts()
    if _seal(str(row["digest"]) for row in rows) != said:
        yield f"run {run.number}: its list of names is not what it was when the run was closed"
    for row in rows:
        number, name = row["person_id"], row["name"]
        is_erased = name is None and row["employee_number"] is None and row["salt"] is None
        if is_erased and row["code"] == f"erased-{number}":
            continue
        if row["digest"] != _digest(number, name, row["employee_number"], row["salt"]):
            yield f"run {run.number}: the name of person {number} is not what it was when the run was closed"


def broken_erasures(read: Read, told: Told) -> Iterator[str]:
    """Say so where more or fewer names are gone than erasures have taken away: an event says how many."""
    gone = int(read(_GONE, pl.Schema({"count": pl.Int64}), {})["count"][0])
    details = [event["detail"] for event in told if event["action"] == "erase"]
    said = sum(detail.get(COUNT, 0) for detail in details if isinstance(detail, dict))
    if gone != said:
        yield f"names erased from closed runs: {gone:,}, and audited events tell of {said:,}"


def _digest(person_id: int, name: str | None, employee_number: str | None, salt: str | None) -> str:
    return sha256(canonical([salt, person_id, name, employee_number])).hexdigest()


def _seal(digests: Iterable[str]) -> str:
    return sha256("\n".join(digests).encode()).hexdigest()
