"""What the models of one stage answered, picture by picture: enough to measure it and to compare it with another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtss_zoo.checkpoint_files import RECIPE, read_json
from mtss_zoo.evaluate import measured_models, score_samples, split_samples
from mtss_zoo.files.whole_files import whole_file, write_whole
from mtss_zoo.json_text import to_json
from mtss_zoo.measures import Scored, measure
from mtss_zoo.metrics import ImageCounts, image_counts
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.significance import Metric, bootstrap_gain

MEASURED, COUNTS = "measured.json", "counts.npz"
GAINS: tuple[tuple[Metric, int], ...] = (("f1", 1), ("recall", 3))
"""The metrics that are compared: F1@1 and R@3, those of the papers' tables."""


@dataclass(frozen=True)
class Answers:
    """One attribute type: counts by k, and a digest of pictures and truth, equal where the pictures are the same."""

    counts: Mapping[int, ImageCounts]
    truth: str


def measure_stage(run: Path, stage: str) -> None:
    """Measures a finished stage of a run folder on the recipe's split; ``counts.npz`` and ``measured.json`` stay.

    A stage of pretraining, which predicts nothing, has no types.
    """
    recipe, folder = load_recipe(run / RECIPE), run / stage
    schema = recipe.attribute_schema
    assert schema is not None, "a run's recipe states its schema"
    measured: dict[str, Any] = {"types": {}}
    if models := measured_models(folder):
        samples = split_samples(recipe, recipe.evaluate.split)
        scored = {name: s for model in models.values() for name, s in score_samples(model, samples).items()}
        scored = {name: scored[name] for name in schema.names if name in scored}
        measured = {"split": recipe.evaluate.split} | measure(scored, schema, recipe.evaluate.k)
        write_answers(folder, scored)
    write_whole(folder / MEASURED, to_json(measured))


def read_measured(stage: Path) -> dict[str, Any]:
    """What `measure` gave for a stage."""
    return read_json(stage / MEASURED)


def read_answers(stage: Path) -> dict[str, Answers]:
    """Attribute type to its answers."""
    with np.load(stage / COUNTS, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    names = json.loads(arrays.pop("names").tobytes())
    return {name: _read_type(arrays, str(i)) for i, name in enumerate(names)}


def relative_gain(
    answers: Sequence[Mapping[str, Answers]],
    before: Sequence[Mapping[str, Answers]],
    names: Sequence[str],
    metric: Metric,
    k: int,
) -> list[float] | None:
    """The gain of some trainings over as many others, in percent, with its 95 % bootstrap interval over the pictures.

    All trainings and types are pooled. Their F1 and recall are then those of the means over the trainings, since each
    was measured on the same pictures. ``None`` where they were not.
    """
    sides = [[of_run[name] for of_run in side for name in names] for side in (answers, before)]
    if [a.truth for a in sides[0]] != [a.truth for a in sides[1]]:
        return None
    if len({a.counts[k].tp_NT.shape[0] for side in sides for a in side}) > 1:
        return None
    mine, other = (ImageCounts.stack([a.counts[k] for a in side]) for side in sides)
    gain = bootstrap_gain(mine, other, metric).relative
    return [gain.point, gain.low, gain.high]


def write_answers(stage: Path, scored: Mapping[str, Scored]) -> None:
    """Keeps what the models of a stage answered, in ``counts.npz``."""
    # Types are numbered, as their names may hold what the name of a file may not.
    arrays = {"names": np.frombuffer(json.dumps(list(scored)).encode(), np.uint8)}
    for number, s in enumerate(scored.values()):
        truth = hashlib.sha256(s.rows.numpy().tobytes() + np.packbits(s.labels.numpy()).tobytes())
        arrays[f"{number}/truth"] = np.frombuffer(truth.digest(), np.uint8)
        for _, k in GAINS:
            counts = image_counts(s.scores, s.labels, k)
            fields = (counts.tp_NT, counts.returned_NT, counts.positives_NT)
            arrays[f"{number}/{k}"] = torch.cat(fields, dim=1).numpy().astype(np.uint16)
    with whole_file(stage / COUNTS) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _read_type(arrays: Mapping[str, Any], number: str) -> Answers:
    counts = {}
    for _, k in GAINS:
        tp, returned, positives = torch.from_numpy(arrays[f"{number}/{k}"].astype(np.int64)).unsqueeze(1).unbind(2)
        counts[k] = ImageCounts(tp, returned, positives)
    return Answers(counts, arrays[f"{number}/truth"].tobytes().hex())
