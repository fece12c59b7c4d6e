"""The dataset that a ``data`` command is given: by the name of a component or a recipe, with what ``--set`` changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mtss_zoo.cli.output import parse_overrides
from mtss_zoo.errors import UsageError

if TYPE_CHECKING:
    from mtss_zoo.recipe import DataSpec, Recipe
    from mtss_zoo.regime import RecipeDataset

EXAMPLE = "data.dataset.args.variant=fine"
ARGUMENT = ("data", "dataset", "args")
Changes = Annotated[
    list[str] | None, typer.Option("--set", help=f"Override one key of the recipe: --set {EXAMPLE}. May be repeated.")
]


def given_data(name: str, overrides: list[str] | None) -> DataSpec | Recipe:
    """The data of a dataset component, or a recipe, with the overrides.

    Raises:
        UnknownNameError, RecipeError: there is no such name, or it cannot be used.
        UsageError: an override is none, or does not fit a component, which has arguments alone.
    """
    from mtss_zoo.recipe_source import load_recipe
    from mtss_zoo.registry import list_components

    changes = parse_overrides(overrides, example=EXAMPLE)
    if any(c.name == name for c in list_components("dataset")):
        return _component(name, changes)
    return load_recipe(name, changes)


def open_given(
    name: str, root: Path | None, overrides: list[str] | None, use_boxes: bool = True, shares: bool = True
) -> tuple[str, RecipeDataset]:
    """`given_data` opened; the other arguments and what it returns are those of `mtss_zoo.named_data.open_named`."""
    from mtss_zoo.build import build_dataset
    from mtss_zoo.named_data import open_named
    from mtss_zoo.recipe import Recipe
    from mtss_zoo.regime import RecipeDataset

    given = given_data(name, overrides)
    if isinstance(given, Recipe):
        return open_named(cast("Any", given), root, use_boxes, shares)  # which takes all that `load_recipe` does
    data = given.rooted(root)
    return name, RecipeDataset(build_dataset(data), data)


def _component(name: str, changes: dict[str, Any]) -> DataSpec:
    from mtss_zoo.recipe import DataSpec, Part
    from mtss_zoo.recipe_source import checked_args
    from mtss_zoo.recipe_yaml import Source
    from mtss_zoo.registry import find

    source = Source({"data": {"dataset": {"args": {}}}})
    for key, value in changes.items():
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
