"""The list of open projects: what is in it, for whom, and when it is sent."""

from __future__ import annotations

import http.client
import json
import zlib
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from manager_rig import NOON, Client, new_agent, rows, running
from sqlalchemy import Engine, text

from collector import protocol
from collector.manager import project_list
from collector.manager.project_list import ProjectLists, read_master
from collector.manager.refusals import Refused
from warehouse.directory import import_directory, import_projects

DAY = date(2026, 11, 2)
DIRECTORY = """record,code,name,zone,currency,office,employee_number,accounts,valid_from
organization,,Meridian,Europe/London,EUR,,,,
office,LON,London,Europe/London,EUR,,,,
person,P1,Ines,,,LON,1,MERIDIAN\\ines,2020-01-01
person,P2,Omar,,,LON,2,omar,2020-01-01
"""
PROJECTS = """project,phase,task,name,client,client_name,chargeable,opened,closed,phase_name,task_name
0815,10,A,Harbor Bridge,PORT,Port Authority,,,,Design,Drawings
0815,10,B,,,,,,,,
0815,20,,,,,,,,Site,
LEAVE,,,Leave,,,no,,,,
NEXT,,,Next Year,,,,2027-01-01,,,
PAST,,,Past,,,,,2026-11-01,,
LAST,,,Last Day,,,,,2026-11-02,,
SECRET,,,Secret Bid,PORT,,,,,,
"""


@pytest.fixture
def master(engine: Engine, tmp_path: Path) -> Engine:
    """A warehouse whose project SECRET is Ines' alone, from the end of October on."""
    for name, content in (("directory", DIRECTORY), ("projects", PROJECTS)):
        (tmp_path / f"{name}.csv").write_text(content)
    import_directory(engine, tmp_path / "directory.csv")
    import_projects(engine, tmp_path / "projects.csv")
    set_members(engine, "SECRET", "P1", "2026-10-30")
    return engine


def set_members(engine: Engine, project: str, person: str, first: str, last: str | None = None) -> None:
    statement = text(
        "INSERT INTO project_member (project_id, person_id, valid_from_on, valid_to_on) "
        "SELECT project.id, person.id, :first, :last FROM project, person "
        "WHERE project.number = :project AND person.code = :person"
    )
    with engine.begin() as connection:
        connection.execute(statement, {"project": project, "person": person, "first": first, "last": last})


def lines(content: bytes) -> list[dict[str, Any]]:
    """Read a list as anybody would who knows gzip: one member after the other."""
    plain = b""
    while content:
        stream = zlib.decompressobj(wbits=31)
        plain += stream.decompress(content)
        assert stream.eof
        content = stream.unused_data
    return [json.loads(line) for line in plain.splitlines()]


def numbers(engine: Engine, person: str | None) -> list[str]:
    found = rows(engine, "SELECT id FROM person WHERE code = :code", code=person)
    _, *listed = lines(read_master(engine, DAY).cut(found[0][0] if found else None).content)
    return [each["number"] for each in listed]


def test_a_project_is_listed_with_its_payer_phases_and_tasks(master: Engine) -> None:
    head, *listed = lines(read_master(master, DAY).cut(None).content)

    assert (head["projects"], len(listed)) == (4, 4)
    assert listed[0] == {
        "number": "0815",
        "name": "Harbor Bridge",
        "payer": "Port Authority",
        "phases": [
            {"number": "10", "name": "Design", "tasks": [["A", "Drawings"], ["B", "B"]]},
            {"number": "20", "name": "Site"},
        ],
    }
    assert listed[2] == {"number": "LEAVE", "name": "Leave", "chargeable": False}


def test_closed_ones_are_left_out_and_later_ones_come_with_their_day(master: Engine) -> None:
    """The last day of LAST was the day before, which some desk still has."""
    assert numbers(master, None) == ["0815", "LAST", "LEAVE", "NEXT"]
    (later,) = [row for row in lines(read_master(master, DAY).cut(None).content) if row.get("opened_on")]
    assert (later["number"], later["opened_on"]) == ("NEXT", "2027-01-01")


def test_a_project_that_has_members_is_listed_for_these_alone(master: Engine) -> None:
    assert "SECRET" in numbers(master, "P1")
    assert "SECRET" not in numbers(master, "P2")
    assert "SECRET" not in numbers(master, None)


def test_a_project_whose_members_have_all_left_is_listed_for_nobody(master: Engine) -> None:
    set_members(master, "LEAVE", "P2", "2026-01-01", "2026-06-01")

    assert "LEAVE" not in numbers(master, "P2") + numbers(master, "P1") + numbers(master, None)


def test_the_rules_of_the_organizations_fields_are_in_the_head(master: Engine) -> None:
    rule = {"name": "order", "label": "Work order", "required": True, "pattern": "WO-[0-9]{5}", "longest": 8}
    area = {"name": "area", "label": "Area", "kind": "choice", "choices": ["north", "south"]}
    with master.begin() as connection:
        settings = json.dumps({"project_fields": [rule, area]})
        connection.execute(text("UPDATE organization SET settings = :settings"), {"settings": settings})

    head, *_ = lines(read_master(master, DAY).cut(None).content)
    assert head["fields"] == [rule, area]


def test_a_name_without_end_is_cut_and_a_number_is_not(master: Engine) -> None:
    with master.begin() as connection:
        connection.execute(
            text("UPDATE project SET name = :long, number = :long WHERE number = '0815'"),
            {"long": "x" * 40_000},
        )

    listed = lines(read_master(master, DAY).cut(None).content)[-1]
    assert (len(listed["number"]), len(listed["name"]), listed["name"][-2:]) == (40_000, 200, "x…")


def test_the_version_is_another_one_when_the_list_of_that_person_is(master: Engine) -> None:
    def versions() -> list[str]:
        found = read_master(master, DAY)
        return [found.cut(person).version for person in (None, 1, 2)]

    before = versions()
    assert versions() == before
    assert before[0] == before[2] != before[1]
    with master.begin() as connection:
        connection.execute(text("UPDATE project SET name = 'Secret' WHERE number = 'SECRET'"))
    assert [old == new for old, new in zip(before, versions(), strict=True)] == [True, False, True]


def test_a_list_that_is_too_long_is_refused(master: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_LIST_BYTES", 300)

    with pytest.raises(Refused, match="close projects that take no more time"):
        read_master(master, DAY).cut(1)


def test_the_master_is_read_again_after_a_minute(master: Engine) -> None:
    now_ms = NOON
    lists = ProjectLists(master, lambda: now_ms)
    agent = new_agent(master).agent
    first = lists.of(agent, "omar")
    with master.begin() as connection:
        connection.execute(text("UPDATE project SET name = 'Pier' WHERE number = '0815'"))

    now_ms += project_list.KEPT_MS - 1
    assert lists.of(agent, "omar") == first
    now_ms += 1
    assert lists.of(agent, "omar") != first


# --- The route ---------------------------------------------------------------------------------------------


def ask(
    client: Client, account: str, etag: str = "", signed_for: str | None = None
) -> tuple[int, dict[str, str], bytes]:
    """Ask for a list; return status, headers and body as it came."""
    connection = http.client.HTTPConnection(client.host, client.port, timeout=120)
    path, signed = (f"/v1/projects?account={name}" for name in (account, signed_for or account))
    connection.request("GET", path, headers={**client.signed("GET", signed, b""), "If-None-Match": etag})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.headers.items()}, body


def test_an_agent_gets_the_list_of_its_account_and_then_only_what_changed(master: Engine) -> None:
    made = new_agent(master)
    with running(master, agent=made.agent, key=made.key) as client:
        status, headers, body = ask(client, "MERIDIAN%5CInes")
        again, _, nothing = ask(client, "MERIDIAN%5CInes", headers["etag"])

    head, *listed = lines(body)
    assert (status, headers["content-encoding"]) == (200, "gzip")
    assert headers["etag"] == f'"{head["version"]}"'
    assert [row["number"] for row in listed] == ["SECRET", "0815", "LAST", "LEAVE", "NEXT"]
    assert (again, nothing) == (304, b"")


def test_the_account_that_is_asked_for_is_signed(master: Engine) -> None:
    made = new_agent(master)
    with running(master, agent=made.agent, key=made.key) as client:
        assert ask(client, "omar")[0] == 200
        assert ask(client, "ines", signed_for="omar")[0] == 401
        assert ask(Client(client.host, client.port), "omar")[0] == 401


def test_an_agent_that_was_revoked_gets_no_list(master: Engine) -> None:
    made = new_agent(master)
    with master.begin() as connection:
        connection.execute(text("UPDATE agent SET revoked_ms = 1"))
    with running(master, agent=made.agent, key=made.key) as client:
        assert ask(client, "omar")[0] == 401
