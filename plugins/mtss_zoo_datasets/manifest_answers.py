"""Training on all crowd answers of a manifest, instead of on what the crowd agrees on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mtss_zoo_datasets.agreement import favourites
from mtss_zoo_datasets.labels import Labels, TypeLabels

Booleans = npt.NDArray[np.bool_]


def with_answers(labels: Labels, crowd: Mapping[str, TypeLabels], train: Booleans) -> tuple[Labels, Labels]:
    """The labels and the answers of R rows, where training rows (R,) have the answers of the crowd.

    A row's label is then its most frequent answer, for which it is drawn. It is the one that the agreement rule gives,
    where that gives one. Rows outside of train stay as they are, without answers.
    """
    new_labels, answers = dict(labels.types), {}
    for name, given in crowd.items():
        rows, classes = given.pairs()
        rows, classes = rows[train[rows]], classes[train[rows]]
        answers[name] = TypeLabels.from_answers(rows, classes, len(train))
        favourite = favourites(rows, classes, len(train))
        old, old_classes = labels.types[name].pairs()
        kept, voted = favourite[old] < 0, np.flatnonzero(favourite >= 0)
        new_labels[name] = TypeLabels.from_pairs(
            np.concatenate([old[kept], voted]),
            np.concatenate([old_classes[kept], favourite[voted]]),
            labels.types[name].known | (favourite >= 0),
        )
    return Labels(new_labels), Labels(answers)


def rules_compared(labels: Labels, crowd: Mapping[str, TypeLabels], train: Booleans, kept: Booleans) -> list[str]:
    """How many training pictures each rule uses, a sentence a type.

    ``labels``: those of the agreement rule. ``train``: its training rows (R,). ``kept``: the rows that are added to
    them when all answers count.
    """
    said = []
    for name, answers in crowd.items():
        agreed = labels.types[name].known
        n_agreed = int((train & agreed).sum())
        n_all = int(((train | kept) & (agreed | answers.known)).sum())
        said.append(f"{name}: {n_agreed} training pictures with `answers: agreed`, {n_all} with `answers: all`.")
    return said
