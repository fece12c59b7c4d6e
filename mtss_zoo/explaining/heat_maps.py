"""Heat maps on the pictures that they belong to, drawn by Pillow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont, ImageOps

from mtss_zoo.pil_images import Fit, Placement, placement

SIDE = 240
"""Pixels of the longer side of a drawn picture."""
COLUMNS, NARROWEST, MARGIN, CAPTION = 4, 150, 12, 46
PAPER, INK, GREY = "#ffffff", "#1f2328", "#6e7781"
# Nine colours of viridis, by Stefan van der Walt and Nathaniel Smith (CC0); equal steps look equally large.
VIRIDIS = np.array([[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129],
                    [92, 200, 99], [170, 220, 50], [253, 231, 37]])  # fmt: skip
Font: TypeAlias = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class HeatMap:
    """How much each place of a picture speaks for a class.

    ``values``: HW in [0, 1] at the size and place of what the model sees, the largest 1; all 0 if nothing does.
    ``method``: how it was found, for people. ``crop_pct``: the model's, of the part that it sees.
    """

    class_name: str
    score: float
    values: npt.NDArray[np.float32]
    method: str
    crop_pct: float = 1.0

    def box(self, width: int, height: int, fit: Fit) -> tuple[int, int, int, int] | None:
        """Around all that is at least half as hot as the peak: left, top, right, bottom, half-open.

        In pixels of the picture before it was fitted, which has this size; ``None`` if nothing is hot.
        """
        to = self._placement(fit, height, width)
        hot = np.argwhere(self._inside(to) >= 0.5)
        if not len(hot):
            return None
        (top, left, bottom, right), size = to.part, np.array(to.size)
        ends = np.array([hot.min(0), hot.max(0) + 1]) * [bottom - top, right - left] / size + [top, left]
        (top, left), (bottom, right) = np.rint(ends).astype(int).tolist()
        return left, top, right, bottom

    def over(self, picture: Image.Image, fit: Fit, side: int = SIDE) -> Image.Image:
        """The part of an RGB picture that the model sees, in grey under the colours of the heat: blue to yellow.

        Its longer side has ``side`` pixels.
        """
        ground = self.seen(picture, fit, side)
        inside = Image.fromarray(self._inside(self._placement(fit, *picture.size[::-1])))
        heat = np.asarray(inside.resize(ground.size, Image.Resampling.BILINEAR))[:, :, None]
        colours = np.concatenate([np.interp(heat, np.linspace(0, 1, len(VIRIDIS)), c) for c in VIRIDIS.T], 2)
        grey = np.asarray(ImageOps.grayscale(ground))[:, :, None]
        opacity = 0.25 + 0.5 * heat  # the picture can be made out everywhere, best where it is cold
        return Image.fromarray((grey * (1 - opacity) + colours * opacity).astype(np.uint8))

    def seen(self, picture: Image.Image, fit: Fit, side: int = SIDE) -> Image.Image:
        """The same part, as it is."""
        top, left, bottom, right = self._placement(fit, *picture.size[::-1]).part
        part = picture.crop((left, top, right, bottom))
        return part.resize([max(1, round(length * side / max(part.size))) for length in part.size])

    def _placement(self, fit: Fit, height: int, width: int) -> Placement:
        to_height, to_width = self.values.shape
        return placement(fit, height, width, to_height, to_width, self.crop_pct)

    def _inside(self, to: Placement) -> npt.NDArray[np.float32]:
        """The values without those of the padding."""
        (top, left), (rows, columns) = to.corner, to.size
        return self.values[top : top + rows, left : left + columns]


def sheet(picture: Image.Image, heat_maps: Mapping[str, HeatMap], fit: Fit) -> Image.Image:
    """An RGB picture beside the heat map of each attribute type over it, with type, class and score underneath.

    It is the part of the picture that the model sees, which with ``fit`` crop may not be all of it.
    """
    first = next(iter(heat_maps.values()))
    panels = [(first.seen(picture, fit), f"picture; by {first.method}", "")]
    panels += [(h.over(picture, fit), f"{name} {h.score:.2f}", h.class_name) for name, h in heat_maps.items()]
    photo_width, photo_height = panels[0][0].size
    width, height = max(photo_width, NARROWEST) + MARGIN, photo_height + CAPTION + MARGIN
    columns = min(len(panels), COLUMNS)
    page = Image.new("RGB", (columns * width + MARGIN, -(-len(panels) // columns) * height + MARGIN), PAPER)
    pen = ImageDraw.Draw(page)
    small, large = (ImageFont.load_default(size) for size in (13, 17))
    for i, (panel, name, class_name) in enumerate(panels):
        x, y = MARGIN + i % columns * width, MARGIN + i // columns * height
        page.paste(panel, (x, y))
        y += photo_height + 5
        pen.text((x, y), _shortened(name, pen, small, width - MARGIN), GREY, small)
        pen.text((x, y + 16), _shortened(class_name, pen, large, width - MARGIN), INK, large)
    return page


def _shortened(text: str, pen: ImageDraw.ImageDraw, font: Font, width: int) -> str:
    text = " ".join(text.split())  # in one line
    if pen.textlength(text, font) <= width:
        return text
    return next(t for n in range(len(text), -1, -1) if pen.textlength(t := f"{text[:n]}...", font) <= width)
