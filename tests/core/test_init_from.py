"""A stage that starts from a checkpoint folder, whose recipe says what its weights are for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from mtss_zoo.build import build
from mtss_zoo.checkpoint import save
from mtss_zoo.errors import CheckpointError
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.stage import StageRun


def recipe(*image_size: int, depth: int = 1, **stage: Any) -> dict[str, Any]:
    backbone = {"name": "mae_vit_tiny", "args": {"image_size": image_size, "depth": depth}}
    learn = {"strategy": "supervised", "loss": "cross_entropy", "optimizer": {"lr": 0.1}, "epochs": 1}
    return {
        "name": "vit",
        "schema": {"types": [{"name": "colour", "classes": ["red", "green"]}]},
        "data": {"dataset": "garments", "image_size": image_size},
        "model": {"backbone": backbone, "head": "linear"},
        "stages": {"finetune": learn | stage},
    }


@pytest.fixture
def pretrained(tmp_path: Path) -> Path:
    """A network for pictures of 80 x 64, 10 x 8 patches."""
    torch.manual_seed(1)
    return save(build(recipe(80, 64)), tmp_path / "pretrained")


def started(from_folder: Path, *image_size: int, **others: Any) -> AttributeModel:
    own = load_recipe(recipe(*image_size, init_from=str(from_folder), **others))
    return StageRun(own, from_folder, "finetune").build_model()


@pytest.mark.parametrize("parts", ["backbone", "all"])
@pytest.mark.parametrize("size", [(80, 64), (64, 80), (160, 128)])
def test_the_positions_of_an_oblong_grid_follow_the_size_of_the_pictures(
    pretrained: Path, size: tuple[int, int], parts: str
) -> None:
    earlier: Any = build(recipe(80, 64))
    model: Any = started(pretrained, *size, init_parts=parts)
    table = earlier.backbone.pos_embed[:, 1:].mT.reshape(1, -1, 10, 8)
    expected = F.interpolate(table, size=model.backbone.grid, mode="bicubic").flatten(2).mT
    torch.testing.assert_close(model.backbone.pos_embed[:, 1:], expected)
    assert model.backbone.pos_embed.requires_grad


def test_a_network_of_another_depth_does_not_fit(pretrained: Path) -> None:
    with pytest.raises(CheckpointError, match="does not fit this one"):
        started(pretrained, 80, 64, depth=2)


def test_a_folder_without_a_recipe_is_named(pretrained: Path) -> None:
    (pretrained / "recipe.yaml").unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint folder: it has no recipe\.yaml"):
        started(pretrained, 80, 64)
