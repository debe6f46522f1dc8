"""Pseudonyms by keyed hash, and the key files: apart from the warehouse, for their owner alone."""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from tempfile import mkstemp
from typing import Literal

import platformdirs
from sqlalchemy.engine import URL, make_url

from warehouse.errors import Problem

Kind = Literal["P", "A", "H", "D"]
"""Person, account, host, client device."""
KEY_BYTES = 32


def keys_folder(url: URL | str) -> Path:
    """Return the folder of a warehouse's key files.

    PROCESS_METER_KEYS where it is set; `<warehouse file>.keys` beside a SQLite warehouse; else the user's
    configuration folder. Machines that read one PostgreSQL warehouse need the same `pseudonym.key`.
    """
    set_by_hand = os.environ.get("PROCESS_METER_KEYS")
    if set_by_hand:
        return Path(set_by_hand)
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Path(f"{parsed.database}.keys").absolute()
    return platformdirs.user_config_path("process-meter", appauthor=False)


def secret_key(folder: Path, name: str) -> bytes:
    """Return the 32 bytes of a key file, drawn at random when the file is absent.

    Raises
    ------
    Problem
        The file cannot be read or written, or does not hold 32 bytes.
    """
    path = folder / name
    try:
        if not path.exists():
            _create(path)
        key = path.read_bytes()
    except OSError as error:
        raise Problem(
            f"The key file {path} cannot be used: {error.strerror}",
            "check the folder's permissions, or name another with PROCESS_METER_KEYS",
        ) from error
    if len(key) != KEY_BYTES:
        raise Problem(f"The key file {path} does not hold {KEY_BYTES} bytes", "restore it from a backup")
    return key


def _create(path: Path) -> None:
    """Write a new key so that it is there whole or not at all, and never replaces one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, draft = mkstemp(dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        _link_new(Path(draft), path)
    finally:
        Path(draft).unlink(missing_ok=True)


def _link_new(draft: Path, path: Path) -> None:
    try:
        path.hardlink_to(draft)
    except FileExistsError:  # another process was first: its key counts
        return


def pseudonym_key(url: URL | str) -> bytes:
    """Return the key of a warehouse's pseudonyms."""
    return secret_key(keys_folder(url), "pseudonym.key")


def pseudonym(kind: Kind, number: int, key: bytes) -> str:
    """Return the name under which people see a row of `person`, `account`, `host` or `client_device`."""
    digest = hmac.digest(key, f"{kind}:{number}".encode(), sha256)
    return f"{kind}-{digest.hex()[:8].upper()}"


def pseudonyms(kind: Kind, numbers: Iterable[int], key: bytes) -> dict[int, str]:
    """Return the pseudonym of each id."""
    return {number: pseudonym(kind, number, key) for number in numbers}
