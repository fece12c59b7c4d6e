"""What a student gains over its teacher, class by class: figure 8 of MTSS."""

from __future__ import annotations

from dataclasses import dataclass

from mtss_zoo.measures import Scored
from mtss_zoo.metrics import class_recall_at_k
from mtss_zoo.report.document import Figure
from mtss_zoo.report.measured import TypeRow
from mtss_zoo.report.plots.style import SERIES, drawing, short, to_svg

MOST = 40


@dataclass(frozen=True)
class ClassGain:
    """One class with ground truth: n pictures, recall of teacher and student as shares."""

    name: str
    n: int
    teacher: float
    student: float

    @property
    def relative(self) -> float | None:
        """Percent of the teacher's recall; ``None`` where that is 0, as the gain is then not defined."""
        return 100 * (self.student - self.teacher) / self.teacher if self.teacher else None

    @property
    def points(self) -> float:
        """Percentage points."""
        return 100 * (self.student - self.teacher)


def gains_at_1(teacher: TypeRow, student: TypeRow) -> list[ClassGain]:
    """From what was measured, which is recall@1, the most frequent class first."""
    both = {name: (row, student.classes[name]) for name, row in teacher.classes.items() if name in student.classes}
    found = [
        ClassGain(name, t.n, t.recall, s.recall)
        for name, (t, s) in both.items()
        if t.n and t.recall is not None and s.recall is not None
    ]
    return sorted(found, key=lambda g: (-g.n, g.name))


def gains_at_k(teacher: Scored, student: Scored, names: tuple[str, ...], k: int) -> list[ClassGain]:
    """From scores, the most frequent class first."""
    of_teacher, of_student = (class_recall_at_k(s.scores, s.labels, k) for s in (teacher, student))
    columns = zip(
        names,
        of_teacher.positives_C.tolist(),
        of_teacher.recall_C.tolist(),
        of_student.recall_C.tolist(),
        strict=True,
    )
    return sorted((ClassGain(*row) for row in columns if row[1]), key=lambda g: (-g.n, g.name))


def gain_bars(type_name: str, gains: list[ClassGain], k: int, id: str) -> Figure | None:
    """Bars of teacher and student with the relative gain beside them; undefined gains are listed in the caption."""
    shown = [g for g in gains if g.relative is not None][:MOST]
    if not shown:
        return None
    with drawing(1.0 + 0.3 * len(shown)) as (canvas, (axis, *_)):
        for i, (label, attribute) in enumerate((("teacher", "teacher"), ("student", "student"))):
            places = [y + 0.19 - 0.38 * i for y in range(len(shown), 0, -1)]
            values = [100 * getattr(g, attribute) for g in shown]
            axis.barh(places, values, height=0.36, color=SERIES[1 - i], label=label)
        for y, gain in zip(range(len(shown), 0, -1), shown, strict=True):
            x = 100 * max(gain.teacher, gain.student)
            axis.annotate(
                f"{gain.relative:+.0f} %", (x, y), (4, 0), textcoords="offset points", va="center", fontsize=8
            )
        axis.set_yticks(range(len(shown), 0, -1), [f"{short(g.name)} ({g.n:,})" for g in shown])
        axis.set_xlim(0, 118)
        axis.set_xticks(range(0, 101, 25))
        axis.set_ylim(0.4, len(shown) + 0.6)
        axis.set_xlabel(f"R@{k} of the class, %")
        axis.grid(axis="x")
        canvas.legend(loc="outside upper center", ncols=2)
        svg = to_svg(canvas, id)
    better, worse = (sum(sign * g.points > 0 for g in gains) for sign in (1, -1))
    alt = f"R@{k} of teacher and student for {len(shown)} classes of {type_name}."
    caption = f"The student is better on {better} of {len(gains)} classes, worse on {worse}. {_left_out(gains, shown)}"
    return Figure(id, f"{type_name}: gain by class", alt, svg, caption.strip(), tall=True)


def _left_out(gains: list[ClassGain], shown: list[ClassGain]) -> str:
    undefined = [g for g in gains if g.relative is None]
    words = []
    if len(shown) + len(undefined) < len(gains):
        words.append(f"Drawn are the {len(shown)} most frequent.")
    if raised := [f"{short(g.name)} ({g.points:+.0f} points, n {g.n:,})" for g in undefined if g.student]:
        words.append(f"Found by the student alone, so without a relative gain: {', '.join(raised)}.")
    if never := [f"{short(g.name)} ({g.n:,})" for g in undefined if not g.student]:
        words.append(f"Found by neither: {', '.join(never)}.")
    return " ".join(words)
