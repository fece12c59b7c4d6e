"""``data pack``: a dataset as tars with an index, for sets of many files and for slow disks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mtss_zoo.cli.given_data import Changes, changes
from mtss_zoo.cli.output import Json, print_json, print_table


def pack(
    name: Annotated[str, typer.Argument(help="A dataset component, or a recipe whose dataset is meant.")],
    out: Annotated[Path, typer.Option(help="The folder to write; the same command goes on in it after any stop.")],
    root: Annotated[Path | None, typer.Option(help="The dataset's folder.")] = None,
    overrides: Changes = None,
    shard_size: Annotated[str, typer.Option(help="The most bytes of one tar, such as 500MB.")] = "1GB",
    workers: Annotated[int | None, typer.Option(help="Processes that read and check pictures.", min=0)] = None,
    as_json: Json = False,
) -> None:
    """Pack a dataset into uncompressed tars with one index, which the dataset `packed` reads."""
    from dataclasses import asdict

    from mtss_zoo.named_data import named_data
    from mtss_zoo.packing.run import pack, parse_size
    from mtss_zoo.recipe import Recipe

    given = named_data(name, changes(overrides))
    data = given.data if isinstance(given, Recipe) else given
    done = pack(data.rooted(root), out, shard_size=parse_size(shard_size), workers=workers)
    if as_json:
        print_json({**asdict(done), "out": str(done.out), "bad_list": done.bad_list and str(done.bad_list)})
        return
    print_table([{"split": split, "pictures": pictures} for split, pictures in done.pictures.items()])
    if done.bad:
        print(f"{done.bad} pictures could not be used; {done.bad_list} names them.")
    print(f"{done.shards} tars in {done.out}. Train on them with --set data.dataset=packed --data-root {done.out}")
