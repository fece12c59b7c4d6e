"""Labels that are perhaps wrong: pictures on which the models of a run agree with each other against the label.

Letters: N pictures, C classes of one attribute type, S suspects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mtss_zoo.evaluate import finished_stages, score_stages, split_samples
from mtss_zoo.interfaces import AttributeType, Samples
from mtss_zoo.measures import Scored

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
LIKELIER_THAN_NOT = 0.5


@dataclass(frozen=True)
class Suspects:
    """Labels of one attribute type against which all models speak, the surest first: each field (S,)."""

    rows: Integers
    """Rows of the split."""
    labels: Integers
    """The class that the picture has and perhaps should not have; -1: none."""
    suggested: Integers
    """The class that it perhaps should have; -1: none."""
    scores: Floats
    """How sure the least sure model is, 0 to 1."""


def find_suspects(
    run: str | Path, split: str = "train", top: int = 50, data_root: str | Path | None = None
) -> dict[str, Any]:
    """The labels of a split that the models of a run doubt most, attribute type by attribute type.

    All finished stages speak, each with its model of the type: with MTSS the type's teacher and the student. A type of
    one class a picture is judged by `against_the_label`, one of several by `against_a_class`.

    A model that has learnt a wrong label by heart does not doubt it, so what was trained for long says less about train
    than about a split that was held out. A single stage agrees with itself: two kinds of models say more.

    Args:
        run: a run's folder.
        split: of the recipe's dataset.
        top: suspects that are given of each type.
        data_root: the dataset's folder.

    Returns:
        ``{"split", "types": {type: {"n", "models", "found", "suspects"}}}``: ``n`` pictures with a known label,
        ``models`` the stages that speak, ``found`` suspects in all, and of each suspect ``id``, ``image`` where it is a
        file, ``label``, ``suggested`` (``None``: no class) and ``score``.
    """
    recipe, stages = finished_stages(run)
    samples = split_samples(recipe, split, data_root=data_root)
    scored = score_stages(stages, samples)
    schema = recipe.attribute_schema
    assert schema is not None, "a run's recipe states its schema"
    types = {}
    for t in schema:
        models = {stage: by_type[t.name] for stage, by_type in scored.items() if t.name in by_type}
        if models:
            types[t.name] = {"models": list(models)} | _of_type(t, list(models.values()), samples, top)
    return {"split": split, "types": types}


def _of_type(t: AttributeType, models: Sequence[Scored], samples: Samples, top: int) -> dict[str, Any]:
    if t.kind == "single":
        known = models[0].labels.any(1).numpy()
        found = against_the_label(models)
    else:
        known = np.array([t.name in samples[row].labels for row in models[0].rows.tolist()])
        found = against_a_class(models, known)
    names = [*t.classes, None]  # -1 is the last one
    suspects = []
    for row, label, suggested, score in zip(
        found.rows[:top].tolist(), found.labels.tolist(), found.suggested.tolist(), found.scores.tolist(), strict=False
    ):
        sample = samples[row]
        image = str(sample.image) if isinstance(sample.image, str | Path) else None
        suspect = {"id": sample.id, "image": image, "label": names[label], "suggested": names[suggested]}
        suspects.append(suspect | {"score": round(score, 4)})
    return {"n": int(known.sum()), "found": len(found.rows), "suspects": suspects}


def against_the_label(models: Sequence[Scored]) -> Suspects:
    """Pictures for which every model has the same best class, and it is not the label.

    A picture's score is the smallest over the models of p(best class) - p(label), with p the softmax of the model's
    scores; so it is comparable within one type of one run. A label that a model was not trained on is left alone.
    """
    shares = [torch.softmax(m.scores, dim=1) for m in models]
    best = torch.stack([m.scores.argmax(1) for m in models])
    labels = models[0].labels.int().argmax(1)
    against = models[0].labels.any(1) & (best == best[0]).all(0) & (best[0] != labels)
    margins = torch.stack([(p.gather(1, best[:1].T) - p.gather(1, labels[:, None]))[:, 0] for p in shares]).amin(0)
    for m in models:
        against &= m.scores.gather(1, labels[:, None])[:, 0] > -torch.inf
    chosen = torch.nonzero(against)[:, 0]
    chosen = chosen[margins[chosen].sort(descending=True, stable=True).indices]
    rows, columns = models[0].rows[chosen].numpy(), (labels[chosen].numpy(), best[0][chosen].numpy())
    return Suspects(rows, *columns, margins[chosen].numpy())


def against_a_class(models: Sequence[Scored], known: Booleans) -> Suspects:
    """Of a type with several classes a picture, classes that a picture seems to lack, or to have wrongly.

    Scores of different classes and models cannot be compared, but ranks can. A class that is absent is judged by the
    share of the pictures with it that score lower than this one; a class that is present, by the share of the pictures
    without it that score higher. The least sure model counts, and a share must be above a half.

    Args:
        known: (N,) pictures whose classes are known.
    """
    labels = models[0].labels.numpy()
    doubts: Floats = np.stack([_doubts(m.scores.numpy(), labels, known) for m in models]).min(0)
    place, classes = np.nonzero(doubts > LIKELIER_THAN_NOT)
    order = np.argsort(-doubts[place, classes], kind="stable")
    place, classes = place[order], classes[order]
    present = labels[place, classes]
    rows = models[0].rows.numpy()[place]
    return Suspects(rows, np.where(present, classes, -1), np.where(present, -1, classes), doubts[place, classes])


def _doubts(scores: Floats, labels: Booleans, known: Booleans) -> Floats:
    """NC shares in [0, 1), zero where nothing is known; one is added to the count, as few pictures prove little."""
    doubts = np.zeros(scores.shape, np.float32)
    for c in range(scores.shape[1]):
        column, having, lacking = scores[:, c], labels[:, c] & known, ~labels[:, c] & known
        if np.isneginf(column).any():  # not trained
            continue
        high, low = np.sort(column[having]), np.sort(column[lacking])
        doubts[lacking, c] = np.searchsorted(high, column[lacking], side="left") / (len(high) + 1)
        doubts[having, c] = (len(low) - np.searchsorted(low, column[having], side="right")) / (len(low) + 1)
    return doubts
