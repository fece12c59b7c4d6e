"""Is the model as often right as it is sure? Reliability diagrams with the expected calibration error."""

from __future__ import annotations

from dataclasses import dataclass

from mtss_zoo.measures import Scored
from mtss_zoo.report.document import Figure
from mtss_zoo.report.plots.style import GRID, drawing, line_style, short, to_svg

BINS, FEWEST = 10, 5


@dataclass(frozen=True)
class Reliability:
    """Of each bin that is not empty: pictures, mean confidence, and accuracy; ``ece`` over all of them, a share."""

    counts: list[int]
    confidence: list[float]
    accuracy: list[float]

    @property
    def ece(self) -> float:
        """Sum over bins of n_b / N * |accuracy - confidence| (Guo et al. 2017, equation 3)."""
        bins = zip(self.counts, self.confidence, self.accuracy, strict=True)
        return sum(n * abs(a - c) for n, c, a in bins) / sum(self.counts)


def reliability(scored: Scored, scale: float) -> Reliability | None:
    """Bins of equal width of the best class's softmax(scale * scores), over the pictures whose label is known."""
    known = scored.labels.any(1)
    if not bool(known.any()):
        return None
    confidence, best = (scale * scored.scores[known].double()).softmax(1).max(1)
    right = scored.labels[known].gather(1, best[:, None])[:, 0].double()
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    used = [bins == b for b in range(BINS) if bool((bins == b).any())]
    means = ([float(values[b].mean()) for b in used] for values in (confidence, right))
    return Reliability([int(b.sum()) for b in used], *means)


def reliability_diagram(stage: str, types: dict[str, Reliability], id: str) -> Figure:
    """Accuracy against confidence, a line for each attribute type; on the dotted diagonal both are the same."""
    with drawing(3.9) as (canvas, (axis, *_)):
        axis.plot([0, 100], [0, 100], color=GRID, linestyle=":")
        lines = []
        for i, r in enumerate(types.values()):
            drawn = [b for b, n in enumerate(r.counts) if n >= FEWEST]
            x, y = ([100 * values[b] for b in drawn] for values in (r.confidence, r.accuracy))
            lines += axis.plot(x, y, **line_style(i), marker="o", markersize=3.5)
        axis.set_xlim(0, 101)
        axis.set_ylim(0, 101)
        axis.set_xlabel("confidence, %")
        axis.set_ylabel("accuracy, %")
        axis.grid()
        labels = [f"{short(name, 16)}: ECE {100 * r.ece:.1f}" for name, r in types.items()]
        canvas.legend(lines, labels, loc="outside lower center", ncols=2)
        svg = to_svg(canvas, id)
    errors = ", ".join(f"{name} {100 * r.ece:.1f} (n {sum(r.counts):,})" for name, r in types.items())
    caption = (
        f"Expected calibration error in points: {errors}. Below the diagonal "
        f"the model is too sure of itself. Points of fewer than {FEWEST} pictures are not drawn."
    )
    return Figure(id, f"{stage}: reliability", f"Accuracy against confidence. ECE: {errors}.", svg, caption)
