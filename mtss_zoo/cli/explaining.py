"""``explain``: what in a picture speaks for a class, as heat maps."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mtss_zoo.cli.output import Json, check_out, print_json
from mtss_zoo.cli.use import Model
from mtss_zoo.errors import ImageError, UsageError
from mtss_zoo.files.file_names import as_text
from mtss_zoo.named_model import load_model

if TYPE_CHECKING:
    from PIL import Image

    from mtss_zoo.explaining.heat_maps import HeatMap
    from mtss_zoo.pil_images import Fit


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
    check_out(out, folder=True)
    from mtss_zoo import explain as explained
    from mtss_zoo.explaining.heat_maps import sheet
    from mtss_zoo.pil_images import decode

    loaded = load_model(model)
    fit = loaded.preprocess.fit
    answers: list[dict[str, Any]] = []
    taken: list[Path] = []
    for image in images:
        try:
            picture = decode(image, str(image))
        except ImageError as error:
            print(f"error: {error}", file=sys.stderr)
            continue
        (heat_maps,) = explained(loaded, picture, type_name, class_name)
        drawn = _free(out / f"{image.stem}.png", taken)
        taken.append(drawn)
        out.mkdir(parents=True, exist_ok=True)
        sheet(picture, heat_maps, fit).save(drawn)
        found = {name: _facts(heat_map, picture, fit) for name, heat_map in heat_maps.items()}
        answers.append({"image": as_text(str(image)), "drawn": as_text(str(drawn)), "attributes": found})
        if not as_json:
            print(as_text(str(drawn)))
    if as_json:
        print_json(answers)
    if len(answers) < len(images):
        raise typer.Exit(1)


def _facts(heat_map: HeatMap, picture: Image.Image, fit: Fit) -> dict[str, Any]:
    box = heat_map.box(*picture.size, fit)
    return {"class": heat_map.class_name, "score": heat_map.score, "box": box, "method": heat_map.method}


def _free(path: Path, taken: list[Path]) -> Path:
    """Pictures of several folders may have one name; those of an earlier call are replaced."""
    names = (path, *(path.with_stem(f"{path.stem}_{n}") for n in range(2, len(taken) + 2)))
    return next(name for name in names if name not in taken)
