"""The words of the billing workbook, each with its meaning for the people who read it."""

from __future__ import annotations

UNIT_WORDS = {"hour": "h", "each": "each"}
LINE_WORDS = {
    "month_rounding": "rounding of the month",
    "cap": "down to the cap",
    "package": "price of a package",
}
"""What a line is that is no use of its own, where nobody has noted more."""

KIND_WORDS = {
    "unknown_person": "unknown person",
    "unassigned": "no project",
    "invalid_project": "invalid project",
    "closed_project": "closed project",
    "invalid_field": "invalid field",
    "not_a_member": "not a member",
    "no_account": "nobody's account",
    "no_rate": "no rate",
    "no_conversion": "no conversion rate",
    "below_minimum": "below the minimum",
    "cap": "cap reached",
    "preset": "by a preset",
    "late": "late or corrected",
    "clock": "clock was set",
    "over_budget": "over the budget",
    "over_limit": "over the limit",
}
MEANINGS = {
    "session": "One user, one application, one logon session on one host, from start to end.",
    "active": "The application had the focus and got input, or what the billing policy counts as activity.",
    "pause": "A gap without activity that is shorter than the idle timeout of the billing policy.",
    "buffer": "The first part of a longer gap that the billing policy bills; never locked or suspended time.",
    "raw h": "Active + pause + buffer, in hours, before any rounding.",
    "quantity": "Raw hours after the rate's increment and the run's quantum; what the rate is multiplied by.",
    "amount": "Rate x quantity, rounded half away from zero to the currency's smallest unit. Net of tax.",
    "unit": "h: hours. each: a fixed amount, charged once: what a cap takes off, or the price of a package.",
    "cap": "The most that a rate bills one person and application in a day or a period; a further line takes "
    "off what is above it.",
    "minimum": "The least time that a rate bills, at its level.",
    "tiers": "Prices by the hours of a period. Graduated: each hour at the price of its own tier. Volume: "
    "all hours at the price of the last tier reached. Package: whole packages.",
    "conversion": "Where the rate is in another currency than the payer's: the factor in force on the day, "
    "kept on the line.",
    "own cost": "What the hours cost the firm itself, by the rate's cost rate; never shown to a client.",
    "overlap": "Time that several sessions of one person claimed; counted as the run's overlap policy says.",
    "not assigned": "Billable time without a valid project or a known person, see Exceptions; once that is "
    "settled, a later run bills it.",
    "month rounding": "A further line that brings a month's lines to the rounded month.",
    "reversal, replacement": "A line of a closed run that late or corrected evidence changed: taken back as "
    "it was and booked again as it is, at the rates of the period of use.",
    "held, written off": "Lines that review kept back: in the ledger, not in the billed total, not exported.",
    "settled, waived": "An exception whose cause is dealt with; one that is accepted as it is, for a reason.",
    "open, informs": "An exception that nobody has dealt with; one that keeps no run from being approved.",
    "showback": "A run that is shown to its payers and neither billed nor exported.",
    "import": "What the accounting target gets, column by column, as plain values.",
    "digest, head": "A fingerprint (SHA-256) of a row and of the one before it; the last one is the head. "
    "Whoever changes a row changes the head.",
    "local day": "The day of the person's home office at the time of use.",
    "session coverage": "The share of session time in which it is known whether the application was used.",
    "fleet coverage": "The share of the workdays of all hosts that were watched.",
}
