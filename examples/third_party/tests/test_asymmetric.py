"""Worked numbers of the asymmetric loss."""

import math

import pytest
import torch
from mtss_zoo_colour_chips.asymmetric import AsymmetricLoss

KNOWN = torch.ones(1, 1, dtype=torch.bool)
THREE_QUARTERS = torch.tensor([[math.log(3)]])  # the logit of p = 3/4


@pytest.mark.parametrize(
    ("target", "gammas", "margin", "expected"),
    [
        (1.0, (0, 4), 0.05, -math.log(0.75)),
        (1.0, (2, 4), 0.05, -(0.25**2) * math.log(0.75)),
        (0.0, (0, 0), 0.0, -math.log(0.25)),
        (0.0, (0, 4), 0.05, -(0.7**4) * math.log(0.3)),
        (0.0, (0, 1), 0.8, 0.0),
    ],
)
def test_the_loss_of_one_label(target, gammas, margin, expected):
    loss = AsymmetricLoss(*gammas, margin)
    assert loss(THREE_QUARTERS, torch.tensor([[target]]), KNOWN).item() == pytest.approx(expected, abs=1e-6)


def test_without_exponents_and_margin_it_is_binary_cross_entropy():
    logits, targets = torch.randn(5, 3), torch.rand(5, 3)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, targets)
    torch.testing.assert_close(AsymmetricLoss(0, 0, 0)(logits, targets, torch.ones(5, 3, dtype=torch.bool)), expected)
