"""Mail through a real SMTP server: TLS, sign-in, what arrives, and what does not."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mail_server import PASSWORD, Box, mail_server, write_settings

from pipelines.mail_message import Mail, compose, plain
from pipelines.mailing import MailProblem, Sent, is_address, read_mail_settings, send
from warehouse.errors import Problem

NOW = datetime(2026, 11, 3, 5, tzinfo=UTC)
TO = ["ann@example.com", "ben@example.com"]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with mail_server(tmp_path_factory.mktemp("mail")) as running:
        yield running


@pytest.fixture
def fresh(box: Box) -> Box:
    for list_ in (box.raw, box.envelopes, box.answers):
        list_.clear()
    box.refused.clear()
    return box


def text_of(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_message_arrives_with_text_html_and_files_over_starttls_and_sign_in(
    fresh: Box, tmp_path: Path
) -> None:
    page = tmp_path / "peak_demand.html"
    page.write_text("<h1>Peaks</h1>", encoding="utf-8")
    mail = Mail(
        "peaks 2026-11-03",
        "How many licenses are needed? \u2013 M\u00fcller & Co",
        ["It ran for October.", "Nothing is missing."],
        [("peak", "40"), ("95 % of time", "31 < 32")],
        ["Open the attached page."],
        [page],
    )
    settings = read_mail_settings(write_settings(tmp_path, fresh))
    assert send(settings, mail, TO, NOW) == Sent(TO, {}, [])
    assert fresh.envelopes == [("meter@example.com", TO)]
    (got,) = fresh.mails()
    assert got["Subject"] == "How many licenses are needed? \u2013 M\u00fcller & Co"
    assert (got["From"], got["To"]) == ("Process Meter <meter@example.com>", ", ".join(TO))
    assert (got["Date"], got["Auto-Submitted"]) == ("Tue, 03 Nov 2026 05:00:00 +0000", "auto-generated")
    assert text_of(got, "plain") == (
        "It ran for October.\n\nNothing is missing.\n\n"
        "peak          40\n95 % of time  31 < 32\n\n"
        "What to do next:\n- Open the attached page.\n"
    )
    assert "<b>31 &lt; 32</b>" in text_of(got, "html")
    (attached,) = got.iter_attachments()
    assert (attached.get_content_type(), attached.get_filename()) == ("text/html", "peak_demand.html")
    assert str(attached.get_content()).strip() == "<h1>Peaks</h1>"


def test_what_is_sent_again_has_the_same_message_id_and_names_all_recipients(
    fresh: Box, tmp_path: Path
) -> None:
    settings, mail = read_mail_settings(write_settings(tmp_path, fresh)), Mail("october", "Draft")
    send(settings, mail, TO[:1], NOW, shown=TO)
    send(settings, mail, TO[1:], NOW, shown=TO)
    first, second = fresh.mails()
    assert first["Message-ID"] == second["Message-ID"]
    assert (first["To"], second["To"]) == (", ".join(TO), ", ".join(TO))
    assert [to for _, to in fresh.envelopes] == [TO[:1], TO[1:]]


def test_tls_from_the_first_byte_works_too(tmp_path: Path) -> None:
    with mail_server(tmp_path, "tls") as box:
        settings = read_mail_settings(write_settings(tmp_path, box, "tls"))
        assert send(settings, Mail("a", "Draft"), TO, NOW).accepted == TO
        assert [mail["Subject"] for mail in box.mails()] == ["Draft"]
        assert box.sign_ins == [True]


def test_a_server_of_another_authority_gets_nothing(fresh: Box, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, fresh)
    settings.write_text(settings.read_text().replace(f'ca_file = "{fresh.ca}"', ""))
    with pytest.raises(MailProblem, match="certificate verify failed") as caught:
        send(read_mail_settings(settings), Mail("a", "Draft"), TO, NOW)
    assert PASSWORD not in str(caught.value)
    assert fresh.raw == []


def test_a_wrong_password_is_said_without_the_password(fresh: Box, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, fresh)
    (tmp_path / "mail.password").write_text("not the word")
    with pytest.raises(MailProblem, match=r"refuses meter: 535 .*check user and password_file") as caught:
        send(read_mail_settings(settings), Mail("a", "Draft"), TO, NOW)
    assert "not the word" not in str(caught.value) + repr(read_mail_settings(settings))


def test_one_refused_recipient_keeps_nobody_else_from_the_mail(fresh: Box, tmp_path: Path) -> None:
    fresh.refused["ben@example.com"] = "550 5.1.1 no such user"
    settings = read_mail_settings(write_settings(tmp_path, fresh))
    sent = send(settings, Mail("a", "Draft"), TO, NOW)
    assert sent == Sent(["ann@example.com"], {"ben@example.com": "550 5.1.1 no such user"}, [])
    with pytest.raises(MailProblem, match=r"takes no mail for ben@example.com: 550 5\.1\.1 no such user"):
        send(settings, Mail("a", "Draft"), TO[1:], NOW)


def test_a_server_that_is_down_or_says_no_is_a_problem_that_may_pass(fresh: Box, tmp_path: Path) -> None:
    path = write_settings(tmp_path, fresh)
    fresh.answers.append("451 4.3.0 try again later")
    with pytest.raises(MailProblem, match=r"took no mail: 451 4\.3\.0 try again later"):
        send(read_mail_settings(path), Mail("a", "Draft"), TO, NOW)
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    path.write_text(path.read_text().replace(f"port = {fresh.port}", f"port = {nobody}"))
    with pytest.raises(MailProblem, match=rf"localhost:{nobody} took no mail: Connection refused"):
        send(read_mail_settings(path), Mail("a", "Draft"), TO, NOW)


def test_a_file_too_large_for_the_server_or_the_settings_is_named_and_left_out(tmp_path: Path) -> None:
    large, small = tmp_path / "large.xlsx", tmp_path / "small.csv"
    large.write_bytes(b"\0" * 1_200_000)
    small.write_bytes(b"a,b\n")
    with mail_server(tmp_path, "none", size=1_500_000) as box:
        settings = read_mail_settings(write_settings(tmp_path, box, "none"))
        sent = send(settings, Mail("a", "Draft", files=[large, small, tmp_path / "gone.pdf"]), TO, NOW)
        assert sent.left_out == ["large.xlsx (1.2 MB)"]
        (got,) = box.mails()
    assert [part.get_filename() for part in got.iter_attachments()] == ["small.csv"]
    said = text_of(got, "plain")
    assert "large.xlsx (1.2 MB) is not attached: a message may have 1.5 MB" in said
    assert "gone.pdf is no longer there." in said


@given(st.text(), st.text(), st.text())
def test_no_text_becomes_a_header_a_tag_or_a_line_of_its_own(subject: str, word: str, value: str) -> None:
    mail = Mail("k", f"a\r\nBcc: eve@example.com\n\n{subject}", [word], [(word, value)], [value])
    message, _ = compose(mail, "meter@example.com", TO, NOW, 1 << 30)
    head, _, _ = message.as_bytes().partition(b"\r\n\r\n")
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] not in {b" ", b"\t"}]
    assert names == [
        b"Subject", b"From", b"To", b"Date", b"Message-ID", b"Auto-Submitted", b"MIME-Version",
        b"Content-Type",
    ]  # fmt: skip
    html = text_of(message, "html")
    assert html.count("<p>") == 2
    assert html.count("<li>") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nBcc: x", "a Bcc: x"),
        ("\u202egnp.exe", "gnp.exe"),
        ("tab\tNUL\0end", "tab NUL end"),
        ("half \ud800", "half"),
        ("M\u00fcller \U0001f600", "M\u00fcller \U0001f600"),
    ],
)
def test_a_text_is_one_line_of_what_can_be_read(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("ann@example.com", True), ("a.b+c@sub.example.com", True), ("ann@localhost", True),
        ("ann", False), ("ann@", False), ("ann@example.com\nBcc: eve@example.com", False),
        ("ann@example.com, eve@example.com", False), ("Ann <ann@example.com>", False),
        ("a..b@example.com", False),
        ("\u00e4nn@example.com", False),
    ],
)  # fmt: skip
def test_an_address_is_one_address_and_nothing_else(text: str, is_one: bool) -> None:
    assert is_address(text) is is_one


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('sender = "m@example.com"', "mail.toml, host: it is missing"),
        ('host = "mx.example.com"\nsender = "m@example.com"\nuesr = "x"', "uesr: unknown key"),
        ('host = "mx.example.com"\nsender = "m@example.com"\nsecurity = "none"', "for everybody to read"),
        ('host = "mx.example.com"\nsender = "m@example.com"\nsecurity = "ssl"', "one of starttls, tls, none"),
        ('host = "mx.example.com"\nsender = "nobody"', "'nobody' is no sender"),
        ('host = "mx.example.com"\nsender = "m@example.com"\noperator = ["it"]', "'it' is no e-mail address"),
        ('host = "mx.example.com"\nsender = "m@example.com"\nport = 70000', "a whole number, 1 to 65535"),
        (
            'host = "mx.example.com"\nsender = "m@example.com"\nuser = "u"',
            "PROCESS_METER_MAIL_PASSWORD has none",
        ),
        (
            'host = "mx.example.com"\nsender = "m@example.com"\nuser = "u"\npassword_file = "no"',
            "cannot be read",
        ),
        ("host = ", "mail.toml is no TOML"),
    ],
)
def test_wrong_settings_are_named_with_their_key(tmp_path: Path, lines: str, said: str) -> None:
    path = tmp_path / "mail.toml"
    path.write_text(lines)
    path.chmod(0o600)
    with pytest.raises(Problem, match=said):
        read_mail_settings(path, {})


def test_the_password_comes_from_a_variable_where_no_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mail.toml"
    path.write_text('host = "mx.example.com"\nsender = "m@example.com"\nuser = "u"')
    path.chmod(0o600)
    settings = read_mail_settings(path, {"PROCESS_METER_MAIL_PASSWORD": "s3cret"})
    assert (settings.password, settings.port, "s3cret" in repr(settings)) == ("s3cret", 587, False)


def test_a_password_that_mail_cannot_carry_is_refused_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "mail.toml"
    path.write_text('host = "mx.example.com"\nsender = "m@example.com"\nuser = "u"')
    path.chmod(0o600)
    with pytest.raises(Problem, match="signs beyond ASCII") as caught:
        read_mail_settings(path, {"PROCESS_METER_MAIL_PASSWORD": "gr\u00fcn"})
    assert "gr\u00fcn" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="modes are of POSIX")
@pytest.mark.parametrize("name", ["mail.toml", "mail.password"])
def test_a_file_that_others_can_read_is_refused(fresh: Box, tmp_path: Path, name: str) -> None:
    path = write_settings(tmp_path, fresh)
    (tmp_path / name).chmod(0o640)
    with pytest.raises(Problem, match=rf"{name} can be read by others \(mode 0640\); run `chmod 600"):
        read_mail_settings(path)
