"""``predict``: the classes of every attribute type for pictures on disk; ``export``: the model for other programs."""

from __future__ import annotations

import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import Json, check_out, print_json, print_table, refuse
from mtss_zoo.errors import ImageError, UsageError
from mtss_zoo.files.file_names import as_text
from mtss_zoo.named_model import open_model, pretrained_recipe

Model = Annotated[str, typer.Argument(help="A checkpoint folder, owner/repo@revision, or a pretrained recipe.")]


def predict(
    model: Annotated[
        str, typer.Argument(help="A checkpoint folder, owner/repo@revision, a pretrained recipe, or an .onnx file.")
    ],
    images: Annotated[
        list[Path],
        typer.Argument(
            help="Pictures; or one folder, one manifest (.csv, .jsonl, .parquet), or tars ('{000..017}.tar')."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Write answers into this .parquet or .jsonl file. The same command again goes on."),
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Classes for each attribute type.")] = 3,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="File: also float16 embeddings.")] = False,
    batch_size: Annotated[int | None, typer.Option(min=1, help="File: pictures a forward pass. Default: 64.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, help="File: processes that read pictures. Default: one less than cores.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="File: cpu, cuda, cuda:1 ... Default: auto.")] = None,
    shard: Annotated[
        str | None, typer.Option(help="File: 3/8 predicts the third of eight shares, for several GPUs or machines.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Predict the attributes of pictures.

    Answers are printed for pictures named one by one. With --out, or for a folder, a manifest or tars, they go into a
    file, for any number of pictures; without --out it is predictions.parquet.

    A picture that cannot be read is named (beside a file: in <out>.bad.csv); the others still come.
    """
    from mtss_zoo.bulk.naming import is_plain

    settings = {
        "embeddings": embeddings,
        "batch_size": batch_size,
        "workers": workers,
        "device": device,
        "shard": _shard(shard),
    }
    if out or not is_plain(images):
        given = {name: value for name, value in settings.items() if value is not None}
        _predict_into(out or Path("predictions.parquet"), model, images, given | {"top_k": top_k}, as_json)
    else:
        refuse("can be given for answers in a file only: give --out", **settings)
        _predict_here(model, images, top_k, as_json)


def _predict_into(out: Path, model: str, images: list[Path], settings: dict[str, Any], as_json: bool) -> None:
    from mtss_zoo.bulk.run import bulk_predict

    check_out(out)
    report = bulk_predict(model, images, out, **settings)
    if as_json:
        facts = asdict(report)
        print_json({key: as_text(str(value)) if isinstance(value, Path) else value for key, value in facts.items()})
    else:
        bad = f"; {report.bad:,} could not be used, see {report.bad_list}" if report.bad else ""
        done = f"{report.out}: {report.pictures:,} pictures, {report.pictures_per_second:,.0f} a second{bad}"
        print(as_text(done))
    if report.bad and not report.pictures:
        raise typer.Exit(1)


def _predict_here(model: str, images: list[Path], top_k: int, as_json: bool) -> None:
    opened = open_model(model)
    answers: list[dict[str, Any]] = []
    failed = 0
    for image in images:
        try:
            answers.append({"image": as_text(str(image)), "attributes": opened.predict(image, top_k=top_k)[0]})
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


def _shard(text: str | None) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)/(\d+)", text) if text else None
    if text and not found:
        raise UsageError(f"--shard {text}: write 3/8 for the third of eight shares.")
    return (int(found[1]), int(found[2])) if found else None


def export(
    model: Model,
    to: Annotated[str, typer.Option(help="onnx, for onnxruntime; or torch, for torch.export.load.")] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="The file. Default: model.onnx or model.pt2, in the checkpoint folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write a model into one file for other programs, once its scores there are seen to be the same."""
    from mtss_zoo.exporting.export import export as write

    if out:
        check_out(out)
    else:
        check_out(Path(model) if Path(model).is_dir() else Path(), folder=True)
    written = write(pretrained_recipe(model) or model, to, out)  # type: ignore[arg-type]
    if as_json:
        parity = {
            p.attribute: {"scale": p.scale, "difference": p.difference, "relative": p.relative} for p in written.parity
        }
        print_json({"file": as_text(str(written.path)), "parity": parity})
        return
    rows = [
        {
            "attribute": p.attribute,
            "largest score": f"{p.scale:.3g}",
            "largest difference": f"{p.difference:.1e}",
            "relative": f"{p.relative:.1e}",
        }
        for p in written.parity
    ]
    print_table(rows, title="Scores of the file against those of the model")
    print(as_text(str(written.path)))
