"""Kill a study at any moment, give the same command again: all cells are there once, with the same numbers."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

KILL, CTRL_C = int(signal.SIGKILL), int(signal.SIGINT)
STUDY = {
    "overrides": {
        "stages.teachers.epochs": 1,
        "stages.student.epochs": 2,
        "trainer.save_every": 1,
        "grid": {"stages.student.loss.args.beta": [0, 1]},
    },
    "seeds": [0, 1],
}
STEP = ["mtss_zoo.training_module", "TrainingModule.training_step"]
MOMENTS = [
    ["mtss_zoo.studies.study", "forget_failures", 1, KILL],  # the folder is there, and nothing in it
    [*STEP, 3, KILL],  # a stage that both cells have is trained
    ["mtss_zoo.studies.queue", "measure_stage", 1, KILL],  # trained to its end, and not measured
    ["mtss_zoo.studies.answers", "write_whole", 2, KILL],  # measured, and only half of it written
    [*STEP, 5, CTRL_C],
    ["pathlib", "Path.symlink_to", 1, KILL],  # the second cell has no link to the teachers yet
    [*STEP, 4, KILL],
    ["mtss_zoo.studies.study", "gather", 1, KILL],  # all is trained, and the table is not written
]


@pytest.fixture
def study(toy_attempts: Any) -> Any:
    return toy_attempts("studied.py", STUDY)


def same_weights(one: Path, other: Path) -> None:
    models = sorted(path.relative_to(one) for path in one.glob("*/**/model.safetensors"))
    assert len(models) == 2 * (2 + 2)  # for each seed teachers of two types, and a student in each of two cells
    for model in models:
        assert (one / model).read_bytes() == (other / model).read_bytes()


@pytest.mark.slow
def test_a_killed_study_ends_as_one_that_was_left_alone(study: Any, tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert study(whole, None) == [0]
    assert study(killed, *MOMENTS, None) == [130 if m[-1] == CTRL_C else -KILL for m in MOMENTS] + [0]
    assert (killed / "study.json").read_bytes() == (whole / "study.json").read_bytes()
    same_weights(whole, killed)


@pytest.mark.slow
def test_two_processes_share_a_study_and_end_with_the_one_that_started_them(study: Any, tmp_path: Path) -> None:
    out = tmp_path / "study"
    joining = ["multiprocessing.process", "BaseProcess.join", 1]
    assert study(out, [*joining, KILL], processes=2) == [-KILL]
    assert study(out, [*joining, CTRL_C], processes=2) == [130]
    assert not (out / "study.json").exists()
    assert study(out, None, processes=2) == [0]
    report = json.loads((out / "study.json").read_text())
    assert [cell["state"] for cell in report["cells"]] == ["finished", "finished"]
    assert report["cells"][1]["stages"]["student"]["runs"] == 2
    assert (out / "beta-1/teachers").is_symlink() != (out / "beta-0/teachers").is_symlink()
