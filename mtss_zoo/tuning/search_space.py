"""What a search may change in a recipe: from the ranges of its section `tune` to distributions, and back to values."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from mtss_zoo.errors import MtssZooError, RecipeError, UsageError
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.registry import near_matches
from mtss_zoo.tune_spec import RangeSpec

try:
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
except ImportError as error:
    raise MtssZooError("a search needs optuna: pip install 'mtss-zoo[tune]'.") from error

SEARCHED = ("model", "stages", "data.image_size", "data.fit")
"""The keys that a search may change, with all below them: how a model is made and trained, not what measures it."""


@dataclass(frozen=True)
class SearchSpace:
    """Dotted keys of a recipe, each with the recipe's own value and what else it may be.

    Choices may be anything that YAML can write, so their distributions are over JSON texts.
    """

    own: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]

    @property
    def start(self) -> dict[str, Any]:
        """The recipe's own values as parameters of a trial."""
        return {key: _text(value) if self._chosen(key) else value for key, value in self.own.items()}

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of a trial as overrides of the recipe."""
        return {key: json.loads(value) if self._chosen(key) else value for key, value in params.items()}

    def untouched(self, recipe: Recipe) -> list[str]:
        """The stages that come before the first one that a trial may change: they are the same in all trials."""
        if not all(key.startswith("stages.") for key in self.own):
            return []
        touched = {key.split(".")[1] for key in self.own}
        return list(takewhile(lambda stage: stage not in touched, recipe.stages))

    def _chosen(self, key: str) -> bool:
        return isinstance(self.distributions[key], CategoricalDistribution)


def search_space(recipe: Recipe, ranges: Mapping[str, RangeSpec]) -> SearchSpace:
    """The space of these ranges around a recipe; without any, `default_ranges`.

    Raises:
        RecipeError: all faults: keys that the recipe has not, and ranges that do not fit their values.
    """
    ranges = ranges or default_ranges(recipe)
    own: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    faults = []
    for key, spec in ranges.items():
        try:
            own[key] = _own_value(recipe, key)
            distributions[key] = _distribution(recipe, key, own[key], spec)
        except UsageError as fault:
            faults.append(f"tune.space: {key}: {fault}")
    if faults:
        raise RecipeError("\n".join(faults))
    return SearchSpace(own, distributions)


def default_ranges(recipe: Recipe) -> dict[str, RangeSpec]:
    """Every stage's learning rate by a factor of 5 and, where it is not zero, its weight decay by a factor of 3."""
    ranges = {}
    for name, stage in recipe.stages.items():
        ranges[f"stages.{name}.optimizer.lr"] = RangeSpec(factor=5)
        if stage.optimizer.weight_decay:
            ranges[f"stages.{name}.optimizer.weight_decay"] = RangeSpec(factor=3)
    return ranges


def _distribution(recipe: Recipe, key: str, value: Any, spec: RangeSpec) -> BaseDistribution:
    if spec.choices is not None:
        choices = [_text(_settled(recipe, key, choice)) for choice in spec.choices]
        if _text(value) not in choices:
            raise UsageError(f"the recipe's own value {value!r}, with which a search starts, is not among the choices.")
        return CategoricalDistribution(choices)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UsageError(f"its value is {value!r}, not a number; name choices instead.")
    low, high, log = _ends(value, spec)
    if not low <= value <= high or low == high:
        raise UsageError(f"the recipe's own value {value!r}, with which a search starts, is not from {low} to {high}.")
    if log and low <= 0:
        raise UsageError(f"a logarithmic scale has no place for {low}.")
    for end in (low, high):
        _settled(recipe, key, end)
    kind = IntDistribution if isinstance(value, int) else FloatDistribution
    return kind(low, high, log=log)  # type: ignore[arg-type]


def _ends(value: float, spec: RangeSpec) -> tuple[float, float, bool]:
    """Of the range of a number, whole if the number is; and whether it is even on a logarithmic scale."""
    if spec.factor:
        if value <= 0:
            raise UsageError(f"its value is {value!r}, and a factor needs one above zero; give low and high instead.")
        low, high, log = value / spec.factor, value * spec.factor, True
        return (max(1, round(low)), round(high), log) if isinstance(value, int) else (low, high, log)
    assert spec.low is not None and spec.high is not None
    if not isinstance(value, int):
        return spec.low, spec.high, spec.log
    if not (spec.low.is_integer() and spec.high.is_integer()):
        raise UsageError(f"its value is {value!r}, so low and high are whole numbers too.")
    return int(spec.low), int(spec.high), spec.log


def _settled(recipe: Recipe, key: str, value: Any) -> Any:
    """A value as the recipe holds it, with the defaults of a component filled in."""
    try:
        return _own_value(load_recipe(recipe, {key: value}), key)
    except RecipeError as error:
        raise UsageError(str(error).split(f"{key}: ")[-1]) from error


def _own_value(recipe: Recipe, key: str) -> Any:
    known = dict(_keys(recipe.model_dump(mode="json", by_alias=True)))
    if key not in known:
        raise UsageError(f"the recipe has no such key that a search may change. {near_matches(key, known)}")
    return known[key]


def _keys(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every searchable key, and its value."""
    if any(key == part or key.startswith(f"{part}.") for part in SEARCHED) and key != "stages":
        yield key, value
    if isinstance(value, dict | list):
        for name, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _keys(part, f"{key}.{name}" if key else str(name))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
