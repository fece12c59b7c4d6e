"""Classification losses that know which labels are known."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BCELoss(nn.Module):
    """Binary cross entropy of logits, the mean over the known entries of BN.

    A mean over entries, not a sum over classes: the value of an untrained network is log 2 for any number of classes.
    """

    compares = "scores"

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Logits BN, targets BN in [0, 1], mask BN to a scalar; zero where nothing is known."""
        losses = F.binary_cross_entropy_with_logits(known(scores, mask), known(targets, mask), reduction="none")
        return losses.where(mask, 0).sum() / mask.sum().clamp(min=1)


class CrossEntropyLoss(nn.Module):
    """Softmax cross entropy over the known classes of each picture, the mean over the pictures that have a label.

    A class whose label is unknown leaves the softmax. Targets are scaled to sum 1 over the known classes, so that
    one-hot, soft and several labels are one case; a picture with no known positive label is skipped.

    ``scale`` multiplies the scores: cosines, in [-1, 1], are too flat for a softmax, and want about 16 (Wang et al.,
    NormFace, ACM Multimedia 2017, section 3.3).
    """

    compares = "scores"

    def __init__(self, label_smoothing: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.scale = scale
        self.label_smoothing = label_smoothing

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Logits BN, targets BN in [0, 1], mask BN to a scalar; zero where no picture has a label."""
        targets = known(targets, mask)
        labelled = targets.sum(1) > 0
        scores, targets, mask = scores[labelled], targets[labelled], mask[labelled]
        scores = (self.scale * known(scores, mask)).masked_fill(~mask, float("-inf"))
        smooth = mask / mask.sum(1, keepdim=True)
        targets = targets / targets.sum(1, keepdim=True)
        targets = targets + self.label_smoothing * (smooth - targets)
        losses = -(targets * scores.log_softmax(1).where(mask, 0)).sum(1)
        return losses.sum() / max(len(losses), 1)


def known(values: Tensor, mask: Tensor) -> Tensor:
    """The values in at least float32, 0 where unknown, so that not even a NaN there has influence."""
    return values.to(torch.promote_types(values.dtype, torch.float32)).where(mask, 0)
