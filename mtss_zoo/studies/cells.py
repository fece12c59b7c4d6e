"""What a study trains: every cell of the recipe's grid with every seed, and which cells have a stage in common."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mtss_zoo.errors import RecipeError, UnknownNameError, UsageError
from mtss_zoo.grid import Point, points
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.registry import near_matches
from mtss_zoo.train import NOT_TRAINED, VOLATILE, leaves


@dataclass(frozen=True)
class CellRun:
    """One training: a cell with one seed. ``name`` is that of its folder."""

    point: Point
    seed: int
    name: str
    recipe: Recipe


@dataclass(frozen=True)
class Study:
    """What all processes of a study know. The runs are in the order in which they are trained."""

    recipe: Recipe
    out: Path
    runs: tuple[CellRun, ...]

    def folder(self, run: CellRun) -> Path:
        """Of one training."""
        return self.out / run.name

    def owner(self, run: CellRun, stage: str) -> CellRun:
        """The training in whose folder a stage is kept, of all that have the very same stage."""
        return self._owners[self._keys[run.name, stage]]

    @cached_property
    def _keys(self) -> dict[tuple[str, str], str]:
        return {(run.name, stage): self._key(run, stage) for run in self.runs for stage in run.recipe.stages}

    @cached_property
    def _owners(self) -> dict[str, CellRun]:
        """The first one, unless another has begun it already: before the grid grew."""
        owners: dict[str, tuple[bool, CellRun]] = {}
        for run in self.runs:
            for stage in run.recipe.stages:
                folder, key = self.folder(run) / stage, self._keys[run.name, stage]
                begun = folder.is_dir() and not folder.is_symlink()
                if key not in owners or begun > owners[key][0]:
                    owners[key] = begun, run
        return {key: run for key, (_, run) in owners.items()}

    def _key(self, run: CellRun, stage: str) -> str:
        order, shared = list(run.recipe.stages), self.recipe.shared
        if shared in order and order.index(stage) <= order.index(shared):
            return json.dumps(["shared", stage, run.seed])
        return stage_key(run.recipe, stage)


def stage_key(recipe: Recipe, stage: str) -> str:
    """All that a stage's weights and measurements depend on, as text: equal keys, equal results.

    The stages before it count whether it uses them or not: which ones a strategy reads is its own affair.
    """
    plain = recipe.to_dict()
    order = list(recipe.stages)
    stages = {
        name: plain["stages"][name] | {"model": recipe.model_of(name).model_dump(mode="json")}
        for name in order[: order.index(stage) + 1]
    }
    facts = {key: plain[key] for key in ("schema", "data", "evaluate", "trainer", "seed") if key in plain}
    known = {key: value for key, value in leaves(facts | {"stages": stages}) if key not in VOLATILE}
    return json.dumps([stage, known], sort_keys=True)


def plan_study(
    recipe: Recipe, out: Path, data_root: str | Path | None = None, seeds: Sequence[int] | None = None
) -> Study:
    """The trainings of a study. A recipe without a grid has one cell, ``base``.

    The recipe's own seed trains in ``out/<cell>``, another one N in ``out/<cell>-seedN``.

    Raises:
        RecipeError: all faults of all cells.
        UsageError: the grid is none, or there is nothing to train.
    """
    base = recipe.model_copy(update={"data": recipe.data.rooted(data_root), "weights": None, **NOT_TRAINED})
    seeds = list(dict.fromkeys(seeds or [recipe.seed]))
    grid = list(points(recipe.grid or {}))
    recipes = _resolved(base, grid)
    runs = [
        CellRun(
            point,
            seed,
            point.name if seed == recipe.seed else f"{point.name}-seed{seed}",
            recipes[point.name].model_copy(update={"seed": seed}),
        )
        for seed in seeds
        for point in grid
    ]
    _check(recipe, runs)
    return Study(recipe, out, tuple(runs))


def _resolved(base: Recipe, grid: Iterable[Point]) -> dict[str, Recipe]:
    recipes, faults = {}, []
    for point in grid:
        try:
            recipes[point.name] = load_recipe(base, point.overrides)
        except RecipeError as error:
            faults += [f"cell {point.name}: {line}" for line in str(error).splitlines()]
    if faults:
        raise RecipeError("\n".join(faults))
    return recipes


def _check(recipe: Recipe, runs: Sequence[CellRun]) -> None:
    stages: Mapping[str, Any] = {stage: None for run in runs for stage in run.recipe.stages}
    if empty := [run.name for run in runs if not run.recipe.stages]:
        raise UsageError(f"cell {empty[0]} of {recipe.name} has no stages, so there is nothing to train.")
    if recipe.shared is not None and recipe.shared not in stages:
        near = near_matches(recipe.shared, stages)
        raise UnknownNameError(f"shared: recipe {recipe.name} has no stage {recipe.shared!r}. {near}")
    if len({run.name for run in runs}) < len(runs):
        raise UsageError(f"the grid of {recipe.name} names a cell like another one with a seed; rename the variant.")
