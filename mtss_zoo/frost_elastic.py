"""Frost and elastic transform with the parameters of ImageNet-C (Hendrycks and Dietterich 2019, section 3).

Written from the published table of parameters; pictures are uint8 (H, W, 3), and every draw comes from ``rng``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels: TypeAlias = npt.NDArray[np.uint8]

FROST = ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
"""Weights of the picture and of the frost for severities 1 to 5."""
ELASTIC = ((2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02))
"""Strength, smoothness and affine motion for severities 1 to 5, in units of `UNIT`."""
UNIT = 244 / 224
"""The table has 244 pixels, for pictures of 224; here it follows the shorter side of a picture of any size."""


def frost(picture: Pixels, severity: int, rng: np.random.Generator, overlays: Sequence[Pixels]) -> Pixels:
    """Adds a random part of a random overlay, at the overlay's own scale unless the picture is larger than it."""
    overlay = _covering(overlays[int(rng.integers(len(overlays)))], *picture.shape[:2])
    top, left = (rng.integers(have - need + 1) for have, need in zip(overlay.shape, picture.shape[:2], strict=False))
    part = overlay[top : top + picture.shape[0], left : left + picture.shape[1]]
    keep, add = FROST[severity - 1]
    return _bytes(keep * picture.astype(np.float32) + add * part.astype(np.float32))


def elastic_transform(picture: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    """Moves every pixel by a smooth random field after a random affine map; bilinear, mirrored at the edges.

    The affine map takes three anchors, a third of the shorter side from the centre in both directions, to places up
    to ``affine`` pixels away. Both motions are one look-up, so that the picture is interpolated once.
    """
    from scipy import ndimage

    height, width = picture.shape[:2]
    side = min(height, width)
    strength, smoothness, affine = (UNIT * side * share for share in ELASTIC[severity - 1])
    anchors = np.array([height, width]) / 2 + side / 3 * np.array([[1, 1], [-1, 1], [-1, -1]])
    moved = anchors + rng.uniform(-affine, affine, (3, 2))
    back = np.linalg.solve(np.column_stack([moved, np.ones(3)]), anchors)  # from the new picture to the old one
    field = [
        strength * ndimage.gaussian_filter(rng.uniform(-1, 1, (height, width)), smoothness, truncate=3)
        for _ in range(2)
    ]
    rows, columns = np.mgrid[:height, :width] + np.stack(field)
    source = np.moveaxis(np.stack([rows, columns, np.ones_like(rows)], -1) @ back, -1, 0)
    channels = np.moveaxis(picture.astype(np.float32), -1, 0)
    return _bytes(np.stack([ndimage.map_coordinates(c, source, order=1, mode="mirror") for c in channels], axis=-1))


def _covering(overlay: Pixels, height: int, width: int) -> Pixels:
    """The overlay, enlarged until it covers a picture of this size."""
    factor = max(height / overlay.shape[0], width / overlay.shape[1])
    if factor <= 1:
        return overlay
    size = max(width, round(overlay.shape[1] * factor)), max(height, round(overlay.shape[0] * factor))
    return np.asarray(Image.fromarray(overlay).resize(size, Image.Resampling.BICUBIC))


def _bytes(values: npt.NDArray[np.float32]) -> Pixels:
    return values.clip(0, 255).astype(np.uint8)
