"""How commands print: tables for people, JSON for programs; and options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from mtss_zoo.errors import UsageError

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override one key: --set model.head.args.dim=256. May be repeated.")
]
DataRoot = Annotated[Path | None, typer.Option(help="Folder of the dataset, where it is one on disk.")]


def refuse(why: str, **options: object) -> None:
    """Refuses options that say nothing beside others: each that was given is named.

    Raises:
        UsageError: one of them was given.
    """
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        names = " and ".join("--" + name.replace("_", "-") for name in given)
        raise UsageError(f"{names} {why}.")


def print_json(value: Any) -> None:
    """JSON on standard output; NaN, which JSON lacks, is null."""
    from mtss_zoo.json_text import to_json

    print(to_json(value), end="")


def print_table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """A table whose columns are the keys of the first row; a column that is empty everywhere is left out."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print("nothing found.")
        return
    columns = [key for key in rows[0] if any(row[key] not in (None, "") for row in rows)]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for key in columns:
        number = all(row[key] is None or isinstance(row[key], int | float) for row in rows)
        short = max(len(_cell(row[key])) for row in rows) <= 36  # where room is scarce, long texts give way first
        table.add_column(key, justify="right" if number else "left", overflow="fold", no_wrap=number or short)
    for row in rows:
        table.add_row(*(_cell(row[key]) for key in columns))
    console = Console(markup=False, highlight=False)
    if title:
        console.print(title, soft_wrap=True)  # as a title of the table it would wrap to the table's width
    console.print(table)


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def parse_overrides(
    assignments: Iterable[str] | None, option: str = "--set", example: str = "model.head.args.dim=256"
) -> dict[str, Any]:
    """``["a.b=1"]`` to ``{"a.b": 1}``; values are read as YAML.

    Raises:
        UsageError: an entry has no ``=``, or its value is not YAML.
    """
    import yaml

    parsed = {}
    for assignment in assignments or ():
        key, equals, value = assignment.partition("=")
        if not (key and equals):
            raise UsageError(f"{option} {assignment}: write KEY=VALUE, such as {option} {example}.")
        try:
            parsed[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise UsageError(f"{option} {assignment}: the value is not YAML.") from error
    return parsed
