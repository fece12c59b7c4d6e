"""Pictures of other datasets that join a recipe's unlabelled ones, such as those of a domain without labels.

In MTSS (Table 6) these are the students that are marked with a dagger.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import cast

import numpy as np

from mtss_zoo import registry
from mtss_zoo.interfaces import Dataset, Sample, Samples
from mtss_zoo.recipe import Part
from mtss_zoo.sampling import Pairs


class JoinedDataset:
    """What a recipe takes of another dataset; it is built when something of it is first asked for.

    Args:
        part: the dataset by name, with its arguments.
        position: its place in ``data.also_unlabelled``, which the ids of its pictures begin with.
    """

    def __init__(self, part: Part, position: int) -> None:
        self.part = part
        self.key = f"also_unlabelled.{position}"

    @property
    def pictures(self) -> list[Samples]:
        """Its train split and its unlabelled pictures, with nothing known of them; never the splits for measuring."""
        return [self._joined(self._dataset.split("train")), self._joined(self._dataset.unlabelled())]

    @property
    def measured(self) -> list[Samples]:
        """The splits on which somebody may measure."""
        return [self._joined(self._dataset.split(name)) for name in self._dataset.splits if name != "train"]

    def check(self) -> list[str]:
        """What the dataset finds itself."""
        return [f"{self.key} ({self.part.name}): {problem}" for problem in self._dataset.check()]

    @cached_property
    def _dataset(self) -> Dataset:
        target = registry.resolve(registry.find("dataset", self.part.name))
        return cast("Dataset", target(**self.part.args, schema=None))

    def _joined(self, samples: Samples) -> Samples:
        return JoinedSamples(samples, f"{self.key}/")


class JoinedSamples:
    """The same pictures with nothing known of them, and a prefix that keeps their ids apart from those of others."""

    def __init__(self, samples: Samples, prefix: str) -> None:
        self.samples, self.prefix = samples, prefix

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, row: int) -> Sample:
        sample = self.samples[row]
        return replace(sample, id=self.prefix + sample.id, labels={}, answers={})

    def label_pairs(self, type_name: str) -> Pairs:
        """None."""
        return np.empty(0, np.int64), np.empty(0, np.int64)
