"""Which of the things that a detector found a picture is cropped to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from mtss_zoo.detection.contract import Found
from mtss_zoo.errors import PluginError, UnknownNameError, UsageError
from mtss_zoo.pil_images import box_inside
from mtss_zoo.registry import near_matches

GARMENTS = (
    "shirt, blouse",
    "top, t-shirt, sweatshirt",
    "sweater",
    "cardigan",
    "jacket",
    "vest",
    "pants",
    "shorts",
    "skirt",
    "coat",
    "dress",
    "jumpsuit",
    "cape",
)
"""The classes of Fashionpedia (Jia et al., 2020) that are whole garments: ids 0 to 12."""
WEARER = "person"
"""Stands for what is worn, where a detector knows no garments."""
SMALLEST = 8
"""Pixels a side that a crop must have."""


@dataclass(frozen=True)
class Choice:
    """How one box is made of those that were found.

    Args:
        keep: names of classes that count; empty for all.
        min_score: what is less sure does not count.
        union: the box around all that count, else the one with the largest score x root of area.
        pad: added on each side, as a share of the box's width or height.
    """

    keep: tuple[str, ...] = ()
    min_score: float = 0.5
    union: bool = False
    pad: float = 0.05


class Chosen(NamedTuple):
    """The part of a picture to use."""

    box: tuple[int, int, int, int] | None = None
    """x1 y1 x2 y2 inside the picture, half-open; ``None``: the whole picture."""
    score: float | None = None
    """Of the surest thing in it; ``None`` where nothing counted."""
    label: str | None = None


def choose(found: Found, height: int, width: int, how: Choice) -> Chosen:
    """The part of a picture of ``height`` x ``width`` to use.

    Nothing that counts gives the whole picture, and so does a box of less than 8 pixels a side.

    Raises:
        PluginError: what was found is not K boxes with K scores and K names.
    """
    boxes, scores = _arrays(found)
    boxes = boxes.clip(0, [width, height, width, height])
    sides = boxes[:, 2:] - boxes[:, :2]
    named = [not how.keep or name in how.keep for name in found.names]
    # A box that is not a number has no side above zero.
    counts = np.flatnonzero(np.array(named, np.bool_) & (scores >= how.min_score) & (sides > 0).all(1))
    if not len(counts):
        return Chosen()
    best = counts[np.argmax(scores[counts] * np.sqrt(sides[counts].prod(1)))]
    x1, y1, x2, y2 = boxes[best].tolist()
    if how.union:
        best = counts[np.argmax(scores[counts])]
        x1, y1 = boxes[counts, :2].min(0).tolist()
        x2, y2 = boxes[counts, 2:].max(0).tolist()
    across, down = how.pad * (x2 - x1), how.pad * (y2 - y1)
    box = box_inside((x1 - across, y1 - down, x2 + across, y2 + down), height, width, SMALLEST)
    return Chosen(box, float(scores[best]), found.names[best])


def kept_classes(classes: Sequence[str], asked: Sequence[str]) -> tuple[str, ...]:
    """The classes that count: those asked for, else the garments that a detector knows, else the person who wears them.

    Args:
        classes: all that the detector knows; empty where that is not known, and then all count unless asked.

    Raises:
        UnknownNameError: it does not know one of those asked for.
        UsageError: nothing is asked for, and it knows neither a garment nor a person.
    """
    if asked or not classes:
        for name in asked if classes else ():
            if name not in classes:
                raise UnknownNameError(f"this detector knows no class {name!r}. {near_matches(name, classes)}")
        return tuple(asked)
    usual = tuple(name for name in GARMENTS if name in classes) or tuple({WEARER} & {*classes})
    if not usual:
        some = ", ".join(classes[:5])
        raise UsageError(f"name the classes that are garments with --keep; this detector knows {some} ...")
    return usual


def _arrays(found: Found) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    try:
        scores = np.asarray(found.scores, np.float64).reshape(len(found.names))
        return np.asarray(found.boxes, np.float64).reshape(len(scores), 4), scores
    except (TypeError, ValueError) as error:
        raise PluginError(
            f"a detector must give, for each picture, K boxes x1 y1 x2 y2 with K scores and K names, not {found!r:.200}"
        ) from error
