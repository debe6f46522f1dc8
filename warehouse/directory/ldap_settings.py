"""The settings file of a directory server: where it is, who reads it, which attribute says what.

docs/directory.md explains every key.
"""

from __future__ import annotations

import ipaddress
import re
import stat
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from warehouse.errors import Problem

FIELDS = ("code", "name", "employee_number", "email", "employment", "office", "department", "cost_center")
"""What a person's entry says; the first attribute that is there counts."""
OTHERS = ("accounts", "disabled", "entry")
"""Names of accounts, all of them; whether the account is disabled; what no move or marriage changes."""
ATTRIBUTES: dict[str, dict[str, tuple[str, ...]]] = {
    "active_directory": {
        "code": ("sAMAccountName",),
        "name": ("displayName", "cn"),
        "employee_number": ("employeeID", "employeeNumber"),
        "email": ("mail",),
        "employment": ("employeeType",),
        "office": ("physicalDeliveryOfficeName", "l"),
        "department": ("department",),
        "cost_center": ("departmentNumber",),
        "accounts": ("sAMAccountName", "userPrincipalName"),
        "disabled": ("userAccountControl",),
        "entry": ("objectGUID",),
    },
    "inetorgperson": {
        "code": ("uid",),
        "name": ("displayName", "cn"),
        "employee_number": ("employeeNumber",),
        "email": ("mail",),
        "employment": ("employeeType",),
        "office": ("physicalDeliveryOfficeName", "l"),
        "department": ("departmentNumber", "ou"),
        "cost_center": (),
        "accounts": ("uid",),
        "disabled": (),
        "entry": ("entryUUID",),
    },
}
PEOPLE_FILTERS = {
    "active_directory": "(&(objectCategory=person)(objectClass=user))",
    "inetorgperson": "(objectClass=inetOrgPerson)",
}
GROUP_FILTERS = {
    "active_directory": "(objectClass=group)",
    "inetorgperson": "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames))",
}
TABLES = {
    "": ("name", "url", "kind", "bind_dn", "password_file", "ca_file", "start_tls", "timeout_seconds"),
    "people": ("bases", "filter", "domain", "default_office", "new_people_from", "leaving_percent"),
    "groups": ("bases", "filter", "code", "members"),
    "attributes": (*FIELDS, *OTHERS),
}
WORDS = ("offices", "departments", "cost_centers", "employment")
"""Tables that say which code of ours a text of the directory stands for."""
EMPLOYMENTS = ("employee", "contractor", "affiliate")
PORTS = {"ldap": 389, "ldaps": 636}


class Branch(NamedTuple):
    """Where to search, and what for."""

    bases: tuple[str, ...]
    filter: str


@dataclass(frozen=True)
class LdapSettings:
    """One directory server, as its settings file describes it."""

    name: str
    """Under which its people are remembered: keep it when the server moves."""
    host: str
    port: int
    is_ldaps: bool
    starts_tls: bool
    bind_dn: str | None
    password: str | None
    ca_file: Path | None
    timeout_seconds: int
    people: Branch
    groups: Branch
    group_code: str
    group_members: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]]
    domain: str | None
    default_office: str | None
    new_people_from: str | None
    leaving_percent: int
    words: Mapping[str, Mapping[str, str]]

    @property
    def place(self) -> str:
        """The server, for messages."""
        return f"{'ldaps' if self.is_ldaps else 'ldap'}://{self.host}:{self.port}"


def read_settings(path: Path) -> LdapSettings:
    """Read a settings file; docs/directory.md has its keys.

    Raises
    ------
    Problem
        Names file and key: unknown, missing, of the wrong kind; a connection that others could read; a
        password file that others can read.
    """
    document = _document(path)
    file = _File(path, document)
    file.refuse_unknown()
    kind = file.text("kind", default="inetorgperson")
    if kind not in ATTRIBUTES:
        raise file.problem("kind", f"unknown word {kind!r}", f"write one of {', '.join(ATTRIBUTES)}")
    host, port, is_ldaps = _server(file)
    bind_dn = file.text("bind_dn")
    return LdapSettings(
        name=file.text("name") or host,
        host=host,
        port=port,
        is_ldaps=is_ldaps,
        starts_tls=_starts_tls(file, host, is_ldaps=is_ldaps),
        bind_dn=bind_dn,
        password=_password(file) if bind_dn else None,
        ca_file=_beside(path, file.text("ca_file")),
        timeout_seconds=file.whole("timeout_seconds", default=30, least=1, most=3600),
        people=Branch(file.texts("people.bases", needed=True), file.filter("people", PEOPLE_FILTERS[kind])),
        groups=Branch(file.texts("groups.bases"), file.filter("groups", GROUP_FILTERS[kind])),
        group_code=file.text("groups.code", default="cn") or "cn",
        group_members=file.texts("groups.members") or ("member", "uniqueMember"),
        attributes=_attributes(file, kind),
        domain=file.text("people.domain"),
        default_office=file.text("people.default_office"),
        new_people_from=_day(file),
        leaving_percent=file.whole("people.leaving_percent", default=20, least=0, most=100),
        words={table: file.words(table) for table in WORDS},
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Problem(f"{path.name} is no TOML: {error}", "docs/directory.md has an example") from error


@dataclass(frozen=True)
class _File:
    """A settings file whose errors name the key; `people.bases` is the key `bases` of its table `people`."""

    path: Path
    document: Mapping[str, Any]

    def problem(self, key: str, message: str, remedy: str) -> Problem:
        return Problem(f"{self.path.name}, {key}: {message}", remedy)

    def refuse_unknown(self) -> None:
        for key, value in self.document.items():
            if isinstance(value, dict) and key in TABLES:
                self._refuse(value, TABLES[key], f"{key}.")
            elif not (key in WORDS and isinstance(value, dict)):
                self._refuse([key], TABLES[""], "")

    def _refuse(self, keys: Any, known: Sequence[str], before: str) -> None:
        for key in keys:
            if key not in known:
                raise self.problem(f"{before}{key}", "unknown key", f"known ones: {', '.join(known)}")

    def value(self, key: str) -> Any:
        table, _, name = key.rpartition(".")
        return (self.document.get(table, {}) if table else self.document).get(name)

    def text(self, key: str, default: str | None = None) -> str | None:
        value = self.value(key)
        if value is None:
            return default
        if not isinstance(value, str) or not value.strip():
            raise self.problem(key, f"{value!r} is no text", "write it in quotes")
        return value.strip()

    def texts(self, key: str, *, needed: bool = False) -> tuple[str, ...]:
        """Return a list of texts; a single one may stand without brackets."""
        value = self.value(key)
        if value is None and not needed:
            return ()
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(each, str) and each.strip() for each in found):
            message = "it is missing" if value is None else f"{value!r} is no list of texts"
            raise self.problem(key, message, f'write {key.rpartition(".")[2]} = ["...", "..."]')
        if needed and not found:
            raise self.problem(key, "the list is empty", "name at least one")
        return tuple(each.strip() for each in found)

    def whole(self, key: str, *, default: int, least: int, most: int) -> int:
        value = default if self.value(key) is None else self.value(key)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.problem(key, f"{value!r} does not fit", f"write a whole number, {least} to {most}")
        return value

    def flag(self, key: str) -> bool:
        value = self.value(key)
        if value not in (None, True, False):
            raise self.problem(key, f"{value!r} is neither true nor false", "write true or false")
        return bool(value)

    def filter(self, table: str, default: str) -> str:
        found = self.text(f"{table}.filter", default) or default
        if not (found.startswith("(") and found.endswith(")")):
            raise self.problem(f"{table}.filter", f"{found!r} is no filter", "put it into parentheses")
        return found

    def words(self, table: str) -> dict[str, str]:
        """Return what texts of the directory stand for, by the texts in lower case."""
        found = self.document.get(table, {})
        for text, word in found.items():
            if not isinstance(word, str) or (table == "employment" and word not in EMPLOYMENTS):
                remedy = f"write one of {', '.join(EMPLOYMENTS)}" if table == "employment" else "write a code"
                raise self.problem(f"{table}.{text}", f"{word!r} does not fit", remedy)
        return {text.casefold(): word for text, word in found.items()}


def _server(file: _File) -> tuple[str, int, bool]:
    url = file.text("url") or ""
    remedy = 'write url = "ldaps://directory.example.com"'
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise file.problem("url", f"{url!r} is no address of a server", remedy) from None
    if parts.scheme not in PORTS or not parts.hostname or parts.path not in ("", "/") or parts.username:
        raise file.problem("url", f"{url!r} is no address of a directory server", remedy)
    return parts.hostname, port or PORTS[parts.scheme], parts.scheme == "ldaps"


def _starts_tls(file: _File, host: str, *, is_ldaps: bool) -> bool:
    """Say whether to begin with StartTLS; names and a password never travel in the clear."""
    starts_tls = file.flag("start_tls")
    if is_ldaps and starts_tls:
        raise file.problem("start_tls", "ldaps:// is encrypted from the first byte", "leave start_tls out")
    if not is_ldaps and not starts_tls and not _is_loopback(host):
        message = f"ldap:// would send names and a password to {host} for everybody to read"
        raise file.problem("url", message, "write ldaps://, or start_tls = true")
    return starts_tls


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _password(file: _File) -> str:
    path = _beside(file.path, file.text("password_file"))
    if path is None:
        raise file.problem("password_file", "bind_dn needs one", "name a file that holds the password alone")
    try:
        mode = path.stat().st_mode
        password = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        raise file.problem("password_file", message, "check the path and its permissions") from error
    if sys.platform != "win32" and stat.S_IMODE(mode) & 0o077:
        raise file.problem("password_file", f"{path} can be read by others", f"run `chmod 600 {path}`")
    if not password:
        # A name with an empty password is a bind as nobody, which many servers grant.
        raise file.problem("password_file", f"{path} is empty", "write the password into it")
    return password


def _beside(path: Path, name: str | None) -> Path | None:
    return None if name is None else path.parent / name


def _attributes(file: _File, kind: str) -> dict[str, tuple[str, ...]]:
    """Return the attributes of each field: the file's where it says any, even none, else the kind's."""
    own = file.document.get("attributes", {})
    return {
        field: file.texts(f"attributes.{field}") if field in own else names
        for field, names in ATTRIBUTES[kind].items()
    }


def _day(file: _File) -> str | None:
    value = file.value("people.new_people_from")
    if value is not None and not re.fullmatch(r"\d{4}-\d\d-\d\d", str(value)):
        raise file.problem("people.new_people_from", f"{value!r} is no day", "write it as 2026-01-31")
    return None if value is None else str(value)
