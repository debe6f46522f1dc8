"""Pseudonyms by keyed hash, and the key files."""

from __future__ import annotations

import hashlib
import hmac
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from warehouse.directory import keys_folder, pseudonym, pseudonym_key, pseudonyms, secret_key
from warehouse.errors import Problem


def test_a_pseudonym_is_the_kind_and_eight_digits_of_the_keyed_hash() -> None:
    expected = hmac.new(b"k" * 32, b"P:17", hashlib.sha256).hexdigest()[:8].upper()
    assert pseudonym("P", 17, b"k" * 32) == f"P-{expected}"
    assert pseudonyms("P", [17], b"k" * 32) == {17: f"P-{expected}"}


def test_kinds_and_keys_do_not_share_pseudonyms() -> None:
    names = {pseudonym(kind, 1, key)[2:] for kind in ("P", "A", "H", "D") for key in (b"a" * 32, b"b" * 32)}
    assert len(names) == 8


def test_keys_lie_beside_a_sqlite_warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys_folder(f"sqlite:///{tmp_path}/w.sqlite") == tmp_path / "w.sqlite.keys"
    assert keys_folder("postgresql+psycopg://host/w").name == "process-meter"
    monkeypatch.setenv("PROCESS_METER_KEYS", str(tmp_path / "elsewhere"))
    assert keys_folder("postgresql+psycopg://host/w") == tmp_path / "elsewhere"


def test_a_key_is_drawn_once(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/w.sqlite"
    key = pseudonym_key(url)
    assert len(key) == 32
    assert pseudonym_key(url) == key
    assert secret_key(keys_folder(url), "manager.key") != key
    assert sorted(path.name for path in (tmp_path / "w.sqlite.keys").iterdir()) == [
        "manager.key",
        "pseudonym.key",
    ]


def test_only_the_owner_can_read_a_key(tmp_path: Path) -> None:
    secret_key(tmp_path / "keys", "pseudonym.key")
    if sys.platform != "win32":
        assert stat.S_IMODE((tmp_path / "keys" / "pseudonym.key").stat().st_mode) == 0o600
        assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_many_that_need_the_key_at_once_get_the_same(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        keys = set(pool.map(lambda _: secret_key(tmp_path, "pseudonym.key"), range(64)))
    assert len(keys) == 1
    assert [path.name for path in tmp_path.iterdir() if "key" in path.name] == ["pseudonym.key"]


def test_a_damaged_or_unreadable_key_is_named_and_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "pseudonym.key").write_bytes(b"short")
    with pytest.raises(Problem, match=r"pseudonym.key does not hold 32 bytes; restore it from a backup"):
        secret_key(tmp_path, "pseudonym.key")
    assert (tmp_path / "pseudonym.key").read_bytes() == b"short"

    (tmp_path / "file").write_text("")
    with pytest.raises(Problem, match=r"cannot be used: .*; check the folder's permissions"):
        secret_key(tmp_path / "file", "pseudonym.key")
