"""Everything that is built in: every component keeps its contract, and every recipe can be built."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from mtss_zoo import registry
from mtss_zoo.build import build_losses, build_model, build_schema
from mtss_zoo.conformance import run
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_files import list_recipes
from mtss_zoo.recipe_source import load_recipe

every_recipe = pytest.mark.parametrize("name", list_recipes())


@pytest.mark.slow
def test_every_component_keeps_its_contract():
    assert run("mtss-zoo", "-q", "--no-header") == 0


@pytest.fixture
def recipe(name: str, tmp_path: Path) -> Recipe:
    """With its schema; the classes of a dataset on disk are those of a tiny example of it."""
    recipe = load_recipe(name)
    if recipe.attribute_schema:
        return recipe
    example = registry.find("dataset", recipe.data.dataset.name).example(tmp_path)
    data = recipe.data.model_copy(update={"dataset": recipe.data.dataset.model_copy(update={"args": dict(example)})})
    return recipe.with_schema(build_schema(recipe.model_copy(update={"data": data})))


@every_recipe
def test_what_a_resolved_recipe_prints_it_loads(name):
    recipe = load_recipe(name)
    assert load_recipe(yaml.safe_load(recipe.to_yaml())) == recipe
    assert recipe.name == name and recipe.summary


@every_recipe
def test_every_recipe_can_be_built(name, recipe):
    with torch.device("meta"):
        assert build_model(recipe).schema == recipe.attribute_schema
        for stage in recipe.stages:
            build_model(recipe, spec=recipe.model_of(stage))


@every_recipe
def test_the_losses_of_every_stage_fit_its_strategy(name, recipe):
    for stage in recipe.stages.values():
        losses = build_losses(stage, recipe.attribute_schema)
        strategy = registry.resolve(registry.find("strategy", stage.strategy.name))
        assert {loss.compares for loss in losses.values()} <= {strategy.compares}
        assert bool(losses) == (strategy.compares is not None)


def test_the_student_of_deepfashion_is_the_published_one():
    with torch.device("meta"):
        model = build_model(load_recipe("mtss_student_deepfashion"))
    classes = {"category": 50, "texture": 156, "fabric": 218, "shape": 180, "part": 216, "style": 230}
    assert {t.name: len(t) for t in model.schema} == classes
    assert model.backbone.num_features == 2048
    assert {name: tuple(model.head(name).dictionary.shape) for name in classes} == {
        n: (c, 1024) for n, c in classes.items()
    }
