"""Every report runs on a whole organization and on a license server's log alone, or says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
import small_warehouse

from collector.importers.records import Options
from collector.importing.files import import_files
from pipelines.reports import Report, ReportFailed, list_reports, run_report
from warehouse.store import upgrade

REPORTS = {report.name: report for report in list_reports() if not report.of_record}
SAYS_OF_THE_WEEK = {
    "billing_reconciliation": "Run 2026-10/1 has no tie-out; draft its period again",
    "denials": "Whether any request was refused is not known: no log of a license server tells of it",
    "harvest_ledger": "No seat was proposed for taking back",
    "vendor_reconciliation": "There are no vendor's counts",
}
SAYS_OF_THE_LOG = {
    "billing_reconciliation": "There is no billing run yet; prepare one",
    "charges_by_application": "There is no billing run yet; prepare one",
    "charges_by_project": "There is no billing run yet; prepare one",
    "cost_recovery": "There is no billing run yet; prepare one",
    "compliance": "No license is owned on the last day of the window, 2016-04-29; enter what you own",
    "contract_calendar": "enter what you own: `process-meter entitlement import FILE`",
    "fleet_coverage": "No agent has enrolled yet, so no machine is watched",
    "harvest_ledger": "No seat was proposed for taking back",
    "idle_definition": "a license server's log says only who had a license",
    "negotiation_pack": "No license is owned on the last day of the window",
    "project_data_quality": "no fiscal period has begun; import some: `process-meter calendar import FILE`",
    "unbilled_time": "no fiscal period has begun; import some: `process-meter calendar import FILE`",
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


def ran(report: Report, given: dict[str, str], url: str, out: Path) -> str:
    """Run a report with those of the values that it takes; return what its page says, or why it stopped."""
    known = {parameter.name for parameter in report.parameters}
    try:
        result = run_report(
            report.name, {name: value for name, value in given.items() if name in known}, out=out, url=url
        )
    except ReportFailed as failed:
        return str(failed)
    assert result.html is not None
    page = result.html.read_text(encoding="utf-8")
    assert "Traceback" not in page
    assert "What was counted" in page
    assert result.results
    return ""


@pytest.mark.parametrize("name", sorted(REPORTS))
def test_on_a_week_that_can_be_counted_by_hand(name: str, week: str, tmp_path: Path) -> None:
    says = ran(REPORTS[name], small_warehouse.WINDOW, week, tmp_path)
    expected = SAYS_OF_THE_WEEK.get(name, "")
    assert (expected in says) if expected else says == ""


@pytest.mark.realdata
@pytest.mark.parametrize("name", sorted(REPORTS))
def test_on_a_real_license_servers_log_alone(name: str, log_alone: str, tmp_path: Path) -> None:
    april = {"start": "2016-03-30", "end": "2016-04-30", "basis": "run"}
    says = ran(REPORTS[name], april, log_alone, tmp_path)
    expected = SAYS_OF_THE_LOG.get(name, "")
    assert (expected in says) if expected else says == ""
