"""Cloth for the drawn garments: colours, and tiles of woven or printed patterns."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

Colour: TypeAlias = tuple[int, int, int]

COLOURS: dict[str, Colour] = {
    "black": (36, 36, 40),
    "blue": (52, 98, 180),
    "white": (240, 239, 235),
    "red": (196, 44, 50),
    "grey": (138, 141, 146),
    "green": (58, 130, 82),
    "pink": (240, 152, 180),
    "yellow": (242, 202, 74),
    "brown": (122, 80, 50),
    "purple": (116, 74, 154),
}
CREAM, SAND, INK, NAVY, SKY = (246, 238, 220), (216, 190, 150), (42, 42, 54), (36, 48, 92), (150, 198, 234)
CORAL, WINE, MINT, LILAC, FOREST, SUN = (
    (240, 124, 100),
    (128, 30, 60),
    (166, 220, 192),
    (204, 178, 228),
    (34, 84, 60),
    (248, 208, 96),
)
COMPANIONS: dict[str, tuple[Colour, ...]] = {
    "black": (CREAM, SAND, CORAL, SKY, LILAC),
    "blue": (CREAM, SKY, SUN, INK, SAND),
    "white": (NAVY, CORAL, INK, WINE, FOREST),
    "red": (CREAM, NAVY, SAND, INK),
    "grey": (CREAM, INK, CORAL, NAVY, SUN),
    "green": (CREAM, INK, SUN, MINT, SAND),
    "pink": (CREAM, WINE, NAVY, FOREST),
    "yellow": (NAVY, INK, CORAL, FOREST),
    "brown": (CREAM, SAND, SKY, CORAL),
    "purple": (CREAM, LILAC, SUN, INK),
}
PATTERNS = ("solid", "striped", "checked", "dotted", "floral", "chevron", "leopard")

TILE = 1024
TILE_UNIT = 160
"""Tile pixels in one unit of garment coordinates (a shirt is about 1.3 units wide)."""
# What the pixels of a tile mean; the palette of a garment gives each its colour.
BASE, SECOND, THIRD, LEAF = range(4)


def palette(colour: str, rng: np.random.Generator) -> list[Colour]:
    """The colours of one garment in the order BASE, SECOND, THIRD, LEAF; BASE varies around its class."""
    base = np.array(COLOURS[colour]) * rng.uniform(0.88, 1.1) + rng.normal(0, 5, 3)
    red, green, blue = base.clip(4, 251).astype(int).tolist()
    companions = COMPANIONS[colour]
    second = int(rng.integers(len(companions)))
    third = (second + int(rng.integers(1, len(companions)))) % len(companions)
    leaf = MINT if colour == "green" else (86, 146, 96)
    return [(red, green, blue), companions[second], companions[third], leaf]


def _solid(draw: ImageDraw.ImageDraw) -> None:
    pass


def _striped(draw: ImageDraw.ImageDraw) -> None:
    for y in range(0, TILE, 32):
        draw.rectangle((0, y, TILE, y + 11), fill=SECOND)


def _checked(draw: ImageDraw.ImageDraw) -> None:
    for at in range(0, TILE, 48):
        draw.rectangle((0, at, TILE, at + 13), fill=SECOND)
    for at in range(0, TILE, 48):
        draw.rectangle((at, 0, at + 13, TILE), fill=SECOND)
        for y in range(0, TILE, 48):
            draw.rectangle((at, y, at + 13, y + 13), fill=THIRD)


def _dotted(draw: ImageDraw.ImageDraw) -> None:
    for j, y in enumerate(range(0, TILE, 22)):
        for x in range(22 * (j % 2), TILE, 44):
            draw.ellipse((x - 9, y - 9, x + 9, y + 9), fill=SECOND)


def _floral(draw: ImageDraw.ImageDraw) -> None:
    rng = np.random.default_rng(5)
    for j, y0 in enumerate(range(0, TILE, 40)):
        for x0 in range(34 * (j % 2), TILE, 68):
            x, y = np.array((x0, y0)) + rng.uniform(-7, 7, 2)
            turn, radius = rng.uniform(0, np.pi), rng.uniform(8.0, 11.5)
            for angle in (turn + 0.6, turn + 3.4):
                _disc(draw, x + 19 * np.cos(angle), y + 19 * np.sin(angle), 5.5, LEAF)
            for angle in turn + np.arange(5) * 2 * np.pi / 5:
                _disc(draw, x + radius * np.cos(angle), y + radius * np.sin(angle), 7.5, SECOND)
            _disc(draw, x, y, 5.5, THIRD)


def _chevron(draw: ImageDraw.ImageDraw) -> None:
    for y in range(-40, TILE, 34):
        top = [(x, y + 22 * (i % 2)) for i, x in enumerate(range(0, TILE + 22, 22))]
        draw.polygon(top + [(x, z + 13) for x, z in reversed(top)], fill=SECOND)


def _leopard(draw: ImageDraw.ImageDraw) -> None:
    rng = np.random.default_rng(8)
    for j, y0 in enumerate(range(0, TILE, 32)):
        for x0 in range(18 * (j % 2), TILE, 36):
            x, y = np.array((x0, y0)) + rng.uniform(-6, 6, 2)
            wide, high, start = rng.uniform(9, 13), rng.uniform(8, 12), rng.uniform(0, 360)
            draw.ellipse((x - wide, y - high, x + wide, y + high), fill=SECOND)
            for cut in (start, start + 150):
                draw.pieslice((x - wide - 1, y - high - 1, x + wide + 1, y + high + 1), cut, cut + 40, fill=BASE)
            _disc(draw, x, y, 5.5, THIRD)


def _disc(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, fill: int) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)


_DRAW: dict[str, Callable[[ImageDraw.ImageDraw], None]] = {
    "solid": _solid,
    "striped": _striped,
    "checked": _checked,
    "dotted": _dotted,
    "floral": _floral,
    "chevron": _chevron,
    "leopard": _leopard,
}


@lru_cache
def tile(pattern: str) -> Image.Image:
    """A square of cloth, TILE pixels wide, whose pixels are BASE, SECOND, THIRD or LEAF."""
    image = Image.new("P", (TILE, TILE), BASE)
    _DRAW[pattern](ImageDraw.Draw(image))
    return image


@lru_cache
def folds() -> Image.Image:
    """Soft folds, an "L" picture of TILE pixels: 255 is fully lit."""
    y, x = np.mgrid[0:TILE:4, 0:TILE:4] / TILE_UNIT
    rng = np.random.default_rng(3)
    height = np.zeros_like(x)
    for _ in range(9):
        across, along, phase = rng.uniform(2, 7), rng.uniform(-1.6, 1.6), rng.uniform(0, 2 * np.pi)
        height += np.sin(across * x + along * y + phase + 0.8 * np.sin(1.3 * y + phase)) / across
    slope = np.gradient(height, axis=1)
    small = Image.fromarray((222 + 33 * np.tanh(slope / slope.std())).astype(np.uint8))
    return small.resize((TILE, TILE), Image.Resampling.BICUBIC)


@lru_cache
def grain() -> npt.NDArray[np.float32]:
    """A camera's noise with deviation 1, (512, 512, 3). Pictures take cuts of it: drawing new noise is dear."""
    return np.random.default_rng(2).standard_normal((512, 512, 3), np.float32)
