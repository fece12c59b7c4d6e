"""The queue of a study: processes claim its trainings one by one, and train what is not trained yet."""

from __future__ import annotations

import fcntl
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path

from mtss_zoo.checkpoint_files import RECIPE
from mtss_zoo.errors import MtssZooError
from mtss_zoo.files.locks import locked
from mtss_zoo.files.whole_files import write_whole
from mtss_zoo.processes import own_device
from mtss_zoo.progress import say
from mtss_zoo.recipe import Recipe
from mtss_zoo.stage import open_data
from mtss_zoo.studies.answers import MEASURED, measure_stage
from mtss_zoo.studies.cells import CellRun, Study
from mtss_zoo.train import claim, train

OUTPUT, LOCK = "output.txt", ".lock"


def work(study: Study, processes: int, index: int) -> None:
    """Trains every run that is neither finished, nor failed, nor being trained by another process.

    Args:
        study: what is trained.
        processes: that share this machine; several have one device each.
        index: of this process, which chooses its GPU.
    """
    for run in study.runs:
        study.folder(run).mkdir(parents=True, exist_ok=True)
        with _claimed(study.folder(run) / LOCK) as mine:
            if mine and not finished(study, run) and not failure(study, run):
                _attempt(study, run, None if processes == 1 else index)


def finished(study: Study, run: CellRun) -> bool:
    """Whether all stages of a run are trained and measured."""
    return all((study.folder(run) / stage / MEASURED).is_file() for stage in run.recipe.stages)


def failure(study: Study, run: CellRun) -> str | None:
    """What the first stage of a run said that failed, be it in its own folder or in that of another cell."""
    for stage in run.recipe.stages:
        owner = study.owner(run, stage)
        if (record := _record(study, owner, stage)).is_file():
            where = f"its stage {stage}" if owner is run else f"its stage {stage}, which it has from {owner.name}"
            return f"{where}: {record.read_text(encoding='utf-8').strip()}"
    return None


def forget_failures(study: Study) -> None:
    """Lines up again what failed before."""
    for run in study.runs:
        for stage in run.recipe.stages:
            _record(study, run, stage).unlink(missing_ok=True)


def _attempt(study: Study, run: CellRun, index: int | None) -> None:
    output = study.folder(run) / OUTPUT
    say(f"{run.name}: training; {output} says how far it is.")
    with output.open("a", encoding="utf-8") as file, redirect_stderr(file):
        whole = all(_stage(study, run, stage, index) for stage in run.recipe.stages)
        if whole and not (study.folder(run) / RECIPE).is_file():  # it has all its stages from others
            claim(study.folder(run), open_data(run.recipe)[0])
    said = failure(study, run)
    say(f"{run.name}: failed in {said}" if said else f"{run.name}: finished.")


def _stage(study: Study, run: CellRun, stage: str, index: int | None) -> bool:
    """Trains and measures a stage where it is kept, unless that is done; false if it failed."""
    owner = study.owner(run, stage)
    folder, record = study.folder(owner), _record(study, owner, stage)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / f".{stage}.lock"):  # waits for another cell that trains the same stage just now
        if record.is_file():
            return False
        if not (folder / stage / MEASURED).is_file():
            try:
                train(_on_device(owner.recipe, index), folder, stage=stage)
                measure_stage(folder, stage)
            except Exception as error:  # of the user's data, a plugin, torch: the other cells go on
                traceback.print_exc()
                words = str(error) if isinstance(error, MtssZooError) else f"{type(error).__name__}: {error}"
                write_whole(record, " ".join(words.split()) + "\n")
                return False
    if owner is not run and not (link := study.folder(run) / stage).exists():
        link.symlink_to(Path("..", owner.name, stage))
    return True


def _on_device(recipe: Recipe, index: int | None) -> Recipe:
    if index is None:
        return recipe
    fields = {"devices": own_device(recipe.trainer, index), "num_nodes": 1, "strategy": "auto"}
    return recipe.model_copy(update={"trainer": recipe.trainer.model_copy(update=fields)})


def _record(study: Study, owner: CellRun, stage: str) -> Path:
    return study.folder(owner) / f"{stage}.error.txt"


@contextmanager
def _claimed(lock: Path) -> Iterator[bool]:
    """Whether nobody else holds the lock; then this process does."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
