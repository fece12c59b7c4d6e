"""Our numbers in the columns of a paper's table: those of one stage of one run, measured as the table asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mtss_zoo import corruption
from mtss_zoo.aliases import read_aliases
from mtss_zoo.checkpoint_files import read_json
from mtss_zoo.errors import UsageError
from mtss_zoo.files.whole_files import write_whole
from mtss_zoo.json_text import to_json
from mtss_zoo.named_data import open_named
from mtss_zoo.paper_tables import Filling, PaperTable
from mtss_zoo.recipe import Recipe
from mtss_zoo.stage import open_data
from mtss_zoo.studies.answers import read_measured

Numbers = dict[str, float | None]
SHORT = {"f1": "F1", "recall": "R"}
CORRUPTIONS, ACROSS = "corruptions.json", "across.json"


def check_measurements(recipe: Recipe, part: Filling) -> None:
    """Refuses what could not be measured once everything is trained; for that, the datasets are opened.

    Raises:
        UsageError: no such variant of the corruptions; no map of the shared classes, or one that does not fit.
        DataError: a dataset cannot be read.
    """
    if part.corruptions is not None:
        corruption.check(corruption.CORRUPTIONS[0], variant=part.corruptions.get("variant", "imaug"))
    if part.across is None:
        return
    dataset, root = part.across["dataset"], part.across.get("data_root")
    if "aliases" not in part.across:
        raise UsageError(f"name the classes that are shared with {dataset}: --aliases MAP.yaml.")
    schema = open_data(recipe)[0].attribute_schema
    assert schema is not None, "a recipe whose data is open states its schema"
    read_aliases(part.across["aliases"], schema, open_named(dataset, root, shares=False)[1].schema)


def numbers(table: PaperTable, part: Filling, run: Path, stage: str) -> Numbers:
    """Column to number, in percent but for CE; measures what a training does not measure, and keeps it in the run."""
    if part.corruptions is not None:
        return _corrupted(table, _kept(run / CORRUPTIONS, part.corruptions, _measure_corrupted)["stages"][stage])
    if part.across is not None:
        return _across(_kept(run / ACROSS, part.across, _measure_across)["stages"][stage], part.across)
    measured = read_measured(run / stage)
    if table.of == "all":
        rows = dict.fromkeys(table.columns, measured["all"])
    elif table.of == "single":
        rows = dict.fromkeys(table.columns, next(iter(measured["types"].values())))
    else:
        named = {part.columns.get(name, name): row for name, row in measured["types"].items()}
        return _by_type(table, {**named, "all": measured["all"]})
    pairs = zip(rows.items(), table.measures, strict=True)
    return {column: _percent(row.get(measure), measure) for (column, row), measure in pairs}


def _by_type(table: PaperTable, rows: Mapping[str, Mapping[str, Any]]) -> Numbers:
    several = len(table.measures) > 1
    return {
        f"{name} {_short(measure)}" if several else name: _percent(row[measure], measure)
        for name, row in rows.items()
        for measure in table.measures
        if measure in row
    }


def _corrupted(table: PaperTable, stage: Mapping[str, Any]) -> Numbers:
    (measure,) = table.measures
    sides = zip(table.columns, (stage["clean"], stage["mean"]), strict=True)
    return {column: _percent(side["all"][measure], measure) for column, side in sides}


def _across(stage: Mapping[str, Any], asked: Mapping[str, Any]) -> Numbers:
    words = asked.get("columns", {})
    found = {words.get(c, c): row["f1@1"] for at in stage["types"].values() for c, row in at["classes"].items()}
    return {column: _percent(value, "f1@1") for column, value in (found | {"All": stage["all"]["f1@1"]}).items()}


def _kept(path: Path, asked: Mapping[str, Any], measure: Callable[[Path, Mapping[str, Any]], Any]) -> dict[str, Any]:
    """A measurement from its file, unless something else was asked for then."""
    if path.is_file() and (before := read_json(path)).get("asked") == dict(asked):
        return before
    write_whole(path, to_json({**measure(path.parent, asked), "asked": dict(asked)}))
    return read_json(path)


def _measure_corrupted(run: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    from mtss_zoo.robustness import evaluate_corrupted

    return evaluate_corrupted(run, **asked)


def _measure_across(run: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    from mtss_zoo.cross_domain import evaluate_across

    return evaluate_across(run, **{key: value for key, value in asked.items() if key != "columns"})


def _short(measure: str) -> str:
    name, at, k = measure.partition("@")
    return SHORT.get(name, name) + at + k


def _percent(value: float | None, measure: str) -> float | None:
    return value if value is None or measure == "ce" else 100 * value
