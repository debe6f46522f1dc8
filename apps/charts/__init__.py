"""Metric frame in, plotly figure out, in one house style; no widgets, no frames, no SQL.

Every chart is a function of one of the modules beside; style.py says how all of them look. Wrap a figure with
`CONFIG`.
"""

from apps.charts.by_state import use_by_state
from apps.charts.charges import (
    charges_by_project,
    charges_compared,
    cost_and_billed,
    project_data_quality,
    unbilled,
    waterfall,
)
from apps.charts.costs import idle_cost
from apps.charts.demand import concurrent_use, demand_and_owned, peak_and_average, use_duration
from apps.charts.denials import denials, denials_over_time
from apps.charts.fleet import fleet_grid
from apps.charts.idle import idle_definitions
from apps.charts.licenses import (
    contract_calendar,
    harvest_funnel,
    positions,
    unused_licenses,
    vendor_counts,
)
from apps.charts.sessions import session_days, session_timeline
from apps.charts.sparklines import sparkline
from apps.charts.style import COLORS, CONFIG, FONT, GRID, INK, MEASURED_STATES, MUTED, TEMPLATE
from apps.charts.treemap import treemap
from apps.charts.use import active_users, ranking, utilization, utilization_over_time
from apps.charts.week import heatmap
from apps.charts.what_if import cost_curve, demand_trend, minutes_short, term_costs

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
    "charges_compared",
    "concurrent_use",
    "contract_calendar",
    "cost_and_billed",
    "cost_curve",
    "demand_and_owned",
    "demand_trend",
    "denials",
    "denials_over_time",
    "fleet_grid",
    "harvest_funnel",
    "heatmap",
    "idle_cost",
    "idle_definitions",
    "minutes_short",
    "peak_and_average",
    "positions",
    "project_data_quality",
    "ranking",
    "session_days",
    "session_timeline",
    "sparkline",
    "term_costs",
    "treemap",
    "unbilled",
    "unused_licenses",
    "use_by_state",
    "use_duration",
    "utilization",
    "utilization_over_time",
    "vendor_counts",
    "waterfall",
]
