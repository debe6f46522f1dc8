"""What a schedule file may say, and what is named before anything runs."""

from __future__ import annotations

import ast
import re
from datetime import time
from pathlib import Path

import pytest

from pipelines.mailing import read_mail_settings
from pipelines.reports import NOTEBOOKS, ON_REQUEST, list_reports
from pipelines.schedule import CATCH_UP, WORDS, AfterPeriod, Cron, Draft, Job, Report, Upkeep, check_cron
from pipelines.schedule_file import FORMATS, KINDS, read_schedule
from warehouse.errors import Problem

WHOLE = """
[mail]
settings = "mail.toml"

[reports]
folder = "outcome"
notebooks = ["heatmap", "peak_demand"]
recipients = ["licenses@example.com"]

[jobs.month_end]
kind = "billing"
days_after_end = 3
at = "05:30"
target = "generic"
recipients = ["ann@example.com", "ben@example.com"]

[jobs.weekly_peaks]
kind = "report"
report = "peak_demand"
cron = "0 6  * * mon"
formats = ["html", "pdf", "xlsx"]
catch_up = "all"
[jobs.weekly_peaks.parameters]
start = "@last_week"
end = "@this_week"

[jobs.mirror]
kind = "mirror"
cron = "*/15 * * * *"
catch_up = "none"

[jobs.retain]
kind = "retain"
cron = "30 2 * * *"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "schedule.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_schedule_file_names_jobs_recipients_and_times(tmp_path: Path) -> None:
    found = read_schedule(write(tmp_path, WHOLE))
    assert (found.folder, found.mail_file) == (tmp_path / "outcome", tmp_path / "mail.toml")
    week = {"start": "@last_week", "end": "@this_week"}
    assert found.jobs == (
        Job(
            "month_end", AfterPeriod(3, time(5, 30)), Draft("generic"), ("ann@example.com", "ben@example.com")
        ),
        Job(
            "weekly_peaks",
            Cron("0 6 * * mon"),
            Report("peak_demand", week, ("html", "pdf", "xlsx")),
            catch_up="all",
        ),
        Job("mirror", Cron("*/15 * * * *"), Upkeep("mirror"), catch_up="none"),
        Job("retain", Cron("30 2 * * *"), Upkeep("retain")),
        # peak_demand has a job of its own: its notebook's time does not run it a second time.
        Job("report:heatmap", Cron("0 6 1 * *"), Report("heatmap"), ("licenses@example.com",)),
    )


def test_without_a_file_the_notebooks_say_when_they_run() -> None:
    found = read_schedule(None)
    assert (found.folder, found.mail_file) == (Path("reports"), None)
    names = {job.name for job in found.jobs}
    assert "report:executive_summary" in names
    assert "report:session_detail" not in names  # only on request
    assert {str(job.when) for job in found.jobs} == {"0 6 1 * *"}


@pytest.mark.parametrize("report", list_reports(NOTEBOOKS), ids=lambda report: report.name)
def test_every_notebook_says_a_cron_text_or_that_it_is_run_on_request(report: object) -> None:
    schedule = getattr(report, "schedule", "")
    assert schedule == ON_REQUEST or check_cron(schedule) == schedule


def test_notebooks_can_be_left_out(tmp_path: Path) -> None:
    assert read_schedule(write(tmp_path, "[reports]\nnotebooks = false")).jobs == ()


JOB = "[reports]\nnotebooks = false\n[jobs.j]\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[job.j]", "job: unknown key; known ones: mail, reports, jobs"),
        ("[reports]\nnotebooks = ['nothing']", "reports.notebooks: There is no report 'nothing'"),
        ("[reports]\nformats = ['docx']", "reports.formats: unknown format 'docx'; use html, pdf, xlsx"),
        ("[reports]\nrecipients = ['a@example.com']", r"there is no mail server; write \[mail\] settings"),
        (JOB + "kind = 'report'\nreport = 'peak_demnd'\ncron = '0 6 1 * *'",
         "jobs.j.report: There is no report 'peak_demnd'; did you mean 'peak_demand'?"),
        (JOB + "kind = 'report'\nreport = 'peak_demand'", "jobs.j.cron: it is missing"),
        (JOB + "kind = 'report'\nreport = 'peak_demand'\ncron = '0 25 * * *'",
         "jobs.j.cron: '0 25 . . .' is no cron text: bad hour"),
        (JOB + "kind = 'report'\nreport = 'peak_demand'\ncron = '0 6 1 * *'\n[jobs.j.parameters]\nstrt = 'x'",
         "jobs.j.parameters: Report peak_demand has no parameter 'strt'; did you mean 'start'?"),
        (JOB + "kind = 'report'\nreport = 'what_if'\ncron = '0 6 1 * *'\n[jobs.j.parameters]\nyears = 'two'",
         "jobs.j.parameters: Report what_if: years cannot be 'two'; give a whole number"),
        (JOB + "kind = 'report'\nreport = 'heatmap'\ncron = '0 6 1 * *'\n[jobs.j.parameters]\nstart = '@now'",
         "jobs.j.parameters: parameter start: unknown word '@now'; the words are @today, "),
        (JOB + "kind = 'reprot'\ncron = '0 6 1 * *'",
         "jobs.j.kind: unknown word 'reprot'; did you mean 'report'?"),
        (JOB + "kind = 'mirror'\ncron = '0 6 1 * *'\nrecipients = []", "jobs.j.recipients: unknown key"),
        (JOB + "kind = 'mirror'\ncron = '0 6 1 * *'\ncatch_up = 'some'",
         "jobs.j.catch_up: unknown word 'some'"),
        (JOB + "kind = 'billing'\ntarget = 'sap'",
         "jobs.j.target: unknown target 'sap'; use one of .*generic"),
        (JOB + "kind = 'billing'\ndays_after_end = 0", "jobs.j.days_after_end: 0 does not fit"),
        (JOB + "kind = 'billing'\nat = '25:00'", "jobs.j.at: '25:00' is no time of the day"),
        (JOB + "kind = 'billing'\ncron = '0 6 3 * *'\nat = '06:00'",
         "jobs.j.cron: days_after_end and at say"),
        (JOB + "kind = 'billing'\nact = 'approve'",
         "jobs.j.act: 'approve' is never scheduled: a person answers for it; schedule the draft"),
        (JOB + "kind = 'billing'\nact = 'close'", "jobs.j.act: 'close' is never scheduled"),
        (JOB + "kind = 'close'\ncron = '0 6 3 * *'", "jobs.j.kind: 'close' is never scheduled"),
        (JOB + "kind = 'export'\ncron = '0 6 3 * *'", "jobs.j.kind: 'export' is never scheduled"),
        ("[jobs.'a b']\nkind = 'mirror'", "jobs.a b: 'a b' is no name of a job"),
        ("jobs = 3", "jobs: it is no table"),
        (JOB + "kind = 'billing'\nrecipients = ['a@example.com\\nBcc: b']", "is no e-mail address"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_job_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(Problem, match=f"^schedule.toml.*{said}"):
        read_schedule(write(tmp_path, text))


def test_a_notebook_with_a_bad_time_is_named(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir()
    text = (NOTEBOOKS / "heatmap.ipynb").read_text(encoding="utf-8").replace('"0 6 1 * *"', '"each month"')
    (tmp_path / "n" / "heatmap.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(Problem, match=r"heatmap.ipynb, schedule: 'each month' is no cron text"):
        read_schedule(None, tmp_path / "n")


# --- The page that explains it -----------------------------------------------------------------------------

PAGE = Path(__file__).parents[2] / "docs" / "schedule.md"


def blocks(language: str) -> list[str]:
    text = PAGE.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_examples_of_the_page_are_a_schedule_and_the_settings_of_a_mail_server(tmp_path: Path) -> None:
    schedule, mail = blocks("toml")
    found = read_schedule(write(tmp_path, schedule))
    assert [job.name for job in found.jobs][:4] == ["month_end", "weekly_peaks", "mirror", "retain"]
    assert found.folder == Path("/var/lib/process-meter/reports")
    for name, text in (("mail.toml", mail), ("mail.password", "secret\n")):
        (tmp_path / name).write_text(text, encoding="utf-8")
        (tmp_path / name).chmod(0o600)
    settings = read_mail_settings(tmp_path / "mail.toml")
    assert (settings.port, settings.security, settings.password) == (587, "starttls", "secret")


def test_the_page_names_every_word_for_days_and_every_key() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [word for word in WORDS if f"`{word}`" not in text] == []
    assert [name for name in (*KINDS, *FORMATS, *CATCH_UP) if name not in text] == []


def test_the_dag_of_the_page_compiles_and_runs_what_is_due() -> None:
    (dag,) = blocks("python")
    tree = ast.parse(dag)
    compile(tree, "process_meter.py", "exec")
    (command,) = [
        keyword.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "bash_command" and isinstance(keyword.value, ast.Constant)
    ]
    # Without the blank at its end Airflow would take a command for the name of a template.
    assert command == "/opt/process-meter/bin/process-meter schedule run --once "


def test_the_crontab_of_the_page_begins_with_a_cron_text_and_runs_what_is_due() -> None:
    (line,) = blocks("cron")
    assert check_cron(" ".join(line.split()[:5])) == "*/5 * * * *"
    assert line.rstrip().endswith("/bin/process-meter schedule run --once")
