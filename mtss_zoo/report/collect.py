"""Reads folders of runs and studies, and JSON files of ``evaluate``. Broken ones are named, not fatal."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtss_zoo.checkpoint_files import METRICS, RECIPE, WEIGHTS, read_json
from mtss_zoo.errors import MtssZooError, UsageError
from mtss_zoo.recipe import Recipe, StageSpec
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.report.evaluation_file import EvaluationFile, evaluation_file
from mtss_zoo.report.measured import Measured, measured_file
from mtss_zoo.report.study_file import StageStats, study_file
from mtss_zoo.run_log import Row, read_log

STUDY, PSEUDO_LABELS, LOG = "study.json", "pseudo_labels.csv", "log.csv"
KEPT = ("corruptions.json", "across.json")
MAX_ROWS = 1_000_000


@dataclass(frozen=True)
class Stage:
    """A finished stage, or one of which only the log is there yet."""

    name: str
    spec: StageSpec
    measured: Measured | None = None
    """Of the delivered model; ``None`` for pretraining, and while it trains."""
    others: Mapping[str, Measured] = field(default_factory=dict)
    logs: Mapping[str, list[Row]] = field(default_factory=dict)
    """Attribute type of a ``per_type`` stage, or the stage's name, to the rows of its log."""
    pseudo_labels: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """One training, or one cell of a study, whose numbers are means over its ``seeds``, each with a folder."""

    name: str
    folders: tuple[Path, ...]
    recipe: Recipe
    stages: Mapping[str, Stage]
    seeds: tuple[int, ...]

    @property
    def folder(self) -> Path:
        """That of the only, or the first, training."""
        return self.folders[0]

    @property
    def measured(self) -> dict[str, Stage]:
        """The stages that were measured, in order."""
        return {name: stage for name, stage in self.stages.items() if stage.measured}


@dataclass(frozen=True)
class Cell:
    """One cell of a study: its place on each axis, and its numbers."""

    settings: Mapping[str, Any]
    run: Run
    stats: Mapping[str, StageStats]


@dataclass(frozen=True)
class Study:
    """A folder of runs that differ in the keys of a grid; ``grid`` is axis to values."""

    name: str
    folder: Path
    grid: Mapping[str, list[Any]]
    seeds: tuple[int, ...]
    cells: tuple[Cell, ...]
    first: Run | None = None
    """The first training of the first cell, if its folder is there."""


@dataclass(frozen=True)
class Evaluation:
    """A JSON file that ``evaluate --json`` printed, or that ``reproduce`` left in the folder of a ``run``."""

    name: str
    path: Path
    data: EvaluationFile
    run: Path | None = None


@dataclass
class Inputs:
    """Everything that was found. ``skipped`` names what could not be used, with the reason."""

    runs: list[Run] = field(default_factory=list)
    studies: list[Study] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def every_run(self) -> list[Run]:
        """The runs that were named, and those of the studies."""
        return self.runs + [cell.run for study in self.studies for cell in study.cells]

    @property
    def shown(self) -> list[Run]:
        """The runs that have sections of their own: those that were named, and the first one of every study."""
        return self.runs + [study.first for study in self.studies if study.first]


def collect(paths: Iterable[str | Path]) -> Inputs:
    """Reads run folders, study folders and JSON files.

    Raises:
        UsageError: none of them holds anything finished; the message says why, for each.
    """
    found = Inputs()
    for path in dict.fromkeys(map(Path, paths)):
        try:
            _add(found, path)
        except (MtssZooError, ValueError, OSError) as error:
            found.skipped.append((str(path), _sentence(error)))
    if not (found.every_run or found.evaluations):
        why = "; ".join(f"{name}: {reason}" for name, reason in found.skipped)
        raise UsageError(f"there is nothing to report on: {why or 'no run was named'}")
    return found


def _add(found: Inputs, path: Path) -> None:
    if path.is_file() and path.suffix == ".json":
        found.evaluations.append(Evaluation(path.stem, path, evaluation_file(read_json(path))))
    elif (path / STUDY).is_file():
        study = read_study(path, found.skipped)
        found.studies.append(study)
        for cell in study.cells:
            _add_kept(found, cell.run)
    elif (path / RECIPE).is_file():
        run = read_run(path, found.skipped)
        found.runs.append(run)
        _add_kept(found, run)
    else:
        raise ValueError(f"it has no {RECIPE} and no {STUDY}, and is no JSON file" if path.exists() else "not found")


def _add_kept(found: Inputs, run: Run) -> None:
    """What was measured on top of a run and kept in its folder."""
    for folder in run.folders:
        name = run.name if folder == run.folder else f"{run.name}, {folder.name}"
        for path in (folder / kept for kept in KEPT):
            if path.is_file():
                found.evaluations.append(Evaluation(name, path, evaluation_file(read_json(path)), folder))


def read_run(folder: Path, skipped: list[tuple[str, str]]) -> Run:
    """A run's folder, with every stage that left something behind.

    Raises:
        ValueError, MtssZooError: its recipe cannot be read, or no stage of it is finished.
    """
    recipe = load_recipe(folder / RECIPE)
    sizes = {t.name: len(t) for t in recipe.attribute_schema} if recipe.attribute_schema else {}
    stages: dict[str, Stage] = {}
    for name, spec in recipe.stages.items():
        if not (folder / name).is_dir():
            continue
        try:
            stages[name] = _stage(folder / name, name, spec, sizes)
        except (MtssZooError, ValueError, OSError) as error:
            skipped.append((str(folder / name), _sentence(error)))
    run = Run(folder.resolve().name, (folder,), recipe, stages, (recipe.seed,))
    if not run.measured:
        raise ValueError("no stage of it is finished and measured yet")
    skipped += [(str(folder / name), "not finished yet") for name in recipe.stages if not _finished(folder / name)]
    return run


def _stage(folder: Path, name: str, spec: StageSpec, sizes: Mapping[str, int]) -> Stage:
    parts = {name: folder} if not spec.per_type else {t: folder / t for t in sizes if (folder / t).is_dir()}
    files = {part: read_json(at / METRICS) for part, at in parts.items() if (at / METRICS).is_file()}
    with_types = {part: data for part, data in files.items() if "types" in data}
    measured = Measured.merged(map(measured_file, with_types.values()), sizes) if with_types else None
    others = {
        other: Measured.merged([measured_file({"split": data.get("split", "")} | of_other)], sizes)
        for data in with_types.values()
        for other, of_other in (data.get("others") or {}).items()
    }
    logs = {part: rows for part, at in parts.items() if (rows := read_log(at / LOG))}
    return Stage(name, spec, measured, others, logs, _rows(folder / PSEUDO_LABELS))


def _finished(folder: Path) -> bool:
    return any(folder.glob(WEIGHTS)) or any(folder.glob(f"*/{WEIGHTS}"))


def read_study(folder: Path, skipped: list[tuple[str, str]]) -> Study:
    """A study's table, with the recipe of each finished cell. The numbers are those of ``study.json``.

    Raises:
        ValueError, MtssZooError: the table cannot be read, or no cell is finished.
    """
    table = study_file(read_json(folder / STUDY))
    cells = []
    for cell in table.cells:
        where, trained = str(folder / cell.cell), {int(s): name for s, name in cell.runs.items() if s.isdigit()}
        folders = tuple(folder / name for name in trained.values()) or (folder / cell.cell,)
        if not cell.stages:
            skipped.append((where, cell.error or f"{cell.state}; nothing of it is measured yet"))
            continue
        try:
            recipe = load_recipe(folders[0] / RECIPE)
        except (MtssZooError, ValueError, OSError) as error:
            skipped.append((where, _sentence(error)))
            continue
        stages = {
            name: Stage(name, recipe.stages[name], stats.measured(table.split))
            for name, stats in cell.stages.items()
            if name in recipe.stages
        }
        seeds = tuple(trained) or (recipe.seed,)
        run = Run(f"{folder.resolve().name}/{cell.cell}", folders, recipe, stages, seeds)
        cells.append(Cell(cell.settings, run, cell.stages))
    if not cells:
        raise ValueError("no cell of the study is finished yet")
    first = _first_run(cells[0].run, skipped)
    return Study(folder.resolve().name, folder, table.grid, tuple(table.seeds), tuple(cells), first)


def _first_run(cell: Run, skipped: list[tuple[str, str]]) -> Run | None:
    """The first training of a cell by itself; ``None`` where the table of the study was brought here alone."""
    try:
        return replace(read_run(cell.folder, skipped), name=cell.name)
    except (MtssZooError, ValueError, OSError):
        return None


def _rows(path: Path) -> list[Row]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row, _ in zip(csv.DictReader(file), range(MAX_ROWS), strict=False)]


def _sentence(error: Exception) -> str:
    """The first line of an error, which is shown beside the name of a folder."""
    return (str(error).splitlines() or [type(error).__name__])[0]
