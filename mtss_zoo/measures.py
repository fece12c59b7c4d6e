"""From scores and ground truth to the numbers of a report: by type, pooled, as means, by class and by slice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mtss_zoo import metrics
from mtss_zoo.errors import UnknownNameError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Samples
from mtss_zoo.registry import near_matches

MISSING = "(missing)"
"""The slice of the pictures without a value."""
FEW = 30
"""Below this number of pictures a metric says little: one picture is more than three points."""


@dataclass(frozen=True)
class Scored:
    """One attribute type on one split: scores NC, ground truth NC that holds known labels only, rows N of the split."""

    scores: Tensor
    labels: Tensor
    rows: Tensor


def measure(
    scored: Mapping[str, Scored],
    schema: AttributeSchema,
    ks: Iterable[int] = (1, 3, 5),
    slices: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """Every metric of every type, pooled over the types (``all``) and as their plain mean (``macro_types``).

    Keys: ``recall@k``, ``precision@k`` and ``f1@k`` count k predictions for every picture (MTSS); ``precision@k_valid``
    and ``f1@k_valid`` only for pictures whose label is known; ``mAP``; ``n`` pictures with a known label; ``classes``
    recall@1 with n of each.
    A single type also has ``acc@1``, ``acc@5`` and ``ce``, over the pictures whose label is known. ``ce`` is the mean
    of -log softmax(scores) of the true class over the ``ce_n`` pictures whose true class was trained: for the others
    it is infinite. It takes the scores as they are, so that of a head of cosines, which lie in [-1, 1], is bounded
    and comparable with heads of the same kind only.

    Args:
        slices: what `slice_values` gives. ``slices`` of the result then is column to value to type to ``n``, ``f1@1``,
            ``acc@1`` of a single type, and ``small`` where n is below 30.
    """
    ks = tuple(ks)
    types = {name: _one_type(s, schema[name], ks) for name, s in scored.items()}
    kept_apart = {"n", "ce_n", "classes"}
    means = dict.fromkeys(key for row in types.values() for key in row if key not in kept_apart)
    pooled: dict[str, float] = {}
    for k in ks:
        pooled |= _ratios(scored.values(), k)
    report = {
        "n": len(next(iter(scored.values())).scores),
        "types": types,
        "all": pooled,
        "macro_types": {key: metrics.macro_types(row[key] for row in types.values() if key in row) for key in means},
    }
    return report | ({"slices": _by_slice(scored, schema, slices)} if slices else {})


def slice_values(samples: Samples, columns: Sequence[str]) -> dict[str, list[str]]:
    """For each metadata column its value in every row of a split; no picture is decoded."""
    found: dict[str, list[str]] = {column: [] for column in columns}
    for row in range(len(samples) if columns else 0):
        metadata = samples[row].metadata
        for column, values in found.items():
            values.append(metadata.get(column) or MISSING)
    return found


def wanted_slices(samples: Samples, columns: Sequence[str]) -> dict[str, list[str]]:
    """`slice_values` of columns that somebody asks for by name.

    Raises:
        UnknownNameError: no picture has a value in one of them.
    """
    found = slice_values(samples, columns)
    for column, values in found.items():
        if set(values) <= {MISSING}:
            known = {key for row in range(len(samples)) for key in samples[row].metadata}
            raise UnknownNameError(f"no picture has a value in a column {column!r}. {near_matches(column, known)}")
    return found


def _one_type(s: Scored, attribute_type: AttributeType, ks: tuple[int, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {"n": int(s.labels.any(1).sum())}
    for k in ks:
        row |= _ratios([s], k)
    row["mAP"] = metrics.mean_average_precision(s.scores, s.labels)
    if attribute_type.kind == "single":
        row |= _single_label(s)
    recall, positives = metrics.class_recall_at_k(s.scores, s.labels, 1)
    with_truth = [i for i, n in enumerate(positives.tolist()) if n]
    classes = attribute_type.classes
    row["classes"] = {classes[i]: {"recall@1": float(recall[i]), "n": int(positives[i])} for i in with_truth}
    return row


def _single_label(s: Scored) -> dict[str, Any]:
    known = s.labels.any(1)
    scores, targets = s.scores[known], s.labels[known].int().argmax(1)
    trained = scores.gather(1, targets[:, None])[:, 0] > -torch.inf
    return {
        "acc@1": metrics.accuracy_at_k(scores, targets, 1),
        "acc@5": metrics.accuracy_at_k(scores, targets, 5),
        "ce": metrics.cross_entropy(scores[trained], targets[trained]),
        "ce_n": int(trained.sum()),
    }


def _ratios(scored: Iterable[Scored], k: int) -> dict[str, float]:
    """Of all pictures, and (``valid``) of those whose label is known; recall is the same of both."""
    scored = list(scored)
    every, known = (
        sum((metrics.count_at_k(s.scores, s.labels, k, empty) for s in scored), metrics.Counts())
        for empty in ("include", "exclude")
    )
    valid = {f"precision@{k}_valid": known.precision, f"f1@{k}_valid": known.f1}
    return {f"recall@{k}": every.recall, f"precision@{k}": every.precision, f"f1@{k}": every.f1, **valid}


def _by_slice(
    scored: Mapping[str, Scored], schema: AttributeSchema, slices: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, dict[str, Any]]]:
    """The values of a column with the most pictures first, and those without one last."""
    report: dict[str, dict[str, dict[str, Any]]] = {}
    for column, values in slices.items():
        names, codes, counts = np.unique(np.array(values, dtype=str), return_inverse=True, return_counts=True)
        order = sorted(range(len(names)), key=lambda i: (names[i] == MISSING, -counts[i], names[i]))
        where = {name: torch.from_numpy(codes)[s.rows] for name, s in scored.items()}
        report[column] = {
            str(names[i]): {name: _one_slice(s, where[name] == i, schema[name]) for name, s in scored.items()}
            for i in order
        }
    return report


def _one_slice(s: Scored, chosen: Tensor, attribute_type: AttributeType) -> dict[str, Any]:
    scores, labels = s.scores[chosen], s.labels[chosen]
    n = int(labels.any(1).sum())
    row: dict[str, Any] = {"n": n, "f1@1": metrics.count_at_k(scores, labels, 1).f1}
    if attribute_type.kind == "single":
        row["acc@1"] = metrics.hit_at_k(scores, labels, 1)
    return row | ({"small": True} if n < FEW else {})
