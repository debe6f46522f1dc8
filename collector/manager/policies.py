"""The policies in force: applied from a file, shown as a file, handed to agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine

from collector import protocol
from collector.manager import policy_file
from collector.manager.policy_file import PURPOSES, Document, Documents
from warehouse import evidence
from warehouse.directory.charging_rights import refuse_all_but_staff
from warehouse.errors import Problem
from warehouse.ledger import record_event
from warehouse.store import writing


def apply(engine: Engine, path: Path, actor: str, now_ms: int) -> dict[str, int]:
    """Put a policy file in force.

    Parameters
    ----------
    path
        TOML with any of the tables `collection`, `license`, `billing`; one that is left out stays as it is.
    actor
        Who applies it.

    Returns
    -------
    dict
        The new version number of each purpose that changed; empty when nothing did.

    Raises
    ------
    Problem
        The file cannot be read or is refused, or it changes what is billed and the actor is not of the
        billing staff; nothing is changed.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Problem(f"{path} cannot be read: {error}", "give a TOML file in UTF-8") from error
    return apply_text(engine, text, str(path), actor, now_ms)


def apply_text(engine: Engine, text: str, file: str, actor: str, now_ms: int) -> dict[str, int]:
    """Put the text of a policy file in force; `file` is its name for messages. See `apply`."""
    given = policy_file.parse(text, file)
    with writing(engine) as connection:
        stored = _stored(connection)
        wanted = {**policy_file.defaults(), **stored, **given}
        policy_file.refuse_short_timeouts(wanted, file)
        _refuse_unknown_applications(connection, wanted, given, file)
        changed = [purpose for purpose in PURPOSES if wanted[purpose] != stored.get(purpose)]
        _refuse_charging(connection, {**policy_file.defaults(), **stored}, wanted, actor)
        if "collection" in changed:
            evidence.store_applications(connection, wanted["collection"]["applications"])
        made = {
            purpose: evidence.add_policy_version(connection, purpose, wanted[purpose], actor, now_ms)
            for purpose in changed
        }
        for purpose, version in made.items():
            record_event(connection, actor, "policy apply", purpose, {"version": version}, now_ms)
        return made


def _refuse_charging(connection: Connection, before: Documents, wanted: Documents, actor: str) -> None:
    """Leave to the billing staff what decides about money; what is metered is whoever's runs the manager."""
    if wanted["billing"] != before["billing"]:
        refuse_all_but_staff(connection, actor, "change the billing policy")
    if _billed(wanted) != _billed(before):
        refuse_all_but_staff(connection, actor, "change which applications are billed")


def _billed(documents: Documents) -> set[str]:
    return {row["code"] for row in documents["collection"]["applications"] if row["billed"]}


def show(engine: Engine) -> str:
    """Return the policies in force as TOML that `apply` takes."""
    with engine.connect() as connection:
        return policy_file.render({**policy_file.defaults(), **_stored(connection)})


def collection_policy(engine: Engine) -> protocol.CollectionPolicy:
    """Return the newest collection policy; version 0, and no application, when none was applied yet."""
    with engine.connect() as connection:
        newest = evidence.newest_policy(connection, "collection")
    version, document = newest or (0, {})
    document = {**policy_file.defaults()["collection"], **document}
    return protocol.CollectionPolicy(
        version=version,
        applications=tuple(
            _monitored(row, asks=document["prompt"] == "at_launch") for row in document["applications"]
        ),
        **{name: document[name] for name in policy_file.TIMINGS},
    )


def _monitored(application: dict[str, Any], *, asks: bool) -> protocol.MonitoredApplication:
    """Return an application as agents are told of it; `asks` holds where it says nothing of its own."""
    return protocol.MonitoredApplication(
        code=application["code"],
        name=application["name"],
        billed=application["billed"],
        prompt=application["billed"] and application.get("prompt", asks),
        signatures=tuple(protocol.Signature(**signature) for signature in application["signatures"]),
    )


def _stored(connection: Connection) -> Documents:
    """Return the documents in force, with the defaults that they leave out."""
    newest = {purpose: evidence.newest_policy(connection, purpose) for purpose in PURPOSES}
    defaults = policy_file.defaults()
    return {
        purpose: _completed(defaults[purpose], version.document)
        for purpose, version in newest.items()
        if version is not None
    }


def _completed(default: Document, document: Document) -> Document:
    whole = {**default, **document}
    if "default" in whole:
        whole["default"] = {**default["default"], **whole["default"]}
    return whole


def _refuse_unknown_applications(
    connection: Connection, wanted: Documents, given: Documents, file: str
) -> None:
    """Refuse a rule for an application that nobody knows: most likely its code is misspelt."""
    known = {row["code"] for row in wanted["collection"]["applications"]}
    known |= evidence.application_ids(connection).keys()
    for purpose in PURPOSES[1:]:
        for code in given.get(purpose, {}).get("applications", {}):
            if code not in known:
                raise policy_file.Place(file, f"{purpose}.applications").problem(
                    code,
                    "there is no such application",
                    "add it to [[collection.applications]], or correct the code",
                )
