"""Runs a study: plans its trainings, works the queue off, and gathers the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mtss_zoo.files.whole_files import write_whole
from mtss_zoo.json_text import to_json
from mtss_zoo.processes import run_processes
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.studies.cells import plan_study
from mtss_zoo.studies.gather import gather
from mtss_zoo.studies.queue import forget_failures, work
from mtss_zoo.train import NOT_TRAINED, claim

TABLE, ASKED = "study.json", "study.yaml"


def run_study(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    seeds: Sequence[int] | None = None,
    processes: int = 1,
) -> dict[str, Any]:
    """Trains a recipe in every cell of its grid; stages that cells have in common are trained once.

    ``out`` then holds a run folder for each cell and seed, ``study.json``, and ``study.yaml``: the recipe with its
    grid. The same call goes on where it was: what is finished stays, what failed is tried again. Several processes, on
    several machines too, may work in one folder.

    Args:
        recipe: a built-in name, a YAML file, plain data or a `Recipe`.
        out: the study's folder; default ``studies/<name of the recipe>``.
        data_root: the folder of a dataset on disk.
        overrides: dotted keys to values, for all cells; a cell's own come on top.
        seeds: each cell is trained with each of them; default is the recipe's one.
        processes: that train one cell each at a time.

    Returns:
        What `gather` gives, also written to ``study.json``. A cell that failed is in it, with its error.

    Raises:
        RecipeError, UsageError: a cell cannot be what the grid asks for, or the folder belongs to another recipe.
        KeyboardInterrupt: after Ctrl-C, once every training has a restart point.
    """
    resolved = load_recipe(recipe, overrides)
    study = plan_study(resolved, Path(out or Path("studies") / resolved.name), data_root, seeds)
    rooted = resolved.model_copy(update={"data": resolved.data.rooted(data_root)})
    claim(study.out, rooted.model_copy(update=NOT_TRAINED))
    write_whole(study.out / ASKED, rooted.to_yaml())
    forget_failures(study)
    if processes == 1:
        work(study, 1, 0)
    else:
        run_processes(partial(work, study, processes), processes)
    report = gather(study)
    write_whole(study.out / TABLE, to_json(report))
    return report
