"""Tables from metrics: one model on one split, and a run's student beside its teachers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from mtss_zoo import metrics
from mtss_zoo.build import build_dataset
from mtss_zoo.checkpoint import load
from mtss_zoo.checkpoint_files import METRICS, RECIPE, WEIGHTS, read_json
from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import Batch, Dataset, Samples
from mtss_zoo.measures import Scored, measure, slice_values, wanted_slices
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.regime import RecipeDataset
from mtss_zoo.significance import bootstrap_gain
from mtss_zoo.streams import BadImages, evaluation_batches

Stages: TypeAlias = dict[str, dict[str, AttributeModel]]
"""Stage to its models: ``all``, or one for each attribute type."""


def evaluate(
    model: AttributeModel | str | Path,
    dataset: Dataset | None = None,
    split: str | None = None,
    data_root: str | Path | None = None,
    slices: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Measures a model, or a checkpoint folder, on one split.

    Args:
        model: a model, a checkpoint folder, or ``owner/repo@revision``.
        dataset: default is the dataset of the model's recipe.
        split: default is the recipe's ``evaluate.split``.
        data_root: the folder of a dataset on disk.
        slices: metadata columns, for metrics of each of their values; default is the recipe's ``evaluate.slices``.

    Returns:
        What `measure` gives, with the split's name.

    Raises:
        UnknownNameError: no picture has a value in a column of ``slices``.
    """
    folder = None if isinstance(model, AttributeModel) else Path(model)
    if not isinstance(model, AttributeModel):
        model = opened(model)
    if model.recipe is None:
        raise UsageError("this model was not built from a recipe, which says how to read and measure its pictures.")
    options = model.recipe.evaluate
    split = split or options.split
    recipe = _recipe_of_run(folder, model.recipe) if folder else model.recipe
    samples = split_samples(recipe, split, dataset, data_root)
    values = slice_values(samples, options.slices) if slices is None else wanted_slices(samples, slices)
    return {"split": split} | measure(score_samples(model, samples), model.schema, options.k, values)


def _recipe_of_run(folder: Path, recipe: Recipe) -> Recipe:
    """The recipe of the run that a checkpoint folder lies in, or its own.

    A teacher's own states one attribute type alone, and splits that are drawn by the first type would be others.
    """
    for parent in folder.resolve().parents[:2]:
        if (parent / RECIPE).is_file() and (whole := load_recipe(parent / RECIPE)).name == recipe.name:
            return whole
    return recipe


def split_samples(
    recipe: Recipe, split: str, dataset: Dataset | None = None, data_root: str | Path | None = None
) -> Samples:
    """A split of the recipe's dataset, or of ``dataset``, to measure on: all that is not held out from it."""
    whole = recipe.data.rooted(data_root).model_copy(update={"label_share": 1.0})
    if dataset is not None:  # whose pictures may have the same ids
        whole = whole.model_copy(update={"boxes": None})
    dataset = dataset or build_dataset(whole, recipe.attribute_schema)
    return RecipeDataset(dataset, whole, recipe.seed).split(split)


def score_samples(model: AttributeModel, samples: Samples) -> dict[str, Scored]:
    """Scores and ground truth of every type of the model."""
    assert model.recipe is not None
    data = model.recipe.data
    batches = evaluation_batches(
        samples,
        model.schema,
        model.preprocess,
        batch_size=model.recipe.evaluate.batch_size,
        workers=data.workers,
        bad_images=BadImages(limit=data.max_bad_images),
    )
    return score(model, batches)


@torch.inference_mode()
def score(model: AttributeModel, batches: Iterable[Batch]) -> dict[str, Scored]:
    """Scores, truth and rows of every type, over all batches, on the CPU; the model's mode is left as it was."""
    device, training = next(model.parameters()).device, model.training
    scores: dict[str, list[Tensor]] = {name: [] for name in model.schema.names}
    labels: dict[str, list[Tensor]] = {name: [] for name in model.schema.names}
    rows: list[Tensor] = []
    model.eval()
    try:
        for batch in batches:
            rows.append(batch.rows.cpu())
            for name, s in model(batch.images.to(device)).items():
                scores[name].append(s.float().cpu())
                labels[name].append((batch.targets[name] > 0.5) & batch.mask[name])
    finally:
        model.train(training)
    if not all(scores.values()):
        raise UsageError("there are no pictures to measure on: the split is empty, or none could be read.")
    return {name: Scored(torch.cat(scores[name]), torch.cat(labels[name]), torch.cat(rows)) for name in scores}


def compare(
    student: Mapping[str, Scored],
    teacher: Mapping[str, Scored],
    k: int = 1,
    seed: int = 0,
    empty: metrics.Empty = "include",
) -> dict[str, Any]:
    """The student's gain over its teachers in F1@k and recall@k, by type and pooled, with 95 % bootstrap intervals.

    Both were scored on the same pictures in the same order. ``relative`` is percent, ``absolute`` percentage points.
    ``empty`` says whether pictures count that have no label of a type, as in `metrics.image_counts`.
    """

    def counts(scored: Scored) -> metrics.ImageCounts:
        return metrics.image_counts(scored.scores, scored.labels, k, empty)

    pairs = {name: (counts(student[name]), counts(teacher[name])) for name in student}
    stacked = [metrics.ImageCounts.stack([p[i] for p in pairs.values()]) for i in (0, 1)]
    pairs["all"] = (stacked[0], stacked[1])
    gains: dict[str, Any] = {}
    for name, (s, t) in pairs.items():
        for metric in ("f1", "recall"):
            gain = bootstrap_gain(s, t, metric, seed=seed)
            for word, interval in (("relative", gain.relative), ("absolute", gain.absolute)):
                values = [interval.point, interval.low, interval.high]
                gains.setdefault(name, {})[f"{metric}@{k} {word}"] = values
    return gains


def evaluate_run(
    run: str | Path,
    split: str | None = None,
    data_root: str | Path | None = None,
    slices: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Every finished stage of a run folder on one split, and the last stage against the one before it.

    For MTSS that is the student against its teachers; what only one of them predicts is left out of the comparison.
    The arguments are those of `evaluate`.

    Returns:
        ``{"split", "stages": {stage: measured}, "gain": {type: ...}}``; ``gain`` where there are two stages.

    Raises:
        UsageError: the folder is no run, or nothing in it is finished.
        UnknownNameError: no picture has a value in a column of ``slices``.
    """
    recipe, stages_of_run = finished_stages(run)
    split = split or recipe.evaluate.split
    samples = split_samples(recipe, split, data_root=data_root)
    values = slice_values(samples, recipe.evaluate.slices) if slices is None else wanted_slices(samples, slices)
    scored = score_stages(stages_of_run, samples)
    schema = recipe.attribute_schema
    assert schema is not None, "a run's recipe states its schema"
    scored = {stage: {name: s[name] for name in schema.names if name in s} for stage, s in scored.items()}
    stages = {stage: measure(s, schema, recipe.evaluate.k, values) for stage, s in scored.items()}
    report: dict[str, Any] = {"split": split, "stages": stages}
    *_, before, last = ({}, *scored.values())
    if common := [name for name in last if name in before]:
        report["gain"] = compare({n: last[n] for n in common}, {n: before[n] for n in common})
    return report


def side_by_side(source: AttributeModel | str | Path) -> tuple[Recipe, Stages]:
    """What is measured together, and the recipe that says how: all finished stages of a run, or one model as a stage.

    Args:
        source: a model, a checkpoint folder, ``owner/repo@revision``, or a run's folder.

    Raises:
        UsageError: the model was not built from a recipe, or nothing of the run is finished.
    """
    if not isinstance(source, AttributeModel) and Path(source).is_dir() and not (Path(source) / WEIGHTS).is_file():
        return finished_stages(source)
    name, model = ("model", source) if isinstance(source, AttributeModel) else (Path(source).name, opened(source))
    if model.recipe is None:
        raise UsageError("this model was not built from a recipe, which says how to read and measure its pictures.")
    return model.recipe, {name: {"all": model}}


def score_stages(stages: Stages, samples: Samples) -> dict[str, dict[str, Scored]]:
    """Stage to scores and ground truth of every type that one of its models has."""
    return {
        stage: {name: s for model in models.values() for name, s in score_samples(model, samples).items()}
        for stage, models in stages.items()
    }


def finished_stages(run: str | Path) -> tuple[Recipe, Stages]:
    """A run's recipe, and the models of each stage that has any, in order.

    Raises:
        UsageError: the folder is no run, or nothing in it is finished.
    """
    run = Path(run)
    if not (run / RECIPE).is_file():
        raise UsageError(f"{run} is neither a run's folder nor a checkpoint: it has no recipe.yaml.")
    recipe = load_recipe(run / RECIPE)
    stages = {stage: models for stage in recipe.stages if (models := measured_models(run / stage))}
    if not stages:
        raise UsageError(f"{run} holds no finished stage yet; train it to the end of one first.")
    return recipe, stages


def measured_models(folder: Path) -> dict[str, AttributeModel]:
    """The finished models of one stage's folder: ``{"all": model}``, or one for each attribute type.

    A stage of pretraining, whose heads have learnt nothing, has none.
    """
    parts = {"all": folder} | {p.parent.name: p.parent for p in sorted(folder.glob("*/metrics.json"))}
    finished = {name: p for name, p in parts.items() if all((p / f).is_file() for f in (METRICS, WEIGHTS))}
    return {name: opened(p) for name, p in finished.items() if "types" in read_json(p / METRICS)}


def opened(source: str | Path) -> AttributeModel:
    """A saved model as `load` gives it, on a GPU where there is one and the model's recipe trains on one."""
    model = load(source)
    assert model.recipe is not None, "a saved model has a recipe"
    use_gpu = model.recipe.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return model.to("cuda") if use_gpu else model
