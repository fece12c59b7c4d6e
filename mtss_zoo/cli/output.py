"""How commands print: tables for people, JSON for programs; and options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated, Any

import typer

from mtss_zoo.errors import RecipeError, UsageError

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Overrides = Annotated[
    list[str] | None, typer.Option("--set", help="Override one key: --set model.head.args.dim=256. May be repeated.")
]
DataRoot = Annotated[Path | None, typer.Option(help="Folder of the dataset, where it is one on disk.")]
# Characters. Where room is scarce, texts that are not short give way, and still hold any number whole when narrow.
_SHORT, _NARROW, _WIDEST = 36, 12, 1_000_000


def refuse(why: str, **options: object) -> None:
    """Refuses options that say nothing beside others: each that was given is named.

    Raises:
        UsageError: one of them was given.
    """
    given = [name for name, value in options.items() if value is not None and value is not False]
    if given:
        names = " and ".join("--" + name.replace("_", "-") for name in given)
        raise UsageError(f"{names} {why}.")


def check_out(out: Path, folder: bool = False) -> None:
    """Refuses a file or ``folder`` that cannot be written, before there is work to lose. Leaves nothing behind.

    Raises:
        UsageError: it is the one instead of the other, or what it would lie in takes no files.
    """
    if out.exists() and out.is_dir() != folder:
        found, needed = ("a file", "a folder") if folder else ("a folder", "a file")
        raise UsageError(f"--out {out}: is {found}, but {needed} is needed.")
    inside = out.absolute() if folder else out.absolute().parent
    place = next(path for path in (inside, *inside.parents) if path.exists())
    try:
        TemporaryFile(dir=place).close()
    except OSError as error:
        why = f"{place} takes no files ({error.strerror})"
        raise UsageError(f"{out} cannot be written: {why}. Name another place with --out.") from error


def print_json(value: Any) -> None:
    """JSON on standard output; NaN, which JSON lacks, is null."""
    from mtss_zoo.json_text import to_json

    print(to_json(value), end="")


def print_table(rows: Sequence[Mapping[str, Any]], title: str | None = None) -> None:
    """A table whose columns are the keys of the first row; a column that is empty everywhere is left out.

    It is as wide as it must be. On a terminal long texts are wrapped, and where that is not enough every value has a
    line of its own: a number that is cut would be another one.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print("nothing found.")
        return
    columns = [key for key in rows[0] if any(row[key] not in (None, "") for row in rows)]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    spare = 0
    for key in columns:
        number = all(row[key] is None or isinstance(row[key], int | float) for row in rows)
        longest = max(len(_cell(row[key])) for row in rows)
        whole = number or longest <= _SHORT
        spare += 0 if whole else longest - _NARROW
        table.add_column(key, justify="right" if number else "left", overflow="fold", no_wrap=whole)
    for row in rows:
        table.add_row(*(_cell(row[key]) for key in columns))
    console = Console(markup=False, highlight=False)
    if title:
        console.print(title, soft_wrap=True)  # as a title of the table it would wrap to the table's width
    width = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    if not console.is_terminal:
        console.width = width
    if width - spare <= console.width:
        console.print(table)
        return
    for row in rows:
        values = (f"{key}: {_cell(row[key])}" for key in columns if row[key] != "")
        console.print(*values, "", sep="\n", soft_wrap=True)


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def parse_overrides(
    assignments: Iterable[str] | None, option: str = "--set", example: str = "model.head.args.dim=256"
) -> dict[str, Any]:
    """``["a.b=1"]`` to ``{"a.b": 1}``; values are read as in a recipe.

    Raises:
        UsageError: an entry has no ``=``, or its value is not YAML.
    """
    from mtss_zoo.recipe_yaml import read_value

    parsed = {}
    for assignment in assignments or ():
        key, equals, value = assignment.partition("=")
        if not (key and equals):
            raise UsageError(f"{option} {assignment}: write KEY=VALUE, such as {option} {example}.")
        try:
            parsed[key] = read_value(value)
        except RecipeError as error:
            raise UsageError(f"{option} {key}: {error}") from error
    return parsed
