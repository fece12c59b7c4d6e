"""A stage in small, with which a strategy is tried: pictures of 32 x 32 pixels, and models of some hundred numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mtss_zoo.images import Preprocess
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Batch, Sample, Samples, Strategy
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe import AugmentSpec
from mtss_zoo.streams import BadImages, StreamLoader, fixed_views

SCHEMA = AttributeSchema(
    (
        AttributeType("colour", "single", ("red", "green", "blue")),
        AttributeType("details", "multi", ("zip", "pocket", "belt", "hood")),
    )
)
PREPROCESS = Preprocess(32, 32)
AUGMENT = AugmentSpec(shift=2, flip=0.5)
BATCH_SIZE, SEED = 4, 7


class TinyBackbone(nn.Module):
    """A `PatchBackbone` whose tokens see their mean, with batch normalisation, so that train and eval mode differ.

    F = 8; patches of 8 pixels, P = 16.
    """

    num_features, patch_size, grid = 8, 8, (4, 4)

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Sequential(nn.Conv2d(3, 8, 8, stride=8), nn.BatchNorm2d(8))
        self.cls_token = nn.Parameter(torch.randn(1, 1, 8))
        self.pos_embed = nn.Parameter(torch.randn(1, 17, 8) / 4)

    def forward(self, images: Tensor) -> Tensor:
        """B3HW to BF."""
        return self._mix(self._tokens(images))[:, 1:].mean(1)

    def encode_patches(self, images: Tensor, keep: Tensor) -> Tensor:
        """B3HW and indices BK to tokens B(1+K)F."""
        return self._mix(self._tokens(images).gather(1, keep[..., None].expand(-1, -1, 8)))

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """One group."""
        return [list(self.parameters())]

    def _tokens(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.patches(images).flatten(2).mT + self.pos_embed[:, 1:]
        return tokens

    def _mix(self, tokens: Tensor) -> Tensor:
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        tokens = torch.cat([first, tokens], 1)
        return F.gelu(tokens + tokens.mean(1, keepdim=True))


class TinyHead(nn.Module):
    """An embedding head with D = 6, which any strategy can use."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.projection = nn.Linear(TinyBackbone.num_features, 6)
        self.dictionary = nn.Parameter(torch.randn(num_classes, 6))

    def embed(self, features: Tensor) -> Tensor:
        """BF to BD."""
        embeddings: Tensor = self.projection(features)
        return embeddings

    def score(self, embeddings: Tensor) -> Tensor:
        """BD to cosines BN."""
        return F.normalize(embeddings, dim=1) @ F.normalize(self.dictionary, dim=1).t()

    def forward(self, features: Tensor) -> Tensor:
        """BF to BN."""
        return self.score(self.embed(features))


class ScoreLoss(nn.Module):
    """Squared distance of scores to labels, over known entries."""

    compares = "scores"

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """BN, BN, BN to a scalar."""
        return (scores - targets).where(mask, 0).square().sum() / mask.sum().clamp(min=1)


class EmbeddingLoss(nn.Module):
    """One minus the cosine of two embeddings."""

    compares = "embeddings"

    def forward(self, student: Tensor, teacher: Tensor, dictionary: Tensor) -> Tensor:
        """BD, BD, ND to a scalar."""
        return (1 - F.cosine_similarity(student, teacher.detach())).mean()


LOSSES: Mapping[str, type[nn.Module]] = {"scores": ScoreLoss, "embeddings": EmbeddingLoss}


class Pictures:
    """Random pictures; half of them know their colour, two thirds their details."""

    def __init__(self, number: int, labelled: bool) -> None:
        generator = np.random.default_rng(number)
        self.name = "train" if labelled else "unlabelled"
        self.pixels = generator.integers(0, 256, (number, 3, 32, 32), np.uint8)
        details = [tuple(np.flatnonzero(row).tolist()) for row in generator.random((number, 4)) < 0.4]
        self.labels: list[dict[str, tuple[int, ...]]] = [{} for _ in range(number)]
        for row in range(number if labelled else 0):
            if row % 2:
                self.labels[row]["colour"] = (row // 2 % 3,)
            if row % 3:
                self.labels[row]["details"] = details[row]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> Sample:
        return Sample(f"{self.name}-{row}", torch.from_numpy(self.pixels[row]), self.labels[row])

    def label_pairs(self, type_name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """All labels of one type as ``(rows, classes)``."""
        pairs = [(row, c) for row, labels in enumerate(self.labels) for c in labels.get(type_name, ())]
        rows, classes = np.array(pairs, np.int64).reshape(-1, 2).T
        return rows, classes


class Stage:
    """A `StageContext` whose earlier stages trained one model for each attribute type.

    Args:
        folder: its own.
        compares: which losses the strategy works with.
        schema: the types that are trained.
    """

    def __init__(self, folder: Path, compares: str | None, schema: AttributeSchema = SCHEMA) -> None:
        self.schema = schema
        self.train: Samples = Pictures(24, labelled=True)
        self.unlabelled: Samples = Pictures(12, labelled=False)
        self.losses: Mapping[str, Any] = {name: LOSSES[compares]() for name in schema.names} if compares else {}
        self.batch_size, self.seed, self.folder = BATCH_SIZE, SEED, folder
        self.earlier: list[AttributeModel] = []
        """The models that `finished` gave away."""

    def finished(self, stage: str) -> dict[str, AttributeModel]:
        """One model for each type, the same every time."""
        types = enumerate(self.schema, start=1)
        models = {t.name: tiny_model(self.schema.select([t.name]), seed=i).eval() for i, t in types}
        self.earlier += models.values()
        return models

    def views(self, samples: Samples, view: str, number: int) -> Iterator[Tensor]:
        """Batches B3HW of one fixed view of every sample."""
        return fixed_views(samples, PREPROCESS, AUGMENT, number, SEED, BATCH_SIZE, 0, BadImages(0))

    def batches(self, strategy: Strategy, steps: int) -> list[dict[str, Batch]]:
        """What the strategy's streams deliver; every view that they name is a small random change."""
        loaders = {
            name: StreamLoader(
                stream, self.schema, dict.fromkeys(stream.views, AUGMENT), PREPROCESS, SEED, steps, 0, BadImages(0)
            )
            for name, stream in strategy.streams().items()
        }
        return [dict(zip(loaders, batches, strict=True)) for batches in zip(*loaders.values(), strict=True)]


def tiny_model(schema: AttributeSchema = SCHEMA, seed: int = 0) -> AttributeModel:
    """A model of a backbone and heads of this module."""
    torch.manual_seed(seed)
    return AttributeModel(TinyBackbone(), {t.name: TinyHead(len(t)) for t in schema}, schema, PREPROCESS)
