"""One trial of a search: trains a recipe with some of its values changed, and measures it on the hold-out."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path

import optuna

from mtss_zoo.errors import MtssZooError
from mtss_zoo.interfaces import AttributeSchema
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.run_log import read_log
from mtss_zoo.train import train
from mtss_zoo.tune_spec import TuneSpec
from mtss_zoo.tuning.search_space import SearchSpace
from mtss_zoo.tuning.study import OWN

HOLDOUT = 0.15
LOWER_IS_BETTER = {"ce"}
SHARED = "shared"
SMALL = {".yaml", ".json", ".csv", ".txt", ".md", ".png"}
"""What is kept of a trial that is not the best."""


@dataclass(frozen=True)
class Search:
    """What all processes of a search know.

    ``recipe`` is the user's; ``trial`` is what a trial trains, before its values are set.
    """

    recipe: Recipe
    trial: Recipe
    space: SearchSpace
    out: Path
    trials: int

    @property
    def aim(self) -> TuneSpec:
        """What is made as good as possible."""
        return self.recipe.tune or TuneSpec()

    @property
    def last(self) -> str:
        """The stage that is measured."""
        return list(self.recipe.stages)[-1]

    @property
    def type_name(self) -> str | None:
        """The one type that the last stage trains, where it trains one model for each."""
        return self.aim.type if self.recipe.stages[self.last].per_type else None

    @property
    def lower_is_better(self) -> bool:
        """Whether the metric is one to be made small."""
        return self.aim.metric in LOWER_IS_BETTER

    @property
    def prunes(self) -> bool:
        """Whether trials can be compared epoch by epoch: the last stage trains one model."""
        return not self.recipe.stages[self.last].per_type or self.type_name is not None

    def folder(self, number: int) -> Path:
        """A trial's run folder."""
        return self.out / "trials" / f"{number:04d}"


def trial_recipe(recipe: Recipe) -> Recipe:
    """The recipe that chooses and measures on a part of ``train`` that is set aside, on one device."""
    metric = recipe.tune.metric if recipe.tune else ""
    k = metric.partition("@")[2]
    changes = {
        "data.holdout": recipe.data.holdout or HOLDOUT,
        "evaluate.split": "holdout",
        "evaluate.select_on": "holdout",
        "evaluate.k": sorted({*recipe.evaluate.k, *([int(k)] if k.isdigit() and int(k) else [])}),
        "trainer.devices": 1,
        "trainer.num_nodes": 1,
        "trainer.strategy": "auto",
    }
    return load_recipe(recipe, changes).model_copy(update={"weights": None})


def run_trial(search: Search, number: int, trial: optuna.Trial, devices: int | list[int]) -> float:
    """Trains what is not trained yet of a trial, and gives the value of the metric.

    Raises:
        optuna.TrialPruned: most trials were better after as many epochs.
        MtssZooError: it cannot be trained or measured.
    """
    folder = search.folder(number)
    recipe = load_recipe(search.trial, {**search.space.values(trial.params), "trainer.devices": devices})
    for stage in search.space.untouched(recipe):
        if not (folder / stage).is_symlink():
            (folder / stage).symlink_to(Path("..", "..", SHARED, stage))
    watch = _Watch(search, number, trial) if search.prunes else None
    if watch:
        watch.catch_up(folder / search.last / (search.type_name or ""))
    for stage in recipe.stages:
        last = stage == search.last
        train(
            recipe,
            folder,
            stage=stage,
            type_name=search.type_name if last else None,
            on_validation=watch if last else None,
        )
    return measured_value(folder / search.last, search.aim)


class _Watch:
    """Reports every validation of a trial to the study, and ends the trial if the pruner says so."""

    def __init__(self, search: Search, number: int, trial: optuna.Trial) -> None:
        self.trial, self.may_prune = trial, number != OWN
        self.sign = -1 if search.lower_is_better else 1
        self.epochs: set[int] = set()

    def __call__(self, epoch: int, f1: float) -> None:
        if epoch not in self.epochs:
            self.epochs.add(epoch)
            self.trial.report(self.sign * f1, epoch)
        if self.may_prune and self.trial.should_prune():
            raise optuna.TrialPruned()

    def catch_up(self, folder: Path) -> None:
        """Reports what was validated before the trial was cut short."""
        for row in read_log(folder / "log.csv"):
            if "val/f1@1" in row:
                self(math.ceil(float(row["epoch"]) - 1e-6), float(row["val/f1@1"]))


def measured_value(folder: Path, aim: TuneSpec) -> float:
    """The metric of a finished stage: of one type, or pooled over the types, or else their mean.

    Where the stage trains a model for each type, the mean over the models.

    Raises:
        MtssZooError: the hold-out has no picture for which it is defined.
    """
    files = [folder / "metrics.json"] if (folder / "metrics.json").is_file() else sorted(folder.glob("*/metrics.json"))
    measured = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    tables = [m["types"].get(aim.type, {}) if aim.type else {**m["macro_types"], **m["all"]} for m in measured]
    values = [table[aim.metric] for table in tables if aim.metric in table]
    if None in values:  # what JSON has for NaN
        raise MtssZooError(f"{aim.metric} is not defined on the hold-out: none of its pictures has a label.")
    return float(sum(values) / len(values))


def metric_names(schema: AttributeSchema, ks: list[int]) -> list[str]:
    """The metrics of these types that `measure` gives."""
    import torch

    from mtss_zoo.measures import Scored, measure

    row = torch.zeros(1, dtype=torch.int64)
    blank = {t.name: Scored(torch.zeros(1, len(t)), torch.ones(1, len(t), dtype=torch.bool), row) for t in schema}
    return list(measure(blank, schema, ks)["macro_types"])


def drop_weights(folder: Path) -> None:
    """Removes weights, restart points and caches of a run; recipe, metrics and logs stay. Links are not followed."""
    for place, _, names in os.walk(folder):
        for name in names:
            file = Path(place, name)
            if file.suffix not in SMALL and file.parent.name != "tensorboard":
                file.unlink()
