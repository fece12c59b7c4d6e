"""BCE and cross entropy over what is known."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mtss_zoo_losses.classification import BCELoss, CrossEntropyLoss
from torch import Tensor
from torch.nn import functional as F

LOSSES = {"bce": BCELoss(), "cross_entropy": CrossEntropyLoss(), "smooth": CrossEntropyLoss(label_smoothing=0.1)}


def random_batch(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(5, 4, generator=generator, dtype=torch.float64)
    targets = F.one_hot(torch.randint(4, (5,), generator=generator), 4).double()
    return scores, targets, torch.rand(5, 4, generator=generator) < 0.7


@pytest.mark.parametrize("classes", [1, 7, 230])
def test_bce_of_an_untrained_network_is_log_2_for_any_number_of_classes(classes):
    known = torch.ones(3, classes, dtype=torch.bool)
    assert BCELoss()(torch.zeros(3, classes), torch.zeros(3, classes), known).item() == pytest.approx(math.log(2))


def test_bce_is_the_mean_over_known_entries():
    """Known: logit 0 of a negative (log 2) and logit log 3 of a positive (probability 3/4)."""
    scores = torch.tensor([[0.0, math.log(3)], [50.0, -50.0]])
    targets = torch.tensor([[0.0, 1.0], [0.0, 1.0]])
    mask = torch.tensor([[True, True], [False, False]])
    expected = (math.log(2) + math.log(4 / 3)) / 2
    assert BCELoss()(scores, targets, mask).item() == pytest.approx(expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_of_fully_known_pictures_is_torchs(smoothing):
    scores, targets, _ = random_batch(0)
    known = torch.ones_like(targets, dtype=torch.bool)
    expected = F.cross_entropy(scores, targets.argmax(1), label_smoothing=smoothing)
    torch.testing.assert_close(CrossEntropyLoss(smoothing)(scores, targets, known), expected)


def test_cross_entropy_of_cosines_is_sharpened_by_the_scale():
    scores, targets, _ = random_batch(0)
    known = torch.ones_like(targets, dtype=torch.bool)
    expected = F.cross_entropy(16 * scores, targets.argmax(1))
    torch.testing.assert_close(CrossEntropyLoss(scale=16)(scores, targets, known), expected)


def test_cross_entropy_accepts_soft_targets():
    scores, _, _ = random_batch(0)
    soft = torch.rand(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).softmax(1)
    known = torch.ones_like(soft, dtype=torch.bool)
    torch.testing.assert_close(CrossEntropyLoss()(scores, soft, known), F.cross_entropy(scores, soft))


def test_several_labels_share_the_target():
    scores = torch.tensor([[0.0, math.log(2), 0.0]])
    loss = CrossEntropyLoss()(scores, torch.tensor([[1.0, 1.0, 0.0]]), torch.ones(1, 3, dtype=torch.bool))
    assert loss.item() == pytest.approx((math.log(4) + math.log(2)) / 2)


def test_an_unknown_class_leaves_the_softmax():
    scores = torch.tensor([[0.0, 0.0, 99.0]])
    loss = CrossEntropyLoss()(scores, torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[True, True, False]]))
    assert loss.item() == pytest.approx(math.log(2))


def test_pictures_without_a_known_positive_are_skipped():
    scores = torch.tensor([[0.0, 0.0], [9.0, 0.0], [9.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    mask = torch.tensor([[True, True], [True, True], [True, False]])
    assert CrossEntropyLoss()(scores, targets, mask).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("name", LOSSES)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(5)), junk=st.sampled_from(["nan", "inf", "-inf", "7"]))
@settings(deadline=None, max_examples=50)
def test_masked_entries_and_the_order_of_the_batch_have_no_influence(name, seed, order, junk):
    loss = LOSSES[name]
    scores, targets, mask = random_batch(seed)
    plain, other = scores.clone().requires_grad_(), scores.masked_fill(~mask, float(junk)).requires_grad_()
    value, with_junk = loss(plain, targets, mask), loss(other, targets.masked_fill(~mask, float(junk)), mask)
    value.backward()
    with_junk.backward()
    assert torch.equal(value, with_junk)
    assert torch.equal(plain.grad, other.grad)
    assert plain.grad.isfinite().all()
    assert plain.grad[~mask].eq(0).all()
    torch.testing.assert_close(loss(scores[order], targets[order], mask[order]), value.detach())


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name):
    scores, targets, mask = random_batch(2)
    assert torch.autograd.gradcheck(lambda s: LOSSES[name](s, targets, mask), scores.requires_grad_())


@pytest.mark.parametrize("name", LOSSES)
def test_an_unlabelled_batch_costs_nothing(name):
    scores = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = LOSSES[name](scores, torch.zeros(3, 4), torch.zeros(3, 4, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert scores.grad.eq(0).all()


@pytest.mark.parametrize("name", LOSSES)
def test_bfloat16_logits_are_compared_in_float32(name):
    scores, targets, mask = random_batch(3)
    low = scores.bfloat16().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = LOSSES[name](low, targets.float(), mask)
    loss.backward()
    assert loss.dtype == torch.float32
    assert low.grad.isfinite().all()
    torch.testing.assert_close(loss.detach(), LOSSES[name](low.detach().float(), targets.float(), mask))
