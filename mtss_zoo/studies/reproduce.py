"""Fills a table of the papers: runs the studies that it needs, and sets our numbers below the printed ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from mtss_zoo.errors import UsageError
from mtss_zoo.grid import ALONE
from mtss_zoo.paper_tables import Filling, PaperTable, paper_table, paper_tables
from mtss_zoo.recipe import Part, Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.studies.answers import MEASURED
from mtss_zoo.studies.numbers import Numbers, check_measurements, numbers
from mtss_zoo.studies.study import run_study

SMALL, PUBLISHED = "small", "deepfashion"
OTHER_DOMAIN = "data.also_unlabelled"
Line = dict[str, Any]


@dataclass(frozen=True)
class Wishes:
    """What the user says of all studies of a table.

    ``target_root`` is the folder of the other domain's dataset, and ``aliases`` the map of shared classes (Table 6);
    ``variant`` that of the corruptions (Table 7).
    """

    data_root: str | Path | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    seeds: Sequence[int] | None = None
    processes: int = 1
    target_root: str | Path | None = None
    aliases: str | Path | None = None
    variant: str | None = None


def fillings() -> list[dict[str, Any]]:
    """Every table with every set of recipes that fills it, the dataset that has to be there, and what is run."""
    return [
        {
            "table": name,
            "title": table.title,
            "source": table.source,
            "recipe set": which,
            "dataset": load_recipe(parts[0].study).data.dataset.name,
            "runs": [part.study for part in parts],
        }
        for name, table in paper_tables().items()
        for which, parts in table.filled_by.items()
    ]


def reproduce(
    name: str, which: str | None = None, out: str | Path | None = None, wishes: Wishes | None = None
) -> dict[str, Any]:
    """Runs what a table of the papers needs; the same call goes on where it was.

    Args:
        name: of the table, ``table4``.
        which: the set of recipes: by default ``deepfashion`` where a ``data_root`` is named, else ``small``.
        out: where the studies are kept, a folder for each, which tables share; default ``reproduced/<which>``.
        wishes: for all studies.

    Returns:
        ``table``, ``title``, ``source``, ``unit``, ``recipe set``; ``labels`` and ``columns``; ``paper`` and ``ours``,
        rows of ``cells`` by label and column, ours with the number of ``runs`` and, of several, the ``sd`` by column;
        ``studies`` (their folders), and ``failed`` (cell to error).

    Raises:
        UnknownNameError, UsageError: there is no such table, or no such set for it; or what it measures on top of the
            trainings cannot be measured, which is known before the first one.
    """
    table, wishes = paper_table(name), wishes or Wishes()
    which = _recipe_set(table, which, wishes)
    folders = {part.study: Path(out or Path("reproduced") / which) / part.study for part in table.filled_by[which]}
    ours: list[Line] = []
    failed: dict[str, str] = {}
    for recipe, part in _parts(table, which, wishes):
        place = folders[part.study]
        report = run_study(recipe, place, wishes.data_root, wishes.overrides, wishes.seeds, wishes.processes)
        failed |= {f"{part.study}, {cell['cell']}": cell["error"] for cell in report["cells"] if cell["error"]}
        ours += _lines(table, part, report, recipe, place)
    paper = [dict(zip((*table.labels, *table.columns), row, strict=True)) for row in _printed(table, which)]
    rows = (*paper, *(line["cells"] for line in ours))
    columns = dict.fromkeys(column for row in rows for column, value in row.items() if value is not None)
    return {
        "table": name,
        "title": table.title,
        "source": table.source,
        "unit": table.unit,
        "recipe set": which,
        "labels": list(table.labels),
        "columns": [column for column in columns if column not in table.labels],
        "paper": [{"cells": row} for row in paper],
        "ours": ours,
        "studies": [str(folder) for folder in folders.values()],
        "failed": failed,
    }


def with_target(recipe: Recipe, root: str | Path | None) -> Recipe:
    """The same study whose variants read the other domain's pictures from this folder."""
    if root is None or recipe.grid is None:
        return recipe

    def rooted(changes: Mapping[str, Any]) -> dict[str, Any]:
        parts = [Part.model_validate(part) for part in changes.get(OTHER_DOMAIN, ())]
        with_root = [{"name": part.name, "args": {**part.args, "root": str(root)}} for part in parts]
        return {**changes, OTHER_DOMAIN: with_root} if parts else dict(changes)

    grid = {
        key: {name: rooted(changes) for name, changes in axis.items()} if isinstance(axis, dict) else axis
        for key, axis in recipe.grid.items()
    }
    return recipe.model_copy(update={"grid": grid})


def _recipe_set(table: PaperTable, which: str | None, wishes: Wishes) -> str:
    sets = ", ".join(table.filled_by)
    if which is None and wishes.data_root and PUBLISHED not in table.filled_by:
        raise UsageError(f"{table.name} has several recipe sets; say with --recipe-set which of {sets} fits the data.")
    which = which or (PUBLISHED if wishes.data_root else SMALL)
    if which not in table.filled_by:
        raise UsageError(f"{table.name} is filled by the recipe sets {sets}, not {which!r}.")
    return which


def _parts(table: PaperTable, which: str, wishes: Wishes) -> list[tuple[Recipe, Filling]]:
    """What is run, and what is measured on top, all of it checked before anything is trained."""
    across = {"aliases": wishes.aliases, "data_root": wishes.target_root}
    parts = []
    for filling in table.filled_by[which]:
        asked = _with(filling.corruptions, {"variant": wishes.variant}), _with(filling.across, across)
        part = replace(filling, corruptions=asked[0], across=asked[1])
        recipe = with_target(load_recipe(filling.study), wishes.target_root)
        trained = load_recipe(recipe, wishes.overrides)
        check_measurements(trained.model_copy(update={"data": trained.data.rooted(wishes.data_root)}), part)
        parts.append((recipe, part))
    return parts


def _with(arguments: Mapping[str, Any] | None, given: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The arguments of a measurement, if the table needs it, with what the user says of them."""
    if arguments is None:
        return None
    return {**arguments, **{key: str(value) for key, value in given.items() if value}}


def _printed(table: PaperTable, which: str) -> list[tuple[str | float | None, ...]]:
    """The paper's rows: those of the same data, if it has any; else all."""
    same = [row for row in table.rows if str(row[0]).casefold().replace(" ", "_").startswith(which)]
    return same or list(table.rows)


def _lines(table: PaperTable, part: Filling, report: Mapping[str, Any], recipe: Recipe, place: Path) -> list[Line]:
    lines = []
    for cell in report["cells"]:
        for word, stage in part.rows.items():
            found = cell["stages"].get(stage)
            if not found or found["same_as"]:
                continue
            others = [c["stages"][stage]["same_as"] for c in report["cells"] if stage in c["stages"] and c is not cell]
            alone = cell["cell"] == ALONE or (others and all(other == cell["cell"] for other in others))
            labels = (recipe.data.dataset.name, word if alone else f"{word}, {cell['cell']}")[-len(table.labels) :]
            runs = [place / run for run in cell["runs"].values() if (place / run / stage / MEASURED).is_file()]
            measured = [numbers(table, part, run, stage) for run in runs]
            lines.append(_line(dict(zip(table.labels, labels, strict=True)), measured))
    return lines


def _line(labels: Mapping[str, str], runs: Sequence[Numbers]) -> Line:
    known = {column: [value for run in runs if (value := run.get(column)) is not None] for column in runs[0]}
    means = {column: fmean(values) if values else None for column, values in known.items()}
    sds = {column: stdev(values) for column, values in known.items() if len(values) > 1}
    return {"cells": {**labels, **means}, "runs": len(runs), **({"sd": sds} if sds else {})}
