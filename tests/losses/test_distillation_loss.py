"""Equations 3 and 4 of MTSS."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mtss_zoo_losses.distillation import EmbeddingDistillationLoss

DICTIONARY = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
TEACHER = torch.tensor([[0.6, 0.8]])
STUDENT = torch.tensor([[1.0, 1.0]])
lengths = st.floats(1e-2, 1e3)


@pytest.mark.parametrize(("beta", "expected"), [(0.0, 0.010050), (0.5, 0.008989), (1.0, 0.008040), (2.0, 0.006432)])
def test_the_worked_example(beta, expected):
    assert EmbeddingDistillationLoss(beta)(STUDENT, TEACHER, DICTIONARY).item() == pytest.approx(expected, abs=1e-6)


def test_it_is_the_mean_over_the_batch():
    """The second student points away from its teacher (distance 2), whose certainty is 1."""
    student, teacher = torch.cat([STUDENT, -DICTIONARY[:1]]), torch.cat([TEACHER, DICTIONARY[:1]])
    loss = EmbeddingDistillationLoss()(student, teacher, DICTIONARY)
    assert loss.item() == pytest.approx((0.008040 + 2) / 2, abs=1e-6)


@given(lengths, lengths, lengths)
@settings(deadline=None)
def test_only_directions_count(s, t, d):
    loss = EmbeddingDistillationLoss()(s * STUDENT, t * TEACHER, d * DICTIONARY)
    assert loss.item() == pytest.approx(0.008040, abs=1e-6)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_a_teacher_that_opposes_every_label_has_no_weight(beta):
    """Its certainty is negative, where a fractional power is not a number."""
    student = STUDENT.clone().requires_grad_()
    loss = EmbeddingDistillationLoss(beta)(student, TEACHER, -TEACHER)
    loss.backward()
    assert loss.item() == 0
    assert student.grad.eq(0).all()


def test_teacher_and_dictionary_are_constants():
    student, teacher, dictionary = (t.clone().requires_grad_() for t in (STUDENT, TEACHER, DICTIONARY))
    EmbeddingDistillationLoss()(student, teacher, dictionary).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None
    assert dictionary.grad is None


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_gradcheck(beta):
    generator = torch.Generator().manual_seed(0)
    student, teacher, dictionary = (torch.randn(n, 4, dtype=torch.float64, generator=generator) for n in (5, 5, 3))
    loss = EmbeddingDistillationLoss(beta)
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher, dictionary), student.requires_grad_())


def test_zero_vectors_and_bfloat16_stay_finite():
    student = torch.zeros(2, 4, dtype=torch.bfloat16, requires_grad=True)
    teacher = torch.tensor([[0.0, 0, 0, 0], [0, 1, 0, 0]]).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = EmbeddingDistillationLoss()(student, teacher, torch.eye(4))
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == 0.5
    assert student.grad.isfinite().all()


def test_autocast_does_not_change_it():
    generator = torch.Generator().manual_seed(0)
    student, teacher, dictionary = (torch.randn(n, 64, generator=generator) for n in (5, 5, 3))
    loss = EmbeddingDistillationLoss()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = loss(student, teacher, dictionary)
    assert torch.equal(low, loss(student, teacher, dictionary))
