"""Which measured models fill which table of the papers, and how to read each table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from mtss_zoo.report.collect import Run
from mtss_zoo.report.roles import (
    BINARY,
    EMBEDDINGS,
    Model,
    from_labels_alone,
    semi_supervised,
    start_of,
    students,
    teachers,
    teachers_of,
)

READING = {
    "table1": "Recall among the 3 and the 5 best classes, in %: of all true labels, how many are there. T is one "
    "network a type, S one for all. Gamma is the exponent of the ranking loss.",
    "table2": "All types pooled: k predictions count for every picture and type, so F1@k falls as k grows. In %.",
    "table3": "The same network with label embeddings (LE) and with binary cross entropy (BCE). F1@1 in %, in "
    "which pictures without a known label count too; the gain of LE is relative.",
    "table4": "The student (S) against the teachers (T) that it learnt from, on the same pictures. F1@1 in %, in "
    "which pictures without a known label count too: a type that few of them have looks low. The gain is relative; "
    "where its interval holds 0, these pictures do not show who is better.",
    "table5": "A student of one teacher, and one of all teachers, against the teachers. R@3 in %; gains are relative.",
    "table6": "Trained on one domain, measured on another, on the classes that both know. F1@1 in %; the gain of the "
    "last stage over the one before it is relative.",
    "table7": "R@3 in % on pictures as they are, and the mean over 15 corruptions in 5 severities. The change is that "
    "from clean to corrupted pictures, relative; the gain is over the same student that saw no corrupted pictures.",
    "appendix_b": "Mean average precision in %, as the student is given more pictures without labels; T uses none. "
    "Dropped are the training pictures whose labels were put aside.",
    "semi_vit_table2": "Accuracy in %, and cross entropy (CE, smaller is better), with a share of the labels. The gain "
    "is that of Semi-ViT over the ViT that it started from, relative.",
    "semi_vit_table3": "Accuracy in %, and cross entropy (CE, smaller is better), with one share of the labels and "
    "more and more pictures without labels.",
}


@dataclass(frozen=True)
class Line:
    """A row to be set in a table: a word, the models whose numbers it holds, and what gains are over."""

    label: str
    models: tuple[Model, ...]
    beside: tuple[Model, ...] = ()

    def model_of(self, type_name: str, of_beside: bool = False) -> Model | None:
        """The model that predicts a type."""
        models = self.beside if of_beside else self.models
        return next((m for m in models if type_name in m.measured.types), None)

    @property
    def data(self) -> tuple[str, str, int]:
        """Dataset, split and pictures."""
        return self.models[0].data


def gamma(model: Model) -> str:
    """``gamma 1``, ``gamma tuned``; the name of the loss where it has none."""
    value = model.loss_arg("gamma")
    if value is None:
        return ", ".join(dict.fromkeys(model.losses)) or model.stage.spec.strategy.name
    return f"gamma {value:g}" if isinstance(value, int | float) else f"gamma {value}"


def _table1(runs: list[Run]) -> list[Line]:
    lines, seen = [], set()
    for student, before in _pairs(runs):
        lines += [Line(f"T, {gamma(before)}", (before,)), Line(f"S, {gamma(before)}", (student,))]
        seen.add((before.run.folder, before.stage.name))
    alone = [t for t in teachers(runs) if t.head == EMBEDDINGS and (t.run.folder, t.stage.name) not in seen]
    return lines + [Line(f"T, {gamma(t)}", (t,)) for t in alone]


def _table2(runs: list[Run]) -> list[Line]:
    several = [s for s in students(runs) if not _of_one_type(s)]
    return [Line(f"S, {gamma(teachers_of(s) or s)}", (s,)) for s in several]


def _table3(runs: list[Run]) -> list[Line]:
    lines = []
    for _, group in groupby(sorted(teachers(runs), key=lambda t: t.data), key=lambda t: t.data):
        here = list(group)
        binary = [t for t in here if t.head != EMBEDDINGS and BINARY in t.losses]
        by_embedding = [t for t in here if t.head == EMBEDDINGS]
        if binary and by_embedding:
            lines += [Line("T BCE", (t,)) for t in binary]
            lines += [Line(f"T LE, {gamma(t)}", (t,), (binary[0],)) for t in by_embedding]
    return lines


def _table4(runs: list[Run]) -> list[Line]:
    return [
        line for student, before in _pairs(runs) for line in (Line("T", (before,)), Line("S", (student,), (before,)))
    ]


def _table5(runs: list[Run]) -> list[Line]:
    lines = []
    for _, group in groupby(sorted(_pairs(runs), key=lambda p: p[0].data), key=lambda p: p[0].data):
        pairs = list(group)
        single = {tuple(s.measured.types): (s, t) for s, t in pairs if _of_one_type(s)}
        several = next(((s, t) for s, t in pairs if not _of_one_type(s)), None)
        if single and several:
            student, before = several
            lines.append(Line("T", (before,)))
            lines.append(Line("S single", tuple(s for s, _ in single.values()), tuple(t for _, t in single.values())))
            lines.append(Line("S several", (student,), (before,)))
    return lines


def _of_one_type(model: Model) -> bool:
    return model.stage.spec.per_type or len(model.measured.types) == 1


def _appendix_b(runs: list[Run]) -> list[Line]:
    lines = []
    pairs = sorted(_pairs(runs), key=lambda p: (_labelled(p[0]), unlabelled(p[0])))
    for _, group in groupby(pairs, key=lambda p: _labelled(p[0])):
        here = list(group)
        if len({unlabelled(s) for s, _ in here}) > 1:
            lines.append(Line("T", (here[0][1],)))
            lines += [Line(f"S, {_amount(s)}", (s,)) for s, _ in here]
    return lines


def _semi_vit_table2(runs: list[Run]) -> list[Line]:
    lines: list[Line] = []
    of_semi = semi_supervised(runs)
    starts = [(m, start_of(m)) for m in of_semi]
    used = {(s.run.folder, s.stage.name) for _, s in starts if s}
    for other in from_labels_alone(runs):
        fits = any(other.data == m.data and _has_accuracy(other, m.measured.types) for m in of_semi)
        if fits and (other.run.folder, other.stage.name) not in used:
            lines.append(Line(f"{backbone(other)} {labels(other)}, {other.stage.name}", (other,)))
    for model, start in starts:
        lines += [Line(f"ViT {labels(start)}", (start,))] if start else []
        lines.append(Line(f"Semi-ViT {labels(model)}", (model,), (start,) if start else ()))
    return lines


def _semi_vit_table3(runs: list[Run]) -> list[Line]:
    lines = []
    models = sorted(semi_supervised(runs), key=lambda m: (_labelled(m), unlabelled(m)))
    for _, group in groupby(models, key=_labelled):
        here = list(group)
        if len({unlabelled(m) for m in here}) > 1:
            lines += [Line(f"{labels(m)} labels, {_amount(m)}", (m,)) for m in here]
    return lines


FILLED_BY_RUNS: dict[str, Callable[[list[Run]], list[Line]]] = {
    "table1": _table1,
    "table2": _table2,
    "table3": _table3,
    "table4": _table4,
    "table5": _table5,
    "appendix_b": _appendix_b,
    "semi_vit_table2": _semi_vit_table2,
    "semi_vit_table3": _semi_vit_table3,
}


def backbone(model: Model) -> str:
    """The name of its network."""
    part = model.run.recipe.model_of(model.stage.name).backbone
    return str(part.args.get("name", part.name))


def labels(model: Model) -> str:
    """The share of the labels that it was trained with, ``25%``."""
    return f"{100 * model.run.recipe.data.label_share:g}%"


def unlabelled(model: Model) -> tuple[bool, float]:
    """Whether it saw the pictures whose labels were dropped, if any were, and its share of the dataset's own."""
    data = model.run.recipe.data
    return data.dropped == "unlabelled" or data.label_share == 1, data.unlabelled_share


def _amount(model: Model) -> str:
    with_dropped, share = unlabelled(model)
    return f"{100 * share:g} % unlabelled" + ("" if with_dropped else ", none of the dropped")


def _labelled(model: Model) -> tuple[object, ...]:
    return (*model.data, model.run.recipe.data.label_share)


def _has_accuracy(model: Model, types: Iterable[str]) -> bool:
    shares = [model.measured.value(name, "acc@1") for name in types]
    return all(share == share for share in shares)


def _pairs(runs: list[Run]) -> list[tuple[Model, Model]]:
    return [(student, before) for student in students(runs) if (before := teachers_of(student))]
