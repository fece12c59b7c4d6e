"""Student and moving average of a whole training: when the average follows, and what is kept of both."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import mtss_zoo

Train = Callable[..., Path]


@pytest.fixture
def train(toy_plugin: Path, tmp_path: Path) -> Train:
    """Trains the toy recipe's student by ``semi_vit`` with momentum 1/2; further fields of the stage by name."""

    def run(overrides: dict[str, Any] | None = None, **fields: Any) -> Path:
        stage = {
            "strategy": {"name": "semi_vit", "args": {"mu": 1, "momentum": 0.5, "mixup": 0.0, "cutmix": 0.0}},
            "loss": "cross_entropy",
            "epochs": 1,
            "batch_size": 4,
            "optimizer": {"name": "sgd", "lr": 0.1},
            "views": {"train": {}, "weak": {}, "strong": {}},
        }
        changed = {"data.types": ["colour"], "stages.student": stage | fields} | (overrides or {})
        return mtss_zoo.train(toy_plugin / "recipe.yaml", tmp_path / "run", stage="student", overrides=changed)

    return run


@pytest.fixture
def students(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """The student's first weight before training and after every step of the optimiser."""
    seen: list[torch.Tensor] = []
    step = torch.optim.SGD.step

    def recorded(optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        weight = optimizer.param_groups[0]["params"][0]
        seen[:] = seen or [weight.detach().clone()]
        result = step(optimizer, *args, **kwargs)
        seen.append(weight.detach().clone())
        return result

    monkeypatch.setattr(torch.optim.SGD, "step", recorded)
    return seen


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_average_follows_after_every_step_of_the_optimiser(
    train: Train, students: list[torch.Tensor], accumulate: int
) -> None:
    folder = train({"trainer.accumulate_grad_batches": accumulate}, keep="last")
    start, *after = students
    assert len(after) == json.loads((folder / "metrics.json").read_text())["training"]["steps"] >= 4
    expected = start
    for student in after:
        expected = expected / 2 + student / 2
    average, student = (load_file(folder / at / "model.safetensors") for at in (".", "others/student"))
    name = next(n for n, tensor in student.items() if torch.equal(tensor, after[-1]))
    torch.testing.assert_close(average[name], expected, rtol=0, atol=1e-6)
    assert not torch.allclose(average[name], student[name], rtol=0, atol=1e-4)


def test_both_models_are_of_the_best_step_and_open_by_themselves(train: Train, students: list[torch.Tensor]) -> None:
    folder = train(epochs=4)
    measured = json.loads((folder / "metrics.json").read_text())
    best = measured["training"]["best"]["step"]
    assert 0 < best < measured["training"]["steps"], "else this says nothing"
    kept = load_file(folder / "others" / "student" / "model.safetensors").values()
    assert any(torch.equal(tensor, students[best]) for tensor in kept)
    ce = measured["others"]["student"]["types"]["colour"]["ce"]
    again = mtss_zoo.evaluate(folder / "others" / "student")
    assert again["types"]["colour"]["ce"] == pytest.approx(ce) != measured["types"]["colour"]["ce"]
    assert not list(folder.glob("best*"))
