"""A message in plain words: as text, the same as HTML, and its files.

No text that comes from elsewhere can begin a header, a tag or another line of its own.
"""

from __future__ import annotations

import mimetypes
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from html import escape
from pathlib import Path

MEGABYTE = 1_000_000
LONGEST_SUBJECT = 150  # characters
_TURNING = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_STYLE = "font-family:sans-serif;font-size:15px;line-height:1.5;color:#1f2937;max-width:42em"
_CELL = "text-align:left;font-weight:normal;padding:2px 16px 2px 0"


@dataclass(frozen=True)
class Mail:
    """One message, before it has a shape.

    Attributes
    ----------
    key
        Names what it is about; the same key gives the same Message-ID.
    says
        Paragraphs in plain words.
    figures
        Names and values, as a small table.
    steps
        What to do next, one sentence each.
    files
        What to attach.
    """

    key: str
    subject: str
    says: Sequence[str] = ()
    figures: Sequence[tuple[str, str]] = ()
    steps: Sequence[str] = ()
    files: Sequence[Path] = ()


def plain(text: str) -> str:
    """Make one line of a text: without control characters, halves of characters and marks that turn it round.

    A line break in a subject would begin another header, of the writer's choice.
    """
    kept = (
        " " if unicodedata.category(sign) in {"Cc", "Cs", "Zl", "Zp"} or sign in _TURNING else sign
        for sign in text
    )
    return " ".join("".join(kept).split())


def compose(
    mail: Mail, sender: str, to: Sequence[str], now: datetime, limit: int
) -> tuple[EmailMessage, list[str]]:
    """Write a message of at most `limit` bytes; return it, and the names of the files that were too large.

    Its parts are plain text, the same as HTML, and the files. A file that does not go along is named in it.
    """
    files = {path: path.read_bytes() for path in mail.files if path.is_file()}
    out = [f"{path.name} is no longer there." for path in mail.files if path not in files]
    left_out: list[str] = []
    while True:
        message = _message(mail, sender, to, now, [*out, *(_too_large(name, limit) for name in left_out)])
        for path, content in files.items():
            _attach(message, path, content)
        if not files or len(message.as_bytes()) <= limit:
            return message, left_out
        largest = max(files, key=lambda path: len(files[path]))
        left_out.append(f"{largest.name} ({len(files.pop(largest)) / MEGABYTE:.1f} MB)")


def _too_large(name: str, limit: int) -> str:
    return (
        f"{name} is not attached: a message may have {limit / MEGABYTE:.1f} MB, and files grow by a third "
        "on their way. It is kept in the reports folder."
    )


def _message(
    mail: Mail, sender: str, to: Sequence[str], now: datetime, left_out: Sequence[str]
) -> EmailMessage:
    message = EmailMessage(policy=WIRE)
    subject = plain(mail.subject)
    message["Subject"] = subject if len(subject) <= LONGEST_SUBJECT else f"{subject[: LONGEST_SUBJECT - 1]}…"
    message["From"] = sender
    message["To"] = ", ".join(to)
    message["Date"] = format_datetime(now)
    domain = parseaddr(sender)[1].partition("@")[2]
    message["Message-ID"] = f"<{sha256(mail.key.encode()).hexdigest()[:32]}@{domain}>"
    message["Auto-Submitted"] = "auto-generated"
    says = [plain(text) for text in (*mail.says, *left_out)]
    figures = [(plain(name), plain(value)) for name, value in mail.figures]
    steps = [plain(step) for step in mail.steps]
    message.set_content(_as_text(says, figures, steps))
    message.add_alternative(_as_html(says, figures, steps), subtype="html")
    return message


def _as_text(says: Sequence[str], figures: Sequence[tuple[str, str]], steps: Sequence[str]) -> str:
    width = max((len(name) for name, _ in figures), default=0)
    parts = ["\n\n".join(says)]
    if figures:
        parts.append("\n".join(f"{name:<{width}}  {value}" for name, value in figures))
    if steps:
        parts.append("What to do next:\n" + "\n".join(f"- {step}" for step in steps))
    return "\n\n".join(part for part in parts if part) + "\n"


def _as_html(says: Sequence[str], figures: Sequence[tuple[str, str]], steps: Sequence[str]) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL}">{escape(name)}</th>'
        f'<td style="padding:2px 0"><b>{escape(value)}</b></td></tr>'
        for name, value in figures
    )
    parts = [f"<p>{escape(text)}</p>" for text in says]
    parts += [f"<table>{rows}</table>"] if rows else []
    if steps:
        parts.append(
            f"<p>What to do next:</p><ul>{''.join(f'<li>{escape(step)}</li>' for step in steps)}</ul>"
        )
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><body style="{_STYLE}">\n{body}\n</body></html>\n'


def _attach(message: EmailMessage, path: Path, content: bytes) -> None:
    kind = mimetypes.guess_type(path.name, strict=False)[0] or "application/octet-stream"
    main, _, sub = kind.partition("/")
    message.add_attachment(content, maintype=main, subtype=sub, filename=plain(path.name))
