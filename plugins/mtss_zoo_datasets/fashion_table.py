"""The files of the Fashion Product Images layout: styles.csv, splits.csv, images/."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mtss_zoo.errors import DataError

COLUMNS = {
    "category": "articleType",
    "colour": "baseColour",
    "gender": "gender",
    "season": "season",
    "usage": "usage",
    "pattern": "productDisplayName",
}
METADATA = ("masterCategory", "subCategory", "year", "productDisplayName")
UNKNOWN = {"", "na", "nan", "none", "null"}

# The words by which the product names of the set state a pattern. Left out as ambiguous: washed, melange, woven, self.
PATTERN_WORDS = {
    "check": r"checks?|checked|checkered|plaids?|gingham|tartan",
    "dotted": r"polka|dots?|dotted",
    "floral": r"florals?|flowers?|blossoms?",
    "graphic": r"graphics?",
    "printed": r"prints?|printed",
    "solid": r"solids?|plain",
    "striped": r"stripes?|striped|stripers?|pinstripes?",
}
PRINTS = {"dotted", "floral", "graphic"}
_PATTERN = re.compile(r"\b(?:" + "|".join(f"(?P<{name}>{words})" for name, words in PATTERN_WORDS.items()) + r")\b")


def pattern_in(product_name: str) -> str | None:
    """The pattern that a product's name states; ``None`` where it states none, or two that contradict each other.

    "Floral print" is floral: `printed` gives way to the kind of print.
    """
    found = {match.lastgroup for match in _PATTERN.finditer(product_name.lower())}
    if found & PRINTS:
        found.discard("printed")
    return found.pop() if len(found) == 1 else None


def value(type_name: str, row: dict[str, str]) -> str | None:
    """The class of one attribute type in a row of styles.csv, ``None`` where it is unknown."""
    cell = row[COLUMNS[type_name]]
    if type_name == "pattern":
        return pattern_in(cell)
    return None if cell.lower() in UNKNOWN else cell


@dataclass
class Styles:
    """The usable rows of styles.csv by id; ids of rows that were mended or repeated; places of unusable rows."""

    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    joined: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def read_styles(path: Path) -> Styles:
    """Reads styles.csv; rows of the original have commas in the last column, the product's name, without quotes."""
    styles, lines = Styles(), _lines(path, {"id", *COLUMNS.values(), *METADATA})
    header = next(lines)[1]
    for number, cells in lines:
        key = cells[min(header.index("id"), len(cells) - 1)].strip()
        if len(cells) > len(header) and header[-1] == "productDisplayName":
            cells = [*cells[: len(header) - 1], ",".join(cells[len(header) - 1 :])]
            styles.joined.append(key)
        if len(cells) != len(header) or not key:
            styles.broken.append(f"line {number}")
        elif key in styles.rows:
            styles.repeated.append(key)
        else:
            styles.rows[key] = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    return styles


def read_splits(path: Path) -> dict[str, str] | None:
    """Split by id, or ``None`` where there is no such file."""
    if not path.is_file():
        return None
    splits: dict[str, str] = {}
    lines = _lines(path, {"id", "split"})
    header = next(lines)[1]
    for number, cells in lines:
        row = dict(zip(header, map(str.strip, cells), strict=False))
        if len(cells) != len(header) or not row["id"] or not row["split"]:
            raise DataError(f"{path}, line {number}: an id and a split are expected.")
        if splits.setdefault(row["id"], row["split"]) != row["split"]:
            raise DataError(f"{path}, line {number}, column split: {row['id']} is already in {splits[row['id']]}.")
    return splits


def pictures(images: Path) -> dict[str, str]:
    """The file names of ``images/`` by id."""
    if not images.is_dir():
        raise DataError(f"{images}: no such folder; the pictures lie in it as <id>.jpg.")
    return {file.stem: file.name for file in images.iterdir() if file.suffix.lower() == ".jpg"}


def _lines(path: Path, needed: set[str]) -> Iterator[tuple[int, list[str]]]:
    """Line numbers with cells, the header first. Line by line, so that a stray quote cannot swallow other rows."""
    if not path.is_file():
        raise DataError(f"{path} is missing.")
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        header = [name.strip() for name in next(csv.reader([file.readline()]), [])]
        if lacking := sorted(needed - set(header)):
            raise DataError(f"{path}, line 1: columns {', '.join(lacking)} are missing.")
        yield 1, header
        for number, line in enumerate(file, 2):
            if line.strip():
                yield number, next(csv.reader([line.rstrip("\r\n")]))
