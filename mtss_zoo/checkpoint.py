"""A checkpoint folder on disk: ``model.safetensors``, ``recipe.yaml``, ``metrics.json`` and a model card.

Loading resolves names through the registry only: no code, no pickle and no class path comes from the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from mtss_zoo import registry
from mtss_zoo.build import load_weights
from mtss_zoo.checkpoint_files import CARD, METRICS, RECIPE, WEIGHTS, check_inside
from mtss_zoo.errors import CheckpointError, RecipeError
from mtss_zoo.files.whole_files import write_whole
from mtss_zoo.hub import fetch_folder
from mtss_zoo.json_text import to_json
from mtss_zoo.model import AttributeModel
from mtss_zoo.model_card import model_card
from mtss_zoo.positions import fit_positions
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import component_places, load_recipe
from mtss_zoo.weights import check_finite, save_weights

MAX_SIZE = 1_000_000


def save(model: AttributeModel, folder: str | Path, metrics: Mapping[str, Any] | None = None) -> Path:
    """Writes a checkpoint folder; each file appears whole or not at all.

    Raises:
        CheckpointError: the model was not built from a recipe.
    """
    if model.recipe is None:
        raise CheckpointError("this model was not built from a recipe, so nothing could load it again.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    recipe = model.recipe.model_copy(update={"provided_by": _packages(model.recipe)})
    save_weights(model, folder / WEIGHTS)
    write_whole(folder / RECIPE, recipe.to_yaml())
    write_whole(folder / METRICS, to_json(dict(metrics or {})))
    write_whole(folder / CARD, model_card(recipe, model, metrics or {}))
    return folder


def load(source: str | Path) -> AttributeModel:
    """The model of a checkpoint folder, or of ``owner/repo@revision`` on the Hub, in eval mode.

    Nothing but the weights and the recipe is opened: no dataset, and no file that an argument of the recipe names.

    Raises:
        CheckpointError: a file is missing, damaged, changed since it was published, or does not fit the recipe.
        RecipeError: the recipe has faults; a missing plugin is named with its package.
    """
    folder = Path(source)
    if not folder.is_dir():
        folder = fetch_folder(str(source))
    path, weights = check_inside(folder, RECIPE), check_inside(folder, WEIGHTS)
    recipe = load_recipe(path)
    if recipe.schema_ is None:
        raise RecipeError(f"{path}: schema: is required in a checkpoint, which states its classes itself.")
    _check_sizes(recipe, path)
    model = load_weights(recipe, weights).eval()
    check_finite(model, weights)
    return model


def start_from(model: AttributeModel, folder: Path, parts: Literal["backbone", "all"]) -> None:
    """Copies the weights of the backbone, or of the whole model, from a checkpoint folder.

    Raises:
        CheckpointError: they are damaged, or of a model of another kind or size.
        RecipeError: the folder's recipe, which says for what pictures the weights are, has faults.
    """
    earlier = load(folder)
    fit_positions(earlier.backbone, model.backbone)
    target, source = (model, earlier) if parts == "all" else (model.backbone, earlier.backbone)
    try:
        target.load_state_dict(source.state_dict())
    except RuntimeError as error:  # names every tensor that is missing, unexpected or of another shape
        first = str(error).splitlines()[1].strip()
        what = "model" if parts == "all" else "backbone"
        raise CheckpointError(
            f"init_from: the {what} in {folder} does not fit this one: {first} It must be of the same kind and size; "
            "only the pictures may have another one."
        ) from error


def _check_sizes(recipe: Recipe, path: Path) -> None:
    """Refuses what can take all memory while a model is built, before its size can be compared with the file's."""
    for kind, part in (("backbone", recipe.model.backbone), ("head", recipe.model.head)):
        for name, value in part.args.items():
            if "seed" not in name and (number := _largest(value)) > MAX_SIZE:
                raise RecipeError(
                    f"{path}: model.{kind}.args.{name}: {number:,} is more than the {MAX_SIZE:,} that a number of a "
                    "checkpoint's model may be."
                )


def _largest(value: Any) -> float:
    if isinstance(value, dict | list | tuple):
        return max(map(_largest, value.values() if isinstance(value, dict) else value), default=0)
    return abs(value) if isinstance(value, int | float) else 0


def _packages(recipe: Recipe) -> dict[str, str]:
    """Which package offers each component that the recipe names; built-in ones go without saying."""
    data, packages = recipe.to_dict(), {}
    for path, kind in component_places(data):
        part: Any = data
        for key in path:
            part = part[key]
        name = part["name"]
        plugin = registry.provider(registry.find(kind, name))
        if plugin.distribution != "mtss-zoo":
            packages[f"{kind} {name}"] = f"{plugin.distribution} {plugin.version}"
    return packages
