"""The columns of the billing workbook's sheets, under the titles that project accountants read."""

from __future__ import annotations

from pipelines.spreadsheet import Column

CHARGES = (
    Column("Line", "line", "plain", 6),
    Column("Date", "day", "date", 11),
    Column("Employee number", "employee_number", "text", 10),
    Column("Person", "person", "text", 18),
    Column("Application", "application_name", "text", 16),
    Column("Unit", "unit", "text", 6),
    Column("Client", "payer", "text", 18),
    Column("Project number", "project", "text", 11),
    Column("Project name", "project_name", "text", 20),
    Column("Phase", "phase", "text", 7.5),
    Column("Task", "task", "text", 6.5),
    Column("Office", "office", "text", 8),
    Column("Active h", "active_ms", "time", 8.5),
    Column("Pause h", "pause_ms", "time", 8.5),
    Column("Buffer h", "buffer_ms", "time", 8.5),
    Column("Raw h", "raw_ms", "time", 8.5),
    Column("Quantity", "hours", "hours", 10),
    Column("Rate", "rate_scaled", "rate", 9),
    Column("Rate version", "rate_id", "text", 9),
    Column("Currency", "currency", "text", 10.5),
    Column("Amount", "amount_minor", "money", 11),
    Column("Tax code", "tax_code", "text", 7.5),
    Column("Billable", "billed", "text", 9.5),
    Column("Sessions", "session_count", "integer", 10),
    Column("Note", "note", "prose", 34),
)
CONVERSION = (
    Column("Rate was in", "rate_currency", "text", 9),
    Column("Conversion", "conversion", "text", 12),
)
"""At the end of the charges, where a rate was converted to the payer's currency."""

COST = Column("Own cost", "cost_minor", "money", 11)
"""At the end of charges and summary, where a cost rate is known."""

WITHOUT_MONEY = ("rate_scaled", "rate_id", "currency", "amount_minor", "tax_code")
NON_CHARGEABLE = tuple(column for column in CHARGES if column.key not in WITHOUT_MONEY)
SUMMARY = (
    Column("Payer", "payer", "text", 26),
    Column("Project", "project", "text", 13),
    Column("Project name", "project_name", "text", 28),
    Column("Phase", "phase", "text", 9),
    Column("Office", "office", "text", 9),
    Column("Currency", "currency", "text", 10.5),
    Column("Hours", "hours", "hours", 13),
    Column("Amount", "usage_minor", "money", 14),
    Column("Adjustments", "adjustment_minor", "money", 14),
    Column("Total", "amount_minor", "money", 14),
)
BUDGETS = (  # under the summary, and as wide
    Column("Budget of", "project", "text", 26),
    Column("Agreed as", "agreement", "text", 13),
    Column("Name of the project", "project_name", "text", 28),
    Column("Used", "used", "text", 9),
    Column("State", "state", "text", 9),
    Column("In", "currency", "text", 10.5),
    Column("Agreed", "agreed_minor", "money", 13),
    Column("Billed before", "billed_before_minor", "money", 14),
    Column("This run", "this_run_minor", "money", 14),
    Column("Left", "left_minor", "money", 14),
)
SESSIONS = (
    Column("Line", "line", "plain", 6),
    Column("Session", "session", "plain", 10),
    Column("Device", "device", "text", 12),
    Column("Start (UTC)", "started", "instant", 18.5),
    Column("End (UTC)", "ended", "instant", 18.5),
    Column("Start (local)", "started_local", "instant", 18.5),
    Column("End (local)", "ended_local", "instant", 18.5),
    Column("Zone", "zone", "text", 18),
    Column("Active h", "active_ms", "time", 9),
    Column("Pause h", "pause_ms", "time", 9),
    Column("Buffer h", "buffer_ms", "time", 9),
    Column("Source", "source", "text", 12),
    Column("Arrived", "arrived", "text", 9),
    Column("Received (UTC)", "received", "instant", 18.5),
)
EXCEPTIONS = (
    Column("What", "what", "text", 20),
    Column("Session", "session", "plain", 11),
    Column("Hours", "milliseconds", "time", 10),
    Column("Detail", "detail", "prose", 66),
    Column("Settlement", "settlement", "text", 12),
    Column("Settled by", "settled_by", "text", 16),
    Column("Settled at (UTC)", "settled", "instant", 18.5),
    Column("Why", "settlement_reason", "prose", 60),
)
ADJUSTMENTS = (
    Column("Line", "line", "plain", 6),
    Column("What", "kind", "text", 12),
    Column("Original run", "original_run", "text", 11),
    Column("Original line", "original_line", "plain", 9),
    Column("Period incurred", "period", "text", 10),
    Column("Period billed", "period_billed", "text", 10),
    Column("Date", "day", "date", 11),
    Column("Person", "person", "text", 20),
    Column("Project number", "project", "text", 12),
    Column("Application", "application_name", "text", 18),
    Column("Currency", "currency", "text", 10.5),
    Column("Reversed quantity", "reversed_hours", "hours", 10),
    Column("Reversed amount", "reversed_minor", "money", 12),
    Column("Booked quantity", "booked_hours", "hours", 10),
    Column("Booked amount", "booked_minor", "money", 12),
    Column("State", "state", "text", 12),
    Column("Reason", "note", "prose", 52),
)
_OF_HELD = (
    "line", "day", "person", "application_name", "payer", "project", "hours", "rate_scaled", "currency",
    "amount_minor",
)  # fmt: skip
HELD = (
    *(column for column in CHARGES if column.key in _OF_HELD),
    Column("State", "state", "text", 12),
    Column("By", "actor", "text", 14),
    Column("Reason", "reason", "prose", 46),
)
RATES = (
    Column("Rate version", "rate_id", "text", 9),
    Column("Application", "application", "text", 20),
    Column("Scope", "scope", "text", 18),
    Column("Rate per hour", "rate_scaled", "rate", 10),
    Column("Currency", "currency", "text", 10.5),
    Column("Increment (min)", "increment", "minutes", 11),
    Column("Direction", "direction", "text", 10.5),
    Column("Level", "level", "text", 9),
    Column("Minimum (min)", "minimum", "minutes", 10.5),
    Column("Cap of a day", "daily_cap_minor", "money", 11),
    Column("Cap of a period", "monthly_cap_minor", "money", 11),
    Column("Tiers", "tiers", "prose", 40),
    Column("Cost rate", "cost_rate_scaled", "rate", 9),
    Column("Valid from", "valid_from", "date", 11),
    Column("Valid to", "valid_to", "date", 11),
    Column("Author", "author", "text", 16),
    Column("Lines", "lines", "integer", 8),
)
DEFINITIONS = (Column("Word", "word", "text", 24), Column("Meaning", "meaning", "prose", 110))
AUDIT = (
    Column("Event", "event", "plain", 9),
    Column("At (UTC)", "at", "instant", 18.5),
    Column("Actor", "actor", "text", 16),
    Column("In words", "told", "prose", 48),
    Column("Act", "action", "text", 20),
    Column("Detail", "detail", "prose", 52),
    Column("Digest of the event before", "previous_digest", "prose", 36),
    Column("Digest (SHA-256)", "digest", "prose", 36),
)
