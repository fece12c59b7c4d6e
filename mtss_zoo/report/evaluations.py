"""Rows and drawings from JSON files of ``evaluate``: Table 7, Table 6, and the stages of a run side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mtss_zoo.paper_tables import PaperTable
from mtss_zoo.report.document import Block, Figure, Row, Value
from mtss_zoo.report.evaluation_file import Across, Corrupted, Plain
from mtss_zoo.report.measured import ALL, Measured
from mtss_zoo.report.plots.style import SERIES, drawing, short, to_svg
from mtss_zoo.report.values import short_name


def corruption_rows(paper: PaperTable, name: str, found: Corrupted, made_by: int) -> Block:
    """Rows of Table 7: R@3 on clean pictures, the mean on corrupted ones, and what was lost of it."""
    origin = f"{name}" + (f", seed {found.seed}" if found.seed is not None else "")
    rows = []
    for stage, measured in found.stages.items():
        clean, mean = (_share(side.get(ALL, {}), "recall@3") for side in (measured.clean, measured.mean))
        cells = (Value(clean), Value(mean), Value(_drop(clean, mean), "gain"))
        rows.append(Row(stage, cells, origin=origin, made_by=(made_by,)))
    caption = f"{name}: {found.split}, {found.n:,} pictures, variant {found.variant}, {found.package}"
    return Block(caption, (*paper.columns, "change"), tuple(rows))


def corruption_bars(name: str, found: Corrupted, id: str) -> Figure | None:
    """R@3 of each stage in every corruption, mean of its severities."""
    stages = {s: m for s, m in found.stages.items() if m.by_corruption}
    if not stages:
        return None
    names = list(next(iter(stages.values())).by_corruption)
    with drawing(1.0 + (0.12 + 0.14 * len(stages)) * len(names)) as (canvas, (axis, *_)):
        height = 0.8 / len(stages)
        for i, (stage, measured) in enumerate(stages.items()):
            shares = [_share(measured.by_corruption.get(c, {}).get(ALL, {}), "recall@3") for c in names]
            places = [len(names) - y + 0.4 - height * (i + 0.5) for y in range(len(names))]
            colour = SERIES[i % len(SERIES)]
            axis.barh(places, [x or 0 for x in shares], height=height, color=colour, label=short(stage))
            if clean := _share(measured.clean.get(ALL, {}), "recall@3"):
                axis.axvline(clean, color=colour, linestyle=":")
        axis.set_yticks(range(len(names), 0, -1), [c.replace("_", " ") for c in names])
        axis.set_ylim(0.4, len(names) + 0.6)
        axis.set_xlabel("R@3 of all types, %; dotted: clean")
        axis.grid(axis="x")
        canvas.legend(loc="outside upper center", ncols=min(3, len(stages)))
        svg = to_svg(canvas, id)
    alt = f"R@3 of {', '.join(stages)} in {len(names)} corruptions."
    return Figure(id, f"{name}: by corruption", alt, svg, "Mean of five severities each.", tall=True)


def across_rows(name: str, found: Across, made_by: int) -> list[Block]:
    """Rows of Table 6: F1@1 of every shared class and of all, a block for each attribute type."""
    blocks = []
    for type_name in dict.fromkeys(t for stage in found.stages.values() for t in stage.types):
        stages = {stage: m.types[type_name] for stage, m in found.stages.items() if type_name in m.types}
        first = next(iter(stages.values()))
        counts = [Value(of_class.get("n"), "count") for of_class in first.classes.values()]
        rows = [Row("n", (*counts, Value(first.n, "count")))]
        for stage, measured in stages.items():
            cells = [Value(_share(measured.classes.get(c, {}), "f1@1")) for c in first.classes]
            every = Value(None if measured.f1 is None else 100 * measured.f1)
            rows.append(Row(stage, (*cells, every), origin=name, made_by=(made_by,)))
        caption = f"{name}: {found.dataset}, {found.split}, {type_name}"
        blocks.append(Block(caption, (*first.classes, "All"), tuple(rows)))
    return blocks


def plain_rows(name: str, found: Plain, made_by: int) -> Block:
    """F1@1 of every stage by type, and the gain of the last one as it was printed, with its interval."""
    stages = {s: Measured.merged([f.model_copy(update={"split": found.split})], {}) for s, f in found.stages.items()}
    types = list(dict.fromkeys(t for m in stages.values() for t in m.types))
    columns = [*types, ALL]
    first = next(iter(stages.values()))
    counts = [Value(_n(stages.values(), t), "count") for t in types]
    rows = [Row("n, label known", (*counts, Value(None)))]
    for stage, measured in stages.items():
        cells = tuple(Value(100 * measured.value(t, "f1@1")) for t in columns)
        rows.append(Row(stage, cells, origin=name, made_by=(made_by,)))
    if found.gain:
        gains = [_printed_gain(found.gain.get(t, {}).get("f1@1 relative")) for t in columns]
        rows.append(Row(f"{list(stages)[-1]}: gain", tuple(gains), origin=name, made_by=(made_by,)))
    return Block(f"{name}: {found.split}, {first.n:,} pictures, {short_name('f1@1')}", tuple(columns), tuple(rows))


def _n(stages: Iterable[Measured], type_name: str) -> int | None:
    return next((m.types[type_name].n for m in stages if type_name in m.types), None)


def _printed_gain(values: list[float | None] | None) -> Value:
    point, low, high = values if values and len(values) == 3 else (None, None, None)
    return Value(point, "gain", (low, high) if low is not None and high is not None else None)


def _share(ratios: Mapping[str, float | None], metric: str) -> float | None:
    share = ratios.get(metric)
    return None if share is None else 100 * share


def _drop(clean: float | None, corrupted: float | None) -> float | None:
    return 100 * (corrupted - clean) / clean if clean and corrupted is not None else None
