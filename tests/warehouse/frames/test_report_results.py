"""Key figures of reports come back as a table."""

from __future__ import annotations

from sqlalchemy import Engine

from warehouse import frames, report_runs

RESULTS = {
    "peak": 40,
    "busy": 1.5,
    "pool": "cad",
    "owned": None,
    "cost": {"EUR": 1200},
    "rows": [{"n": 1}, {"n": 2}],
}


def ran(engine: Engine, name: str, status: str = "done", results: dict[str, object] | None = None) -> int:
    run = report_runs.start(engine, name, {"key": "user"}, f"{name}/1", 1_000)
    report_runs.finish(engine, run, status=status, results=results or {"peak": 1}, at_ms=2_000)
    return run


def test_each_figure_of_each_finished_run_has_a_row(engine: Engine) -> None:
    run = ran(engine, "peak_demand", results=RESULTS)
    ran(engine, "peak_demand", "failed", {"error": "no data"})
    ran(engine, "heatmap")
    found = frames.report_results(engine, "peak_demand").collect()
    assert found.select("figure", "number", "text").rows() == [
        ("peak", 40.0, None),
        ("busy", 1.5, None),
        ("pool", None, "cad"),
        ("owned", None, None),
        ("cost.EUR", 1200.0, None),
        ("rows.1.n", 1.0, None),
        ("rows.2.n", 2.0, None),
    ]
    assert set(found.select("report", "run", "parameters").rows()) == {
        ("peak_demand", run, '{"key": "user"}')
    }
    assert [f"{moment:%S}" for moment in found["started"].unique()] == ["01"]
    assert frames.report_results(engine).collect()["report"].unique().sort().to_list() == [
        "heatmap",
        "peak_demand",
    ]


def test_without_runs_it_is_empty_and_of_its_types(engine: Engine) -> None:
    found = frames.report_results(engine).collect()
    assert (found.height, dict(found.schema)) == (0, dict(frames.REPORT_RESULTS))
