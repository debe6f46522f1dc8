"""Which columns of a vendor's seat export say who holds what: mappings shipped here, or a file's own."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any

from warehouse.errors import Problem

_SHIPPED = resources.files("warehouse.directory") / "mappings"
_LISTS = ("people", "products", "no_product")


@dataclass(frozen=True)
class SeatMapping:
    """What a seat export says, and where.

    Parameters
    ----------
    people
        Columns that name the holder by e-mail, account or code; the first that finds somebody counts.
    products
        Column of the products, by all the names that the vendor has given it.
    separator
        Between several products of one cell; none: one row per product.
    no_product
        What a cell says of somebody without a seat.
    unless
        Rows that are no seat: by column, what it says then.
    valid_from, dates
        Column of the seat's first day, and how it is written; none: the day of the import.
    complete
        Whoever is not in the export holds no seat any more.
    entitlements
        Code of the entitlement by name of the product.
    """

    people: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    separator: str | None = None
    no_product: tuple[str, ...] = ()
    unless: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    valid_from: str | None = None
    dates: str | None = None
    complete: bool = False
    entitlements: Mapping[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """All columns that are read."""
        dated = [self.valid_from] if self.valid_from else []
        return list(dict.fromkeys([*self.people, *self.products, *self.unless, *dated]))


def column_name(name: str) -> str:
    """Return a column's name as tables are read: in lower case, spaces as underscores."""
    return re.sub(r"\s+", "_", name.strip().lower())


def shipped() -> list[str]:
    """Return the names of the mappings that are shipped."""
    return sorted(
        each.name.removesuffix(".toml") for each in _SHIPPED.iterdir() if each.name.endswith(".toml")
    )


def seat_mapping(name: str) -> SeatMapping:
    """Return the mapping of a shipped name, or of a file.

    Raises
    ------
    Problem
        There is none of that name, or the file says something that means nothing.
    """
    document = _document(name)
    if "base" in document:
        base = document.pop("base")
        if base not in shipped():
            raise Problem(
                f"{name}: there is no shipped mapping {base!r}", f"name one of {', '.join(shipped())}"
            )
        document = {**_document(str(base)), **document}
    return _mapping(name, document)


def _document(name: str) -> dict[str, Any]:
    if name in shipped():
        return tomllib.loads((_SHIPPED / f"{name}.toml").read_text(encoding="utf-8"))
    path = Path(name)
    if not path.is_file():
        remedy = f"name a TOML file, or one of {', '.join(shipped())}"
        raise Problem(f"There is no mapping {name!r}", remedy)
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise Problem(f"{path.name} is not TOML that can be read: {error}", "correct it") from None


def _mapping(name: str, document: Mapping[str, Any]) -> SeatMapping:
    known = [each.name for each in fields(SeatMapping)]
    for key, value in document.items():
        if key not in known:
            raise Problem(f"{name}: unknown key {key!r}", f"known keys: base, {', '.join(known)}")
        if not _fits(key, value):
            raise Problem(f"{name}: {key!r} is not {_shape(key)}", "docs/importing.md has an example")
    for key in ("people", "products"):
        if not document.get(key):
            raise Problem(
                f"{name}: {key!r} is missing", f'write {key} = ["Column"], or base = "{shipped()[0]}"'
            )
    if document.get("valid_from") and not document.get("dates"):
        raise Problem(
            f"{name}: valid_from needs dates", 'write dates = "iso", or a pattern such as "%m/%d/%Y"'
        )
    made: dict[str, Any] = {key: tuple(value) if key in _LISTS else value for key, value in document.items()}
    for key in ("people", "products"):
        made[key] = tuple(column_name(column) for column in made[key])
    if "valid_from" in made:
        made["valid_from"] = column_name(made["valid_from"])
    made["unless"] = {column_name(key): tuple(value) for key, value in document.get("unless", {}).items()}
    codes = document.get("entitlements", {})
    made["entitlements"] = {product.strip().lower(): code for product, code in codes.items()}
    return SeatMapping(**made)


def _fits(key: str, value: object) -> bool:
    if key in _LISTS:
        return _is_texts(value)
    if key == "unless":
        return isinstance(value, dict) and all(_is_texts(each) for each in value.values())
    if key == "entitlements":
        return isinstance(value, dict) and _is_texts(list(value.values()))
    return isinstance(value, bool if key == "complete" else str)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value)


def _shape(key: str) -> str:
    if key in _LISTS:
        return "a list of texts"
    shapes = {"unless": "a table of lists of texts", "entitlements": "a table of texts"}
    return shapes.get(key, "true or false" if key == "complete" else "a text")
