"""The asymmetric loss for several labels (Ridnik et al., Asymmetric Loss For Multi-Label Classification, ICCV 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

TINY = 1e-8
"""Keeps the derivative of a power finite where its base is 0 and its exponent below 1."""


class AsymmetricLoss(nn.Module):
    """``-(1 - p)^g+ log p`` for a positive and ``-q^g- log(1 - q)`` for a negative label.

    p is the sigmoid of a logit, q = max(p - margin, 0) its shifted value: a negative whose probability is below the
    margin has no loss, and a sure one little. The mean over known entries; soft targets mix the two terms.
    """

    compares = "scores"

    def __init__(self, gamma_positive: float = 0.0, gamma_negative: float = 4.0, margin: float = 0.05) -> None:
        super().__init__()
        self.gamma_positive, self.gamma_negative, self.margin = gamma_positive, gamma_negative, margin

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Logits BN, targets BN in [0, 1], mask BN to a scalar; zero where nothing is known."""
        logits = scores.float().where(mask, 0)
        p, not_p = logits.sigmoid(), (-logits).sigmoid().clamp(min=TINY)
        q = (p - self.margin).clamp(min=TINY)
        # 1 - q can be rounded to 0 only where there is no margin; the logarithm of a sigmoid is finite everywhere.
        log_not_q = torch.log1p(-q) if self.margin else F.logsigmoid(-logits)
        positive = not_p**self.gamma_positive * F.logsigmoid(logits)
        negative = q**self.gamma_negative * log_not_q
        losses = -(targets * positive + (1 - targets) * negative)
        return losses.where(mask, 0).sum() / mask.sum().clamp(min=1)
