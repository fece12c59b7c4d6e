"""``data``: what is wrong with a dataset on disk, before a machine is booked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import Json, print_json, print_table

app = typer.Typer(help="Look at a dataset.", no_args_is_help=True)


@app.callback()
def _data() -> None:
    """Look at a dataset."""


@app.command()
def check(
    name: Annotated[str, typer.Argument(help="A dataset component, or a recipe: its data as it trains on it.")],
    root: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    as_json: Json = False,
) -> None:
    """Say in plain words what is missing, miscounted, or both trained and measured on; exit code 1 if anything is."""
    from mtss_zoo.build import build_dataset
    from mtss_zoo.recipe import DataSpec, Part
    from mtss_zoo.recipe_source import load_recipe
    from mtss_zoo.regime import RecipeDataset
    from mtss_zoo.registry import list_components
    from mtss_zoo.stage import open_data

    if any(c.name == name for c in list_components("dataset")):
        spec = DataSpec(dataset=Part(name=name)).rooted(root)
        dataset = RecipeDataset(build_dataset(spec), spec)
    else:
        recipe = load_recipe(name)
        _, dataset = open_data(recipe.model_copy(update={"data": recipe.data.rooted(root)}))
    problems = dataset.check()
    sizes = {split: len(dataset.split(split)) for split in dataset.splits}
    report: dict[str, Any] = {
        "pictures": {**sizes, "unlabelled": len(dataset.unlabelled())},
        "types": {t.name: {"kind": t.kind, "classes": len(t)} for t in dataset.schema},
        "remarks": getattr(dataset.dataset, "remarks", list)(),
        "repeated": dataset.repeated,
        "problems": problems,
    }
    if as_json:
        print_json(report)
    else:
        print_table([{"split": k, "pictures": v} for k, v in report["pictures"].items()])
        print_table([{"attribute type": k, **v} for k, v in report["types"].items()])
        print("".join(f"{remark}\n" for remark in report["remarks"]), end="")
        print("\n".join(f"problem: {p}" for p in problems) or "no problems.")
    if problems:
        raise typer.Exit(1)
