"""The policy as a TOML file: what is metered, and what counts as active, for licenses and for billing.

Pure: text in, documents out, and back. A document is what `policy_version.document` holds for its purpose:

- `collection`: the timings of `protocol.CollectionPolicy`, and `prompt`, whether billed applications ask at
  launch which project they are for; each application with its product, and its own `prompt`, besides;
- `license`, `billing`: the document of `warehouse.metrics.states.Policy`; billing adds the keys of
  `BILLING_KEYS`.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from warehouse.errors import Problem
from warehouse.metrics.states import Policy, Rule

Document = dict[str, Any]
Documents = dict[str, Document]

PURPOSES = ("collection", "license", "billing")
PROMPTS = ("off", "at_launch")
OVERLAPS = ("union", "full", "foreground", "equal_split")
CHARGE_TO = ("project", "cost_center")
BILLING_KEYS = ("overlap", "charge_to", "review_days", "separation_of_duties", "waiver_may_approve")
LONGEST_REVIEW_DAYS = 366
LONGEST_TEXT = 200
CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Place:
    """Where in a policy file something stands, for messages."""

    file: str
    table: str = ""

    def inside(self, name: str) -> Place:
        """Return the place of a table within this one."""
        return Place(self.file, f"{self.table}.{name}" if self.table else name)

    def problem(self, key: str, message: str, remedy: str) -> Problem:
        """Return the error for one key of this table."""
        where = f"{self.file}, [{self.table}]" if self.table else self.file
        return Problem(f"{where}, {key}: {message}", remedy)


# --- Reading -----------------------------------------------------------------------------------------------


def parse(text: str, file: str) -> Documents:
    """Read a policy file.

    Parameters
    ----------
    text
        TOML with any of the tables `collection`, `license`, `billing`.
    file
        Its name, for messages.

    Returns
    -------
    dict
        One document for each table that the file has; a table left out is not in it.

    Raises
    ------
    Problem
        Not TOML, an unknown key, a value out of range; names file, table and key.
    """
    place = Place(file)
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise Problem(f"{file} is not TOML: {error}", "correct it at the line it names") from error
    _refuse_unknown(tables, PURPOSES, place)
    readers = {"collection": _collection, "license": _license, "billing": _billing}
    return {
        purpose: readers[purpose](_table(tables[purpose], place, purpose), place.inside(purpose))
        for purpose in PURPOSES
        if purpose in tables
    }


def defaults() -> Documents:
    """Return the documents of a file that has the three tables and nothing in them."""
    return parse("[collection]\n[license]\n[billing]\n", "the defaults")


def _collection(table: Mapping[str, Any], place: Place) -> Document:
    timings = {name.replace("_ms", "_seconds"): name for name in TIMINGS}
    _refuse_unknown(table, (*timings, "prompt", "applications"), place)
    document: Document = {name: _timing(table, key, name, place) for key, name in timings.items()}
    half = document["gap_floor_ms"] // 2
    if "poll_seconds" not in table:
        document["poll_ms"] = min(document["poll_ms"], half)
    if document["poll_ms"] > half:
        raise place.problem(
            "poll_seconds", "is more than half the gap floor", f"give {_decimal(half, 1_000)} or less"
        )
    document["prompt"] = _text(table, "prompt", place) if "prompt" in table else "off"
    if document["prompt"] not in PROMPTS:
        raise place.problem(
            "prompt", f"{document['prompt']!r} is no way to ask", f"give one of {', '.join(PROMPTS)}"
        )
    document["applications"] = _applications(table.get("applications", []), place)
    return document


TIMINGS = {  # field of the collection policy: default and least
    "gap_floor_ms": (60_000, 1_000),
    "poll_ms": (1_000, 100),
    "checkpoint_ms": (60_000, 1_000),
    "delivery_ms": (10_000, 500),
    "presence_ms": (5_000, 500),
    "policy_refresh_ms": (60_000, 1_000),
    "projects_refresh_ms": (300_000, 1_000),
}


def _timing(table: Mapping[str, Any], key: str, name: str, place: Place) -> int:
    default, least = TIMINGS[name]
    value = _milliseconds(table, key, 1_000, place) if key in table else default
    if value < least:
        raise place.problem(key, f"{table[key]} is too small", f"give {_decimal(least, 1_000)} or more")
    return value


def _applications(given: object, place: Place) -> list[Document]:
    rows = _list(given, place, "applications")
    read = [_application(row, place, number) for number, row in enumerate(rows, 1)]
    codes = [application["code"] for application in read]
    for code in codes:
        if codes.count(code) > 1:
            raise place.problem(
                "applications", f"{code!r} is there twice", "give each application its own code"
            )
    return read


def _application(given: object, place: Place, number: int) -> Document:
    place = place.inside(f"applications #{number}")
    row = _table(given, place, "application")
    known = ("code", "name", "product", "version", "edition", "billed", "prompt", "signatures")
    _refuse_unknown(row, known, place)
    code = _text(row, "code", place)
    if not CODE.fullmatch(code):
        raise place.problem("code", f"{code!r} is not a code", "use letters, digits, '.', '_', '+' and '-'")
    signatures = _list(row.get("signatures", []), place, "signatures")
    if not signatures:
        raise place.problem("signatures", "there is none", 'give at least { executable = "NAME" }')
    billed = _flag(row, "billed", place, default=False)
    prompt = {"prompt": _flag(row, "prompt", place, default=False)} if "prompt" in row else {}
    if prompt.get("prompt") and not billed:
        raise place.problem("prompt", "its use is billed to no project", "write billed = true, or no prompt")
    return {
        "code": code,
        "name": _text(row, "name", place),
        **{key: _text(row, key, place) for key in ("product", "version", "edition") if key in row},
        "billed": billed,
        **prompt,
        "signatures": [
            _signature(each, place, place_number) for place_number, each in enumerate(signatures, 1)
        ],
    }


def _signature(given: object, place: Place, number: int) -> Document:
    place = place.inside(f"signatures #{number}")
    row = _table(given, place, "signature")
    known = ("executable", "arguments", "window_class", "parent")
    _refuse_unknown(row, known, place)
    signature = {key: _text(row, key, place) for key in known if key in row or key == "executable"}
    if not signature["executable"].strip("*?/"):
        raise place.problem("executable", "it matches every program", "name the executable")
    return signature


def _license(table: Mapping[str, Any], place: Place) -> Document:
    _refuse_unknown(table, (*_RULE_KEYS, "applications"), place)
    overrides = _table(table.get("applications", {}), place, "applications")
    rules = {
        code: _rule(_table(row, place, code), place.inside(f"applications.{code}"))
        for code, row in overrides.items()
    }
    default = _rule({key: value for key, value in table.items() if key != "applications"}, place)
    document = {"default": {**asdict(Rule()), **default}, "applications": rules}
    try:
        Policy.from_document(0, document)
    except Problem as problem:
        raise Problem(f"{place.file}, [{place.table}], {problem.message}", problem.remedy) from None
    return document


def _billing(table: Mapping[str, Any], place: Place) -> Document:
    _refuse_unknown(table, (*_RULE_KEYS, *BILLING_KEYS, "applications"), place)
    return {
        **_license({key: value for key, value in table.items() if key not in BILLING_KEYS}, place),
        "overlap": _one_of(table, "overlap", OVERLAPS, "overlap policy", place),
        "charge_to": _one_of(table, "charge_to", CHARGE_TO, "way to charge", place),
        "review_days": _review_days(table, place) if "review_days" in table else 0,
        "separation_of_duties": _flag(table, "separation_of_duties", place, default=True),
        "waiver_may_approve": _flag(table, "waiver_may_approve", place, default=True),
    }


def _one_of(table: Mapping[str, Any], key: str, known: Sequence[str], what: str, place: Place) -> str:
    """Return one of the words known; the first where the table says nothing."""
    word = _text(table, key, place) if key in table else known[0]
    if word not in known:
        raise place.problem(key, f"{word!r} is no {what}", f"give one of {', '.join(known)}")
    return word


def _review_days(table: Mapping[str, Any], place: Place) -> int:
    """Return how many days the managers have to sign; 0: as long as it takes."""
    days = _number(table, "review_days", place)
    if days != int(days) or days > LONGEST_REVIEW_DAYS:
        raise place.problem(
            "review_days",
            f"{days} is no number of days",
            f"write a whole number from 0 to {LONGEST_REVIEW_DAYS}",
        )
    return int(days)


def _rule(row: Mapping[str, Any], place: Place) -> Document:
    _refuse_unknown(row, _RULE_KEYS, place)
    rule: Document = {}
    for key in row:
        field, read = _RULE_KEYS[key]
        if field in rule:
            raise place.problem(key, "the same is given in minutes and in seconds", "keep one of the two")
        rule[field] = read(row, key, place)
    return rule


def _minutes(row: Mapping[str, Any], key: str, place: Place) -> int:
    return _milliseconds(row, key, 60_000, place)


def _seconds(row: Mapping[str, Any], key: str, place: Place) -> int:
    return _milliseconds(row, key, 1_000, place)


def _percent(row: Mapping[str, Any], key: str, place: Place) -> float:
    number = _number(row, key, place)
    return int(number) if number == int(number) else float(number)


def _plain_text(row: Mapping[str, Any], key: str, place: Place) -> str:
    return _text(row, key, place)


def _plain_flag(row: Mapping[str, Any], key: str, place: Place) -> bool:
    return _flag(row, key, place, default=False)


_RULE_KEYS: dict[str, tuple[str, Callable[[Mapping[str, Any], str, Place], Any]]] = {
    "idle_timeout_minutes": ("idle_timeout_ms", _minutes),
    "idle_timeout_seconds": ("idle_timeout_ms", _seconds),
    "signal": ("signal", _plain_text),
    "cpu_threshold": ("cpu_threshold", _percent),
    "held_is_active": ("held_is_active", _plain_flag),
    "buffer_minutes": ("buffer_ms", _minutes),
    "buffer_seconds": ("buffer_ms", _seconds),
}


def refuse_short_timeouts(documents: Documents, file: str) -> None:
    """Refuse an idle timeout below the gap floor: evidence cannot tell shorter gaps.

    Parameters
    ----------
    documents
        All three, as they would be in force together.

    Raises
    ------
    Problem
        Names the table whose timeout is too short.
    """
    floor_ms = documents["collection"]["gap_floor_ms"]
    for purpose in PURPOSES[1:]:
        rules = {"": documents[purpose]["default"], **documents[purpose]["applications"]}
        for code, rule in rules.items():
            if rule.get("idle_timeout_ms", floor_ms) < floor_ms:
                raise Place(file, f"{purpose}.applications.{code}" if code else purpose).problem(
                    "idle_timeout",
                    f"{_decimal(rule['idle_timeout_ms'], 1_000)} s is below the gap floor of the collection "
                    f"policy, {_decimal(floor_ms, 1_000)} s",
                    "raise it, or lower gap_floor_seconds of [collection]",
                )


# --- Single values -----------------------------------------------------------------------------------------


def _refuse_unknown(table: Mapping[str, Any], known: Collection[str], place: Place) -> None:
    for key in table:
        if key not in known:
            raise place.problem(key, "there is no such key", f"use {', '.join(known)}")


def _table(given: object, place: Place, key: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise place.problem(key, "is not a table", f"write it as [{place.inside(key).table}]")
    return given


def _list(given: object, place: Place, key: str) -> list[Any]:
    if not isinstance(given, list):
        raise place.problem(key, "is not a list", f"write each entry as [[{place.inside(key).table}]]")
    return given


def _text(row: Mapping[str, Any], key: str, place: Place) -> str:
    value = row.get(key)
    if not isinstance(value, str) or not value.strip():
        raise place.problem(key, "is missing or no text", f'write {key} = "..."')
    if len(value) > LONGEST_TEXT or not value.isprintable():
        raise place.problem(
            key, "is too long or has unprintable characters", f"at most {LONGEST_TEXT} printable ones"
        )
    return value


def _flag(row: Mapping[str, Any], key: str, place: Place, *, default: bool) -> bool:
    value = row.get(key, default)
    if not isinstance(value, bool):
        raise place.problem(key, f"{value!r} is neither true nor false", "write true or false")
    return value


def _number(row: Mapping[str, Any], key: str, place: Place) -> Decimal:
    value = row[key]
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not Decimal(value).is_finite():
        raise place.problem(key, f"{value!r} is not a number", "write a number")
    if not 0 <= value <= 1_000_000:
        raise place.problem(key, f"{value} is out of range", "write a number from 0 to 1000000")
    return Decimal(value)


def _milliseconds(row: Mapping[str, Any], key: str, unit_ms: int, place: Place) -> int:
    value = _number(row, key, place) * unit_ms
    if value != int(value):
        raise place.problem(key, f"{row[key]} is no whole number of milliseconds", "round it")
    return int(value)


# --- Writing -----------------------------------------------------------------------------------------------


def render(documents: Documents) -> str:
    """Write the documents as TOML that `parse` reads back as equal documents."""
    blocks = [
        *(_render_collection(documents["collection"]) if "collection" in documents else ()),
        *(
            block
            for name in PURPOSES[1:]
            if name in documents
            for block in _render_rules(name, documents[name])
        ),
    ]
    return "\n\n".join(blocks) + "\n"


def _render_collection(document: Document) -> list[str]:
    timings = [_seconds_line(name, document[name]) for name in TIMINGS]
    prompt = f"prompt = {_value(document['prompt'])}"
    return [
        "\n".join(["[collection]", *timings, prompt]),
        *map(_render_application, document["applications"]),
    ]


def _render_application(application: Document) -> str:
    lines = [f"{key} = {_value(value)}" for key, value in application.items() if key != "signatures"]
    signatures = [
        "{ " + ", ".join(f"{key} = {_value(value)}" for key, value in signature.items()) + " }"
        for signature in application["signatures"]
    ]
    return "\n".join(
        ["[[collection.applications]]", *lines, "signatures = [", *(f"  {each}," for each in signatures), "]"]
    )


def _render_rules(purpose: str, document: Document) -> list[str]:
    extra = [f"{key} = {_value(document[key])}" for key in BILLING_KEYS if key in document]
    return [
        "\n".join([f"[{purpose}]", *_rule_lines(document["default"]), *extra]),
        *(
            "\n".join([f"[{purpose}.applications.{_key(code)}]", *_rule_lines(rule)])
            for code, rule in document["applications"].items()
        ),
    ]


def _rule_lines(rule: Document) -> list[str]:
    return [
        _duration(name.removesuffix("_ms"), value) if name.endswith("_ms") else f"{name} = {_value(value)}"
        for name, value in rule.items()
    ]


def _seconds_line(name: str, milliseconds: int) -> str:
    return f"{name.replace('_ms', '_seconds')} = {_decimal(milliseconds, 1_000)}"


def _duration(name: str, milliseconds: int) -> str:
    # One minute has a factor 3: what it does not divide has no finite decimal in minutes.
    unit, unit_ms = ("minutes", 60_000) if milliseconds % 3 == 0 else ("seconds", 1_000)
    return f"{name}_{unit} = {_decimal(milliseconds, unit_ms)}"


def _decimal(milliseconds: int, unit_ms: int) -> str:
    return format(Decimal(milliseconds) / unit_ms, "f")


def _value(value: object) -> str:
    # Printable text alone gets here, for which the strings of JSON and TOML are the same.
    return json.dumps(value, ensure_ascii=False)


def _key(code: str) -> str:
    return code if BARE_KEY.fullmatch(code) else _value(code)
