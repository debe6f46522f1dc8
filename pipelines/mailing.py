"""Mail to people: the settings of a server, and a message's way through SMTP.

The password is read from a file of its owner alone or from the environment, and is in no message, error, log
or command line. What is sent again after a failure carries the same Message-ID, so that a mail program shows
it once.
"""

from __future__ import annotations

import ipaddress
import os
import re
import smtplib
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.utils import parseaddr
from pathlib import Path
from typing import Literal, NamedTuple

from pipelines.mail_message import MEGABYTE, Mail, compose, plain
from pipelines.settings_file import Settings, read_settings, refuse_open_to_others
from warehouse.errors import Problem

PASSWORD = "PROCESS_METER_MAIL_PASSWORD"  # noqa: S105  the name of a variable
"""Environment variable with the password, where the settings name no file and no other variable."""
PORTS = {"starttls": 587, "tls": 465, "none": 25}
Security = Literal["starttls", "tls", "none"]
ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
"""What every server takes; names beyond ASCII need an extension that many have not."""


class MailProblem(Problem):
    """A message that could not be delivered now; it may be possible later."""


@dataclass(frozen=True)
class MailSettings:
    """One mail server and who writes from it; docs/schedule.md has the keys."""

    host: str
    port: int
    security: Security
    user: str | None
    password: str | None = field(repr=False)
    sender: str
    operator: tuple[str, ...]
    message_mb: int
    timeout_seconds: int
    ca_file: Path | None


class Sent(NamedTuple):
    """Whom the server took it for, whom it refused and why, and the files that were too large to go along."""

    accepted: list[str]
    refused: dict[str, str]
    left_out: list[str]


# --- Settings ----------------------------------------------------------------------------------------------


def read_mail_settings(path: Path, environment: Mapping[str, str] = os.environ) -> MailSettings:
    """Read the settings of a mail server; nobody but their owner may be able to.

    Raises
    ------
    Problem
        Names file and key: unknown, missing, of the wrong kind; a file or a connection that others can
        read.
    """
    refuse_open_to_others(path)
    settings = read_settings(path, "docs/schedule.md")
    settings.refuse_unknown(
        "host", "port", "security", "user", "password_file", "password_variable", "sender", "operator",
        "message_mb", "timeout_seconds", "ca_file",
    )  # fmt: skip
    host, security = settings.needed("host", "smtp.example.com"), _security(settings)
    user = settings.text("user")
    return MailSettings(
        host=host,
        port=settings.whole("port", PORTS[security], least=1, most=65_535),
        security=security,
        user=user,
        password=_password(settings, environment) if user else None,
        sender=_sender(settings),
        operator=addresses(settings, "operator"),
        message_mb=settings.whole("message_mb", 20, least=1, most=150),
        timeout_seconds=settings.whole("timeout_seconds", 30, least=1, most=600),
        ca_file=settings.beside("ca_file"),
    )


def addresses(settings: Settings, key: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the e-mail addresses of a key, each once.

    Raises
    ------
    Problem
        Naming the one that is none.
    """
    found = settings.texts(key, default)
    for address in found:
        if not is_address(address):
            raise settings.problem(key, f"{address!r} is no e-mail address", "write it as ann@example.com")
    return tuple(dict.fromkeys(found))


def is_address(text: str) -> bool:
    """Say whether a text is an e-mail address and nothing else."""
    return ADDRESS.fullmatch(text) is not None and ".." not in text and not text.startswith(".")


def _security(settings: Settings) -> Security:
    word = settings.word("security", tuple(PORTS), "starttls")
    if word == "none" and not _is_loopback(settings.needed("host", "smtp.example.com")):
        message = "names and amounts would travel for everybody to read"
        raise settings.problem("security", message, 'write "starttls" or "tls"')
    return "starttls" if word == "starttls" else "tls" if word == "tls" else "none"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _password(settings: Settings, environment: Mapping[str, str]) -> str:
    path = settings.beside("password_file")
    if path is None:
        name = settings.text("password_variable", PASSWORD) or PASSWORD
        place, password = f"the variable {name}", environment.get(name, "")
    else:
        refuse_open_to_others(path)
        place, password = str(path), _only_line(settings, path)
    if not password:
        message = f"user needs a password, and {place} has none"
        raise settings.problem("password_file", message, "name a file that holds the password alone")
    if not password.isascii():  # smtplib would show it in its error
        message = f"the password in {place} has signs beyond ASCII, which sign-in to mail cannot carry"
        raise settings.problem("password_file", message, "choose another password")
    return password


def _only_line(settings: Settings, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8'}"
        raise settings.problem("password_file", message, "check the path") from error


def _sender(settings: Settings) -> str:
    text = settings.needed("sender", "Process Meter <meter@example.com>")
    name, address = parseaddr(text)
    if not is_address(address) or plain(text) != text:
        raise settings.problem("sender", f"{text!r} is no sender", 'write "Name <meter@example.com>"')
    return str(Address(display_name=name, addr_spec=address))


# --- Its way -----------------------------------------------------------------------------------------------


def send(
    settings: MailSettings, mail: Mail, to: Sequence[str], now: datetime, *, shown: Sequence[str] = ()
) -> Sent:
    """Send a message.

    Parameters
    ----------
    to
        Whom to send it to.
    now
        Its date; aware.
    shown
        Whom its header names, where it was sent to some of them before; empty: `to`.

    Raises
    ------
    MailProblem
        The server cannot be reached, is not who it says, does not know us, or takes it for nobody.
    """
    place = f"the mail server {settings.host}:{settings.port}"
    try:
        with _connected(settings) as server:
            limit = min(settings.message_mb * MEGABYTE, _largest(server))
            message, left_out = compose(mail, settings.sender, shown or to, now, limit)
            refused = server.send_message(message, parseaddr(settings.sender)[1], list(to))
    except smtplib.SMTPRecipientsRefused as error:
        shown_reasons = "; ".join(
            f"{address}: {_reply(reply)}" for address, reply in error.recipients.items()
        )
        raise MailProblem(f"{place} takes no mail for {shown_reasons}", "check the recipients") from None
    except smtplib.SMTPAuthenticationError as error:
        raise MailProblem(
            f"{place} refuses {settings.user}: {_reply((error.smtp_code, error.smtp_error))}",
            "check user and password_file",
        ) from None
    except (smtplib.SMTPException, OSError) as error:
        raise MailProblem(f"{place} took no mail: {_why(error)}", "check it and the mail settings") from None
    reasons = {address: _reply(reply) for address, reply in refused.items()}
    return Sent([address for address in to if address not in reasons], reasons, left_out)


@contextmanager
def _connected(settings: MailSettings) -> Iterator[smtplib.SMTP]:
    context = ssl.create_default_context(cafile=settings.ca_file)
    server: smtplib.SMTP
    if settings.security == "tls":
        server = smtplib.SMTP_SSL(
            settings.host, settings.port, timeout=settings.timeout_seconds, context=context
        )
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_seconds)
    with server:
        if settings.security == "starttls":
            server.starttls(context=context)
        if settings.user and settings.password:
            server.login(settings.user, settings.password)
        server.ehlo_or_helo_if_needed()
        yield server


def _largest(server: smtplib.SMTP) -> int:
    """Return how many bytes the server says it takes; it may say nothing, or 0 for no limit."""
    said = server.esmtp_features.get("size", "")
    return int(said) if said.isdigit() and int(said) > 0 else 1 << 62


def _reply(reply: tuple[int, bytes | str]) -> str:
    code, text = reply
    return plain(f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}")


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        return _reply((error.smtp_code, error.smtp_error))
    if isinstance(error, OSError) and error.strerror:
        return plain(error.strerror)
    return plain(str(error)) or type(error).__name__
