"""How every drawing of a report looks, and how it becomes markup of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mtss_zoo.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Canvas

INK, GRID, PAPER = "#010101", "#010102", "#010103"
SERIES = tuple(f"#0101{i:02x}" for i in range(0x10, 0x1A))
"""Colours that nothing else has: in the markup each becomes a variable of the page's style sheet."""
VARIABLES = {INK: "--ink", GRID: "--rule", PAPER: "--ground"} | {c: f"--c{i}" for i, c in enumerate(SERIES)}
DASHES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))
WIDTH = 5.0  # inches; 360 points, which a phone shows at their size

_RC: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "mtss-zoo",
    "text.parse_math": False,  # a class may be called $x$
    "font.size": 10,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.facecolor": "none",
    "axes.unicode_minus": False,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}


def line_style(i: int) -> dict[str, Any]:
    """Colour and dashes of the i-th line: told apart without colours too."""
    return {"color": SERIES[i % len(SERIES)], "linestyle": DASHES[i % len(DASHES)]}


def short(name: str, length: int = 22) -> str:
    """A name of a stranger's file for a label: on one line, printable and not too long."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


@contextmanager
def drawing(height: float, rows: int = 1, columns: int = 1) -> Iterator[tuple[Canvas, list[Axes]]]:
    """A figure of ``rows`` x ``columns`` axes, in inches, in the report's style.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure as Canvas
    except ImportError as error:
        raise UsageError("matplotlib is not installed; it comes with: pip install 'mtss-zoo[plots]'") from error
    with rc_context(_RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the browser has the letters that this font lacks
        canvas = Canvas(figsize=(WIDTH, height), layout="constrained")
        yield canvas, list(canvas.subplots(rows, columns, squeeze=False).flat)


def to_svg(canvas: Canvas, prefix: str) -> str:
    """The markup of a figure, to be used inside a `drawing`; ``prefix`` keeps its ids apart from other figures'."""
    file = io.StringIO()
    canvas.savefig(file, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[^"]+"', head)
    svg = f'<svg {box[0] if box else ""} role="presentation">{body}'
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}-\1)", svg)
    svg = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{prefix}-\1"', svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable})")
    return svg
