"""AttributeModel: one backbone and one head per attribute type, from a picture to the classes of every type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mtss_zoo import metrics
from mtss_zoo.errors import UsageError
from mtss_zoo.images import Preprocess, decode
from mtss_zoo.interfaces import AttributeSchema, EmbeddingHead, ImageSource
from mtss_zoo.recipe import Recipe

Prediction = dict[str, list[tuple[str, float]]]


class AttributeModel(nn.Module):
    """Predicts every attribute type of a schema in one forward pass.

    Args:
        backbone: pictures B3HW to features BF.
        heads: attribute type to a module from features BF to scores BN.
        schema: the types, in order; ``heads`` has exactly these.
        preprocess: how a picture becomes the backbone's input.
        recipe: what built it; needed to save it.
    """

    def __init__(
        self,
        backbone: nn.Module,
        heads: Mapping[str, nn.Module],
        schema: AttributeSchema,
        preprocess: Preprocess,
        recipe: Recipe | None = None,
    ) -> None:
        super().__init__()
        if set(heads) != set(schema.names):
            raise UsageError(f"heads for {', '.join(heads)} do not fit a schema of {', '.join(schema.names)}.")
        self.backbone = backbone
        # The suffix lets a type have any name, such as `type` or `keys`, that a ModuleDict itself uses.
        self.heads = nn.ModuleDict({f"{name}_head": heads[name] for name in schema.names})
        self.schema = schema
        self.preprocess = preprocess
        self.recipe = recipe
        for t in schema:
            self.register_buffer(f"{t.name}_trained", torch.ones(len(t), dtype=torch.bool))

    def head(self, type_name: str) -> nn.Module:
        """The head of one attribute type."""
        return self.heads[f"{self.schema[type_name].name}_head"]

    def trained(self, type_name: str) -> Tensor:
        """N booleans: the classes that the model was trained on. Untrained ones are never predicted."""
        return self.get_buffer(f"{self.schema[type_name].name}_trained")

    def features(self, images: Tensor) -> Tensor:
        """B3HW, normalised, to the backbone's features BF."""
        features: Tensor = self.backbone(images)
        return features

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """B3HW, normalised, to ``{type: scores BN}``; in eval mode an untrained class scores -inf."""
        features = self.features(images)
        scores = {name: self.head(name)(features) for name in self.schema.names}
        if self.training:
            return scores
        return {name: s.masked_fill(~self.trained(name), -torch.inf) for name, s in scores.items()}

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """B3HW, normalised, to ``{type: embeddings BD}``, for the types whose head has embeddings."""
        features = self.features(images)
        heads: dict[str, Any] = {name: self.head(name) for name in self.schema.names}
        return {name: head.embed(features) for name, head in heads.items() if isinstance(head, EmbeddingHead)}

    @torch.inference_mode()
    def predict(
        self, images: ImageSource | Iterable[ImageSource], top_k: int = 3, batch_size: int = 64
    ) -> list[Prediction]:
        """The best classes of every type, for each picture: ``[{type: [(class, score), ...]}, ...]``.

        Args:
            images: a path, a PIL image, encoded bytes, or an iterable of these; or a tensor: uint8 3HW and B3HW
                are pictures, floating B3HW is taken as preprocessed and normalised already.
            top_k: classes a type; untrained classes are left out.
            batch_size: pictures a forward pass.

        Raises:
            ImageError: a picture cannot be read; the message names it.
        """
        if top_k < 1:
            raise UsageError(f"top_k is {top_k}, but at least one class is needed.")
        training = self.training
        self.eval()
        try:
            return [p for batch in self._batches(images, batch_size) for p in self._best(self(batch), top_k)]
        finally:
            self.train(training)

    def _batches(self, images: Any, batch_size: int) -> Iterator[Tensor]:
        device = next(self.parameters()).device
        if isinstance(images, Tensor) and images.is_floating_point():
            if images.ndim != 4:
                raise UsageError(f"a float tensor of shape {tuple(images.shape)}: B3HW, preprocessed, is expected.")
            yield from (batch.to(device) for batch in torch.split(images, batch_size))
            return
        one = isinstance(images, str | Path | bytes) or hasattr(images, "convert") or getattr(images, "ndim", 0) == 3
        sources: Iterator[ImageSource] = iter([images] if one else images)
        position = 0
        while chunk := list(islice(sources, batch_size)):
            pictures = [self.preprocess.resize(decode(s, _name(s, position + i))) for i, s in enumerate(chunk)]
            yield self.preprocess.normalise(torch.stack(pictures).to(device))
            position += len(chunk)

    def _best(self, scores: Mapping[str, Tensor], top_k: int) -> list[Prediction]:
        best = {name: metrics.top_k(s, top_k) for name, s in scores.items()}
        columns = {name: (scores[name].gather(1, b).tolist(), b.tolist()) for name, b in best.items()}
        size = len(next(iter(columns.values()))[0])
        return [
            {name: self._named(name, values[i], indices[i]) for name, (values, indices) in columns.items()}
            for i in range(size)
        ]

    def _named(self, type_name: str, values: Sequence[float], indices: Sequence[int]) -> list[tuple[str, float]]:
        classes = self.schema[type_name].classes
        return [(classes[i], v) for v, i in zip(values, indices, strict=True) if v > -torch.inf]


def _name(source: Any, position: int) -> str:
    return str(source) if isinstance(source, str | Path) else f"picture {position}"
