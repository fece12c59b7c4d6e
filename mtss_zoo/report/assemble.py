"""Puts a report together from what was found: the papers' tables, evaluations, studies, and a section for each run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from mtss_zoo.interfaces import Sample
from mtss_zoo.paper_tables import PaperTable, paper_tables
from mtss_zoo.report.collect import Inputs
from mtss_zoo.report.commands import commands
from mtss_zoo.report.document import Block, Document, Section
from mtss_zoo.report.evaluation_file import Across, Corrupted
from mtss_zoo.report.evaluations import across_rows, corruption_rows
from mtss_zoo.report.fillings import FILLED_BY_RUNS
from mtss_zoo.report.mixing import gains_of_mixing
from mtss_zoo.report.roles import last_model
from mtss_zoo.report.run_section import run_section
from mtss_zoo.report.scores import Scores
from mtss_zoo.report.sections import corruptions_section, stages_section, study_section
from mtss_zoo.report.tables import own_blocks, table

NO_PLOTS = ("drawings", "matplotlib and scikit-learn are not installed; pip install 'mtss-zoo[plots]'")


def assemble(found: Inputs, scores: Scores, title: str, pictures: int, plots: bool) -> Document:
    """The whole report.

    Args:
        found: what `collect` gave.
        scores: the models whose pictures are at hand.
        title: of the page.
        pictures: photos in each row of mistakes.
        plots: whether to draw.
    """
    listed, numbers = commands(found)
    papers, unfilled = _papers(found, scores, numbers)
    sections = [
        papers,
        stages_section(found.evaluations, numbers),
        corruptions_section(found.evaluations, lambda: _example(found, scores) if pictures else None, plots),
        *(study_section(study, f"study-{i}", numbers, plots) for i, study in enumerate(found.studies)),
        *(
            run_section(run, f"run-{i}", scores, numbers[run.folder], pictures, plots)
            for i, run in enumerate(found.shown)
        ),
    ]
    return Document(
        title,
        _summary(found),
        tuple(s for s in sections if s and (s.tables or s.figures)),
        listed,
        tuple(unfilled),
        (*found.skipped, *scores.failed.items(), *(() if plots else (NO_PLOTS,))),
        version("mtss-zoo"),
    )


def _papers(found: Inputs, scores: Scores, numbers: Mapping[Path, int]) -> tuple[Section, list[str]]:
    """The tables that something fills, and the names of the others."""
    tables, unfilled = [], []
    for name, paper in paper_tables().items():
        lines = FILLED_BY_RUNS[name](found.every_run) if name in FILLED_BY_RUNS else []
        blocks = own_blocks(paper, lines, scores, numbers) + _of_evaluations(paper, found, numbers)
        if blocks:
            tables.append(table(paper, blocks))
        else:
            unfilled.append(paper.source)
    return Section("papers", "The papers' tables", tables=tuple(tables)), unfilled


def _of_evaluations(paper: PaperTable, found: Inputs, numbers: Mapping[Path, int]) -> list[Block]:
    blocks: list[Block] = []
    for evaluation in found.evaluations:
        name, number = evaluation.name, numbers[evaluation.path]
        match paper.name, evaluation.data:
            case "table6", Across() as across:
                blocks += across_rows(paper, name, across, number)
            case "table7", Corrupted() as corrupted:
                block = corruption_rows(paper, name, corrupted, number)
                blocks.append(replace(block, rows=(*block.rows, *gains_of_mixing(evaluation, found, numbers))))
    return blocks


def _example(found: Inputs, scores: Scores) -> Sample | None:
    """The first picture that is at hand."""
    for run in found.shown:
        samples = scores.samples(last_model(run))
        if samples is not None and len(samples):
            return samples[0]
    return None


def _summary(found: Inputs) -> str:
    counts = (
        (len(found.runs), "run", "runs"),
        (len(found.studies), "study", "studies"),
        (len(found.evaluations), "evaluation", "evaluations"),
    )
    words = [f"{n} {one if n == 1 else many}" for n, one, many in counts if n]
    return (
        f"From {', '.join(words)}. Shaded rows are the papers' printed numbers, the others were measured here; the "
        "number in brackets leads to the command. Intervals are of 95 %: for a share, Wilson's; for a gain, from a "
        "paired bootstrap over the pictures. They do not cover what another seed of the training would give."
    )
