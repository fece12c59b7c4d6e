"""The cut of the drawn garments: outlines, seams and details as polygons and lines.

Garment coordinates: x to the right, y down, the shoulders near y = -0.75, the waist near y = 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Points: TypeAlias = npt.NDArray[np.float64]

TOPS = ("t-shirt", "dress", "shirt", "sweater", "jacket", "coat", "tank top")
SLEEVE_LENGTH = {"sleeveless": 0.0, "short": 0.36, "three-quarter": 0.66, "long": 0.94}
NECK_WIDTH = {"crew": 0.17, "v-neck": 0.17, "scoop": 0.24, "collar": 0.15, "turtleneck": 0.15, "hood": 0.18}
NECK_DEPTH = {"crew": 0.11, "v-neck": 0.38, "scoop": 0.30, "collar": 0.18, "turtleneck": 0.03, "hood": 0.13}
RIBBED = ("sweater", "jacket")

# Half widths at shoulder, chest, waist and hem, and the y of the hem.
CUT = {
    "t-shirt": (0.42, 0.41, 0.39, 0.41, 0.55),
    "tank top": (0.31, 0.37, 0.35, 0.38, 0.52),
    "shirt": (0.42, 0.42, 0.38, 0.41, 0.66),
    "sweater": (0.45, 0.45, 0.44, 0.42, 0.50),
    "jacket": (0.47, 0.47, 0.44, 0.43, 0.42),
    "coat": (0.45, 0.45, 0.41, 0.52, 1.08),
    "dress": (0.36, 0.35, 0.27, 0.62, 1.05),
}


@dataclass(frozen=True)
class Garment:
    """What a picture shows; ``neckline`` and ``sleeve`` are ``None`` where a garment has none."""

    category: str
    colour: str
    pattern: str
    neckline: str | None = None
    sleeve: str | None = None
    details: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Part:
    """A filled outline, ``points`` (n, 2). ``fabric``: cloth, trim, inside, accent or metal."""

    points: Points
    fabric: str = "cloth"
    shade: float = 1.0
    turn: float = 0.0
    """Direction of the cloth in radians: a sleeve's pattern follows the arm."""


@dataclass(frozen=True)
class Line:
    """A seam or a band, ``points`` (n, 2), with its width in garment units."""

    points: Points
    width: float
    fabric: str = "seam"


@dataclass
class Outline:
    """All that is drawn of one garment, from back to front."""

    parts: list[Part] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    details: list[Part] = field(default_factory=list)
    """Details that lie over the seams."""


def cut(garment: Garment, rng: np.random.Generator) -> Outline:
    """The outline of a garment without its details, with the small differences that make each one its own."""
    outline = Outline()
    if garment.category in TOPS:
        _top(outline, garment, rng)
    elif garment.category == "skirt":
        _skirt(outline, rng)
    else:
        _trousers(outline, garment.category, rng)
    return outline


def curve(start: tuple[float, float], control: tuple[float, float], end: tuple[float, float], n: int = 7) -> Points:
    """A quadratic Bezier curve as (n, 2) points, its ends included."""
    points: Points = _bernstein(n) @ np.array((start, control, end))
    return points


@lru_cache
def _bernstein(n: int) -> Points:
    t = np.linspace(0, 1, n)
    return np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1)


def mirrored(right: Points) -> Points:
    """A closed outline from its right half, which runs from top to bottom."""
    return np.concatenate([right, right[::-1] * (-1, 1)])


def polygon(*points: tuple[float, float]) -> Points:
    """Points as an array (n, 2)."""
    return np.array(points, float)


def ellipse(x: float, y: float, wide: float, high: float, n: int = 20) -> Points:
    """An ellipse with these half axes as (n, 2) points."""
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return np.stack([x + wide * np.cos(angle), y + high * np.sin(angle)], axis=1)


def _top(outline: Outline, garment: Garment, rng: np.random.Generator) -> None:
    category, neckline, sleeve = garment.category, garment.neckline or "crew", garment.sleeve or "sleeveless"
    shoulder, chest, waist, hem, bottom = np.array(CUT[category]) * rng.normal(1, 0.035, 5)
    if sleeve == "sleeveless":
        shoulder *= 0.86
    neck = min(NECK_WIDTH[neckline] * rng.uniform(0.92, 1.1), shoulder - 0.09)
    front = neck_curve(neckline, neck, NECK_DEPTH[neckline] * rng.uniform(0.9, 1.1))
    if neckline == "hood":
        outline.parts.append(Part(ellipse(0, -0.84, 0.33, 0.27), shade=0.8))
    outline.parts.append(Part(np.concatenate([curve((-neck, -0.8), (0, -0.74), (neck, -0.8)), front[::-1]]), "inside"))
    for side in (-1, 1):
        _sleeve(outline, category, sleeve, side, shoulder, chest, rng.uniform(0.22, 0.62))
    flare = (waist, 0.35) if category in ("dress", "coat") else (waist, bottom * 0.6)
    right = np.concatenate(
        [
            front[len(front) // 2 :],
            curve((shoulder, -0.71), (shoulder * 0.84, -0.5), (chest, -0.36), 5),
            curve((chest, -0.36), (waist * 0.98, -0.2), (waist, 0.0), 5),
            curve((waist, 0.02), flare, (hem, bottom), 6),
            _hem(category, hem, bottom),
        ]
    )
    outline.parts.append(Part(mirrored(right)))
    _neck(outline, garment, neckline, neck, front)
    if category in RIBBED:
        band = polygon((-hem, bottom - 0.09), (hem, bottom - 0.09), (hem * 0.95, bottom + 0.02))
        outline.parts.append(Part(np.concatenate([band, [(-hem * 0.95, bottom + 0.02)]]), "trim"))
    if category in ("shirt", "jacket", "coat"):
        outline.lines.append(Line(polygon((0, front[:, 1].max()), (0, bottom + 0.02)), 0.022))
    if category == "dress":
        outline.lines.append(Line(curve((-waist, 0), (0, 0.05), (waist, 0)), 0.018))
        for x in (-0.4, -0.1, 0.25, 0.45):
            outline.lines.append(Line(polygon((waist * x * 1.6, 0.08), (hem * x * 1.7, bottom * 0.9)), 0.01))


def _hem(category: str, hem: float, bottom: float) -> Points:
    dip = {"shirt": 0.16, "dress": 0.07, "coat": 0.03}.get(category, 0.02)
    return curve((hem, bottom), (hem * 0.45, bottom + dip), (0, bottom + dip * 0.8), 5)


def neck_curve(neckline: str, neck: float, depth: float) -> Points:
    """The front neckline from the left to the right shoulder, (13, 2) points."""
    if neckline in ("v-neck", "collar"):
        half = np.linspace(0, 1, 7)[:, None] * (neck, -depth) + (0, -0.8 + depth)
    else:
        half = curve((0, -0.8 + depth), (neck * 0.95, -0.8 + depth), (neck, -0.8))
    return np.concatenate([half[:0:-1] * (-1, 1), half])


def _sleeve(
    outline: Outline, category: str, sleeve: str, side: int, shoulder: float, chest: float, angle: float
) -> None:
    length = SLEEVE_LENGTH[sleeve]
    if not length:
        return
    down, inward = np.array((np.sin(angle), np.cos(angle))), np.array((-np.cos(angle), np.sin(angle)))
    width = 0.30 - 0.12 * length + 0.02 * (category == "coat")
    start, cuff = np.array((shoulder, -0.72)), np.array((shoulder + 0.01, -0.70)) + down * length
    elbow = (start + cuff) / 2 - inward * 0.04
    outer = curve((shoulder - 0.02, -0.72), (elbow[0], elbow[1]), (cuff[0], cuff[1]))
    inner = cuff + inward * width
    points = np.concatenate([[(shoulder - 0.14, -0.74)], outer, [inner, (chest - 0.05, -0.30)]])
    outline.parts.append(Part(points * (side, 1), shade=0.9, turn=-side * angle))
    if category in RIBBED or (category == "shirt" and sleeve != "short"):
        band = np.stack([cuff, inner, inner - down * 0.09, cuff - down * 0.09])
        outline.parts.append(Part(band * (side, 1), "trim"))
    seam = curve((shoulder, -0.71), (shoulder * 0.84, -0.5), (chest, -0.36), 5)
    outline.lines.append(Line(seam * (side, 1), 0.016))


def _neck(outline: Outline, garment: Garment, neckline: str, neck: float, front: Points) -> None:
    if neckline in ("crew", "scoop", "v-neck"):
        outline.lines.append(Line(front, 0.05 if garment.category in ("sweater", "t-shirt") else 0.03, "trim"))
    elif neckline == "turtleneck":
        roll = polygon((-neck, -0.76), (-neck * 0.92, -1.0), (neck * 0.92, -1.0), (neck, -0.76))
        outline.parts.append(Part(np.concatenate([roll, curve((neck, -0.76), (0, -0.7), (-neck, -0.76), 5)]), "trim"))
        outline.lines.append(Line(polygon((-neck * 0.95, -0.88), (neck * 0.95, -0.88)), 0.014))
    elif neckline == "hood":
        outline.parts.append(Part(ellipse(0, -0.84, 0.19, 0.17), "inside"))
        outline.lines += [Line(polygon((x, -0.68), (x * 1.1, -0.42)), 0.022, "accent") for x in (-0.08, 0.08)]
    else:
        low = -0.25 if garment.category == "coat" else -0.5
        flap = polygon((0.0, -0.62), (neck - 0.02, -0.88), (neck + 0.13, -0.72), (0.15, low))
        back = polygon((-neck, -0.87), (neck, -0.87), (neck, -0.78), (-neck, -0.78))
        outline.parts.append(Part(back, "inside"))
        for side in (-1, 1):
            outline.parts.append(Part(flap * (side, 1), "trim" if garment.category != "coat" else "cloth", shade=0.88))
            outline.lines.append(Line(flap[[0, 3, 2]] * (side, 1), 0.014))


def _skirt(outline: Outline, rng: np.random.Generator) -> None:
    waist, hem, bottom = 0.28 * rng.uniform(0.95, 1.1), rng.uniform(0.42, 0.72), rng.uniform(0.35, 0.75)
    side = curve((waist, -0.5), (waist + 0.12, -0.25), (hem, bottom))
    right = np.concatenate([side, curve((hem, bottom), (hem * 0.5, bottom + 0.08), (0, bottom + 0.07), 5)])
    outline.parts.append(Part(mirrored(right)))
    outline.parts.append(Part(_strip(waist, -0.54, 0.09), "trim"))
    for x in (-0.6, -0.25, 0.2, 0.55):
        outline.lines.append(Line(polygon((waist * x, -0.42), (hem * x, bottom * 0.95)), 0.012))


def _trousers(outline: Outline, category: str, rng: np.random.Generator) -> None:
    waist = 0.30 * rng.uniform(0.95, 1.08)
    bottom = rng.uniform(-0.12, 0.08) if category == "shorts" else rng.uniform(0.85, 1.05)
    leg, spread = rng.uniform(0.16, 0.26) + 0.09 * (category == "shorts"), rng.uniform(0.16, 0.26)
    outer, inner = spread + leg, spread - leg * 0.35
    right = np.concatenate(
        [
            [(0, -0.95)],
            curve((waist, -0.95), (waist * 0.3 + outer * 0.75, -0.62), (outer, bottom)),
            [(max(inner, 0.03), bottom + 0.02), (0.0, -0.38)],
        ]
    )
    outline.parts.append(Part(mirrored(right)))
    outline.parts.append(Part(_strip(waist, -0.97, 0.1), "trim"))
    outline.lines.append(Line(curve((0, -0.87), (0.01, -0.6), (0, -0.38), 5), 0.018))
    for side in (-1, 1):
        crease = polygon((waist * 0.55, -0.8), ((outer + inner) / 2, bottom * 0.97))
        outline.lines.append(Line(crease * (side, 1), 0.01))


def _strip(half: float, top: float, high: float) -> Points:
    return polygon((-half, top), (half, top), (half * 1.04, top + high), (-half * 1.04, top + high))
