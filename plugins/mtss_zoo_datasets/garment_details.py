"""Pockets, buttons, logos, belts and zips of the drawn garments."""

from __future__ import annotations

import numpy as np

from mtss_zoo_datasets.garment_shapes import CUT, TOPS, Garment, Line, Outline, Part, ellipse, polygon

DETAILS = ("pocket", "buttons", "logo", "belt", "zip")
POSSIBLE = {
    "t-shirt": ("pocket", "logo"),
    "dress": ("pocket", "buttons", "belt", "zip"),
    "shirt": ("pocket", "buttons", "logo"),
    "trousers": ("pocket", "logo", "belt"),
    "sweater": ("pocket", "buttons", "logo", "zip"),
    "skirt": ("pocket", "buttons", "belt", "zip"),
    "jacket": ("pocket", "buttons", "logo", "zip"),
    "coat": ("pocket", "buttons", "belt"),
    "shorts": ("pocket", "logo", "belt"),
    "tank top": ("pocket", "logo"),
}


def add_details(outline: Outline, garment: Garment, rng: np.random.Generator) -> None:
    """Adds the garment's details to its outline."""
    for name in DETAILS:
        if name in garment.details:
            _ADD[name](outline, garment, rng)


def _bottom(category: str) -> float:
    return CUT[category][4] if category in TOPS else 0.35


def _pocket(outline: Outline, garment: Garment, rng: np.random.Generator) -> None:
    if garment.category in ("t-shirt", "shirt", "tank top"):
        places = [(0.19, -0.22, 0.085)]
    elif garment.category in ("trousers", "shorts"):
        places = [(side * 0.24, -0.52 if garment.category == "shorts" else -0.25, 0.09) for side in (-1, 1)]
    elif garment.category == "skirt":
        places = [(side * 0.24, -0.1, 0.085) for side in (-1, 1)]
    else:
        places = [(side * 0.24, 0.22, 0.095) for side in (-1, 1)]
    for x, y, half in places:
        half *= rng.uniform(0.95, 1.15)
        corners = polygon((x - half, y - half), (x + half, y - half), (x + half, y + half), (x, y + 1.4 * half))
        patch = np.concatenate([corners, [(x - half, y + half)]])
        outline.details.append(Part(patch, shade=0.8))
        outline.lines.append(Line(patch[[0, 4, 3, 2, 1]], 0.016))
        outline.details.append(Part(polygon(*_box(x, y - half, half, 0.028)), "trim", shade=0.8))


def _buttons(outline: Outline, garment: Garment, rng: np.random.Generator) -> None:
    top = -0.12 if garment.category == "coat" else -0.36
    bottom = min(_bottom(garment.category), 0.55) - 0.1
    for y in np.linspace(top, bottom, 5 if bottom - top > 0.7 else 4):
        outline.details.append(Part(ellipse(0.0, y, 0.042, 0.042, 10), "accent"))


def _logo(outline: Outline, garment: Garment, rng: np.random.Generator) -> None:
    x, y, size = (0.0, -0.22, 0.15) if garment.category in TOPS else (-0.28, -0.3, 0.075)
    if garment.category in ("shirt", "jacket"):
        x, y, size = -0.2, -0.28, 0.085
    shape = int(rng.integers(3))
    if shape == 0:
        points = ellipse(x, y, size, size)
    else:
        corners = 5 if shape == 1 else 4
        angle = np.arange(2 * corners) * np.pi / corners - np.pi / 2
        radius = np.where(np.arange(2 * corners) % 2, 0.5, 1.1) * size
        points = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], axis=1)
    outline.details.append(Part(points, "accent"))
    outline.details.append(Part(ellipse(x, y, size * 0.34, size * 0.34, 10), "trim"))


def _belt(outline: Outline, garment: Garment, rng: np.random.Generator) -> None:
    half, y = (0.33, -0.92) if garment.category in ("trousers", "shorts") else (0.31, -0.5)
    if garment.category in TOPS:
        half, y = CUT[garment.category][2] + 0.02, 0.0
    outline.details.append(Part(polygon(*_box(0, y, half, 0.05)), "leather"))
    outline.details.append(Part(polygon(*_box(0, y, 0.075, 0.07)), "metal"))
    outline.details.append(Part(polygon(*_box(0, y, 0.04, 0.035)), "leather"))


def _zip(outline: Outline, garment: Garment, rng: np.random.Generator) -> None:
    top, bottom = (-0.66, _bottom(garment.category)) if garment.category in TOPS else (-0.46, 0.1)
    if garment.neckline in ("v-neck", "scoop"):
        top = -0.48
    if garment.category == "dress":
        bottom = 0.0
    outline.details.append(Part(polygon(*_box(0, (top + bottom) / 2, 0.03, (bottom - top) / 2)), "metal"))
    for y in np.arange(top + 0.04, bottom, 0.09):
        outline.details.append(Part(polygon(*_box(0, y, 0.03, 0.014)), "leather"))
    outline.details.append(Part(polygon(*_box(0.0, top + 0.08, 0.05, 0.07)), "metal"))


def _box(x: float, y: float, wide: float, high: float) -> list[tuple[float, float]]:
    return [(x - wide, y - high), (x + wide, y - high), (x + wide, y + high), (x - wide, y + high)]


_ADD = {"pocket": _pocket, "buttons": _buttons, "logo": _logo, "belt": _belt, "zip": _zip}
