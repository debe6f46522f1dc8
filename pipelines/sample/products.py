"""What Meridian Engineering runs: products, applications, and who uses them how much. All of it invented."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True, slots=True)
class Product:
    """One product with its vendor and token weight."""

    code: str
    name: str
    vendor: str
    token_weight: int = 1


@dataclass(frozen=True, slots=True)
class Application:
    """One metered application, and how people behave with it.

    `close_share`: how often it is closed after a use; `stay_share`: how often it stays open until the
    evening; `gap_minutes`: mean working time between two gaps; `cpu`: mean percent of one core under input.
    """

    code: str
    name: str
    product: str
    executable: str
    version: str
    billed: bool
    close_share: float
    stay_share: float
    gap_minutes: float
    load_seconds: int
    cpu: float
    overnight: bool = False


PRODUCTS = (
    Product("draftline-suite", "Draftline Design Suite", "Draftline"),
    Product("draftline-lt", "Draftline CAD LT", "Draftline"),
    Product("femora", "Femora Simulation", "Femora", token_weight=5),
    Product("terralume", "Terralume GIS", "Terralume"),
    Product("trusswright", "Trusswright Structural", "Trusswright"),
    Product("culvert", "Culvert Hydraulics", "Trusswright"),
    Product("clashlight", "Clashlight Coordination", "Clashlight"),
    Product("foliant-office", "Foliant Office", "Foliant"),
    Product("pagewright", "Pagewright PDF", "Pagewright"),
    Product("plumbline", "Plumbline Survey", "Plumbline"),  # nothing on the machines tells its use
)
PRODUCT_ID = {product.code: place for place, product in enumerate(PRODUCTS, start=1)}

APPLICATIONS = (
    Application("draftline-cad", "Draftline CAD", "draftline-suite", "draftline.exe", "2026.2", True,
                0.12, 0.52, 11, 25, 14, overnight=True),
    Application("draftline-bim", "Draftline BIM", "draftline-suite", "draftbim.exe", "2026.1", True,
                0.10, 0.56, 12, 50, 22, overnight=True),
    Application("draftline-render", "Draftline Render", "draftline-suite", "draftrender.exe", "2026.1", True,
                0.50, 0.30, 14, 15, 68),
    Application("draftline-lt", "Draftline CAD LT", "draftline-lt", "draftlt.exe", "2026", False,
                0.40, 0.35, 10, 12, 9),
    Application("femora-workbench", "Femora Workbench", "femora", "femorawb.exe", "25.3", True,
                0.15, 0.50, 11, 30, 16, overnight=True),
    Application("femora-solver", "Femora Solver", "femora", "femsolve.exe", "25.3", True,
                1.0, 0.0, 10, 1, 91),
    Application("terralume-gis", "Terralume GIS", "terralume", "terralume.exe", "11.4", True,
                0.20, 0.42, 11, 30, 18, overnight=True),
    Application("trusswright", "Trusswright Structural", "trusswright", "trussw.exe", "9.1", True,
                0.20, 0.46, 11, 15, 12),
    Application("culvert", "Culvert Hydraulics", "culvert", "culvert.exe", "7.0", True,
                0.30, 0.36, 12, 10, 24),
    Application("clashlight", "Clashlight Coordination", "clashlight", "clashlight.exe", "5.2", False,
                0.60, 0.20, 12, 20, 17),
    Application("foliant-sheets", "Foliant Sheets", "foliant-office", "fsheets.exe", "2026", False,
                0.50, 0.15, 12, 4, 4),
    Application("foliant-writer", "Foliant Writer", "foliant-office", "fwriter.exe", "2026", False,
                0.55, 0.12, 12, 4, 3),
    Application("pagewright-pdf", "Pagewright PDF Editor", "pagewright", "pagewright.exe", "24.8", False,
                0.60, 0.12, 12, 3, 4),
)  # fmt: skip
APPLICATION_ID = {application.code: place for place, application in enumerate(APPLICATIONS, start=1)}
SOLVER = "femora-solver"
REMOTE = "terralume-gis"

HABITS: dict[str, dict[str, tuple[float, float]]] = {
    "ARC": {"draftline-cad": (0.16, 0.7), "draftline-bim": (0.36, 0.82), "draftline-render": (0.05, 0.16),
            "clashlight": (0.04, 0.22), "foliant-sheets": (0.04, 0.3), "foliant-writer": (0.03, 0.25),
            "pagewright-pdf": (0.05, 0.45)},
    "CIV": {"draftline-cad": (0.36, 0.85), "terralume-gis": (0.08, 0.25), "culvert": (0.10, 0.30),
            "foliant-sheets": (0.07, 0.5), "foliant-writer": (0.04, 0.3), "pagewright-pdf": (0.05, 0.45)},
    "STR": {"trusswright": (0.26, 0.75), "draftline-bim": (0.12, 0.45), "draftline-cad": (0.10, 0.4),
            "clashlight": (0.03, 0.15), "foliant-sheets": (0.08, 0.55), "foliant-writer": (0.04, 0.3),
            "pagewright-pdf": (0.05, 0.4)},
    "SIM": {"femora-workbench": (0.42, 0.9), "foliant-sheets": (0.09, 0.6), "foliant-writer": (0.05, 0.35),
            "pagewright-pdf": (0.03, 0.25)},
    "GEO": {"terralume-gis": (0.44, 0.9), "draftline-lt": (0.06, 0.3), "foliant-sheets": (0.08, 0.5),
            "foliant-writer": (0.05, 0.35), "pagewright-pdf": (0.05, 0.4)},
    "PMO": {"foliant-sheets": (0.20, 0.9), "foliant-writer": (0.14, 0.8), "pagewright-pdf": (0.09, 0.6),
            "clashlight": (0.04, 0.18), "draftline-lt": (0.02, 0.12)},
    "ADM": {"foliant-sheets": (0.28, 0.95), "foliant-writer": (0.16, 0.8), "pagewright-pdf": (0.07, 0.5)},
    # Not departments: what an account without a person does.
    "PLOT": {"pagewright-pdf": (0.30, 0.8), "draftline-cad": (0.12, 0.5)},
    "BATCH": {"draftline-bim": (0.10, 0.12)},
}  # fmt: skip
"""By department: share of the time at the desk, and on which share of the days at all. The rest of the desk
time belongs to programs that nobody meters (mail, browser, chat)."""

ADOPTION = {"draftline-lt": 0.62, "clashlight": 0.74, "pagewright-pdf": 0.88, "foliant-writer": 0.96}
"""Share of the people with that habit who took the application up at all; 1 where it is not said."""


def products() -> pl.DataFrame:
    """Return one row per product."""
    return pl.DataFrame(
        {
            "id": list(PRODUCT_ID.values()),
            "code": [p.code for p in PRODUCTS],
            "name": [p.name for p in PRODUCTS],
            "vendor": [p.vendor for p in PRODUCTS],
            "token_weight": [p.token_weight for p in PRODUCTS],
        }
    )


def applications() -> pl.DataFrame:
    """Return one row per application."""
    return pl.DataFrame(
        {
            "id": list(APPLICATION_ID.values()),
            "code": [a.code for a in APPLICATIONS],
            "name": [a.name for a in APPLICATIONS],
            "version": [a.version for a in APPLICATIONS],
            "product_id": [PRODUCT_ID[a.product] for a in APPLICATIONS],
            "metered": [True for _ in APPLICATIONS],
            "billed": [a.billed for a in APPLICATIONS],
        }
    )


def signatures() -> pl.DataFrame:
    """Return one way to recognize each application."""
    ids = list(APPLICATION_ID.values())
    return pl.DataFrame(
        {"id": ids, "application_id": ids, "executable": [a.executable for a in APPLICATIONS]}
    )
