"""A loss for pictures that several people labelled, who do not always agree."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from mtss_zoo.errors import RecipeError
from mtss_zoo.process_group import sum_over_group
from mtss_zoo_losses.classification import CrossEntropyLoss, known


class CrowdCrossEntropyLoss(CrossEntropyLoss):
    """Cross entropy with what the answers of a crowd say: targets are the shares of the answers.

    Without ``confusion`` the shares themselves are the target, and this is `CrossEntropyLoss`.

    ``estimated``: one confusion matrix ``C[k, l] = P(answer l | true class k)`` for all people (Dawid and Skene,
    Applied Statistics 1979), with the network as the prior of a picture's class (Raykar et al., Learning from crowds,
    JMLR 2010). Every batch is one step of online EM (Cappe and Moulines, JRSS B 2009). With n_l answers l:

    - E: ``q(k) ~ softmax(scores)_k prod_l C[k, l]^n_l`` is the target, a constant. Its cross entropy has the gradient
      of ``-log sum_k softmax(scores)_k prod_l C[k, l]^n_l``, the likelihood of the answers.
    - M: the expected answers ``sum q(k) n_l`` are added to running counts that ``decay``, and C is those counts and
      the prior's, row by row. The prior is peaked on the diagonal; else nothing would tell which class is which.

    Answers are taken for independent given the class; that all people err on the same hard pictures is not modelled.
    Only classes whose label is known take part, and what C says of others is left out of its rows. A label that is
    nobody's answer is the target as it is, and no answer is counted. Nothing is estimated in eval mode. Mixed pictures,
    whose answers belong to two classes, are not for this loss.

    Args:
        decay: what each batch leaves of the counts before it.
        prior_accuracy: the share of right answers that is supposed beforehand.
        prior_answers: how many answers that supposition is worth, for each class.
    """

    counts: Tensor
    """NN, expected answers by true class and answer; 00 before the first batch, which says what N is."""

    def __init__(
        self,
        label_smoothing: float = 0.0,
        scale: float = 1.0,
        confusion: Literal["none", "estimated"] = "none",
        decay: float = 0.99,
        prior_accuracy: float = 0.7,
        prior_answers: float = 100.0,
    ) -> None:
        super().__init__(label_smoothing, scale)
        self.counts_answers = confusion == "estimated"
        self.decay = decay
        self.prior_accuracy = prior_accuracy
        self.prior_answers = prior_answers
        self.register_buffer("counts", torch.zeros(0, 0), persistent=False)

    def forward(self, scores: Tensor, targets: Tensor, mask: Tensor, answers: Tensor | None = None) -> Tensor:
        """Logits BN, shares BN, mask BN, the number of answers B to a scalar; zero where no picture has a label.

        Raises:
            RecipeError: a confusion is to be estimated, and nobody says how many answers there are.
        """
        if self.counts_answers:
            if answers is None:
                raise RecipeError(
                    "crowd_cross_entropy with `confusion: estimated` needs the number of answers of each picture, but "
                    "this strategy does not give it; take the strategy supervised, or confusion: none."
                )
            # Autocast would take the products of logarithms in half precision.
            with torch.no_grad(), torch.autocast(scores.device.type, enabled=False):
                targets = self._estimated(scores, targets, mask, answers)
        return super().forward(scores, targets, mask)

    def confusion_matrix(self, num_classes: int) -> Tensor:
        """C, NN: the chances of every answer (column) where a class is true (row)."""
        spread = (1 - self.prior_accuracy) / max(num_classes - 1, 1)
        prior = torch.full((num_classes, num_classes), spread, device=self.counts.device)
        counts = self.prior_answers * prior.fill_diagonal_(self.prior_accuracy)
        if len(self.counts):
            counts = counts + self.counts
        return counts / counts.sum(1, keepdim=True)

    def get_extra_state(self) -> Tensor:
        """The counts; not a plain buffer of the state, because a new instance does not know their size."""
        return self.counts.clone()

    def set_extra_state(self, state: Tensor) -> None:
        """Reads `get_extra_state`."""
        self.counts = state.to(self.counts.device, copy=True)

    def _estimated(self, scores: Tensor, targets: Tensor, mask: Tensor, number: Tensor) -> Tensor:
        """What the classes are, given the scores and the answers, BN: labels where the number of answers is 0."""
        shares = known(targets, mask)
        answers = number[:, None] * shares
        posterior = self._posterior(self.scale * known(scores, mask), answers, mask)
        if self.training:
            self._count(posterior.t() @ answers)
        return posterior.where(number[:, None] > 0, shares)

    def _posterior(self, logits: Tensor, answers: Tensor, mask: Tensor) -> Tensor:
        confusion = self.confusion_matrix(mask.shape[1]).to(logits)
        # Each row is scaled to the answers that can be seen, else the classes that others are taken for would lose.
        visible = mask.to(logits) @ confusion.t()
        likelihood = answers @ confusion.log().t() - answers.sum(1, keepdim=True) * visible.log()
        posterior = F.softmax((logits + likelihood).masked_fill(~mask, float("-inf")), 1)
        return posterior.where(answers.sum(1, keepdim=True) > 0, 0)

    def _count(self, expected: Tensor) -> None:
        sum_over_group(expected)
        if not len(self.counts):
            self.counts = torch.zeros_like(expected, dtype=torch.float32)
        self.counts = self.decay * self.counts + expected.to(self.counts)
