"""``serve``: a page to try a model."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mtss_zoo.named_model import open_model


def serve(
    model: Annotated[
        str, typer.Argument(help="A checkpoint folder, owner/repo@revision, a pretrained recipe, or an .onnx file.")
    ],
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="Default: the first free one from 7860.")] = None,
    host: Annotated[str, typer.Option(help="The address to listen on. Default: this machine only.")] = "127.0.0.1",
    explain: Annotated[bool, typer.Option(help="Show heat maps, too.")] = True,
    examples: Annotated[
        Path | None, typer.Option(help="A folder of pictures to offer. Default: drawn garments.")
    ] = None,
    top_k: Annotated[int, typer.Option(min=1, help="Classes shown for each attribute type.")] = 3,
) -> None:
    """Open a page in which you drop a photo and see its attributes. Ctrl-C ends it."""
    from mtss_zoo.demo import require_gradio
    from mtss_zoo.demo.server import serve as run

    require_gradio()
    if host not in ("127.0.0.1", "::1", "localhost"):
        print(f"warning: on {host}, anybody who reaches this machine can use the page.", file=sys.stderr)
    run(open_model(model), host=host, port=port, explain=explain, examples=examples, top_k=top_k, announce=_say)


def _say(words: str) -> None:
    print(words, flush=True)
