"""What a report says, before it becomes HTML or Markdown: sections of tables and figures, nothing but data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mtss_zoo.paper_tables import truncated


@dataclass(frozen=True)
class Value:
    """A number of a table.

    ``percent``, ``accuracy`` and ``gain`` are in percent already; ``interval`` is the 95 % one, in the same unit;
    ``deviation`` is the standard deviation over the seeds. An ``accuracy`` is cut off after three decimals.
    """

    number: float | None
    kind: Literal["percent", "accuracy", "gain", "plain", "count"] = "percent"
    interval: tuple[float, float] | None = None
    deviation: float | None = None
    decimals: int = 2

    @property
    def known(self) -> bool:
        """False where nothing was measured, or the number is not defined."""
        return self.number is not None and self.number == self.number

    @property
    def text(self) -> str:
        """As it is printed: ``74.85``, a gain as ``+0.62 %``, ``-`` where nothing is known."""
        if not self.known or self.number is None:
            return "-"
        if self.kind == "count":
            return f"{self.number:,.0f}"
        if self.kind == "accuracy":
            return truncated(self.number)
        return f"{self.number:+.{self.decimals}f} %" if self.kind == "gain" else f"{self.number:.{self.decimals}f}"

    @property
    def detail(self) -> str:
        """What stands small below it: ``[72.6, 77.0]``."""
        parts = [f"± {self.deviation:.{self.decimals}f}"] if self.known and self.deviation is not None else []
        if self.known and self.interval and all(x == x for x in self.interval):
            sign = "+" if self.kind == "gain" else ""
            parts.append(f"[{self.interval[0]:{sign}.1f}, {self.interval[1]:{sign}.1f}]")
        return " ".join(parts)


@dataclass(frozen=True)
class Pictures:
    """Small pictures in a cell: data URIs, each with what it shows."""

    items: tuple[tuple[str, str], ...]


Cell: TypeAlias = Value | Pictures | str


@dataclass(frozen=True)
class Row:
    """One line of a table. ``paper`` rows are printed numbers; the others were made by the commands ``made_by``.

    ``origin`` says from which run a row comes, and with which seed it was trained.
    """

    label: str
    cells: tuple[Cell, ...]
    paper: bool = False
    origin: str = ""
    made_by: tuple[int, ...] = ()


@dataclass(frozen=True)
class Block:
    """Rows that share their columns, such as those of one dataset."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    first: str = "model"
    """Heading of the column of labels."""


@dataclass(frozen=True)
class Table:
    """A table with the line that says how to read it."""

    id: str
    title: str
    reading: str
    blocks: tuple[Block, ...]

    @property
    def compact(self) -> bool:
        """Whether its blocks are narrow enough to stand side by side."""
        return all(len(block.columns) <= 4 for block in self.blocks)


@dataclass(frozen=True)
class Figure:
    """A drawing. ``svg`` is markup of our own making, in which every name is escaped already."""

    id: str
    title: str
    alt: str
    svg: str
    caption: str
    tall: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own."""

    id: str
    title: str
    text: str = ""
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Command:
    """How the numbers of one input were made; ``number`` is what rows refer to."""

    number: int
    name: str
    lines: tuple[str, ...]
    facts: str = ""


@dataclass(frozen=True)
class Document:
    """A whole report."""

    title: str
    summary: str
    sections: tuple[Section, ...]
    commands: tuple[Command, ...]
    unfilled: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = field(default=())
    version: str = ""
