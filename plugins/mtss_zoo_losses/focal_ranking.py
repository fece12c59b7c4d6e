"""The ranking losses of an MTSS teacher (Shin, ECCV 2020, equations 1 and 2)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

EPS = 1e-6
Negatives: TypeAlias = Literal["all", "one", "classes", "hardest_class"]


class FocalRankingLoss(nn.Module):
    """Focal ranking of cosine scores: ``-(1 - p)^gamma log p`` (equation 2).

    ``p = 0.5 max(0, 1 + S[i, n] - S[j, n])`` compares picture i, which carries class n, with picture j of the same
    batch, which does not. A class is carried where its target exceeds 0.5.

    Where the paper is silent or wrong:

    - p reaches 1.5, not 1. It is clamped to [1e-6, 1] in float32; p >= 1 is the satisfied hinge of equation 1, with
      zero loss and zero gradient for every gamma.
    - A negative comes from the batch, not from a draw of its own. ``all`` averages over the valid ones of a positive,
      then over the positives; ``one`` draws one of them uniformly from torch's global generator and has the same
      expectation. A positive without a valid negative is skipped.

    Beyond the paper: comparing pictures for one class never calibrates the classes of one picture, which costs much
    where a type has few classes of unequal size and is not drawn class-balanced. ``classes`` takes as negatives the
    other classes of the same picture, on average, and ``hardest_class`` the best scored of them alone.
    """

    compares = "scores"

    def __init__(self, gamma: float = 1.0, negatives: Negatives = "all") -> None:
        super().__init__()
        self.gamma = gamma
        self.negatives = negatives

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        """Cosines BN, targets BN, mask BN to a scalar; zero where no positive has a negative."""
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32)).where(mask, 0)
        carried = targets > 0.5
        rows, classes = (carried & mask).nonzero(as_tuple=True)
        positive, rival = scores[rows, classes, None], ~carried & mask
        # The columns (PB) or rows (PN) of the P positives, instead of all triplets.
        if self.negatives in ("all", "one"):
            margins, valid = positive - scores.t()[classes], rival.t()[classes]
        else:
            margins, valid = positive - scores[rows], rival[rows]
        if self.negatives == "one":
            margins, valid = _draw_one(margins, valid)
        elif self.negatives == "hardest_class":
            margins, valid = _hardest(margins, valid)
        losses = focal(margins, self.gamma).where(valid, 0)
        of_positive = losses.sum(1) / valid.sum(1).clamp(min=1)
        return of_positive.sum() / valid.any(1).sum().clamp(min=1)


def focal(margins: Tensor, gamma: float) -> Tensor:
    """Equation 2 of ``cos(positive) - cos(negative)``, elementwise."""
    p = (0.5 * (1 + margins)).clamp(min=EPS)
    satisfied = p >= 1
    # At p = 1 the derivative of (1 - p)^gamma is infinite for gamma < 1, so those entries never enter the power.
    p = p.masked_fill(satisfied, 0.5)
    return (-((1 - p) ** gamma) * p.log()).masked_fill(satisfied, 0)


def _hardest(margins: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest valid margin of each row of PN; a row without any keeps an invalid one."""
    smallest = margins.masked_fill(~valid, torch.inf).argmin(1, keepdim=True)
    return margins.gather(1, smallest), valid.gather(1, smallest)


def _draw_one(margins: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """One valid entry of each row of PB, uniformly; a row without any keeps an invalid one."""
    drawn = torch.rand(margins.shape, device=margins.device).masked_fill(~valid, -1).argmax(1, keepdim=True)
    return margins.gather(1, drawn), valid.gather(1, drawn)
