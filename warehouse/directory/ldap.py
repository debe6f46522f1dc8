"""Reading a directory server: entries as they are, page by page, over a connection that others cannot read.

No filter is ever made from what an entry says: only the settings file writes filters.
"""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from warehouse.directory.ldap_settings import Branch, LdapSettings
from warehouse.errors import Problem

PAGE = 500
"""Entries that one answer holds; Active Directory gives no more than 1,000."""


class Entry(NamedTuple):
    """One entry: its name, and the values of its attributes by their names in lower case."""

    dn: str
    attributes: Mapping[str, tuple[bytes, ...]]


class Entries(NamedTuple):
    """What a directory server holds that concerns us."""

    people: list[Entry]
    groups: list[Entry]


def read_entries(settings: LdapSettings) -> Entries:
    """Read people and groups, whole or not at all; referrals to other servers are not followed.

    Raises
    ------
    Problem
        The server cannot be reached or trusted, refuses the password or the search, or gives half an answer.
    """
    wanted = {name for names in settings.attributes.values() for name in names}
    group = {settings.group_code, *settings.group_members}
    with _connected(settings) as connection:
        people = _search(settings, connection, settings.people, sorted(wanted))
        groups = _search(settings, connection, settings.groups, sorted(group))
    return Entries(people, groups)


def _search(settings: LdapSettings, connection: Any, branch: Branch, attributes: list[str]) -> list[Entry]:
    found: dict[str, Entry] = {}
    for base in branch.bases:
        pages = connection.extend.standard.paged_search(
            search_base=base,
            search_filter=branch.filter,
            attributes=attributes,
            paged_size=PAGE,
            generator=True,
        )
        for answer in pages:
            if answer["type"] == "searchResEntry":  # else a referral to another server
                entry = _entry(answer)
                found[entry.dn] = entry
        if connection.result["result"] != 0:  # the client takes a limit for an answer
            what, remedy = _HALF
            raise Problem(f"{settings.place} {what}", remedy.format(who=_who(settings)))
    return [found[dn] for dn in sorted(found)]


def _entry(answer: Mapping[str, Any]) -> Entry:
    values = {str(name).lower(): tuple(each) for name, each in answer["raw_attributes"].items()}
    return Entry(str(answer["dn"]), values)


# --- The connection ----------------------------------------------------------------------------------------


@contextmanager
def _connected(settings: LdapSettings) -> Iterator[Any]:
    """Connect, encrypt, sign in; every failure on the way and later is one line."""
    ldap3, failures = _ldap3()
    tls = ldap3.Tls(validate=ssl.CERT_REQUIRED)
    tls.wrap_socket = partial(_wrap, _trust(settings), settings.host)  # by today's rules, not by its own
    server = ldap3.Server(
        settings.host, settings.port, use_ssl=settings.is_ldaps, tls=tls, get_info=ldap3.NONE,
        connect_timeout=settings.timeout_seconds,
    )  # fmt: skip
    connection = ldap3.Connection(
        server, settings.bind_dn, settings.password, auto_referrals=False, check_names=False, read_only=True,
        receive_timeout=settings.timeout_seconds, raise_exceptions=True,
    )  # fmt: skip
    try:
        connection.open()
        if settings.starts_tls:
            connection.start_tls()
        connection.bind()
        yield connection
    except (failures.LDAPException, OSError) as error:
        raise _problem(settings, error) from error
    finally:
        _hang_up(connection, failures)


def _trust(settings: LdapSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        message = f"{settings.ca_file} cannot be used as ca_file: {error.strerror or error}"
        raise Problem(message, "name a file of certificates, PEM") from error


def _wrap(trust: ssl.SSLContext, host: str, connection: Any, do_handshake: bool = True) -> None:
    """Encrypt a connection, and see that it leads to the host."""
    connection.socket = trust.wrap_socket(
        connection.socket, server_hostname=host, do_handshake_on_connect=do_handshake
    )


def _hang_up(connection: Any, failures: Any) -> None:
    try:
        connection.unbind()
    except (failures.LDAPException, OSError):
        return  # it was broken before, and somebody has been told
    finally:
        if connection.socket is not None:  # the client forgets the socket of a connection that failed
            connection.socket.close()


def _ldap3() -> tuple[Any, Any]:
    """Import the client, which warns of what its own ASN.1 library calls old."""
    with warnings.catch_warnings():
        old = r"(tagMap|typeMap) is deprecated"
        warnings.filterwarnings("ignore", message=old, category=DeprecationWarning)
        import ldap3  # type: ignore[import-untyped]  # noqa: PLC0415  a tenth of a second for `sync` alone
        from ldap3.core import exceptions  # type: ignore[import-untyped]  # noqa: PLC0415
    return ldap3, exceptions


_HALF = ("gives a part of the entries only", "let {who} read them all")
_REASONS = {
    "LDAPInvalidCredentialsResult": ("refuses the password of {who}", "check bind_dn and password_file"),
    "LDAPNoSuchObjectResult": ("knows no such base", "check `bases`"),
    "LDAPInvalidDnError": ("takes a base for no name of an entry", "check `bases`"),
    "LDAPInvalidDNSyntaxResult": ("takes a base or bind_dn for no name of an entry", "check them"),
    "LDAPInvalidFilterError": ("takes a filter for none", "check `filter`"),
    "LDAPAdminLimitExceededResult": _HALF,
    "LDAPInsufficientAccessRightsResult": ("does not let {who} read", "give it the right to"),
    "LDAPInappropriateAuthenticationResult": ("wants another way to sign in", "set bind_dn"),
    "LDAPConfidentialityRequiredResult": ("wants encryption", "write ldaps://, or start_tls = true"),
    "LDAPProtocolErrorResult": ("does not speak StartTLS or our LDAP", "write ldaps://"),
    "LDAPStartTLSError": ("does not speak StartTLS", "write ldaps://"),
}


def _problem(settings: LdapSettings, error: Exception) -> Problem:
    """Say in one line what went wrong."""
    text, who = " ".join(str(error).split()), _who(settings)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return Problem(
            f"{settings.place} cannot be trusted: {_why_not_trusted(text)}",
            "name its authority's certificate with ca_file, and the server as its certificate does",
        )
    # Not every Python names the SSL error where a peer hangs up at the first word of TLS.
    if "[SSL" in text or "ssl wrapping error" in text:
        return Problem(f"{settings.place} does not speak TLS there", "check url and its port")
    what, remedy = _REASONS.get(type(error).__name__, ("", ""))
    if what:
        return Problem(f"{settings.place} {what.format(who=who)}", remedy.format(who=who))
    if type(error).__name__ == "LDAPSocketOpenError":
        return Problem(f"{settings.place} cannot be reached", "check url, the network and the server")
    return Problem(f"{settings.place} failed: {text}", "try again, or ask whoever runs it")


def _who(settings: LdapSettings) -> str:
    return settings.bind_dn or "a nameless reader"


def _why_not_trusted(text: str) -> str:
    if "mismatch" in text:
        return "its certificate is another host's"
    if "expired" in text:
        return "its certificate has expired"
    return "its certificate does not hold, or is signed by nobody we know"
