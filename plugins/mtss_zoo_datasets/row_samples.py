"""Samples made of the rows of a dataset on access."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from mtss_zoo.interfaces import Sample
from mtss_zoo_datasets.agreement import favourites
from mtss_zoo_datasets.labels import Integers, Labels, in_range

Classes = dict[str, tuple[int, ...]]
"""Attribute type to class indices."""


class Rows(Protocol):
    """A dataset that keeps its rows in flat arrays."""

    def sample(self, row: int, labels: Classes, answers: Classes) -> Sample:
        """One row with these labels and answers."""
        ...


class RowSamples:
    """Some rows of a dataset.

    Args:
        rows: (N,) which ones.
        labels: (N,) theirs, not those of all rows.
        groups: (R,) numbers of all rows, equal for those that belong together; ``None``: each is one of its own.
    """

    def __init__(
        self, dataset: Rows, rows: Integers, labels: Labels, answers: Labels, groups: Integers | None = None
    ) -> None:
        self._dataset, self._rows, self._labels, self._answers = dataset, rows, labels, answers
        self._groups = np.arange(len(rows)) if groups is None else groups[rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Sample:
        row = in_range(row, len(self))
        return self._dataset.sample(int(self._rows[row]), self._labels.at(row), self._answers.at(row))

    def label_pairs(self, type_name: str) -> tuple[Integers, Integers]:
        """All labels of one type as ``(rows, classes)``; the most frequent answer of a row without agreement."""
        rows, classes = self._labels.pairs(type_name)
        if type_name not in self._answers.types:
            return rows, classes
        favourite = favourites(*self._answers.pairs(type_name), len(self))
        favourite[self._labels.types[type_name].known] = -1
        torn = np.flatnonzero(favourite >= 0)
        rows, classes = np.concatenate([rows, torn]), np.concatenate([classes, favourite[torn]])
        order = np.argsort(rows, kind="stable")
        return rows[order], classes[order]

    def groups(self) -> Integers:
        """A number for each row (N,), equal for rows that stay in one split."""
        return self._groups
