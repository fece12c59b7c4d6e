"""Several processes in one run folder: different models train at once, the same model does not."""

import os
import traceback
from pathlib import Path
from typing import Any

import pytest

from mtss_zoo.errors import UsageError
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.train import claim

COLOUR, MARKS = ({"stage": "teachers", "type_name": name} for name in ("colour", "marks"))
FILES = ("model.safetensors", "log.csv", "metrics.json")


def claimed(out: Path, recipes: list[Recipe]) -> list[int]:
    """How processes end that all claim a folder for a recipe at the same moment."""
    may_start, start = os.pipe()
    children = []
    for recipe in recipes:
        child = os.fork()
        if not child:
            os.close(start)
            os.read(may_start, 1)  # ends when the other end is closed everywhere
            os._exit(_end(out, recipe))
        children.append(child)
    os.close(start)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    os.close(may_start)
    return ends


def _end(out: Path, recipe: Recipe) -> int:
    try:
        claim(out, recipe)
    except UsageError as error:
        return error.exit_code
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def test_six_teachers_may_claim_one_new_folder_at_the_same_moment(toy_plugin: Path, tmp_path: Path) -> None:
    recipe = load_recipe(toy_plugin / "recipe.yaml")
    for attempt in range(20):
        assert claimed(tmp_path / str(attempt), [recipe] * 6) == [0] * 6
        assert load_recipe(tmp_path / str(attempt) / "recipe.yaml") == recipe


def test_of_two_recipes_that_claim_one_folder_at_once_one_is_refused(toy_plugin: Path, tmp_path: Path) -> None:
    recipes = [load_recipe(toy_plugin / "recipe.yaml", {"seed": seed}) for seed in range(2)]
    for attempt in range(20):
        assert sorted(claimed(tmp_path / str(attempt), recipes)) == [0, 2]


@pytest.mark.slow
def test_the_same_model_is_trained_by_one_process_and_others_beside_it(
    toy_process: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    job = {"out": str(tmp_path / "run"), "waits": COLOUR, "starts": [MARKS, COLOUR, {}]}
    assert toy_process("at_once.py", job) == [0, 1, 1, 0]
    said = capfd.readouterr().out
    refused = f"{tmp_path}/run/teachers/colour is in use by another training; wait for its end, or stop it."
    assert said.count(f"UsageError: {refused}") == 2
    alone = {"out": str(tmp_path / "alone"), "attempts": [None], "arguments": {"stage": "teachers"}}
    toy_process("attempts.py", [alone])
    for model in ("colour", "marks"):
        for name in FILES:
            found, expected = (tmp_path / out / "teachers" / model / name for out in ("run", "alone"))
            assert found.read_bytes() == expected.read_bytes(), f"{model}/{name}"
