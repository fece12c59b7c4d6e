"""Studies of the toy recipe: a network and a dataset so small that a stage trains in a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mtss_zoo.plugins import plugins
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe

TOY = Path(__file__).parents[1] / "toy_plugin"
SHORT = {"stages.teachers.epochs": 1, "stages.student.epochs": 1}


@pytest.fixture
def toy_recipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Recipe]]:
    """``toy_recipe(grid={...})``: the toy recipe, one epoch a stage, with these keys on top."""
    monkeypatch.syspath_prepend(TOY)
    plugins.cache_clear()

    def make(**keys: Any) -> Recipe:
        return load_recipe(load_recipe(TOY / "recipe.yaml", SHORT), keys)

    yield make
    plugins.cache_clear()
