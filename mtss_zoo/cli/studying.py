"""``study`` and ``reproduce``: a recipe in every cell of a grid, and the papers' tables."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from mtss_zoo.cli.output import DataRoot, Json, Overrides, parse_overrides, print_json
from mtss_zoo.cli.study_tables import print_beside, print_fillings, print_study
from mtss_zoo.errors import MtssZooError, UsageError

Processes = Annotated[int, typer.Option(min=1, help="Trainings at a time.")]
Seeds = Annotated[str | None, typer.Option(help="Train every cell with each of these, such as 0,1,2.")]


def study(
    recipe: Annotated[str, typer.Argument(help="The name or YAML file of a recipe with a grid.")],
    out: Annotated[Path | None, typer.Option(help="The study's folder; default studies/NAME.")] = None,
    data_root: DataRoot = None,
    overrides: Overrides = None,
    seeds: Seeds = None,
    processes: Processes = 1,
    as_json: Json = False,
) -> None:
    """Train a recipe in every cell of its grid and gather one table; the same command goes on where it was."""
    from mtss_zoo.studies.study import run_study

    values, chosen = parse_overrides(overrides), parse_seeds(seeds)
    with _stoppable():
        report = run_study(recipe, out, data_root, values, chosen, processes)
    print_json(report) if as_json else print_study(report)
    _fail_if({cell["cell"]: cell["error"] for cell in report["cells"] if cell["error"]}, len(report["cells"]))


def reproduce(
    table: Annotated[str | None, typer.Argument(help="Such as table4; without it all of them are listed.")] = None,
    data_root: DataRoot = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the studies; default reproduced/SET.")] = None,
    recipe_set: Annotated[
        str | None, typer.Option(help="Which recipes, see the list; with --data-root deepfashion, else small.")
    ] = None,
    target_root: Annotated[Path | None, typer.Option(help="Table 6: folder of the other domain's dataset.")] = None,
    aliases: Annotated[Path | None, typer.Option(help="Table 6: YAML file of the shared classes.")] = None,
    variant: Annotated[str | None, typer.Option(help="Table 7: of the corruptions, imaug or imagenet-c.")] = None,
    overrides: Overrides = None,
    seeds: Seeds = None,
    processes: Processes = 1,
    as_json: Json = False,
) -> None:
    """Run what a table of the papers needs and print our rows below the paper's; the same command goes on."""
    from mtss_zoo.studies.reproduce import Wishes, fillings
    from mtss_zoo.studies.reproduce import reproduce as fill

    if table is None:
        rows = fillings()
        print_json(rows) if as_json else print_fillings(rows)
        return
    values, chosen = parse_overrides(overrides), parse_seeds(seeds)
    wishes = Wishes(data_root, values, chosen, processes, target_root, aliases, variant)
    with _stoppable():
        report = fill(table, recipe_set, out, wishes)
    print_json(report) if as_json else print_beside(report)
    _fail_if(report["failed"])


def parse_seeds(text: str | None) -> list[int] | None:
    """``0,1,2`` to numbers.

    Raises:
        UsageError: one of them is none.
    """
    words = [word.strip() for word in text.split(",")] if text else []
    if wrong := [word for word in words if not word.isdecimal()]:
        raise UsageError(f"--seeds {text}: {wrong[0]!r} is no whole number; write them as 0,1,2.")
    return [int(word) for word in words] or None


def _fail_if(failed: Mapping[str, str], of: int | None = None) -> None:
    if failed:
        count = f"{len(failed)} of {of} cells" if of else f"{len(failed)} cells" if len(failed) > 1 else "a cell"
        said = "\n".join(f"  {cell}: {error}" for cell, error in failed.items())
        raise MtssZooError(f"{count} failed; the same command tries them again.\n{said}")


@contextmanager
def _stoppable() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        print("stopped; the same command goes on.", file=sys.stderr)
        raise
