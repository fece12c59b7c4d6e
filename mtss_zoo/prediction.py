"""What predicting takes and gives, whatever runs the network."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from mtss_zoo.errors import MtssZooError, UsageError

if TYPE_CHECKING:
    from mtss_zoo.interfaces import AttributeSchema, ImageSource

Prediction = dict[str, list[tuple[str, float]]]
"""Attribute type to its best classes with their scores, the best first."""
Scores = Mapping[str, npt.NDArray[np.float32]]
"""Attribute type to scores BN; -inf is a class that is never predicted."""


def named_chunks(images: Any, size: int) -> Iterator[list[tuple[ImageSource, str]]]:
    """Up to ``size`` pictures at a time, each with what an error calls it; ``images`` is one or an iterable of them."""
    one = isinstance(images, str | Path | bytes) or hasattr(images, "convert") or getattr(images, "ndim", 0) == 3
    sources: Iterator[ImageSource] = iter([images] if one else images)
    position = 0
    while chunk := list(islice(sources, size)):
        yield [(s, str(s) if isinstance(s, str | Path) else f"picture {position + i}") for i, s in enumerate(chunk)]
        position += len(chunk)


def predictions(schema: AttributeSchema, batches: Iterable[Scores], top_k: int) -> list[Prediction]:
    """The ``top_k`` best classes of every type, for each picture of all batches; equal scores keep the schema's order.

    Raises:
        UsageError: ``top_k`` is not positive.
        MtssZooError: a score is not a number.
    """
    if top_k < 1:
        raise UsageError(f"top_k is {top_k}, but at least one class is needed.")
    return [prediction for scores in batches for prediction in _best(schema, scores, top_k)]


def best_classes(
    type_name: str, scores: npt.NDArray[np.float32], top_k: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Scores BN to the K best classes BK and their scores BK, the best first; equal scores keep the schema's order.

    Raises:
        MtssZooError: a score is not a number.
    """
    check_numbers(type_name, scores)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
    return best, np.take_along_axis(scores, best, 1)


def check_numbers(type_name: str, scores: npt.NDArray[np.float32]) -> None:
    """Refuses scores that are not numbers.

    Raises:
        MtssZooError: a score is NaN.
    """
    if np.isnan(scores).any():
        raise MtssZooError(f"the scores of {type_name} are not numbers (NaN): the model diverged when it was trained.")


def _best(schema: AttributeSchema, scores: Scores, top_k: int) -> list[Prediction]:
    columns = {t: [a.tolist() for a in best_classes(t.name, scores[t.name], top_k)] for t in schema}
    return [
        {
            t.name: [(t.classes[c], s) for c, s in zip(classes[row], values[row], strict=True) if s > -np.inf]
            for t, (classes, values) in columns.items()
        }
        for row in range(len(scores[schema.names[0]]))
    ]
