"""What a report notebook puts on the page: a claim in prose, then the chart or table that shows it."""

from __future__ import annotations

import plotly.graph_objects as go
from great_tables import GT
from IPython.display import Markdown, display

PLOTLY = "application/vnd.plotly.v1+json"


def show(*parts: str | go.Figure | GT) -> None:
    """Put parts on the page in their order; text is Markdown."""
    for part in parts:
        if isinstance(part, go.Figure):
            # Plotly's own way to display takes two seconds the first time, to validate notebooks.
            display({PLOTLY: part.to_plotly_json()}, raw=True)
        else:
            display(Markdown(part) if isinstance(part, str) else part)
