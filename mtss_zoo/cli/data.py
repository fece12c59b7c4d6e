"""``data``: what is wrong with a dataset on disk, before a machine is booked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli import boxing, fetching, packing, trusting
from mtss_zoo.cli.output import Json, print_json, print_table
from mtss_zoo.named_data import open_named

app = typer.Typer(help="Look at a dataset.", no_args_is_help=True)
app.command("boxes")(boxing.boxes)
app.command("fetch-urls")(fetching.fetch_urls)
app.command("pack")(packing.pack)
app.command("duplicates")(trusting.duplicates)
app.command("suspects")(trusting.suspects)


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
    _, dataset = open_named(name, root)
    problems = dataset.check()
    sizes = {split: len(dataset.split(split)) for split in dataset.splits}
    report: dict[str, Any] = {
        "pictures": {**sizes, "unlabelled": len(dataset.unlabelled())},
        "types": {t.name: {"kind": t.kind, "classes": len(t)} for t in dataset.schema},
        "remarks": dataset.remarks(),
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
