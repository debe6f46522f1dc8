from __future__ import annotations

import json
from pathlib import Path

import pytest
from manager_rig import NOON, POLICY, rows
from sqlalchemy import Engine, text

from collector.manager import policies
from collector.protocol import MonitoredApplication, Signature
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.states import Policy, Rule

VERSIONS = (
    "SELECT p.purpose, v.version, v.created_by FROM policy_version v JOIN policy p ON p.id = v.policy_id "
    "ORDER BY v.id"
)


def apply(engine: Engine, content: str) -> dict[str, int]:
    return policies.apply_text(engine, content, "policy.toml", "admin", NOON)


def test_the_first_policy_makes_a_version_of_each_purpose(both_engines: Engine) -> None:
    assert apply(both_engines, POLICY) == {"collection": 1, "license": 1, "billing": 1}

    assert rows(both_engines, VERSIONS) == [
        ("collection", 1, "admin"),
        ("license", 1, "admin"),
        ("billing", 1, "admin"),
    ]


def test_only_what_changed_makes_a_new_version(both_engines: Engine) -> None:
    apply(both_engines, POLICY)

    assert apply(both_engines, POLICY) == {}
    assert apply(both_engines, "[license]\nidle_timeout_minutes = 5\n") == {"license": 2}
    assert apply(both_engines, policies.show(both_engines)) == {}


def test_a_file_on_disk_is_applied_and_a_missing_one_named(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)

    assert policies.apply(engine, path, "admin", NOON)["collection"] == 1
    with pytest.raises(Problem, match=r"other\.toml cannot be read: .* give a TOML file in UTF-8"):
        policies.apply(engine, tmp_path / "other.toml", "admin", NOON)


def test_agents_get_the_newest_collection_policy(engine: Engine) -> None:
    assert policies.collection_policy(engine).version == 0
    assert policies.collection_policy(engine).applications == ()

    apply(engine, POLICY)
    apply(engine, POLICY.replace("[collection]", "[collection]\ngap_floor_seconds = 1"))

    policy = policies.collection_policy(engine)
    assert (policy.version, policy.gap_floor_ms, policy.poll_ms) == (2, 1_000, 500)
    assert policy.applications[0] == MonitoredApplication(
        code="cad", name="Draftline CAD", billed=True, signatures=(Signature(executable="draftline"),)
    )


@pytest.mark.parametrize(
    ("everywhere", "own", "asked"),
    [
        ("", "", False),
        ('prompt = "at_launch"', "", True),
        ('prompt = "at_launch"', "prompt = false", False),
        ('prompt = "off"', "prompt = true", True),
    ],
)
def test_an_application_asks_at_launch_if_it_is_billed_and_the_policy_says_so(
    engine: Engine, everywhere: str, own: str, asked: bool
) -> None:
    apply(
        engine,
        POLICY.replace("[collection]", f"[collection]\n{everywhere}").replace(
            "billed = true", f"billed = true\n{own}"
        ),
    )

    billed, unbilled = policies.collection_policy(engine).applications
    assert (billed.prompt, unbilled.prompt) == (asked, False)


def test_applications_become_rows_with_products_and_signatures(both_engines: Engine) -> None:
    apply(
        both_engines,
        POLICY.replace('name = "Draftline CAD"', 'name = "Draftline"\nproduct = "suite"\nversion = "26"'),
    )
    apply(both_engines, POLICY.replace("executable", "parent = 'sh', executable"))

    # A product that the file says no more about stays.
    assert rows(
        both_engines,
        "SELECT a.code, a.name, p.code, a.version, a.metered, a.billed FROM application a "
        "LEFT JOIN product p ON p.id = a.product_id ORDER BY a.code",
    ) == [
        ("cad", "Draftline CAD", "suite", "26", True, True),
        ("gis", "Terralume GIS", None, None, True, False),
    ]
    assert rows(both_engines, "SELECT executable, parent FROM signature ORDER BY executable") == [
        ("draftline", "sh"),
        ("terralume", "sh"),
    ]


def test_an_application_that_left_the_policy_is_metered_no_more(engine: Engine) -> None:
    apply(engine, POLICY)
    apply(engine, POLICY.split('[[collection.applications]]\ncode = "gis"')[0])

    assert rows(engine, "SELECT code, metered FROM application ORDER BY code") == [
        ("cad", True),
        ("gis", False),
    ]


def test_license_and_billing_rules_reach_the_metrics(engine: Engine) -> None:
    apply(engine, POLICY)
    apply(
        engine,
        "[license.applications.gis]\nsignal = 'focus'\n"
        "[billing]\nidle_timeout_minutes = 10\nbuffer_minutes = 10\n",
    )

    assert frames.policy(engine, "license") == Policy(2, Rule(), {"gis": Rule(signal="focus")})
    assert frames.policy(engine, "billing") == Policy(2, Rule(idle_timeout_ms=600_000, buffer_ms=600_000))


def test_no_timeout_is_below_the_gap_floor_in_force(engine: Engine) -> None:
    apply(engine, POLICY)

    with pytest.raises(
        Problem, match=r"policy\.toml, \[license\], idle_timeout: 30 s is below the gap floor"
    ):
        apply(engine, "[license]\nidle_timeout_seconds = 30\n")
    with pytest.raises(
        Problem, match=r"\[billing\], idle_timeout: 900 s is below .* or lower gap_floor_seconds"
    ):
        apply(engine, "[collection]\ngap_floor_seconds = 901\n[license]\nidle_timeout_minutes = 20\n")

    assert len(rows(engine, VERSIONS)) == 3


def test_a_rule_for_an_unknown_application_is_refused(engine: Engine) -> None:
    apply(engine, POLICY)

    with pytest.raises(
        Problem, match=r"policy\.toml, \[license\.applications\], cda: there is no such application"
    ):
        apply(engine, "[license.applications.cda]\nsignal = 'focus'\n")


def test_a_short_document_is_read_with_its_defaults(engine: Engine) -> None:
    apply(engine, POLICY)
    short = {"default": {"idle_timeout_ms": 600_000}, "applications": {}}
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE policy_version SET document = :short WHERE policy_id = "
                "(SELECT id FROM policy WHERE purpose = 'billing')"
            ),
            {"short": json.dumps(short)},
        )

    assert '[billing]\nidle_timeout_minutes = 10\nsignal = "input"\n' in policies.show(engine)
    assert apply(engine, policies.show(engine)) == {}


def test_what_a_policy_bills_is_for_the_billing_staff_and_the_rest_is_not(engine: Engine) -> None:
    apply(engine, POLICY)
    settings = json.dumps({"billing_staff": ["pat"]})
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO organization (name, zone, currency, settings) "
                "VALUES ('Example', 'UTC', 'EUR', :settings)"
            ),
            {"settings": settings},
        )

    assert apply(engine, "[license]\nidle_timeout_minutes = 5\n") == {"license": 2}
    with pytest.raises(
        Problem, match=r"^admin cannot change the billing policy: admin is not of the billing"
    ):
        apply(engine, "[billing]\nbuffer_minutes = 7\n")
    with pytest.raises(Problem, match=r"^admin cannot change which applications are billed: admin is not of"):
        apply(engine, policies.show(engine).replace("billed = true", "billed = false"))
    with pytest.raises(Problem, match=r"^admin cannot change which applications are billed: admin is not of"):
        apply(engine, "[collection]\n")
    assert policies.apply_text(engine, "[billing]\nbuffer_minutes = 7\n", "policy.toml", "Pat", NOON) == {
        "billing": 2
    }
