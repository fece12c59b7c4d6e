"""A backbone turns pictures B3HW into features BF, and comes back from a file as it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mtss_zoo.conformance.state import reloaded
from mtss_zoo.interfaces import Backbone, Component

NOT_RESTORED = (
    "loaded from its own state dict, the backbone gives other features: keep all that forward() uses in parameters and "
    "buffers."
)


@pytest.fixture
def images() -> Tensor:
    """Normalised floats, 3 pictures of 64 x 64: the size that an example must accept."""
    return torch.randn(3, 3, 64, 64)


@pytest.fixture
def backbone(component: Component, make: Callable[..., Any]) -> Any:
    """In eval mode."""
    built = make()
    assert isinstance(built, nn.Module) and isinstance(built, Backbone), (
        f"{component.target} gives {type(built).__name__}, but a torch.nn.Module with num_features and layer_groups() "
        "is needed."
    )
    return built.eval()


def test_it_gives_one_row_of_features_for_each_picture(backbone: Any, images: Tensor) -> None:
    """BF in float32, with F as ``num_features`` says."""
    features = backbone(images)
    expected = (len(images), backbone.num_features)
    assert isinstance(features, Tensor), f"forward() gives {type(features).__name__}, but a tensor BF is needed."
    assert features.shape == expected, (
        f"features have the shape {tuple(features.shape)}, but num_features promises {expected}; pool over height "
        "and width, and leave the classifier out."
    )
    assert features.dtype == torch.float32, f"features are {features.dtype}, but float32 pictures went in."


def test_its_features_are_finite(backbone: Any, images: Tensor) -> None:
    """Neither NaN nor infinite, in eval and in train mode."""
    assert backbone(images).isfinite().all(), "the features of random pictures are not all finite in eval mode."
    assert backbone.train()(images).isfinite().all(), (
        "the features of random pictures are not all finite when training."
    )


def test_it_is_deterministic_in_eval_mode(backbone: Any, images: Tensor) -> None:
    """Whatever the random numbers are."""
    first = backbone(images)
    torch.manual_seed(1)
    assert torch.equal(first, backbone(images)), (
        "the same pictures give other features in eval mode: draw random numbers under `if self.training` only."
    )


def test_a_picture_does_not_depend_on_its_batch_in_eval_mode(backbone: Any, images: Tensor) -> None:
    """As a model is asked about one picture or about many."""
    together, alone = backbone(images), torch.cat([backbone(image[None]) for image in images])
    torch.testing.assert_close(
        alone, together, rtol=1e-3, atol=1e-4, msg=lambda m: f"a picture's features depend on its batch. {m}"
    )


def test_the_gradient_reaches_every_parameter(backbone: Any, images: Tensor) -> None:
    """A parameter without gradient never learns, and stops distributed training."""
    backbone.train()(images).square().sum().backward()
    parameters = [(name, p) for name, p in backbone.named_parameters() if p.requires_grad]
    unused = [name for name, p in parameters if p.grad is None]
    assert not unused, f"no gradient reaches {', '.join(unused[:5])}: remove what forward() does not use."
    broken = [name for name, p in parameters if p.grad is not None and not p.grad.isfinite().all()]
    assert not broken, f"the gradient of {', '.join(broken[:5])} is not finite."


def test_its_layer_groups_hold_every_parameter_once(backbone: Any) -> None:
    """Else a parameter is not trained, or trained twice."""
    groups = backbone.layer_groups()
    counts = Counter(id(p) for group in groups for p in group)
    wrong = {name: counts.pop(id(p), 0) for name, p in backbone.named_parameters()}
    missing = [name for name, count in wrong.items() if count == 0]
    repeated = [name for name, count in wrong.items() if count > 1]
    assert not missing, f"layer_groups() leaves out {', '.join(missing[:5])}."
    assert not repeated, f"layer_groups() holds {', '.join(repeated[:5])} more than once."
    assert not counts, f"layer_groups() holds {len(counts)} parameters that parameters() does not have."
    assert all(groups), "layer_groups() has an empty group."


def test_its_state_survives_a_file(backbone: Any, make: Callable[..., Any], images: Tensor, tmp_path: Path) -> None:
    """Built without memory and filled from safetensors, it holds the same numbers and gives the same features."""
    backbone.train()(images)  # statistics that forward() keeps must survive too
    copy = reloaded(backbone.eval(), make, tmp_path)
    # Close, not equal: kernels add up in another order where tensors lie in memory otherwise.
    torch.testing.assert_close(copy(images), backbone(images), msg=NOT_RESTORED)
