"""How numbers change along one axis of a study: figure 6 of MTSS."""

from __future__ import annotations

from math import nan
from typing import Any

from mtss_zoo.report.collect import Cell, Study
from mtss_zoo.report.document import Figure
from mtss_zoo.report.plots.style import drawing, line_style, short, to_svg
from mtss_zoo.report.study_file import Stat, Stats
from mtss_zoo.report.values import short_name

METRIC = "recall@3"


def sweeps(study: Study, prefix: str) -> list[Figure]:
    """For every axis with two values or more: R@3 of each stage, and of the last stage the change of each type."""
    figures = []
    for i, axis in enumerate(study.grid):
        cells = along(study, axis)
        if len(cells) < 2:
            continue
        figures.append(_stages(study.name, axis, cells, f"{prefix}-{i}"))
        last = list(cells[0].stats)[-1]
        if len(cells[0].stats[last].types) > 1:
            figures.append(_types(study.name, axis, cells, last, f"{prefix}-{i}-types"))
    return figures


def along(study: Study, axis: str) -> list[Cell]:
    """The cells that differ in one axis alone; on the others they are where the first cell is."""
    first = study.cells[0]
    others = [key for key in study.grid if key != axis]
    return [cell for cell in study.cells if all(cell.settings.get(k) == first.settings.get(k) for k in others)]


def _stages(name: str, axis: str, cells: list[Cell], id: str) -> Figure:
    """Pooled over the types; bars are the standard deviation over the seeds."""
    stages = list(dict.fromkeys(stage for cell in cells for stage in cell.stats))
    with drawing(3.4) as (canvas, (axes, *_)):
        lines, ends = [], []
        for i, stage in enumerate(stages):
            found = [(x, _pooled(cell, stage)) for x, cell in enumerate(cells) if stage in cell.stats]
            x = [at for at, _ in found]
            y = [_percent(stat.mean) for _, stat in found]
            error = [_percent(stat.sd or 0.0) for _, stat in found]
            lines.append(axes.errorbar(x, y, error, **line_style(i), marker="o", markersize=4, capsize=3))
            ends.append(f"{stage} from {y[0]:.2f} to {y[-1]:.2f} %")
        _finish(canvas, axes, axis, cells, f"{short_name(METRIC)} of all types, %", lines, stages)
        svg = to_svg(canvas, id)
    alt = f"{short_name(METRIC)} against {axis}: {'; '.join(ends)}."
    several = any(stat.sd is not None for cell in cells for stat in cell.stats[stages[0]].all.metrics.values())
    caption = "Bars: standard deviation over the seeds." if several else "One training each."
    return Figure(id, f"{name}: {axis}", alt, svg, caption)


def _types(name: str, axis: str, cells: list[Cell], stage: str, id: str) -> Figure:
    """The change of each attribute type against the first cell, in points."""
    types = list(cells[0].stats[stage].types)
    with drawing(3.6) as (canvas, (axes, *_)):
        lines = []
        for i, type_name in enumerate(types):
            rows = [cell.stats[stage].types.get(type_name) if stage in cell.stats else None for cell in cells]
            y = [_percent(_stat(row).mean) for row in rows]
            lines += axes.plot(range(len(y)), [v - y[0] for v in y], **line_style(i), marker="o", markersize=4)
        _finish(canvas, axes, axis, cells, f"change of {short_name(METRIC)}, points", lines, types)
        svg = to_svg(canvas, id)
    alt = f"Change of {short_name(METRIC)} of {stage} by attribute type against {axis}."
    return Figure(id, f"{name}: {axis}, by type", alt, svg, f"Stage {stage}, against the first value.")


def _finish(
    canvas: Any, axes: Any, axis: str, cells: list[Cell], label: str, lines: list[Any], names: list[str]
) -> None:
    axes.set_xticks(range(len(cells)), [short(str(cell.settings.get(axis)), 12) for cell in cells])
    axes.set_xlabel(short(axis, 50))
    axes.set_ylabel(label)
    axes.margins(x=0.08)
    axes.grid(axis="y")
    canvas.legend(lines, [short(name, 16) for name in names], loc="outside lower center", ncols=min(3, len(names)))


def _pooled(cell: Cell, stage: str) -> Stat:
    stats = cell.stats[stage]
    return _stat(stats.all if METRIC in stats.all.metrics else stats.macro_types)


def _stat(stats: Stats | None) -> Stat:
    return stats.metrics.get(METRIC, Stat()) if stats else Stat()


def _percent(share: float | None) -> float:
    return nan if share is None else 100 * share
