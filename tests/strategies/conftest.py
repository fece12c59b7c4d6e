"""A stage in small: pictures of 4 x 4 pixels, models of one linear layer, and the real loaders."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from mtss_zoo.build import make
from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Batch, Sample
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe import AugmentSpec, Part, Recipe
from mtss_zoo.streams import BadImages, StreamLoader, fixed_views, own_steps

SCHEMA = AttributeSchema(
    (
        AttributeType("colour", "single", ("red", "green", "blue")),
        AttributeType("shape", "multi", ("round", "long", "flat", "bent")),
    )
)
PREPROCESS = Preprocess(4, 4)
AUGMENT = AugmentSpec(shift=1, flip=0.5)
Labels = Sequence[tuple[int, ...] | None]


class Pictures:
    """Random pictures; a label of ``None`` is not known."""

    def __init__(self, n: int, seed: int = 0, **labels: Labels) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.images = torch.randint(0, 256, (n, 3, 4, 4), generator=generator, dtype=torch.uint8)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Sample:
        known = {name: labels[row] for name, labels in self.labels.items()}
        return Sample(str(row), self.images[row], {name: c for name, c in known.items() if c is not None})

    def label_pairs(self, type_name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        labels = self.labels.get(type_name, [])
        pairs = [(row, c) for row, classes in enumerate(labels) for c in classes or ()]
        rows, classes = np.array(pairs, np.int64).reshape(-1, 2).T
        return rows, classes


class Backbone(nn.Module):
    """A linear layer with batch normalisation, which shows who is in train mode; counts its calls."""

    def __init__(self, num_features: int = 8) -> None:
        super().__init__()
        self.num_features = num_features
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(48, num_features), nn.BatchNorm1d(num_features))
        self.calls = 0

    def forward(self, images: Tensor) -> Tensor:
        self.calls += 1
        features: Tensor = self.layers(images)
        return features


class Context:
    """What a stage shows its strategy."""

    def __init__(self, schema: AttributeSchema, train: Pictures, folder: Path, **others: Any) -> None:
        self.schema, self.train, self.folder = schema, train, folder
        self.unlabelled = Pictures(0)
        self.losses: Mapping[str, Any] = {}
        self.batch_size, self.seed, self.augment = 4, 0, AUGMENT
        self.teachers: dict[str, AttributeModel] = {}
        self.views_read: list[int] = []
        self.killed_in: int | None = None
        vars(self).update(others)

    def finished(self, stage: str) -> dict[str, AttributeModel]:
        assert stage == "teachers"
        return self.teachers

    def views(self, samples: Any, view: str, number: int) -> Iterator[Tensor]:
        self.views_read.append(number)
        augment = {"train": self.augment, "clean": AugmentSpec()}[view]
        batches = fixed_views(samples, PREPROCESS, augment, number, self.seed, 4, 0, BadImages(0))
        for i, images in enumerate(batches):
            if number == self.killed_in and i == 1:
                raise KeyboardInterrupt
            yield images

    def batches(self, strategy: Any, epochs: int = 1) -> Iterator[dict[str, Batch]]:
        """What the strategy's streams deliver."""
        streams = strategy.streams()
        steps = own_steps(next(iter(streams.values())))
        augments = {**dict.fromkeys(("train", "weak", "strong"), self.augment), "clean": AugmentSpec()}
        loaders = {
            name: StreamLoader(stream, self.schema, augments, PREPROCESS, self.seed, steps, 0, BadImages(0))
            for name, stream in streams.items()
        }
        for _ in range(epochs):
            yield from (dict(zip(loaders, batches, strict=True)) for batches in zip(*loaders.values(), strict=True))


def _model(
    schema: AttributeSchema = SCHEMA, head: str = "label_embedding", seed: int = 0, recipe: Any = None, **args: Any
) -> AttributeModel:
    torch.manual_seed(seed)
    backbone = Backbone()
    part = Part(name=head, args=args)
    heads = {t.name: make("head", part, num_features=8, num_classes=len(t)) for t in schema}
    return AttributeModel(backbone, heads, schema, PREPROCESS, recipe)


def _losses(name: str, schema: AttributeSchema = SCHEMA, **args: Any) -> dict[str, Any]:
    return {t: make("loss", Part(name=name, args=args)) for t in schema.names}


@pytest.fixture
def schema() -> AttributeSchema:
    """Colour, single, 3 classes; shape, multi, 4 classes."""
    return SCHEMA


@pytest.fixture
def pictures() -> Callable[..., Pictures]:
    """``pictures(n, colour=[(0,), None, ...])``."""
    return Pictures


@pytest.fixture
def model() -> Callable[..., AttributeModel]:
    """``model(schema, head, seed, recipe, **args_of_the_head)``."""
    return _model


@pytest.fixture
def losses() -> Callable[..., dict[str, Any]]:
    """``losses(name, schema, **args)``: the same loss for every type."""
    return _losses


@pytest.fixture
def context(tmp_path: Path) -> Callable[..., Context]:
    """``context(schema, train, **others)``; its folder is the same within a test."""
    return lambda schema, train, **others: Context(schema, train, tmp_path, **others)


@pytest.fixture
def recipe() -> Callable[..., Recipe]:
    """A recipe with one stage of these augmentations."""

    def of(**augment: Any) -> Recipe:
        stage = {"strategy": "mtss", "optimizer": {"lr": 0.1}, "views": {"train": augment}}
        model = {"backbone": "resnet18", "head": "label_embedding"}
        data = {"dataset": "garments"}
        return Recipe.model_validate({"name": "x", "data": data, "model": model, "stages": {"student": stage}})

    return of
