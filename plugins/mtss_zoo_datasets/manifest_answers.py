"""Training on all crowd answers of a manifest, instead of on what the crowd agrees on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from mtss_zoo_datasets.labels import Labels, TypeLabels

Booleans = npt.NDArray[np.bool_]


def answers_of(crowd: Mapping[str, TypeLabels], train: Booleans) -> Labels:
    """The answers of the crowd for the rows that are trained on, ``train`` (R,); the others have none."""
    answers = {}
    for name, given in crowd.items():
        rows, classes = given.pairs()
        answers[name] = TypeLabels.from_answers(rows[train[rows]], classes[train[rows]], len(train))
    return Labels(answers)


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
