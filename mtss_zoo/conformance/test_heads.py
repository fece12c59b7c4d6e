"""A head turns features BF into the scores BN of one attribute type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mtss_zoo.conformance.state import reloaded
from mtss_zoo.interfaces import Component, EmbeddingHead

FEATURES = 16
NOT_RESTORED = (
    "loaded from its own state dict, the head gives other scores: keep all that forward() uses in parameters and "
    "buffers."
)
classes = pytest.mark.parametrize("num_classes", [1, 2, 7])


@pytest.fixture
def features() -> Tensor:
    """BF of 5 pictures."""
    return torch.randn(5, FEATURES)


@pytest.fixture
def head(component: Component, make: Callable[..., Any]) -> Callable[[int], Any]:
    """``head(num_classes)`` in eval mode."""

    def build(num_classes: int) -> nn.Module:
        built = make(num_features=FEATURES, num_classes=num_classes)
        assert isinstance(built, nn.Module), f"{component.target} gives no torch.nn.Module."
        return built.eval()

    return build


@classes
def test_it_gives_one_score_for_each_class(head: Callable[[int], Any], features: Tensor, num_classes: int) -> None:
    """BN, finite, also where a type has a single class."""
    scores = head(num_classes)(features)
    assert scores.shape == (5, num_classes), (
        f"features of shape (5, {FEATURES}) give scores of shape {tuple(scores.shape)}, but (5, {num_classes}) is "
        "needed for a type with this many classes."
    )
    assert scores.is_floating_point() and scores.isfinite().all(), (
        "the scores of random features are not finite floats."
    )


def test_features_of_zero_give_finite_scores_and_gradients(head: Callable[[int], Any]) -> None:
    """A backbone that ends in a ReLU may give them."""
    features = torch.zeros(2, FEATURES, requires_grad=True)
    scores = head(3)(features)
    assert scores.isfinite().all(), "features of zero give scores that are not finite."
    scores.sum().backward()
    broken = features.grad is not None and not features.grad.isfinite().all()
    assert not broken, "the gradient is not finite at features of zero."


def test_it_is_deterministic_in_eval_mode(head: Callable[[int], Any], features: Tensor) -> None:
    """Whatever the random numbers are, and whatever else is in the batch."""
    built = head(3)
    first = built(features)
    torch.manual_seed(1)
    assert torch.equal(first, built(features)), "the same features give other scores in eval mode."
    torch.testing.assert_close(
        built(features[:1]), first[:1], msg="a picture's scores depend on its batch in eval mode."
    )


def test_the_gradient_reaches_the_features_and_every_parameter(head: Callable[[int], Any], features: Tensor) -> None:
    """So that backbone and head learn."""
    built, features = head(3).train(), features.requires_grad_()
    built(features).square().sum().backward()
    assert features.grad is not None and features.grad.any(), (
        "no gradient reaches the features: forward() detaches them."
    )
    unused = [name for name, p in built.named_parameters() if p.requires_grad and p.grad is None]
    assert not unused, f"no gradient reaches {', '.join(unused)}: remove what forward() does not use."


def test_embed_and_score_agree_with_forward(head: Callable[[int], Any], features: Tensor) -> None:
    """Where a head has embeddings: MTSS compares them, and evaluation uses forward()."""
    built = head(7)
    parts = [name for name in ("embed", "score", "dictionary") if hasattr(built, name)]
    if not parts:
        return
    assert isinstance(built, EmbeddingHead), (
        f"the head has {' and '.join(parts)}, but an embedding head has all of embed(), score() and dictionary."
    )
    embeddings = built.embed(features)
    dims = (len(features), built.dictionary.shape[1])
    assert built.dictionary.shape[0] == 7, "dictionary is ND: one embedding for each class."
    assert embeddings.shape == dims, (
        f"embed() gives the shape {tuple(embeddings.shape)}, but the dictionary's length makes it {dims}."
    )
    torch.testing.assert_close(
        built.score(embeddings), built(features), msg=lambda m: f"score(embed(x)) is not forward(x). {m}"
    )


@classes
def test_its_state_survives_a_file(
    head: Callable[[int], Any], features: Tensor, tmp_path: Path, num_classes: int
) -> None:
    """Built without memory and filled from safetensors, it holds the same numbers and gives the same scores."""
    built = head(num_classes)
    copy = reloaded(built, lambda: head(num_classes), tmp_path)
    # Close, not equal: kernels add up in another order where tensors lie in memory otherwise.
    torch.testing.assert_close(copy(features), built(features), msg=NOT_RESTORED)
