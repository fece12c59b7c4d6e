"""A dataset by what names it: a component, or a recipe whose data is meant."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtss_zoo.errors import UsageError

if TYPE_CHECKING:
    from mtss_zoo.recipe import DataSpec, Recipe
    from mtss_zoo.regime import RecipeDataset

ARGUMENT = ("data", "dataset", "args")
EXAMPLE = "data.dataset.args.variant=fine"


def named_data(name: str | Path, overrides: Mapping[str, Any] | None = None) -> DataSpec | Recipe:
    """The data of a dataset component, with its defaults, or a recipe.

    Args:
        name: of the component, or what `load_recipe` takes.
        overrides: dotted keys of a recipe to values; of a component those of ``data.dataset.args`` alone.

    Raises:
        UnknownNameError, RecipeError: there is no such name, or the recipe has faults.
        UsageError: an override does not fit a component.
    """
    from mtss_zoo.recipe_source import load_recipe
    from mtss_zoo.registry import list_components

    if any(c.name == name for c in list_components("dataset")):
        return _component(str(name), overrides or {})
    return load_recipe(name, overrides)


def open_named(
    name: str | Path,
    root: str | Path | None,
    use_boxes: bool = True,
    shares: bool = True,
    overrides: Mapping[str, Any] | None = None,
) -> tuple[str, RecipeDataset]:
    """What a dataset component, or the data of a recipe, is called, and its pictures.

    Args:
        name: of the component, or what `load_recipe` takes.
        root: the dataset's folder.
        use_boxes: False: without the recipe's ``data.boxes``, which are perhaps not made yet.
        shares: False: without the recipe's shares, so that all of train is train.
        overrides: those of `named_data`.

    Raises:
        UnknownNameError, RecipeError, UsageError: as `named_data`.
        DataError: the dataset cannot be used.
    """
    from mtss_zoo.build import build_dataset
    from mtss_zoo.recipe import DataSpec
    from mtss_zoo.regime import RecipeDataset
    from mtss_zoo.stage import open_data

    given = named_data(name, overrides)
    if isinstance(given, DataSpec):
        spec = given.rooted(root)
        return str(name), RecipeDataset(build_dataset(spec), spec)
    whole = {} if shares else {"label_share": 1.0, "unlabelled_share": 1.0}
    data = given.data.rooted(root).model_copy(update=whole if use_boxes else {**whole, "boxes": None})
    return data.dataset.name, open_data(given.model_copy(update={"data": data}))[1]


def _component(name: str, overrides: Mapping[str, Any]) -> DataSpec:
    from mtss_zoo.recipe import DataSpec, Part
    from mtss_zoo.recipe_source import checked_args
    from mtss_zoo.recipe_yaml import Source
    from mtss_zoo.registry import find

    source = Source({"data": {"dataset": {"args": {}}}})
    for key, value in overrides.items():
        if tuple(key.split(".")[:-1][:3]) != ARGUMENT:
            raise UsageError(
                f"--set {key}: {name} is a dataset, of which only arguments can be set, such as {EXAMPLE}. Name a "
                "recipe to change anything else."
            )
        source = source.with_value(key, value)
    args = source.data["data"]["dataset"]["args"]
    checked, faults = checked_args(find("dataset", name), args)
    if faults:
        raise UsageError("\n".join(f"--set {'.'.join((*ARGUMENT, *map(str, at)))}: {words}" for at, words in faults))
    return DataSpec(dataset=Part(name=name, args={key: checked[key] for key in args}))
