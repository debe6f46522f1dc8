"""Master data and their validity: who and what exists, under which pseudonym, and how files bring it in."""

from __future__ import annotations

from warehouse.directory.accounts import ensure_account, ensure_host
from warehouse.directory.calendar import import_calendar
from warehouse.directory.conversions import import_conversions
from warehouse.directory.licenses import ImportedEntitlements, import_assignments, import_entitlements
from warehouse.directory.members import import_members
from warehouse.directory.merging import AccountRule, Linked, link_accounts, refuse_doubts
from warehouse.directory.people import import_directory
from warehouse.directory.presets import import_presets
from warehouse.directory.projects import import_projects
from warehouse.directory.pseudonyms import (
    Kind,
    keys_folder,
    pseudonym,
    pseudonym_key,
    pseudonyms,
    secret_key,
)
from warehouse.directory.rate_check import check_rates
from warehouse.directory.rate_history import Change, rate_history
from warehouse.directory.rates import import_rates
from warehouse.directory.seats import ImportedSeats, import_seats
from warehouse.directory.storing import Imported

__all__ = [
    "AccountRule",
    "Change",
    "Imported",
    "ImportedEntitlements",
    "ImportedSeats",
    "Kind",
    "Linked",
    "check_rates",
    "ensure_account",
    "ensure_host",
    "import_assignments",
    "import_calendar",
    "import_conversions",
    "import_directory",
    "import_entitlements",
    "import_members",
    "import_presets",
    "import_projects",
    "import_rates",
    "import_seats",
    "keys_folder",
    "link_accounts",
    "pseudonym",
    "pseudonym_key",
    "pseudonyms",
    "rate_history",
    "refuse_doubts",
    "secret_key",
]
