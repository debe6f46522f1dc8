"""My time and Billing as their users walk through them: a real server and browser, desktop and phone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from billing_warehouse import billed_hours, hour, on, organize, use
from openpyxl import load_workbook
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright
from sqlalchemy import Engine

from apps.identity import operating_system_identity
from pipelines import billing
from warehouse import corrections, store
from warehouse.store import upgrade

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]  # a long walk, slow on a busy machine

SHOTS = Path(__file__).parent.parent.parent / "test-output"
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SERVE = (
    "import sys; from apps.serve import serve; serve(sys.argv[1], 0, ready=lambda at: print(at, flush=True))"
)
PATIENCE_MS = 120_000
EXPLAIN = "Where it comes from"


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """September: three sessions of user1, who is whoever looks, and one of user2; the draft is by pat."""
    engine = upgrade(f"sqlite:///{tmp_path_factory.mktemp('pages') / 'warehouse.sqlite'}")
    organize(engine)
    billed_hours(engine, ["2026-09-07"])
    use(engine, hour(2, "2026-09-08"), hour(3, "2026-09-09", application="fem"))
    use(engine, hour(4, "2026-09-10", person=2))
    on(engine, 4, "A", at_="2026-09-10 09:00")
    viewer = {"name": operating_system_identity().lower(), "person": 1}
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO account (name, person_id) VALUES (:name, :person)"), viewer)
        connection.execute(sa.text("UPDATE project SET manager_id = 2 WHERE number = 'A'"))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def address(warehouse: Engine) -> Iterator[str]:
    command = [sys.executable, "-P", "-c", SERVE, str(warehouse.url)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ))
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.terminate()
        assert server.wait(60) == 0
        if server.stdout is not None:
            server.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-background-networking"]
        )
        yield opened
        opened.close()


def opened(browser: Browser, address: str, size: str) -> Page:
    width, height = SIZES[size]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(PATIENCE_MS)
    page.goto(address)
    page.locator(".acts button").first.wait_for()
    return page


def kept(page: Page, name: str) -> None:
    """Keep a picture, and check that nothing is cut at the side and that it has no fault."""
    SHOTS.mkdir(exist_ok=True)
    width = page.viewport_size["width"] if page.viewport_size else 0
    page.screenshot(path=SHOTS / f"{name}-{width}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert "Traceback" not in page.inner_text("body")
    page.close()


def says(page: Page, words: str) -> None:
    """Wait until the page says how an act went, where whoever did it looks."""
    expect(page.get_by_role("status")).to_contain_text(words, timeout=PATIENCE_MS)
    expect(page.get_by_role("status")).to_be_in_viewport(ratio=1)


def row_of(page: Page, button: str) -> Locator:
    """The row of acts that ends with a button of that name."""
    return page.locator(".acts", has=page.get_by_role("button", name=button, exact=True))


def fill(row: Locator, **texts: str) -> None:
    """Fill texts in by their labels, and leave each, as a person does."""
    for label, text in texts.items():
        field = row.get_by_label(label.replace("_", " "), exact=True)
        field.fill(text)
        field.press("Tab")


def week_of_the_use(page: Page) -> None:
    page.get_by_label("Day", exact=True).fill("2026-09-09")
    page.get_by_label("Day", exact=True).press("Tab")
    page.locator(".acts h3", has_text="Week of 2026-09-07").wait_for()


def choose_a_project(page: Page) -> None:
    """At the desk a project is searched by its name, its phase chosen, and set."""
    week_of_the_use(page)
    row = row_of(page, "Set project")
    fill(row, Project="B Project B")
    expect(row.get_by_label("Phase").locator("option")).to_have_count(2)
    row.get_by_label("Phase").select_option("01 Design")
    fill(row, Reason="was the design")
    page.get_by_role("button", name="Set project").click()
    says(page, "Set 1 entry to B.")
    kept(page, "my-time")


def dispute(page: Page, run: str) -> None:
    """On the phone an own line is disputed."""
    week_of_the_use(page)
    fill(row_of(page, "Dispute"), Why_it_is_wrong="that was on B")
    page.get_by_role("button", name="Dispute").click()
    says(page, f"of run {run} is in dispute.")
    kept(page, "my-time")


def offers(page: Page, *buttons: str) -> None:
    """What is done by a run's state is offered, and nothing else."""
    expect(page.locator(".acts button:visible")).to_have_text(list(buttons), timeout=PATIENCE_MS)


def waive(page: Page, run: str) -> None:
    """On the phone what blocks the run is waived."""
    offers(page, "Draft again", "Workbook", "Make void", "Settle", "Waive", "Sign off", "Do it", EXPLAIN)
    fill(row_of(page, "Waive"), Reason="agreed")
    page.get_by_role("button", name="Waive").click()
    says(page, f"Waived 1 exception of {run}.")
    kept(page, "billing")


def settle_and_sign(page: Page, line: str) -> None:
    """At the desk the disputed line is looked into and accepted, and the project signed for its manager."""
    fill(row_of(page, "Do it"), Line=line, Reason="it was on A")
    page.get_by_role("button", name=EXPLAIN).click()
    page.get_by_role("heading", name=f"Line {line}: where it comes from").wait_for()
    page.get_by_role("button", name="Do it").click()
    says(page, f"Accepted line {line}.")
    row_of(page, "Sign off").get_by_label("Project").select_option("A")
    fill(row_of(page, "Sign off"), Reason="the manager is away")
    page.get_by_role("button", name="Sign off", exact=True).click()
    says(page, "Project A is signed off.")


def close(page: Page, run: str, book: Path) -> None:
    """At the desk the run is approved, closed, and its workbook taken away."""
    page.get_by_role("button", name="Approve").click()
    says(page, f"{run} is approved.")
    offers(page, "Close for good", "Workbook", "Make void", EXPLAIN)
    page.get_by_role("button", name="Close for good").click()
    says(page, f"{run} is closed.")
    offers(page, "Workbook", "Import file", EXPLAIN)
    page.get_by_role("button", name="Workbook").click()
    says(page, "The file is ready below.")
    with page.expect_download() as download:
        page.get_by_role("link", name="2026-09-1-workbook.xlsx").click()
    download.value.save_as(book)
    kept(page, "billing")


def test_the_two_pages_are_walked_from_a_missing_project_to_a_closed_run(
    browser: Browser, address: str, warehouse: Engine, tmp_path: Path
) -> None:
    choose_a_project(opened(browser, f"{address}my-time", "desktop"))
    assert [each.reason for each in corrections.trace(warehouse, 2, "user1")] == ["was the design"]

    run = billing.draft(warehouse, "2026-09", "generic", "pat", time.time_ns() // 1_000_000)
    dispute(opened(browser, f"{address}my-time", "phone"), run)
    (disputed,) = billing.show(warehouse, run)["disputed_lines"]
    waive(opened(browser, f"{address}billing", "phone"), run)
    page = opened(browser, f"{address}billing", "desktop")
    settle_and_sign(page, str(disputed))
    close(page, run, tmp_path / "book.xlsx")

    assert load_workbook(tmp_path / "book.xlsx").sheetnames[:3] == ["Run", "Summary", "Charges"]
    closed = store.read(warehouse, "SELECT status, closed_by FROM billing_run").row(0)
    assert closed == ("closed", operating_system_identity())
