"""The dataset that a ``data`` command is given: by the name of a component or a recipe, with what ``--set`` changes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from mtss_zoo.cli.output import parse_overrides
from mtss_zoo.named_data import EXAMPLE

Changes = Annotated[
    list[str] | None, typer.Option("--set", help=f"Override one key of the recipe: --set {EXAMPLE}. May be repeated.")
]


def changes(overrides: list[str] | None) -> dict[str, Any]:
    """What `mtss_zoo.named_data` takes as overrides."""
    return parse_overrides(overrides, example=EXAMPLE)
