"""``data boxes``: one pass of an object detector over a dataset, so that pictures can be cropped to what is worn."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mtss_zoo.cli.given_data import Changes, changes
from mtss_zoo.cli.output import Json, print_json, print_table
from mtss_zoo.named_data import open_named


def boxes(
    name: Annotated[str, typer.Argument(help="A dataset component, or a recipe: its data.")],
    detector: Annotated[
        str,
        typer.Option(
            help="torchvision[:MODEL[:FILE.safetensors]], transformers:FOLDER, transformers:owner/repo@COMMIT, or "
            "callable:package.module:function."
        ),
    ],
    root: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    overrides: Changes = None,
    out: Annotated[Path, typer.Option(help="The file of boxes. The same command again goes on.")] = Path(
        "boxes.parquet"
    ),
    keep: Annotated[
        list[str] | None,
        typer.Option(help="A class that counts; may be repeated. Default: the garments that it knows, else persons."),
    ] = None,
    min_score: Annotated[float, typer.Option(min=0, max=1, help="What is less sure does not count.")] = 0.5,
    union: Annotated[
        bool, typer.Option("--union", help="The box around all that counts, not around the best of it.")
    ] = False,
    pad: Annotated[float, typer.Option(min=0, max=1, help="Added on each side, as a share of the box.")] = 0.05,
    everything: Annotated[
        bool, typer.Option("--all", help="Also pictures with a box of their own, which training still prefers.")
    ] = False,
    batch_size: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 8,
    workers: Annotated[int, typer.Option(min=0, help="Threads that read pictures.")] = 2,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...")] = "auto",
    as_json: Json = False,
) -> None:
    """Find a box in every picture that has none of its own, for `data.boxes` of a recipe.

    A picture in which nothing counts is used whole. One that cannot be read is named in <out>.bad.csv.
    """
    from mtss_zoo.detection.choice import Choice
    from mtss_zoo.detection.named import open_detector
    from mtss_zoo.detection.run import find_boxes

    called, dataset = open_named(name, root, use_boxes=False, overrides=changes(overrides))
    report = find_boxes(
        dataset.everything,
        open_detector(detector, device),
        out,
        called=called,
        how=Choice(tuple(keep or ()), min_score, union, pad),
        everything=everything,
        batch_size=batch_size,
        workers=workers,
    )
    if as_json:
        print_json({key: str(value) if isinstance(value, Path) else value for key, value in asdict(report).items()})
        return
    row = {"box found": report.found, "whole": report.whole, "bad": report.bad, "own box, not looked at": report.own}
    print_table([row], title=f"{report.out}: pictures")
    if report.bad_list:
        print(f"those that could not be read: {report.bad_list}")
