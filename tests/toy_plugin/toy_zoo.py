"""A plugin for tests: a network and a dataset so small that a stage trains in a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mtss_zoo
from mtss_zoo import AttributeSchema, AttributeType, Component, Sample

COLOUR = AttributeType("colour", "single", ("red", "green", "blue"))
MARKS = AttributeType("marks", "multi", ("left", "right"))


@dataclass(frozen=True)
class TilesArgs:
    """``bad``: training pictures, the first ones, that cannot be read."""

    n_train: int = 48
    n_val: int = 12
    n_unlabelled: int = 16
    bad: int = 0


@mtss_zoo.hookimpl
def mtss_zoo_components() -> list[Component]:
    return [
        Component("backbone", "toy", "toy_zoo:toy_backbone"),
        Component("dataset", "tiles", "toy_zoo:Tiles", args=TilesArgs),
    ]


def toy_backbone() -> Any:
    """Pictures to 8 features, with statistics that a restart must keep and random numbers that it must repeat."""
    from torch import nn

    class ToyBackbone(nn.Sequential):
        num_features = 8

        def layer_groups(self) -> list[list[nn.Parameter]]:
            return [list(self[0].parameters()), [*self[1].parameters(), *self[-1].parameters()]]

    first = (nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU())
    return ToyBackbone(*first, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Dropout(0.2), nn.Linear(32, 8))


class TileSamples:
    """Tiles of one colour with bright marks; every fourth colour and every third pair of marks is unknown."""

    def __init__(self, first: int, n: int, labelled: bool = True, bad: int = 0) -> None:
        self.first, self.n, self.labelled, self.bad = first, n, labelled, bad

    def __len__(self) -> int:
        return self.n

    def labels(self, row: int) -> dict[str, tuple[int, ...]]:
        if not self.labelled:
            return {}
        number = self.first + row
        known = {"colour": (number % 3,)} if number % 4 != 3 else {}
        return known | ({"marks": ((), (0,), (1,), (0, 1))[number // 3 % 4]} if number % 3 != 2 else {})

    def __getitem__(self, row: int) -> Sample:
        import torch

        number = self.first + row
        if row < self.bad:
            return Sample(f"tile {number}", Path(f"missing/{number}.png"), self.labels(row))
        image = torch.randint(0, 60, (3, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(number))
        image[number % 3] += 120
        for side in ((), (0,), (1,), (0, 1))[number // 3 % 4]:
            image[:, 4:12, 8 * side + 2 : 8 * side + 6] = 255
        return Sample(f"tile {number}", image, self.labels(row))

    def label_pairs(self, type_name: str) -> Any:
        import numpy as np

        pairs = [(row, c) for row in range(self.n) for c in self.labels(row).get(type_name, ())]
        rows, classes = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        return rows, classes


class Tiles:
    """The dataset ``tiles``."""

    splits = ("train", "val")

    def __init__(
        self,
        schema: AttributeSchema | None = None,
        n_train: int = 48,
        n_val: int = 12,
        n_unlabelled: int = 16,
        bad: int = 0,
    ) -> None:
        self.schema = schema or AttributeSchema((COLOUR, MARKS))
        self.sizes = {"train": (0, n_train), "val": (1008, n_val), "unlabelled": (2000, n_unlabelled)}
        self.bad = bad

    def split(self, name: str) -> TileSamples:
        return TileSamples(*self.sizes[name], bad=self.bad if name == "train" else 0)

    def unlabelled(self) -> TileSamples:
        return TileSamples(*self.sizes["unlabelled"], labelled=False)

    def check(self) -> list[str]:
        return [f"{self.bad} pictures are missing."] if self.bad else []
