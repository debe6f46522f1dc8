"""What a mapping file may say: known keys, of the right kind; which program is which application."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from warehouse.errors import Problem

T = TypeVar("T")
_KINDS = {str: "a text", bool: "true or false", dict: "a table", int: "a whole number"}


def check_keys(mapping: Mapping[str, Any], known: Collection[str], place: str = "the mapping") -> None:
    """Refuse keys that mean nothing.

    Raises
    ------
    Problem
        Names the key and those that there are.
    """
    for key in mapping:
        if key not in known:
            remedy = f"known keys: {', '.join(sorted(known))}" if known else "leave --mapping out"
            raise Problem(f"Unknown key {key!r} in {place}", remedy)


def value_of(mapping: Mapping[str, Any], key: str, kind: type[T], default: T) -> T:
    """Return what the mapping says for a key.

    Raises
    ------
    Problem
        It is of another kind.
    """
    found = mapping.get(key, default)
    if type(found) is not kind:
        raise Problem(f"The mapping's {key!r} is not {_KINDS[kind]}", "correct the mapping file")
    return found


class Applications:
    """Which application a program is: `applications = {"acad.exe" = "AUTOCAD"}`, `only_mapped = true`.

    Programs are compared in lower case. A program that is not named is its own application, in lower case, or
    none where only named ones count.
    """

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        named = value_of(mapping, "applications", dict, {})
        for program, code in named.items():
            if not isinstance(code, str) or not code.strip():
                raise Problem(f"The mapping's application for {program!r} is not a text", "give its code")
        self._named: dict[str, str] = {
            str(program).strip().lower(): code.strip() for program, code in named.items()
        }
        self._only_named = value_of(mapping, "only_mapped", bool, False)

    def code(self, program: str) -> str | None:
        """Return the application's code; None: not wanted."""
        program = program.lower()
        return self._named.get(program, None if self._only_named else program)

    def code_of_product(self, product: str) -> str:
        """Return the code of a product that a table names; one that the mapping does not is its own code."""
        return self._named.get(product.lower(), product)
