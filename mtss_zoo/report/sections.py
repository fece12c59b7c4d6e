"""The sections that are not about one run: a study, and what files of ``evaluate`` hold beyond the papers' tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from mtss_zoo.interfaces import Sample
from mtss_zoo.report.collect import Evaluation, Study
from mtss_zoo.report.commands import seeds
from mtss_zoo.report.corrupted_examples import corrupted_examples
from mtss_zoo.report.document import Block, Row, Section, Table, Value
from mtss_zoo.report.evaluation_file import Corrupted, Plain
from mtss_zoo.report.evaluations import corruption_bars, corruption_means, plain_rows
from mtss_zoo.report.plots.sweeps import sweeps
from mtss_zoo.report.study_file import Stat
from mtss_zoo.report.values import short_name

SHOWN = ("f1@1", "recall@3")
"""What the table of a study shows."""


def study_section(study: Study, id: str, numbers: Mapping[Path, int], plots: bool) -> Section:
    """All cells in one table, and how the numbers change along each axis."""
    stages = list(dict.fromkeys(stage for cell in study.cells for stage in cell.stats))
    columns = tuple(f"{stage} {short_name(metric)}" for stage in stages for metric in SHOWN)
    means, gains = [], []
    for cell in study.cells:
        found = [cell.stats[stage].all.metrics if stage in cell.stats else {} for stage in stages]
        stats = [metrics.get(metric, Stat()) for metrics in found for metric in SHOWN]
        origin, made_by = seeds(cell.run), (numbers[cell.run.folder],)
        means.append(Row(cell.run.name, tuple(map(_mean, stats)), origin=origin, made_by=made_by))
        gains.append(Row(cell.run.name, tuple(map(_gain, stats)), origin=origin, made_by=made_by))
    axes = ", ".join(f"{axis}: {', '.join(map(str, values))}" for axis, values in study.grid.items())
    blocks = [Block(axes or "no axes", columns, tuple(means), first="cell")]
    if len(gains) > 1:
        blocks.append(Block(f"Gain over {means[0].label}, relative", columns, tuple(gains[1:]), first="cell"))
    reading = "All types pooled, in %. Behind ± is the standard deviation over the seeds, where there are several."
    table = Table(f"{id}-cells", f"{study.name}: cells", reading, tuple(blocks))
    return Section(
        id, f"Study {study.name}", tables=(table,), figures=tuple(sweeps(study, f"{id}-sweep")) if plots else ()
    )


def stages_section(evaluations: list[Evaluation], numbers: Mapping[Path, int]) -> Section | None:
    """The stages of plain evaluations side by side."""
    blocks = [plain_rows(e.name, e.data, numbers[e.path]) for e in evaluations if isinstance(e.data, Plain)]
    if not blocks:
        return None
    reading = "F1@1 in % of every stage; the gain is that of the last stage over the one before it, relative."
    return Section("evaluations", "Evaluations", tables=(Table("stages", "Stages", reading, tuple(blocks)),))


def corruptions_section(
    evaluations: list[Evaluation], example: Callable[[], Sample | None], plots: bool
) -> Section | None:
    """Bars for every corruption, and how the picture that ``example`` gives looks in each."""
    corrupted = [(e.name, e.data) for e in evaluations if isinstance(e.data, Corrupted)]
    if not corrupted:
        return None
    bars = (
        (corruption_bars(name, data, f"corruptions-{i}") for i, (name, data) in enumerate(corrupted)) if plots else ()
    )
    sample = example()
    shown = corrupted_examples(sample, corrupted[0][1]) if sample else None
    tables = []
    if means := [corruption_means(name, data) for name, data in corrupted if _has_means(data)]:
        reading = (
            "R@3 of all types in %: the mean over the corruptions of a group in all severities, and over all "
            "corruptions of one severity."
        )
        tables.append(Table("corruption-means", "By group and by severity", reading, tuple(means)))
    if shown:
        reading = "One picture in three of the five severities, made in its own size and shown small."
        tables.append(Table("corrupted", "What the corruptions look like", reading, (shown,)))
    return Section("corruptions", "Corrupted pictures", tables=tuple(tables), figures=tuple(b for b in bars if b))


def _has_means(data: Corrupted) -> bool:
    return any(stage.by_group or stage.by_severity for stage in data.stages.values())


def _mean(stat: Stat) -> Value:
    mean, sd = (None if x is None else 100 * x for x in (stat.mean, stat.sd))
    return Value(mean, deviation=sd)


def _gain(stat: Stat) -> Value:
    number, low, high = stat.gain or (None, None, None)
    return Value(number, "gain", interval=None if low is None or high is None else (low, high))
