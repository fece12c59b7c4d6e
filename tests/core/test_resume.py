"""Kill -9 at any moment, run the same command again: nothing is lost, nothing is different."""

import signal
from pathlib import Path
from typing import Any

import pytest

KILLED = [-signal.SIGKILL]

MOMENTS = [
    ["mtss_zoo.training_module", "TrainingModule.training_step", 6],  # in the midst of the first teacher's epoch 2
    ["mtss_zoo.journal", "Journal._save", 1],  # validated and logged, but no restart point yet
    ["mtss_zoo.journal", "os.replace", 3],  # best weights or a restart point are written, but not in place
    ["mtss_zoo.checkpoint", "write_whole", 1],  # the teacher's weights are delivered, and nothing else is
    ["mtss_zoo.stage", "Context.views", 2],  # while the student's cache is filled
    ["mtss_zoo.training_module", "TrainingModule.training_step", 14],  # in the student's second epoch
    ["mtss_zoo.run_log", "RunLog.write", 2],
    ["mtss_zoo.training_module", "TrainingModule.training_step", 1],
    ["mtss_zoo.fit", "measure", 1],  # trained to the end, but not delivered
]


@pytest.mark.slow
def test_a_killed_run_ends_bit_equal_to_one_that_was_left_alone(toy_process: Any, tmp_path: Path) -> None:
    """Shuffled, augmented pictures from 2 workers, dropout, batch statistics, an EMA, cached teachers' embeddings."""
    shared = {"arguments": {"overrides": {"data.workers": 2, "stages.teachers.ema": 0.9}}}
    whole = {"out": str(tmp_path / "whole"), "attempts": [None], **shared}
    killed = {"out": str(tmp_path / "killed"), "attempts": [*MOMENTS, None], **shared}
    assert toy_process("attempts.py", [whole, killed]) == [[[0]], [KILLED] * len(MOMENTS) + [[0]]]
    for run in ("teachers/colour", "teachers/marks", "student"):
        for name in ("model.safetensors", "log.csv", "metrics.json"):
            expected = (tmp_path / "whole" / run / name).read_bytes()
            assert (tmp_path / "killed" / run / name).read_bytes() == expected, f"{run}/{name}"
        assert not list((tmp_path / "killed" / run).glob("*.ckpt"))


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_workers(toy_process: Any, tmp_path: Path) -> None:
    chosen = {"stage": "teachers", "type_name": "marks"}
    two = {"arguments": {**chosen, "overrides": {"data.workers": 2}}, "attempts": [MOMENTS[0]]}
    none = {"arguments": {**chosen, "overrides": {"data.workers": 0}}, "attempts": [None]}
    again = [{**job, "out": str(tmp_path / "run")} for job in (two, none)]
    toy_process("attempts.py", [{**none, "out": str(tmp_path / "whole")}, *again])
    for name in ("model.safetensors", "log.csv"):
        found, expected = (tmp_path / folder / "teachers" / "marks" / name for folder in ("run", "whole"))
        assert found.read_bytes() == expected.read_bytes()
