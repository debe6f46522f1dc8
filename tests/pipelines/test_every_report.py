"""Every report runs on a whole organization and on a license server's log alone, or says what is missing."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import small_warehouse
from sqlalchemy import text

from collector.importers.records import Options
from collector.importing.files import import_files
from pipelines.reports import Report, ReportFailed, list_reports, run_report
from warehouse.store import open_warehouse, upgrade

REPORTS = {report.name: report for report in list_reports() if not report.of_record}
NO_RUN = "There is no billing run yet; import the fiscal periods with `process-meter calendar import FILE`"
NO_SESSION = (
    "There are no sessions from 2026-10-05 to 2026-10-12; enroll an agent, or `process-meter import` a log"
)
NO_PERIOD = "No fiscal period has begun; import some: `process-meter calendar import FILE`"
SAYS_OF_THE_WEEK = {
    "billing_reconciliation": "Run 2026-10/1 has no tie-out; draft its period again",
    "denials": "Whether any request was refused is not known: no log of a license server tells of it",
    "harvest_ledger": "No seat was proposed for taking back",
    "vendor_reconciliation": "There are no vendor's counts",
}
SAYS_OF_NOTHING = {
    "billing_reconciliation": NO_RUN,
    "charges_by_application": NO_RUN,
    "charges_by_project": NO_RUN,
    "cost_recovery": NO_RUN,
    "fleet_coverage": "No agent has enrolled yet, so no machine is watched; draw a token",
    "harvest_ledger": "No seat was proposed for taking back",
    "negotiation_pack": "There are no sessions from 2023-10-12 to 2026-10-12; enroll an agent",
    "project_data_quality": NO_PERIOD,
    "unbilled_time": NO_PERIOD,
    "unused_licenses": "No seats are assigned to anybody; import them",
    "vendor_reconciliation": "There are no vendor's counts",
}
"""Of an empty warehouse, where it is not NO_SESSION."""
SAYS_OF_THE_LOG = {
    "billing_reconciliation": NO_RUN,
    "charges_by_application": NO_RUN,
    "charges_by_project": NO_RUN,
    "cost_recovery": NO_RUN,
    "compliance": "No license is owned on the last day of the window, 2016-04-29; enter what you own",
    "contract_calendar": "enter what you own: `process-meter entitlement import FILE`",
    "fleet_coverage": "No agent has enrolled yet, so no machine is watched",
    "harvest_ledger": "No seat was proposed for taking back",
    "idle_definition": "a license server's log says only who had a license",
    "negotiation_pack": "No license is owned on the last day of the window",
    "project_data_quality": NO_PERIOD,
    "unbilled_time": NO_PERIOD,
    "unused_licenses": "No seats are assigned to anybody; import them",
    "vendor_reconciliation": "There are no vendor's counts",
}


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('week') / 'warehouse.sqlite'}"
    engine = upgrade(url)
    small_warehouse.fill(engine)
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def log_alone(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> str:
    url = f"sqlite:///{tmp_path_factory.mktemp('log') / 'warehouse.sqlite'}"
    engine = upgrade(url)
    log = real_data / "autodesk-flexnet" / "sample.log"
    import_files(engine, "flexnet", [log], Options(zone="UTC"), actor="test", at_ms=1)
    engine.dispose()
    return url


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, empty_warehouse: Path) -> str:
    path = tmp_path_factory.mktemp("nothing") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    return f"sqlite:///{path}"


@pytest.fixture(scope="module")
def without_evidence(empty: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("organization") / "warehouse.sqlite"
    shutil.copyfile(empty.removeprefix("sqlite:///"), path)
    engine = open_warehouse(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO organization (id, name, zone, currency, settings) "
                "VALUES (1, 'Blank', 'Europe/Berlin', 'EUR', '{}')"
            )
        )
    engine.dispose()
    return f"sqlite:///{path}"


def ran(report: Report, given: dict[str, str], url: str, out: Path) -> str:
    """Run a report with those of the values that it takes; return what its page says, or why it stopped."""
    known = {parameter.name for parameter in report.parameters}
    try:
        result = run_report(
            report.name, {name: value for name, value in given.items() if name in known}, out=out, url=url
        )
    except ReportFailed as failed:
        page = max((out / report.name).glob("*/*.html")).read_text(encoding="utf-8")
        assert "The report stops here. " in page
        assert "Traceback" not in page
        assert "What was counted" not in page, "a heading of nothing"
        return str(failed)
    assert result.html is not None
    page = result.html.read_text(encoding="utf-8")
    assert "Traceback" not in page
    assert not re.search(r">(None|nan|NaN|NULL)<", page)
    assert "What was counted" in page
    assert result.results
    return ""


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_on_a_week_that_can_be_counted_by_hand(name: str, week: str, tmp_path: Path) -> None:
    says = ran(REPORTS[name], small_warehouse.WINDOW, week, tmp_path)
    expected = SAYS_OF_THE_WEEK.get(name, "")
    assert (expected in says) if expected else says == ""


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_on_nothing_it_says_what_is_missing_and_how_to_get_it(
    name: str, empty: str, without_evidence: str, tmp_path: Path
) -> None:
    for url in (empty, without_evidence):
        assert SAYS_OF_NOTHING.get(name, NO_SESSION) in ran(
            REPORTS[name], small_warehouse.WINDOW, url, tmp_path
        )


@pytest.mark.realdata
@pytest.mark.parametrize("name", sorted(REPORTS))
def test_on_a_real_license_servers_log_alone(name: str, log_alone: str, tmp_path: Path) -> None:
    april = {"start": "2016-03-30", "end": "2016-04-30", "basis": "run"}
    says = ran(REPORTS[name], april, log_alone, tmp_path)
    expected = SAYS_OF_THE_LOG.get(name, "")
    assert (expected in says) if expected else says == ""
