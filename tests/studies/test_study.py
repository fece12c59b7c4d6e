"""A study trains what is not trained yet: every cell once, and what cells have in common once for all of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from mtss_zoo.errors import UsageError
from mtss_zoo.evaluate import evaluate_run
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.studies import queue
from mtss_zoo.studies.study import run_study
from mtss_zoo.train import train

BETA = "stages.student.loss.args.beta"
LR = "stages.student.optimizer.lr"


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was really trained, as ``run/stage``."""
    calls: list[str] = []

    def spy(recipe: Any, out: Path, stage: str) -> Path:
        calls.append(f"{out.name}/{stage}")
        return train(recipe, out, stage=stage)

    monkeypatch.setattr(queue, "train", spy)
    return calls


@pytest.mark.slow
def test_a_study_from_the_first_cell_to_the_last(toy_recipe, trained: list[str], tmp_path: Path) -> None:
    recipe = toy_recipe(grid={BETA: [0, 2]})
    report = run_study(recipe, tmp_path)
    # The teachers know nothing of beta: they are trained once, and the other cell has a link to them.
    assert trained == ["beta-0/teachers", "beta-0/student", "beta-2/student"]
    assert (tmp_path / "beta-2/teachers").readlink() == Path("../beta-0/teachers")
    assert json.loads((tmp_path / "study.json").read_text())["cells"] == report["cells"]
    # A cell is a run folder like any other, and says the same of itself.
    for cell in ("beta-0", "beta-2"):
        measured = json.loads((tmp_path / cell / "student/metrics.json").read_text())
        found = next(c for c in report["cells"] if c["cell"] == cell)["stages"]["student"]["types"]["colour"]
        assert found["f1@1"]["mean"] == pytest.approx(measured["types"]["colour"]["f1@1"])
        assert not {"grid", "shared", "tune"} & yaml.safe_load((tmp_path / cell / "recipe.yaml").read_text()).keys()
    whole = evaluate_run(tmp_path / "beta-2")["stages"]["teachers"]
    assert report["cells"][0]["stages"]["teachers"]["all"]["f1@1"]["mean"] == pytest.approx(whole["all"]["f1@1"])
    assert report["cells"][1]["stages"]["teachers"]["same_as"] == "beta-0"

    # The same command again trains nothing; a grid that grew trains what is new.
    trained.clear()
    assert run_study(recipe, tmp_path) == report
    grown = run_study(toy_recipe(grid={BETA: [1, 0, 2]}), tmp_path)
    assert trained == ["beta-1/student"]
    assert [cell["state"] for cell in grown["cells"]] == ["finished"] * 3


@pytest.mark.slow
def test_a_cell_that_fails_does_not_stop_the_others(toy_recipe, trained: list[str], tmp_path: Path) -> None:
    # With a batch that is larger than the pool no epoch has a step, which is known only when the stage begins.
    recipe = toy_recipe(grid={"stages.student.batch_size": [1000, 8]})
    report = run_study(recipe, tmp_path)
    first, second = report["cells"]
    assert (first["state"], second["state"]) == ("failed", "finished")
    assert "its stage student" in first["error"]
    assert first["stages"] == {}
    assert second["stages"]["student"]["types"]["colour"]["f1@1"].keys() == {"mean", "sd"}  # nothing to compare with
    # The same command tries it once more, and nothing else.
    trained.clear()
    run_study(recipe, tmp_path)
    assert trained == ["batch_size-1000/student"]


def test_where_a_shared_stage_failed_no_other_cell_trains_it_again(
    toy_recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    calls = []

    def fail(recipe: Any, out: Path, stage: str) -> None:
        calls.append(stage)
        raise ZeroDivisionError("by a plugin")

    monkeypatch.setattr(queue, "train", fail)
    report = run_study(toy_recipe(grid={BETA: [0, 1, 2]}), tmp_path)
    assert calls == ["teachers"]
    assert [cell["error"] for cell in report["cells"]] == [
        "beta-0: its stage teachers: ZeroDivisionError: by a plugin",
        "beta-1: its stage teachers, which it has from beta-0: ZeroDivisionError: by a plugin",
        "beta-2: its stage teachers, which it has from beta-0: ZeroDivisionError: by a plugin",
    ]
    assert "ZeroDivisionError" in (tmp_path / "beta-0/output.txt").read_text()


def test_study_yaml_makes_the_same_study_again(toy_recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(queue, "train", lambda *args, **kwargs: 1 / 0)
    recipe = toy_recipe(grid={BETA: [0, 1]}, shared="teachers")
    report = run_study(recipe, tmp_path / "here", overrides={LR: 0.5}, seeds=[3, 4])
    again = run_study(tmp_path / "here/study.yaml", tmp_path / "there", seeds=report["seeds"])
    assert again == report
    for cell in (cell for of in report["cells"] for cell in of["runs"].values()):
        assert (tmp_path / "there" / cell).is_dir()
    assert load_recipe(tmp_path / "here/study.yaml") == load_recipe(recipe, {LR: 0.5})
    run_study(toy_recipe(grid={BETA: [0, 1, 2]}, shared="teachers"), tmp_path / "here", overrides={LR: 0.5})
    assert load_recipe(tmp_path / "here/study.yaml").grid == {BETA: [0, 1, 2]}, "the grid grew"


def test_a_cell_that_another_process_trains_is_left_to_it(toy_recipe, trained: list[str], tmp_path: Path) -> None:
    study_of = toy_recipe(grid={"stages.teachers.optimizer.lr": [0.01]})
    folder = tmp_path / "lr-0.01"
    folder.mkdir()
    with queue.locked(folder / queue.LOCK):
        report = run_study(study_of, tmp_path)
    assert trained == []
    assert report["cells"][0]["state"] == "open"


def test_ctrl_c_stops_the_whole_queue(toy_recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = []

    def interrupted(recipe: Any, out: Path, stage: str) -> None:
        calls.append(stage)
        raise KeyboardInterrupt

    monkeypatch.setattr(queue, "train", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_study(toy_recipe(grid={BETA: [0, 1]}), tmp_path)
    assert calls == ["teachers"]


def test_a_folder_of_another_recipe_is_refused(toy_recipe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(queue, "train", lambda *args, **kwargs: 1 / 0)
    run_study(toy_recipe(grid={BETA: [0]}), tmp_path)
    with pytest.raises(UsageError, match="another recipe"):
        run_study(toy_recipe(grid={BETA: [0]}, **{LR: 0.5}), tmp_path)


@pytest.fixture
def command(toy_recipe, monkeypatch: pytest.MonkeyPatch, zoo: Any, tmp_path: Path) -> Any:
    """``command("study", ...)`` gives exit code, standard output, standard error; ``study.yaml`` has two cells."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    recipe = toy_recipe(grid={"stages": {"whole": {}, "teachers": {"stages.student": None}}})
    (tmp_path / "study.yaml").write_text(recipe.to_yaml())

    return zoo


def test_a_failed_cell_is_exit_code_1_and_the_table_is_printed_all_the_same(command, monkeypatch) -> None:
    monkeypatch.setattr(queue, "train", lambda *args, **kwargs: 1 / 0)
    code, out, err = command("study", "study.yaml", "--out", "here", "--json")
    assert code == 1
    assert [cell["state"] for cell in json.loads(out)["cells"]] == ["failed", "failed"]
    assert "2 of 2 cells failed" in err and "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study.yaml", "--seeds", "0,one"], "'one' is no whole number"),
        (["study.yaml", "--set", "shared=pupil"], "no stage 'pupil'"),
        (["no_such_study"], "no recipe 'no_such_study'"),
    ],
)
def test_what_was_asked_wrongly_is_exit_code_2(command, arguments: list[str], words: str) -> None:
    code, _, err = command("study", *arguments)
    assert code == 2 and words in err


@pytest.mark.slow
def test_people_see_a_table_for_each_metric(command) -> None:
    code, out, _ = command("study", "study.yaml", "--out", "here")
    assert code == 0
    titles = [line for line in out.splitlines() if " in % on " in line]
    assert titles == [
        f"{stage}: {metric} in % on val" for stage in ("teachers", "student") for metric in ("F1@1", "R@3")
    ]
    # Both cells have the same teachers, which are shown once.
    assert [line.split()[0] for line in out.splitlines() if line.strip().startswith(("whole", "teachers "))] == [
        "whole"
    ] * 4
    assert load_recipe("here/teachers/recipe.yaml").stages.keys() == {"teachers"}, "a run folder like any other"
