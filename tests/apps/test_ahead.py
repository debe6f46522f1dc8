from __future__ import annotations

from pathlib import Path

import pytest
import small_warehouse
import time_machine
from markupsafe import Markup
from sqlalchemy import Engine

from apps import ahead, kept, report_links


def test_figures_made_ahead_are_there_whole_or_not_at_all(tmp_path: Path) -> None:
    assert kept.find(str(tmp_path), "overview") is None
    kept.keep(tmp_path, {"overview": Markup("<p>1</p>")})
    assert kept.find(str(tmp_path), "overview") == "<p>1</p>"
    assert [path.name for path in tmp_path.iterdir()] == ["overview.html"]


@time_machine.travel(small_warehouse.NOW)
def test_the_process_makes_them_for_the_server_that_started_it(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_warehouse.fill(engine)
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", engine.url.render_as_string(hide_password=False))
    monkeypatch.setenv(kept.FOLDER, str(tmp_path))
    assert ahead.main() == 0
    assert {path.name for path in tmp_path.glob("*.html")} == {"overview.html", "renewals.html"}


@time_machine.travel(small_warehouse.NOW)
def test_a_broken_warehouse_is_said_but_does_not_replace_figures_that_were_made(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(kept.FOLDER, str(tmp_path))
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", f"sqlite:///{tmp_path / 'absent.sqlite'}")
    assert ahead.main() == 1
    assert "absent.sqlite" in str(kept.find(str(tmp_path), "renewals"))
    small_warehouse.fill(engine)
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", engine.url.render_as_string(hide_password=False))
    assert ahead.main() == 0
    made = kept.find(str(tmp_path), "overview")
    monkeypatch.setenv("PROCESS_METER_WAREHOUSE", f"sqlite:///{tmp_path / 'absent.sqlite'}")
    assert ahead.main() == 1
    assert kept.find(str(tmp_path), "overview") == made


def test_a_tile_leads_to_the_newest_page_of_a_report(tmp_path: Path) -> None:
    assert report_links.link("peak_demand", "Report", tmp_path) == ""
    for stamp in ("20261001T000000Z", "20261101T000000Z"):
        folder = tmp_path / "peak_demand" / stamp
        folder.mkdir(parents=True)
        (folder / "peak_demand.html").touch()
    assert report_links.link("peak_demand", "Report", tmp_path) == (
        '<a href="reports/peak_demand/20261101T000000Z/peak_demand.html">Report</a>'
    )
