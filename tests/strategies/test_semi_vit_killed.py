"""Real runs of semi_vit that are killed and started again: nothing is lost, nothing is different."""

from __future__ import annotations

import csv
import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

pytestmark = pytest.mark.slow

# Where a process is killed.
LEARNED = ["mtss_zoo.fit", "measure", 1]  # trained to the end, and the last restart point is still there
MOMENTS = [
    ["mtss_zoo.training_module", "TrainingModule.training_step", 5],  # in the second epoch
    ["mtss_zoo.journal", "Journal._save", 1],  # an epoch's pseudo labels are written, but no restart point is
    ["mtss_zoo_strategies.pseudo_label_histogram", "PseudoLabelHistogram._write", 1],
    LEARNED,
]
OVERRIDES = {
    "data.types": ["colour"],
    "data.workers": 2,
    "stages.student": {
        "strategy": {"name": "semi_vit", "args": {"mu": 2, "threshold": 0.3, "momentum": 0.8}},
        "loss": {"name": "cross_entropy", "args": {"label_smoothing": 0.1, "scale": 16}},
        "batch_size": 4,
        "epochs": 3,
        "optimizer": {"name": "adamw", "lr": 1e-2},
        "views": {name: {"flip": 0.5, "shift": 2} for name in ("train", "weak", "strong")},
    },
    "trainer.save_every": 2,
}
KILLED = [-signal.SIGKILL]


def histogram(folder: Path) -> list[dict[str, str]]:
    with (folder / "pseudo_labels.csv").open() as file:
        return list(csv.DictReader(file))


def jobs(tmp_path: Path, attempts: dict[str, Any], overrides: Any = None, **job: Any) -> list[dict[str, Any]]:
    """Training into a folder for each key, as often as it has attempts."""
    job["arguments"] = {"stage": "student", "overrides": OVERRIDES | (overrides or {})}
    return [{"out": str(tmp_path / out), "attempts": tried, **job} for out, tried in attempts.items()]


def test_a_killed_stage_ends_bit_equal_to_one_that_was_left_alone(toy_process: Any, tmp_path: Path) -> None:
    """Student, teacher and optimiser with batch statistics and dropout; the log, and the pseudo labels."""
    attempts = {"whole": [LEARNED], "killed": MOMENTS}
    assert toy_process("attempts.py", jobs(tmp_path, attempts)) == [[KILLED], [KILLED] * len(MOMENTS)]
    whole, killed = (tmp_path / out / "student" for out in attempts)
    for name in ("log.csv", "pseudo_labels.csv"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert [row["epoch"] for row in histogram(whole)] == ["1"] * 3 + ["2"] * 3 + ["3"] * 3
    states = [torch.load(folder / "last.ckpt", weights_only=True) for folder in (whole, killed)]
    assert {f"strategy.{m}.backbone.0.weight" for m in ("model", "teacher.module")} <= states[0]["state_dict"].keys()
    for part in ("state_dict", "optimizer_states", "batches_done", "global_step"):
        torch.testing.assert_close(states[0][part], states[1][part], rtol=0, atol=0)


def test_two_processes_count_pseudo_labels_together_and_go_on_bit_equal(toy_process: Any, tmp_path: Path) -> None:
    """Three steps of 4 pictures in each process are 24 an epoch."""
    shared = {"trainer.devices": 2, "trainer.strategy": "ddp", "stages.student.batch_size": 2}
    attempts = {"whole": [None], "killed": [MOMENTS[0], None]}
    killed_and_whole = jobs(tmp_path, attempts, shared, world_size=2)
    assert toy_process("attempts.py", killed_and_whole) == [[[0, 0]], [KILLED * 2, [0, 0]]]
    whole, killed = (tmp_path / out / "student" for out in attempts)
    for name in ("model.safetensors", "log.csv", "pseudo_labels.csv", "metrics.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes(), name
    pictures = [24 * float(row["share"]) for row in histogram(whole)]
    assert sum(pictures) == pytest.approx(3 * 24)
    assert pictures == pytest.approx([round(n) for n in pictures], abs=1e-4)
    assert any(round(n) % 2 for n in pictures), "an odd number is not that of one process, doubled"
    weights = [json.loads((tmp_path / "whole" / f"rank{rank}.json").read_text())["weights"] for rank in (0, 1)]
    assert weights[0] == weights[1]
