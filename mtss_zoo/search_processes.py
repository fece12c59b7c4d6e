"""The processes of a search: each asks the study for a trial, runs it, and tells what came of it."""

from __future__ import annotations

import csv
import fcntl
import io
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState

from mtss_zoo import study
from mtss_zoo.errors import MtssZooError
from mtss_zoo.progress import say
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.trial import Search, drop_weights, run_trial
from mtss_zoo.tune_spec import TuneSpec

BEST, TABLE, OUTPUT, LOCK = "best.yaml", "trials.csv", "output.txt", ".lock"
HOPELESS = 3  # failed trials, when no other trial has come to its end


def run_processes(search: Search, processes: int, failed: int) -> None:
    """Tries trials in several processes at once, each with its share of the cores.

    Raises:
        KeyboardInterrupt: after Ctrl-C, once all processes have ended; each lets its step end and writes a restart
            point, or ends at once when told a second time.
        MtssZooError: a process died.
    """
    context = multiprocessing.get_context("spawn")  # a fork of a process that has used torch's threads may hang
    arguments = [(search, index, failed, processes) for index in range(processes)]
    workers = [context.Process(target=_work_apart, args=a) for a in arguments]
    for worker in workers:
        worker.start()
    stopped = False
    while any(worker.is_alive() for worker in workers):
        try:
            for worker in workers:
                worker.join()
        except KeyboardInterrupt:
            stopped = True
            for worker in workers:
                if worker.is_alive() and worker.pid:
                    os.kill(worker.pid, signal.SIGINT)
    if stopped:
        raise KeyboardInterrupt
    if any(worker.exitcode for worker in workers):
        raise MtssZooError("a process of the search died; what it said is above. The same command goes on.")


def _work_apart(search: Search, index: int, failed: int, processes: int) -> None:
    """`work` in a process of its own, which ends as after Ctrl-C when the one that started it is gone."""
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    os.setpgrp()  # a terminal's Ctrl-C reaches the first process only, which passes it on once

    def end_with_parent() -> None:
        parent = multiprocessing.parent_process()
        assert parent is not None
        parent.join()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=end_with_parent, daemon=True).start()
    try:
        work(search, index, failed)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def work(search: Search, index: int, failed: int) -> None:
    """Runs trials until enough are started, or the first ones all failed.

    Args:
        search: what is searched.
        index: of this process, which chooses its GPU.
        failed: trials that had failed before the search went on.
    """
    with study.locked(search.out / LOCK, fcntl.LOCK_SH):
        trials = open_study(search)
        devices = _devices(search, index)
        while True:
            with study.locked(search.out / study.LOG):
                if len(study.started(trials)) >= search.trials or len(study.failures(trials)) - failed >= HOPELESS:
                    return
                number, trial = study.ask(trials, search.space, search.recipe.seed)
            _run(search, trials, number, trial, devices)


def open_study(search: Search) -> optuna.Study:
    """The study of a search. No trial is pruned in the first quarter of the last stage."""
    return study.open_study(search.out, search.lower_is_better, (search.recipe.stages[search.last].epochs or 0) // 4)


def _run(search: Search, trials: optuna.Study, number: int, trial: optuna.Trial, devices: int | list[int]) -> None:
    folder = search.folder(number)
    folder.mkdir(parents=True, exist_ok=True)
    value, state = None, TrialState.FAIL
    with (folder / OUTPUT).open("a", encoding="utf-8") as output, redirect_stderr(output):
        try:
            value, state = run_trial(search, number, trial, devices), TrialState.COMPLETE
        except optuna.TrialPruned:
            state = TrialState.PRUNED
        except (
            MtssZooError,
            RuntimeError,
        ) as error:  # torch's own errors too: too little memory, sizes that do not fit
            traceback.print_exc()
            trial.set_user_attr(study.ERROR, " ".join(str(error).split()) or type(error).__name__)
    with study.locked(search.out / study.LOG):
        trials.tell(trial, value, state)
        settle(search, trials)
        say(_line(search, trials, number))


def settle(search: Search, trials: optuna.Study) -> None:
    """Writes the best recipe and the table of trials, and keeps the weights of the best trial alone."""
    best = study.best(trials)
    table = study.rows(trials, search.space)
    text = io.StringIO()
    writer = csv.DictWriter(text, ["trial", "state", "value", "last epoch", "seconds", *search.space.own, "error"])
    writer.writeheader()
    writer.writerows(table)
    _write(search.out / TABLE, text.getvalue())
    for number, trial in study.started(trials).items():
        if trial.state.is_finished() and number != best:
            drop_weights(search.folder(number))
    if best is not None:
        _write(search.out / BEST, _best_recipe(search, trials, best))


def _best_recipe(search: Search, trials: optuna.Study, number: int) -> str:
    """The user's recipe with the values of the best trial, measured again as the recipe says."""
    values, own = search.space.values(study.started(trials)[number].params), search.space.own
    recipe = load_recipe(search.recipe, values)
    changes: dict[str, Any] = {"name": f"{recipe.name}_tuned", "weights": None}
    if recipe.tune == TuneSpec():
        changes["tune"] = None
    changed = [f"# {key}: {own[key]} -> {value}\n" for key, value in values.items() if value != own[key]]
    title = (
        f"# {recipe.name} with the values of trial {number:04d}, {_score(search, trials, number)} on the hold-out.\n"
    )
    return "".join([title, *changed]) + recipe.model_copy(update=changes).to_yaml()


def _line(search: Search, trials: optuna.Study, number: int) -> str:
    trial = study.started(trials)[number]
    values = ", ".join(
        f"{key}={value:.4g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in search.space.values(trial.params).items()
    )
    best = study.best(trials)
    if trial.state == TrialState.FAIL:
        outcome = f"failed: {trial.user_attrs[study.ERROR]}"
    elif trial.state == TrialState.PRUNED:
        outcome = f"pruned after epoch {trial.last_step}"
    else:
        outcome = _score(search, trials, number) + (", the best so far" if number == best else "")
    return f"trial {number:04d}: {outcome}; {values}"


def _score(search: Search, trials: optuna.Study, number: int) -> str:
    aim = search.aim
    return f"{aim.metric}{f' of {aim.type}' if aim.type else ''} {study.started(trials)[number].value:.4f}"


def _devices(search: Search, index: int) -> int | list[int]:
    """One device a process; several GPUs are shared out."""
    import torch

    if search.trial.trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return [index % torch.cuda.device_count()]
    return 1


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
