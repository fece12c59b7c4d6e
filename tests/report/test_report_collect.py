"""What is read, what is left out with a reason, and what is pooled from the numbers of several models."""

from __future__ import annotations

import json
from math import isnan
from pathlib import Path

import pytest
from toy_runs import STUDENT, TEACHER

from mtss_zoo.errors import UsageError
from mtss_zoo.report.collect import collect
from mtss_zoo.report.measured import ALL, MEAN


def test_the_models_of_a_per_type_stage_become_one_with_their_counts_pooled(write_run):
    """pattern: TP 35 of G 100, colour: TP 40 of G 80, each with 100 predictions at k = 1."""
    (run,) = collect([write_run("a")]).runs
    teachers = run.stages["teachers"].measured
    assert list(teachers.types) == ["pattern", "colour"]
    assert teachers.value(ALL, "recall@1") == pytest.approx(75 / 180)
    assert teachers.value(ALL, "precision@1") == pytest.approx(75 / 200)
    assert teachers.value(ALL, "f1@1") == pytest.approx(2 * 75 / (200 + 180))
    assert teachers.value(MEAN, "f1@1") == pytest.approx((0.35 + 4 / 9) / 2)


def test_at_k_above_the_number_of_classes_all_of_them_are_returned(write_run):
    """Three patterns and two colours at k = 3: 300 + 200 predictions."""
    (run,) = collect([write_run("a")]).runs
    assert run.stages["teachers"].measured.value(ALL, "precision@3") == pytest.approx(180 / 500)


def test_what_was_not_measured_is_not_a_number(write_run):
    (run,) = collect([write_run("a")]).runs
    measured = run.stages["teachers"].measured
    assert isnan(measured.value("pattern", "ce"))
    assert isnan(measured.value("sleeve", "f1@1"))
    assert isnan(measured.value(ALL, "ce"))


def test_broken_inputs_are_named_and_the_others_still_come(write_run, tmp_path):
    good, half, cut = write_run("good"), write_run("half", {"teachers": TEACHER}), write_run("cut")
    (cut / "student" / "metrics.json").write_text('{"types": {"pattern"')
    (tmp_path / "notes.json").write_text("[1, 2]")
    (tmp_path / "empty").mkdir()
    found = collect([good, half, cut, tmp_path / "notes.json", tmp_path / "empty", tmp_path / "nowhere"])
    assert [run.name for run in found.runs] == ["good", "half", "cut"]
    reasons = {Path(name).relative_to(tmp_path).as_posix(): why for name, why in found.skipped}
    assert reasons == {
        "half/student": "not finished yet",
        "cut/student": f"{cut}/student/metrics.json is not JSON: it is damaged or was edited by hand.",
        "notes.json": f"{tmp_path}/notes.json holds no JSON object, but list.",
        "empty": "it has no recipe.yaml and no study.json, and is no JSON file",
        "nowhere": "not found",
    }


@pytest.mark.parametrize(
    "types", [{}, [], {"pattern": 3}, {"pattern": {"n": -1}}, {"pattern": {"n": 1, "f1@1": "<b>good</b>"}}]
)
def test_measurements_of_another_shape_are_left_out(write_run, types):
    folder = write_run("odd", {"teachers": TEACHER, "student": STUDENT})
    (folder / "student" / "metrics.json").write_text(json.dumps({"split": "val", "n": 100, "types": types}))
    (run,) = (found := collect([folder])).runs
    assert list(run.measured) == ["teachers"]
    assert found.skipped == [(f"{folder}/student", "it holds no measurements as `mtss-zoo evaluate` writes them")]


def test_models_measured_on_different_pictures_are_no_stage(write_run):
    folder = write_run("mixed")
    file = folder / "teachers" / "colour" / "metrics.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"split": "test"}))
    found = collect([folder])
    assert (f"{folder}/teachers", "its models were measured on different splits") in found.skipped


def test_nothing_finished_is_an_error_that_says_so_of_each(write_run, tmp_path):
    folder = write_run("young", {"teachers": {}})
    with pytest.raises(UsageError, match=r"young: no stage of it is finished.*; .*nowhere: not found"):
        collect([folder, tmp_path / "nowhere"])
    with pytest.raises(UsageError, match="no run was named"):
        collect([])
