"""The trained models that come with the package, so that a first prediction needs no download and no training."""

from __future__ import annotations

from pathlib import Path

from mtss_zoo import hookimpl


@hookimpl
def mtss_zoo_checkpoints() -> dict[str, Path]:
    """Every folder beside this file that holds a checkpoint, by the name of its recipe."""
    return {path.parent.name: path.parent for path in sorted(Path(__file__).parent.glob("*/model.safetensors"))}
