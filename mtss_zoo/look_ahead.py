"""What would end a run in a later stage, found before its first one trains for hours."""

from __future__ import annotations

from collections.abc import Sequence

from mtss_zoo.build import build_strategy
from mtss_zoo.errors import RecipeError
from mtss_zoo.recipe import Recipe
from mtss_zoo.regime import RecipeDataset
from mtss_zoo.registry import near_matches
from mtss_zoo.stage import Context, StageRun
from mtss_zoo.training_module import StageBatches, TrainingModule


def check_losses(recipe: Recipe, dataset: RecipeDataset) -> None:
    """Makes sure that ``losses`` name types of the dataset, which a recipe need not state itself.

    Raises:
        RecipeError: all names that are no type.
    """
    types = dataset.schema.names
    faults = [
        f"stages.{stage}.losses.{name}: no such attribute type. {near_matches(name, types)}"
        for stage, spec in recipe.stages.items()
        for name in spec.losses
        if name not in types
    ]
    if faults:
        raise RecipeError("\n".join(faults))


def check_later_stages(runs: Sequence[StageRun], dataset: RecipeDataset) -> None:
    """Builds one model of every stage after the first that is not finished, as a dry run does, and reads no picture.

    Raises:
        MtssZooError: one of them cannot be built, or its strategy refuses the recipe or the data.
    """
    waiting: dict[str, StageRun] = {}
    for run in runs:
        if not run.finished:
            waiting.setdefault(run.stage, run)
    for run in list(waiting.values())[1:]:  # the first one is built by its training
        context = Context(run, dataset, pretend=True)
        context.unlabelled = dataset.pool  # which of them are measured on, and left out, takes time to find
        strategy = build_strategy(run.spec, run.build_model(pretend=True), context)
        TrainingModule(strategy, context)
        StageBatches(strategy.streams(), context, total=1, done=0, rank=0, world_size=1)
