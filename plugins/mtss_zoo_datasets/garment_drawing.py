"""Draws one garment: cloth on its outline, light, a background, the camera's noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops, ImageDraw, ImageFilter
from PIL.Image import Resampling, Transform

from mtss_zoo_datasets.garment_details import add_details
from mtss_zoo_datasets.garment_fabric import COLOURS, TILE, TILE_UNIT, Colour, folds, grain, palette, tile
from mtss_zoo_datasets.garment_shapes import Garment, Outline, Part, cut

Domain: TypeAlias = Literal["studio", "street"]
Floats: TypeAlias = npt.NDArray[np.float64]

SUPERSAMPLE = 2
STREET = np.array(
    [(150, 92, 74), (188, 176, 158), (112, 118, 126), (74, 84, 98), (152, 172, 188), (96, 116, 84), (206, 196, 182)]
)


@dataclass(frozen=True)
class Pose:
    """Where the garment lies: ``matrix`` (2, 2) and ``shift`` (2,) take garment coordinates to pixels."""

    matrix: Floats
    shift: Floats

    def pixels(self, points: Floats) -> list[float]:
        """Points (n, 2) in pixels, flat: x, y, x, y ..."""
        flat: list[float] = (points @ self.matrix.T + self.shift).ravel().tolist()
        return flat

    def scaled(self, factor: float) -> Pose:
        """The same place in a picture of another size."""
        return Pose(self.matrix * factor, self.shift * factor)

    def look_up(
        self, texture: Image.Image, weave: Weave, box: tuple[int, int, int, int], resample: Resampling
    ) -> Image.Image:
        """The part of a tile that lies under each pixel of ``box``."""
        (a, b), (c, d) = self.matrix.tolist()
        zoom = weave.scale / (a * d - b * c)
        cos, sin = zoom * math.cos(weave.angle), zoom * math.sin(weave.angle)
        xx, xy, yx, yy = cos * d + sin * c, -cos * b - sin * a, sin * d - cos * c, cos * a - sin * b
        x, y = box[0] - self.shift[0], box[1] - self.shift[1]
        left, top = TILE / 2 + weave.offset
        data = (xx, xy, left + xx * x + xy * y, yx, yy, top + yx * x + yy * y)
        return texture.transform((box[2] - box[0], box[3] - box[1]), Transform.AFFINE, data, resample)


@dataclass(frozen=True)
class Weave:
    """How a tile lies on a garment: tile pixels a unit, its direction, and its shift in tile pixels."""

    scale: float
    angle: float
    offset: Floats


def draw(garment: Garment, rng: np.random.Generator, size: int, domain: Domain = "studio") -> Image.Image:
    """A square RGB picture of ``size`` pixels; all that varies comes from ``rng``."""
    outline = cut(garment, rng)
    add_details(outline, garment, rng)
    pose = _pose(outline, size, rng, domain)
    cloth, alpha = _sew(garment, outline, pose.scaled(SUPERSAMPLE), size * SUPERSAMPLE, rng)
    cloth, alpha = cloth.reduce(SUPERSAMPLE), alpha.reduce(SUPERSAMPLE)
    picture = _background(size, rng, domain)
    picture.paste((24, 24, 32), (0, 0), _shadow(alpha, rng, domain))
    picture.paste(_lit(cloth, alpha, pose, rng), (0, 0), alpha)
    return _photograph(picture, rng, domain)


def _pose(outline: Outline, size: int, rng: np.random.Generator, domain: Domain) -> Pose:
    lean = rng.normal(0, 0.06 if domain == "studio" else 0.13)
    cos, sin = np.cos(lean), np.sin(lean)
    place = np.array(((cos, -sin), (sin, cos))) @ np.array(((rng.uniform(0.9, 1.06), rng.normal(0, 0.03)), (0, 1)))
    corners = np.concatenate([part.points for part in outline.parts]) @ place.T
    low, high = corners.min(0), corners.max(0)
    scale = size * rng.uniform(0.68, 0.93) / max(high - low)
    room = (size - (high - low) * scale) / 2
    return Pose(place * scale, size / 2 + rng.uniform(-0.6, 0.6, 2) * room - (low + high) / 2 * scale)


def _sew(
    garment: Garment, outline: Outline, pose: Pose, size: int, rng: np.random.Generator
) -> tuple[Image.Image, Image.Image]:
    """The garment without light as an RGB picture of ``size`` pixels, and its mask."""
    colours = palette(garment.colour, rng)
    roles = _roles(garment.colour, colours, rng)
    upright = np.pi / 2 * rng.integers(2)
    weave = Weave(TILE_UNIT * rng.uniform(0.62, 1.05), upright + rng.normal(0, 0.05), rng.uniform(-60, 60, 2))
    canvas, mask = Image.new("RGB", (size, size), colours[0]), Image.new("L", (size, size))
    pen, mask_pen = ImageDraw.Draw(canvas), ImageDraw.Draw(mask)

    def sew(parts: list[Part]) -> None:
        for part in parts:
            corners = pose.pixels(part.points)
            mask_pen.polygon(corners, fill=255)
            if part.fabric == "cloth" and garment.pattern != "solid":
                _paste_cloth(canvas, corners, garment.pattern, colours, part, weave, pose)
            else:
                pen.polygon(corners, fill=_shaded(roles[part.fabric], part.shade))

    sew(outline.parts)
    unit = float(np.sqrt(abs(np.linalg.det(pose.matrix))))
    for line in outline.lines:
        width = max(1, round(line.width * unit))
        pen.line(pose.pixels(line.points), fill=roles[line.fabric], width=width, joint="curve")
    sew(outline.details)
    return canvas, mask


def _paste_cloth(
    canvas: Image.Image,
    corners: list[float],
    pattern: str,
    colours: list[Colour],
    part: Part,
    weave: Weave,
    pose: Pose,
) -> None:
    """Lays the pattern on one part, in the part's own direction."""
    left, top = max(0, int(min(corners[::2]))), max(0, int(min(corners[1::2])))
    right, bottom = min(canvas.width, int(max(corners[::2])) + 2), min(canvas.height, int(max(corners[1::2])) + 2)
    turned = Weave(weave.scale, weave.angle - part.turn, weave.offset)
    cloth = pose.look_up(tile(pattern), turned, (left, top, right, bottom), Resampling.NEAREST)
    cloth.putpalette([v for colour in colours for v in _shaded(colour, part.shade)])
    inside = Image.new("1", cloth.size)
    ImageDraw.Draw(inside).polygon([v - (left, top)[i % 2] for i, v in enumerate(corners)], fill=1)
    canvas.paste(cloth.convert("RGB"), (left, top), inside)


def _roles(name: str, colours: list[Colour], rng: np.random.Generator) -> dict[str, Colour]:
    """What each fabric of a `Part` or `Line` looks like on this garment."""
    base = colours[0]
    dark = sum(base) < 200
    red, green, blue = base
    return {
        "cloth": base,
        "seam": (red + 46, green + 46, blue + 46) if dark else _shaded(base, 0.62),
        "trim": colours[1] if rng.random() < 0.3 else _shaded(base, 1.5 if dark else 0.78),
        "inside": _shaded(base, 0.5),
        "accent": (238, 236, 228) if sum(COLOURS[name]) < 400 else (40, 42, 54),
        "leather": (36, 32, 32) if name == "brown" else (92, 58, 36),
        "metal": (212, 186, 110),
    }


def _shaded(colour: Colour, factor: float) -> Colour:
    red, green, blue = colour
    return min(255, int(red * factor)), min(255, int(green * factor)), min(255, int(blue * factor))


def _lit(cloth: Image.Image, alpha: Image.Image, pose: Pose, rng: np.random.Generator) -> Image.Image:
    """Folds, and edges that turn away from the light."""
    weave = Weave(TILE_UNIT * rng.uniform(0.7, 1.1), rng.normal(0, 0.3) + np.pi * rng.integers(2), np.zeros(2))
    light = pose.look_up(folds(), weave, (0, 0, *cloth.size), Resampling.BILINEAR)
    body = alpha.filter(ImageFilter.BoxBlur(cloth.width / 22))
    light = ImageChops.multiply(light, ImageChops.add(body, Image.new("L", body.size, 255), scale=2))
    return ImageChops.multiply(cloth, Image.merge("RGB", (light, light, light)))


def _background(size: int, rng: np.random.Generator, domain: Domain) -> Image.Image:
    """Studio: a pale, lit backdrop. Street: walls, windows and pavement, out of focus."""
    if domain == "studio":
        pale = rng.uniform(205, 246) + rng.normal(0, 7, 3)
        y, x = np.mgrid[0:8, 0:8] / 7 - rng.uniform(0.3, 0.7, 2)[:, None, None]
        small = Image.fromarray((pale + 10 - 34 * (x**2 + y**2)[..., None]).clip(0, 255).astype(np.uint8))
        return small.resize((size, size), Resampling.BICUBIC)
    chosen = STREET[rng.integers(len(STREET), size=9)] * rng.uniform(0.6, 1.15, (9, 1)) + rng.normal(0, 8, (9, 3))
    colours = [(r, g, b) for r, g, b in chosen.clip(0, 255).astype(int).tolist()]
    small = Image.new("RGB", (24, 24), colours[0])
    pen = ImageDraw.Draw(small)
    for colour in colours[1:8]:
        x0, y0, wide, high = rng.integers((-4, -6, 3, 3), (22, 14, 11, 16)).tolist()
        pen.rectangle((x0, y0, x0 + wide, y0 + high), fill=colour)
    pen.rectangle((0, int(rng.integers(16, 21)), 24, 24), fill=colours[8])
    return small.resize((size, size), Resampling.BICUBIC)


def _shadow(alpha: Image.Image, rng: np.random.Generator, domain: Domain) -> Image.Image:
    """How dark the garment's shadow is at each pixel, an "L" picture."""
    strength, far = (0.30, 0.035) if domain == "studio" else (0.5, 0.07)
    across, down = rng.normal(0, far) * alpha.width / 4, abs(rng.normal(far, 0.02)) * alpha.width / 4
    small = alpha.reduce(4).filter(ImageFilter.BoxBlur(alpha.width / 64))
    moved = small.transform(small.size, Transform.AFFINE, (1, 0, -across, 0, 1, -down), Resampling.BILINEAR)
    faded = ImageChops.multiply(moved, Image.new("L", moved.size, round(255 * strength)))
    return faded.resize(alpha.size, Resampling.BICUBIC)


def _photograph(picture: Image.Image, rng: np.random.Generator, domain: Domain) -> Image.Image:
    """Light and noise of the camera: the street has a colour cast, a slanting light and more noise."""
    street = domain == "street"
    exposure = rng.uniform(0.72, 1.15) if street else rng.uniform(0.92, 1.06)
    cast = exposure * (1 + rng.normal(0, 0.07 if street else 0.015, 3))
    down, across = rng.uniform(-0.35, 0.35, 2) if street else rng.uniform(-0.08, 0.08, 2)
    at = np.linspace(-0.5, 0.5, picture.width, dtype=np.float32)
    light = 1 + np.float32(down) * at[:, None] + np.float32(across) * at
    pixels = np.asarray(picture) * (light[..., None] * cast.astype(np.float32))
    pixels += _noise(picture.width, rng) * np.float32(rng.uniform(2, 9) if street else rng.uniform(1.5, 3.5))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def _noise(size: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """A random cut of the grain, (size, size, 3), enlarged where the picture is larger than the grain."""
    field = grain()
    repeat = -(-size // (len(field) // 2))
    cells = -(-size // repeat)
    y, x = rng.integers(0, len(field) - cells + 1, 2).tolist()
    window = field[y : y + cells, x : x + cells]
    return window if repeat == 1 else window.repeat(repeat, 0).repeat(repeat, 1)[:size, :size]
