"""No row of a report by group tells of fewer than five people."""

from __future__ import annotations

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from use_cases import Session, at, described, session, stated

from pipelines.answers.group_labels import labels

Use = tuple[int, str, str, str]
"""Number of a person, application, department, office."""


def use(rows: list[Use]) -> list[Session]:
    return [
        session(
            number,
            (0, 10, "active"),
            person=f"P-{who}",
            application=what,
            department=department,
            office=office,
        )
        for number, (who, what, department, office) in enumerate(rows)
    ]


def shown(rows: list[Use], by: list[str]) -> pl.DataFrame:
    sessions = use(rows)
    return labels(stated(*sessions), described(*sessions), by, at(0), at(60))


def of_each(people: range, what: str, department: str, office: str) -> list[Use]:
    return [(who, what, department, office) for who in people]


def test_offices_are_folded_within_their_department_and_departments_within_their_application() -> None:
    rows = [
        *of_each(range(7), "cad", "ARC", "BER"),
        *of_each(range(10, 15), "cad", "ARC", "NYC"),
        *of_each(range(20, 21), "cad", "ARC", "SYD"),
        *of_each(range(30, 34), "cad", "CIV", "BER"),
        *of_each(range(34, 38), "cad", "CIV", "NYC"),
        *of_each(range(40, 45), "cad", "GEO", "BER"),
        *of_each(range(50, 52), "cad", "SIM", "BER"),
        *of_each(range(60), "bim", "ARC", "BER"),
        *of_each(range(6), "fem", "SIM", "BER"),
        *of_each(range(1), "lt", "SIM", "BER"),
    ]
    assert shown(rows, ["department", "office"]).rows() == [
        ("bim", "ARC", "BER", "bim", "ARC", "BER", True),
        ("cad", "ARC", "BER", "cad", "ARC", "BER", True),
        ("cad", "ARC", "NYC", "cad", "ARC", "Other offices", False),
        ("cad", "ARC", "SYD", "cad", "ARC", "Other offices", False),
        ("cad", "CIV", "BER", "cad", "CIV", "All offices", False),
        ("cad", "CIV", "NYC", "cad", "CIV", "All offices", False),
        ("cad", "GEO", "BER", "cad", "Other departments", "All offices", False),
        ("cad", "SIM", "BER", "cad", "Other departments", "All offices", False),
        ("fem", "SIM", "BER", "Other applications", "All departments", "All offices", False),
        ("lt", "SIM", "BER", "Other applications", "All departments", "All offices", False),
    ]


def test_where_no_application_has_five_people_nothing_is_shown() -> None:
    assert shown(
        [*of_each(range(4), "cad", "ARC", "BER"), *of_each(range(4, 8), "bim", "ARC", "BER")], []
    ).is_empty()
    assert shown([], ["office"]).is_empty()


uses = st.lists(
    st.tuples(
        st.integers(0, 14),
        st.sampled_from(["cad", "bim"]),
        st.sampled_from(["ARC", "CIV", "GEO"]),
        st.sampled_from(["BER", "NYC", "SYD"]),
    ),
    min_size=5,
    max_size=60,
)


@given(uses, st.permutations(["department", "office"]))
def test_every_row_is_of_five_people_or_more(rows: list[Use], by: list[str]) -> None:
    found = shown(rows, by)
    people = pl.DataFrame(rows, ["who", "application", "department", "office"], orient="row")
    names = ["_of_application", *(f"_of_{name}" for name in by)]
    counted = (
        people.join(found, on=["application", *by]).group_by(names).agg(people=pl.col("who").n_unique())
        if found.height
        else pl.DataFrame({"people": [5]})
    )
    assert (counted["people"] >= 5).all()
    if found.height:
        assert found.height == people.select("application", *by).unique().height
