"""The same tables as Markdown, without the drawings."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mtss_zoo.report.document import Block, Cell, Document, Pictures, Row, Value

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~#&!$])")


def to_markdown(document: Document) -> str:
    """The text of a Markdown file."""
    return "\n".join(_lines(document)).strip() + "\n"


def _lines(document: Document) -> Iterator[str]:
    yield from (f"# {plain(document.title)}", "", plain(document.summary), "")
    for section in document.sections:
        if not section.tables:
            continue
        yield from (f"## {plain(section.title)}", "")
        for table in section.tables:
            yield from (f"### {plain(table.title)}", "", f"How to read this: {plain(table.reading)}", "")
            for block in table.blocks:
                yield from _block(block)
    yield from ("## Where the numbers come from", "")
    for command in document.commands:
        facts = f": {plain(command.facts)}" if command.facts else ""
        yield from (f"[{command.number}] {plain(command.name)}{facts}", "")
        yield from (*(f"    {' '.join(line.split())}" for line in command.lines), "")
    if document.unfilled:
        yield from (f"Not filled by what was given: {plain('; '.join(document.unfilled))}.", "")
    if document.skipped:
        yield from ("Left out:", "", *(f"- {plain(name)}: {plain(why)}" for name, why in document.skipped), "")


def _block(block: Block) -> Iterator[str]:
    # Pictures are in the page alone.
    shown = [i for i in range(len(block.columns)) if not any(isinstance(row.cells[i], Pictures) for row in block.rows)]
    heads = [block.first, *(block.columns[i] for i in shown)]
    yield from (f"{plain(block.caption)}:", "", f"| {' | '.join(map(plain, heads))} |", "|---" * len(heads) + "|")
    for row in block.rows:
        yield f"| {_label(row)} | {' | '.join(_cell(row.cells[i]) for i in shown)} |"
    yield ""


def _label(row: Row) -> str:
    origin = "paper" if row.paper else row.origin
    return plain(row.label + (f" ({origin})" if origin else "") + "".join(f" [{n}]" for n in row.made_by))


def _cell(cell: Cell) -> str:
    if isinstance(cell, Value):
        return plain(f"{cell.text} {cell.detail}".strip())
    return plain(cell) if isinstance(cell, str) else ""


def plain(text: str) -> str:
    """Text on one line in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
