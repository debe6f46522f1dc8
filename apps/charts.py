"""Metric frame in, plotly figure out, in one house style; no widgets, no frames, no SQL."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import polars as pl

CONFIG = {"displayModeBar": False, "responsive": True}
"""Plotly's settings beside a figure: `go.FigureWidget(figure)._config = CONFIG`, `Plotly.newPlot(..., CONFIG)`."""


def utilization(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Stacked bars by application. Frame: name, active_hours, pause_hours, idle_hours, held_hours, unknown_hours."""
    raise NotImplementedError


def demand_and_owned(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Peak beside owned, by application. Frame: name, peak, owned (null: no entitlement)."""
    raise NotImplementedError


def concurrent_use(frame: pl.DataFrame, *, zone: str, owned: int | None = None) -> go.Figure:
    """Demand as a step curve with the owned line. Frame: at (Datetime UTC), demand."""
    raise NotImplementedError


def peak_and_average(frame: pl.DataFrame, *, owned: int | None = None) -> go.Figure:
    """Peak and average by day with the band between them. Frame: day, peak, average."""
    raise NotImplementedError


def use_duration(frame: pl.DataFrame, *, owned: int | None = None) -> go.Figure:
    """Descending curve: share of time at or above n. Frame: n, share (0-1)."""
    raise NotImplementedError


def unused_licenses(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Pareto of unused seats. Frame: product_name, reclaim, cumulative_share (0-1)."""
    raise NotImplementedError


def charges_by_project(frame: pl.DataFrame, *, rows: int = 12) -> go.Figure:
    """Bars of one currency. Frame: project, project_name, currency, amount_minor, amount (text)."""
    raise NotImplementedError


def active_users(frame: pl.DataFrame) -> go.Figure:
    """Active users by day. Frame: day, active_users."""
    raise NotImplementedError


def sparkline(values: Sequence[float], *, label: str = "") -> go.Figure:
    """A line of 48 px without axes, its last value marked."""
    raise NotImplementedError
