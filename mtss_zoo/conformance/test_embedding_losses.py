"""An embedding loss compares a student's embeddings BD with a teacher's, given the teacher's dictionary ND."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mtss_zoo.conformance.losses import check_inputs_stay


class Problem(NamedTuple):
    """What the loss is given."""

    student: Tensor
    teacher: Tensor
    dictionary: Tensor


@pytest.fixture
def problem() -> Problem:
    """6 pictures, 4 classes, embeddings of length 8."""
    return Problem(torch.randn(6, 8), torch.randn(6, 8), torch.randn(4, 8))


def value_and_gradient(loss: Any, problem: Problem) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient BD by the student's embeddings."""
    torch.manual_seed(0)
    student = problem.student.clone().requires_grad_()
    value = loss(student, problem.teacher, problem.dictionary)
    value.backward()
    assert student.grad is not None, "no gradient reaches the student's embeddings."
    return value.detach(), student.grad


@pytest.mark.parametrize("pictures", [1, 6])
def test_it_gives_a_finite_scalar(loss: Any, problem: Problem, pictures: int) -> None:
    """Also for a single picture."""
    few = problem._replace(student=problem.student[:pictures], teacher=problem.teacher[:pictures])
    value, gradient = value_and_gradient(loss, few)
    assert value.shape == (), f"the loss has the shape {tuple(value.shape)}, but a scalar is needed: take the mean."
    assert value.isfinite() and gradient.isfinite().all(), f"the loss is {value} for random embeddings."


def test_the_gradient_reaches_the_student(loss: Any, problem: Problem) -> None:
    """Else it learns nothing."""
    assert value_and_gradient(loss, problem)[1].any(), "the gradient by the student's embeddings is zero everywhere."


def test_a_student_like_its_teacher_is_best(loss: Any, problem: Problem) -> None:
    """No other embedding has a smaller loss than the teacher's own."""
    same, _ = value_and_gradient(loss, problem._replace(student=problem.teacher))
    other, _ = value_and_gradient(loss, problem)
    assert same <= other, f"the loss is {same} for the teacher's own embeddings, but {other} for random ones."


def test_embeddings_of_zero_give_a_finite_loss(loss: Any, problem: Problem) -> None:
    """Which have no direction."""
    value, gradient = value_and_gradient(loss, problem._replace(student=torch.zeros_like(problem.student)))
    assert value.isfinite() and gradient.isfinite().all(), f"student embeddings of zero give a loss of {value}."


def test_the_order_of_pictures_does_not_matter(loss: Any, problem: Problem) -> None:
    """Student and teacher reordered alike."""
    value, _ = value_and_gradient(loss, problem)
    student, teacher, dictionary = problem
    reordered, _ = value_and_gradient(loss, Problem(student.flip(0), teacher.flip(0), dictionary))
    torch.testing.assert_close(
        reordered, value, msg=f"the same pictures in another order change the loss from {value} to {reordered}."
    )


def test_it_leaves_its_inputs_as_they_are(loss: Any, problem: Problem) -> None:
    """They are used again after it."""
    check_inputs_stay(loss, problem)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_it_stays_finite_in_half_precision(loss: Any, problem: Problem, dtype: torch.dtype) -> None:
    """Mixed-precision training gives such embeddings, and caches keep them."""
    value, gradient = value_and_gradient(loss, Problem(*((50 * t).to(dtype) for t in problem)))
    assert value.isfinite() and gradient.isfinite().all(), (
        f"with {dtype} embeddings the loss is {value}: compute in float32."
    )
