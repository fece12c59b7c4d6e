"""Two processes on the CPU (gloo) train one model: same weights, other pictures."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

OVERRIDES = {
    "trainer.devices": 2,
    "trainer.strategy": "ddp",
    "data.workers": 2,
    "stages.teachers.batch_size": 4,
    "stages.teachers.keep": "last",
}
COLOUR = {"stage": "teachers", "type_name": "colour", "overrides": OVERRIDES}
KILLED = [-signal.SIGKILL, -signal.SIGKILL]
MIDDLE = ["mtss_zoo.training_module", "TrainingModule.training_step", 6]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def runs(toy_process: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``whole`` trained undisturbed, ``killed`` was killed in the midst of an epoch and went on."""
    folder = tmp_path_factory.mktemp("ddp")
    shared = {"world_size": 2, "arguments": COLOUR}
    whole = {"out": str(folder / "whole"), "attempts": [None], **shared}
    killed = {"out": str(folder / "killed"), "attempts": [MIDDLE, None], **shared}
    assert toy_process("attempts.py", [whole, killed]) == [[[0, 0]], [KILLED, [0, 0]]]
    return folder


def of_rank(folder: Path, rank: int) -> dict[str, Any]:
    learned: dict[str, Any] = json.loads((folder / f"rank{rank}.json").read_text())
    return learned


def test_both_processes_end_with_the_same_weights(runs: Path) -> None:
    first, second = (of_rank(runs / "whole", rank)["weights"] for rank in (0, 1))
    assert first == second
    assert len(first) > 5


def test_an_epoch_shares_out_the_pictures(runs: Path) -> None:
    """36 labels in global batches of 8 are 4 steps an epoch: 16 pictures for each process, none twice."""
    for epoch in range(3):
        batches = [of_rank(runs / "whole", rank)["rows"][4 * epoch : 4 * epoch + 4] for rank in (0, 1)]
        rows = [[row for batch in of_one for row in batch] for of_one in batches]
        assert [len(r) for r in rows] == [16, 16]
        assert len({*rows[0], *rows[1]}) == 32


def test_one_process_writes(runs: Path) -> None:
    lines = (runs / "whole" / "teachers" / "colour" / "log.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["step", "2", "4", "6", "8", "10", "12"]


def test_a_killed_run_goes_on_bit_equal(runs: Path) -> None:
    for name in ("model.safetensors", "log.csv", "metrics.json"):
        found, expected = (runs / out / "teachers" / "colour" / name for out in ("killed", "whole"))
        assert found.read_bytes() == expected.read_bytes(), name


def test_an_unfinished_model_goes_on_in_as_many_processes_only(
    toy_process: Any, runs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Half as many processes would need twice the batches: the middle of the training would pass for its end."""
    one = OVERRIDES | {"trainer.devices": 1, "trainer.strategy": "auto"}
    again = {"out": str(tmp_path), "world_size": 2, "arguments": COLOUR}
    alone = {"out": str(tmp_path), "attempts": [None], "arguments": COLOUR | {"overrides": one}}
    jobs = [again | {"attempts": [MIDDLE]}, alone, again | {"attempts": [None]}]
    assert toy_process("attempts.py", jobs) == [[KILLED], [[1]], [[0, 0]]]
    said = capfd.readouterr().out
    assert "teachers/colour was stopped in 2 processes with accumulate_grad_batches 1 and cannot go on in 1 pro" in said
    assert "devices, num_nodes and accumulate_grad_batches as they were, or remove last.ckpt from" in said
    found, expected = (out / "teachers/colour/model.safetensors" for out in (tmp_path, runs / "whole"))
    assert found.read_bytes() == expected.read_bytes()


def test_lightning_starts_the_second_process_by_itself(toy_process: Any, runs: Path, tmp_path: Path) -> None:
    """All stages, one after the other, in the same two processes."""
    toy_process("launched.py", {"out": str(tmp_path), "overrides": OVERRIDES | {"stages.student.batch_size": 4}})
    expected = (runs / "whole" / "teachers" / "colour" / "model.safetensors").read_bytes()
    assert (tmp_path / "teachers" / "colour" / "model.safetensors").read_bytes() == expected
    assert (tmp_path / "student" / "model.safetensors").is_file()
