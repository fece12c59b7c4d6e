"""The usual classifier."""

from __future__ import annotations

from torch import nn


class LinearHead(nn.Linear):
    """Features BF to logits BN.

    Args:
        init_std: weights start as a normal distribution of this deviation, cut off at -2 and 2, and the bias as 0: MAE
            and Semi-ViT fine-tune from 2e-5. ``None``: both start as PyTorch's linear layers do.
    """

    def __init__(self, num_features: int, num_classes: int, init_std: float | None = None) -> None:
        super().__init__(num_features, num_classes)
        if init_std is not None:
            nn.init.trunc_normal_(self.weight, std=init_std, a=-2, b=2)
            nn.init.zeros_(self.bias)
