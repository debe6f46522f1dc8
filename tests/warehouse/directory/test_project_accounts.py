"""Payers' own accounts, managers, budgets: what a project file says besides the tree of numbers."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import Engine

from warehouse import schema


def _stored(engine: Engine, *columns: str) -> list[tuple[Any, ...]]:
    project = schema.project.c
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(project.number, *(project[name] for name in columns)).order_by(project.id)
        )
        return [tuple(row) for row in rows]


def test_a_client_and_a_cost_center_can_have_an_account_of_their_own(filled: Engine, files: Any) -> None:
    files.bring(
        filled, "projects", "project,name,kind\nC7,Port by the hour,client\n4711,Overhead,cost_center\n"
    )
    assert _stored(filled, "kind", "client_id", "cost_center_id")[2:] == [
        ("C7", "client", 1, None),
        ("4711", "cost_center", None, 1),
    ]


def test_an_account_may_bring_its_client_along(filled: Engine, files: Any) -> None:
    text = "project,name,kind,client_name\nC8,Rental,client,Zoo of Example\n"
    assert files.bring(filled, "projects", text) == (
        "clients: 1 new, 0 changed, 0 unchanged; projects: 1 new, 0 changed, 0 unchanged"
    )


def test_managers_and_amounts_are_stored_and_can_be_removed(filled: Engine, files: Any) -> None:
    files.bring(filled, "projects", "project,manager,budget,not_to_exceed\n0042,e17,12500.50,15000\n")
    columns = ("manager_id", "budget_minor", "not_to_exceed_minor")
    assert _stored(filled, *columns)[0] == ("0042", 1, 1_250_050, 1_500_000)
    files.bring(filled, "projects", "project,manager,budget\n0042,-,-\n")
    assert _stored(filled, *columns)[0] == ("0042", None, None, 1_500_000)


def test_an_amount_is_in_the_minor_units_of_its_currency(filled: Engine, files: Any) -> None:
    files.bring(filled, "projects", "project,name,currency,budget\nJ,Tower,JPY,5000000\nK,Dam,KWD,1.234\n")
    assert _stored(filled, "budget_minor")[2:] == [("J", 5_000_000), ("K", 1_234)]


@pytest.mark.parametrize("name", ["=1+1", "+49 30", "@home", "גשר הנמל", "Pier 🌉 Ω"])
def test_names_are_text_whatever_they_begin_with(filled: Engine, files: Any, name: str) -> None:
    files.bring(filled, "projects", f"project,name\n{name},{name}\n")
    assert _stored(filled, "name")[2:] == [(name, name)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "project,name,kind\nX,A,department\n",
            "row 2, column kind: unknown word 'department'; write one of project, client, cost_center",
        ),
        (
            "project,kind\n0042,client\n",
            ("row 2, column kind: 0042 is stored as project, and stays it; give what is of another kind a "
            "number of its own"),
        ),
        (
            "project,name,kind\nC9,A,client\n",
            "row 2, column client: unknown client 'C9'; give its name in the column client_name",
        ),
        (
            "project,name,kind\n9999,A,cost_center\n",
            ("row 2, column cost_center: unknown cost center '9999'; import it first: "
            "`process-meter directory import FILE`"),
        ),
        (
            "project,name,kind,client\nC8,A,client,C7\n",
            ("row 2, column client: C8 is the account of a client, which pays itself; leave it out, or write "
            "C8 in client"),
        ),
        (
            "project,name,kind,cost_center\nC7,A,client,4711\n",
            ("row 2, column cost_center: C7 is the account of a client, which pays itself; leave it out, or "
            "write C7 in client"),
        ),
        (
            "project,manager\n0042,e99\n",
            ("row 2, column manager: unknown person 'e99'; import it first: "
            "`process-meter directory import FILE`"),
        ),
        ("project,budget\n0042,-1\n", "row 2, column budget: -1 is negative; write 0 or more"),
        ("project,budget\n0042,1e400\n", ("row 2, column budget: 1E+400 is beyond any project; check the "
         "decimal point")),
        (
            "project,budget\n0042,1.005\n",
            "row 2, column budget: 1.005 is finer than USD is; give at most 2 decimals",
        ),
        (
            f"project,name\nX,{'n' * 40_000}\n",
            "row 2, column name: 40,000 characters are no name; give at most 255",
        ),
        (
            f"project,name\n{'7' * 40_000},A\n",
            (f"row 2, column project: {'7' * 60}… is no number of a project; give at most 100 characters "
            "that can be printed"),
        ),
        (
            "project,phase,name\nX,\u200d10,A\n",
            (r"row 2, column phase: \u200d10 is no number of a phase; give at most 100 characters that can "
            "be printed"),
        ),
        (
            "project,name\nX,a\x01b\n",
            "row 2, column name: the character U+0001, which nobody sees; remove it: type the text anew",
        ),
        (
            "project,client,client_name\nX,C,Acme \u202egnp\n",
            ("row 2, column client_name: the character U+202E, which nobody sees; remove it: type the text "
            "anew"),
        ),
        (
            'project,name\nX,"Acme\nTotal 0.00"\n',
            r"row 2, column name: Acme\nTotal 0.00 holds a line break or tab; write a blank instead",
        ),
        (
            "project,name\n-,A\n",
            ("row 2, column project: - is no number of a project; give at most 100 characters that can "
            "be printed"),
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_written(
    filled: Engine, files: Any, text: str, message: str
) -> None:
    assert files.refusal(filled, "projects", text) == message


def test_a_budget_does_not_change_its_currency_in_silence(filled: Engine, files: Any) -> None:
    files.bring(filled, "projects", "project,budget\n0042,100\n")
    assert files.refusal(filled, "projects", "project,currency\n0042,EUR\n") == (
        "row 2, column budget: it is stored in USD, and the project's currency becomes EUR; "
        "give it anew in EUR"
    )
    files.bring(filled, "projects", "project,currency,budget\n0042,EUR,90\n")
    assert _stored(filled, "currency", "budget_minor")[0] == ("0042", "EUR", 9_000)


def test_a_nul_is_refused_by_its_place_and_a_file_that_is_no_text_as_such(filled: Engine, files: Any) -> None:
    assert files.refusal(filled, "projects", "project,name\nX,a\0b\n") == (
        "row 2, column name: the character U+0000, which nobody sees; remove it: type the text anew"
    )
    assert files.refusal(filled, "projects", "p\0r\0o\0\n\0X\0\n\0") == (
        "projects.csv is not a text file; save it as .xlsx, or as .csv in UTF-8"
    )
