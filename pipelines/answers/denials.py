"""What license servers refused: real want, a retry that succeeded, or a rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import polars as pl

from pipelines.answers.demand import Demand, measure, owned_steps
from pipelines.answers.evidence import Evidence, codes_of, gather_any
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question, no_data
from pipelines.answers.refused import refused
from pipelines.answers.wording import count, listing, safe, share
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.capacity import in_force
from warehouse.metrics.concurrency import curve
from warehouse.metrics.denials import CLASSES, POLICY_REASONS, Rules, classified, with_free
from warehouse.periods import INSTANT, day_bounds

MINUTE_MS = 60_000
CLASS_WORDS = {
    "real": "did not get in",
    "retried": "got in on a retry",
    "policy": "ran into a rule",
}
CAPACITY = pl.Schema(
    [("entitlement", pl.String()), ("start", INSTANT), ("end", INSTANT), ("units", pl.Int64())]
)
GRAINS = (("1d", "%Y-%m-%d", 45), ("1w", "week of %Y-%m-%d", 190), ("1mo", "%b %Y", 10**6))
"""How long a stretch is drawn, how it is labeled, and up to how many days."""


@dataclass(frozen=True)
class Denials:
    """Requests that license servers did not meet at once, and what each of them means.

    Attributes
    ----------
    denials
        One row per request, by time: at (Datetime UTC), application (its name), person (pseudonym), reason
        (the server's words), class (real, retried, policy), attempt (Int64), waited (Float64: minutes until
        they got in; null unless retried), free (Int64: licenses that were free then; null where neither the
        server nor an entitlement says how many there are).
    by_application
        One row per application, most denials first: name, denials, attempts, people, real, retried, policy
        (Int64: denials of each class), lost_people (people with a real one).
    over_time, step
        One row per "day", "week" or "month": label, real, retried, policy.
    rules
        The parameters in words, as the page says them.
    claims
        Markdown sentences: "classes", "applications", "when", "free".
    """

    denials: pl.DataFrame
    by_application: pl.DataFrame
    over_time: pl.DataFrame
    step: str
    rules: str
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def rules_of(retry_window_minutes: float, lasting_seconds: float, policy_reasons: str) -> Rules:
    """Read the rules as people write them; reasons are parted by commas, empty: those of `POLICY_REASONS`.

    Raises
    ------
    Problem
        A negative time, or an empty reason.
    """
    reasons = (
        tuple(part.strip() for part in policy_reasons.split(","))
        if policy_reasons.strip()
        else POLICY_REASONS
    )
    return Rules(round(retry_window_minutes * MINUTE_MS), round(lasting_seconds * 1000), reasons)


def answer(question: Question, rules: Rules | None = None, evidence: Evidence | None = None) -> Denials:
    """Sort what license servers refused.

    Parameters
    ----------
    rules
        By what denials are told apart; None: the default ones.
    evidence
        What `gather` gave for the same question without an application.

    Raises
    ------
    Problem
        No log of a license server tells of the application, or of any.
    """
    open_question = replace(question, basis="run")
    found = evidence or gather_any(replace(open_question, application=""))
    by_rules = rules or Rules()
    raw = refused(open_question, found, codes_of(question))
    if raw is None:
        raise _unlogged(question) if found.rows["sessions"] else no_data(question)
    judged = _judged(open_question, found, raw, by_rules)
    by_application = _by_application(judged)
    step, over_time = _over_time(question, judged)
    return Denials(
        denials=judged.drop("_code"),
        by_application=by_application,
        over_time=over_time,
        step=step,
        rules=_rules_words(by_rules),
        claims={
            "classes": _claim_classes(judged),
            "applications": _claim_applications(by_application),
            "when": _claim_when(step, over_time),
            "free": _claim_free(judged),
        },
        footer=_footer(open_question, found, judged),
        results=_results(judged, by_application, by_rules),
    )


def _unlogged(question: Question) -> Problem:
    asked = f" for {question.application}" if question.application else ""
    return Problem(
        f"Whether any request was refused{asked} is not known: no log of a license server tells of it",
        "read one with `process-meter import flexnet FILE`, or a table of denials with `process-meter import "
        "table FILE --mapping FILE.toml`",
    )


def _judged(question: Question, found: Evidence, raw: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Add class, minutes waited and free licenses to each denial."""
    # Who asked in the last minutes of the window may have got in after its end.
    after = frames.sessions(
        question.engine, question.end, question.end + timedelta(milliseconds=rules.retry_window_ms + 1)
    )
    followers = pl.concat([found.sessions.collect(), after.collect()]).unique("session", maintain_order=True)
    sorted_ = classified(raw.lazy(), followers.lazy(), rules).collect()
    demand = measure(question, found)
    pools = _pool_of_each(demand)
    placed = sorted_.join(pools, on="application", how="left", maintain_order="left")
    freed = with_free(placed.lazy(), demand.curve, _capacity(demand, placed)).collect()
    names = frames.applications(question.engine).select(
        _code=pl.col("application").cast(pl.String), name="name"
    )
    waited = (pl.col("served") - pl.col("at")).dt.total_milliseconds() / MINUTE_MS
    return freed.join(
        names.collect(), left_on="application", right_on="_code", how="left", maintain_order="left"
    ).select(
        *(
            "at",
            pl.coalesce("name", "application").alias("application"),
            pl.coalesce("person", "account").alias("person"),
        ),
        *("reason", pl.col("class").cast(pl.String), "attempt", waited.alias("waited"), "free"),
        _code="application",
    )


def _pool_of_each(demand: Demand) -> pl.DataFrame:
    """Say which pool's license an application takes: application, entitlement; the one consumed first."""
    order = demand.owned.pools.with_row_index("_order").select(entitlement="pool", _order="_order")
    return (
        demand.owned.members.join(order, on="entitlement")
        .sort("_order")
        .unique("application", keep="first", maintain_order=True)
        .select("application", "entitlement")
    )


def _capacity(demand: Demand, placed: pl.DataFrame) -> pl.LazyFrame:
    """Give how many licenses of each pool there were: by the server's readings, else by what was owned."""
    question = demand.question
    pools = placed["entitlement"].drop_nulls().unique(maintain_order=True)
    read = _by_readings(demand)
    unread = [pool for pool in pools if pool not in read["entitlement"]]
    owned = [
        (pool, day_bounds(question.zone, first)[0], day_bounds(question.zone, end)[0], quantity)
        for pool in unread
        for first, end, quantity in owned_steps(question, pool)
        if quantity is not None
    ]
    return pl.concat([read, pl.DataFrame(owned, read.schema, orient="row")]).lazy()


def _by_readings(demand: Demand) -> pl.DataFrame:
    """Add up what several servers have; only of pools of one application: a suite's features share seats."""
    question = demand.question
    alone = demand.owned.members.filter(pl.len().over("entitlement") == 1)
    stretches = in_force(frames.capacity_readings(question.engine), question.start, question.end)
    mine = (
        stretches.join(alone.lazy(), on="application")
        .select("entitlement", "start", "end", "units")
        .collect()
    )
    if mine.is_empty():
        return pl.DataFrame(schema=CAPACITY)
    end = pl.col("at").shift(-1).over("entitlement")
    steps = curve(mine.lazy()).with_columns(end=end).filter(pl.col("end").is_not_null())
    return steps.select("entitlement", start="at", end="end", units="demand").collect().cast(CAPACITY)


def _by_application(judged: pl.DataFrame) -> pl.DataFrame:
    def of(word: str) -> pl.Expr:
        return (pl.col("class") == word).sum().cast(pl.Int64).alias(word)

    lost = pl.col("person").filter(pl.col("class") == "real").drop_nulls().n_unique().cast(pl.Int64)
    return (
        judged.group_by("_code")
        .agg(
            pl.col("application").first().alias("name"),
            pl.len().cast(pl.Int64).alias("denials"),
            pl.col("attempt").n_unique().cast(pl.Int64).alias("attempts"),
            pl.col("person").drop_nulls().n_unique().cast(pl.Int64).alias("people"),
            *(of(word) for word in CLASSES),
            lost_people=lost,
        )
        .sort("denials", "name", descending=[True, False])
        .drop("_code")
    )


def _over_time(question: Question, judged: pl.DataFrame) -> tuple[str, pl.DataFrame]:
    """Count by stretch, stretches without any denial included."""
    days = (question.end_day - question.first_day).days
    every, label, _ = next(grain for grain in GRAINS if days <= grain[2])
    starts = pl.date_range(question.first_day, question.end_day, closed="left", eager=True).alias("day")
    local = pl.col("at").dt.convert_time_zone(question.zone).dt.date().alias("day")
    counts = judged.select(local, *((pl.col("class") == word).cast(pl.Int64).alias(word) for word in CLASSES))
    by_day = pl.concat(
        [starts.to_frame().with_columns(pl.lit(0, pl.Int64).alias(word) for word in CLASSES), counts]
    )
    stretches = by_day.sort("day").group_by_dynamic(
        "day", every=every, start_by="window" if every == "1mo" else "datapoint"
    )
    summed = stretches.agg(pl.col(CLASSES).sum())
    words = {"1d": "day", "1w": "week", "1mo": "month"}
    return words[every], summed.select(pl.col("day").dt.strftime(label).alias("label"), *CLASSES)


def _footer(question: Question, found: Evidence, judged: pl.DataFrame) -> Footer:
    footer = footer_of(question, found, key="requests that a license server did not meet at once, one by one")
    return replace(footer, rows={"denials": judged.height, **footer.rows})


def _rules_words(rules: Rules) -> str:
    return (
        f"Requests of one person for one application within {rules.retry_window_ms / MINUTE_MS:g} minutes of "
        "each other are one attempt. It succeeded if a session that lasted at least "
        f"{rules.lasting_ms / 1000:g} seconds began within the same time. A rule refused what the server "
        f"calls unsupported, or where its words hold one of: {', '.join(rules.policy_reasons) or 'none'}."
    )


# --- The claims --------------------------------------------------------------------------------------------


def _claim_classes(judged: pl.DataFrame) -> str:
    if judged.is_empty():
        return "The license servers whose logs are known refused **no request** in this window."
    last = judged.group_by("attempt", maintain_order=True).agg(pl.col("class").last())
    numbers = {word: last.filter(pl.col("class") == word).height for word in CLASSES}
    parts = [f"{numbers[word]:,} {CLASS_WORDS[word]}" for word in CLASSES]
    return (
        f"License servers refused **{count(judged.height, 'request')}** in {count(last.height, 'attempt')}: "
        f"{listing(parts)}. Only those who did not get in would have needed more licenses."
    )


def _claim_applications(by_application: pl.DataFrame) -> str:
    if by_application.is_empty():
        return ""
    first = by_application.sort("real", "denials", descending=True, maintain_order=True).row(0, named=True)
    if not first["real"]:
        return "Nobody who asked stayed without a license for want of one."
    people = count(first["lost_people"], "person", "people")
    return (
        f"**{safe(first['name'])}** was truly missed most: {count(first['real'], 'denial')} of {people} who "
        "did not get in."
    )


def _claim_when(step: str, over_time: pl.DataFrame) -> str:
    total = over_time.with_columns(total=pl.sum_horizontal(CLASSES))
    with_any = total.filter(pl.col("total") > 0)
    if with_any.is_empty():
        return "There is no moment to tell of."
    worst = with_any.sort("real", "total", descending=True, maintain_order=True).row(0, named=True)
    return (
        f"Refusals fall into {with_any.height:,} of {count(total.height, step)}; the worst was "
        f"{worst['label']}, with {count(worst['total'], 'refusal')}, {worst['real']:,} of them real."
    )


def _claim_free(judged: pl.DataFrame) -> str:
    if judged.is_empty():
        return "There was no refusal to set against free licenses."
    known = judged.filter(pl.col("class") != "policy", pl.col("free").is_not_null())
    if known.is_empty():
        return (
            "How many licenses were free at each refusal is not known: neither a reading of the server "
            "(`process-meter import lmstat FILE`) nor an entitlement says how many there are."
        )
    full = known.filter(pl.col("free") <= 0).height
    words = (
        f"In {full:,} of {known.height:,} refusals for want of a license, **none was free** the moment before"
    )
    if full == known.height:
        return f"{words}."
    return (
        f"{words}; in {share(1 - full / known.height)} some were by our count: a license that its session no "
        "longer shows may be held by the server a little longer, and one may be reserved or borrowed."
    )


def _results(judged: pl.DataFrame, by_application: pl.DataFrame, rules: Rules) -> dict[str, object]:
    return {
        "denials": judged.height,
        "attempts": judged["attempt"].n_unique(),
        **{word: judged.filter(pl.col("class") == word).height for word in CLASSES},
        "people_who_did_not_get_in": judged.filter(pl.col("class") == "real")["person"]
        .drop_nulls()
        .n_unique(),
        "retry_window_minutes": rules.retry_window_ms / MINUTE_MS,
        "applications": by_application.to_dicts(),
    }
