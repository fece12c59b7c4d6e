"""``report``: the papers' tables and drawings from finished runs, as one page."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtss_zoo.cli.output import DataRoot


def report(
    runs: Annotated[
        list[Path], typer.Argument(help="Folders of runs and studies, and JSON files of `mtss-zoo evaluate --json`.")
    ],
    out: Annotated[Path, typer.Option(help="The page.")] = Path("report.html"),
    markdown: Annotated[Path | None, typer.Option(help="The same tables as Markdown, in this file.")] = None,
    data_root: DataRoot = None,
    pictures: Annotated[int, typer.Option(min=0, max=20, help="Photos a row of mistakes; 0: none in the page.")] = 3,
) -> None:
    """Write the papers' tables and drawings, filled by finished runs, into one HTML page."""
    from mtss_zoo import report as write

    document = write(runs, out, markdown, data_root, pictures)
    for name, why in document.skipped:
        print(f"left out: {name}: {why}", file=sys.stderr)
    print(out)
    if markdown:
        print(markdown)
