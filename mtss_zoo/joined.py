"""Pictures of other datasets that join a recipe's unlabelled ones, such as those of a domain without labels.

In MTSS (Table 6) these are the students that are marked with a dagger.
"""

from __future__ import annotations

from functools import cached_property
from typing import cast

from mtss_zoo import registry
from mtss_zoo.interfaces import Dataset, Samples
from mtss_zoo.recipe import Part
from mtss_zoo.sampling import WithoutLabels


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
        return WithoutLabels(samples, f"{self.key}/")
