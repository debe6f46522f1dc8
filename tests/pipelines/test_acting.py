"""Who may do what to a run: whoever is named, and nobody else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drafted_run import NOW, PERIOD, RUN, change, events
from sqlalchemy import Engine

from pipelines import billing, exporting
from pipelines.statements import read_statements
from pipelines.workbook import write_workbook
from warehouse.errors import Problem
from warehouse.projects import Codes

ACTS: dict[str, Callable[[Engine, str], object]] = {
    "dispute": lambda engine, who: billing.review(engine, RUN, 1, "dispute", who, "no", NOW),
    "accept": lambda engine, who: billing.review(engine, RUN, 1, "accept", who, "yes", NOW),
    "hold": lambda engine, who: billing.review(engine, RUN, 1, "hold", who, "wait", NOW),
    "writeoff": lambda engine, who: billing.review(engine, RUN, 1, "writeoff", who, "gift", NOW),
    "transfer": lambda engine, who: billing.transfer(engine, RUN, 1, Codes("B"), who, "B's", NOW),
    "sign": lambda engine, who: billing.sign(engine, RUN, "A", who, "seen", NOW),
    "withdraw": lambda engine, who: billing.withdraw(engine, RUN, "A", who, "wrong", NOW),
    "waive": lambda engine, who: billing.waive(engine, RUN, who, "known", NOW, kind="unassigned"),
    "settle": lambda engine, who: billing.settle(engine, RUN, who, "by hand", NOW, kind="unassigned"),
    "draft": lambda engine, who: billing.draft(engine, PERIOD, "generic", who, NOW),
    "approve": lambda engine, who: billing.approve(engine, RUN, who, NOW),
    "close": lambda engine, who: billing.close(engine, RUN, who, NOW),
    "void": lambda engine, who: billing.void(engine, RUN, who, "again", NOW),
    "release": lambda engine, who: billing.release(engine, RUN, 1, who, "agreed", NOW),
    "staff": lambda engine, who: billing.change_staff(engine, who, NOW, add=("eve",)),
}
STRANGER = tuple(ACTS)
PERSON = tuple(act for act in ACTS if act != "dispute")
"""What the person of a line may not do to it."""
OTHER_MANAGER = STRANGER
MANAGER = ("waive", "settle", "draft", "approve", "close", "void", "staff")
"""What a project's manager may not do to its lines."""


@pytest.mark.parametrize(
    ("who", "acts"),
    [("mallory", STRANGER), ("user1", PERSON), ("user3", OTHER_MANAGER), ("user2", MANAGER)],
)
def test_who_has_no_right_to_an_act_is_told_so_and_nothing_has_changed(
    drafted: Engine, who: str, acts: tuple[str, ...]
) -> None:
    before = events(drafted)
    for act in acts:
        with pytest.raises(Problem, match=rf"{who} cannot .*: {who} (is not|neither)"):
            ACTS[act](drafted, who)
    assert events(drafted) == before


@pytest.mark.parametrize("who", ["user1", "USER1 ", "user2", "pat", "PAT"])
def test_a_line_is_disputed_by_its_person_the_manager_and_the_staff_in_any_case(
    drafted: Engine, who: str
) -> None:
    assert billing.review(drafted, RUN, 1, "dispute", who, "not mine", NOW) == [1]
    assert billing.show(drafted, RUN)["disputed_lines"] == [1]


def test_an_account_that_many_share_is_nobody_s_own(drafted: Engine) -> None:
    change(drafted, "UPDATE account SET shared = TRUE WHERE name = 'user1'")
    with pytest.raises(Problem, match="user1 cannot dispute line 1 of run 2026-09/1: user1 neither is the"):
        ACTS["dispute"](drafted, "user1")


def test_a_second_account_of_a_person_is_the_person(drafted: Engine) -> None:
    change(drafted, "INSERT INTO account (id, name, person_id) VALUES (20, 'partner\\ada', 1)")
    assert ACTS["dispute"](drafted, "Partner\\Ada") == [1]


def test_without_a_list_whoever_runs_the_commands_is_billing_staff(drafted: Engine) -> None:
    change(drafted, "UPDATE organization SET settings = '{}'")
    assert billing.staff(drafted) == []
    for act in ("dispute", "hold", "waive", "sign"):
        assert ACTS[act](drafted, "anybody")


# --- Who sees what -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("who", "seen"),
    [
        ("user1", [(1, True, False), (2, True, False), (3, True, False)]),
        ("user2", [(1, False, True), (2, False, True)]),
        ("user3", [(3, False, True)]),
        ("ANN", [(1, False, False), (2, False, False), (3, False, False)]),
        ("mallory", []),
    ],
)
def test_everybody_sees_own_lines_a_manager_those_of_own_projects_and_the_staff_all(
    drafted: Engine, who: str, seen: list[tuple[int, bool, bool]]
) -> None:
    found = billing.visible_lines(drafted, RUN, who)
    assert found.select("line", "is_mine", "is_managed").rows() == seen
    assert all(person.startswith("P-") for person in found["person"])
    for line in (1, 2, 3):
        if line in [number for number, *_ in seen]:
            billing.refuse_stranger(drafted, who, RUN, line)
        else:
            with pytest.raises(
                Problem, match=f"{who} cannot see line {line} of run 2026-09/1: {who} neither"
            ):
                billing.refuse_stranger(drafted, who, RUN, line)


def test_runs_as_a_whole_are_for_managers_and_the_staff(drafted: Engine) -> None:
    for who in ("user2", "user3", "pat"):
        billing.refuse_stranger(drafted, who, RUN)
        billing.refuse_stranger(drafted, who)
    for who in ("user1", "mallory"):
        with pytest.raises(Problem, match=f"{who} cannot see runs as a whole: {who} is not of the billing"):
            billing.refuse_stranger(drafted, who, RUN)


def test_a_run_or_line_that_is_not_there_is_named(drafted: Engine) -> None:
    with pytest.raises(Problem, match="there is no billing run '2026-11/1'"):
        billing.visible_lines(drafted, "2026-11/1", "pat")
    with pytest.raises(Problem, match="run 2026-09/1 has no line 9; see them: `process-meter billing lines"):
        billing.refuse_stranger(drafted, "pat", RUN, 9)


# --- Who takes files away ----------------------------------------------------------------------------------


FILES: dict[str, Callable[[Engine, str, Path], object]] = {
    "workbook": lambda engine, who, path: write_workbook(engine, RUN, path, who, NOW),
    "statements": lambda engine, who, _: read_statements(engine, RUN, who, NOW),
    "statement PORT": lambda engine, who, _: read_statements(engine, RUN, who, NOW, client="PORT"),
    "export check generic": lambda engine, who, _: exporting.check(engine, RUN, "generic", who, NOW),
    "export generic": lambda engine, who, path: exporting.export(engine, RUN, "generic", path, who, NOW),
}


@pytest.mark.parametrize("who", ["mallory", "user1", "user2"])
def test_files_of_a_run_are_made_by_the_billing_staff_alone(
    drafted: Engine, tmp_path: Path, who: str
) -> None:
    change(drafted, "UPDATE billing_run SET status = 'closed'")
    before = events(drafted)
    for purpose, make in FILES.items():
        with pytest.raises(Problem, match=f"^{who} cannot make the {purpose} of run 2026-09/1: {who} is not"):
            make(drafted, who, tmp_path / "made.xlsx")
    with pytest.raises(Problem, match=f"^{who} cannot void the export of run 2026-09/1: {who} is not"):
        exporting.void(drafted, RUN, "generic", who, "again", NOW)
    assert (events(drafted), list(tmp_path.glob("*made*"))) == (before, [])


def test_the_billing_staff_makes_files_of_a_run_in_any_case_of_its_name(
    drafted: Engine, tmp_path: Path
) -> None:
    FILES["workbook"](drafted, "PAT", tmp_path / "made.xlsx")
    assert (tmp_path / "made.xlsx").exists()
    assert events(drafted)[-1] == ("PAT", "billing workbook")


# --- The list ----------------------------------------------------------------------------------------------


def test_the_staff_is_changed_by_itself_and_on_record(drafted: Engine) -> None:
    assert billing.staff(drafted) == ["pat", "ann", "sue"]
    assert billing.change_staff(drafted, "Ann", NOW, add=(" Meridian\\MPlum ",), remove=("PAT",)) is True
    assert billing.staff(drafted) == ["ann", "meridian\\mplum", "sue"]
    assert events(drafted)[-1] == ("Ann", "billing staff")
    with pytest.raises(Problem, match="pat is not of the billing staff"):
        billing.draft(drafted, PERIOD, "generic", "pat", NOW)


def test_who_is_in_the_staff_already_changes_nothing(drafted: Engine) -> None:
    before = events(drafted)
    assert billing.change_staff(drafted, "ann", NOW, add=("SUE",), remove=("nobody",)) is False
    assert events(drafted) == before


@pytest.mark.parametrize(
    ("add", "remove", "says"),
    [
        ((), ("pat", "ann", "sue"), "nobody would be left in the billing staff"),
        (("  ",), (), "an account of the billing staff has no name"),
        (("\u202eann",), (), r"\\u202eann is no name of an account; name the account as"),
    ],
)
def test_a_staff_of_nobody_is_refused(
    drafted: Engine, add: tuple[str, ...], remove: tuple[str, ...], says: str
) -> None:
    with pytest.raises(Problem, match=says):
        billing.change_staff(drafted, "ann", NOW, add=add, remove=remove)
    assert billing.staff(drafted) == ["pat", "ann", "sue"]


def test_a_slip_of_the_pen_locks_nobody_out(drafted: Engine) -> None:
    change(drafted, "UPDATE organization SET settings = '{}'")
    with pytest.raises(
        Problem, match=r"^nobody of the directory has the account usre1, and root would not be left in the"
    ):
        billing.change_staff(drafted, "root", NOW, add=("usre1",))
    assert billing.staff(drafted) == []
    assert billing.change_staff(drafted, "root", NOW, add=("user1", "usre2")) is True
    assert billing.staff(drafted) == ["user1", "usre2"]


# --- Reasons -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "says"),
    [
        (" \t\n ", "needs a reason; say why in a few words"),
        (
            "a\0b",
            r"a\\x00b is no reason that can be shown; give at most 1,000 characters that can be printed",
        ),
        ("\u202egnp.exe", r"\\u202egnp.exe is no reason that can be shown"),
        ("\ud800", r"\\ud800 is no reason that can be shown"),
        ("x" * 40_000, f"{'x' * 60}… is no reason that can be shown"),
    ],
)
def test_a_reason_that_nobody_could_read_is_refused_by_every_act(
    drafted: Engine, reason: str, says: str
) -> None:
    before = events(drafted)
    for act in (
        lambda: billing.review(drafted, RUN, 1, "hold", "pat", reason, NOW),
        lambda: billing.waive(drafted, RUN, "pat", reason, NOW, kind="unassigned"),
        lambda: billing.sign(drafted, RUN, "A", "pat", reason, NOW),
        lambda: billing.void(drafted, RUN, "pat", reason, NOW),
        lambda: billing.release(drafted, RUN, 1, "pat", reason, NOW),
        lambda: exporting.void(drafted, RUN, "generic", "pat", reason, NOW),
    ):
        with pytest.raises(Problem, match=says):
            act()
    assert events(drafted) == before


@pytest.mark.parametrize(
    "reason", ["=1+1", "@SUM(A1)", "🙂", "שלום", "<b>x</b>", "'; DROP TABLE project; --"]
)
def test_a_reason_is_kept_as_it_is_said(drafted: Engine, reason: str) -> None:
    billing.review(drafted, RUN, 1, "hold", "pat", f"  {reason}\n", NOW)
    assert billing.show(drafted, RUN, 1)["reviews"][0]["reason"] == reason


def test_other_settings_of_the_organization_stay(drafted: Engine) -> None:
    change(drafted, """UPDATE organization SET settings = '{"separation_of_duties": true}'""")
    billing.change_staff(drafted, "ann", NOW, add=("ann",))
    with drafted.connect() as connection:
        settings = connection.exec_driver_sql("SELECT settings FROM organization").scalar_one()
    assert settings == '{"separation_of_duties": true, "billing_staff": ["ann"]}'
