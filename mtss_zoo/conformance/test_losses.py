"""A loss compares scores BN with targets BN where the mask BN says that the label is known."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from mtss_zoo.conformance.losses import check_inputs_stay

CLASSES = 5


class Problem(NamedTuple):
    """What a loss is given."""

    scores: Tensor
    targets: Tensor
    mask: Tensor


@pytest.fixture
def problem() -> Problem:
    """8 pictures with some labels each, a quarter of which is unknown; scores in [-1, 1], as cosines are."""
    shape = (8, CLASSES)
    return Problem(torch.rand(shape) * 2 - 1, (torch.rand(shape) < 0.4).float(), torch.rand(shape) < 0.75)


def value_and_gradient(loss: Any, problem: Problem, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The loss, and its gradient BN by the scores; zeros where there is none."""
    torch.manual_seed(seed)
    scores = problem.scores.clone().requires_grad_()
    value = loss(scores, problem.targets.clone(), problem.mask.clone())
    assert value.requires_grad, (
        "the loss is cut off from the scores, so backward() fails: where nothing is known, return a sum over no "
        "entries, such as losses.where(mask, 0).sum()."
    )
    value.backward()
    return value.detach(), torch.zeros_like(scores) if scores.grad is None else scores.grad


def test_it_says_what_it_compares(loss: Any) -> None:
    """A recipe then cannot give it to a strategy that compares something else."""
    compares = getattr(loss, "compares", None)
    assert compares == "scores", (
        f'compares is {compares!r}: write `compares = "scores"` (or "embeddings") in the class.'
    )


@pytest.mark.parametrize("pictures", [1, 8])
def test_it_gives_a_finite_scalar(loss: Any, problem: Problem, pictures: int) -> None:
    """Also for a single picture."""
    value, gradient = value_and_gradient(loss, Problem(*(t[:pictures] for t in problem)))
    assert value.shape == (), f"the loss has the shape {tuple(value.shape)}, but a scalar is needed: take the mean."
    assert value.isfinite(), f"the loss is {value} for random scores."
    assert gradient.isfinite().all(), "the gradient by the scores is not finite."


def test_soft_targets_give_a_finite_scalar(loss: Any, problem: Problem) -> None:
    """Targets are in [0, 1], as pseudo labels are."""
    value, gradient = value_and_gradient(loss, problem._replace(targets=torch.rand_like(problem.targets)))
    assert value.isfinite() and gradient.isfinite().all(), f"with targets between 0 and 1 the loss is {value}."


def test_the_gradient_reaches_the_scores(loss: Any, problem: Problem) -> None:
    """Else nothing is learned."""
    _, gradient = value_and_gradient(loss, problem)
    assert gradient.any(), "the gradient by the scores is zero everywhere: is something detached or rounded?"


def test_masked_entries_have_no_influence(loss: Any, problem: Problem) -> None:
    """Neither their scores nor their targets, neither on the value nor on the gradient."""
    scores, targets, mask = problem
    value, gradient = value_and_gradient(loss, problem)
    changed = {
        "targets": problem._replace(targets=torch.where(mask, targets, 1 - targets)),
        "scores": problem._replace(scores=torch.where(mask, scores, 100 * torch.randn_like(scores))),
    }
    for name, other in changed.items():
        other_value, other_gradient = value_and_gradient(loss, other)
        hint = f"other {name} where the mask is false change the"
        torch.testing.assert_close(other_value, value, msg=f"{hint} loss from {value} to {other_value}.")
        torch.testing.assert_close(other_gradient, gradient, msg=f"{hint} gradient.")
    assert not gradient[~mask].any(), "the gradient is not zero where the mask is false."


def test_with_everything_masked_it_is_zero(loss: Any, problem: Problem) -> None:
    """Exactly, with a gradient of zeros: a batch may know nothing of a type."""
    value, gradient = value_and_gradient(loss, problem._replace(mask=torch.zeros_like(problem.mask)))
    assert value == 0, (
        f"with every label unknown the loss is {value}, but 0 is needed: divide by mask.sum().clamp(min=1), say."
    )
    assert not gradient.any(), "with every label unknown the gradient is not zero."


def test_the_order_of_pictures_does_not_matter(loss: Any, problem: Problem) -> None:
    """A loss that draws random numbers is not asked."""
    value, _ = value_and_gradient(loss, problem)
    if value != value_and_gradient(loss, problem, seed=1)[0]:
        return
    reordered, _ = value_and_gradient(loss, Problem(*(t.flip(0) for t in problem)))
    torch.testing.assert_close(
        reordered, value, msg=f"the same pictures in another order change the loss from {value} to {reordered}."
    )


def test_it_leaves_its_inputs_as_they_are(loss: Any, problem: Problem) -> None:
    """They are used again after it."""
    check_inputs_stay(loss, problem)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
def test_it_stays_finite_in_half_precision(loss: Any, problem: Problem, dtype: torch.dtype) -> None:
    """Mixed-precision training gives such scores, and logits of 20 are common."""
    value, gradient = value_and_gradient(loss, problem._replace(scores=(20 * problem.scores).to(dtype)))
    assert value.isfinite() and gradient.isfinite().all(), (
        f"with {dtype} scores in [-20, 20] the loss is {value}: compute in float32 (scores.float()) and with stable "
        "forms such as logsigmoid."
    )
