"""What a report shows of one run: its curves and, where its pictures are at hand, what its models make of them."""

from __future__ import annotations

from collections.abc import Iterator

from mtss_zoo.interfaces import AttributeType
from mtss_zoo.report.collect import Run
from mtss_zoo.report.document import Block, Figure, Section, Table
from mtss_zoo.report.mistakes import mistakes
from mtss_zoo.report.plots.calibration import reliability, reliability_diagram
from mtss_zoo.report.plots.classes import gain_bars, gains_at_1, gains_at_k
from mtss_zoo.report.plots.curves import curves, pseudo_labels
from mtss_zoo.report.plots.embeddings import chosen_rows, embedding_plot
from mtss_zoo.report.roles import Model, last_model, softmax_scale, students, teachers_of
from mtss_zoo.report.scores import Scores, embeddings

GAIN_AT, FEWEST_CLASSES = 3, 5
"""Figure 8 shows R@3; a type with few classes has nothing to compare there."""


def run_section(run: Run, id: str, scores: Scores, number: int, pictures: int, plots: bool) -> Section:
    """Everything about one run; without ``plots`` the mistakes alone."""
    figures = tuple(f for f in _figures(run, id, scores) if f) if plots else ()
    blocks = tuple(_mistakes(run, scores, number, pictures))
    reading = (
        "Classes with the lowest recall (R@1, in %) among those with at least 5 pictures; what the missed ones were "
        "taken for, and how often."
    )
    tables = (Table(f"{id}-mistakes", f"{run.name}: the classes found worst", reading, blocks),) if blocks else ()
    return Section(id, f"Run {run.name}", run.recipe.summary, tables, figures)


def _figures(run: Run, id: str, scores: Scores) -> Iterator[Figure | None]:
    for i, stage in enumerate(run.stages.values()):
        yield curves(stage, f"{id}-curves-{i}")
        yield pseudo_labels(stage, f"{id}-pseudo-{i}")
    for student in students([run]):
        if teacher := teachers_of(student):
            yield from _gains(teacher, student, id, scores)
            yield _embeddings(teacher, student, id, scores)
    yield _reliability(last_model(run), f"{id}-reliability", scores)


def _gains(teacher: Model, student: Model, id: str, scores: Scores) -> Iterator[Figure | None]:
    of_teacher, of_student = scores.of(teacher), scores.of(student)
    for i, t in enumerate(_types(student)):
        if t.name not in teacher.measured.types or len(t) < FEWEST_CLASSES:
            continue
        if t.name in of_teacher and t.name in of_student:
            k, gains = GAIN_AT, gains_at_k(of_teacher[t.name], of_student[t.name], t.classes, GAIN_AT)
        else:
            k, gains = 1, gains_at_1(teacher.measured.types[t.name], student.measured.types[t.name])
        yield gain_bars(t.name, gains, k, f"{id}-gains-{i}")


def _embeddings(teacher: Model, student: Model, id: str, scores: Scores) -> Figure | None:
    """Of the type with the most classes that were found in the pictures."""
    of_student, samples = scores.of(student), scores.samples(student)
    shared = [t for t in _types(student) if t.name in teacher.measured.types and t.name in of_student]
    if samples is None or not shared:
        return None
    t = max(shared, key=lambda t: int(of_student[t.name].labels.any(0).sum()))
    scored = of_student[t.name]
    if not (chosen := chosen_rows(scored.labels.numpy())):
        return None
    rows, classes = scored.rows.numpy()[chosen[0]], chosen[1]
    sides = {}
    for word, model in (("teacher", teacher), ("student", student)):
        network = next((m for m in scores.models(model).values() if t.name in m.schema.names), None)
        found = embeddings(network, t.name, samples, rows.tolist()) if network else None
        if found is None:
            return None
        sides[word] = found
    return embedding_plot(t.name, sides, classes, t.classes, f"{id}-embeddings")


def _reliability(model: Model, id: str, scores: Scores) -> Figure | None:
    """Of the types whose scores stand for probabilities."""
    scales = {t.name: softmax_scale(model, t.name) for t in _types(model) if t.kind == "single"}
    known = {name: scale for name, scale in scales.items() if scale is not None}
    scored = scores.of(model) if known else {}
    found = {name: reliability(scored[name], scale) for name, scale in known.items() if name in scored}
    drawn = {name: r for name, r in found.items() if r}
    return reliability_diagram(model.stage.name, drawn, id) if drawn else None


def _mistakes(run: Run, scores: Scores, number: int, pictures: int) -> Iterator[Block]:
    """Those of the last stage."""
    model = last_model(run)
    scored, samples = scores.of(model), scores.samples(model)
    if samples is None:
        return
    for t in _types(model):
        if t.name in scored and (block := mistakes(t, scored[t.name], samples, pictures, number, run)):
            yield block


def _types(model: Model) -> list[AttributeType]:
    schema = model.run.recipe.attribute_schema
    return [t for t in schema if t.name in model.measured.types] if schema else []
