"""Folders as trainings leave them, written by hand: nothing is trained, and no weights are there."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtss_zoo.recipe_source import load_recipe

sys.path.append(str(Path(__file__).parent))  # for `toy_runs`

from toy_runs import MTSS, STUDENT, TEACHER

WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(tmp_path: Path) -> WriteRun:
    """``write_run("a", {"student": types}, recipe)`` makes a run folder; a ``per_type`` stage gets a folder a type."""

    def write(name: str, stages: dict[str, Any] | None = None, recipe: Any = MTSS, **overrides: Any) -> Path:
        folder = tmp_path / name
        resolved = load_recipe(recipe, overrides)
        folder.mkdir(parents=True)
        (folder / "recipe.yaml").write_text(resolved.to_yaml())
        for stage, types in (stages or {"teachers": TEACHER, "student": STUDENT}).items():
            parts = {t: {t: row} for t, row in types.items()} if resolved.stages[stage].per_type else {"": types}
            for part, rows in parts.items():
                at = folder / stage / part
                at.mkdir(parents=True)
                (at / "metrics.json").write_text(json.dumps({"split": "val", "n": 100, "types": rows}))
                (at / "log.csv").write_text("step,epoch,loss,val/f1@1\n1,1,0.9,\n2,2,0.5,0.35\n")
                (at / "model.safetensors").touch()
        return folder

    return write
