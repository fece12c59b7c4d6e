"""The study of a search on disk: optuna's journal, which all processes of the search read and append to.

A trial is known by the number of its run folder. A process that is killed leaves its trial running: the next search
marks it as failed and lines up the same parameters once more, for the same folder.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from mtss_zoo.sampling import derived_seed
from mtss_zoo.tuning.search_space import SearchSpace

LOG = "study.log"
ERROR = "error"
"""What a failed trial remembers; one that was cut short has nothing to say."""
RUN = "run"
"""What a trial remembers that goes on with another one: the number of its folder."""
OWN = 0
"""The number of the trial with the recipe's own values."""


def open_study(folder: Path, lower_is_better: bool, warm_up: int) -> optuna.Study:
    """The study of a folder, new or as it was left.

    Args:
        folder: of the search.
        lower_is_better: whether the metric is one to be made small.
        warm_up: epochs before which no trial is pruned.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # An absolute path: the journal's lock is a link to it, and one that leads nowhere would never be given up.
    storage = JournalStorage(JournalFileBackend(str((folder / LOG).resolve())))
    return optuna.create_study(
        storage=storage,
        study_name="tune",
        direction="minimize" if lower_is_better else "maximize",
        pruner=optuna.pruners.MedianPruner(n_warmup_steps=warm_up),
        load_if_exists=True,
    )


def mend(folder: Path) -> None:
    """Undoes what a process leaves that was killed while it wrote: half a line, and the journal's lock."""
    (folder / f"{LOG}.lock").unlink(missing_ok=True)
    log = folder / LOG
    if log.is_file() and (text := log.read_bytes()) and not text.endswith(b"\n"):
        log.write_bytes(text[: text.rfind(b"\n") + 1])


def line_up(study: optuna.Study, space: SearchSpace) -> None:
    """Puts first what has to be tried first: the recipe's own values, and trials that were cut short."""
    trials = study.get_trials(deepcopy=False)
    if not trials:
        study.enqueue_trial(space.start)
    waiting = {t.user_attrs.get(RUN) for t in trials if t.state == TrialState.WAITING}
    for number, trial in started(study).items():
        if trial.state == TrialState.RUNNING:
            if number not in waiting:
                params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
                study.enqueue_trial(params, user_attrs={RUN: number})
            study.tell(trial.number, state=TrialState.FAIL)


def started(study: optuna.Study) -> dict[int, FrozenTrial]:
    """Every trial that runs or is finished, by the number of its run folder. One cut short counts where it goes on."""
    found, repeated = {}, 0
    for trial in study.get_trials(deepcopy=False):
        cut_short = trial.state == TrialState.FAIL and ERROR not in trial.user_attrs
        if not cut_short and trial.state != TrialState.WAITING:
            found[trial.user_attrs.get(RUN, trial.number - repeated)] = trial
        repeated += RUN in trial.user_attrs
    return dict(sorted(found.items()))


def ask(study: optuna.Study, space: SearchSpace, seed: int) -> tuple[int, optuna.Trial]:
    """The next trial, and the number of its run folder.

    What is drawn depends on the seed, the number of trials so far and what they gave, not on when a search was stopped.
    """
    seeded = derived_seed(seed, len(started(study))) % 2**32
    study.sampler = optuna.samplers.TPESampler(seed=seeded, multivariate=True)
    trial = study.ask(dict(space.distributions))
    return next(n for n, t in started(study).items() if t.number == trial.number), trial


def best(study: optuna.Study) -> int | None:
    """The number of the best trial that came to its end; of equal ones the first."""
    values = {n: t.value for n, t in started(study).items() if t.state == TrialState.COMPLETE and t.value is not None}
    if not values:
        return None
    return (min if study.direction.name == "MINIMIZE" else max)(values, key=lambda number: values[number])


def failures(study: optuna.Study) -> list[str]:
    """What the failed trials said; none once any trial did not fail."""
    ended = [t for t in started(study).values() if t.state.is_finished()]
    return [t.user_attrs[ERROR] for t in ended] if all(t.state == TrialState.FAIL for t in ended) else []


def rows(study: optuna.Study, space: SearchSpace) -> list[dict[str, Any]]:
    """All trials for people and programs: state, value, epochs validated, seconds, values of the space, error."""
    words = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
    return [
        {
            "trial": number,
            "state": words.get(t.state, "running"),
            "value": t.value if t.state == TrialState.COMPLETE else None,
            "last epoch": t.last_step,
            "seconds": round(t.duration.total_seconds(), 1) if t.duration else None,
            **space.values(t.params),
            "error": t.user_attrs.get(ERROR),
        }
        for number, t in started(study).items()
    ]


def importance(study: optuna.Study) -> Mapping[str, float]:
    """The share of each key in how much the trials differ (PED-ANOVA); empty where ten trials are not yet finished."""
    if sum(t.state == TrialState.COMPLETE for t in study.get_trials(deepcopy=False)) < 10:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return optuna.importance.get_param_importances(study)
