"""``explain``: what in a picture speaks for a class, as heat maps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import Json, print_json
from mtss_zoo.cli.use import Model
from mtss_zoo.errors import ImageError, UsageError
from mtss_zoo.named_model import load_model


def explain(
    model: Model,
    images: Annotated[list[Path], typer.Argument(help="Pictures.")],
    type_name: Annotated[str | None, typer.Option("--type", help="This attribute type alone. Default: all.")] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", help="What speaks for this class. Default: for the best one of each type.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the PNG files, one a picture.")] = Path("heat_maps"),
    as_json: Json = False,
) -> None:
    """Draw where pictures show what speaks for a class. One that cannot be read is named; the others still come."""
    if model.endswith(".onnx"):
        raise UsageError(f"{model}: an .onnx file has no gradients; name the checkpoint folder that it was made from.")
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file, but a folder is needed.")
    from mtss_zoo import explain as explained
    from mtss_zoo.explaining.heat_maps import sheet
    from mtss_zoo.pil_images import decode

    loaded = load_model(model)
    fit = loaded.preprocess.fit
    answers: list[dict[str, Any]] = []
    for image in images:
        try:
            picture = decode(image, str(image))
        except ImageError as error:
            print(f"error: {error}", file=sys.stderr)
            continue
        (heat_maps,) = explained(loaded, picture, type_name, class_name)
        drawn = _free(out / f"{image.stem}.png", [Path(answer["drawn"]) for answer in answers])
        out.mkdir(parents=True, exist_ok=True)
        sheet(picture, heat_maps, fit).save(drawn)
        found = {
            name: {"class": h.class_name, "score": h.score, "box": h.box(*picture.size, fit), "method": h.method}
            for name, h in heat_maps.items()
        }
        answers.append({"image": str(image), "drawn": str(drawn), "attributes": found})
        if not as_json:
            print(drawn)
    if as_json:
        print_json(answers)
    if len(answers) < len(images):
        raise typer.Exit(1)


def _free(path: Path, taken: list[Path]) -> Path:
    """Pictures of several folders may have one name; those of an earlier call are replaced."""
    names = (path, *(path.with_stem(f"{path.stem}_{n}") for n in range(2, len(taken) + 2)))
    return next(name for name in names if name not in taken)
