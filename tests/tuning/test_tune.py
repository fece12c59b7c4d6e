"""A search starts with the recipe's own values, judges on a part of train, and goes on after anything."""

from __future__ import annotations

import csv
import fcntl
import json
import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState

import mtss_zoo
from mtss_zoo.errors import MtssZooError, RecipeError, UnknownNameError, UsageError
from mtss_zoo.files.locks import locked
from mtss_zoo.recipe import Recipe
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.tuning import study, trial
from mtss_zoo.tuning.tune import tune

RECIPE = Path(__file__).parents[1] / "toy_plugin/recipe.yaml"
LR, BATCH = "stages.student.optimizer.lr", "stages.student.batch_size"
SPACE = {LR: {"factor": 100}, BATCH: {"choices": [4, 8, 16]}}
SHORT = {"stages.teachers.epochs": 1, "stages.student.epochs": 2}
Search = Callable[..., dict[str, Any]]


@pytest.fixture
def search(toy_plugin: Path, tmp_path: Path) -> Search:
    """Searches around the toy recipe in ``tmp_path/tune``, or the folder that is named."""

    def run(out: str = "tune", recipe: Any = RECIPE, space: Any = SPACE, **arguments: Any) -> dict[str, Any]:
        aim = {"space": space} | arguments.pop("aim", {})
        return tune(recipe, tmp_path / out, aim=aim, **arguments)

    return run


class Bench:
    """Stands in for training, in no time. What a trial gives is a function of its values: best is a rate of 0.05.

    Epoch e of n has e / n of it.
    """

    def __init__(self) -> None:
        self.runs: list[tuple[str, str]] = []
        self.epochs = 4
        self.failing: set[int] = set()
        self.stopping: list[int] = []
        """Trials that are stopped once each, as by Ctrl-C, when half of them is trained."""

    def value(self, number: int, recipe: Recipe) -> float:
        return math.exp(-abs(math.log10(recipe.stages["student"].optimizer.lr / 0.05)))

    def __call__(
        self, recipe: Recipe, out: Path, stage: str, type_name: str | None = None, on_validation: Any = None
    ) -> None:
        self.runs.append((out.name, stage))
        folder = out / stage
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.safetensors").write_text("weights")
        if stage == "teachers":
            return
        number = int(out.name)
        if number in self.failing:
            raise MtssZooError("the loss is nan at step 3.")
        value = self.value(number, recipe)
        for epoch in range(1, self.epochs + 1):
            if on_validation:
                on_validation(epoch, value * epoch / self.epochs)
            if number in self.stopping:
                self.stopping.remove(number)
                raise KeyboardInterrupt
        row = {"f1@1": value, "acc@1": value / 2, "ce": 1 - value, "f1@2": 1.0}
        types = {"colour": row, "marks": {"f1@1": value / 4}}
        (folder / "metrics.json").write_text(json.dumps({"types": types, "all": {"f1@1": value}, "macro_types": row}))


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    monkeypatch.setattr(trial, "train", bench)
    monkeypatch.setattr("mtss_zoo.tuning.tune.train", bench)
    return bench


def table(folder: Path) -> list[dict[str, str]]:
    """The table of the trials without what depends on the clock."""
    with (folder / "trials.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


class TestTrained:
    """With real training, of few epochs."""

    def test_trials_train_and_the_best_recipe_trains_again(self, search: Search, tmp_path: Path) -> None:
        report = search(trials=2, overrides=SHORT)
        best, own = load_recipe(tmp_path / "tune/best.yaml"), load_recipe(RECIPE, SHORT)
        assert best.name == "toy_tuned"
        assert (best.data, best.evaluate, best.trainer) == (own.data, own.evaluate, own.trainer)
        assert best.stages["student"].optimizer.lr == report["best"]["values"][LR]
        assert best.stages["teachers"] == own.stages["teachers"]
        measured = json.loads((mtss_zoo.train(best, tmp_path / "run") / "metrics.json").read_text())
        assert (measured["split"], measured["training"]["selected_on"]) == ("val", "val")

        for number in (0, 1):
            folder = tmp_path / f"tune/trials/{number:04d}"
            measured = json.loads((folder / "student/metrics.json").read_text())
            assert (measured["split"], measured["training"]["selected_on"]) == ("holdout", "holdout")
            assert measured["n"] == 7  # 15 % of 48
            assert float(table(tmp_path / "tune")[number]["value"]) == measured["all"]["f1@1"]
            assert "student: epoch 2/2" in (folder / "output.txt").read_text()
            assert (folder / "teachers").resolve() == tmp_path / "tune/shared/teachers"
            kept = (folder / "student/model.safetensors").is_file()
            assert kept == (number == report["best"]["trial"])
            assert (folder / "student/log.csv").is_file()
        assert (tmp_path / "tune/shared/teachers/colour/model.safetensors").is_file()

    def test_the_first_trial_is_the_recipe_itself(self, search: Search, tmp_path: Path) -> None:
        search(trials=1, overrides=SHORT)
        holdout = {"data.holdout": 0.15, "evaluate.split": "holdout", "evaluate.select_on": "holdout"}
        alone = mtss_zoo.train(RECIPE, tmp_path / "run", overrides=SHORT | holdout)
        trial = tmp_path / "tune/trials/0000/student"
        for name in ("log.csv", "model.safetensors"):
            assert (trial / name).read_bytes() == (alone / name).read_bytes()

    def test_what_hears_of_validations_may_end_the_training(self, toy_plugin: Path, tmp_path: Path) -> None:
        heard = []

        def listen(epoch: int, f1: float) -> None:
            heard.append((epoch, f1))
            if epoch == 2:
                raise LookupError("enough")

        with pytest.raises(LookupError, match="enough"):
            mtss_zoo.train(RECIPE, tmp_path, stage="teachers", type_name="colour", on_validation=listen)
        with (tmp_path / "teachers/colour/log.csv").open() as file:
            logged = [float(row["val/f1@1"]) for row in csv.DictReader(file) if row["val/f1@1"]]
        assert heard == list(enumerate(logged, start=1)) and len(heard) == 2

    def test_a_loss_that_is_not_finite_is_a_failed_trial(self, search: Search, tmp_path: Path) -> None:
        space = {LR: {"low": 1e-2, "high": 1e35, "log": True}}
        report = search(trials=2, overrides=SHORT, space=space)
        assert [row["state"] for row in report["trials"]] == ["complete", "failed"]
        assert "the loss is nan at step" in report["trials"][1]["error"]


class TestValues:
    def test_own_values_come_first_and_the_best_is_never_worse(self, search: Search, bench: Bench) -> None:
        report = search(trials=5)
        assert report["own"]["values"] == {LR: 0.01, BATCH: 8}
        first = report["trials"][0]
        assert (first[LR], first[BATCH], first["value"]) == (0.01, 8, report["own"]["value"])
        assert report["best"]["value"] == max(row["value"] for row in report["trials"]) >= report["own"]["value"]

    def test_equal_trials_leave_the_recipe_as_it_is(self, search: Search, bench: Bench, tmp_path: Path) -> None:
        assert search(trials=4, space={BATCH: {"choices": [4, 8, 16]}})["best"]["trial"] == 0
        assert (tmp_path / "tune/best.yaml").read_text().splitlines()[1] == "version: 1"  # no key is named as changed

    def test_it_is_found_that_another_rate_is_better(self, search: Search, bench: Bench) -> None:
        bench.epochs = 0  # nothing is validated, so nothing is pruned
        report = search(trials=16)
        assert report["own"]["value"] < 0.5 < 0.9 < report["best"]["value"]
        assert max(report["importance"], key=report["importance"].get) == LR

    def test_a_search_repeats_itself_and_another_seed_does_not(self, search: Search, bench: Bench, tmp_path: Path):
        for out, seed in (("one", 0), ("same", 0), ("other", 1)):
            search(out, trials=6, overrides={"seed": seed})
        assert table(tmp_path / "one") == table(tmp_path / "same")
        assert table(tmp_path / "one") != table(tmp_path / "other")

    @pytest.mark.parametrize(
        ("aim", "value"),
        [
            ({}, 1.0),
            ({"metric": "acc@1"}, 0.5),
            ({"metric": "acc@1", "type": "colour"}, 0.5),
            ({"type": "marks"}, 0.25),
            ({"metric": "ce"}, 0.0),
        ],
    )
    def test_the_metric_may_be_another_one(self, search: Search, bench: Bench, aim: dict[str, str], value: float):
        report = search(trials=3, aim=aim, overrides={LR: 0.05})
        assert report["best"] == {"trial": 0, "value": pytest.approx(value), "values": {LR: 0.05, BATCH: 8}}

    def test_models_of_single_types_count_by_their_mean(self, tmp_path: Path) -> None:
        for name, value in (("colour", 0.5), ("marks", 0.75)):
            (tmp_path / name).mkdir()
            report = {"types": {name: {"f1@1": value}}, "all": {"f1@1": value}, "macro_types": {}}
            (tmp_path / name / "metrics.json").write_text(json.dumps(report))
        aim = trial.TuneSpec()
        assert trial.measured_value(tmp_path, aim) == 0.625
        assert trial.measured_value(tmp_path, aim.model_copy(update={"type": "marks"})) == 0.75

    def test_a_metric_without_ground_truth_is_no_value(self, tmp_path: Path) -> None:
        (tmp_path / "metrics.json").write_text('{"types": {}, "all": {"f1@1": null}, "macro_types": {}}')
        with pytest.raises(MtssZooError, match="f1@1 is not defined on the hold-out"):
            trial.measured_value(tmp_path, trial.TuneSpec())

    def test_the_recipes_own_section_says_what_to_search(self, toy_plugin: Path, bench: Bench, tmp_path: Path) -> None:
        section = {"space": {BATCH: {"choices": [8, 16]}}, "metric": "acc@1", "type": "colour"}
        report = tune(load_recipe(RECIPE, {"tune": section}), tmp_path, trials=1)
        assert (report["metric"], report["type"], report["own"]["values"]) == ("acc@1", "colour", {BATCH: 8})
        assert load_recipe(tmp_path / "best.yaml").tune.metric == "acc@1"

    def test_a_holdout_of_the_recipe_stays(self, search: Search, bench: Bench, tmp_path: Path) -> None:
        search(trials=1, overrides={"data.holdout": 0.25})
        assert load_recipe(tmp_path / "tune/recipe.yaml").data.holdout == 0.25
        assert load_recipe(tmp_path / "tune/best.yaml").data.holdout == 0.25


class TestPruning:
    @pytest.fixture
    def worse(self, search: Search, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
        """Every trial is a little worse than the one before."""
        monkeypatch.setattr(bench, "value", lambda number, recipe: 1 / (1 + number))
        return search(trials=9, overrides={"stages.student.epochs": 12})

    def test_a_trial_that_is_worse_than_most_ends_early(self, worse: dict[str, Any]) -> None:
        """Five must be complete, and a quarter of the 12 epochs over."""
        assert [row["state"] for row in worse["trials"]] == ["complete"] * 5 + ["pruned"] * 4
        assert {row["last epoch"] for row in worse["trials"][5:]} == {3}

    def test_a_pruned_trial_keeps_its_log_and_no_weights(self, worse: dict[str, Any], tmp_path: Path) -> None:
        assert (tmp_path / "tune/trials/0008/output.txt").is_file()
        assert [p.parts[-3] for p in tmp_path.glob("tune/trials/*/student/model.safetensors")] == ["0000"]

    def test_where_less_is_better_the_better_ones_still_stay(
        self, search: Search, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bench, "value", lambda number, recipe: 1 - 1 / (1 + number))
        report = search(trials=9, aim={"metric": "ce"})
        assert {row["state"] for row in report["trials"]} == {"complete"}
        assert report["best"]["trial"] == 8

    def test_what_was_validated_before_a_kill_is_reported_again(
        self, search: Search, bench: Bench, tmp_path: Path
    ) -> None:
        bench.stopping, bench.epochs = [0], 1
        with pytest.raises(KeyboardInterrupt):
            search(trials=1)
        log = tmp_path / "tune/trials/0000/student/log.csv"
        log.write_text("step,epoch,loss,val/f1@1\n2,0.5,1.0,\n4,1.0,1.0,0.125\n7,1.75,1.0,0.25\n")
        bench.epochs = 0
        search(trials=1)
        _, again = journal(tmp_path)
        assert again.intermediate_values == {1: 0.125, 2: 0.25}


def journal(tmp_path: Path) -> list[Any]:
    return study.open_study(tmp_path / "tune", lower_is_better=False, warm_up=0).get_trials()


class TestGoingOn:
    def test_the_same_call_adds_what_is_missing(self, search: Search, bench: Bench, tmp_path: Path) -> None:
        search(trials=3)
        before = table(tmp_path / "tune")
        search(trials=14)
        search("whole", trials=14)
        assert table(tmp_path / "tune")[:3] == before
        assert table(tmp_path / "tune") == table(tmp_path / "whole")
        runs = len(bench.runs)
        assert len(search(trials=14)["trials"]) == 14
        assert bench.runs[runs:] == [("shared", "teachers")]  # which is asked for, and was finished

    @pytest.mark.parametrize("stops", [[0], [2, 3], [1, 1, 1, 4]])
    def test_a_trial_that_was_cut_short_goes_on_in_its_folder(
        self, search: Search, bench: Bench, tmp_path: Path, stops: list[int]
    ) -> None:
        search("whole", trials=7)
        bench.stopping = list(stops)
        for _ in stops:
            with pytest.raises(KeyboardInterrupt):
                search(trials=7)
        search(trials=7)
        assert table(tmp_path / "tune") == table(tmp_path / "whole")
        assert [p.name for p in sorted((tmp_path / "tune/trials").iterdir())] == [f"{n:04d}" for n in range(7)]

    def test_several_trials_at_once_that_were_cut_short_all_go_on(
        self, search: Search, bench: Bench, tmp_path: Path
    ) -> None:
        """As two killed processes leave them: an older trial runs still while younger ones are complete."""
        search(trials=2)
        opened = study.open_study(tmp_path / "tune", lower_is_better=False, warm_up=0)
        space = study_space()
        asked = [study.ask(opened, space, seed=0) for _ in range(3)]
        assert [number for number, _ in asked] == [2, 3, 4]
        opened.tell(asked[1][1], 0.5)
        before = {number: trial.params for number, trial in asked}
        report = search(trials=7)
        assert [row["trial"] for row in report["trials"]] == list(range(7))
        assert {row["state"] for row in report["trials"]} <= {"complete", "pruned"}
        found = {number: t.params for number, t in study.started(opened).items()}
        assert {n: found[n] for n in before} == before

    def test_half_a_line_and_a_lock_left_by_a_kill_are_mended(
        self, search: Search, bench: Bench, tmp_path: Path
    ) -> None:
        search(trials=2)
        log = tmp_path / "tune/study.log"
        with log.open("a") as file:
            file.write('{"op_code": 4, "worker')
        log.with_name("study.log.lock").symlink_to(log)
        assert len(search(trials=3)["trials"]) == 3

    def test_another_search_in_the_folder_is_refused(self, search: Search, bench: Bench) -> None:
        search(trials=1)
        with pytest.raises(UsageError, match=r"another recipe: tune\.space\.stages\.student\.optimizer\.lr\.factor"):
            search(trials=1, space=SPACE | {LR: {"factor": 5}})
        with pytest.raises(UsageError, match=r"another recipe: tune\.metric"):
            search(trials=1, aim={"metric": "mAP"})

    def test_a_folder_is_searched_by_one_at_a_time(self, search: Search, bench: Bench, tmp_path: Path) -> None:
        search(trials=1)
        with locked(tmp_path / "tune/.lock", fcntl.LOCK_SH), pytest.raises(UsageError, match="in use by another"):
            search(trials=2)

    @pytest.mark.parametrize("kept", ["student", "nothing"])
    def test_shared_stages_are_trained_once(self, search: Search, bench: Bench, tmp_path: Path, kept: str) -> None:
        space = SPACE if kept == "student" else {"stages.teachers.epochs": {"factor": 2}}
        search(trials=3, space=space)
        shared = [stage for name, stage in bench.runs if name == "shared"]
        assert shared == (["teachers"] if kept == "student" else [])
        linked = {(tmp_path / f"tune/trials/{n:04d}/teachers").is_symlink() for n in range(3)}
        assert linked == {kept == "student"}


class TestFaults:
    def test_a_failed_trial_says_why_and_the_search_goes_on(self, search: Search, bench: Bench, tmp_path: Path) -> None:
        bench.failing = {0, 1, 4}
        report = search(trials=6)
        states = [row["state"] for row in report["trials"]]
        assert states == ["failed", "failed", "complete", "complete", "failed", "complete"]
        assert report["trials"][4]["error"] == "the loss is nan at step 3."
        assert (report["own"]["value"], report["best"]["trial"]) == (None, 2)
        assert "Traceback" in (tmp_path / "tune/trials/0004/output.txt").read_text()

    def test_if_the_first_three_fail_the_search_stops(self, search: Search, bench: Bench, tmp_path: Path) -> None:
        bench.failing = {0, 1, 2}
        with pytest.raises(MtssZooError, match=r"all 3 trials in .* failed, the last one with: the loss is nan"):
            search(trials=9)
        assert len(table(tmp_path / "tune")) == 3
        assert not (tmp_path / "tune/best.yaml").exists()
        assert search(trials=4)["best"]["trial"] == 3  # what failed was mended, so it may go on

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"space": {"stages.studnet.batch_size": {"factor": 2}}}, RecipeError, "Did you mean stages.student.batch"),
            ({"space": {LR: {"facto": 2}}}, RecipeError, "Did you mean factor"),
            ({"aim": {"metric": "f2@1"}}, UnknownNameError, "no metric 'f2@1' is measured. Did you mean f1@1"),
            ({"aim": {"metric": "f1@0"}}, UnknownNameError, "no metric 'f1@0'"),
            ({"aim": {"metric": "acc@1", "type": "marks"}}, UnknownNameError, "no metric 'acc@1'"),
            ({"aim": {"type": "shape"}}, UnknownNameError, "no attribute type 'shape'"),
            ({"aim": {"metrics": "f1@1"}}, RecipeError, "Did you mean metric"),
        ],
    )
    def test_everything_is_checked_before_the_first_trial(
        self, search: Search, bench: Bench, tmp_path: Path, arguments: Any, error: type[Exception], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            search(trials=1, **arguments)
        assert bench.runs == [] and not (tmp_path / "tune").exists()

    def test_a_metric_at_another_k_is_measured(self, search: Search, bench: Bench, tmp_path: Path) -> None:
        assert search(trials=1, aim={"metric": "f1@2"})["best"]["value"] == 1
        assert load_recipe(tmp_path / "tune/recipe.yaml").evaluate.k == [1, 2, 3, 5]

    def test_without_optuna_it_is_said_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "optuna.distributions", None)
        monkeypatch.delitem(sys.modules, "mtss_zoo.tuning.search_space")
        with pytest.raises(MtssZooError, match=r"pip install 'mtss-zoo\[tune\]'"):
            __import__("mtss_zoo.tuning.search_space")


def study_space() -> Any:
    from mtss_zoo.tune_spec import TuneSpec
    from mtss_zoo.tuning.search_space import search_space

    return search_space(load_recipe(RECIPE), TuneSpec.model_validate({"space": SPACE}).space)


def test_states_of_the_journal_are_told_apart(search: Search, bench: Bench, tmp_path: Path) -> None:
    """A trial cut short is a failed one of optuna without a message; a WAITING one goes on with it."""
    bench.stopping = [0]
    with pytest.raises(KeyboardInterrupt):
        search(trials=1)
    opened = study.open_study(tmp_path / "tune", lower_is_better=False, warm_up=0)
    study.line_up(opened, study_space())
    study.line_up(opened, study_space())
    assert [t.state for t in opened.get_trials()] == [TrialState.FAIL, TrialState.WAITING]
    assert study.started(opened) == {} and study.failures(opened) == []
