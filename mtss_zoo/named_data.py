"""A dataset by what names it: a component, or a recipe whose data is meant."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mtss_zoo.regime import RecipeDataset


def open_named(
    name: str | Path, root: str | Path | None, use_boxes: bool = True, shares: bool = True
) -> tuple[str, RecipeDataset]:
    """What a dataset component, or the data of a recipe, is called, and its pictures.

    Args:
        name: of the component, or what `load_recipe` takes.
        root: the dataset's folder.
        use_boxes: False: without the recipe's ``data.boxes``, which are perhaps not made yet.
        shares: False: without the recipe's shares, so that all of train is train.

    Raises:
        UnknownNameError, RecipeError, DataError: there is no such name, or it cannot be used.
    """
    from mtss_zoo.build import build_dataset
    from mtss_zoo.recipe import DataSpec, Part
    from mtss_zoo.recipe_source import load_recipe
    from mtss_zoo.regime import RecipeDataset
    from mtss_zoo.registry import list_components
    from mtss_zoo.stage import open_data

    if any(c.name == name for c in list_components("dataset")):
        spec = DataSpec(dataset=Part(name=str(name))).rooted(root)
        return str(name), RecipeDataset(build_dataset(spec), spec)
    recipe = load_recipe(name)
    whole = {} if shares else {"label_share": 1.0, "unlabelled_share": 1.0}
    data = recipe.data.rooted(root).model_copy(update=whole if use_boxes else {**whole, "boxes": None})
    return data.dataset.name, open_data(recipe.model_copy(update={"data": data}))[1]
