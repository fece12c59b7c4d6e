"""What a search may change: ranges around a recipe's own values, which are always among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mtss_zoo.errors import RecipeError
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_files import list_recipes
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.tune_spec import RangeSpec
from mtss_zoo.tuning.search_space import SearchSpace, default_ranges, search_space

LR = "stages.student.optimizer.lr"
BATCH = "stages.student.batch_size"
RECIPE = load_recipe("mtss_quickstart")


def space(recipe: Recipe = RECIPE, **ranges: dict[str, Any]) -> SearchSpace:
    """``space(a={"factor": 5})`` with the names of `KEYS` for the keys."""
    return search_space(recipe, {KEYS[name]: RangeSpec.model_validate(spec) for name, spec in ranges.items()})


KEYS = {
    "lr": LR,
    "batch": BATCH,
    "clip": "stages.student.optimizer.clip_norm",
    "beta": "stages.student.optimizer.betas.0",
    "head": "model.head",
    "nesterov": "stages.student.optimizer.nesterov",
    "decay": "stages.student.optimizer.weight_decay",
    "size": "data.image_size",
    "typo": "stages.student.optimzer.lr",
    "stage": "stages.studnet.batch_size",
    "split": "evaluate.split",
    "seed": "seed",
    "holdout": "data.holdout",
}


def faults(recipe: Recipe = RECIPE, **ranges: dict[str, Any]) -> list[str]:
    with pytest.raises(RecipeError) as error:
        space(recipe, **ranges)
    return str(error.value).splitlines()


def test_a_factor_goes_both_ways_on_a_logarithmic_scale():
    found = space(lr={"factor": 10}).distributions[LR]
    assert isinstance(found, FloatDistribution) and found.log
    assert (found.low, found.high) == pytest.approx((3e-4, 3e-2))


def test_a_whole_number_stays_one():
    assert space(batch={"factor": 4}).distributions == {BATCH: IntDistribution(16, 256, log=True)}
    assert space(batch={"low": 8, "high": 96}).distributions == {BATCH: IntDistribution(8, 96)}


def test_low_and_high_are_even_unless_the_scale_is_logarithmic():
    assert space(decay={"low": 0, "high": 0.1}).distributions[KEYS["decay"]] == FloatDistribution(0, 0.1)
    logarithmic = space(decay={"low": 1e-3, "high": 0.1, "log": True}).distributions[KEYS["decay"]]
    assert logarithmic == FloatDistribution(1e-3, 0.1, log=True)


def test_an_item_of_a_list_has_its_number_for_a_key():
    assert space(beta={"low": 0.8, "high": 0.95}).own == {"stages.student.optimizer.betas.0": 0.9}


@pytest.mark.parametrize(
    ("key", "choices", "own"),
    [
        ("batch", [32, 64], 64),
        ("clip", [None, 1.0], None),
        ("nesterov", [False, True], False),
        ("size", [[32, 32], [48, 48]], [32, 32]),
        ("head", ["linear", {"name": "label_embedding", "args": {"dim": 64}}], {"name": "label_embedding"}),
    ],
)
def test_choices_may_be_anything(key: str, choices: list[Any], own: Any):
    found = space(**{key: {"choices": choices}})
    assert isinstance(found.distributions[KEYS[key]], CategoricalDistribution)
    assert found.values(found.start) == found.own
    assert found.own[KEYS[key]] == own or found.own[KEYS[key]]["name"] == own["name"]
    for text in found.distributions[KEYS[key]].choices:
        load_recipe(RECIPE, found.values({KEYS[key]: text}))


def test_a_choice_of_a_component_takes_its_defaults_along():
    found = space(head={"choices": ["linear", {"name": "label_embedding", "args": {"dim": 64}}]})
    other = next(text for text in found.distributions["model.head"].choices if "linear" in text)
    head = load_recipe(RECIPE, found.values({"model.head": other})).model.head
    assert head == load_recipe(RECIPE, {"model.head": "linear"}).model.head


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_can_be_searched_around_by_default(name: str):
    recipe = load_recipe(name)
    found = search_space(recipe, {})
    assert {f"stages.{stage}.optimizer.lr" for stage in recipe.stages} <= set(found.own)
    assert load_recipe(recipe, found.values(found.start)) == recipe


def test_by_default_rates_and_weight_decays_are_searched():
    recipe = load_recipe(RECIPE, {"stages.teachers.optimizer.weight_decay": 0})
    assert {key: spec.factor for key, spec in default_ranges(recipe).items()} == {
        "stages.teachers.optimizer.lr": 5,
        "stages.student.optimizer.lr": 5,
        "stages.student.optimizer.weight_decay": 3,
    }


@settings(max_examples=25)
@given(value=st.floats(1e-6, 1e3), factor=st.floats(1.01, 100), unit=st.floats(0, 1))
def test_values_around_a_number_load_and_the_own_one_is_among_them(value: float, factor: float, unit: float):
    recipe = load_recipe(RECIPE, {LR: value})
    found = space(recipe, lr={"factor": factor})
    assert contains(found.distributions[LR], found.start[LR])
    drawn = value * factor ** (2 * unit - 1)
    assert load_recipe(recipe, found.values({LR: drawn})).stages["student"].optimizer.lr == drawn


@settings(max_examples=25)
@given(value=st.integers(1, 500), factor=st.floats(2, 20))
def test_whole_numbers_around_a_whole_number_are_at_least_one(value: int, factor: float):
    found = space(load_recipe(RECIPE, {BATCH: value}), batch={"factor": factor})
    distribution = found.distributions[BATCH]
    assert isinstance(distribution, IntDistribution)
    assert 1 <= distribution.low <= value <= distribution.high
    assert contains(distribution, value)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    return bool(distribution._contains(distribution.to_internal_repr(value)))


def test_all_faults_come_at_once_with_near_matches():
    found = faults(
        typo={"factor": 5},
        stage={"choices": [8, 16]},
        batch={"low": 8, "high": 32},
        lr={"low": -1, "high": 1},
        clip={"factor": 2},
        nesterov={"low": 0, "high": 1},
        size={"choices": [[32, 32], [0, 0]]},
    )
    assert [line.split(": ")[1] for line in found] == [
        KEYS[n] for n in ("typo", "stage", "batch", "lr", "clip", "nesterov", "size")
    ]
    assert f"Did you mean {LR}" in found[0]
    assert "Did you mean stages.student.batch_size" in found[1]
    assert "own value 64, with which a search starts, is not from 8 to 32" in found[2]
    assert "greater than 0 (given: -1.0)" in found[3]
    assert "its value is None, not a number; name choices" in found[4]
    assert "its value is False, not a number" in found[5]
    assert "greater than or equal to 1 (given: 0)" in found[6]


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"batch": {"choices": [8, 16]}}, "own value 64, with which a search starts, is not among the choices"),
        ({"batch": {"low": 0.5, "high": 100}}, "low and high are whole numbers"),
        ({"decay": {"low": 0, "high": 1, "log": True}}, "no place for 0"),
        ({"lr": {"low": 3e-3, "high": 3e-3}}, "is not from"),
        ({"beta": {"factor": 2}}, "less than 1"),
    ],
)
def test_a_range_that_does_not_fit_is_refused_in_words(ranges: dict[str, Any], message: str):
    assert message in faults(**ranges)[0]


def test_a_factor_around_zero_says_what_to_give():
    recipe = load_recipe(RECIPE, {KEYS["decay"]: 0})
    assert "give low and high instead" in faults(recipe, decay={"factor": 2})[0]


@pytest.mark.parametrize("key", ["split", "seed", "holdout"])
def test_what_measures_a_trial_is_not_searched(key: str):
    assert "no such key that a search may change" in faults(**{key: {"choices": ["a", "b"]}})[0]


@pytest.mark.parametrize(
    "spec", ["{}", "{low: 1}", "{high: 2}", "{factor: 2, low: 1, high: 3}", "{factor: 1}", "{choices: [1]}"]
)
def test_a_range_is_given_in_one_way(tmp_path: Path, spec: str):
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: mtss_quickstart\nname: mine\ntune:\n  space:\n    {LR}: {spec}\n")
    with pytest.raises(RecipeError, match=rf"mine\.yaml:\d: tune\.space\.{LR}"):
        load_recipe(path)


def test_a_key_of_a_range_is_near_matched(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: mtss_quickstart\nname: mine\ntune:\n  space:\n    {LR}: {{facotr: 3}}\n")
    with pytest.raises(RecipeError, match=r"Did you mean factor\?"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("keys", "stages"),
    [
        (["lr"], ["teachers"]),
        (["lr", "size"], []),
        (["head"], []),
    ],
)
def test_stages_before_the_first_that_changes_are_the_same_in_all_trials(keys: list[str], stages: list[str]):
    specs = {"lr": {"factor": 2}, "size": {"choices": [[32, 32], [48, 48]]}}
    specs["head"] = {"choices": ["linear", {"name": "label_embedding", "args": {"dim": 64}}]}
    assert space(**{key: specs[key] for key in keys}).untouched(RECIPE) == stages


def test_the_space_of_the_guide_is_one():
    guide = (Path(__file__).parents[2] / "docs/tune.md").read_text()
    text = guide.partition("```yaml\n")[2].partition("```")[0]
    recipe = load_recipe("mtss_quickstart", {"tune": yaml.safe_load(text)["tune"]})
    found = search_space(recipe, recipe.tune.space)
    assert found.untouched(recipe) == ["teachers"]
    assert found.own["stages.student.batch_size"] == 64


def test_a_search_over_the_first_stage_shares_none():
    assert search_space(RECIPE, {"stages.teachers.epochs": RangeSpec(factor=2)}).untouched(RECIPE) == []
