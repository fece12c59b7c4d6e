"""The numbers of a study's table, worked by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mtss_zoo.json_text import to_json
from mtss_zoo.measures import Scored, measure
from mtss_zoo.schema import AttributeSchema, AttributeType
from mtss_zoo.studies.answers import MEASURED, write_answers
from mtss_zoo.studies.cells import plan_study
from mtss_zoo.studies.gather import gather

BETA = "stages.student.loss.args.beta"
COLOUR = AttributeType("colour", "single", ("red", "green", "blue", "black"))
CLASSES = 4


def answers(predicted: list[int], truth: list[int]) -> dict[str, Scored]:
    """One picture each: the class that scores best, and the true one; the other classes follow in order."""
    scores = -torch.arange(CLASSES).float().repeat(len(truth), 1)
    scores[torch.arange(len(truth)), predicted] = 1.0
    labels = torch.nn.functional.one_hot(torch.tensor(truth), CLASSES).bool()
    return {"colour": Scored(scores, labels, torch.arange(len(truth)))}


@pytest.fixture
def study(toy_recipe, tmp_path: Path):
    """``study({folder: (predicted, truth)})``: a study of two betas, whose students answered this."""

    def make(said: dict[str, tuple[list[int], list[int]]], seeds=(0,)):
        planned = plan_study(toy_recipe(grid={BETA: [0, 1]}), tmp_path, seeds=seeds)
        for run in planned.runs:
            for stage in run.recipe.stages if run.name in said else ():
                folder = tmp_path / run.name / stage
                folder.mkdir(parents=True)
                scored = answers(*said[run.name]) if stage == "student" else {}
                measured = {"split": "val"} | measure(scored, AttributeSchema((COLOUR,))) if scored else {"types": {}}
                write_answers(folder, scored)
                (folder / MEASURED).write_text(to_json(measured))
        return gather(planned)

    return make


TRUTH = [0, 1, 2, 3]


def student(report, cell: int):
    return report["cells"][cell]["stages"]["student"]["types"]["colour"]


def test_one_seed_has_a_value_and_no_deviation(study):
    report = study({"beta-0": ([0, 1, 0, 0], TRUTH), "beta-1": ([0, 1, 2, 0], TRUTH)})
    first, second = student(report, 0), student(report, 1)
    assert first["n"] == second["n"] == 4
    assert first["f1@1"] == {"mean": 0.5, "sd": None}
    # The three classes that score best are the predicted one and the first two others: only 3 is missed.
    assert first["recall@3"]["mean"] == second["recall@3"]["mean"] == second["f1@1"]["mean"] == 0.75
    assert second["f1@1"]["gain"][0] == 50
    assert second["recall@3"]["gain"] == [0, 0, 0]


def test_the_interval_is_over_pictures(study):
    """Of four pictures one differs: a resample without it has no gain, one with the first two never seen has none."""
    report = study({"beta-0": ([0, 1, 0, 0], TRUTH), "beta-1": ([0, 1, 2, 0], TRUTH)})
    point, low, high = student(report, 1)["f1@1"]["gain"]
    assert low == 0 and point == 50 and high > 100


def test_over_seeds_there_is_a_mean_and_a_deviation(study):
    said = {
        "beta-0": ([0, 1, 0, 0], TRUTH),  # 0.5
        "beta-0-seed1": ([0, 0, 0, 0], TRUTH),  # 0.25
        "beta-1": ([0, 1, 2, 0], TRUTH),  # 0.75
        "beta-1-seed1": ([0, 1, 0, 0], TRUTH),  # 0.5
    }
    report = study(said, seeds=(0, 1))
    first, second = student(report, 0)["f1@1"], student(report, 1)["f1@1"]
    assert first["mean"] == 0.375
    assert first["sd"] == pytest.approx(0.25 / 2**0.5)
    assert second["mean"] == 0.625
    assert second["gain"][0] == pytest.approx(100 * (0.625 - 0.375) / 0.375)
    assert report["cells"][1]["stages"]["student"]["runs"] == 2


def test_other_pictures_give_a_gain_without_an_interval(study):
    report = study({"beta-0": ([0, 1, 0, 0], TRUTH), "beta-1": ([3, 2, 1, 1], [3, 2, 1, 0])})
    assert student(report, 1)["f1@1"]["gain"] == [50, None, None]


def test_pooled_over_types_is_compared_too(study):
    report = study({"beta-0": ([0, 1, 0, 0], TRUTH), "beta-1": ([0, 1, 2, 0], TRUTH)})
    assert report["cells"][1]["stages"]["student"]["all"]["f1@1"]["gain"][0] == 50


def test_what_is_not_trained_yet_is_open(study):
    report = study({"beta-0": ([0, 1, 0, 0], TRUTH)})
    first, second = report["cells"]
    assert (first["state"], second["state"]) == ("finished", "open")
    assert second["stages"] == {} and second["error"] is None
    assert second["settings"] == {BETA: 1}
    assert report["grid"] == {BETA: [0, 1]}


def test_a_seed_that_is_missing_is_not_counted(study):
    report = study({"beta-0": ([0, 1, 0, 0], TRUTH), "beta-1-seed1": ([0, 1, 2, 0], TRUTH)}, seeds=(0, 1))
    first, second = student(report, 0)["f1@1"], student(report, 1)["f1@1"]
    assert (first["mean"], second["mean"]) == (0.5, 0.75)
    assert second["gain"] == [50, None, None]
