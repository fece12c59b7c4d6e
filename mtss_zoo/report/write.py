"""``mtss_zoo.report``: from folders and files to a page."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from mtss_zoo.files.whole_files import write_whole
from mtss_zoo.report.assemble import assemble
from mtss_zoo.report.collect import collect
from mtss_zoo.report.document import Document
from mtss_zoo.report.markdown import to_markdown
from mtss_zoo.report.page import to_html
from mtss_zoo.report.scores import Scores

TITLE = "Runs beside the papers' tables"


def report(
    runs: str | Path | Sequence[str | Path],
    out: str | Path | None = "report.html",
    markdown: str | Path | None = None,
    data_root: str | Path | None = None,
    pictures: int = 3,
    title: str = TITLE,
) -> Document:
    """Writes one self-contained HTML page, and Markdown with the same tables.

    Where the pictures of a run are at hand (generated, in the folder that its recipe names, or in ``data_root``), its
    models are scored once more, for intervals of gains, gains by class, embeddings, calibration and mistakes. Of a
    study, only the first training of the first cell is: its numbers come from ``study.json``, and the intervals of its
    gains from what it kept of every picture.

    Args:
        runs: folders of runs and of studies, and JSON files that ``mtss-zoo evaluate --json`` printed.
        out: the page; ``None`` writes none.
        markdown: the Markdown file; ``None`` writes none.
        data_root: the folder of a dataset on disk, for all runs.
        pictures: photos shown in each row of mistakes; 0 keeps all photos out of the page.
        title: of the page.

    Returns:
        What was written; ``skipped`` names what could not be used.

    Raises:
        UsageError: nothing that was named holds anything finished.
    """
    found = collect([runs] if isinstance(runs, str | Path) else runs)
    plots = all(importlib.util.find_spec(package) for package in ("matplotlib", "sklearn"))
    document = assemble(found, Scores(found.shown, data_root), title, pictures, plots)
    for path, text in ((out, to_html), (markdown, to_markdown)):
        if path is not None:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(Path(path), text(document))
    return document
