"""A real SMTP server on loopback: STARTTLS or TLS by an authority of its own, AUTH, and what it received."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USER, PASSWORD = "meter", 'pass "word" \\ =,;'


@dataclass
class Box:
    """What a server took, as it came over the wire; `answers` are replies it gives before it takes more."""

    port: int = 0
    ca: Path | None = None
    raw: list[bytes] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    sign_ins: list[bool] = field(default_factory=list)

    def mails(self) -> list[EmailMessage]:
        """Read what came as a mail program would."""
        found = [message_from_bytes(raw, policy=policy.default) for raw in self.raw]
        assert all(isinstance(mail, EmailMessage) for mail in found)
        return [mail for mail in found if isinstance(mail, EmailMessage)]

    def knows(self, _s: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        known = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        self.sign_ins.append(known)
        return AuthResult(success=known, handled=known)

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _o: Any) -> str:  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        self.raw.append(envelope.content)
        self.envelopes.append((envelope.mail_from, list(envelope.rcpt_tos)))
        return "250 OK"


class OnFreePort(Controller):
    """A controller that takes whatever port the system gives."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def _context(folder: Path, box: Box) -> ssl.SSLContext:
    authority = trustme.CA()
    box.ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(str(box.ca))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@contextmanager
def mail_server(folder: Path, security: str = "starttls", *, size: int = 30_000_000) -> Iterator[Box]:
    """Run a server; with `starttls` or `tls` it knows one user, with `none` everybody."""
    box = Box()
    options: dict[str, Any] = {"data_size_limit": size}
    if security != "none":
        context = _context(folder, box)
        options["authenticator"] = box.knows
        if security == "starttls":
            options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
        else:  # It does not see that TLS lies around it, and would neither offer nor take a sign-in.
            options |= {"ssl_context": context, "auth_require_tls": False}
    controller = OnFreePort(box, hostname="localhost", port=0, **options)
    controller.start()
    try:
        box.port = controller.port
        yield box
    finally:
        controller.stop()


def write_settings(folder: Path, box: Box, security: str = "starttls", lines: Sequence[str] = ()) -> Path:
    """Write the settings of a server as docs/schedule.md says, for its owner alone."""
    text = [f'host = "localhost"\nport = {box.port}\nsecurity = "{security}"']
    text.append('sender = "Process Meter <meter@example.com>"\noperator = ["it@example.com"]')
    if security != "none":
        secret = folder / "mail.password"
        secret.write_text(PASSWORD + "\n", encoding="utf-8")
        secret.chmod(0o600)
        text.append(f'user = "{USER}"\npassword_file = "{secret.name}"\nca_file = "{box.ca}"')
    path = folder / "mail.toml"
    path.write_text("\n".join([*text, *lines]) + "\n", encoding="utf-8")
    path.chmod(0o600)
    return path
