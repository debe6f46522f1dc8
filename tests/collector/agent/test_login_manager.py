"""Asking the login manager whether the screen is locked, over a socket that answers as a message bus does."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.agent.login_manager import LOOKS_BETWEEN_CONNECTS, Call, LoginLock

HELLO = (
    # What `Hello` looks like, as the bus of Debian 12 takes it.
    b"l\x01\x00\x01\x00\x00\x00\x00\x01\x00\x00\x00m\x00\x00\x00"
    b"\x01\x01o\x00\x15\x00\x00\x00/org/freedesktop/DBus\x00\x00\x00"
    b"\x02\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00\x00\x00\x00"
    b"\x03\x01s\x00\x05\x00\x00\x00Hello\x00\x00\x00"
    b"\x06\x01s\x00\x14\x00\x00\x00org.freedesktop.DBus\x00"
    b"\x00\x00\x00"
)


def message(kind: int, answers: int, signature: bytes, body: bytes) -> bytes:
    fields = struct.pack("<BB2sI", 5, 1, b"u\0", answers)
    if signature:
        fields += struct.pack("<BB2sB", 8, 1, b"g\0", len(signature)) + signature + b"\0"
    head = struct.pack("<cBBBIII", b"l", kind, 0, 1, len(body), 99, len(fields)) + fields
    return head + b"\0" * (-len(head) % 8) + body


class Bus:
    """Listens at a path; `locked` is what it says, None refuses the question."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "bus"
        self.locked: bool | None = False
        self.asked: list[bytes] = []
        self.client: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def environment(self) -> dict[str, str]:
        return {"DBUS_SYSTEM_BUS_ADDRESS": f"unix:abstract=x;unix:path={self.path},guid=7"}

    def signal(self) -> None:
        assert self.client
        self.client.sendall(message(4, 0, b"s", struct.pack("<I", 1) + b"x\0"))

    def end(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                self.client, _ = self._listener.accept()
            except OSError:
                return
            with self.client:
                self._talk(self.client)

    def _talk(self, client: socket.socket) -> None:
        assert client.recv(100).startswith(b"\0AUTH EXTERNAL ")
        client.sendall(b"OK 0123456789abcdef\r\n")
        assert client.recv(7) == b"BEGIN\r\n"
        while head := client.recv(16):
            body_length, serial, fields_length = struct.unpack("<III", head[4:])
            fields = client.recv(fields_length + -fields_length % 8)
            self.asked.append(head + fields + (client.recv(body_length) if body_length else b""))
            client.sendall(self._answer(self.asked[-1], serial))

    def _answer(self, asked: bytes, serial: int) -> bytes:
        if b"GetSession" in asked:
            path = b"/org/freedesktop/login1/session/_37"
            return message(2, serial, b"o", struct.pack("<I", len(path)) + path + b"\0")
        if b"LockedHint" not in asked:
            return message(2, serial, b"", b"")
        if self.locked is None:
            return message(3, serial, b"", b"")
        # A signal comes in between: it is passed over.
        return message(4, 0, b"", b"") + message(
            2, serial, b"v", b"\x01b\0\0" + struct.pack("<I", self.locked)
        )


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bus]:
    monkeypatch.setattr("collector.agent.login_manager.PATIENCE_SECONDS", 60.0)  # this bus answers in the end
    made = Bus(tmp_path)
    yield made
    made.end()


def test_a_call_is_written_as_the_bus_expects_it() -> None:
    call = Call("org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "Hello")
    assert call.encode(1) == HELLO


def test_the_hint_is_asked_once_and_again_after_a_signal(bus: Bus) -> None:
    login = LoginLock(bus.environment)
    assert [login.look() for _ in range(3)] == [False, False, False]
    questions = len(bus.asked)
    bus.locked = True
    bus.signal()
    assert login.look() is True
    assert len(bus.asked) == questions + 1
    assert b"/org/freedesktop/login1/session/auto" in bus.asked[-1]
    login.close()


def test_the_logon_session_is_the_one_of_the_environment(bus: Bus) -> None:
    login = LoginLock({**bus.environment, "XDG_SESSION_ID": "7"})
    assert login.look() is False
    assert b"/org/freedesktop/login1/session/_37" in bus.asked[-1]
    login.close()


def test_a_refusal_means_that_nobody_says_and_is_not_asked_all_the_time(bus: Bus) -> None:
    bus.locked = None
    login = LoginLock(bus.environment)
    assert login.look() is None
    bus.locked = True
    assert [login.look() for _ in range(LOOKS_BETWEEN_CONNECTS)] == [None] * LOOKS_BETWEEN_CONNECTS
    assert login.look() is True
    login.close()


def test_a_bus_that_goes_away_means_that_nobody_says(bus: Bus) -> None:
    login = LoginLock(bus.environment)
    assert login.look() is False
    assert bus.client
    bus.client.shutdown(socket.SHUT_RDWR)
    assert [login.look() for _ in range(2)] == [None, None]


@pytest.mark.parametrize("address", ["unix:path=/absent/bus", "tcp:host=127.0.0.1,port=1", ""])
def test_without_a_bus_nobody_says(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.agent.login_manager.SYSTEM_BUS", "unix:path=/absent/bus")
    assert LoginLock({"DBUS_SYSTEM_BUS_ADDRESS": address}).look() is None
