from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import fields

import pytest
from manager_rig import Client, new_agent, running
from playwright.sync_api import Request, sync_playwright
from sqlalchemy import Engine

from collector import protocol


@pytest.fixture
def reader(engine: Engine) -> Iterator[Client]:
    new_agent(engine)
    with running(engine) as client:
        yield client


def test_the_interface_is_described_from_the_protocol(reader: Client) -> None:
    status, document = reader.ask("GET", "/openapi.json")

    assert status == 200
    assert document["paths"].keys() == {
        "/v1/enroll",
        "/v1/batches",
        "/v1/policy",
        "/v1/live",
        "/v1/health",
        "/v1/projects",
    }
    schemas = document["components"]["schemas"]
    for record in (
        protocol.Batch,
        protocol.SessionRecord,
        protocol.SegmentRecord,
        protocol.WatchRecord,
        protocol.ProjectRecord,
        protocol.PresenceRecord,
        protocol.Acknowledgement,
        protocol.EnrollmentRequest,
        protocol.Enrollment,
        protocol.CollectionPolicy,
        protocol.Signature,
        protocol.ProjectListHead,
        protocol.ListedProject,
        protocol.ListedPhase,
        protocol.FieldRule,
        protocol.Refusal,
    ):
        assert schemas[record.__name__]["properties"].keys() == {field.name for field in fields(record)}


def test_every_reference_of_the_description_leads_somewhere(reader: Client) -> None:
    _, document = reader.ask("GET", "/openapi.json")

    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert references
    assert references <= document["components"]["schemas"].keys()


def test_the_page_loads_its_parts_from_this_machine(reader: Client) -> None:
    status, page = reader.ask("GET", "/docs")

    assert status == 200
    parts = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert parts == [
        "/docs/favicon-32x32.png",
        "/docs/swagger-ui.css",
        "/docs/swagger-ui-bundle.js",
        "/docs/start.js",
    ]
    for part in parts[1:]:
        assert reader.ask("GET", part)[0] == 200


@pytest.mark.browser
def test_a_browser_shows_the_interface_and_asks_nobody_else(reader: Client) -> None:
    asked: list[str] = []
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()

        def note(request: Request) -> None:
            asked.append(request.url)

        page.on("request", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.goto(f"http://{reader.host}:{reader.port}/docs")
        page.get_by_text("/v1/batches").first.wait_for(timeout=120_000)
        page.get_by_text("Deliver closed records, and the presence").click()
        page.get_by_text("X-Process-Meter-Signature").wait_for(timeout=120_000)
        browser.close()

    assert complaints == []
    assert asked
    assert [
        url for url in asked if not url.startswith((f"http://{reader.host}:{reader.port}/", "data:"))
    ] == []
