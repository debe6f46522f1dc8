"""Executed notebook in, one page for the browser out: no code, charts alive, nothing fetched."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from nbconvert import HTMLExporter
from nbformat import NotebookNode
from nbformat.v4 import new_output
from plotly.offline import get_plotlyjs

PLOTLY = "application/vnd.plotly.v1+json"
CHART_SETTINGS = {"displayModeBar": False, "responsive": True}
TALL_PX = 600
"""From this height on a chart is printed smaller, so that it fits on the page of its heading."""
METHOD = "## How this is computed"
PAGE = Path(__file__).with_name("report_page.html")


def page(notebook: NotebookNode, title: str) -> str:
    """Make the page of an executed notebook.

    Plotly travels inside the page once; the page's policy lets nothing run but what carries its nonce, and
    lets nothing be fetched at all.
    """
    nonce = secrets.token_urlsafe(16)
    body, charts = _body(notebook, nonce)
    return Template(PAGE.read_text(encoding="utf-8")).substitute(
        title=escape(title), nonce=nonce, body=body, plotly=get_plotlyjs() if charts else ""
    )


def _body(notebook: NotebookNode, nonce: str) -> tuple[str, int]:
    """Render the cells' outputs; return them with the number of charts."""
    shown: NotebookNode = NotebookNode(notebook)
    charts: list[str] = []
    cells = _reached(notebook.cells)
    shown.cells = [_readable(cell, lambda figure: _chart(figure, charts, nonce)) for cell in cells]
    exporter = HTMLExporter(
        template_name="basic", exclude_input=True, exclude_output_prompt=True, exclude_anchor_links=True
    )
    body, _ = exporter.from_notebook_node(shown)
    return body, len(charts)


def _reached(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Leave out what comes after a cell that stopped, but how all is computed: headings of nothing."""
    for number, cell in enumerate(cells, start=1):
        if any(output.output_type == "error" for output in cell.get("outputs", [])):
            return [*cells[:number], *(rest for rest in cells[number:] if rest.source.startswith(METHOD))]
    return cells


def _readable(cell: NotebookNode, draw: Callable[[dict[str, Any]], str]) -> NotebookNode:
    if cell.cell_type != "code":
        return cell
    # What a library says to its operator is in the notebook; it is nothing for the reader of the page.
    told = [output for output in cell.outputs if output.get("name") != "stderr"]
    return NotebookNode(cell, outputs=[_readable_output(output, draw) for output in told])


def _readable_output(output: NotebookNode, draw: Callable[[dict[str, Any]], str]) -> NotebookNode:
    if output.output_type == "error":
        line = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(_error_line(output)))
        return _html(f'<p class="stopped" role="alert">{line}</p>')
    if PLOTLY in output.get("data", {}):
        return _html(draw(output.data[PLOTLY]))
    return output


def _html(text: str) -> NotebookNode:
    output: NotebookNode = new_output("display_data", {"text/html": text})
    return output


def _error_line(output: NotebookNode) -> str:
    """Give a Problem's own line; of any other error only that it happened: the notebook has it all."""
    if len(output.traceback) == 1:
        return f"The report stops here. {output.evalue[:1].upper()}{output.evalue[1:]}."
    return "The report stops here because of an error in it. The notebook beside this page holds the details."


def _chart(figure: dict[str, Any], charts: list[str], nonce: str) -> str:
    name = f"chart-{len(charts) + 1}"
    charts.append(name)
    height = int(figure.get("layout", {}).get("height") or 420)
    drawn = {"data": figure["data"], "layout": figure["layout"], "config": CHART_SETTINGS}
    # Escaped, so that no text in the data can end the script.
    data = json.dumps(drawn).replace("<", "\\u003c")
    look = "chart tall" if height >= TALL_PX else "chart"
    return (
        f'<figure id="{name}" class="{look}" style="height:{height}px"></figure>'
        f'<script nonce="{nonce}">Plotly.newPlot("{name}", {data});</script>'
    )
