"""``predict``: the classes of every attribute type for pictures on disk."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import Json, print_json, print_table


def predict(
    model: Annotated[str, typer.Argument(help="A checkpoint folder, owner/repo@revision, or a pretrained recipe.")],
    images: Annotated[list[Path], typer.Argument(help="Pictures.")],
    top_k: Annotated[int, typer.Option(min=1, help="Classes shown for each attribute type.")] = 3,
    as_json: Json = False,
) -> None:
    """Predict the attributes of pictures. One that cannot be read is named; the others still come."""
    from mtss_zoo.errors import ImageError
    from mtss_zoo.recipe_files import list_recipes

    if model in list_recipes() and not Path(model).exists():
        from mtss_zoo.build import build

        loaded = build(model, pretrained=True)
    else:
        from mtss_zoo.checkpoint import load

        loaded = load(model)
    answers: list[dict[str, Any]] = []
    failed = 0
    for image in images:
        try:
            answers.append({"image": str(image), "attributes": loaded.predict(image, top_k=top_k)[0]})
        except ImageError as error:
            failed += 1
            print(f"error: {error}", file=sys.stderr)
    if as_json:
        print_json(answers)
    for answer in () if as_json else answers:
        rows = [
            {"attribute": name, **{f"top {i + 1}": f"{c} {s:.2f}" for i, (c, s) in enumerate(best)}}
            for name, best in answer["attributes"].items()
        ]
        width = max(map(len, rows))
        filled = [{**dict.fromkeys(["attribute", *(f"top {i}" for i in range(1, width))], ""), **row} for row in rows]
        print_table(filled, title=answer["image"])
    if failed:
        raise typer.Exit(1)
