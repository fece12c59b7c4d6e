"""The schema of ``mtss-zoo schema`` takes recipes as they are written, and still finds what is wrong in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

RECIPES = Path(__file__).parents[2] / "recipes"


class EditorYaml(yaml.SafeLoader):
    """YAML 1.2, as editors read it: there ``2e-3`` is a number."""


EditorYaml.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


@pytest.fixture
def complaint(zoo, tmp_path):
    """``complaint(text)``: the key that an editor with the printed schema marks; ``None`` if it marks nothing."""
    assert zoo("schema", "--out", tmp_path / "recipe.schema.json")[0] == 0
    schema = json.loads((tmp_path / "recipe.schema.json").read_text())
    Draft202012Validator.check_schema(schema)

    def check(text: str) -> str | None:
        recipe: Any = yaml.load(text, EditorYaml)
        error = best_match(Draft202012Validator(schema).iter_errors(recipe))
        return ".".join(map(str, error.absolute_path)) if error else None

    return check


def test_every_recipe_of_the_zoo_is_accepted(complaint):
    files = sorted(RECIPES.rglob("*.yaml"))
    assert len(files) > 50
    assert [file.name for file in files if complaint(file.read_text()) is not None] == []


def test_the_resolved_form_is_accepted(complaint, zoo):
    assert complaint(zoo("show", "mtss_quickstart")[1]) is None


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("stges: {}", ""),
        ("stages: {student: {epoch: 3}}", "stages.student"),
        ("stages: {student: {epochs: 0}}", "stages.student.epochs"),
        ("stages: {../student: null}", "stages"),
        ("model: {head: 3}", "model.head"),
        ("model: {head: {arg: {}}}", "model.head"),
        ("data: {image_size: null, fit: stretch}", "data.fit"),
        ("schema: {types: [{classes: [a]}]}", "schema.types.0"),
        ("extends: [a, b]", "extends"),
    ],
)
def test_what_no_recipe_may_have_is_marked(complaint, text, key):
    assert complaint(text) == key
