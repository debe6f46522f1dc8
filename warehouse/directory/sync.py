"""Bringing people, their places and groups in from a directory server, by the rules of `import_directory`.

The server knows only today: what is seen on a day holds from that day on, and what it replaces ends there.
So the past stays as it was, and a report finds the department at the time of use.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Engine

from warehouse import schema
from warehouse.directory.known import Known, Stored
from warehouse.directory.ldap import Entries
from warehouse.directory.ldap_people import Aside, People, Told, groups_of, people_of, plain_dn
from warehouse.directory.ldap_settings import LdapSettings
from warehouse.directory.merging import link_accounts, refuse_doubts
from warehouse.directory.people import put_person
from warehouse.directory.places import Places
from warehouse.directory.storing import Import, Imported, importing
from warehouse.errors import Problem
from warehouse.periods import zone_of
from warehouse.tabular import CLEAR, Row

ALWAYS_ALLOWED = 3
"""People who may leave in one sync whatever share of all they are."""

_person, _placement, _entry = schema.person, schema.placement, schema.directory_entry
_group, _membership = schema.directory_group, schema.membership


@dataclass(frozen=True)
class EntryRow(Row):
    """An entry as a row of a directory file; its errors name the entry."""

    def problem(self, column: str, message: str, remedy: str) -> Problem:
        """Return the error for one value."""
        return Problem(f"{self.file}, {column}: {message}", remedy)


@dataclass
class Synced:
    """What a sync did, and which entries it could not use."""

    imported: Imported
    aside: list[Aside] = field(default_factory=list)
    left: int = 0
    disabled: int = 0
    accounts_linked: int = 0

    def lines(self) -> list[str]:
        """Return the report, a line for each thing."""
        text = str(self.imported)
        told = [text] if text else []
        told.append(f"people who left: {self.left}; disabled entries: {self.disabled}")
        if self.accounts_linked:
            told.append(f"accounts linked by the organization's rule: {self.accounts_linked}")
        return told + [f"set aside: {dn}: {reason}" for dn, reason in self.aside]

    def document(self) -> dict[str, Any]:
        """Return the report as plain JSON."""
        return {
            **{table: dict(count) for table, count in self.imported.counts.items()},
            "left": self.left,
            "disabled": self.disabled,
            "accounts_linked": self.accounts_linked,
            "set_aside": [aside._asdict() for aside in self.aside],
        }


class Day(NamedTuple):
    """When a sync is: a day said by hand, or today in each office's own zone."""

    at_ms: int
    on: date | None = None

    def in_zone(self, zone: str) -> str:
        """Return the day as ISO text."""
        if self.on is not None:
            return self.on.isoformat()
        return datetime.fromtimestamp(self.at_ms / 1000, UTC).astimezone(zone_of(zone)).date().isoformat()


def sync_directory(  # noqa: PLR0913 - what, from where, by whom, when
    engine: Engine,
    settings: LdapSettings,
    entries: Entries,
    actor: str,
    *,
    on: date | None = None,
    at_ms: int | None = None,
) -> Synced:
    """Bring the directory up to what a server says, all or nothing.

    People who are new are placed, whoever moved ends in the old place and begins in the new one, whoever is
    gone or disabled ends. Again on the same day changes nothing.

    Parameters
    ----------
    entries
        What `ldap.read_entries` found.
    on
        The local day from which it holds; None: today in each person's office.
    at_ms
        Now, UTC; None: the clock's.

    Raises
    ------
    Problem
        Nobody was found, too many would leave at once, two people claim one code or account, an account of
        one person is claimed by another.
    """
    people = people_of(entries.people, settings)
    if not any(not each.is_disabled for each in people.told):
        message = f"{settings.place} shows nobody under {' or '.join(settings.people.bases)}"
        raise Problem(message, "check `bases` and `filter` of people, and what the reader may read")
    now = time.time_ns() // 1_000_000 if at_ms is None else at_ms
    with importing(engine, Import(Path(settings.name), actor, at_ms)) as (connection, done):
        synced = Synced(done, list(people.aside))
        work = _Work(connection, settings, Day(now, on), Places(connection, settings), synced)
        work.people(people)
        work.leaving(people)
        work.groups(groups_of(entries.groups, settings))
        linked = link_accounts(connection)
        refuse_doubts(linked)
        synced.accounts_linked = linked.given
        if linked.given:
            done.counts["accounts"].update(changed=linked.given)
    return synced


class _Work:
    """One sync: people, those who left, groups, in this order."""

    def __init__(
        self, connection: Connection, settings: LdapSettings, day: Day, places: Places, synced: Synced
    ) -> None:
        self.connection, self.settings, self.day = connection, settings, day
        self.places, self.synced = places, synced
        self.known = Known(connection, settings.name)
        self.by_dn: dict[str, int] = {}
        self.zones: dict[int, str] = {}

    # --- Who is there -------------------------------------------------------------------------------------

    def people(self, people: People) -> None:
        """Write everybody who is there."""
        for told in people.told:
            if told.is_disabled:
                self.synced.disabled += 1
                continue
            aside = self._one(told)
            if aside is not None:
                self.synced.aside.append(Aside(told.dn, aside))

    def _one(self, told: Told) -> str | None:
        """Write a person; return why an entry cannot be used."""
        office = self.places.office(told.said.get("office"))
        if office is None:
            said = told.said.get("office")
            return f"no office is called {said!r}" if said else "it names no office"
        stored = self.known.find(told.entry, told.codes)
        if stored is not None and self._is_somebody_else(stored, told):
            return f"its code {stored['code']} is that of somebody with another employee number"
        day = self.day.in_zone(office.zone)
        placed = {
            "office": office.code,
            "department": self.places.code("department", told.said.get("department")) or CLEAR,
            "cost_center": self.places.code("cost_center", told.said.get("cost_center")) or CLEAR,
        }
        if stored is not None and self._is_unchanged(stored, told, placed, day):
            self.synced.imported.add("persons", "unchanged")
            self.synced.imported.add("placements", "unchanged")
            self._remember(told, stored["id"], office.zone)
        else:
            self._write(told, stored, placed, day)
            self._remember(told, self._id(stored, told), office.zone)
        return None

    def _is_somebody_else(self, stored: Stored, told: Told) -> bool:
        """Say whether a code has passed from one person to another: numbers of employees tell."""
        before, now = stored["employee_number"], told.said.get("employee_number")
        return told.entry not in self.known.entries and None not in (before, now) and before != now

    def _is_unchanged(self, stored: Stored, told: Told, placed: Mapping[str, str], day: str) -> bool:
        current = self.known.place_on(stored["id"], day)
        return (
            stored["code"] in told.codes
            and all(stored[name] == text for name, text in self._facts(told).items())
            and current is not None
            and self.places.is_same(current, placed)
            and self.known.owns(stored["id"], told.accounts)
        )

    def _write(self, told: Told, stored: Stored | None, placed: Mapping[str, str], day: str) -> None:
        stretch = self._stretch(stored, placed, day)
        cells = {**self._facts(told), **placed, **stretch, "accounts": ";".join(told.accounts)}
        row = EntryRow(f"{self.settings.name}, entry {told.dn}", 0, cells)
        put_person(self.connection, self._code(stored, told), [row], self.synced.imported)

    def _id(self, stored: Stored | None, told: Told) -> int:
        if stored is not None:
            return int(stored["id"])
        query = sa.select(_person.c.id).where(_person.c.code == told.codes[0])
        return int(self.connection.execute(query).scalar_one())

    def _code(self, stored: Stored | None, told: Told) -> str:
        """Return the person's code; who married or was renamed takes the new one along."""
        if stored is not None and stored["code"] in told.codes:
            return str(stored["code"])
        code = told.codes[0]
        if stored is not None:
            if self.known.has_code(code):
                message = f"{told.dn} is now called {code}, as another person is"
                raise Problem(message, "give one of them another code in the directory")
            mine = _person.c.id == stored["id"]
            self.connection.execute(sa.update(_person).where(mine).values(code=code))
        return code

    def _facts(self, told: Told) -> dict[str, str]:
        facts = {name: told.said[name] for name in ("name", "employee_number", "email") if name in told.said}
        word = self.settings.words["employment"].get(told.said.get("employment", "").casefold())
        return facts if word is None else {**facts, "employment": word}

    def _stretch(self, stored: Stored | None, placed: Mapping[str, str], day: str) -> dict[str, str]:
        """Return from when to when a place holds; the one before it ends on the day."""
        if stored is None:
            return {"valid_from": min(self.settings.new_people_from or day, day)}
        current = self.known.place_on(stored["id"], day)
        if current is None:
            return {"valid_from": day}
        if self.places.is_same(current, placed):
            return {"valid_from": current["valid_from_on"]}
        if current["valid_from_on"] == day:
            return {"valid_from": day}
        change = sa.update(_placement).where(_placement.c.id == current["id"]).values(valid_to_on=day)
        self.connection.execute(change)
        end = current["valid_to_on"]
        return {"valid_from": day} if end is None else {"valid_from": day, "valid_to": end}

    def _remember(self, told: Told, person: int, zone: str) -> None:
        self.by_dn[plain_dn(told.dn)] = person
        self.zones[person] = zone
        entries = self.known.entries
        if entries.get(told.entry) == person:
            return
        # The entry was made anew under the same code: the old one is of no use any more.
        old = (_entry.c.source == self.settings.name) & (_entry.c.person_id == person)
        if person in self.known.people:
            self.connection.execute(sa.delete(_entry).where(old))
            self.known.entries = {entry: number for entry, number in entries.items() if number != person}
        row = {"person_id": person, "source": self.settings.name, "entry": told.entry}
        self.connection.execute(sa.insert(_entry).values(row))
        self.known.entries[told.entry] = person

    # --- Who is not ---------------------------------------------------------------------------------------

    def leaving(self, people: People) -> None:
        """End the places of everybody whom the server has shown before and does not any more."""
        gone = {person for entry, person in self.known.entries.items() if entry not in people.present}
        placed = self._open_placements(set(self.known.entries.values()))
        leaving = [row for row in placed if row.person_id in gone]
        share = 100 * len(leaving) > self.settings.leaving_percent * len(placed)
        if len(leaving) > ALWAYS_ALLOWED and share:
            message = f"{len(leaving)} of {len(placed)} people of {self.settings.name} would leave at once"
            raise Problem(message, "check `bases` and `filter`; if it is true, raise leaving_percent")
        for row in leaving:
            day = max(self.day.in_zone(row.zone), _day_after(row.valid_from_on))
            self._end(row.id, row.person_id, day)
        self.synced.left = len(leaving)

    def _open_placements(self, people: set[int]) -> list[Any]:
        """Return the last placement of each person, where it has not ended yet."""
        query = (
            sa.select(_placement, schema.office.c.zone)
            .join(schema.office, schema.office.c.id == _placement.c.office_id)
            .order_by(_placement.c.person_id, _placement.c.valid_from_on)
        )
        last = {row.person_id: row for row in self.connection.execute(query) if row.person_id in people}
        return [
            row
            for row in last.values()
            if row.valid_to_on is None or row.valid_to_on > self.day.in_zone(row.zone)
        ]

    def _end(self, placement: int, person: int, day: str) -> None:
        end = {"valid_to_on": day}
        self.connection.execute(sa.update(_placement).where(_placement.c.id == placement).values(end))
        self.connection.execute(sa.update(_person).where(_person.c.id == person).values(end))
        self.synced.imported.add("placements", "changed")

    # --- Groups -------------------------------------------------------------------------------------------

    def groups(self, groups: Mapping[str, Iterable[str]]) -> None:
        """Let everybody be in the groups that hold them now; who was in others leaves them."""
        wanted = {
            (self._group(name), self.by_dn[dn])
            for name, dns in groups.items()
            for dn in dns
            if dn in self.by_dn
        }
        query = (
            sa.select(_membership)
            .join(_group, _group.c.id == _membership.c.directory_group_id)
            .where(_group.c.source == self.settings.name, _membership.c.valid_to_on.is_(None))
        )
        held = {(row.directory_group_id, row.person_id): row for row in self.connection.execute(query)}
        for pair, row in held.items():
            if pair not in wanted:
                self._leave_group(row)
        for group, person in sorted(wanted - set(held)):
            self._join_group(group, person)
        for _ in wanted & set(held):
            self.synced.imported.add("memberships", "unchanged")

    def _group(self, name: str) -> int:
        key = (_group.c.source == self.settings.name) & (_group.c.name == name)
        found = self.connection.scalar(sa.select(_group.c.id).where(key))
        if found is None:
            row = {"source": self.settings.name, "name": name}
            found = self.connection.execute(sa.insert(_group).values(row).returning(_group.c.id)).scalar_one()
        return int(found)

    def _leave_group(self, row: Any) -> None:
        day = self.day.in_zone(self._zone(row.person_id))
        mine = _membership.c.id == row.id
        if row.valid_from_on >= day:
            self.connection.execute(sa.delete(_membership).where(mine))
        else:
            self.connection.execute(sa.update(_membership).where(mine).values(valid_to_on=day))
        self.synced.imported.add("memberships", "changed")

    def _join_group(self, group: int, person: int) -> None:
        day = self.day.in_zone(self._zone(person))
        key = {"directory_group_id": group, "person_id": person, "valid_from_on": day}
        same = [_membership.c[name] == value for name, value in key.items()]
        again = sa.update(_membership).where(*same).values(valid_to_on=None)
        if self.connection.execute(again).rowcount == 0:
            self.connection.execute(sa.insert(_membership).values(key))
        self.synced.imported.add("memberships", "new")

    def _zone(self, person: int) -> str:
        """Return the zone of a person's office, also of one who has just left."""
        if person not in self.zones:
            query = (
                sa.select(schema.office.c.zone)
                .join(_placement, _placement.c.office_id == schema.office.c.id)
                .where(_placement.c.person_id == person)
                .order_by(_placement.c.valid_from_on.desc())
            )
            self.zones[person] = self.connection.scalar(query) or "UTC"
        return self.zones[person]


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
