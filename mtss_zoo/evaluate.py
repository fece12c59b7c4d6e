"""Tables from metrics: one model on one split, and a run's student beside its teachers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mtss_zoo import metrics
from mtss_zoo.build import build_dataset
from mtss_zoo.checkpoint import METRICS, WEIGHTS, load
from mtss_zoo.errors import UsageError
from mtss_zoo.interfaces import AttributeSchema, Batch, Dataset
from mtss_zoo.model import AttributeModel
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.sampling import split_samples
from mtss_zoo.significance import bootstrap_gain
from mtss_zoo.streams import BadImages, evaluation_batches


@dataclass(frozen=True)
class Scored:
    """One attribute type on one split: scores NC, and ground truth NC that holds known labels only."""

    scores: Tensor
    labels: Tensor


def evaluate(
    model: AttributeModel | str | Path,
    dataset: Dataset | None = None,
    split: str | None = None,
    data_root: str | Path | None = None,
) -> dict[str, Any]:
    """Measures a model, or a checkpoint folder, on one split.

    Args:
        model: a model, a checkpoint folder, or ``owner/repo@revision``.
        dataset: default is the dataset of the model's recipe.
        split: default is the recipe's ``evaluate.split``.
        data_root: the folder of a dataset on disk.

    Returns:
        What `measure` gives, with the split's name.
    """
    if not isinstance(model, AttributeModel):
        model = load(model)
    if model.recipe is None:
        raise UsageError("this model was not built from a recipe, which says how to read and measure its pictures.")
    split = split or model.recipe.evaluate.split
    scored = score_split(model, split, dataset, data_root)
    return {"split": split} | measure(scored, model.schema, model.recipe.evaluate.k)


def score_split(
    model: AttributeModel, split: str, dataset: Dataset | None = None, data_root: str | Path | None = None
) -> dict[str, Scored]:
    """Scores and ground truth of every type of the model on a split of its recipe's dataset, or of ``dataset``."""
    assert model.recipe is not None
    data, options = model.recipe.data, model.recipe.evaluate
    dataset = dataset or build_dataset(data.rooted(data_root), model.schema)
    batches = evaluation_batches(
        split_samples(dataset, split, data.holdout, model.recipe.seed),
        model.schema,
        model.preprocess,
        batch_size=options.batch_size,
        workers=data.workers,
        bad_images=BadImages(limit=data.max_bad_images),
    )
    return score(model, batches)


@torch.inference_mode()
def score(model: AttributeModel, batches: Iterable[Batch]) -> dict[str, Scored]:
    """Scores and ground truth of every type, over all batches, on the CPU; the model's mode is left as it was."""
    device, training = next(model.parameters()).device, model.training
    scores: dict[str, list[Tensor]] = {name: [] for name in model.schema.names}
    labels: dict[str, list[Tensor]] = {name: [] for name in model.schema.names}
    model.eval()
    try:
        for batch in batches:
            for name, s in model(batch.images.to(device)).items():
                scores[name].append(s.float().cpu())
                labels[name].append((batch.targets[name] > 0.5) & batch.mask[name])
    finally:
        model.train(training)
    if not all(scores.values()):
        raise UsageError("there are no pictures to measure on: the split is empty, or none could be read.")
    return {name: Scored(torch.cat(scores[name]), torch.cat(labels[name])) for name in scores}


def measure(scored: Mapping[str, Scored], schema: AttributeSchema, ks: Iterable[int] = (1, 3, 5)) -> dict[str, Any]:
    """Every metric of every type, pooled over the types (``all``) and as their plain mean (``macro_types``).

    Keys: ``recall@k``, ``precision@k`` and ``f1@k`` count k predictions for every picture (MTSS); ``f1@k_valid`` only
    for pictures whose label is known; ``mAP``; ``n`` pictures with a known label; ``classes`` recall@1 with n of each.
    """
    ks = tuple(ks)
    types = {name: _one_type(s, schema[name].classes, ks) for name, s in scored.items()}
    headline = [key for key in next(iter(types.values())) if key not in ("n", "classes")]
    pooled: dict[str, float] = {}
    for k in ks:
        pooled |= _ratios([metrics.count_at_k(s.scores, s.labels, k) for s in scored.values()], k)
    return {
        "n": len(next(iter(scored.values())).scores),
        "types": types,
        "all": pooled,
        "macro_types": {key: metrics.macro_types(t[key] for t in types.values()) for key in headline},
    }


def _one_type(s: Scored, classes: tuple[str, ...], ks: tuple[int, ...]) -> dict[str, Any]:
    row: dict[str, Any] = {"n": int(s.labels.any(1).sum())}
    for k in ks:
        row |= _ratios([metrics.count_at_k(s.scores, s.labels, k)], k)
        row[f"f1@{k}_valid"] = metrics.count_at_k(s.scores, s.labels, k, empty="exclude").f1
    row["mAP"] = metrics.mean_average_precision(s.scores, s.labels)
    recall, positives = metrics.class_recall_at_k(s.scores, s.labels, 1)
    with_truth = [i for i, n in enumerate(positives.tolist()) if n]
    row["classes"] = {classes[i]: {"recall@1": float(recall[i]), "n": int(positives[i])} for i in with_truth}
    return row


def _ratios(counts: list[metrics.Counts], k: int) -> dict[str, float]:
    pooled = sum(counts, metrics.Counts())
    return {f"recall@{k}": pooled.recall, f"precision@{k}": pooled.precision, f"f1@{k}": pooled.f1}


def compare(student: Mapping[str, Scored], teacher: Mapping[str, Scored], k: int = 1, seed: int = 0) -> dict[str, Any]:
    """The student's gain over its teachers in F1@k and recall@k, by type and pooled, with 95 % bootstrap intervals.

    Both were scored on the same pictures in the same order. ``relative`` is percent, ``absolute`` percentage points.
    """

    def counts(scored: Scored) -> metrics.ImageCounts:
        return metrics.image_counts(scored.scores, scored.labels, k)

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


def evaluate_run(run: str | Path, split: str | None = None, data_root: str | Path | None = None) -> dict[str, Any]:
    """Every finished stage of a run folder on one split, and the last stage against the one before it.

    For MTSS that is the student against its teachers; what only one of them predicts is left out of the comparison.

    Returns:
        ``{"split", "stages": {stage: measured}, "gain": {type: ...}}``; ``gain`` where there are two stages.

    Raises:
        UsageError: the folder is no run, or nothing in it is finished.
    """
    run = Path(run)
    if not (run / "recipe.yaml").is_file():
        raise UsageError(f"{run} is neither a run's folder nor a checkpoint: it has no recipe.yaml.")
    recipe = load_recipe(run / "recipe.yaml")
    split = split or recipe.evaluate.split
    scored = {
        stage: {name: s for m in models.values() for name, s in score_split(m, split, data_root=data_root).items()}
        for stage in recipe.stages
        if (models := measured_models(run / stage))
    }
    if not scored:
        raise UsageError(f"{run} holds no finished stage yet; train it to the end of one first.")
    schema = recipe.attribute_schema
    assert schema is not None, "a run's recipe states its schema"
    report: dict[str, Any] = {"split": split, "stages": {s: measure(x, schema) for s, x in scored.items()}}
    *_, before, last = ({}, *scored.values())
    if common := [name for name in schema.names if name in before and name in last]:
        report["gain"] = compare({n: last[n] for n in common}, {n: before[n] for n in common})
    return report


def measured_models(folder: Path) -> dict[str, AttributeModel]:
    """The finished models of one stage's folder: ``{"all": model}``, or one for each attribute type.

    A stage of pretraining, whose heads have learnt nothing, has none.
    """
    parts = {"all": folder} | {p.parent.name: p.parent for p in sorted(folder.glob("*/metrics.json"))}
    finished = {name: p for name, p in parts.items() if all((p / f).is_file() for f in (METRICS, WEIGHTS))}
    return {name: load(p) for name, p in finished.items() if "types" in json.loads((p / METRICS).read_text())}
