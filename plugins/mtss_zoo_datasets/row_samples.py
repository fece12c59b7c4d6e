"""Samples made of the rows of a dataset on access."""

from __future__ import annotations

from typing import Protocol

from mtss_zoo.interfaces import Sample
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
    """

    def __init__(self, dataset: Rows, rows: Integers, labels: Labels, answers: Labels) -> None:
        self._dataset, self._rows, self._labels, self._answers = dataset, rows, labels, answers

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, row: int) -> Sample:
        row = in_range(row, len(self))
        return self._dataset.sample(int(self._rows[row]), self._labels.at(row), self._answers.at(row))

    def label_pairs(self, type_name: str) -> tuple[Integers, Integers]:
        """All labels of one type as ``(rows, classes)``."""
        return self._labels.pairs(type_name)
