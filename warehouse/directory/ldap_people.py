"""What the entries of a directory server say of people and groups, by the settings' attributes; pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from warehouse.directory.ldap import Entry
from warehouse.directory.ldap_settings import FIELDS, LdapSettings
from warehouse.errors import Problem
from warehouse.tabular import UNREADABLE

ACCOUNT_DISABLED = 2
"""Bit of userAccountControl."""
YES = ("true", "yes", "1")
NOTHING = ("", "-")
"""Texts that people write where a directory wants one and there is none."""
_CONTROL = re.compile(rf"[\t\n\r]|{UNREADABLE.pattern}")
_ESCAPED = re.compile(r"((?:\\[0-9a-fA-F]{2})+)|\\(.)", re.DOTALL)


class Told(NamedTuple):
    """One person, as an entry tells; texts are the directory's own."""

    dn: str
    entry: str
    """What no move or marriage changes."""
    codes: tuple[str, ...]
    """Any of them may be the person's; the first one is a new person's."""
    said: Mapping[str, str]
    accounts: tuple[str, ...]
    is_disabled: bool


class Aside(NamedTuple):
    """An entry that cannot be used, and why."""

    dn: str
    reason: str


@dataclass(frozen=True)
class People:
    """All entries of people: those that can be used, and those that cannot."""

    told: Sequence[Told]
    aside: Sequence[Aside]
    present: frozenset[str]
    """Entries that are there, whether they can be used or not; disabled ones are not."""


def people_of(entries: Sequence[Entry], settings: LdapSettings) -> People:
    """Read people; two that claim one code or one account are refused.

    Raises
    ------
    Problem
        Names both entries.
    """
    found = [_told(entry, settings) for entry in entries]
    told = [each for each in found if isinstance(each, Told)]
    enabled = [each for each in told if not each.is_disabled]
    _refuse_doubles("code", [(each.codes[0], each.dn) for each in enabled])
    _refuse_doubles("account", [(name, each.dn) for each in enabled for name in each.accounts])
    gone = {each.entry for each in told if each.is_disabled}
    present = frozenset(_identity(entry, settings) for entry in entries) - gone
    return People(told, [each for each in found if isinstance(each, Aside)], present)


def _refuse_doubles(what: str, claims: Sequence[tuple[str, str]]) -> None:
    claimed: dict[str, str] = {}
    for name, dn in claims:
        other = claimed.setdefault(name.casefold(), dn)
        if other != dn:
            message = f"two people claim the {what} {name!r}: {other} and {dn}"
            raise Problem(message, "let the directory give it to one of them, or leave one out by `filter`")


def _told(entry: Entry, settings: LdapSettings) -> Told | Aside:
    try:
        said = {field: _texts(entry, settings.attributes[field]) for field in FIELDS}
        accounts = _accounts(entry, settings)
    except UnicodeDecodeError:
        return Aside(entry.dn, "a text is not UTF-8")
    codes = tuple(sorted(said.pop("code")))
    if not codes:
        return Aside(entry.dn, f"it has no {' or '.join(settings.attributes['code'])}")
    if any(_CONTROL.search(text) for texts in (codes, accounts, *said.values()) for text in texts):
        return Aside(entry.dn, "a text holds a character that nobody sees")
    firsts = {field: texts[0] for field, texts in said.items() if texts}
    firsts.setdefault("name", codes[0])
    return Told(entry.dn, _identity(entry, settings), codes, firsts, accounts, _is_disabled(entry, settings))


def _texts(entry: Entry, names: Sequence[str]) -> list[str]:
    """Return the values of the first attribute that has any."""
    for name in names:
        found = [value.decode().strip() for value in entry.attributes.get(name.lower(), ())]
        if any(text not in NOTHING for text in found):
            return [text for text in found if text not in NOTHING]
    return []


def _accounts(entry: Entry, settings: LdapSettings) -> tuple[str, ...]:
    names = [name for attribute in settings.attributes["accounts"] for name in _texts(entry, [attribute])]
    plain = [name for name in names if "\\" not in name and "@" not in name]
    domain = [f"{settings.domain}\\{name}" for name in plain] if settings.domain else []
    return tuple(dict.fromkeys(name.lower() for name in (*names, *domain)))


def _identity(entry: Entry, settings: LdapSettings) -> str:
    """Return the entry's unchanging id; its name where the server gives none."""
    for name in settings.attributes["entry"]:
        for value in entry.attributes.get(name.lower(), ()):
            text = value.decode("ascii", errors="replace")
            return text if text.isprintable() and "\ufffd" not in text else value.hex()
    return plain_dn(entry.dn)


def _is_disabled(entry: Entry, settings: LdapSettings) -> bool:
    for name in settings.attributes["disabled"]:
        for value in entry.attributes.get(name.lower(), ()):
            text = value.decode("ascii", errors="replace").strip().lower()
            if name.lower() == "useraccountcontrol":
                return text.lstrip("-").isdigit() and bool(int(text) & ACCOUNT_DISABLED)
            return text in YES
    return False


# --- Groups ------------------------------------------------------------------------------------------------


def groups_of(entries: Sequence[Entry], settings: LdapSettings) -> dict[str, set[str]]:
    """Return the names of groups with the plain names of all entries in them, groups within groups too."""
    direct: dict[str, set[str]] = {}
    names: dict[str, str] = {}
    for entry in entries:
        codes = _texts(entry, [settings.group_code])
        if not codes:
            continue
        key = plain_dn(entry.dn)
        names[key] = codes[0]
        members = [
            value for name in settings.group_members for value in entry.attributes.get(name.lower(), ())
        ]
        direct[key] = {plain_dn(value.decode(errors="replace")) for value in members}
    found: dict[str, set[str]] = {}
    for key, name in names.items():
        found.setdefault(name, set()).update(_within(key, direct))
    return found


def _within(key: str, direct: Mapping[str, set[str]]) -> set[str]:
    """Return all that is in a group; groups may hold each other."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        for member in direct.get(waiting.pop(), set()):
            if member not in found:
                found.add(member)
                waiting.append(member)
    return found - set(direct)


def plain_dn(dn: str) -> str:
    """Write an entry's name so that two spellings of it are one: case, spaces and escapes aside."""
    text = _ESCAPED.sub(_unescaped, dn)
    return re.sub(r"\s*([,=+])\s*", r"\1", text).strip().casefold()


def _unescaped(found: re.Match[str]) -> str:
    if found[1]:
        octets = bytes.fromhex(found[1].replace("\\", ""))
        text = octets.decode(errors="replace")
    else:
        text = found[2]
    # A separator within a value must not look like one between two.
    return "".join(f"\\{ord(letter):x}" if letter in ',=+\\"<>;' else letter for letter in text)
