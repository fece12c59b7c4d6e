"""The log of a run and what is shown of it."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mtss_zoo.progress import ProgressDisplay
from mtss_zoo.run_log import RunLog, read_log


@pytest.fixture(autouse=True)
def _without_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)


def write(folder: Path, steps: range, start: int = 0) -> None:
    log = RunLog(folder, start)
    for step in steps:
        log.write(step, step / 4, {"lr": 0.1 / step, "loss": 1 / step} | ({"val/f1@1": 0.5} if step % 4 == 0 else {}))


def test_columns_have_a_fixed_order_and_late_ones_find_their_place(tmp_path: Path) -> None:
    log = RunLog(tmp_path)
    log.write(1, 0.5, {"lr": 0.1, "loss": 2.0})
    log.write(2, 1.0, {"lr": 0.1, "loss": 1.0, "val/f1@1": 0.25, "loss/colour": 1.0})
    assert log.path.read_text() == (
        "step,epoch,lr,loss,loss/colour,val/f1@1\n1,0.5,0.1,2.0,,\n2,1.0,0.1,1.0,1.0,0.25\n"
    )


@given(killed=st.integers(1, 12), restart=st.integers(0, 12), torn=st.integers(0, 20))
def test_a_log_goes_on_bit_equal(
    tmp_path_factory: pytest.TempPathFactory, killed: int, restart: int, torn: int
) -> None:
    """Killed after any row, or in the midst of writing one, with a restart point at any step before it."""
    whole, broken = tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("broken")
    restart = min(restart, killed)
    write(whole, range(1, 13))
    write(broken, range(1, killed + 1))
    with (broken / "log.csv").open("a") as file:
        file.write("13,3.25,0.007692307692"[:torn])
    write(broken, range(restart + 1, 13), start=restart)
    assert (broken / "log.csv").read_bytes() == (whole / "log.csv").read_bytes()


def test_numbers_are_read_back_as_they_were(tmp_path: Path) -> None:
    RunLog(tmp_path).write(1, 1.0, {"loss": 0.1 + 0.2})
    assert float(read_log(tmp_path / "log.csv")[0]["loss"]) == 0.1 + 0.2


def display(terminal: bool) -> tuple[ProgressDisplay, io.StringIO]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    return ProgressDisplay("student", steps=8, done=0, per_epoch=4, images=16, console=console), console.file


def test_without_a_terminal_each_epoch_is_a_line() -> None:
    shown, out = display(terminal=False)
    for step in range(1, 9):
        shown.step(step)
        shown.show(step, {"loss": 1 / step} | ({"val/f1@1": 0.5} if step % 4 == 0 else {}), epoch_over=step % 4 == 0)
    shown.close()
    first, second = out.getvalue().splitlines()
    assert first.startswith("student: epoch 1/2, loss 0.2500, f1@1 0.5000, ")
    assert second.startswith("student: epoch 2/2, loss 0.1250, f1@1 0.5000, ")


def test_on_a_terminal_there_is_a_bar() -> None:
    shown, out = display(terminal=True)
    shown.step(8)
    shown.show(8, {"loss": 0.125}, epoch_over=True)
    shown.close()
    assert "8/8" in out.getvalue()
    assert "student: epoch 2/2, loss 0.1250" in out.getvalue()
