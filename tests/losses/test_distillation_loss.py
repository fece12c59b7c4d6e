"""Equations 3 and 4 of MTSS, and the divergence of scores beside them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mtss_zoo_losses.distillation import EmbeddingDistillationLoss, ScoreDistillationLoss

DICTIONARY = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
TEACHER = torch.tensor([[0.6, 0.8]])
STUDENT = torch.tensor([[1.0, 1.0]])
LOSSES = [EmbeddingDistillationLoss(0.0), EmbeddingDistillationLoss(0.5), EmbeddingDistillationLoss(1.0)]
LOSSES += [ScoreDistillationLoss(1.0), ScoreDistillationLoss(16.0)]
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


@pytest.mark.parametrize(("scale", "expected"), [(1.0, 0.004991), (4.0, 0.073999), (16.0, 0.527864)])
def test_the_divergence_of_scores(scale, expected):
    """Cosines with the three labels: the teacher's 0.6, 0.8, -0.6, the student's 0.707, 0.707, -0.707."""
    loss = ScoreDistillationLoss(scale)
    assert loss(STUDENT, TEACHER, DICTIONARY).item() == pytest.approx(expected, abs=1e-6)
    assert loss(TEACHER, TEACHER, DICTIONARY).item() == pytest.approx(0, abs=1e-6)
    both = loss(torch.cat([STUDENT, TEACHER]), torch.cat([TEACHER, TEACHER]), DICTIONARY)
    assert both.item() == pytest.approx(expected / 2, abs=1e-6)


def test_the_divergence_does_not_see_what_no_label_sees():
    """Both differ from the teacher where the dictionary has nothing, which only the distance of embeddings counts."""
    flat = torch.nn.functional.pad(DICTIONARY, (0, 1))
    teacher, student = torch.tensor([[0.6, 0.0, 0.8]]), torch.tensor([[0.6, 0.0, -0.8]])
    assert ScoreDistillationLoss()(student, teacher, flat).item() == pytest.approx(0, abs=1e-6)
    assert EmbeddingDistillationLoss(0.0)(student, teacher, flat).item() == pytest.approx(1.28, abs=1e-6)


@given(lengths, lengths, lengths)
@settings(deadline=None)
def test_only_directions_count_for_the_divergence(s, t, d):
    loss = ScoreDistillationLoss()(s * STUDENT, t * TEACHER, d * DICTIONARY)
    assert loss.item() == pytest.approx(0.527864, abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_teacher_and_dictionary_are_constants(loss):
    student, teacher, dictionary = (t.clone().requires_grad_() for t in (STUDENT, TEACHER, DICTIONARY))
    loss(student, teacher, dictionary).backward()
    assert student.grad.abs().sum() > 0
    assert teacher.grad is None
    assert dictionary.grad is None


@pytest.mark.parametrize("loss", LOSSES)
def test_gradcheck(loss):
    generator = torch.Generator().manual_seed(0)
    student, teacher, dictionary = (torch.randn(n, 4, dtype=torch.float64, generator=generator) for n in (5, 5, 3))
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher, dictionary), student.requires_grad_())


@pytest.mark.parametrize(("loss", "expected"), [(EmbeddingDistillationLoss(), 0.5), (ScoreDistillationLoss(1.0), None)])
def test_zero_vectors_and_bfloat16_stay_finite(loss, expected):
    student = torch.zeros(2, 4, dtype=torch.bfloat16, requires_grad=True)
    teacher = torch.tensor([[0.0, 0, 0, 0], [0, 1, 0, 0]]).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss(student, teacher, torch.eye(4))
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.isfinite()
    assert expected is None or loss.item() == expected
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_does_not_change_it(loss):
    generator = torch.Generator().manual_seed(0)
    student, teacher, dictionary = (torch.randn(n, 64, generator=generator) for n in (5, 5, 3))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        low = loss(student, teacher, dictionary)
    assert torch.equal(low, loss(student, teacher, dictionary))
