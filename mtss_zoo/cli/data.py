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
    name: Annotated[str, typer.Argument(help="A dataset component, or a recipe, whose data is checked.")],
    root: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    as_json: Json = False,
) -> None:
    """Say in plain words what is missing, miscounted or unreadable; exit code 1 if anything is."""
    from mtss_zoo.build import build_dataset
    from mtss_zoo.recipe import DataSpec, Part
    from mtss_zoo.recipe_source import load_recipe
    from mtss_zoo.registry import list_components

    if any(c.name == name for c in list_components("dataset")):
        spec = DataSpec(dataset=Part(name=name))
    else:
        spec = load_recipe(name).data
    dataset = build_dataset(spec.rooted(root))
    problems = dataset.check()
    sizes = {split: len(dataset.split(split)) for split in dataset.splits}
    report: dict[str, Any] = {
        "pictures": {**sizes, "unlabelled": len(dataset.unlabelled())},
        "types": {t.name: {"kind": t.kind, "classes": len(t)} for t in dataset.schema},
        "problems": problems,
    }
    if as_json:
        print_json(report)
    else:
        print_table([{"split": k, "pictures": v} for k, v in report["pictures"].items()])
        print_table([{"attribute type": k, **v} for k, v in report["types"].items()])
        print("\n".join(f"problem: {p}" for p in problems) or "no problems.")
    if problems:
        raise typer.Exit(1)
