"""The tables of both papers as printed, and what fills them here: ``paper_tables.yaml``, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from math import floor
from typing import Any, Literal

import yaml

from mtss_zoo.errors import UnknownNameError


@dataclass(frozen=True)
class Filling:
    """A study, or a recipe without a grid, whose numbers fill a table.

    ``rows``: what the table calls a stage to its name in the recipe. ``columns``: attribute types to what the table
    calls them, where that is another name. ``corruptions`` and ``across``: arguments of the measurements that the table
    needs on top.
    """

    study: str
    rows: Mapping[str, str]
    columns: Mapping[str, str] = field(default_factory=dict)
    corruptions: Mapping[str, Any] | None = None
    across: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class PaperTable:
    """One table. The comment on top of the file says what the fields mean."""

    name: str
    title: str
    source: str
    unit: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]
    measures: tuple[str, ...]
    of: Literal["types", "all", "single"]
    filled_by: Mapping[str, tuple[Filling, ...]]


def truncated(percent: float) -> str:
    """An accuracy with three decimals, as Semi-ViT prints it: cut off, not rounded, so 1525 of 2091 is ``72.931``."""
    thousandths = floor(round(1000 * percent, 6))  # 57 of 100 is a little less than 57 % in binary
    return f"{thousandths / 1000:.3f}"


@cache
def paper_tables() -> dict[str, PaperTable]:
    """Name to table, in the order of the papers."""
    text = files("mtss_zoo").joinpath("paper_tables.yaml").read_text(encoding="utf-8")
    return {name: _table(name, fields) for name, fields in yaml.safe_load(text).items()}


def paper_table(name: str) -> PaperTable:
    """One table by its name.

    Raises:
        UnknownNameError: there is none of this name.
    """
    tables = paper_tables()
    if name not in tables:
        raise UnknownNameError(f"no table {name!r}; there are {', '.join(tables)}.")
    return tables[name]


def _table(name: str, fields: Mapping[str, Any]) -> PaperTable:
    return PaperTable(
        name,
        fields["title"],
        fields["source"],
        fields["unit"],
        tuple(fields["labels"]),
        tuple(fields["columns"]),
        tuple(map(tuple, fields["rows"])),
        tuple(fields["measures"]),
        fields["of"],
        {which: tuple(Filling(**part) for part in parts) for which, parts in fields["filled_by"].items()},
    )
