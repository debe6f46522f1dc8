"""How a vendor's usage export compares with our count by the vendor's own rule, and why it differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import polars as pl

from pipelines.answers.evidence import Evidence, gather
from pipelines.answers.footer import Footer, footer_of
from pipelines.answers.question import Question
from pipelines.answers.wording import count, safe, share
from warehouse import frames
from warehouse.errors import Problem
from warehouse.metrics.concurrency import intervals
from warehouse.metrics.counting_rules import fixed_intervals
from warehouse.metrics.reconciliation import EQUAL, UNEXPLAINED, peak_in, people_in, reconciled
from warehouse.metrics.states import StateEnum

UNITS = {
    "licenses": "licenses in use at once",
    "devices": "devices per interval",
    "user_days": "user-days",
    "tokens": "tokens",
}
IMPORT = (
    "import them: `process-meter import table FILE --mapping user-days`; docs/importers/table.md has more"
)

SHORT_USES = "the vendor counts uses under five minutes, too"
PARTIAL = "the vendor counts the first partial interval, too"
ACCOUNTS = "the vendor counts accounts, not people"
SESSIONS = "the vendor counts sessions, not people"
UNWATCHED = "use in time that nobody watched here"


@dataclass(frozen=True)
class VendorReconciliation:
    """A vendor's counts beside ours.

    Attributes
    ----------
    rows
        One row per count: product (name), source, unit (words), start, end, vendor, ours, difference, reason.
    differing
        Those that differ, what is not explained first, then the widest.
    by_reason
        One row per product, unit and reason: counts (Int64), difference (Int64, added up).
    by_product
        One row per product and unit: counts, equal, explained, unexplained, vendor, ours (Int64, added up).
    shown
        The rows of one product and unit, in order of time: that with most unexplained counts.
    name, unit
        Of what is shown.
    claims
        Markdown sentences: "products", "shown", "reasons".
    """

    rows: pl.DataFrame
    differing: pl.DataFrame
    by_reason: pl.DataFrame
    by_product: pl.DataFrame
    shown: pl.DataFrame
    name: str
    unit: str
    claims: dict[str, str]
    footer: Footer
    results: dict[str, object]


def answer(question: Question, evidence: Evidence | None = None) -> VendorReconciliation:
    """Count as each vendor does, for the days and intervals of its export that lie in the window.

    Parameters
    ----------
    evidence
        What `gather` gave for the same question without an application.

    Raises
    ------
    Problem
        No session in the window, or no vendor's count in it.
    """
    counts = _counts(question)
    found = evidence or gather(replace(question, application=""))
    parts = [
        reconciled(rows.lazy(), *_ours(question, found, str(unit), rows)).collect()
        for (unit,), rows in counts.group_by("unit", maintain_order=True)
    ]
    rows = _named(question, pl.concat(parts))
    by_product = _by_product(rows)
    name, unit = by_product.select("product", "unit").row(0)
    shown = rows.filter(pl.col("product") == name, pl.col("unit") == unit).sort("start")
    differing = rows.filter(pl.col("difference") != 0).sort(
        *(pl.col("reason") != UNEXPLAINED, pl.col("difference").abs(), "product", "start"),
        descending=[False, True, False, False],
    )
    return VendorReconciliation(
        rows=rows,
        differing=differing,
        by_reason=_by_reason(rows),
        by_product=by_product,
        shown=shown,
        name=name,
        unit=unit,
        claims={
            "products": _claim_products(by_product),
            "shown": _claim_shown(question, shown, name),
            "reasons": _claim_reasons(rows),
        },
        footer=footer_of(question, found, key="what each vendor counts, by its own rule"),
        results={
            "counts": rows.height,
            "equal": rows.filter(pl.col("reason") == EQUAL).height,
            "explained": rows.filter(~pl.col("reason").is_in([EQUAL, UNEXPLAINED])).height,
            "unexplained": rows.filter(pl.col("reason") == UNEXPLAINED).height,
        },
    )


def _counts(question: Question) -> pl.DataFrame:
    """Read the vendors' counts of the window; of one product and unit, those of one source."""
    inside = (pl.col("start") >= question.start) & (pl.col("end") <= question.end)
    counts = frames.vendor_counts(question.engine).filter(inside)
    if question.application:
        products = frames.applications(question.engine).filter(
            (pl.col("application") == question.application) | (pl.col("product") == question.application)
        )
        counts = counts.join(products.select("product").unique(), on="product", how="semi")
    added = counts.group_by("product", "unit", "start", "end", maintain_order=True).agg(
        pl.col("count").sum(), source=pl.col("source").unique().sort().str.join(", ")
    )
    found = added.collect()
    if found.is_empty():
        of = f" of {question.application}" if question.application else ""
        what = f"There are no vendor's counts{of} from {question.first_day} to {question.end_day}"
        raise Problem(what, IMPORT)
    return found.sort("unit", "product", "start")


# --- Our counts --------------------------------------------------------------------------------------------


def _ours(
    question: Question, found: Evidence, unit: str, rows: pl.DataFrame
) -> tuple[pl.LazyFrame, dict[str, pl.LazyFrame]]:
    """Count by a unit's rule, and in the other ways in which vendors are known to count."""
    stretches = rows.lazy().select("product", "start", "end")
    by = _Used(question, found, rows["product"].unique().to_list())
    if unit == "user_days":
        return people_in(by.key("user"), stretches), {
            SHORT_USES: people_in(by.key("user"), stretches, 0),
            ACCOUNTS: people_in(by.accounts(), stretches),
            UNWATCHED: people_in(by.key("user", also_unknown=True), stretches),
        }
    if unit == "devices":
        return peak_in(fixed_intervals(by.key("device")), stretches), {
            PARTIAL: peak_in(fixed_intervals(by.key("device"), first_free=False), stretches),
            UNWATCHED: peak_in(fixed_intervals(by.key("device", also_unknown=True)), stretches),
        }
    key = "token" if unit == "tokens" else "user"
    others = {SESSIONS: by.key("session"), ACCOUNTS: by.accounts()} if key == "user" else {}
    told = {words: peak_in(used, stretches) for words, used in others.items()}
    return peak_in(by.key(key), stretches), told | {
        UNWATCHED: peak_in(by.key(key, also_unknown=True), stretches)
    }


@dataclass(frozen=True)
class _Used:
    """When some products were in use."""

    question: Question
    found: Evidence
    products: list[str]

    def key(self, key: str, *, also_unknown: bool = False) -> pl.LazyFrame:
        """Count by a key; `also_unknown`: as if time that nobody watched were use."""
        return self._intervals(self._sessions(), key, also_unknown=also_unknown)

    def accounts(self) -> pl.LazyFrame:
        """Count accounts in the place of people."""
        return self._intervals(self._sessions().with_columns(person="account"), "user")

    def _sessions(self) -> pl.LazyFrame:
        return self.found.sessions.filter(pl.col("product").is_in(self.products))

    def _intervals(self, sessions: pl.LazyFrame, key: str, *, also_unknown: bool = False) -> pl.LazyFrame:
        question, stated = self.question, self.found.stated
        if also_unknown:
            unwatched = pl.when(pl.col("state") == "unknown").then(pl.lit("held", StateEnum))
            stated = stated.with_columns(state=unwatched.otherwise("state"))
        return intervals(
            stated,
            sessions,
            key,
            "run",
            question.start,
            question.end,
            weights=frames.applications(question.engine),
            group="product",
        )


def _named(question: Question, rows: pl.DataFrame) -> pl.DataFrame:
    names = frames.applications(question.engine).select("product", "product_name").unique().collect()
    bought = frames.entitlements(question.engine).select("product", "product_name").unique().collect()
    known = pl.concat([names, bought]).drop_nulls().unique("product")
    return (
        rows.join(known, on="product", how="left")
        .with_columns(
            product=pl.coalesce("product_name", "product"),
            unit=pl.col("unit").replace_strict(UNITS, return_dtype=pl.String),
        )
        .select("product", "source", "unit", "start", "end", "vendor", "ours", "difference", "reason")
        .sort("product", "unit", "start")
    )


def _by_product(rows: pl.DataFrame) -> pl.DataFrame:
    equal, unexplained = (pl.col("reason") == word for word in (EQUAL, UNEXPLAINED))
    return (
        rows.group_by("product", "unit")
        .agg(
            counts=pl.len().cast(pl.Int64),
            equal=equal.sum().cast(pl.Int64),
            explained=(~equal & ~unexplained).sum().cast(pl.Int64),
            unexplained=unexplained.sum().cast(pl.Int64),
            vendor=pl.col("vendor").sum(),
            ours=pl.col("ours").sum(),
        )
        .sort("unexplained", "explained", "product", "unit", descending=[True, True, False, False])
    )


def _by_reason(rows: pl.DataFrame) -> pl.DataFrame:
    return (
        rows.group_by("product", "unit", "reason")
        .agg(counts=pl.len().cast(pl.Int64), difference=pl.col("difference").sum())
        .sort("product", "unit", "counts", "reason", descending=[False, False, True, False])
    )


# --- The claims --------------------------------------------------------------------------------------------


def _claim_products(by_product: pl.DataFrame) -> str:
    counts, equal, unexplained = (int(by_product[name].sum()) for name in ("counts", "equal", "unexplained"))
    explained = counts - equal - unexplained
    verb = "differs" if explained == 1 else "differ"
    return (
        f"Of {count(counts, 'count')} of vendors **{share(equal / counts)} equal ours**; {explained:,} "
        f"{verb} for a reason that is known, and {unexplained:,} for none that was found."
    )


def _claim_shown(question: Question, shown: pl.DataFrame, name: str) -> str:
    vendor, ours = int(shown["vendor"].sum()), int(shown["ours"].sum())
    over = "more" if vendor > ours else "less"
    differs = "as much as we do" if vendor == ours else f"{abs(vendor - ours):,} {over} than we do"
    widest = shown.sort(pl.col("difference").abs(), descending=True).row(0, named=True)
    words = f"Of {safe(name)} the vendor counts **{vendor:,} in all, {differs}**."
    if widest["difference"]:
        at = widest["start"].astimezone(ZoneInfo(question.zone))
        words += f" The widest gap is {abs(widest['difference']):,}, from {at:%Y-%m-%d %H:%M} on."
    return words


def _claim_reasons(rows: pl.DataFrame) -> str:
    told = [_phrase(reason, number) for reason, number in _reasons(rows)]
    return " ".join(told) if told else "No count differs, so there is nothing to explain."


def _reasons(rows: pl.DataFrame) -> Iterator[tuple[str, int]]:
    differing = rows.filter(pl.col("difference") != 0)
    yield from differing.group_by("reason").len().sort("len", "reason", descending=[True, False]).iter_rows()


def _phrase(reason: str, number: int) -> str:
    verb = "differs" if number == 1 else "differ"
    if reason == UNEXPLAINED:
        return (
            f"**{count(number, 'count')}** {verb} for no reason that was found: ask the vendor for its list."
        )
    return f"**{count(number, 'count')}** {verb} because of this: {reason}."
