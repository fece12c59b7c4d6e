"""Searches for better values of a recipe: Bayesian optimisation around its own, in one or several processes."""

from __future__ import annotations

import fcntl
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import optuna

from mtss_zoo import registry
from mtss_zoo.errors import MtssZooError, UnknownNameError, UsageError
from mtss_zoo.files.locks import alone
from mtss_zoo.processes import run_processes
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.train import claim, train
from mtss_zoo.tuning import study
from mtss_zoo.tuning.search_processes import BEST, LOCK, open_study, settle, work
from mtss_zoo.tuning.search_space import search_space
from mtss_zoo.tuning.trial import SHARED, Search, metric_names, trial_recipe


def tune(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    aim: Mapping[str, Any] | None = None,
    trials: int = 30,
    processes: int = 1,
) -> dict[str, Any]:
    """Searches around a recipe's own values, which are the first trial; what is best is judged on a part of ``train``.

    ``out`` then holds ``best.yaml``, ``trials.csv``, optuna's ``study.log``, and a run folder for each trial; only the
    best one's has weights. The same call goes on until ``trials`` are finished in all.

    Args:
        recipe: a built-in name, a YAML file, plain data or a `Recipe`.
        out: the search's folder; default ``tune/<name of the recipe>``.
        data_root: the folder of a dataset on disk.
        overrides: dotted keys to values, for all trials.
        aim: keys of the recipe's section ``tune`` to take instead of its own: ``space``, ``metric``, ``type``.
        trials: finished ones in all, pruned and failed ones among them.
        processes: that try one trial each at a time.

    Returns:
        ``recipe`` (the path of ``best.yaml``), ``metric``, ``type``, ``own`` and ``best`` (``trial``, ``value``,
        ``values``), ``importance``, and ``trials``.

    Raises:
        RecipeError: all faults of the recipe, or of its space.
        UsageError: the folder belongs to another search, or is in use by one.
        MtssZooError: the first three trials failed, or all.
        KeyboardInterrupt: after Ctrl-C, once every trial that runs has a restart point.
    """
    search = _prepared(load_recipe(recipe, overrides), aim or {}, out, data_root, trials)
    with alone(search.out / LOCK, "search") as lock:
        study.mend(search.out)
        trials_study = open_study(search)
        study.line_up(trials_study, search.space)
        fcntl.flock(lock, fcntl.LOCK_SH)  # each process holds it too: it is free when the last one has ended
        for stage in search.space.untouched(search.recipe):
            train(search.trial, search.out / SHARED, stage=stage)
        failed = len(study.failures(trials_study))
        if processes == 1:
            work(search, failed, 0)
        else:
            run_processes(partial(work, search, failed), processes)
        settle(search, trials_study)
        return _report(search, trials_study)


def _prepared(
    recipe: Recipe, aim: Mapping[str, Any], out: str | Path | None, data_root: str | Path | None, trials: int
) -> Search:
    """Everything that can be wrong is found before the first trial."""
    from mtss_zoo.stage import open_data

    plain = recipe.to_dict()
    recipe = load_recipe({**plain, "tune": {**plain.get("tune", {}), **aim}})
    if not recipe.stages:
        raise UsageError(f"recipe {recipe.name} has no stages, so there is nothing to tune.")
    assert recipe.tune is not None
    space = search_space(recipe, recipe.tune.space)
    trial = trial_recipe(recipe.model_copy(update={"data": recipe.data.rooted(data_root)}))
    search = Search(recipe, trial, space, Path(out or Path("tune") / recipe.name), trials)
    if not registry.resolve(registry.find("strategy", recipe.stages[search.last].strategy.name)).predicts:
        raise UsageError(f"stage {search.last} only pretrains, so it gives nothing to measure a trial by.")
    schema = open_data(trial)[0].attribute_schema
    assert schema is not None
    if recipe.tune.type is not None:
        schema = schema.select([recipe.tune.type])
    if recipe.tune.metric not in (known := metric_names(schema, trial.evaluate.k)):
        near = registry.near_matches(recipe.tune.metric, known)
        raise UnknownNameError(f"no metric {recipe.tune.metric!r} is measured. {near}")
    claim(search.out, trial)
    return search


def _report(search: Search, trials_study: optuna.Study) -> dict[str, Any]:
    """What `tune` returns.

    Raises:
        MtssZooError: all trials failed.
    """
    number = study.best(trials_study)
    if number is None:
        failed = study.failures(trials_study)
        raise MtssZooError(f"all {len(failed)} trials in {search.out} failed, the last one with: {failed[-1]}")
    table = study.rows(trials_study, search.space)
    chosen = next(row for row in table if row["trial"] == number)
    own = next((row for row in table if row["trial"] == study.OWN), {"value": None})
    return {
        "recipe": str(search.out / BEST),
        "metric": search.aim.metric,
        "type": search.aim.type,
        "own": {"value": own["value"], "values": dict(search.space.own)},
        "best": {"trial": number, "value": chosen["value"], "values": {key: chosen[key] for key in search.space.own}},
        "importance": dict(study.importance(trials_study)),
        "trials": table,
    }
