"""Loss, validation F1@1 and pseudo labels of one stage, over its epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mtss_zoo.report.collect import Stage
from mtss_zoo.report.document import Figure
from mtss_zoo.report.plots.style import SERIES, drawing, line_style, short, to_svg
from mtss_zoo.run_log import Row

Points = tuple[list[float], list[float]]
LOSS, F1 = "loss", "val/f1@1"


def curves(stage: Stage, id: str) -> Figure | None:
    """The training loss above, F1@1 on validation below; a line for each model of a ``per_type`` stage."""
    losses = {part: points(rows, LOSS) for part, rows in stage.logs.items()}
    found = {
        part if name == F1 else f"{part}, {name.removeprefix(f'{F1}/')}": (x, [100 * y for y in share])
        for part, rows in stage.logs.items()
        for name in columns(rows, F1)
        for x, share in [points(rows, name)]
    }
    if not any(x for x, _ in losses.values()):
        return None
    with drawing(3.6 if found else 2.2, rows=2 if found else 1) as (canvas, axes):
        for axis, lines, label in zip(axes, (losses, found), ("loss", "F1@1 on validation, %"), strict=False):
            for i, (_, (x, y)) in enumerate(lines.items()):
                axis.plot(x, y, **line_style(i), marker="o" if len(x) < 3 else "", markersize=3)
            axis.set_ylabel(label)
            axis.grid(axis="y")
        axes[-1].set_xlabel("epoch")
        if len(axes) > 1:
            axes[0].sharex(axes[1])
        names = list(found or losses)
        if len(names) > 1:
            drawn = axes[-1].get_lines()
            labels = [short(name) for name in names]
            canvas.legend(drawn, labels, loc="outside lower center", ncols=min(3, len(names)))
        last = {name: y[-1] for name, (_, y) in found.items() if y}
        ends = ", ".join(f"{name} {value:.2f} %" for name, value in last.items())
        alt = f"Loss of stage {stage.name} over its epochs" + (f"; F1@1 on validation ends at {ends}." if last else ".")
        svg = to_svg(canvas, id)
    return Figure(id, f"{stage.name}: loss and validation", alt, svg, f"From log.csv of stage {stage.name}.")


def pseudo_labels(stage: Stage, id: str, limit: int = 25) -> Figure | None:
    """What the teacher took unlabelled pictures for in the last epoch, and how sure it was; the commonest classes."""
    try:
        last = max(int(row["epoch"]) for row in stage.pseudo_labels)
        rows = [
            (f"{row['class']}", 100 * float(row["share"]), 100 * float(row["kept"]))
            for row in stage.pseudo_labels
            if int(row["epoch"]) == last
        ]
    except (KeyError, ValueError):
        return None
    rows = sorted(rows, key=lambda row: -row[1])[:limit][::-1]
    with drawing(0.9 + 0.19 * len(rows)) as (canvas, (axis, *_)):
        axis.barh(range(len(rows)), [share for _, share, _ in rows], color=SERIES[0], height=0.7)
        for y, (_, share, kept) in enumerate(rows):
            axis.annotate(f"{kept:.0f} % kept", (share, y), (4, 0), textcoords="offset points", va="center", fontsize=8)
        axis.set_yticks(range(len(rows)), [short(name) for name, _, _ in rows])
        axis.margins(x=0.2, y=0.01)
        axis.set_xlabel("share of the pseudo labels, %")
        axis.grid(axis="x")
        svg = to_svg(canvas, id)
    most = ", ".join(f"{name} {share:.1f} %" for name, share, _ in rows[::-1][:3])
    caption = f"Epoch {last}, the {len(rows)} commonest. Kept: the share that was sure enough to be learnt from."
    alt = f"Classes that unlabelled pictures were taken for in epoch {last}; most often {most}."
    return Figure(id, f"{stage.name}: pseudo labels", alt, svg, caption, tall=True)


def columns(rows: Sequence[Row], prefix: str) -> list[str]:
    """The columns of a log that are called so, or that and a slash, in order."""
    names = dict.fromkeys(name for row in rows for name in row)
    return [name for name in names if name == prefix or name.startswith(f"{prefix}/")]


def points(rows: Sequence[Mapping[str, str]], column: str) -> Points:
    """Epochs and values of one column; rows that lack it, or hold no number, are left out."""
    found: Points = ([], [])
    for row in rows:
        try:
            x, y = float(row["epoch"]), float(row[column])
        except (KeyError, ValueError):
            continue
        found[0].append(x)
        found[1].append(y)
    return found
