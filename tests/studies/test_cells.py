"""Cells that have a stage in common keep it in one folder; nothing is trained here."""

from __future__ import annotations

from pathlib import Path

import pytest

from mtss_zoo.errors import RecipeError, UnknownNameError, UsageError
from mtss_zoo.studies.cells import plan_study

BETA, GAMMA = "stages.student.loss.args.beta", "stages.teachers.loss.args.gamma"
SHARE = "data.label_share"


@pytest.fixture
def owners(toy_recipe, tmp_path: Path):
    """Run to stage to the run in whose folder the stage is kept."""

    def find(seeds=None, **keys):
        study = plan_study(toy_recipe(**keys), tmp_path, seeds=seeds)
        return {run.name: {s: study.owner(run, s).name for s in run.recipe.stages} for run in study.runs}

    return find


def test_a_stage_before_what_the_grid_changes_is_kept_once(owners):
    assert owners(grid={BETA: [0, 1]}) == {
        "beta-0": {"teachers": "beta-0", "student": "beta-0"},
        "beta-1": {"teachers": "beta-0", "student": "beta-1"},
    }


def test_a_stage_that_comes_after_what_the_grid_changes_is_not_shared(owners):
    found = owners(grid={GAMMA: [0, 1]})
    assert found["gamma-1"] == {"teachers": "gamma-1", "student": "gamma-1"}


def test_other_data_is_another_stage(owners):
    assert owners(grid={SHARE: [1, 0.5]})["label_share-0.5"]["teachers"] == "label_share-0.5"


def test_where_and_how_a_run_computes_makes_no_other_stage(owners):
    found = owners(grid={"place": {"here": {}, "there": {"data.workers": 3, "trainer.devices": 2}}})
    assert found["there"] == {"teachers": "here", "student": "here"}


def test_the_author_of_a_study_may_know_better(owners):
    found = owners(grid={"data.unlabelled_share": [1, 0.5]}, shared="teachers")
    assert found["unlabelled_share-0.5"] == {"teachers": "unlabelled_share-1", "student": "unlabelled_share-0.5"}


def test_with_two_axes_a_stage_is_kept_for_each_value_of_the_axis_that_changes_it(owners):
    found = owners(grid={GAMMA: [0, 1], BETA: [0, 1]})
    assert [found[name]["teachers"] for name in found] == ["gamma-0,beta-0"] * 2 + ["gamma-1,beta-0"] * 2


def test_every_seed_has_its_own_stages(owners):
    found = owners(seeds=[0, 7], grid={BETA: [0, 1]})
    assert list(found) == ["beta-0", "beta-1", "beta-0-seed7", "beta-1-seed7"]
    assert found["beta-1-seed7"]["teachers"] == "beta-0-seed7"


def test_when_a_grid_grows_what_is_trained_stays_where_it_is(owners, tmp_path):
    (tmp_path / "beta-1" / "teachers").mkdir(parents=True)
    found = owners(grid={BETA: [0, 1, 2]})
    assert {of["teachers"] for of in found.values()} == {"beta-1"}


def test_a_variant_may_take_a_stage_away(owners):
    found = owners(grid={"stages": {"both": {}, "teachers_alone": {"stages.student": None}}})
    assert found["teachers_alone"] == {"teachers": "both"}


def test_the_faults_of_all_cells_are_found_at_once(owners):
    with pytest.raises(RecipeError) as error:
        owners(grid={"stages.student.batch_size": [8, 0, -1]})
    assert [line.partition(":")[0] for line in str(error.value).splitlines()] == [
        "cell batch_size-0",
        "cell batch_size--1",
    ]


def test_a_stage_that_is_shared_must_exist(owners):
    with pytest.raises(UnknownNameError, match=r"no stage 'teacher'.*teachers"):
        owners(grid={BETA: [0, 1]}, shared="teacher")


def test_a_name_that_could_be_another_cells_with_a_seed_is_refused(owners):
    with pytest.raises(UsageError, match="rename the variant"):
        owners(seeds=[0, 1], grid={"a": {"x": {}, "x-seed1": {BETA: 2}}})
