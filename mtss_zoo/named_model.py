"""A model by what names it: a checkpoint folder, a repository on the Hub, or a recipe with published weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtss_zoo.exporting.onnx_model import OnnxModel
    from mtss_zoo.model import AttributeModel


def open_model(name: str) -> AttributeModel | OnnxModel:
    """As `load_model`; or the model of an ``.onnx`` file, for which torch is not needed.

    Raises:
        MtssZooError: as `load_model` and `OnnxModel`.
    """
    if name.endswith(".onnx"):
        from mtss_zoo.exporting.onnx_model import OnnxModel

        return OnnxModel(name)
    return load_model(name)


def load_model(name: str) -> AttributeModel:
    """The model of a folder, of ``owner/repo@revision`` or of a pretrained recipe, in eval mode.

    Raises:
        CheckpointError, RecipeError: as `mtss_zoo.load` and `mtss_zoo.build`.
    """
    loaded = pretrained_recipe(name)
    if loaded:
        return loaded
    from mtss_zoo.checkpoint import load

    return load(name)


def pretrained_recipe(name: str) -> AttributeModel | None:
    """The pretrained model of a recipe; ``None`` if no recipe has this name."""
    from mtss_zoo.recipe_files import list_recipes

    if name not in list_recipes() or Path(name).exists():
        return None
    from mtss_zoo.build import build

    return build(name, pretrained=True)
