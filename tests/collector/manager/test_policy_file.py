from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.manager.policy_file import BILLING_KEYS, defaults, parse, refuse_short_timeouts, render
from warehouse.errors import Problem

FILE = """
[collection]
gap_floor_seconds = 60
checkpoint_seconds = 60

[[collection.applications]]
code = "draftline-cad"
name = "Draftline CAD"
product = "draftline-suite"
billed = true
signatures = [
  { executable = "draftline.exe" },
  { executable = "/opt/draftline/*/bin/draft", window_class = "Draft*" },
]

[license]
idle_timeout_minutes = 15
signal = "input"

[license.applications."femora.25"]
signal = "input+cpu"
cpu_threshold = 50
idle_timeout_seconds = 100

[billing]
idle_timeout_minutes = 10
buffer_minutes = 2.5
overlap = "full"
charge_to = "cost_center"
review_days = 5
separation_of_duties = false
waiver_may_approve = false
"""


def test_a_policy_file_becomes_one_document_for_each_table() -> None:
    documents = parse(FILE, "policy.toml")

    assert documents["collection"] == {
        "gap_floor_ms": 60_000,
        "poll_ms": 1_000,
        "checkpoint_ms": 60_000,
        "delivery_ms": 10_000,
        "presence_ms": 5_000,
        "policy_refresh_ms": 60_000,
        "projects_refresh_ms": 300_000,
        "prompt": "off",
        "applications": [
            {
                "code": "draftline-cad",
                "name": "Draftline CAD",
                "product": "draftline-suite",
                "billed": True,
                "signatures": [
                    {"executable": "draftline.exe"},
                    {"executable": "/opt/draftline/*/bin/draft", "window_class": "Draft*"},
                ],
            }
        ],
    }
    assert documents["license"] == {
        "default": {
            "idle_timeout_ms": 900_000,
            "signal": "input",
            "cpu_threshold": 5,
            "held_is_active": False,
            "buffer_ms": 0,
        },
        "applications": {
            "femora.25": {"signal": "input+cpu", "cpu_threshold": 50, "idle_timeout_ms": 100_000}
        },
    }
    assert documents["billing"]["default"]["buffer_ms"] == 150_000
    assert {key: documents["billing"][key] for key in BILLING_KEYS} == {
        "overlap": "full",
        "charge_to": "cost_center",
        "review_days": 5,
        "separation_of_duties": False,
        "waiver_may_approve": False,
    }


def test_what_is_shown_can_be_applied_again() -> None:
    documents = parse(FILE, "policy.toml")

    assert parse(render(documents), "shown") == documents


def test_what_is_shown_reads_well() -> None:
    shown = render(parse(FILE, "policy.toml"))

    assert '[license]\nidle_timeout_minutes = 15\nsignal = "input"\n' in shown
    assert '[license.applications."femora.25"]\n' in shown
    assert "idle_timeout_seconds = 100" in shown
    assert "gap_floor_seconds = 60\npoll_seconds = 1\n" in shown


def test_the_example_of_the_documentation_is_a_good_file() -> None:
    page = Path(__file__).parents[3] / "docs" / "policy-file.md"
    example = page.read_text(encoding="utf-8").split("```toml")[1].split("```")[0]

    documents = parse(example, page.name)

    assert documents["license"]["applications"] == {"draftline-cad": {"signal": "presenting"}}
    refuse_short_timeouts(documents, page.name)


def test_whether_to_ask_at_launch_is_said_for_all_and_for_each() -> None:
    text = """
[collection]
prompt = "at_launch"
[[collection.applications]]
code = "cad"
name = "CAD"
billed = true
prompt = false
signatures = [{ executable = "cad" }]
"""
    document = parse(text, "policy.toml")["collection"]

    assert (document["prompt"], document["applications"][0]["prompt"]) == ("at_launch", False)
    assert parse(render({"collection": document}), "shown")["collection"] == document


def test_a_billing_policy_that_says_nothing_is_the_strict_one() -> None:
    assert {key: parse("[billing]\n", "p")["billing"][key] for key in BILLING_KEYS} == {
        "overlap": "union",
        "charge_to": "project",
        "review_days": 0,
        "separation_of_duties": True,
        "waiver_may_approve": True,
    }


def test_a_table_left_out_is_not_there() -> None:
    assert parse("[license]\n", "policy.toml").keys() == {"license"}


def test_the_poll_is_half_the_gap_floor_at_most() -> None:
    assert parse("[collection]\ngap_floor_seconds = 1\n", "f")["collection"]["poll_ms"] == 500


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[collection", "p.toml is not TOML: "),
        ("[licence]\n", "p.toml, licence: there is no such key; use collection, license, billing"),
        ("[collection]\nidle = 1", "p.toml, [collection], idle: there is no such key; use gap_floor_seconds"),
        (
            "[collection]\ngap_floor_seconds = 0.5",
            "p.toml, [collection], gap_floor_seconds: 0.5 is too small; give 1 or",
        ),
        (
            "[collection]\nprompt = 'always'",
            "p.toml, [collection], prompt: 'always' is no way to ask; give one of off, at_launch",
        ),
        (
            "[[collection.applications]]\ncode='a'\nname='A'\nprompt=true\nsignatures=[{executable='a'}]",
            "[collection.applications #1], prompt: its use is billed to no project; write billed = true",
        ),
        (
            "[collection]\npoll_seconds = 31",
            "p.toml, [collection], poll_seconds: is more than half the gap floor",
        ),
        ("[collection]\npoll_seconds = '1'", "p.toml, [collection], poll_seconds: '1' is not a number"),
        ("[collection]\npoll_seconds = true", "p.toml, [collection], poll_seconds: True is not a number"),
        (
            "[collection]\npoll_seconds = nan",
            "p.toml, [collection], poll_seconds: Decimal('NaN') is not a number",
        ),
        ("[collection]\npoll_seconds = 1e999999", "is out of range"),
        (
            "[billing]\ncharge_to = 'client'",
            "[billing], charge_to: 'client' is no way to charge; give one of project, cost_center",
        ),
        ("[billing]\nreview_days = 2.5", "[billing], review_days: 2.5 is no number of days; write a whole"),
        ("[billing]\nreview_days = 400", "[billing], review_days: 400 is no number of days; write a whole"),
        ("[billing]\nreview_days = -1", "[billing], review_days: -1 is out of range"),
        ("[billing]\nreview_days = '5'", "[billing], review_days: '5' is not a number"),
        ("[billing]\nwaiver_may_approve = 1", "waiver_may_approve: 1 is neither true nor false"),
        ("[collection]\npoll_seconds = 1.00001", "is no whole number of milliseconds"),
        ("[collection]\napplications = 1", "p.toml, [collection], applications: is not a list"),
        (
            "[[collection.applications]]\nname = 'A'",
            "[collection.applications #1], code: is missing or no text",
        ),
        (
            "[[collection.applications]]\ncode = 'a b'",
            "[collection.applications #1], code: 'a b' is not a code",
        ),
        (
            "[[collection.applications]]\ncode = 'a'\nname = 'A'",
            "[collection.applications #1], signatures: there is none",
        ),
        (
            "[[collection.applications]]\ncode = 'a'\nname = 'A'\nsignatures = [{executable = '*'}]",
            "[collection.applications #1.signatures #1], executable: it matches every program",
        ),
        (
            "[[collection.applications]]\ncode = 'a'\nname = 'A'\nsignatures = [{executable='a', url='x'}]",
            "[collection.applications #1.signatures #1], url: there is no such key",
        ),
        (
            "[[collection.applications]]\ncode = 'a'\nname = \"A\\u0000\"\nsignatures = [{executable = 'a'}]",
            "name: is too long or has unprintable characters",
        ),
        (
            "[license]\nsignal = 'inputs'",
            "p.toml, [license], policy: signal is 'inputs'; give one of input, input+cpu",
        ),
        ("[license]\noverlap = 'full'", "p.toml, [license], overlap: there is no such key"),
        ("[license]\nheld_is_active = 1", "p.toml, [license], held_is_active: 1 is neither true nor false"),
        ("[license]\nidle_timeout_minutes = 1\nidle_timeout_seconds = 1", "keep one of the two"),
        ("[license.applications]\na = 1", "p.toml, [license], a: is not a table; write it as [license.a]"),
        (
            "[billing]\noverlap = 'both'",
            "p.toml, [billing], overlap: 'both' is no overlap policy; give one of union",
        ),
        ("[billing.applications.a]\nT = 1", "p.toml, [billing.applications.a], T: there is no such key"),
    ],
)
def test_a_bad_policy_file_is_refused_by_file_table_and_key(text: str, message: str) -> None:
    with pytest.raises(Problem) as caught:
        parse(text, "p.toml")

    assert message in str(caught.value)


def test_two_applications_cannot_have_one_code() -> None:
    one = "[[collection.applications]]\ncode = 'a'\nname = 'A'\nsignatures = [{executable = 'a'}]\n"

    with pytest.raises(Problem, match="'a' is there twice"):
        parse(one + one, "p.toml")


def test_no_idle_timeout_is_below_the_gap_floor() -> None:
    documents = {**defaults(), **parse("[billing.applications.a]\nidle_timeout_seconds = 30\n", "p.toml")}

    with pytest.raises(Problem) as caught:
        refuse_short_timeouts(documents, "p.toml")

    assert str(caught.value).startswith(
        "p.toml, [billing.applications.a], idle_timeout: 30 s is below the gap floor of the collection policy"
    )


texts = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
codes = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,9}", fullmatch=True)
rules = st.fixed_dictionaries(
    {},
    optional={
        "idle_timeout_ms": st.integers(0, 10**8),
        "signal": st.sampled_from(["input", "input+cpu", "focus", "presenting"]),
        "cpu_threshold": st.integers(0, 100) | st.floats(0, 100, width=32).filter(lambda x: x != int(x)),
        "held_is_active": st.booleans(),
        "buffer_ms": st.integers(0, 10**8),
    },
)
whole_rules = st.fixed_dictionaries(
    {
        "idle_timeout_ms": st.integers(0, 10**8),
        "signal": st.just("input"),
        "cpu_threshold": st.integers(0, 100),
        "held_is_active": st.booleans(),
        "buffer_ms": st.integers(0, 10**8),
    }
)
applications = st.fixed_dictionaries(
    {
        "name": texts,
        "billed": st.booleans(),
        "signatures": st.lists(
            st.fixed_dictionaries(
                {"executable": texts.filter(lambda text: text.strip("*?/"))},
                optional={"arguments": texts, "window_class": texts, "parent": texts},
            ),
            min_size=1,
            max_size=3,
        ),
    },
    optional={"product": texts, "version": texts, "edition": texts, "prompt": st.booleans()},
).filter(lambda row: row["billed"] or not row.get("prompt"))


@given(
    floor=st.integers(1_000, 900_000),
    rows=st.dictionaries(codes, applications, max_size=4),
    default=whole_rules,
    overrides=st.dictionaries(codes, rules, max_size=4),
    prompt=st.sampled_from(["off", "at_launch"]),
)
def test_any_policy_survives_being_shown(
    floor: int, rows: dict[str, Any], default: dict[str, Any], overrides: dict[str, Any], prompt: str
) -> None:
    documents = {
        "collection": {
            "gap_floor_ms": floor,
            "poll_ms": floor // 2,
            "checkpoint_ms": 1_000,
            "delivery_ms": 500,
            "presence_ms": 500,
            "policy_refresh_ms": 1_000,
            "projects_refresh_ms": 1_000,
            "prompt": prompt,
            "applications": [{"code": code, **row} for code, row in rows.items()],
        },
        "license": {"default": default, "applications": overrides},
    }

    assert parse(render(documents), "shown") == documents
