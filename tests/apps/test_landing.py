from __future__ import annotations

from datetime import UTC, date, datetime

import polars as pl
from sqlalchemy import Engine

from apps import landing
from pipelines.answers.about_you import AboutYou
from pipelines.answers.fleet import Fleet
from pipelines.answers.footer import Footer
from pipelines.answers.last_period import LastPeriod
from pipelines.answers.renewals import Renewals
from warehouse.errors import Problem

NOW = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
FOOTER = Footer(
    basis="busy: in use",
    key="what each license counts",
    window="2025-11-24 to 2026-11-24, the last day not included",
    zone="Europe/Berlin",
    calendar="business hours",
    session_coverage=0.991,
    fleet_coverage=0.92,
    policy="license policy, version 3",
    rows={"sessions": 10},
    made_at=NOW,
    source="the warehouse of Tiny Works (SQLite)",
)
CONTRACTS = pl.DataFrame(
    {
        "product_name": ["CAD <Pro>", "Solver"],
        "metric": ["named_user", "token"],
        "valid_to": [date(2026, 12, 31), date(2027, 6, 1)],
        "notice_on": [date(2026, 10, 1), date(2027, 3, 1)],
        "owned": [40, 60],
        "peak": [12, 71],
        "need_95": [3, 45],
        "need": [30, 45],
        "money_at_risk_minor": [1_200_000, 0],
        "currency": ["EUR", "USD"],
    }
)
FLEET = Fleet(
    first_day=date(2026, 10, 25),
    end_day=date(2026, 11, 24),
    zone="Europe/Berlin",
    share=0.955,
    observed_workdays=955,
    workdays=1000,
    hosts=50,
    unseen=1,
    by_office=pl.DataFrame(
        {
            "name": ["Berlin"],
            "hosts": [50],
            "unseen": [1],
            "workdays": [1000],
            "observed_workdays": [955],
            "coverage": [0.955],
        }
    ),
)
PERIOD = LastPeriod(
    run="2026-10/1",
    period="2026-10",
    status="closed",
    billed_minor={"EUR": 8_900_000, "JPY": 1500},
    held_minor={"EUR": 12_345},
    not_assigned_ms=5_400_000,
    by_payer=pl.DataFrame(
        {"payer": ["City"], "lines": [2], "amount_minor": [890], "held_minor": [0], "currency": ["EUR"]}
    ),
    made_at=NOW,
)


def _you(sessions: int) -> AboutYou:
    rows = [("CAD", sessions, NOW, NOW)] if sessions else []
    instant = pl.Datetime("ms", "UTC")
    return AboutYou(
        account="pat",
        zone="Europe/Berlin",
        since=NOW,
        pseudonyms=["A-00000001", "P-00000001"] if sessions else [],
        applications=pl.DataFrame(
            rows,
            schema={"name": pl.String, "sessions": pl.Int64, "first": instant, "last": instant},
            orient="row",
        ),
        views=pl.DataFrame(schema={"at": instant, "actor": pl.String, "action": pl.String}),
    )


def test_renewals_show_owned_peak_need_and_money_at_risk() -> None:
    html = landing.renewals_tile(Renewals(CONTRACTS, {"EUR": 1_200_000, "USD": 0}, footer=FOOTER, results={}))
    assert '<p class="key">12,000.00 <small>EUR</small></p>' in html
    assert "in 1 of 2 contracts that end soon. For 1 of them the day of notice has passed." in html
    assert 'The next notice is due by <span class="c">2027-03-01</span>: Solver.' in html
    assert "CAD &lt;Pro&gt;" in html
    for label, value in (("Owned", "40"), ("Peak", "12"), ("95 % need", "3"), ("Needed", "30")):
        assert f'<td class="n" data-label="{label}">{value}</td>' in html
    assert '<td class="n" data-label="At risk a year">12,000.00 EUR</td>' in html
    assert "Session coverage 99.1 %, fleet coverage 92.0 %." in html
    assert 'download="renewals.csv"' in html
    assert 'href="overview"' in html


def test_without_contracts_the_tile_says_how_to_enter_them() -> None:
    empty = Renewals(CONTRACTS.clear(), {}, footer=FOOTER, results={})
    html = landing.renewals_tile(empty)
    assert "No contract of the warehouse ends within twelve months." in html
    assert "<code>process-meter entitlement import FILE</code>" in html


def test_fleet_coverage_names_its_window_and_leads_to_the_offices() -> None:
    html = landing.fleet_tile(FLEET)
    assert '<p class="key">95.5 <small>%</small></p>' in html
    assert "<dt>Workdays watched</dt><dd>955 of 1,000</dd>" in html
    assert 'href="#fleet"' in html
    assert 'id="fleet"' in landing.fleet_section(FLEET)


def test_without_machines_the_tile_says_how_to_enter_them() -> None:
    html = landing.fleet_tile(Problem("no host of the directory has a workday", "import hosts"))
    assert "no host of the directory has a workday; import hosts" in html
    assert "<code>process-meter directory import FILE</code>" in html
    assert landing.fleet_section(Problem("no host")) == ""


def test_the_last_period_shows_billed_held_and_not_assigned() -> None:
    html = landing.period_tile(PERIOD)
    assert "<h2>2026-10 billed</h2>" in html
    assert (
        '<p class="key">89,000.00 <small>EUR</small></p><p class="key">1,500 <small>JPY</small></p>' in html
    )
    assert "<dt>On hold in review</dt><dd>123.45 EUR</dd>" in html
    assert "<dt>Without a project</dt><dd>1.5 h</dd>" in html
    assert 'href="#billing"' in html


def test_before_the_first_run_the_tile_says_how_to_make_one() -> None:
    html = landing.period_tile(Problem("There is no billing run yet", "prepare one with `process-meter x`"))
    assert "There is no billing run yet; prepare one with <code>process-meter x</code>" in html


def test_what_is_recorded_about_you_says_what_it_is_not_for() -> None:
    tile, section = landing.you_tile(_you(3)), landing.you_section(_you(3))
    assert '<p class="key">3 <small>sessions</small></p>' in tile
    assert "<dt>You appear as</dt><dd>P-00000001</dd>" in tile
    assert "Nobody has looked at your name." in section
    assert "Use for judging performance is excluded" in section
    assert '<td class="w" data-label="First start">2026-11-24 14:05</td>' in section
    assert "<dt>Never</dt><dd>window titles" in section
    assert "idle" not in tile


def test_nobody_known_has_nothing_recorded() -> None:
    assert "Nothing was recorded about the account pat in the last 7 days." in landing.you_section(_you(0))


def test_an_empty_warehouse_tells_the_first_steps(engine: Engine) -> None:
    assert "<code>process-meter directory import FILE</code>" in landing.title(engine, NOW)
    assert landing.tiles(engine, "pat", NOW) == ""
    assert "The page Start says in which order it is set up." in (landing.not_begun(engine) or "")
