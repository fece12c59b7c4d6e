"""The dry run: builds everything, draws a batch of every stream, takes a step, and says what a training would be."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mtss_zoo.build import build_strategy
from mtss_zoo.errors import MtssZooError
from mtss_zoo.interfaces import Samples
from mtss_zoo.look_ahead import check_losses
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.regime import RecipeDataset
from mtss_zoo.stage import Context, StageRun, expand, open_data
from mtss_zoo.training_module import StageBatches, TrainingModule, stage_length

Row = dict[str, Any]


def plan(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    data_root: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    stage: str | None = None,
    type_name: str | None = None,
) -> dict[str, Any]:
    """What `train` would do; nothing is written and nothing is kept.

    Stages that are not trained yet are stood in for by random weights. One step is taken for every stage; of a
    ``per_type`` stage the first type's, since the others differ in their head alone. The arguments are those of
    `train`.

    Returns:
        ``{"tables": {title: rows}, "problems": [words]}``: pictures and labels that are used of every split; steps and
        batches of every model; parameters, and memory in MB: ``state`` of weights, gradients and optimiser, ``peak``
        measured in one step; what the dataset lacks on disk, and what failed.

    Raises:
        RecipeError, UsageError: what is asked for does not exist, or the recipe does not fit the dataset.
    """
    asked = load_recipe(recipe, overrides)
    resolved, dataset = open_data(asked.model_copy(update={"data": asked.data.rooted(data_root)}))
    check_losses(asked, dataset)
    problems = dataset.check()
    resolved = resolved.model_copy(update={"data": resolved.data.model_copy(update={"workers": 0})})
    tables: dict[str, list[Row]] = {"pictures and labels": _split_rows(resolved, dataset), "stages": [], "sizes": []}
    stepped = set()
    for run in expand(resolved, Path(), stage, type_name):
        try:
            length, size = _stage_rows(run, dataset, step=run.stage not in stepped)
            tables["stages"].append({"stage": run.label, **length})
            tables["sizes"].append({"stage": run.label, **size})
        except MtssZooError as error:
            problems.append(f"{run.label}: {error}")
        stepped.add(run.stage)
    return {"tables": tables, "problems": problems}


def _split_rows(recipe: Recipe, dataset: RecipeDataset) -> list[Row]:
    samples: dict[str, Samples] = {name: dataset.split(name) for name in dataset.splits}
    samples["unlabelled"] = dataset.unlabelled()
    types = recipe.attribute_schema.names if recipe.attribute_schema else ()
    return [
        {"split": name, "pictures": len(s)} | {t: len(s.label_pairs(t)[0]) for t in types}
        for name, s in samples.items()
    ]


def _stage_rows(run: StageRun, dataset: RecipeDataset, step: bool) -> tuple[Row, Row]:
    from mtss_zoo.fit import make_trainer, quiet_lightning

    context = Context(run, dataset, pretend=True)
    model = run.build_model(pretend=True)
    strategy = build_strategy(run.spec, model, context)
    streams = strategy.streams()
    with quiet_lightning():
        world_size = make_trainer(run, []).world_size
        batches, length = stage_length(run.spec, streams, world_size, run.recipe.trainer.accumulate_grad_batches)
        module = TrainingModule(strategy, context)
        if step:
            one = {"devices": 1, "num_nodes": 1, "strategy": "auto", "limit_train_batches": 1}
            make_trainer(run, [], **one).fit(module)
        else:
            next(iter(StageBatches(streams, context, batches, 0, 0, world_size)))
    weights = [p for p in module.parameters() if p.requires_grad]
    steps = {
        "epochs": round(length.steps / length.per_epoch, 3),
        "steps": length.steps,
        "pictures a step": length.images,
        "batches": ", ".join(f"{name} {stream.batch_size}" for name, stream in streams.items()),
        "processes": world_size,
    }
    sizes = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained": sum(p.numel() for p in weights),
        "state MB": _state_megabytes(run, module, weights),
        "peak MB": _peak_megabytes() if step else None,
    }
    return steps, sizes


def _state_megabytes(run: StageRun, module: TrainingModule, weights: list[torch.nn.Parameter]) -> int:
    optimizer = run.spec.optimizer
    moments = 2 if optimizer.name == "adamw" else int(optimizer.momentum > 0)
    everything = sum(t.nbytes for t in (*module.parameters(), *module.buffers()))
    return round((everything + (1 + moments) * sum(p.nbytes for p in weights)) / 1e6)


def _peak_megabytes() -> int:
    """Of the accelerator since the process began, else of this process."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return round(torch.cuda.max_memory_allocated() / 1e6)
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
