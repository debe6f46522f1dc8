"""Metric frame in, plotly figure out, in one house style; no widgets, no frames, no SQL.

Every chart is a function of one of the modules beside. A chart carries no title of its own: the claim in prose above it is its title. Bars carry their label above
themselves, so that a long name needs no margin and the same figure reads at 390 and at 1440 px. Every figure
sizes itself to its container; wrap it with `CONFIG`.
"""

from apps.charts.charges import charges_by_project
from apps.charts.demand import concurrent_use, demand_and_owned, peak_and_average, use_duration
from apps.charts.licenses import unused_licenses
from apps.charts.sparklines import sparkline
from apps.charts.style import COLORS, CONFIG, FONT, GRID, INK, MEASURED_STATES, MUTED, TEMPLATE
from apps.charts.use import active_users, utilization, utilization_over_time

__all__ = [
    "COLORS",
    "CONFIG",
    "FONT",
    "GRID",
    "INK",
    "MEASURED_STATES",
    "MUTED",
    "TEMPLATE",
    "active_users",
    "charges_by_project",
    "concurrent_use",
    "demand_and_owned",
    "peak_and_average",
    "sparkline",
    "unused_licenses",
    "use_duration",
    "utilization",
    "utilization_over_time",
]
