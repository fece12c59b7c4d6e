"""From measured shares to the cells of a table: percent, intervals and gains."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan, sqrt
from typing import Literal

import torch

from mtss_zoo.measures import Scored
from mtss_zoo.metrics import ImageCounts, image_counts
from mtss_zoo.report.document import Value
from mtss_zoo.report.measured import ALL, MEAN
from mtss_zoo.report.roles import Model
from mtss_zoo.report.scores import Scores
from mtss_zoo.significance import bootstrap_gain
from mtss_zoo.studies.answers import relative_gain

Z = 1.959964
"""A standard normal variable lies within this distance of 0 in 95 % of all cases."""
METRICS: dict[str, Literal["recall", "f1"]] = {"recall": "recall", "f1": "f1", "acc": "recall"}
"""What can be counted picture by picture, and so be drawn with replacement."""


def short_name(metric: str) -> str:
    """As the papers print a metric: ``R@3`` for ``recall@3``."""
    names = {"recall": "R", "f1": "F1", "precision": "P", "acc": "Acc", "ce": "CE"}
    name, at, k = metric.partition("@")
    return f"{names.get(name, name)}{at}{k}"


def wilson(share: float, n: int) -> tuple[float, float]:
    """The 95 % score interval of a share of n pictures, in percent (Wilson 1927)."""
    if n < 1 or share != share:
        return nan, nan
    centre, half = share + Z * Z / (2 * n), Z * sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    low, high = ((centre + sign * half) / (1 + Z * Z / n) for sign in (-1, 1))
    return 100 * max(low, 0.0), 100 * min(high, 1.0)


def value(model: Model, type_name: str, metric: str) -> Value:
    """One measured number. The interval is that of a share, so only a single type's recall and accuracy have one."""
    measured = model.measured
    number = measured.value(type_name, metric)
    if metric == "ce":
        return Value(number, "plain", decimals=3)
    name = metric.partition("@")[0]
    kind: Literal["accuracy", "percent"] = "accuracy" if name == "acc" else "percent"
    if type_name in (ALL, MEAN) or type_name not in measured.types:
        return Value(100 * number, kind)
    row, schema = measured.types[type_name], model.run.recipe.attribute_schema
    single = schema is not None and type_name in schema.names and schema[type_name].kind == "single"
    is_share = single and (name in ("recall", "acc") or (metric == "f1@1" and row.n == measured.n))
    return Value(100 * number, kind, interval=wilson(number, row.n) if is_share else None)


def gain(model: Model, base: Model, type_name: str, metric: str, scores: Scores) -> Value:
    """Percent over another model, with the paired bootstrap's interval where all answers are known.

    They are known of the stages of a study, and where the pictures are at hand.
    """
    was, now = (m.measured.value(type_name, metric) for m in (base, model))
    relative = 100 * (now - was) / was if was else nan
    name, _, k = metric.partition("@")
    if name not in METRICS:
        return Value(relative, "gain")
    if found := _from_answers(model, base, type_name, METRICS[name], int(k), scores):
        return Value(relative, "gain", found)
    pair = _pair(model, base, type_name, scores)
    if pair is None:
        return Value(relative, "gain")
    after, before = (ImageCounts.stack([image_counts(s.scores, s.labels, int(k)) for s in side]) for side in pair)
    drawn = bootstrap_gain(after, before, METRICS[name]).relative
    return Value(relative, "gain", (drawn.low, drawn.high))


def _from_answers(
    model: Model, base: Model, type_name: str, metric: Literal["recall", "f1"], k: int, scores: Scores
) -> tuple[float, float] | None:
    """The interval over the pictures from what a study kept, all seeds of both together."""
    sides = scores.answers(model), scores.answers(base)
    names = list(model.measured.types) if type_name == ALL else [type_name]
    if not all(sides) or any(
        n not in of_run or k not in of_run[n].counts for s in sides for of_run in s for n in names
    ):
        return None
    found = relative_gain(*sides, names, metric, k)
    return (found[1], found[2]) if found else None


def _pair(
    model: Model, base: Model, type_name: str, scores: Scores
) -> tuple[Sequence[Scored], Sequence[Scored]] | None:
    """What both said of the same pictures in the same order, in one type or all; ``None`` if that is not known."""
    of_model, of_base = scores.of(model), scores.of(base)
    names = [n for n in of_model if n in of_base] if type_name == ALL else [type_name]
    if not names or not all(n in of_model and n in of_base for n in names):
        return None
    if type_name == ALL and not set(names) == set(of_model) == set(of_base):
        return None
    sides = [of_model[n] for n in names], [of_base[n] for n in names]
    same = all(torch.equal(a.labels, b.labels) for a, b in zip(*sides, strict=True))
    return sides if same else None
