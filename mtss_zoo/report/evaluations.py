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
        clean, mean = (share(side.get(ALL, {}), "recall@3") for side in (measured.clean, measured.mean))
        cells = (Value(clean), Value(mean), Value(relative(clean, mean), "gain"))
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
            shares = [share(measured.by_corruption.get(c, {}).get(ALL, {}), "recall@3") for c in names]
            places = [len(names) - y + 0.4 - height * (i + 0.5) for y in range(len(names))]
            colour = SERIES[i % len(SERIES)]
            axis.barh(places, [x or 0 for x in shares], height=height, color=colour, label=short(stage))
            if clean := share(measured.clean.get(ALL, {}), "recall@3"):
                axis.axvline(clean, color=colour, linestyle=":")
        axis.set_yticks(range(len(names), 0, -1), [c.replace("_", " ") for c in names])
        axis.set_ylim(0.4, len(names) + 0.6)
        axis.set_xlabel("R@3 of all types, %; dotted: clean")
        axis.grid(axis="x")
        canvas.legend(loc="outside upper center", ncols=min(3, len(stages)))
        svg = to_svg(canvas, id)
    alt = f"R@3 of {', '.join(stages)} in {len(names)} corruptions."
    return Figure(id, f"{name}: by corruption", alt, svg, "Mean of five severities each.", tall=True)


def corruption_means(name: str, found: Corrupted) -> Block:
    """R@3 of each stage in every group of corruptions and in every severity."""
    first = next(iter(found.stages.values()))
    columns = (*first.by_group, *(f"severity {severity}" for severity in first.by_severity))
    rows = []
    for stage, measured in found.stages.items():
        means = [measured.by_group.get(group, {}) for group in first.by_group]
        means += [measured.by_severity.get(severity, {}) for severity in first.by_severity]
        rows.append(Row(stage, tuple(Value(share(mean.get(ALL, {}), "recall@3")) for mean in means)))
    return Block(f"{name}: {found.split}, variant {found.variant}", columns, tuple(rows), first="stage")


def across_rows(paper: PaperTable, name: str, found: Across, made_by: int) -> list[Block]:
    """Rows of Table 6: F1@1 of every shared class and of all, a block for each attribute type, and one of several."""
    names = list(dict.fromkeys(t for stage in found.stages.values() for t in stage.types))
    blocks = [_across_type(paper, name, found, type_name, made_by) for type_name in names]
    return [*blocks, _across_types(name, found, names, made_by)] if len(names) > 1 else blocks


def _across_type(paper: PaperTable, name: str, found: Across, type_name: str, made_by: int) -> Block:
    stages = {stage: m.types[type_name] for stage, m in found.stages.items() if type_name in m.types}
    first = next(iter(stages.values()))
    words = {found.asked.columns.get(c, c): c for c in first.classes}
    columns = [*(c for c in paper.columns if c in words), *(c for c in words if c not in paper.columns)]
    classes = [words[column] for column in columns]
    rows = [Row("n", (*(Value(first.classes[c].get("n"), "count") for c in classes), Value(first.n, "count")))]
    for stage, measured in stages.items():
        cells = [Value(share(measured.classes.get(c, {}), "f1@1")) for c in classes]
        every = Value(None if measured.f1 is None else 100 * measured.f1)
        rows.append(Row(stage, (*cells, every), origin=name, made_by=(made_by,)))
    if type_name in found.gain:
        cells = [*(Value(None) for _ in classes), _across_gain(found, type_name)]
        rows.append(Row(f"{list(stages)[-1]}: gain", tuple(cells), origin=name, made_by=(made_by,)))
    return Block(f"{name}: {found.dataset}, {found.split}, {type_name}", (*columns, "All"), tuple(rows))


def _across_types(name: str, found: Across, names: list[str], made_by: int) -> Block:
    """The types side by side and pooled, with the gain of the last stage."""
    rows = []
    for stage, measured in found.stages.items():
        shares = [100 * t.f1 if (t := measured.types.get(n)) and t.f1 is not None else None for n in names]
        cells = (*map(Value, shares), Value(share(measured.all, "f1@1")))
        rows.append(Row(stage, cells, origin=name, made_by=(made_by,)))
    if found.gain:
        gains = tuple(_across_gain(found, n) for n in (*names, ALL))
        rows.append(Row(f"{list(found.stages)[-1]}: gain", gains, origin=name, made_by=(made_by,)))
    return Block(f"{name}: {found.dataset}, {found.split}, shared classes of each type", (*names, "All"), tuple(rows))


def _across_gain(found: Across, type_name: str) -> Value:
    return _printed_gain(found.gain.get(type_name, {}).get("f1@1 relative"))


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


def share(ratios: Mapping[str, float | None], metric: str) -> float | None:
    """One metric in percent."""
    found = ratios.get(metric)
    return None if found is None else 100 * found


def relative(before: float | None, after: float | None) -> float | None:
    """The change in percent; ``None`` where there is nothing to compare with."""
    return 100 * (after - before) / before if before and after is not None else None
