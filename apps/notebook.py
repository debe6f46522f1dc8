"""What a report notebook puts on the page: a claim in prose, then the chart or table that shows it."""

from __future__ import annotations

from hashlib import sha256

import plotly.graph_objects as go
from great_tables import GT
from IPython.display import Markdown, display

from apps.tiles import Tiles

PLOTLY = "application/vnd.plotly.v1+json"


def show(*parts: str | go.Figure | GT | Tiles) -> None:
    """Put parts on the page in their order; text is Markdown."""
    for part in parts:
        if isinstance(part, go.Figure):
            # Plotly's own way to display takes two seconds the first time, to validate notebooks.
            display({PLOTLY: part.to_plotly_json()}, raw=True)
        elif isinstance(part, GT):
            display({"text/html": _html(part)}, raw=True)
        elif isinstance(part, Tiles):
            display({"text/html": part.html}, raw=True)
        else:
            display(Markdown(part))


def _html(table: GT) -> str:
    """Draw a table; its name on the page follows from what it shows: the same report is the same page."""
    drawn = table.with_id(_PLACE).opt_css(_IN_JUPYTERLAB).as_raw_html()
    return str(drawn.replace(_PLACE, f"t{sha256(drawn.encode()).hexdigest()[:12]}"))


_PLACE = "place-of-the-name"
_IN_JUPYTERLAB = f"""
#{_PLACE} table {{ table-layout: auto; }}
#{_PLACE} tbody tr {{ background: none; }}
"""
"""JupyterLab makes the columns of every table equally wide, and stripes it; ours look as on the page."""
