"""Measuring models and runs: which stage is compared with which, on which pictures, in which slices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtss_zoo import train
from mtss_zoo.errors import UnknownNameError, UsageError
from mtss_zoo.evaluate import compare, evaluate, evaluate_run
from mtss_zoo.measures import Scored

# Four pictures and five classes a to e; the numbers are those of the metrics' own tests.
SCORES = torch.tensor(
    [[0.9, 0.8, 0.1, 0.3, 0.2], [0.1, 0.7, 0.6, 0.5, 0.4], [0.2, 0.3, 0.9, 0.8, 0.7], [0.5, 0.4, 0.3, 0.2, 0.1]]
)
LABELS = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)

TINY = {
    "name": "tiny",
    "data": {
        "dataset": {"name": "garments", "args": {"n_train": 16, "n_val": 8, "n_unlabelled": 0, "image_size": 32}},
        "types": ["category", "colour"],
        "image_size": [32, 32],
        "workers": 0,
    },
    "model": {"backbone": {"name": "timm", "args": {"name": "test_resnet"}}, "head": "linear"},
    "stages": {
        name: {
            "strategy": "supervised",
            "loss": "bce",
            "steps": 1,
            "batch_size": 4,
            "optimizer": {"lr": 0.1},
            "per_type": name == "second",
        }
        for name in ("first", "second", "third")
    },
}


def test_the_gain_of_a_model_over_itself_is_zero_with_a_closed_interval():
    scored = {"letters": Scored(SCORES, LABELS, torch.arange(4))}
    assert compare(scored, scored)["all"]["f1@1 relative"] == [0, 0, 0]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("evaluate") / "run"
    train(TINY, out=out)
    return out


def test_the_last_stage_is_compared_with_the_one_before_it(run):
    report = evaluate_run(run)
    assert list(report["stages"]) == ["first", "second", "third"]
    second, third = (report["stages"][s]["all"]["recall@1"] for s in ("second", "third"))
    assert report["gain"]["all"]["recall@1 absolute"][0] == pytest.approx(100 * (third - second))


def test_a_run_whose_last_finished_stage_is_per_type_is_measured_too(run, tmp_path):
    (tmp_path / "recipe.yaml").write_text((run / "recipe.yaml").read_text())
    (tmp_path / "second").mkdir()
    (tmp_path / "second" / "colour").symlink_to(run / "second" / "colour")
    report = evaluate_run(tmp_path)
    assert list(report["stages"]["second"]["types"]) == ["colour"]
    assert "gain" not in report


def test_a_teacher_alone_is_measured_on_the_pictures_that_its_run_held_out(tmp_path):
    """The hold-out is drawn by the classes of the run's first type, of which the teacher of colours knows nothing."""
    data = {**TINY["data"], "holdout": 0.5}
    train({**TINY, "data": data}, out=tmp_path, stage="second", type_name="colour")
    whole = evaluate_run(tmp_path, split="holdout")["stages"]["second"]["types"]["colour"]
    assert evaluate(tmp_path / "second" / "colour", split="holdout")["types"]["colour"] == whole
    (tmp_path / "recipe.yaml").rename(tmp_path / "elsewhere.yaml")
    assert evaluate(tmp_path / "second" / "colour", split="holdout")["types"]["colour"]["classes"] != whole["classes"]


def test_one_model_is_measured_on_another_dataset(run):
    from mtss_zoo.build import build_dataset
    from mtss_zoo.recipe import DataSpec, Part

    other = build_dataset(DataSpec(dataset=Part(name="garments", args={"n_test": 5, "domain": "street"})))
    assert evaluate(run / "first", dataset=other, split="test")["n"] == 5


def test_slices_of_a_run_are_those_of_its_recipe_or_those_asked_for(run):
    report = evaluate_run(run, slices=["domain"])
    for measured in report["stages"].values():
        assert measured["slices"]["domain"]["studio"]["colour"]["acc@1"] == measured["types"]["colour"]["acc@1"]
    assert "slices" not in evaluate(run / "first")
    assert list(evaluate(run / "first", slices=["domain"])["slices"]) == ["domain"]
    for measured in (evaluate_run, evaluate):
        with pytest.raises(UnknownNameError, match=r"'domains'.*Did you mean domain"):
            measured(run if measured is evaluate_run else run / "first", slices=["domains"])


def test_train_is_measured_whole_whatever_share_of_its_labels_was_used(run):
    from mtss_zoo import load

    model = load(run / "first")
    model.recipe = model.recipe.model_copy(
        update={"data": model.recipe.data.model_copy(update={"label_share": 0.25, "holdout": 0.25})}
    )
    assert [evaluate(model, split=split)["n"] for split in ("train", "holdout", "val")] == [12, 4, 8]


def test_folders_that_hold_nothing_are_refused_in_words(run, tmp_path):
    with pytest.raises(UsageError, match=r"no recipe\.yaml"):
        evaluate_run(tmp_path)
    (tmp_path / "recipe.yaml").write_text((run / "recipe.yaml").read_text())
    with pytest.raises(UsageError, match="no finished stage"):
        evaluate_run(tmp_path)
