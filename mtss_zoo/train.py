"""Runs the stages of a recipe, one after the other, in one folder that is never deleted."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtss_zoo.errors import UsageError
from mtss_zoo.files.locks import alone, locked
from mtss_zoo.files.whole_files import drop_parts, write_whole
from mtss_zoo.progress import first_process, say
from mtss_zoo.recipe_source import load_recipe

if TYPE_CHECKING:
    from mtss_zoo.journal import OnValidation
    from mtss_zoo.recipe import Recipe
    from mtss_zoo.regime import RecipeDataset
    from mtss_zoo.stage import StageRun

VOLATILE = {
    "summary",
    "license",
    "provided_by",
    "data.workers",
    "data.max_bad_images",
    "data.dataset.args.root",
    "evaluate.batch_size",
    "trainer.accelerator",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.strategy",
    "trainer.save_every",
}
"""Keys that may change from one call to the next: they say where and how a run computes, not what.

The number of processes does count: a model that is not finished goes on in as many only, and its restart point knows.
"""
NOT_TRAINED: dict[str, Any] = {"tune": None, "grid": None, "shared": None}
"""What a recipe says of searches and studies, which a single training leaves out."""


def train(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    out: str | Path | None = None,
    data_root: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    stage: str | None = None,
    type_name: str | None = None,
    on_validation: OnValidation | None = None,
) -> Path:
    """Trains the stages of a recipe in order; finished ones are skipped, and a stopped one goes on where it was.

    ``out`` then holds ``recipe.yaml``, resolved and with its schema, and a checkpoint folder for each model:
    ``out/<stage>``, or ``out/<stage>/<type>`` for a stage that is ``per_type``.

    Args:
        recipe: a built-in name, a YAML file, plain data or a `Recipe`.
        out: the run's folder; default ``runs/<name of the recipe>``.
        data_root: the folder of a dataset on disk.
        overrides: dotted keys to values, ``{"stages.student.epochs": 3}``.
        stage: train this stage alone; those it needs are finished already.
        type_name: of a ``per_type`` stage, train this attribute type's model alone.
        on_validation: called after every validation of every model with the number of the epoch that ended and the
            F1@1; what it raises ends the training.

    Returns:
        The folder of the last stage that was asked for: with a ``per_type`` stage it holds one for each type.

    Raises:
        RecipeError: the recipe does not fit the dataset, or a stage cannot be built; found before the first one trains.
        UsageError: the folder belongs to another recipe, another process trains the same model, the stage, type or
            split does not exist, or a process that only reads pictures would train too, as the script calls this
            outside of its main block.
        KeyboardInterrupt: after Ctrl-C, once a restart point is written.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # while a new process imports the script
        raise UsageError(
            "the processes that read pictures import this script too. Put what it runs below a line "
            '`if __name__ == "__main__":`, so that they do not train as well.'
        )
    from mtss_zoo.look_ahead import check_later_stages, check_losses
    from mtss_zoo.stage import expand, open_data

    resolved = load_recipe(recipe, overrides)
    resolved = resolved.model_copy(update={"data": resolved.data.rooted(data_root), **NOT_TRAINED})
    asked, (resolved, dataset) = resolved, open_data(resolved)
    check_losses(asked, dataset)
    out = Path(out or Path("runs") / resolved.name)
    runs = expand(resolved, out, stage, type_name)
    if any(view.corrupt for run in runs for view in run.spec.views.values()):
        from mtss_zoo import corruption

        corruption.prepare(())  # what is not installed is better known now than after the teachers
    check_later_stages(runs, dataset)
    claim(out, resolved)
    for run in runs:
        _train_one(run, dataset, on_validation)
    return runs[-1].folder if type_name or not runs[-1].type_name else runs[-1].folder.parent


def claim(out: Path, recipe: Recipe) -> None:
    """Writes the recipe into a new run folder, or makes sure that the folder is a run of this recipe."""
    path = out / "recipe.yaml"
    if first_process() and not path.is_file():
        out.mkdir(parents=True, exist_ok=True)
        with locked(out / ".claim"):  # trainings that start in a new folder at once
            if not path.is_file():
                drop_parts(out, path.name)
                write_whole(path, recipe.to_yaml())
                return
    if path.is_file():
        before, now = (dict(leaves(r.to_dict())) for r in (load_recipe(path), recipe))
        different = sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k) and k not in VOLATILE)
        if different:
            shown = ", ".join(f"{k} ({before.get(k)} there, {now.get(k)} now)" for k in different[:3])
            more = f" and {len(different) - 3} more" if len(different) > 3 else ""
            raise UsageError(f"{out} is a run of another recipe: {shown}{more}. Choose another folder with --out.")


def _train_one(run: StageRun, dataset: RecipeDataset, on_validation: OnValidation | None) -> None:
    with nullcontext() if run.finished else _claimed(run.folder):
        if run.finished:  # perhaps by another process, until just now
            say(f"{run.label}: finished before, in {run.folder}")
            return
        from mtss_zoo.fit import fit

        try:
            fit(run, dataset, on_validation)
        except KeyboardInterrupt as stop:
            say(str(stop))
            raise
    say(f"{run.label}: finished, in {run.folder}")


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """Lets no other training use the folder of a model meanwhile; process 0 holds it for all of its run."""
    if not first_process():
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder / ".lock", "training"):
        drop_parts(folder)
        yield


def leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested data."""
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from leaves(part, f"{key}.{name}" if key else str(name))
    else:
        yield key, value
