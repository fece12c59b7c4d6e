"""The usual classifier."""

from __future__ import annotations

from torch import nn


class LinearHead(nn.Linear):
    """Features BF to logits BN. Weights and bias start as PyTorch's linear layers do."""

    def __init__(self, num_features: int, num_classes: int) -> None:
        super().__init__(num_features, num_classes)
