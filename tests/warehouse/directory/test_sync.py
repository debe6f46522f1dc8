"""People, places and groups from a real directory server, by the rules of the files."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from slapd import ADMIN, PASSWORD, STAFF, SUFFIX, Slapd
from sqlalchemy import Engine

from warehouse import frames, store
from warehouse.directory.ldap import read_entries
from warehouse.directory.ldap_settings import read_settings
from warehouse.directory.sync import Synced, sync_directory
from warehouse.errors import Problem
from warehouse.metrics.states import Policy, states
from warehouse.metrics.utilization import usage

pytestmark = pytest.mark.ldap
DAY = "2026-10-09"
NOON = int(datetime(2026, 10, 9, 12, tzinfo=UTC).timestamp() * 1000)
GROUPS = f'[groups]\nbases = ["{SUFFIX}"]\n'


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Slapd]:
    (tmp_path / "slapd").mkdir()
    server = Slapd(tmp_path / "slapd")
    with server.running():
        yield server


@pytest.fixture
def offices(engine: Engine, files: Any) -> Engine:
    """Give a warehouse with two offices, and nobody in them."""
    files.bring(engine, "directory", OFFICES)
    return engine


OFFICES = """\
record,code,name,zone,currency
organization,,Example Engineers,Europe/Berlin,EUR
office,BER,Berlin,Europe/Berlin,EUR
office,AKL,Auckland,Pacific/Auckland,NZD
"""


def settings(server: Slapd, people: str = "", more: str = "", top: str = "") -> Any:
    """Write a settings file and read it."""
    (server.folder / "password").write_text(PASSWORD + "\n")
    (server.folder / "password").chmod(0o600)
    path = server.folder / "directory.toml"
    path.write_text(
        f'name = "hq"\nurl = "{server.tls_url}"\nbind_dn = "{ADMIN}"\npassword_file = "password"\n'
        f'ca_file = "ca.pem"\n{top}[people]\nbases = ["{STAFF}"]\ndefault_office = "BER"\n{people}{more}'
    )
    return read_settings(path)


def sync(engine: Engine, server: Slapd, on: str | None = DAY, **how: Any) -> Synced:
    found = settings(server, **how)
    day = None if on is None else date.fromisoformat(on)
    return sync_directory(engine, found, read_entries(found), "eva", on=day, at_ms=NOON)


def refusal(engine: Engine, server: Slapd, on: str = DAY, **how: Any) -> str:
    before = rows(engine, PLACES), rows(engine, ACCOUNTS)
    with pytest.raises(Problem) as caught:
        sync(engine, server, on, **how)
    assert (rows(engine, PLACES), rows(engine, ACCOUNTS)) == before
    return str(caught.value)


def rows(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    return store.read(engine, sql).rows()


PLACES = """
    SELECT person.code, office.code AS office, department.code AS department, placement.valid_from_on,
           placement.valid_to_on
    FROM placement JOIN person ON person.id = placement.person_id
    JOIN office ON office.id = placement.office_id
    LEFT JOIN department ON department.id = placement.department_id
    ORDER BY person.code, placement.valid_from_on
"""
PEOPLE = """
    SELECT code, name, employee_number, email, employment, valid_from_on, valid_to_on
    FROM person ORDER BY code
"""
ACCOUNTS = """
    SELECT account.name, person.code FROM account LEFT JOIN person ON person.id = account.person_id
    ORDER BY account.name
"""
MEMBERS = """
    SELECT directory_group.name, person.code, membership.valid_from_on, membership.valid_to_on
    FROM membership JOIN person ON person.id = membership.person_id
    JOIN directory_group ON directory_group.id = membership.directory_group_id
    ORDER BY directory_group.name, person.code, membership.valid_from_on
"""


def test_people_come_with_their_place_and_accounts_and_again_changes_nothing(
    offices: Engine, server: Slapd
) -> None:
    server.add_people(
        {
            "ada": {
                "displayName": "Ada Löwenherz", "mail": "ada@example.com", "employeeNumber": "0017",
                "departmentNumber": "Tragwerk & Brücken", "l": "berlin", "employeeType": "Temp",
            },
            "bob": {"physicalDeliveryOfficeName": "AKL"},
        }
    )  # fmt: skip
    words = '[employment]\n"temp" = "contractor"\n'

    told = sync(offices, server, people='domain = "EXAMPLE"\n', more=words)

    assert told.lines() == [
        "persons: 2 new, 0 changed, 0 unchanged; placements: 2 new, 0 changed, 0 unchanged",
        "people who left: 0; disabled entries: 0",
    ]
    assert rows(offices, PEOPLE) == [
        ("ada", "Ada Löwenherz", "0017", "ada@example.com", "contractor", DAY, None),
        ("bob", "Person bob", None, None, "employee", DAY, None),
    ]
    assert rows(offices, PLACES) == [
        ("ada", "BER", "Tragwerk & Brücken", DAY, None),
        ("bob", "AKL", None, DAY, None),
    ]
    assert rows(offices, ACCOUNTS) == [
        ("ada", "ada"), ("bob", "bob"), ("example\\ada", "ada"), ("example\\bob", "bob")
    ]  # fmt: skip
    events = "SELECT actor, action, subject, detail FROM audit_event ORDER BY id"
    audited = rows(offices, events)
    assert audited[-1][:3] == ("eva", "import", "hq")
    assert "ada" not in audited[-1][3]

    assert "0 new, 0 changed, 2 unchanged" in sync(offices, server, "2026-10-12", more=words).lines()[0]
    assert rows(offices, events) == audited


def test_a_person_who_moved_on_the_10th_is_counted_on_both_sides_of_it(
    offices: Engine, server: Slapd
) -> None:
    server.add_people({"ada": {"departmentNumber": "Bridges"}, "bob": {"departmentNumber": "Tunnels"}})
    sync(offices, server, "2026-10-09")
    server.change(f"uid=ada,{STAFF}", departmentNumber="Tunnels")
    sync(offices, server, "2026-10-10")
    _use(offices, {"2026-10-09": 1, "2026-10-10": 2})

    assert rows(offices, PLACES)[:2] == [
        ("ada", "BER", "Bridges", "2026-10-09", "2026-10-10"),
        ("ada", "BER", "Tunnels", "2026-10-10", None),
    ]
    window = datetime(2026, 10, 8, 22, tzinfo=UTC), datetime(2026, 10, 10, 22, tzinfo=UTC)
    stated = states(frames.segments(offices, *window), Policy())
    found = usage(stated, frames.sessions(offices, *window), ["department", "day"], *window, "Europe/Berlin")
    assert found.select("department", "day", "people", "run_ms").collect().rows() == [
        ("Bridges", date(2026, 10, 9), 1, 3_600_000),
        ("Tunnels", date(2026, 10, 10), 1, 7_200_000),
    ]


def _use(engine: Engine, hours: dict[str, int]) -> None:
    """Let ada use a program from midnight of her office on, on each day for some hours."""
    store.append(engine, "application", pl.DataFrame({"id": [1], "code": ["cad"], "name": ["CAD"]}))
    host = {
        "id": 1,
        "name": "ws1",
        "kind": "workstation",
        "zone": "Europe/Berlin",
        "valid_from_on": "2026-01-01",
    }
    store.append(engine, "host", pl.DataFrame([host]))
    account = rows(engine, "SELECT id FROM account WHERE name = 'ada'")[0][0]
    sessions, segments = [], []
    for number, (day, count) in enumerate(hours.items(), 1):
        start = int(datetime.fromisoformat(f"{day}T00:00+02:00").timestamp() * 1000)
        end = start + count * 3_600_000
        sessions.append(
            {"id": number, "key": f"s{number}", "source": "agent", "application_id": 1, "account_id": account,
             "host_id": 1, "logon_session": "1", "zone": "Europe/Berlin", "started_ms": start,
             "ended_ms": end, "received_ms": end}
        )  # fmt: skip
        segments += [
            {"session_id": number, "start_ms": at, "end_ms": at + 900_000, "attention": 0, "cpu_percent": 0.0,
             "since_ms": at, "policy_version": 1, "received_ms": end}
            for at in range(start, end, 900_000)
        ]  # fmt: skip
    store.append(engine, "session", pl.DataFrame(sessions))
    store.append(engine, "segment", pl.DataFrame(segments))


def test_two_changes_on_one_day_make_one_place(offices: Engine, server: Slapd) -> None:
    server.add_people({"ada": {"departmentNumber": "Bridges"}})
    sync(offices, server, "2026-10-09")
    for department in ("Tunnels", "Roads"):
        server.change(f"uid=ada,{STAFF}", departmentNumber=department)
        sync(offices, server, "2026-10-10")
    assert [row[2:] for row in rows(offices, PLACES)] == [
        ("Bridges", "2026-10-09", "2026-10-10"), ("Roads", "2026-10-10", None)
    ]  # fmt: skip


def test_a_move_that_a_file_has_planned_is_kept(offices: Engine, server: Slapd, files: Any) -> None:
    planned = "code,name,office,valid_from\nada,Ada,BER,2026-01-01\nada,,AKL,2026-12-01\n"
    files.bring(offices, "directory", planned)
    server.add_people({"ada": {"departmentNumber": "Bridges"}})
    sync(offices, server)
    assert rows(offices, PLACES) == [
        ("ada", "BER", None, "2026-01-01", DAY),
        ("ada", "BER", "Bridges", DAY, "2026-12-01"),
        ("ada", "AKL", None, "2026-12-01", None),
    ]


def test_who_vanishes_or_is_disabled_ends_and_can_come_back(
    offices: Engine, server: Slapd, files: Any
) -> None:
    files.bring(offices, "directory", "code,name,office,valid_from\nfile,File,BER,2026-01-01\n")
    like_ad = '[attributes]\ndisabled = "userAccountControl"\n'
    server.add_people({"ada": {}, "bob": {}, "cy": {"userAccountControl": "514"}, "dee": {}})
    assert sync(offices, server, more=like_ad).disabled == 1

    server.delete(f"uid=ada,{STAFF}")
    server.change(f"uid=bob,{STAFF}", userAccountControl="66050")
    assert sync(offices, server, "2026-10-12", more=like_ad).left == 2
    assert sync(offices, server, "2026-10-13", more=like_ad).left == 0
    ended = [("ada", "BER", None, DAY, "2026-10-12"), ("bob", "BER", None, DAY, "2026-10-12")]
    still = [("dee", "BER", None, DAY, None), ("file", "BER", None, "2026-01-01", None)]
    assert rows(offices, PLACES) == ended + still
    assert [row[-1] for row in rows(offices, PEOPLE)] == ["2026-10-12", "2026-10-12", None, None]

    server.change(f"uid=bob,{STAFF}", userAccountControl="512")
    sync(offices, server, "2026-10-20", more=like_ad)
    assert rows(offices, PLACES) == [*ended, ("bob", "BER", None, "2026-10-20", None), *still]


def test_who_comes_and_goes_on_one_day_was_there_for_it(offices: Engine, server: Slapd) -> None:
    server.add_people({"ada": {}, "bob": {}})
    sync(offices, server)
    server.delete(f"uid=ada,{STAFF}")
    sync(offices, server)
    assert rows(offices, PLACES)[0] == ("ada", "BER", None, DAY, "2026-10-10")


def test_a_marriage_changes_the_code_and_not_the_person(offices: Engine, server: Slapd) -> None:
    server.add_people({"ada": {}, "bob": {}})
    sync(offices, server)
    server.rename(f"uid=ada,{STAFF}", "uid=ada.byron")
    sync(offices, server, "2026-10-12")
    assert rows(offices, PLACES) == [("ada.byron", "BER", None, DAY, None), ("bob", "BER", None, DAY, None)]
    assert rows(offices, ACCOUNTS) == [("ada", "ada.byron"), ("ada.byron", "ada.byron"), ("bob", "bob")]


def test_a_code_that_passes_to_somebody_else_is_set_aside(offices: Engine, server: Slapd) -> None:
    server.add_people({"ada": {"employeeNumber": "1"}, "bob": {}})
    sync(offices, server)
    server.delete(f"uid=ada,{STAFF}")
    server.add_people({"ada": {"employeeNumber": "2"}})
    told = sync(offices, server, "2026-10-12")
    assert told.lines()[-1] == (
        f"set aside: uid=ada,{STAFF}: its code ada is that of somebody with another employee number"
    )


def test_entries_that_cannot_be_used_are_told_and_nobody_leaves_for_them(
    offices: Engine, server: Slapd
) -> None:
    server.add_people({"ada": {"l": "Berlin"}, "bob": {"l": "BER"}})
    sync(offices, server)
    server.change(f"uid=bob,{STAFF}", l="Paris")
    server.add(f"cn=lamp,{STAFF}", objectClass="inetOrgPerson", cn="lamp", sn="lamp")
    told = sync(offices, server, "2026-10-12")
    assert told.lines()[2:] == [
        f"set aside: cn=lamp,{STAFF}: it has no uid",
        f"set aside: uid=bob,{STAFF}: no office is called 'Paris'",
    ]
    assert [row[-1] for row in rows(offices, PLACES)] == [None, None]


def test_today_is_the_office_s_own(offices: Engine, server: Slapd) -> None:
    server.add_people({"ada": {"l": "Berlin"}, "bob": {"l": "Auckland"}})
    sync(offices, server, on=None)
    assert [row[3] for row in rows(offices, PLACES)] == ["2026-10-09", "2026-10-10"]


def test_new_people_can_be_placed_back_to_a_day(offices: Engine, server: Slapd) -> None:
    server.add_people({"ada": {}})
    sync(offices, server, people='new_people_from = "2026-01-01"\n')
    assert rows(offices, PLACES) == [("ada", "BER", None, "2026-01-01", None)]


def test_more_than_a_page_of_people_comes_whole_and_half_of_it_cannot_leave(
    offices: Engine, server: Slapd
) -> None:
    server.add_people({f"u{number:04}": {} for number in range(503)})
    assert str(sync(offices, server).imported).startswith("persons: 503 new")
    few = 'filter = "(uid=u00*)"\n'
    assert refusal(offices, server, people=few) == (
        "403 of 503 people of hq would leave at once; "
        "check `bases` and `filter`; if it is true, raise leaving_percent"
    )
    assert sync(offices, server, "2026-10-12", people=few + "leaving_percent = 100\n").left == 403


def test_groups_hold_people_from_day_to_day_through_groups_and_spellings(
    both_engines: Engine, server: Slapd, files: Any
) -> None:
    offices = both_engines
    files.bring(offices, "directory", OFFICES)
    server.add(f"ou=Ö,{STAFF}", objectClass="organizationalUnit", ou="Ö")
    server.add_people({"ada": {}, "bob": {}})
    server.add_people({"cy": {}}, base=f"ou=Ö,{STAFF}")
    group = {"objectClass": "groupOfNames"}
    server.add(f"cn=cad,{SUFFIX}", **group, cn="cad", member=[f"UID=Ada, {STAFF}", f"cn=all,{SUFFIX}"])
    server.add(
        f"cn=all,{SUFFIX}", **group, cn="all",
        member=[f"uid=cy,ou=\\C3\\96,{STAFF}", f"cn=cad,{SUFFIX}", "uid=gone,dc=example,dc=com"],
    )  # fmt: skip
    sync(offices, server, more=GROUPS)
    assert rows(offices, MEMBERS) == [
        (group, code, DAY, None) for group in ("all", "cad") for code in ("ada", "cy")
    ]  # fmt: skip

    server.delete(f"cn=all,{SUFFIX}")
    server.change(f"cn=cad,{SUFFIX}", member=[f"uid=bob,{STAFF}"])
    sync(offices, server, "2026-10-12", more=GROUPS)
    assert rows(offices, MEMBERS) == [
        ("all", "ada", DAY, "2026-10-12"), ("all", "cy", DAY, "2026-10-12"),
        ("cad", "ada", DAY, "2026-10-12"), ("cad", "bob", "2026-10-12", None),
        ("cad", "cy", DAY, "2026-10-12"),
    ]  # fmt: skip


def test_two_people_with_one_account_or_code_are_refused_naming_both(
    offices: Engine, server: Slapd, files: Any
) -> None:
    server.add(f"ou=b,{STAFF}", objectClass="organizationalUnit", ou="b")
    server.add_people({"ada": {"mail": "x@example.com"}})
    server.add_people({"Ada": {"cn": "Other"}}, base=f"ou=b,{STAFF}")
    assert refusal(offices, server) == (
        f"two people claim the code 'ada': uid=Ada,ou=b,{STAFF} and uid=ada,{STAFF}; "
        "let the directory give it to one of them, or leave one out by `filter`"
    )
    server.change(f"uid=Ada,ou=b,{STAFF}", uid=["Ada", "aa"], mail="x@example.com")
    by_mail = '[attributes]\ncode = "cn"\naccounts = "mail"\n'
    assert refusal(offices, server, more=by_mail).startswith(
        f"two people claim the account 'x@example.com': uid=Ada,ou=b,{STAFF} and uid=ada,{STAFF};"
    )
    server.delete(f"uid=Ada,ou=b,{STAFF}")
    files.bring(offices, "directory", "code,name,office,accounts,valid_from\nold,Old,BER,ADA,2026-01-01\n")
    assert refusal(offices, server) == (
        f"hq, entry uid=ada,{STAFF}, accounts: account 'ada' belongs to old, and ada claims it too; "
        "say whose it is in a row of its own, with record `account`"
    )


def test_the_attributes_of_active_directory(offices: Engine, server: Slapd) -> None:
    guid = bytes(range(1, 17))
    server.add_people(
        {
            "x1": {
                "sAMAccountName": "ALovelace", "userPrincipalName": "ada@corp.example", "objectGUID": guid,
                "userAccountControl": "512", "department": "Bridges", "employeeID": "0017",
                "displayName": "Ada",
            },
            "x2": {"sAMAccountName": "off", "objectGUID": guid[::-1], "userAccountControl": "514"},
        }
    )  # fmt: skip
    how = {
        "top": 'kind = "active_directory"\n',
        "people": 'filter = "(objectClass=person)"\ndomain = "CORP"\n',
    }
    assert sync(offices, server, **how).disabled == 1
    assert rows(offices, PEOPLE) == [("ALovelace", "Ada", "0017", None, "employee", DAY, None)]
    assert [name for name, _ in rows(offices, ACCOUNTS)] == [
        "ada@corp.example",
        "alovelace",
        "corp\\alovelace",
    ]
    assert rows(offices, "SELECT source, entry FROM directory_entry") == [("hq", guid.hex())]


def test_referrals_to_other_servers_are_not_followed(offices: Engine, server: Slapd) -> None:
    server.add_people({"ada": {}})
    server.add(
        f"ou=elsewhere,{STAFF}", objectClass=["referral", "extensibleObject"], ou="elsewhere",
        ref="ldap://192.0.2.1/ou=elsewhere,dc=example,dc=com",
    )  # fmt: skip
    assert str(sync(offices, server).imported).startswith("persons: 1 new")


def test_what_an_entry_says_is_never_a_filter_or_sql(offices: Engine, server: Slapd) -> None:
    nasty = "*)(uid=*"
    server.add_people(
        {"ada": {"departmentNumber": "'; DROP TABLE person; --", "displayName": nasty}, "bob": {}}
    )
    server.add(f"cn=g,{SUFFIX}", objectClass="groupOfNames", cn=nasty, member=[f"uid=\\2a\\29,{STAFF}"])
    sync(offices, server, more=GROUPS)
    assert rows(offices, PEOPLE)[0][1] == nasty
    assert rows(offices, PLACES)[0][2] == "'; DROP TABLE person; --"
    assert rows(offices, MEMBERS) == []


def test_a_server_that_shows_nobody_ends_nobody(offices: Engine, server: Slapd) -> None:
    server.add_people({"ada": {}})
    sync(offices, server)
    assert refusal(offices, server, people='filter = "(uid=nobody)"\n').startswith(
        f"{server.tls_url} shows nobody under {STAFF}; check `bases` and `filter` of people"
    )
