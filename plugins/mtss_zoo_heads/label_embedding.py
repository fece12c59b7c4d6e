"""The head of MTSS: an image embedding, compared with a dictionary of label embeddings (Shin, ECCV 2020, section 3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LabelEmbeddingHead(nn.Module):
    """One linear layer to the image embedding, scored by its cosine with every label embedding.

    The paper says that the dictionary starts at random and no more. Here its entries are normal with variance 1/D,
    so label embeddings start in uniform directions at about length 1: a step of the optimiser turns a vector by an
    angle that shrinks with the square of its length under SGD, and the learning rate should not depend on D. The
    linear layer starts as PyTorch's does.
    """

    def __init__(self, num_features: int, num_classes: int, dim: int = 1024) -> None:
        super().__init__()
        self.projection = nn.Linear(num_features, dim)
        self.dictionary = nn.Parameter(torch.empty(num_classes, dim))
        nn.init.normal_(self.dictionary, std=dim**-0.5)

    def embed(self, features: Tensor) -> Tensor:
        """Features BF to image embeddings BD, of any length."""
        embeddings: Tensor = self.projection(features)
        return embeddings

    def score(self, embeddings: Tensor) -> Tensor:
        """Image embeddings BD to cosines BN in [-1, 1], in float32 also under autocast; a zero vector scores 0."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return _directions(embeddings) @ _directions(self.dictionary).t()

    def forward(self, features: Tensor) -> Tensor:
        """Features BF to cosines BN."""
        return self.score(self.embed(features))


def _directions(vectors: Tensor) -> Tensor:
    """Unit vectors in at least float32; ``eps`` bounds the gradient of a zero vector."""
    return F.normalize(vectors.to(torch.promote_types(vectors.dtype, torch.float32)), dim=1, eps=1e-4)
