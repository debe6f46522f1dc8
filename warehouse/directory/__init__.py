"""Master data and their validity: who and what exists, under which pseudonym, and how files bring it in."""

from __future__ import annotations

from warehouse.directory.accounts import ensure_account, ensure_host
from warehouse.directory.pseudonyms import Kind, keys_folder, pseudonym, pseudonym_key, pseudonyms, secret_key

__all__ = [
    "Kind",
    "ensure_account",
    "ensure_host",
    "keys_folder",
    "pseudonym",
    "pseudonym_key",
    "pseudonyms",
    "secret_key",
]
