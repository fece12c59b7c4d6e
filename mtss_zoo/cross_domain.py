"""A model on another domain's dataset, whose classes it knows under other names (MTSS, section 4, Table 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtss_zoo import metrics
from mtss_zoo.aliases import SharedClasses, read_aliases
from mtss_zoo.errors import UsageError
from mtss_zoo.evaluate import compare, score_samples, side_by_side
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset, Sample, Samples
from mtss_zoo.measures import Scored
from mtss_zoo.model import AttributeModel
from mtss_zoo.named_data import open_named
from mtss_zoo.sampling import Integers, Pairs


def evaluate_across(
    model: AttributeModel | str | Path,
    aliases: str | Path | Mapping[str, Any],
    dataset: Dataset | str | Path,
    split: str = "test",
    data_root: str | Path | None = None,
) -> dict[str, Any]:
    """Measures a model, or every finished stage of a run, on the classes that it shares with another dataset.

    Only pictures that have one of the shared classes count. The score of a shared class is the largest one of the
    model's classes that mean it, so the model decides among the shared classes alone.

    Args:
        model: a model, a checkpoint folder, ``owner/repo@revision``, or a run's folder.
        aliases: an alias map as `read_aliases` takes it.
        dataset: the other domain's, or the name of a dataset component or recipe.
        split: of that dataset.
        data_root: its folder, where ``dataset`` is a name.

    Returns:
        ``{"split", "dataset", "data_root", "aliases", "pictures", "stages": {stage: {"n", "types": {type: row},
        "all"}}, "gain"}``; ``aliases`` is the map's path, or the map where it came as plain data. ``row`` has
        ``n`` pictures, ``f1@1``, ``recall@1``, ``precision@1``, and the same of each of its ``classes``; types have the
        model's names, classes the dataset's. ``all`` pools the types. ``gain`` is the last stage's over the one before.

    Raises:
        UsageError: the map does not fit, or no picture has a shared class.
    """
    name = type(dataset).__name__.lower() if isinstance(dataset, Dataset) else str(dataset)
    other = dataset if isinstance(dataset, Dataset) else open_named(dataset, data_root, shares=False)[1]
    recipe, stages = side_by_side(model)
    known = recipe.attribute_schema
    assert known is not None, "the recipe of a run or a checkpoint states its schema"
    shared = read_aliases(aliases, known, other.schema)
    pictures = other.split(split)
    samples = SharedPictures(pictures, shared)
    if not len(samples):
        raise UsageError(f"no picture of {split} of {name} has a class of the alias map.")
    scored = {stage: s for stage, models in stages.items() if (s := _scored(models.values(), shared, samples))}
    measured = {stage: _measured(s, {c.source: c for c in shared}) for stage, s in scored.items()}
    report: dict[str, Any] = {
        "split": split,
        "dataset": name,
        "data_root": None if data_root is None else str(data_root),
        "aliases": dict(aliases) if isinstance(aliases, Mapping) else str(aliases),
        "pictures": len(pictures),
        "stages": measured,
    }
    *_, before, last = ({}, *scored.values())
    if common := [t for t in last if t in before]:
        report["gain"] = compare({t: last[t] for t in common}, {t: before[t] for t in common}, empty="exclude")
    return report


def restricted(model: AttributeModel, shared: Sequence[SharedClasses]) -> AttributeModel:
    """The same model, which decides among the shared classes of its attribute types alone; it shares the weights."""
    types = [AttributeType(s.source, "multi", s.classes) for s in shared]
    heads = {s.source: _SharedHead(model.head(s.source), model.trained(s.source), s.aliases) for s in shared}
    schema = AttributeSchema(tuple(types))
    restricted = AttributeModel(model.backbone, heads, schema, model.preprocess, model.recipe)
    return restricted.to(next(model.parameters()).device).train(model.training)


class _SharedHead(nn.Module):
    """Features BF to scores BT, the largest of each shared class's aliases; -inf where none of them was trained."""

    def __init__(self, head: nn.Module, trained: Tensor, aliases: tuple[tuple[int, ...], ...]) -> None:
        super().__init__()
        self.head, self.trained, self.aliases = head, trained, aliases

    def forward(self, features: Tensor) -> Tensor:
        scores = self.head(features).masked_fill(~self.trained, -torch.inf)
        return torch.stack([scores[:, list(classes)].amax(1) for classes in self.aliases], dim=1)


class SharedPictures:
    """The pictures that have one of the shared classes of any type, labelled by these alone.

    A type of which a picture has none is unknown; the types have the model's names.
    """

    def __init__(self, samples: Samples, shared: Sequence[SharedClasses]) -> None:
        self.samples = samples
        self._places = {s.source: {c: i for i, c in enumerate(s.indices)} for s in shared}
        self._targets = {s.source: s.target for s in shared}
        pairs = ((samples.label_pairs(s.target), s.indices) for s in shared)
        having = [rows[np.isin(classes, indices)] for (rows, classes), indices in pairs]
        self.rows: Integers = np.unique(np.concatenate(having))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Sample:
        sample = self.samples[int(self.rows[row])]
        labels = {name: self._shared(name, sample.labels.get(self._targets[name], ())) for name in self._targets}
        return replace(sample, labels={name: classes for name, classes in labels.items() if classes}, answers={})

    def label_pairs(self, type_name: str) -> Pairs:
        """The shared labels of one type, by the model's name for it."""
        rows, classes = self.samples.label_pairs(self._targets[type_name])
        kept = np.isin(classes, list(self._places[type_name]))
        places = [self._places[type_name][c] for c in classes[kept].tolist()]
        return np.searchsorted(self.rows, rows[kept]), np.array(places, np.int64)

    def _shared(self, name: str, classes: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self._places[name][c] for c in classes if c in self._places[name])


def _scored(
    models: Iterable[AttributeModel], shared: Sequence[SharedClasses], samples: SharedPictures
) -> dict[str, Scored]:
    """Scores NT of every shared type that one of the models has."""
    found: dict[str, Scored] = {}
    for model in models:
        if own := [s for s in shared if s.source in model.schema.names]:
            found |= score_samples(restricted(model, own), samples)
    return found


def _measured(scored: Mapping[str, Scored], shared: Mapping[str, SharedClasses]) -> dict[str, Any]:
    types = {name: _one_type(s, shared[name].classes) for name, s in scored.items()}
    counts = [metrics.count_at_k(s.scores, s.labels, 1, empty="exclude") for s in scored.values()]
    pooled = sum(counts, metrics.Counts())
    return {"n": len(next(iter(scored.values())).scores), "types": types, "all": _ratios(pooled)}


def _one_type(s: Scored, classes: Sequence[str]) -> dict[str, Any]:
    having = s.labels.any(1)
    scores, labels = s.scores[having], s.labels[having]
    first = torch.zeros_like(labels).scatter(1, metrics.top_k(scores, 1), True) & (scores > -torch.inf)
    columns = zip((first & labels).sum(0).tolist(), first.sum(0).tolist(), labels.sum(0).tolist(), strict=True)
    of_class = [metrics.Counts(*column) for column in columns]
    row = {"n": int(having.sum())} | _ratios(metrics.count_at_k(scores, labels, 1))
    return row | {"classes": {c: {"n": at.positives} | _ratios(at) for c, at in zip(classes, of_class, strict=True)}}


def _ratios(counts: metrics.Counts) -> dict[str, float]:
    return {"f1@1": counts.f1, "recall@1": counts.recall, "precision@1": counts.precision}
