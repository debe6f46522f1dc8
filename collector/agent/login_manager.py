"""Whether the login manager says that this logon session is locked: `LockedHint` of systemd-logind.

Speaks just enough of the D-Bus wire protocol, over a plain socket, to ask that one question and to hear when
the answer may have changed; a library for it would weigh more than the agent.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass

SYSTEM_BUS = "unix:path=/run/dbus/system_bus_socket"
BUS = "org.freedesktop.DBus"
LOGIN = "org.freedesktop.login1"
OWN_SESSION = "/org/freedesktop/login1/session/auto"
PATIENCE_SECONDS = 1.0
LOOKS_BETWEEN_CONNECTS = 60
CALL, ANSWER = 1, 2
"""Kinds of messages."""


class LoginLock:
    """Knows whether this logon session is locked, if the login manager tells.

    Parameters
    ----------
    environment
        Names the bus and the logon session, where it is not the usual one.
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("DBUS_SYSTEM_BUS_ADDRESS") or SYSTEM_BUS
        self._session_id = environment.get("XDG_SESSION_ID")
        self._bus: _Bus | None = None
        self._path = ""
        self._locked: bool | None = None
        self._skip = 0

    def look(self) -> bool | None:
        """Return whether the session is locked; None when nobody says."""
        if self._skip:
            self._skip -= 1
            return None
        try:
            if self._bus is None:
                self._connect()
            elif self._bus.has_news():
                self._locked = self._ask(self._bus)
        except (OSError, ValueError, struct.error):
            self.close()
            self._skip = LOOKS_BETWEEN_CONNECTS
        return self._locked

    def close(self) -> None:
        """Let go of the bus."""
        bus, self._bus, self._locked = self._bus, None, None
        if bus:
            bus.close()

    def _connect(self) -> None:
        self._bus = bus = _Bus(self._address)
        self._path = OWN_SESSION
        if self._session_id:
            wanted = (self._session_id,)
            found = bus.call(Call(LOGIN, "/org/freedesktop/login1", f"{LOGIN}.Manager", "GetSession", wanted))
            self._path = _first_string(found)
        rule = f"type='signal',sender='{LOGIN}',interface='{BUS}.Properties',member='PropertiesChanged'"
        bus.call(Call(BUS, "/org/freedesktop/DBus", BUS, "AddMatch", (rule,)))
        self._locked = self._ask(bus)

    def _ask(self, bus: _Bus) -> bool:
        """Ask for the hint: a variant that holds a boolean."""
        names = (f"{LOGIN}.Session", "LockedHint")
        answer = bus.call(Call(LOGIN, self._path, f"{BUS}.Properties", "Get", names))
        if answer[:3] != b"\x01b\x00":
            raise ValueError("LockedHint is not a boolean")
        return bool(struct.unpack_from("<I", answer, 4)[0])


@dataclass(frozen=True, slots=True)
class Call:
    """One method call; all arguments are strings."""

    destination: str
    path: str
    interface: str
    member: str
    arguments: tuple[str, ...] = ()

    def encode(self, serial: int) -> bytes:
        """Return the message in little-endian byte order."""
        body = fields = b""
        for argument in self.arguments:
            body = _padded(body, 4) + _string(argument)
        texts = ((1, b"o", self.path), (2, b"s", self.interface), (3, b"s", self.member))
        for code, kind, value in (*texts, (6, b"s", self.destination)):
            fields = _padded(fields, 8) + struct.pack("<BB2s", code, 1, kind + b"\0") + _string(value)
        if self.arguments:
            kinds = b"s" * len(self.arguments)
            fields = _padded(fields, 8) + struct.pack("<BB2sB", 8, 1, b"g\0", len(kinds)) + kinds + b"\0"
        head = struct.pack("<cBBBIII", b"l", CALL, 0, 1, len(body), serial, len(fields))
        return _padded(head + fields, 8) + body


class _Bus:
    """A connection to a message bus."""

    def __init__(self, address: str) -> None:
        self._socket = _stream()
        self._socket.settimeout(PATIENCE_SECONDS)
        self._serial = 0
        try:
            self._socket.connect(_unix_path(address))
            self._sign_in()
            self.call(Call(BUS, "/org/freedesktop/DBus", BUS, "Hello"))
        except BaseException:
            self._socket.close()
            raise

    def _sign_in(self) -> None:
        user = _user().encode().hex().encode()
        self._socket.sendall(b"\0AUTH EXTERNAL " + user + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n"):
            answer += self._read(1)
        if not answer.startswith(b"OK "):
            raise ValueError("the bus does not let this account in")
        self._socket.sendall(b"BEGIN\r\n")

    def call(self, call: Call) -> bytes:
        """Send a call and return the body of its answer; signals that come meanwhile are dropped."""
        self._serial += 1
        self._socket.sendall(call.encode(self._serial))
        while True:
            kind, answers, body = self._message()
            if answers == self._serial:
                if kind != ANSWER:
                    raise ValueError(f"{call.member} was refused")
                return body

    def has_news(self) -> bool:
        """Whether anything came since the last call; it is dropped."""
        news = False
        while select.select([self._socket], [], [], 0)[0]:
            self._message()
            news = True
        return news

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def _message(self) -> tuple[int, int, bytes]:
        """Read one message; return its kind, the serial that it answers, and its body."""
        head = self._read(16)
        order = "<" if head[:1] == b"l" else ">"
        body_length, _, fields_length = struct.unpack(f"{order}III", head[4:])
        fields = self._read(fields_length + -fields_length % 8)
        return head[1], _reply_serial(fields[:fields_length], order), self._read(body_length)

    def _read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the bus has closed the connection")
            data += more
        return data


def _stream() -> socket.socket:
    if sys.platform == "win32":
        made = socket.socket()  # there is no bus to connect it to, and nobody asks for one
    else:
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    return made


def _user() -> str:
    if sys.platform == "win32":
        number = ""
    else:
        number = str(os.getuid())
    return number


def _reply_serial(fields: bytes, order: str) -> int:
    """Return field 5 of a header; 0 when it has none."""
    place = 0
    while place < len(fields):
        code, kind = fields[place], fields[place + 2 : place + 3]
        place += 4
        if kind == b"u":
            if code == 5:
                return int(struct.unpack_from(f"{order}I", fields, place)[0])
            place += 4
        elif kind == b"g":
            place += fields[place] + 2
        else:
            place += int(struct.unpack_from(f"{order}I", fields, place)[0]) + 5
        place += -place % 8
    return 0


def _first_string(body: bytes) -> str:
    (length,) = struct.unpack_from("<I", body)
    return body[4 : 4 + length].decode()


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<I", len(data)) + data + b"\0"


def _padded(data: bytes, unit: int) -> bytes:
    return data + b"\0" * (-len(data) % unit)


def _unix_path(address: str) -> str:
    for choice in address.split(";"):
        kind, _, keys = choice.partition(":")
        if kind == "unix":
            for key in keys.split(","):
                name, _, value = key.partition("=")
                if name == "path":
                    return value
    raise ValueError(f"{address}: no bus with a path")
