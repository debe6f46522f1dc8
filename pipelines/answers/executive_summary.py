"""One page for an executive: what is owned, what was needed, what idles, and what projects paid back."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipelines.answers.evidence import Evidence, gather, no_use
from pipelines.answers.executive_figures import Figures, measure
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.groups import SMALLEST, at_least_five
from pipelines.answers.question import Question
from pipelines.answers.unused_licenses import Guard
from pipelines.answers.wording import count, listing, safe, share
from warehouse.errors import Problem
from warehouse.money import format_minor

FOLDED = "Others, of few people"
FEW = "fewer than five people used anything in this window, so every figure would tell of single persons"
USUAL = Guard()
Tile = tuple[str, tuple[str, ...], str]
"""What it is, its value on one or more lines, and what it is of."""


@dataclass(frozen=True)
class Summary:
    """What an executive sees: nobody's name, no pseudonym, and no group of fewer than five people.

    Attributes
    ----------
    licenses
        One row per product and metric, most people at once first, those that nobody used last; the figures
        of fewer than five people are folded into one row, which gives sums alone: name, people, owned, peak,
        need_95, position (Int64, owned - consumed by what was open, as `compliance` counts it), unused,
        trend (change of the monthly peak in people over the window, Float64), idle_cost and
        recovered (text: each currency by itself), metric.
    shared
        Rows of `licenses` that people share, or that no right covers: their peak is what has to be owned.
    idle
        One row per license and currency with idle cost, dearest first: name, currency, amount_minor, amount,
        label (amount and share of the license's cost).
    currencies
        Those of `idle`, in order.
    tiles
        The figures of the whole: title, value by line, note.
    claims
        Markdown sentences: "licenses", "idle", "trend".
    missing
        What cannot be told and how to get it: sentences.
    """

    licenses: pl.DataFrame
    shared: pl.DataFrame
    idle: pl.DataFrame
    currencies: list[str]
    tiles: list[Tile]
    claims: dict[str, str]
    missing: list[str]
    footer: Footer
    results: dict[str, object]

    def idle_in(self, currency: str) -> pl.DataFrame:
        """Give `idle` in one currency: amounts of two are never added or compared."""
        return self.idle.filter(pl.col("currency") == currency)


def answer(question: Question, guard: Guard = USUAL, evidence: Evidence | None = None) -> Summary:
    """Sum up the licenses of an organization over a window.

    Raises
    ------
    Problem
        The window holds no use of the basis, or fewer than five people's.
    """
    found = evidence or gather(question)
    figures = measure(question, found, guard)
    if not figures.licenses["peak"].sum():
        raise no_use(question, found)
    if _users(found) < SMALLEST:
        raise Problem(FEW[0].upper() + FEW[1:], "widen the window, or ask the license manager")
    groups = _groups(figures.licenses)
    licenses = _folded(figures, groups)
    idle = _idle(figures, groups)
    footer = footer_of(
        question, found, key="people, after their accounts are merged", calendar=figures.calendar
    )
    return Summary(
        licenses=licenses,
        shared=_shared(licenses),
        idle=idle,
        currencies=idle["currency"].unique().sort().to_list(),
        tiles=_tiles(figures, footer),
        claims={
            "licenses": _claim_licenses(licenses, figures),
            "idle": _claim_idle(figures, idle),
            "trend": _claim_trend(licenses, figures.months),
        },
        missing=figures.missing,
        footer=footer,
        results=_results(figures, footer),
    )


def _users(found: Evidence) -> int:
    who = found.sessions.select(pl.coalesce("person", "account").n_unique()).collect().item()
    return int(who)


# --- Groups of at least five -------------------------------------------------------------------------------


def _groups(licenses: pl.DataFrame) -> pl.DataFrame:
    """Say under which name each license is shown: its own, or that of all whose people are fewer than five.

    What nobody used and nobody holds tells of nobody, and keeps its name.
    """
    of_people = licenses.filter(pl.col("people") > 0).select("people", name="license", unused=pl.lit(0))
    large = at_least_five(of_people, ["unused"], other=FOLDED).filter(pl.col("people").is_not_null())
    own = pl.col("license").is_in(large["name"].implode()) | (pl.col("people") == 0)
    return licenses.select("license", shown=pl.when(own).then("name").otherwise(pl.lit(FOLDED)))


def _folded(figures: Figures, groups: pl.DataFrame) -> pl.DataFrame:
    """Give each license its row, and those of few people one together, with sums alone."""
    rows = figures.licenses.join(groups, on="license", maintain_order="left")
    is_own = pl.col("shown") != FOLDED
    own = rows.filter(is_own)
    small = rows.filter(~is_own).select("shown", "unused").group_by("shown")
    sums = small.agg(pl.when(pl.col("unused").count() > 0).then(pl.col("unused").sum()))
    whole = pl.concat([own, sums], how="diagonal")
    idle = _in_words(figures.costs, groups, "idle_cost_minor", "idle_cost")
    paid_back = _in_words(figures.recovered, groups, "recovered_minor", "recovered")
    return (
        whole.join(idle, on="shown", how="left", maintain_order="left")
        .join(paid_back, on="shown", how="left", maintain_order="left")
        .select(
            *(pl.col("shown").alias("name"), "people", "owned", "peak", "need_95", "position", "unused"),
            *(pl.col("trend").round(1), "idle_cost", "recovered", "metric"),
        )
    )


def _in_words(money: pl.DataFrame, groups: pl.DataFrame, column: str, name: str) -> pl.DataFrame:
    """Write the amounts of each row that is shown, currency by currency."""
    sums = (
        money.join(groups, on="license")
        # A sum that leaves out what is not known would look like the whole.
        .filter(pl.col(column).is_not_null().all().over("shown"))
        .group_by("shown", "currency")
        .agg(pl.col(column).sum().alias("amount_minor"))
        .sort("shown", "currency")
        .with_columns(_amount())
    )
    return sums.group_by("shown").agg(pl.col("amount").str.join(", ").alias(name))


def _amount() -> pl.Expr:
    return (
        pl.struct("amount_minor", "currency")
        .map_elements(lambda row: format_minor(row["amount_minor"], row["currency"]), return_dtype=pl.String)
        .alias("amount")
    )


def _shared(licenses: pl.DataFrame) -> pl.DataFrame:
    """Keep what people can share: a seat serves nobody else, and tokens are not people."""
    is_shared = pl.col("metric").is_null() | (pl.col("metric") == "concurrent")
    return licenses.filter(is_shared, pl.col("peak").is_not_null())


def _idle(figures: Figures, groups: pl.DataFrame) -> pl.DataFrame:
    sums = (
        figures.costs.drop_nulls()
        .join(groups, on="license")
        .group_by("currency", name="shown")
        .agg(pl.col("cost_minor").sum(), amount_minor=pl.col("idle_cost_minor").sum())
        .filter(pl.col("amount_minor") > 0)
        .sort("currency", "amount_minor", "name", descending=[False, True, False])
        .with_columns(_amount())
    )
    percent = (100 * pl.col("amount_minor") / pl.col("cost_minor")).round().cast(pl.Int64)
    label = pl.format("{}, {} % of its cost", "amount", percent)
    return sums.select("name", "currency", "amount_minor", "amount", label=label)


# --- What it says ------------------------------------------------------------------------------------------


def _sums(money: pl.DataFrame, column: str) -> tuple[str, ...]:
    """Add up each currency by itself."""
    known = money.drop_nulls(column).group_by("currency").agg(pl.col(column).sum()).sort("currency")
    return tuple(format_minor(amount, currency) for currency, amount in known.iter_rows())


def _tiles(figures: Figures, footer: Footer) -> list[Tile]:
    licenses = figures.licenses
    owned = licenses.filter(pl.col("owned").is_not_null())
    short = owned.filter(pl.col("position") < 0).height
    unused, assigned = owned["unused"].sum(), owned.filter(pl.col("unused").is_not_null())["assigned"].sum()
    known = figures.costs.drop_nulls()
    judged = licenses["unused"].is_not_null().any()
    known_trends, growing = licenses["trend"].count(), licenses.filter(pl.col("trend") >= 0.05).height
    covered = footer.fleet_coverage
    return [
        (
            "Products short",
            (f"{short:,}",) if owned.height else ("—",),
            f"of {count(owned.height, 'product')} owned",
        ),
        (
            "Idle cost",
            _sums(known, "idle_cost_minor") or ("—",),
            _of("license cost", _sums(figures.costs, "cost_minor")),
        ),
        ("Unused seats", (f"{unused:,}",) if judged else ("—",), f"of {assigned:,} assigned"),
        (
            "Recovered by E2P",
            _sums(figures.recovered, "recovered_minor") or ("—",),
            "billed to projects, closed",
        ),
        (
            "Growing",
            (f"{growing:,}",) if known_trends else ("—",),
            f"of {known_trends:,} licenses with a trend",
        ),
        ("Fleet coverage", ("—" if covered is None else share(covered),), "of host-workdays observed"),
    ]


def _of(what: str, amounts: tuple[str, ...]) -> str:
    return f"of {listing(amounts)} {what}" if amounts else f"{what} not known"


def _claim_licenses(licenses: pl.DataFrame, figures: Figures) -> str:
    owned = licenses.filter(pl.col("position").is_not_null())
    if owned.is_empty():
        return "What was used is known, and what is owned is not: they cannot be compared."
    short = owned.filter(pl.col("position") < 0).sort("position", "name")
    all_short = figures.licenses.filter(pl.col("position") < 0).height
    chart = " The chart shows what can be shared." if _shared(licenses).height else ""
    return f"{_short(short, all_short)}.{_half_used(owned)}{chart}"


def _short(short: pl.DataFrame, all_short: int) -> str:
    """Name the worst; of those that few people use only how many they are."""
    if short.is_empty() and not all_short:
        return "**No license is short**"
    if short.is_empty():
        return f"**{count(all_short, 'license')} of few people {'is' if all_short == 1 else 'are'} short**"
    worst = listing(f"{safe(row['name'])} ({-row['position']:,} short)" for row in short.head(3).to_dicts())
    rest = all_short - min(short.height, 3)
    more = f"; {rest:,} more {'is' if rest == 1 else 'are'} short" if rest else ""
    return f"**{worst}** {'takes' if short.height == 1 else 'take'} more than is owned{more}"


def _half_used(owned: pl.DataFrame) -> str:
    half = owned.filter(pl.col("metric") == "concurrent", 2 * pl.col("peak") <= pl.col("owned")).height
    if not half:
        return ""
    return (
        f" Of {count(owned.height, 'license')} shown, {half:,} shared {'one' if half == 1 else 'ones'} never "
        "had more than half of what is owned in use at once."
    )


def _claim_idle(figures: Figures, idle: pl.DataFrame) -> str:
    priced = figures.costs.drop_nulls("cost_minor")
    known = priced.drop_nulls()
    if known.is_empty():
        return (
            "What idle time cost is not known: for that a license needs a price, and agents that see who is "
            "at work; a license server or a cluster tells what was open."
        )
    first = listing(
        f"**{safe(row['name'])}** ({row['amount']})"
        for row in idle.group_by("currency", maintain_order=True).first().to_dicts()
    )
    unseen = priced["license"].n_unique() - known["license"].n_unique()
    left_out = (
        f" {count(unseen, 'license')} {'is' if unseen == 1 else 'are'} not in it: never open, or open where "
        "nobody can tell who was at work."
        if unseen
        else ""
    )
    return (
        f"Of {listing(_sums(priced, 'cost_minor'))} for licenses, "
        f"**{listing(_sums(known, 'idle_cost_minor'))}** paid for time in which applications were open and "
        f"nobody was at work{f'; the most for {first}' if first else ''}.{left_out}"
    )


def _claim_trend(licenses: pl.DataFrame, months: int) -> str:
    known = licenses.filter(pl.col("trend").is_not_null())
    if known.is_empty():
        return f"A trend needs more whole months than the {months:,} of this window."
    up, down = known.filter(pl.col("trend") > 0).height, known.filter(pl.col("trend") < 0).height
    return (
        f"Over {count(months, 'whole month')} the monthly peak of {count(up, 'license')} **rose**, and that "
        f"of {down:,} **fell**."
    )


def _results(figures: Figures, footer: Footer) -> dict[str, object]:
    licenses = figures.licenses

    def by_currency(money: pl.DataFrame, column: str) -> dict[str, int]:
        known = money.drop_nulls(column).group_by("currency").agg(pl.col(column).sum()).sort("currency")
        return dict(known.iter_rows())

    return {
        "licenses": licenses.filter(pl.col("owned").is_not_null()).height,
        "short": licenses.filter(pl.col("position") < 0).height,
        "unused_seats": licenses["unused"].sum() if licenses["unused"].is_not_null().any() else None,
        "license_cost_minor": by_currency(figures.costs, "cost_minor"),
        "idle_cost_minor": by_currency(figures.costs, "idle_cost_minor"),
        "recovered_minor": by_currency(figures.recovered, "recovered_minor"),
        "fleet_coverage": footer.fleet_coverage,
    }
