"""The processes of a search: each asks the study for a trial, runs it, and tells what came of it."""

from __future__ import annotations

import csv
import fcntl
import io
import traceback
from contextlib import redirect_stderr
from typing import Any

import optuna
from optuna.trial import TrialState

from mtss_zoo.errors import MtssZooError
from mtss_zoo.files.locks import locked
from mtss_zoo.files.whole_files import write_whole
from mtss_zoo.processes import own_device
from mtss_zoo.progress import say
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.tune_spec import TuneSpec
from mtss_zoo.tuning import study
from mtss_zoo.tuning.trial import Search, drop_weights, run_trial

BEST, TABLE, OUTPUT, LOCK = "best.yaml", "trials.csv", "output.txt", ".lock"
HOPELESS = 3  # failed trials, when no other trial has come to its end


def work(search: Search, failed: int, index: int) -> None:
    """Runs trials until enough are started, or the first ones all failed.

    Args:
        search: what is searched.
        failed: trials that had failed before the search went on.
        index: of this process, which chooses its GPU.
    """
    with locked(search.out / LOCK, fcntl.LOCK_SH):
        trials = open_study(search)
        devices = own_device(search.trial.trainer, index)
        while True:
            with locked(search.out / study.LOG):
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
        except (MtssZooError, RuntimeError) as error:  # torch's own too: too little memory, sizes that do not fit
            traceback.print_exc()
            trial.set_user_attr(study.ERROR, " ".join(str(error).split()) or type(error).__name__)
    with locked(search.out / study.LOG):
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
    write_whole(search.out / TABLE, text.getvalue())
    for number, trial in study.started(trials).items():
        if trial.state.is_finished() and number != best:
            drop_weights(search.folder(number))
    if best is not None:
        write_whole(search.out / BEST, _best_recipe(search, trials, best))


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
