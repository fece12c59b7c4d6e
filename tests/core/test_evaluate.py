"""Tables from metrics: the worked numbers through `measure`, and which stage of a run is compared with which."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from mtss_zoo import train
from mtss_zoo.errors import UsageError
from mtss_zoo.evaluate import Scored, compare, evaluate, evaluate_run, measure
from mtss_zoo.interfaces import AttributeSchema, AttributeType

# Four pictures and five classes a to e; the numbers are those of the metrics' own tests.
SCORES = torch.tensor(
    [[0.9, 0.8, 0.1, 0.3, 0.2], [0.1, 0.7, 0.6, 0.5, 0.4], [0.2, 0.3, 0.9, 0.8, 0.7], [0.5, 0.4, 0.3, 0.2, 0.1]]
)
LABELS = torch.tensor([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0], [1, 1, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
SCHEMA = AttributeSchema(
    (AttributeType("letters", "multi", tuple("abcde")), AttributeType("none", "single", ("x", "y")))
)
NOTHING = Scored(torch.zeros(4, 2), torch.zeros(4, 2, dtype=torch.bool))

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


def test_measure_gives_the_worked_numbers_and_leaves_out_what_has_no_truth():
    report = measure({"letters": Scored(SCORES, LABELS), "none": NOTHING}, SCHEMA, ks=(1, 3))
    letters = report["types"]["letters"]
    assert (report["n"], letters["n"]) == (4, 3)
    assert letters["recall@1"] == pytest.approx(1 / 3)
    assert (letters["f1@1"], letters["f1@1_valid"]) == (pytest.approx(0.4), pytest.approx(4 / 9))
    assert letters["recall@3"] == pytest.approx(2 / 3)
    assert letters["mAP"] == pytest.approx(2 / 3, abs=1e-4)
    assert letters["classes"]["a"] == {"recall@1": 0.5, "n": 2} and "e" not in letters["classes"]
    assert math.isnan(report["types"]["none"]["f1@1"])
    assert report["macro_types"]["recall@1"] == letters["recall@1"]


def test_the_gain_of_a_model_over_itself_is_zero_with_a_closed_interval():
    scored = {"letters": Scored(SCORES, LABELS)}
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


def test_one_model_is_measured_on_another_dataset(run):
    from mtss_zoo.build import build_dataset
    from mtss_zoo.recipe import DataSpec, Part

    other = build_dataset(DataSpec(dataset=Part(name="garments", args={"n_test": 5, "domain": "street"})))
    assert evaluate(run / "first", dataset=other, split="test")["n"] == 5


def test_folders_that_hold_nothing_are_refused_in_words(run, tmp_path):
    with pytest.raises(UsageError, match=r"no recipe\.yaml"):
        evaluate_run(tmp_path)
    (tmp_path / "recipe.yaml").write_text((run / "recipe.yaml").read_text())
    with pytest.raises(UsageError, match="no finished stage"):
        evaluate_run(tmp_path)
