from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from accounting import a_line, a_run, billed, by_project, lines, months, read_csv, write
from accounting_imports import CUSTOMERS, IMPORTS, MAPPINGS
from billing_warehouse import hour, ms, on, organize, price, use
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from apps.commands import exporting as commands
from pipelines import billing, exporting
from pipelines.book import Book, open_book
from pipelines.sample.load import load
from pipelines.sample.plan import Plan
from warehouse import store
from warehouse.errors import Problem

SEPTEMBER = ms("2026-10-02 12:00")
PLAN = Plan(today=date(2026, 11, 24), people=12, months=2, earlier_months=0)


def month(engine: Engine) -> None:
    """An hour of A at 90 EUR and 20 minutes of B at 33.3333 EUR."""
    organize(engine)
    price(engine, 1, 900_000)
    price(engine, 2, 333_333, project_id=2, application_id=1)
    use(engine, hour(1, "2026-09-07"), hour(2, "2026-09-08", person=2, minutes=20))
    on(engine, 1, "A", at_="2026-09-07 09:00")
    on(engine, 2, "B", at_="2026-09-08 09:00", phase="01", task="X")


def closed(engine: Engine, target: str = "vantagepoint") -> str:
    run = billing.draft(engine, "2026-09", target, "pat", SEPTEMBER)
    billing.approve(engine, run, "ann", SEPTEMBER)
    billing.close(engine, run, "ann", SEPTEMBER)
    return run


@pytest.fixture(scope="module")
def closed_file(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a warehouse whose September was closed for vantagepoint, to be copied."""
    path = tmp_path_factory.mktemp("closed") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    opened = store.open_warehouse(f"sqlite:///{path}")
    month(opened)
    closed(opened)
    opened.dispose()
    return path


@pytest.fixture
def september(closed_file: Path, tmp_path: Path) -> Iterator[Engine]:
    shutil.copyfile(closed_file, tmp_path / "september.sqlite")
    opened = store.open_warehouse(f"sqlite:///{tmp_path / 'september.sqlite'}")
    yield opened
    opened.dispose()


def export(engine: Engine, out: Path, target: str = "vantagepoint", **more: Any) -> exporting.Exported:
    return exporting.export(engine, "2026-09/1", target, out, "ann", SEPTEMBER, **more)


def void(engine: Engine, target: str = "vantagepoint", reason: str = "taken out again") -> str:
    return exporting.void(engine, "2026-09/1", target, "ann", reason, SEPTEMBER)


def rows(engine: Engine, sql: str) -> list[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(sa.text(sql))]


def change(engine: Engine, sql: str) -> None:
    with store.writing(engine) as connection:
        connection.execute(sa.text(sql))


# --- The batch ---------------------------------------------------------------------------------------------


def test_a_first_export_opens_a_batch_that_stands_in_the_file_and_in_the_audit(
    both_engines: Engine, tmp_path: Path
) -> None:
    month(both_engines)
    run = closed(both_engines)
    made = export(both_engines, tmp_path / "out.csv")
    assert made.batch.startswith("2026-09/1-VP-")
    assert (len(made.batch), made.rows, made.before) == (21, 2, None)
    assert made.told() == f"2 rows, batch {made.batch}"
    assert read_csv(tmp_path / "out.csv")[0]["DetailDescription"] == f"The cad {made.batch}"
    ((target, batch, count, actor),) = rows(
        both_engines, "SELECT target, batch, row_count, actor FROM export_batch"
    )
    assert (target, batch, count, actor) == ("vantagepoint", made.batch, 2, "ann")
    ((subject, detail),) = rows(
        both_engines, "SELECT subject, detail FROM audit_event WHERE action = 'billing export'"
    )
    told = detail if isinstance(detail, dict) else json.loads(detail)
    assert (subject, told["batch"], told["rows"], told["again"]) == (run, made.batch, 2, False)


def test_the_same_export_again_is_the_same_bytes_and_no_new_batch(september: Engine, tmp_path: Path) -> None:
    first = export(september, tmp_path / "one.csv")
    again = exporting.export(
        september, "2026-09/1", "vantagepoint", tmp_path / "two.csv", "bob", SEPTEMBER + 86_400_000
    )
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    assert again.told() == f"exported before on 2026-10-02 12:00 UTC by ann, batch {first.batch}"
    assert rows(september, "SELECT actor FROM export_batch") == [("ann",)]
    assert billing.verify(september) == []


def test_no_other_target_gets_the_run_until_the_batch_is_void(september: Engine, tmp_path: Path) -> None:
    first = export(september, tmp_path / "out.csv")
    with pytest.raises(
        Problem, match=f"run 2026-09/1 was exported to vantagepoint, batch {first.batch}; take"
    ):
        export(september, tmp_path / "other.csv", "ajera")
    assert not (tmp_path / "other.csv").exists()
    assert void(september) == first.batch
    second = export(september, tmp_path / "other.csv", "ajera")
    assert second.batch.startswith("2026-09/1-AJ-")
    assert rows(september, "SELECT target, voided_by, void_reason FROM export_batch ORDER BY id") == [
        ("vantagepoint", "ann", "taken out again"),
        ("ajera", None, None),
    ]
    assert billing.verify(september) == []


def test_a_re_issue_after_voiding_has_another_id(september: Engine, tmp_path: Path) -> None:
    batches = []
    for _ in range(3):
        batches.append(export(september, tmp_path / "out.csv").batch)
        void(september)
    assert len(set(batches)) == 3
    assert read_csv(tmp_path / "out.csv")[0]["DetailDescription"] == f"The cad {batches[2]}"


def test_other_contents_under_the_same_id_are_refused(september: Engine, tmp_path: Path) -> None:
    export(september, tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()
    mapping = tmp_path / "map.toml"
    mapping.write_text('account = "521.00"')
    with pytest.raises(Problem, match=r"was exported with other contents: another mapping file, or another"):
        export(september, tmp_path / "out.csv", mapping=mapping)
    assert (tmp_path / "out.csv").read_bytes() == before


def test_of_two_who_export_at_once_one_is_first_and_the_other_is_told(
    both_engines: Engine, tmp_path: Path
) -> None:
    month(both_engines)
    closed(both_engines)
    barrier = Barrier(2)

    def one(name: str) -> exporting.Exported:
        barrier.wait()
        return exporting.export(
            both_engines, "2026-09/1", "vantagepoint", tmp_path / f"{name}.csv", name, SEPTEMBER
        )

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(one, ("ann", "bob")))
    (before,) = [each.before for each in made if each.before]
    assert made[0].batch == made[1].batch
    assert rows(both_engines, "SELECT batch, actor FROM export_batch") == [(before.batch, before.actor)]
    assert (tmp_path / "ann.csv").read_bytes() == (tmp_path / "bob.csv").read_bytes()


def test_of_two_who_export_to_two_targets_at_once_one_is_refused(september: Engine, tmp_path: Path) -> None:
    barrier = Barrier(2)

    def one(target: str) -> str:
        barrier.wait()
        try:
            return export(september, tmp_path / target, target).batch
        except Problem as refused:
            return str(refused)

    with ThreadPoolExecutor(2) as pool:
        made = list(pool.map(one, ("vantagepoint", "ajera")))
    assert sorted(text.startswith(("2026-09/1-VP-", "2026-09/1-AJ-")) for text in made) == [False, True]
    assert len(rows(september, "SELECT id FROM export_batch")) == 1
    assert [path.name for path in tmp_path.iterdir() if path.name in ("vantagepoint", "ajera")] == [
        target
        for target, text in zip(("vantagepoint", "ajera"), made, strict=True)
        if text.startswith("2026-09/1-")
    ]


@pytest.mark.parametrize("target", ["ajera", "vantagepoint"])
def test_whoever_is_overtaken_while_reading_writes_nothing(
    september: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    def overtaken(*facts: Any) -> Book:
        monkeypatch.setattr(exporting, "open_book", open_book)
        export(september, tmp_path / "other.csv", target)
        if target == "vantagepoint":
            void(september)
        return open_book(*facts)

    monkeypatch.setattr(exporting, "open_book", overtaken)
    with pytest.raises(
        Problem, match="2026-09/1 was exported or voided by somebody else just now; look at it"
    ):
        export(september, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    assert len(rows(september, "SELECT id FROM export_batch")) == 1


def test_a_second_file_that_cannot_be_written_leaves_neither_file_nor_batch(
    september: Engine, tmp_path: Path
) -> None:
    # A credit, put behind the back of the closed run: no use in this small month gives one.
    change(
        september,
        "UPDATE charge_line SET quantity = -quantity, amount_minor = -amount_minor WHERE line_number = 2",
    )
    (tmp_path / "out-credits.csv").mkdir()
    with pytest.raises(Problem, match=r"out-credits.csv is a folder; name a file"):
        export(september, tmp_path / "out.csv", "quickbooks-invoice")
    assert [path.name for path in tmp_path.glob("*out*")] == ["out-credits.csv"]
    assert rows(september, "SELECT id FROM export_batch") == []


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (
            void,
            "run 2026-09/1 has no export to vantagepoint that stands; there is nothing",
        ),
        (
            lambda engine: void(engine, reason=" "),
            "to void an export needs a reason; say why in a few words",
        ),
        (lambda engine: void(engine, "abacus"), "unknown target 'abacus'; use one of generic, vantagepoint"),
    ],
)
def test_what_cannot_be_voided_is_refused(september: Engine, act: Callable[[Engine], str], says: str) -> None:
    with pytest.raises(Problem) as refused:
        act(september)
    assert says in str(refused.value)


def test_only_the_target_that_has_the_run_is_voided(september: Engine, tmp_path: Path) -> None:
    export(september, tmp_path / "out.csv")
    with pytest.raises(Problem, match="no export to ajera that stands: it was exported to vantagepoint"):
        void(september, "ajera")


# --- What is refused ---------------------------------------------------------------------------------------


def test_a_check_names_each_line_and_the_export_refuses_with_the_same_list(
    engine: Engine, tmp_path: Path
) -> None:
    month(engine)
    change(engine, "UPDATE person SET employee_number = NULL")
    run = billing.draft(engine, "2026-09", "vantagepoint", "pat", SEPTEMBER)
    faults = [str(fault) for fault in exporting.check(engine, run, "vantagepoint", "ann", SEPTEMBER)]
    remedy = "import employee numbers: `process-meter directory import`"
    assert faults == [
        f"line 1: Ada Example has no employee number; {remedy}",
        f"line 2: Ben Sample has no employee number; {remedy}",
    ]
    closed(engine)
    with pytest.raises(Problem) as refused:
        export(engine, tmp_path / "out.csv")
    assert str(refused.value).split("\n") == [
        "run 2026-09/1 cannot be imported by vantagepoint:",
        *(f"  {fault}" for fault in faults),
    ]
    assert list(tmp_path.glob("*out*")) == []
    assert rows(engine, "SELECT id FROM export_batch") == []


def test_a_draft_can_be_checked_and_only_a_closed_run_exported(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    run = billing.draft(engine, "2026-09", "ajera", "pat", SEPTEMBER)
    assert exporting.check(engine, run, "ajera", "ann", SEPTEMBER) == []
    with pytest.raises(Problem, match="run 2026-09/1 is draft; only a closed run can be exported"):
        export(engine, tmp_path / "out.csv", "ajera")


def test_a_target_of_another_quantum_is_refused(september: Engine, tmp_path: Path) -> None:
    says = (
        "was drafted for vantagepoint, which quickbooks-iif cannot take; export it with --target vantagepoint"
    )
    with pytest.raises(Problem, match=f"run 2026-09/1 {says}"):
        export(september, tmp_path / "out.iif", "quickbooks-iif")
    found = exporting.check(september, "2026-09/1", "quickbooks-iif", "ann", SEPTEMBER)
    assert str(found[0]) == f"the run {says}"


def test_showback_is_never_exported(september: Engine, tmp_path: Path) -> None:
    change(september, "UPDATE billing_run SET showback = 1")
    with pytest.raises(
        Problem, match="run 2026-09/1 is showback; it is shown to its payers, and never exported"
    ):
        export(september, tmp_path / "out.csv")


def test_a_void_run_is_named(engine: Engine) -> None:
    month(engine)
    run = billing.draft(engine, "2026-09", "ajera", "pat", SEPTEMBER)
    billing.void(engine, run, "pat", "wrong calendar", SEPTEMBER)
    found = exporting.check(engine, run, "ajera", "ann", SEPTEMBER)
    assert str(found[0]) == "the run is void; export the run that took its place"


def test_hours_and_minutes_are_drafted_in_minutes_and_exported(engine: Engine, tmp_path: Path) -> None:
    month(engine)
    closed(engine, "quickbooks-iif")
    made = export(engine, tmp_path / "out.iif", "quickbooks-iif")
    activities = [line.split("\t") for line in (tmp_path / "out.iif").read_text().splitlines()[3:]]
    assert [(row[2], row[6]) for row in activities] == [
        ("Port Authority:A", "1:00"), ("Port Authority:B", "0:20"),
    ]  # fmt: skip
    assert activities[0][8] == f"The cad, {made.batch} line 1"


# --- All targets -------------------------------------------------------------------------------------------


def test_the_command_line_lists_the_targets_that_there_are() -> None:
    assert commands.TARGETS.split(", ") == list(exporting.TARGETS)


@pytest.mark.parametrize("target", [name for name in exporting.TARGETS if name != "quickbooks-iif"])
def test_every_target_exports_the_month_with_its_defaults(
    september: Engine, tmp_path: Path, target: str
) -> None:
    out = tmp_path / f"out{exporting.TARGETS[target].ENDING}"
    made = export(september, out, target)
    assert [path.name for path in made.files] == [out.name]
    assert made.rows == (3 if target == "journal" else 2)
    assert out.stat().st_mode & 0o777 == 0o600  # it holds names and amounts


@pytest.mark.parametrize("target", exporting.TARGETS)
def test_the_import_sheet_gets_plain_values_under_the_targets_columns(target: str) -> None:
    run = a_run(exporting.TARGETS[target].QUANTUM_PER_HOUR, target=target)
    row = a_line(1, run.quantum_per_hour)
    columns, found = exporting.rows(run, lines(row))
    assert {len(values) for values in found} == {len(columns)}
    assert {type(value) for values in found for value in values} <= {str, int, Decimal, date, type(None)}


def test_the_import_sheet_says_which_of_several_files_a_row_is_in() -> None:
    run = a_run(target="quickbooks-invoice")
    columns, found = exporting.rows(run, lines(a_line(1), a_line(2, quantity=-500)))
    assert [columns[place] for place in (0, 1, -2, -1)] == [
        "File", "*Invoice No", "*Credit Note No", "*Credit Note Date",
    ]  # fmt: skip
    assert [(row[0], row[1], row[-2]) for row in found] == [
        ("main", "2026-10/1-1", None),
        ("-credits", None, "2026-10/1-C1"),
    ]


def test_batch_ids_are_the_same_at_any_time_and_differ_by_run_target_digest_and_issue() -> None:
    run = a_run()
    ids = [
        exporting.batch_id(run, "vantagepoint"),
        exporting.batch_id(run, "vantagepoint", 2),
        exporting.batch_id(run, "generic"),
        exporting.batch_id(a_run(digest="e" * 64), "vantagepoint"),
        exporting.batch_id(a_run(number="2026-10/2"), "vantagepoint"),
    ]
    assert ids[0] == "2026-10/1-VP-0e698ebf"
    assert len(set(ids)) == 5
    assert exporting.batch_id(a_run(digest=None), "vantagepoint") == "2026-10/1-VP-unclosed"


# --- The import --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("imports")


@pytest.mark.parametrize("target", exporting.TARGETS)
@given(data=st.data())
def test_whoever_imports_the_files_comes_to_every_total_of_the_run(
    folder: Path, target: str, data: st.DataObject
) -> None:
    module = exporting.TARGETS[target]
    month = data.draw(months(module.QUANTUM_PER_HOUR))
    paths = write(module, a_run(module.QUANTUM_PER_HOUR), month, folder, MAPPINGS.get(target, ""))
    assert by_project(IMPORTS[target](paths)) == billed(month)


@pytest.fixture(scope="module")
def sample(empty_warehouse: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a small sample organization whose bills are still to be made."""
    path = tmp_path_factory.mktemp("sample") / "warehouse.sqlite"
    shutil.copyfile(empty_warehouse, path)
    opened = store.open_warehouse(f"sqlite:///{path}")
    load(opened, PLAN)
    opened.dispose()
    return path


@pytest.fixture(scope="module", params=[1000, 60], ids=["thousandths", "minutes"])
def sample_bill(request: pytest.FixtureRequest, sample: Path) -> Book:
    """A month of the sample, closed in thousandths of an hour or in minutes."""
    path = sample.with_name(f"{request.param}.sqlite")
    shutil.copyfile(sample, path)
    opened = store.open_warehouse(f"sqlite:///{path}")
    target = "generic" if request.param == 1000 else "quickbooks-iif"
    now = ms("2026-11-24 12:00")
    run = billing.draft(opened, "2026-10", target, "pat", now)
    book = open_book(opened, run, "ann", "workbook", now)
    opened.dispose()
    return book


def test_the_sample_month_is_imported_to_every_total(sample_bill: Book, tmp_path: Path) -> None:
    bill = sample_bill.lines.filter("is_billed")
    rows = bill.to_dicts()
    assert (len(rows) > 100, {row["currency"] for row in rows}) == (True, {"EUR", "USD"})
    centers = sorted({row["cost_center"] for row in rows if row["cost_center"]})
    customers = "[customers]\n" + "".join(f'"{center}" = "Internal"\n' for center in centers)
    for target, module in exporting.TARGETS.items():
        if sample_bill.run.quantum_per_hour == module.QUANTUM_PER_HOUR:
            text = MAPPINGS.get(target, "").replace(CUSTOMERS, customers)
            paths = write(module, sample_bill.run, sample_bill.lines.to_dicts(), tmp_path, text)
            assert by_project(IMPORTS[target](paths)) == billed(rows), target


@pytest.mark.parametrize("target", exporting.TARGETS)
def test_the_example_of_a_mapping_in_the_documentation_is_one(target: str, tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "exports.md").read_text(encoding="utf-8")
    assert f"\n| {target} | " in page
    text = page.split(f"\n### {target}\n")[1].split("```toml\n")[1].split("```")[0]
    path = tmp_path / "map.toml"
    path.write_text(text, encoding="utf-8")
    module = exporting.TARGETS[target]
    assert module.read_mapping(path) != module.read_mapping(None)
