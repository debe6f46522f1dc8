"""What a report may be asked with: the parameters that its notebook declares, and values checked against it.

Papermill only warns of an unknown parameter and runs on with defaults, and it executes a name that holds
code: so everything that the notebook does not declare is refused here, before anything runs.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from keyword import iskeyword
from pathlib import Path
from typing import Any

import papermill

from warehouse.errors import Problem

KINDS: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
WANTED = {"str": "text", "int": "a whole number", "float": "a number", "bool": "true or false"}
SECRET = re.compile(r"://[^/\s]*:[^/\s]*@")
"""A URL with a password in it."""


@dataclass(frozen=True)
class Parameter:
    """One parameter of a report or a query: `kind` is one of `KINDS`."""

    name: str
    kind: str
    default: object
    help: str


def declared_parameters(notebook: Path) -> tuple[Parameter, ...]:
    """Read what the notebook's parameters cell declares, in its order."""
    inspected = papermill.inspect_notebook(str(notebook)).values()
    return tuple(_parameter(notebook, item) for item in inspected)


def check_parameters(
    asked: str, parameters: Iterable[Parameter], given: Mapping[str, object]
) -> dict[str, Any]:
    """Check and convert the values that something, named by `asked`, is asked with: `Report utilization`.

    Raises
    ------
    Problem
        A name that the report does not declare, a value of another type, a secret.
    """
    known = {parameter.name: parameter for parameter in parameters}
    for name in given:
        if name not in known:
            raise Problem(f"{asked} has no parameter {name!r}", nearest(name, known, "its parameters are"))
    return {name: _value(asked, known[name], value) for name, value in given.items()}


def nearest(name: str, known: Iterable[str], otherwise: str) -> str:
    """Suggest the known name that is nearest to a wrong one, or list all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else f"{otherwise} {', '.join(names) or 'none'}"


def _parameter(path: Path, item: Mapping[str, str]) -> Parameter:
    name, kind = item["name"], item["inferred_type_name"]
    if kind not in KINDS or not name.isidentifier() or iskeyword(name):
        raise Problem(
            f"{path.name}: parameter {name} cannot be asked for", f"declare it as one of {', '.join(KINDS)}"
        )
    return Parameter(name, kind, ast.literal_eval(item["default"]), item["help"].strip())


def _value(asked: str, parameter: Parameter, given: Any) -> Any:
    kind = KINDS[parameter.kind]
    value: Any = _from_text(given, kind) if isinstance(given, str) else given
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
        raise Problem(
            f"{asked}: {parameter.name} cannot be {given!r}",
            f"give {WANTED[parameter.kind]} ({parameter.help})",
        )
    if isinstance(value, str) and SECRET.search(value):
        raise Problem(
            f"{asked}: {parameter.name} holds a password, and parameters are written into the report",
            "name the warehouse with --warehouse or PROCESS_METER_WAREHOUSE",
        )
    return value


def _from_text(text: str, kind: type) -> Any:
    """Convert text as the shell gives it; what does not convert stays text, and is refused as such."""
    if kind is bool:
        return {"true": True, "false": False}.get(text.lower(), text)
    if kind is str:
        return text
    try:
        return kind(text)
    except ValueError:
        return text
