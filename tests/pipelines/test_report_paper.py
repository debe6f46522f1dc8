"""The page of a report on paper, printed by a real browser."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import small_warehouse

from pipelines.report_paper import find_browser, print_page
from pipelines.reports import run_report
from warehouse.errors import Problem
from warehouse.store import open_warehouse


@pytest.mark.browser
def test_a_report_is_printed_whole_with_page_numbers_and_without_a_place_of_this_machine(
    tmp_path: Path, warehouse_url: str
) -> None:
    engine = open_warehouse(warehouse_url)
    small_warehouse.fill(engine)
    engine.dispose()
    out = tmp_path / "reports"
    window = small_warehouse.WINDOW
    result = run_report("peak_demand", window, out=out, url=warehouse_url, html=False, pdf=True)
    assert result.html is None
    assert result.pdf == result.folder / "peak_demand.pdf"
    assert sorted(path.name for path in result.folder.iterdir()) == [
        "peak_demand.ipynb",
        "peak_demand.pdf",
        "results.json",
    ]
    told = ["pdftotext", "-layout", str(result.pdf), "-"]
    text = subprocess.run(told, capture_output=True, check=True, text=True).stdout
    assert "How many licenses were truly needed at once, when, and by whom?" in " ".join(text.split())
    assert "How this is computed" in text
    assert "1/4" in text.replace(" ", "")
    assert str(tmp_path) not in text
    # The widest table is not cut.
    assert all(word in text for word in ("Enough for 95 % of", "Minutes above"))


def test_without_a_browser_nothing_is_run_and_the_remedy_is_said(
    tmp_path: Path, warehouse_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    with pytest.raises(Problem, match=r"a PDF is printed by Chromium, .* and none is on the PATH"):
        run_report("peak_demand", out=tmp_path / "reports", url=warehouse_url, pdf=True)
    assert not (tmp_path / "reports").exists()


def test_the_browser_that_is_named_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "own-browser"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(own))
    assert find_browser() == str(own)


def test_a_browser_that_fails_leaves_no_half_file(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<p>x</p>")
    with pytest.raises(Problem, match=r"false did not print page\.html"):
        print_page(str(shutil.which("false")), page, tmp_path / "page.pdf")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]
