"""Guesses that keep to the classes of the labels, so that rare ones are not forgotten."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mtss_zoo.process_group import sum_over_group

DECAY = 0.99
"""What each batch leaves of the mean before it."""


class ClassAlignment(nn.Module):
    """Distribution alignment (Berthelot et al., ReMixMatch, ICLR 2020, section 3.1), which neither paper here has.

    A teacher that guesses common classes a little too often teaches a student that does so more. Its probabilities are
    therefore multiplied by share of the class among the labels / mean of its recent guesses, which for scores is to
    add the logarithm. The mean starts as the shares of the labels, so that nothing is changed at first; it follows
    all processes' pictures, and survives a restart.

    Args:
        counts: attribute type to the number of labels of each class, C.
    """

    def __init__(self, counts: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, of_class in counts.items():
            shares = of_class / of_class.sum()
            self.register_buffer(f"{name}_labels", shares)
            self.register_buffer(f"{name}_guesses", shares.clone())

    def forward(self, type_name: str, scores: Tensor, guessed: Tensor) -> Tensor:
        """Scores NC to aligned ones; the pictures ``guessed`` (N booleans), whose label is not known, move the mean."""
        labels, guesses = self.get_buffer(f"{type_name}_labels"), self.get_buffer(f"{type_name}_guesses")
        shares = scores.softmax(1, dtype=torch.float32) * guessed[:, None]
        total = torch.cat([shares.sum(0), guessed.sum()[None]])
        sum_over_group(total)
        if total[-1]:
            guesses.lerp_(total[:-1] / total[-1], 1 - DECAY)
        ratio = labels / guesses.clamp(min=1e-6)
        return scores + ratio.log().where(labels > 0, 0).to(scores)
