"""Equations 1 and 2 of MTSS: worked numbers, limits, and the rules for what is not known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mtss_zoo_losses.focal_ranking import EPS, FocalRankingLoss, focal
from torch import Tensor
from torch.nn import functional as F

GAMMAS = [0.0, 0.3, 1.0, 2.5]


def cosines(images: list[list[float]], labels: list[list[float]]) -> Tensor:
    return F.normalize(torch.tensor(images), dim=1) @ F.normalize(torch.tensor(labels), dim=1).t()


def one_triplet(positive: float, negative: float) -> tuple[Tensor, Tensor, Tensor]:
    """Picture 0 carries the only class, picture 1 does not."""
    scores = torch.tensor([[positive], [negative]], requires_grad=True)
    return scores, torch.tensor([[1.0], [0.0]]), torch.ones(2, 1, dtype=torch.bool)


def random_batch(seed: int, batch: int = 6, classes: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = 2 * torch.rand(batch, classes, generator=generator, dtype=torch.float64) - 1
    targets = (torch.rand(batch, classes, generator=generator) < 0.4).double()
    mask = torch.rand(batch, classes, generator=generator) < 0.7
    return scores, targets, mask


def double_loop(scores: Tensor, targets: Tensor, mask: Tensor, gamma: float) -> float:
    """The definition, triplet by triplet."""
    of_positive = []
    for i, n in ((targets == 1) & mask).nonzero().tolist():
        losses = []
        for j in range(len(scores)):
            if mask[j, n] and targets[j, n] == 0:
                p = 0.5 * max(0.0, 1 + scores[i, n].item() - scores[j, n].item())
                p = min(max(p, EPS), 1.0)
                losses.append(-((1 - p) ** gamma) * math.log(p))
        if losses:
            of_positive.append(sum(losses) / len(losses))
    return sum(of_positive) / len(of_positive) if of_positive else 0.0


@pytest.mark.parametrize(("gamma", "expected"), [(0.0, 0.916291), (1.0, 0.549774), (2.0, 0.329865)])
@pytest.mark.parametrize("negatives", ["all", "one"])
def test_the_worked_example(gamma, negatives, expected):
    scores = cosines([[1.0, 0.0], [0.0, 2.0]], [[3.0, 4.0]])
    torch.testing.assert_close(scores, torch.tensor([[0.6], [0.8]]))
    loss = FocalRankingLoss(gamma, negatives)(scores, torch.tensor([[1.0], [0.0]]), torch.ones(2, 1, dtype=torch.bool))
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_best_triplet_costs_nothing_and_the_worst_is_finite(gamma):
    best, targets, mask = one_triplet(1.0, -1.0)
    assert FocalRankingLoss(gamma)(best, targets, mask).item() == 0
    worst, targets, mask = one_triplet(-1.0, 1.0)
    loss = FocalRankingLoss(gamma)(worst, targets, mask)
    loss.backward()
    assert loss.item() == pytest.approx(-math.log(EPS), rel=1e-5)
    assert worst.grad.isfinite().all()


@given(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32), st.sampled_from(GAMMAS))
@settings(deadline=None)
def test_zero_loss_and_gradient_exactly_where_the_hinge_is_satisfied(positive, negative, gamma):
    scores, targets, mask = one_triplet(positive, negative)
    loss = FocalRankingLoss(gamma)(scores, targets, mask)
    loss.backward()
    p = 0.5 * (1 + (scores[0, 0] - scores[1, 0]))
    assert scores.grad.isfinite().all()
    if p >= 1:
        hinge = torch.relu(1 - scores[0, 0] + scores[1, 0])
        assert hinge.item() == pytest.approx(0, abs=1e-7)
        assert loss.item() == 0
        assert scores.grad.eq(0).all()
    else:
        assert loss.item() > 0


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.999])
def test_a_fractional_gamma_has_a_finite_gradient_next_to_p_1(gamma):
    margins = torch.tensor([1.0, 1 - 2**-24, 1 - 2**-20, 1.5, 2.0], requires_grad=True)
    focal(margins, gamma).sum().backward()
    assert margins.grad.isfinite().all()


def test_gamma_0_is_minus_log_p():
    margins = torch.linspace(-0.9, 0.9, 19)
    assert torch.equal(focal(margins, 0.0), -torch.log(0.5 * (1 + margins)))


@given(st.integers(0, 10_000), st.sampled_from(GAMMAS))
@settings(deadline=None)
def test_all_equals_the_double_loop(seed, gamma):
    scores, targets, mask = random_batch(seed)
    loss = FocalRankingLoss(gamma)(scores, targets, mask)
    assert loss.item() == pytest.approx(double_loop(scores, targets, mask, gamma), abs=1e-12)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_gradcheck(gamma):
    _, targets, mask = random_batch(1)
    scores = (
        0.45 * (2 * torch.rand(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) - 1)
    ).requires_grad_()
    assert torch.autograd.gradcheck(lambda s: FocalRankingLoss(gamma)(s, targets, mask), scores)


@given(st.integers(0, 10_000), st.permutations(range(6)), st.sampled_from(["nan", "inf", "7"]))
@settings(deadline=None)
def test_masked_entries_and_the_order_of_the_batch_have_no_influence(seed, order, junk):
    scores, targets, mask = random_batch(seed)
    loss = FocalRankingLoss()
    plain, other = scores.clone().requires_grad_(), scores.masked_fill(~mask, float(junk)).requires_grad_()
    value = loss(plain, targets, mask)
    value.backward()
    with_junk = loss(other, torch.where(mask, targets, 1 - targets), mask)
    with_junk.backward()
    assert torch.equal(value, with_junk)
    assert torch.equal(plain.grad, other.grad)
    assert plain.grad[~mask].eq(0).all()
    torch.testing.assert_close(loss(scores[order], targets[order], mask[order]), value.detach())


def test_one_negative_has_the_expectation_of_all():
    batch = random_batch(3)
    torch.manual_seed(0)
    one = FocalRankingLoss(negatives="one")
    draws = torch.stack([one(*batch) for _ in range(2000)])
    assert draws.std() > 0.01
    standard_error = draws.std() / len(draws) ** 0.5
    assert (draws.mean() - FocalRankingLoss()(*batch)).abs() < 4 * standard_error


def test_one_negative_follows_the_global_generator():
    batch, one = random_batch(3), FocalRankingLoss(negatives="one")
    losses = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        losses.append(one(*batch).item())
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("negatives", ["all", "one"])
@pytest.mark.parametrize("unlabelled", ["nothing known", "no positive", "no negative"])
def test_without_a_triplet_the_loss_is_zero_with_a_zero_gradient(negatives, unlabelled):
    scores = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    targets = torch.full((3, 2), float(unlabelled == "no negative"))
    mask = torch.full((3, 2), unlabelled != "nothing known")
    loss = FocalRankingLoss(negatives=negatives)(scores, targets, mask)
    loss.backward()
    assert loss.item() == 0
    assert scores.grad.eq(0).all()


def test_a_positive_without_a_negative_is_skipped():
    """Both pictures carry class 1, so only the triplet of class 0 counts."""
    scores = torch.tensor([[0.6, 0.9], [0.8, -0.9]])
    targets = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
    loss = FocalRankingLoss(gamma=0.0)(scores, targets, torch.ones(2, 2, dtype=torch.bool))
    assert loss.item() == pytest.approx(0.916291, abs=1e-6)


@pytest.mark.parametrize("negatives", ["all", "one", "classes", "hardest_class"])
def test_bfloat16_scores_are_compared_in_float32(negatives):
    scores, targets, mask = random_batch(4)
    low = scores.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = FocalRankingLoss(0.5, negatives)(low, targets, mask)
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert low.grad.isfinite().all()
