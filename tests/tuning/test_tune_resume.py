"""Kill a search at any moment, give the same command again: all trials are there once, with the same values."""

from __future__ import annotations

import csv
import signal
from pathlib import Path
from typing import Any

import pytest

KILL, CTRL_C = int(signal.SIGKILL), int(signal.SIGINT)
LR = "stages.student.optimizer.lr"
SEARCH = {
    "aim": {"space": {LR: {"factor": 30}, "stages.student.batch_size": {"choices": [8, 16]}}},
    "overrides": {"stages.teachers.epochs": 1, "stages.student.epochs": 2, "trainer.save_every": 1},
    "trials": 4,
}

MOMENTS = [
    ["mtss_zoo.tuning.study", "line_up", 1, KILL],  # the study is there, and nothing in it
    ["mtss_zoo.training_module", "TrainingModule.training_step", 5, KILL],  # a shared stage is trained
    ["optuna.study", "Study.ask", 1, KILL],
    ["optuna.storages.journal", "JournalFileBackend.append_logs", 4, KILL],  # a trial has one of its two values
    ["mtss_zoo.training_module", "TrainingModule.training_step", 7, KILL],
    ["mtss_zoo.training_module", "TrainingModule.training_step", 3, CTRL_C],
    ["mtss_zoo.tuning.trial", "measured_value", 1, KILL],  # trained to its end, and the study does not know
    ["mtss_zoo.tuning.search_processes", "settle", 1, KILL],  # the study knows, and nothing is written
    ["optuna.study", "Study.tell", 1, KILL],  # what was cut short is lined up, and not yet marked as failed
    ["mtss_zoo.files.whole_files", "os.replace", 2, KILL],
]


@pytest.fixture
def search(toy_attempts: Any) -> Any:
    return toy_attempts("searched.py", SEARCH)


def table(out: Path) -> list[dict[str, str]]:
    with (out / "trials.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.slow
def test_a_killed_search_ends_as_one_that_was_left_alone(search: Any, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert search(whole, None) == [0]
    assert search(killed, *MOMENTS, None) == [130 if m[-1] == CTRL_C else -KILL for m in MOMENTS] + [0]
    assert [row["trial"] for row in table(killed)] == ["0", "1", "2", "3"]
    assert table(killed) == table(whole)
    assert (killed / "best.yaml").read_bytes() == (whole / "best.yaml").read_bytes()
    for number in range(4):
        log = f"trials/{number:04d}/student/log.csv"
        assert (killed / log).read_bytes() == (whole / log).read_bytes()


@pytest.mark.slow
def test_two_processes_share_a_search_and_end_with_the_one_that_started_them(search: Any, tmp_path: Path) -> None:
    """Killed or interrupted while both have just begun, they leave no process and no trial behind."""
    out = tmp_path / "tune"
    joining = ["multiprocessing.process", "BaseProcess.join", 1]
    assert search(out, [*joining, KILL], processes=2) == [-KILL]
    assert search(out, [*joining, CTRL_C], processes=2) == [130]
    assert not (out / "trials.csv").exists()
    assert search(out, None, processes=2) == [0]
    found = table(out)
    assert [row["trial"] for row in found] == ["0", "1", "2", "3"]
    assert {row["state"] for row in found} == {"complete"}
    assert (found[0][LR], found[0]["stages.student.batch_size"]) == ("0.01", "8")
    assert len({row[LR] for row in found}) == 4
