"""Accounts of one person merged by the organization's rule."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from warehouse import directory, schema, store
from warehouse.directory import AccountRule, Linked
from warehouse.errors import Problem

RULE = {
    "strip_domain": True,
    "prefixes": ["adm-"],
    "suffixes": ["-adm", ".ext"],
    "aliases": {"al": "ada"},
    "shared": ["administrator", "lab-*"],
}


def rule(engine: Engine, document: Any) -> None:
    with store.writing(engine) as connection:
        connection.execute(sa.update(schema.organization).values(settings={"accounts": document}))


def seen(engine: Engine, *names: str) -> None:
    with store.writing(engine) as connection:
        for name in names:
            directory.ensure_account(connection, name)


def linked(engine: Engine) -> Linked:
    with store.writing(engine) as connection:
        return directory.link_accounts(connection)


def owners(engine: Engine) -> dict[str, Any]:
    sql = """
        SELECT account.name, person.code, account.shared FROM account
        LEFT JOIN person ON person.id = account.person_id ORDER BY account.name
    """
    return {name: "shared" if shared else code for name, code, shared in store.read(engine, sql).rows()}


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("EXAMPLE\\Ada", "ada"),
        ("ada@example.com", "ada"),
        ("adm-ada", "ada"),
        ("EXAMPLE\\adm-ada-adm", "ada"),
        ("ada.ext", "ada"),
        ("EXAMPLE\\AL", "ada"),
        ("adm-", "adm-"),
        ("example\\", "example\\"),
    ],
)
def test_a_rule_takes_a_name_to_its_plain_one(name: str, plain: str) -> None:
    assert AccountRule.from_document(RULE).plain(name) == plain


@given(st.text(max_size=30))
def test_a_plain_name_is_never_empty_and_case_does_not_matter(name: str) -> None:
    found = AccountRule.from_document(RULE)
    assert found.plain(name) or not name
    assert found.plain(name.lower()) == found.plain(name)


def test_accounts_that_mean_one_person_become_hers(filled: Engine) -> None:
    rule(filled, RULE)
    seen(filled, "OTHER\\ada", "adm-ada", "al", "bob@x.example", "cy", "EXAMPLE\\lab-3", "Administrator")
    assert linked(filled) == Linked(4, 2, ())
    assert owners(filled) == {
        "ada": "e17", "adm-ada": "e17", "administrator": "shared", "al": "e17", "bob": "e18",
        "bob@x.example": "e18", "cy": None, "example\\ada": "e17", "example\\lab-3": "shared",
        "other\\ada": "e17",
    }  # fmt: skip
    assert linked(filled) == Linked(0, 0, ())


def test_without_a_rule_nothing_is_linked(filled: Engine) -> None:
    seen(filled, "OTHER\\ada")
    assert linked(filled) == Linked(0, 0, ())
    assert owners(filled)["other\\ada"] is None


def test_a_shared_account_stays_nobody_s_and_makes_nobody_the_owner(filled: Engine, files: Any) -> None:
    files.bring(filled, "directory", "record,code,shared\naccount,bob,yes\n")
    rule(filled, {"strip_domain": True})
    seen(filled, "EXAMPLE\\bob")
    assert linked(filled).given == 0
    assert owners(filled)["example\\bob"] is None


def test_an_account_that_two_people_could_own_is_told_and_left(filled: Engine, files: Any) -> None:
    files.bring(filled, "directory", "record,code,person\naccount,OTHER\\ada,e18\n")
    rule(filled, {"strip_domain": True})
    seen(filled, "THIRD\\ada")
    doubt = "account 'third\\\\ada' could be any of e17, e18"
    assert linked(filled) == Linked(0, 0, (doubt,))
    assert owners(filled)["third\\ada"] is None
    assert files.refusal(filled, "directory", "record,code,name\ndepartment,ENG,Other\n") == (
        f"{doubt}; say whose it is in a directory file, in a row of its own with record `account`"
    )
    said = "record,code,person\naccount,THIRD\\ada,e18\n"
    files.bring(filled, "directory", said)
    assert owners(filled)["third\\ada"] == "e18"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (
            {"strip": True},
            "accounts.strip: unknown key; known ones: strip_domain, prefixes, suffixes, aliases",
        ),
        ({"strip_domain": "yes"}, "accounts.strip_domain is neither true nor false; write true or false"),
        ({"prefixes": "adm-"}, 'accounts.prefixes is no list of texts; write prefixes = ["...", "..."]'),
        ({"aliases": {"a": 1}}, "accounts.aliases is no table of names;"),
    ],
)
def test_a_rule_that_does_not_fit_names_the_key(document: Any, message: str) -> None:
    with pytest.raises(Problem) as caught:
        AccountRule.from_document(json.loads(json.dumps(document)))
    assert str(caught.value).startswith(message)
