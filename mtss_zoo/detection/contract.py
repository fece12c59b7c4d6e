"""What a detector is: pictures in, boxes with scores and names out. This module imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import numpy.typing as npt
    from PIL import Image


class Found(NamedTuple):
    """The K things that a detector found in one picture, in any order."""

    boxes: npt.ArrayLike
    """K4, x1 y1 x2 y2 in pixels of the picture as it was given."""
    scores: npt.ArrayLike
    """K, in [0, 1]."""
    names: Sequence[str]
    """K names of classes."""


class Detector(Protocol):
    """Finds things in pictures. What it finds in one must not depend on the others that are given with it."""

    name: str
    """What was asked for, such as ``torchvision:fcos_resnet50_fpn``."""
    revision: str
    """Other weights, other revision; empty where nobody knows."""
    classes: tuple[str, ...]
    """The names that it may give; empty where they are not known before."""

    def detect(self, pictures: list[Image.Image]) -> Sequence[tuple[npt.ArrayLike, npt.ArrayLike, Sequence[str]]]:
        """RGB pictures of one size to a `Found` for each, in order."""
        ...
