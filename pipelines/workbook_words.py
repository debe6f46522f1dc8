"""The words of the billing workbook, each with its meaning for the people who read it."""

from __future__ import annotations

KIND_WORDS = {
    "unknown_person": "unknown person",
    "unassigned": "no project",
    "invalid_project": "invalid project",
    "closed_project": "closed project",
    "no_rate": "no rate",
    "late": "late or corrected",
    "clock": "clock was set",
}
MEANINGS = {
    "session": "One user, one application, one logon session on one host, from start to end.",
    "active": "The application had the focus and got input, or what the billing policy counts as activity.",
    "pause": "A gap without activity that is shorter than the idle timeout of the billing policy.",
    "buffer": "The first part of a longer gap that the billing policy bills; never locked or suspended time.",
    "raw h": "Active + pause + buffer, in hours, before any rounding.",
    "quantity": "Raw hours after the rate's increment and the run's quantum; what the rate is multiplied by.",
    "amount": "Rate x quantity, rounded half away from zero to the currency's smallest unit. Net of tax.",
    "overlap": "Time that several sessions of one person claimed; counted as the run's overlap policy says.",
    "not assigned": "Billable time without a valid project or a known person, see Exceptions; once that is "
    "settled, a later run bills it.",
    "month rounding": "A further line that brings a month's lines to the rounded month.",
    "reversal, replacement": "A line of a closed run that late or corrected evidence changed: taken back as "
    "it was and booked again as it is, at the rates of the period of use.",
    "held, written off": "Lines that review kept back: in the ledger, not in the billed total, not exported.",
    "local day": "The day of the person's home office at the time of use.",
    "session coverage": "The share of session time in which it is known whether the application was used.",
    "fleet coverage": "The share of the workdays of all hosts that were watched.",
}
