"""``mtss-zoo tune``: tables for people, JSON for programs, and a recipe to go on with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

TINY = """
name: tiny
data:
  dataset: {name: garments, args: {n_train: 48, n_val: 12, n_test: 12, n_unlabelled: 0, image_size: 32}}
  types: [colour]
  image_size: [32, 32]
  workers: 0
model: {backbone: resnet18, head: linear}
stages:
  labels:
    strategy: supervised
    loss: bce
    batch_size: 8
    steps: 1
    optimizer: {name: adamw, lr: 1e-3, weight_decay: 0.05}
"""
LR, DECAY = "stages.labels.optimizer.lr", "stages.labels.optimizer.weight_decay"


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, zoo: Any, tmp_path: Path) -> Any:
    """``zoo("tune", "tiny.yaml")`` gives exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    (tmp_path / "tiny.yaml").write_text(TINY)

    return zoo


def test_a_search_says_what_it_tries_and_what_was_best(zoo: Any, tmp_path: Path) -> None:
    code, out, err = zoo("tune", "tiny.yaml", "--trials", 2)
    assert code == 0
    assert [line[:12] for line in err.splitlines()] == ["trial 0000: ", "trial 0001: "]
    assert f"{LR}=0.001, {DECAY}=0.05" in err
    assert "the best of 2, on the hold-out" in out
    assert "written: tune/tiny/best.yaml" in out
    code, out, _ = zoo("show", "tune/tiny/best.yaml")
    assert code == 0 and "name: tiny_tuned" in out
    assert "tune:" not in out  # all was left to its default

    code, out, err = zoo("tune", "tiny.yaml", "--trials", 2, "--json")
    assert (code, err) == (0, "")
    report = json.loads(out)
    assert (report["metric"], len(report["trials"]), report["own"]["values"][LR]) == ("f1@1", 2, 0.001)


def test_space_metric_and_type_come_from_the_command_line_too(zoo: Any) -> None:
    ranges = (f"{LR}={{low: 1e-4, high: 1e-2, log: true}}", "stages.labels.batch_size={choices: [4, 8]}")
    options = ("--out", "x", "--trials", 1, "--metric", "acc@1", "--type", "colour", "--json")
    code, out, _ = zoo("tune", "tiny.yaml", "--space", ranges[0], "--space", ranges[1], *options)
    report = json.loads(out)
    assert code == 0
    assert (report["metric"], report["type"]) == ("acc@1", "colour")
    assert report["best"]["values"] == {LR: 0.001, "stages.labels.batch_size": 8}
    shown = zoo("show", "x/best.yaml")[1]
    assert f"{LR}:" in shown and "metric: acc@1" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--space", "stages.labels.optimizer.lr"), "--space stages.labels.optimizer.lr: write KEY=VALUE"),
        (("--space", "stages.lables.batch_size={factor: 2}"), "Did you mean stages.labels.batch_size"),
        (("--space", f"{LR}={{low: 1}}"), "give either factor, or low and high, or choices"),
        (("--metric", "f1"), "no metric 'f1'"),
        (("--type", "color"), "no attribute type 'color'"),
        (("--trials", "0"), "--trials"),
    ],
)
def test_what_is_asked_wrongly_is_exit_code_2(zoo: Any, tmp_path: Path, arguments: Any, message: str) -> None:
    code, out, err = zoo("tune", "tiny.yaml", *arguments)
    assert (code, out) == (2, "") and message in err
    assert not (tmp_path / "tune").exists()


def test_trials_that_all_fail_are_exit_code_1(zoo: Any) -> None:
    code, _, err = zoo("tune", "tiny.yaml", "--trials", 1, "--set", "stages.labels.batch_size=99")
    assert code == 1 and "does not fill one batch of 99" in err.splitlines()[-1]
