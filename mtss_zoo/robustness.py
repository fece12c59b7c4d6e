"""How far models fall on corrupted pictures: 15 corruptions in five severities (MTSS, section 4 and Table 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, TypeAlias

import numpy as np
import torch

from mtss_zoo import corruption
from mtss_zoo.build import build_preprocess
from mtss_zoo.corrupted_samples import CorruptedSamples, Corruption
from mtss_zoo.corruption import CORRUPTIONS, GROUPS, SEVERITIES, Variant
from mtss_zoo.errors import UsageError
from mtss_zoo.evaluate import Stages, score, side_by_side, split_samples
from mtss_zoo.interfaces import Batch, Dataset, Samples
from mtss_zoo.measures import Scored, measure
from mtss_zoo.model import AttributeModel
from mtss_zoo.progress import PictureCount
from mtss_zoo.recipe import Recipe
from mtss_zoo.sampling import SubsetSamples, derived_seed
from mtss_zoo.streams import BadImages, evaluation_batches

Row: TypeAlias = dict[str, dict[str, float]]
"""``all`` and each attribute type to metric to value: recall@k, f1@k, and acc@1 of a single type."""


def evaluate_corrupted(
    model: AttributeModel | str | Path,
    dataset: Dataset | None = None,
    split: str | None = None,
    data_root: str | Path | None = None,
    variant: Variant = "imaug",
    names: Sequence[str] | None = None,
    max_images: int | None = None,
    seed: int = 0,
    save_quality: int | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Measures a model, or all finished stages of a run, on a split as it is and on every corruption of it.

    A picture is corrupted as the model would see it: cropped and resized, not yet normalised. The result depends on
    its id, the corruption, the severity and ``seed`` alone: every stage sees the same pixels, with any number of
    workers.

    Args:
        model: a model, a checkpoint folder, ``owner/repo@revision``, or a run's folder.
        dataset, split, data_root: as for `mtss_zoo.evaluate`.
        variant, save_quality: as for `mtss_zoo.corruption.corrupt`.
        names: some of `mtss_zoo.corruption.CORRUPTIONS`; default all 15.
        max_images: measure on so many pictures, drawn with ``seed``; fewer of the same seed lie in more.
        workers: processes that read and corrupt pictures; default the recipe's ``data.workers``.

    Returns:
        ``split``, ``n`` pictures, ``data_root``, ``variant``, ``package`` with its version, ``names``, ``max_images``,
        ``seed``, ``save_quality``, and ``stages``: stage to ``clean``, ``mean`` (over all cells alike), ``drop`` from
        the one to the other in percent, the means ``by_corruption``, ``by_group`` and ``by_severity``, and ``cells``:
        corruption to severity. All are a `Row`, or names to rows. One model alone is one stage.

    Raises:
        UsageError: there is no such corruption, variant or split, or the run has no finished stage.
        MtssZooError: the extra ``corruptions`` is not installed.
    """
    names = list(dict.fromkeys(names or CORRUPTIONS))
    for name in names:
        corruption.check(name, variant=variant)
    corruption.prepare(names)
    recipe, stages = side_by_side(model)
    split = split or recipe.evaluate.split
    samples = _some(split_samples(recipe, split, dataset, data_root), max_images, seed)
    count = PictureCount(len(samples) * (1 + len(names) * len(SEVERITIES)))
    measuring = _Measuring(recipe, stages, recipe.data.workers if workers is None else workers, count)
    cells: dict[str, dict[str, dict[str, Row]]] = {stage: {name: {} for name in names} for stage in stages}
    try:
        clean = measuring.rows(samples)
        for name in names:
            for severity in SEVERITIES:
                cell = Corruption(name, severity, seed, variant, save_quality)
                for stage, row in measuring.rows(CorruptedSamples(samples, measuring.preprocess, cell)).items():
                    cells[stage][name][str(severity)] = row
    finally:
        count.close()
    return {
        "split": split,
        "n": len(samples) - len(measuring.bad_images),
        "data_root": None if data_root is None else str(data_root),
        "variant": variant,
        "package": f"{corruption.PACKAGE} {corruption.package_version()}",
        "names": names,
        "max_images": max_images,
        "seed": seed,
        "save_quality": save_quality,
        "stages": {stage: _summary(clean[stage], cells[stage]) for stage in stages},
    }


def drop(corrupted: float, clean: float) -> float:
    """What corruption costs in percent of the clean value, NaN where that is 0: 42.96 after 57.47 is a drop of 25.2."""
    return 100 * (1 - corrupted / clean) if clean else float("nan")


class _Measuring:
    """Measures all stages on the same pictures, each of which is read and corrupted once for all of them."""

    def __init__(self, recipe: Recipe, stages: Stages, workers: int, count: PictureCount) -> None:
        self.recipe, self.stages, self.workers, self.count = recipe, stages, workers, count
        self.preprocess = build_preprocess(recipe.data)
        self.bad_images = BadImages(recipe.data.max_bad_images)

    def rows(self, samples: Samples) -> dict[str, Row]:
        """Stage to its metrics on these pictures."""
        schema, options = self.recipe.attribute_schema, self.recipe.evaluate
        assert schema is not None, "the recipe of a run or a checkpoint states its schema"
        batches = evaluation_batches(
            samples, schema, self.preprocess, options.batch_size, self.workers, self.bad_images
        )
        return {
            stage: _row(measure({t: of_type[t] for t in schema.names if t in of_type}, schema, options.k))
            for stage, of_type in self._scored(batches).items()
        }

    def _scored(self, batches: Iterable[Batch]) -> dict[str, dict[str, Scored]]:
        parts: dict[str, dict[str, list[Scored]]] = {stage: {} for stage in self.stages}
        for batch in batches:
            for stage, models in self.stages.items():
                for name, scored in (item for model in models.values() for item in score(model, [batch]).items()):
                    parts[stage].setdefault(name, []).append(scored)
            self.count.add(len(batch.rows))
        if not all(parts.values()):
            raise UsageError("there are no pictures to measure on: the split is empty, or none could be read.")
        return {stage: {name: _joined(p) for name, p in by_type.items()} for stage, by_type in parts.items()}


def _joined(parts: Sequence[Scored]) -> Scored:
    return Scored(*(torch.cat([getattr(part, field) for part in parts]) for field in ("scores", "labels", "rows")))


def _some(samples: Samples, max_images: int | None, seed: int) -> Samples:
    if max_images is None or max_images >= len(samples):
        return samples
    order = np.random.default_rng(derived_seed(seed)).permutation(len(samples))
    return SubsetSamples(samples, np.sort(order[:max_images]))


def _row(measured: Mapping[str, Any]) -> Row:
    rows = {"all": measured["all"], **measured["types"]}
    return {name: {key: row[key] for key in row if _is_kept(key)} for name, row in rows.items()}


def _is_kept(metric: str) -> bool:
    return metric == "acc@1" or (metric.startswith(("recall@", "f1@")) and not metric.endswith("_valid"))


def _summary(clean: Row, cells: Mapping[str, Mapping[str, Row]]) -> dict[str, Any]:
    every = [row for by_severity in cells.values() for row in by_severity.values()]
    mean = _mean(every)
    groups = {group: [name for name in names if name in cells] for group, names in GROUPS.items()}
    return {
        "clean": clean,
        "mean": mean,
        "drop": {t: {metric: drop(value, clean[t][metric]) for metric, value in of.items()} for t, of in mean.items()},
        "by_corruption": {name: _mean(rows.values()) for name, rows in cells.items()},
        "by_group": {g: _mean(r for n in names for r in cells[n].values()) for g, names in groups.items() if names},
        "by_severity": {str(s): _mean(rows[str(s)] for rows in cells.values()) for s in SEVERITIES},
        "cells": cells,
    }


def _mean(rows: Iterable[Row]) -> Row:
    """Each row has the same weight, however many pictures are behind it."""
    rows = list(rows)
    return {t: {metric: fmean(row[t][metric] for row in rows) for metric in rows[0][t]} for t in rows[0]}
