"""The grid of a study: axes, the points between them, and what each point changes in a recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Annotated, Any, TypeAlias

from annotated_types import Len

from mtss_zoo.errors import UsageError

Axis: TypeAlias = Annotated[list[Any], Len(1)] | Annotated[dict[str, dict[str, Any]], Len(1)]
"""A dotted key's values; or, under a name of its own, variants: name to dotted keys with their values."""
Grid: TypeAlias = dict[str, Axis]
"""Every value of an axis meets every value of the others."""
MAX_CELLS = 1000
ALONE = "base"
"""The only cell of a recipe without a grid."""


@dataclass(frozen=True)
class Point:
    """One cell of a grid: a name for its folder, the value or variant on each axis, and the keys that it sets."""

    name: str
    settings: Mapping[str, Any]
    overrides: Mapping[str, Any]


def points(grid: Mapping[str, Any]) -> Iterator[Point]:
    """The cells of a grid; the last axis changes first.

    Raises:
        UsageError: two cells would have one name, a value has none, or there are too many.
    """
    if (cells := prod(len(axis) for axis in grid.values())) > MAX_CELLS:
        raise UsageError(f"the grid has {cells:,} cells; a study has at most {MAX_CELLS:,}.")
    taken: dict[str, Point] = {}
    for steps in product(*(_steps(key, axis) for key, axis in grid.items())):
        overrides: dict[str, Any] = {}
        for _, _, changes in steps:
            overrides |= changes
        settings = {key: value for key, (_, value, _) in zip(grid, steps, strict=True)}
        point = Point(",".join(name for name, _, _ in steps) or ALONE, settings, overrides)
        if point.name.lower() in taken:
            raise UsageError(f"two cells of the grid have the name {point.name!r}: name the variants apart.")
        taken[point.name.lower()] = point
    yield from taken.values()


def axes(grid: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Axis to its values, or to the names of its variants."""
    return {key: [value for _, value, _ in _steps(key, axis)] for key, axis in grid.items()}


def _steps(key: str, axis: list[Any] | dict[str, dict[str, Any]]) -> list[tuple[str, Any, dict[str, Any]]]:
    """The places on one axis: name, value or variant, and the keys that it sets."""
    if isinstance(axis, dict):
        return [(_file_name(key, name).lstrip("-._"), name, dict(changes)) for name, changes in axis.items()]
    short = key.rpartition(".")[2]
    return [(f"{short}-{_file_name(key, _word(key, value))}", value, {key: value}) for value in axis]


def _word(key: str, value: Any) -> str:
    if isinstance(value, dict | list):
        raise UsageError(f"grid: {key}: write such values as variants, {{some_name: {{{key}: ...}}}}.")
    return value if isinstance(value, str) else json.dumps(value)


def _file_name(key: str, word: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_.+-]+", "-", word)
    if not any(c.isalnum() for c in plain):
        raise UsageError(f"grid: {key}: {word!r} cannot name a folder; write it as a variant with a name.")
    return plain
