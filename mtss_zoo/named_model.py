"""A model by what names it: a checkpoint folder, a repository on the Hub, or a recipe with published weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mtss_zoo.errors import UnknownNameError
from mtss_zoo.registry import near_matches

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
        UnknownNameError: as `pretrained_recipe`.
        CheckpointError, RecipeError: as `mtss_zoo.load` and `mtss_zoo.build`.
    """
    loaded = pretrained_recipe(name)
    if loaded:
        return loaded
    from mtss_zoo.checkpoint import load

    return load(name)


def pretrained_recipe(name: str) -> AttributeModel | None:
    """The pretrained model of a recipe; ``None`` if the name is that of a folder, or may be of a repository.

    Raises:
        UnknownNameError: it is none of them; near matches are in the message.
        MtssZooError: as `mtss_zoo.build`.
    """
    from mtss_zoo.recipe_files import list_recipes

    recipes = list_recipes()
    if Path(name).exists() or "/" in name:
        return None
    if name not in recipes:
        otherwise = "Name a checkpoint folder, owner/repo@revision, or a pretrained recipe of `mtss-zoo list`."
        raise UnknownNameError(f"no model {name!r}. {near_matches(name, recipes, otherwise)}")
    from mtss_zoo.build import build

    return build(name, pretrained=True)
