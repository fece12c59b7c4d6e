"""The smallest useful instance of each dataset: arguments, and a tiny tree for those that read a disk."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COLOURS = ("Blue", "Green", "Red")
CATEGORIES = ("Dresses", "Shirts")


def garments(folder: Path) -> Mapping[str, Any]:
    """Few, small pictures."""
    return {"n_train": 48, "n_val": 12, "n_test": 12, "n_unlabelled": 24, "image_size": 32}


def fashion_products(folder: Path) -> Mapping[str, Any]:
    """Writes 36 listed pictures and 12 without a row."""
    rows = []
    for number in range(1, 49):
        colour, category = COLOURS[number % 3], CATEGORIES[number % 2]
        picture(folder / "images" / f"{number}.jpg", colour, number)
        name = f"Brand {'Striped' if number % 4 else 'Solid'} {colour} {category}"
        rows.append((number, "Women", "Apparel", "Topwear", category, colour, "Summer", 2012, "Casual", name))
    header = "id gender masterCategory subCategory articleType baseColour season year usage productDisplayName"
    _table(folder / "styles.csv", header.split(), rows[:36])
    return {"root": str(folder)}


def manifest(folder: Path) -> Mapping[str, Any]:
    """Writes 48 rows, 12 of them unlabelled, with two attribute types."""
    rows = []
    for number in range(48):
        path = f"pictures/{number}.jpg"
        colour = COLOURS[number % 3]
        picture(folder / path, colour, number)
        split = ("train", "train", "val", "unlabeled")[number % 4]
        rows.append((path, split, colour, "|".join(COLOURS[: number % 3]), "shop"))
    _table(folder / "manifest.csv", ("image", "split", "colour", "trims", "marketplace"), rows)
    schema = "types: [{name: colour, kind: single}, {name: trims, kind: multi}]\n"
    (folder / "schema.yaml").write_text(schema)
    return {"root": str(folder)}


def picture(path: Path, colour: str, number: int) -> None:
    """A field of one colour with a bar of its own: equal files in two splits would be a leak."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGB", (24, 32), colour.lower())
    picture.paste("white", (0, 0, 1 + number % 24, 8 + 8 * (number // 24)))
    picture.save(path)


def _table(path: Path, header: tuple[str, ...] | list[str], rows: list[tuple[Any, ...]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
