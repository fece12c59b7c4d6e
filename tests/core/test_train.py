"""Training from a recipe to finished checkpoint folders, on the toy plugin."""

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from mtss_zoo_strategies.mtss import MTSSStrategy
from safetensors.torch import load_file

import mtss_zoo
from mtss_zoo.averaging import MovingAverage
from mtss_zoo.errors import CheckpointError, DataError, MtssZooError, RecipeError, UnknownNameError, UsageError
from mtss_zoo.plan import plan
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.stage import Context, expand, open_data
from mtss_zoo.training_module import TrainingModule

Train = Callable[..., Path]


@pytest.fixture
def train(toy_plugin: Path, tmp_path: Path) -> Train:
    """Trains the toy recipe into ``tmp_path/run``, or into the folder that is named."""

    def run(out: str = "run", recipe: Any = toy_plugin / "recipe.yaml", **arguments: Any) -> Path:
        return mtss_zoo.train(recipe, tmp_path / out, **arguments)

    return run


SUPERVISED = {
    "stages.teachers.per_type": False,
    "stages.teachers.loss": "bce",
    "model.head": "linear",
}
"""Turns the first stage into one multi-task model."""


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_all_stages_leave_checkpoint_folders(train: Train, tmp_path: Path) -> None:
    last = train()
    assert last == tmp_path / "run" / "student"
    assert mtss_zoo.load(last).schema.names == ("colour", "marks")
    assert mtss_zoo.load(tmp_path / "run" / "teachers" / "marks").schema.names == ("marks",)
    measured = json.loads((last / "metrics.json").read_text())
    assert measured["split"] == "val"
    assert set(measured["types"]) == {"colour", "marks"}
    left = {path.name for path in last.iterdir()}
    assert left.isdisjoint({"last.ckpt", "best.safetensors"})
    assert left >= {"model.safetensors", "recipe.yaml", "metrics.json", "README.md", "log.csv"}


def test_the_log_has_a_row_every_log_every_steps_and_at_the_end_of_each_epoch(train: Train) -> None:
    """36 colours in batches of 8 are 4 steps an epoch; 3 epochs are 12."""
    log = rows(train(stage="teachers", type_name="colour", overrides={"trainer.log_every": 3}))
    assert [row["step"] for row in log] == ["3", "4", "6", "8", "9", "12"]
    assert [row["epoch"] for row in log] == ["0.75", "1.0", "1.5", "2.0", "2.25", "3.0"]
    assert [row["step"] for row in log if row["val/f1@1"]] == ["4", "8", "12"]
    assert list(log[0]) == ["step", "epoch", "lr", "loss", "loss/colour", "val/f1@1"]


def test_a_row_is_the_mean_since_the_row_before(train: Train) -> None:
    every = {"stage": "teachers", "type_name": "colour"}
    fine = rows(train("fine", **every, overrides={"trainer.log_every": 1}))
    coarse = rows(train("coarse", **every, overrides={"trainer.log_every": 4}))
    assert float(coarse[0]["loss"]) == pytest.approx(sum(float(row["loss"]) for row in fine[:4]) / 4)


def test_the_rate_follows_the_schedule(train: Train) -> None:
    schedule = {"stages.teachers.schedule": {"kind": "cosine", "warmup_epochs": 1}, "trainer.log_every": 1}
    log = rows(train(stage="teachers", type_name="colour", overrides=schedule))
    assert [float(row["lr"]) for row in log[:5]] == pytest.approx([0, 0.0025, 0.005, 0.0075, 0.01])


def test_finished_stages_are_skipped(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    last = train()
    before = (last / "model.safetensors").stat().st_mtime_ns
    monkeypatch.setattr(TrainingModule, "training_step", None)
    assert train() == last
    assert (last / "model.safetensors").stat().st_mtime_ns == before


def test_one_type_alone_is_what_the_whole_stage_gives(train: Train) -> None:
    alone = train("alone", stage="teachers", type_name="marks")
    together = train("together", stage="teachers")
    assert alone.name == "marks"
    assert together.name == "teachers"
    for name in ("model.safetensors", "log.csv"):
        assert (alone / name).read_bytes() == (together / "marks" / name).read_bytes()


def test_a_student_without_its_teachers_says_how_to_train_them(train: Train) -> None:
    train(stage="teachers", type_name="colour")
    with pytest.raises(UsageError, match=r"teachers/marks is not trained yet.*--stage teachers --type marks"):
        train(stage="student")


def test_another_recipe_in_the_same_folder_is_refused(train: Train) -> None:
    folder = train(stage="teachers", type_name="colour")
    before = (folder / "model.safetensors").read_bytes()
    with pytest.raises(UsageError, match=r"another recipe: stages\.teachers\.batch_size \(8 there, 4 now\)"):
        train(overrides={"stages.teachers.batch_size": 4})
    assert (folder / "model.safetensors").read_bytes() == before


def test_how_a_run_computes_may_change_between_calls(train: Train) -> None:
    train(stage="teachers", type_name="colour")
    train(stage="teachers", overrides={"data.workers": 1, "trainer.save_every": 7, "trainer.devices": "auto"})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"stages.student.strategy.args.teacher_view": "claen"}, "no view 'claen'. Did you mean clean?"),
        ({"stages.student.strategy.args.teachers": "techers"}, "not come before it. Did you mean teachers?"),
        ({"stages.student.init_from": "teachers"}, "student starts from stage teachers, which trains one model for"),
        ({"stages.student.batch_size": 99}, "an epoch of 64 pictures does not fill one batch of 99"),
        ({"stages.student.losses": {"mraks": "bce"}}, r"student\.losses\.mraks: no such attribute type. Did you"),
    ],
    ids=["view", "teachers", "start", "batch", "losses"],
)
def test_faults_of_a_later_stage_are_found_before_the_first_one_trains(
    train: Train, tmp_path: Path, toy_plugin: Path, overrides: dict[str, Any], message: str
) -> None:
    views = {"stages.student.views": {"train": {}, "clean": {}}, "stages.student.strategy.args.cache_views": 1}
    with pytest.raises(UsageError, match=message):
        train(overrides=views | overrides)
    assert not list(tmp_path.iterdir())
    if "stages.student.losses" in overrides:
        with pytest.raises(RecipeError, match=message):
            plan(toy_plugin / "recipe.yaml", overrides=overrides)
    elif "stages.student.init_from" not in overrides:
        (problem,) = plan(toy_plugin / "recipe.yaml", overrides=views | overrides, stage="student")["problems"]
        assert re.search(f"^student: .*{message}", problem)


def test_losses_may_name_a_type_that_is_not_trained(train: Train) -> None:
    """As where one recipe is trained with some of its types only."""
    one = {"data.types": ["colour"], "stages.teachers.losses": {"marks": "focal_ranking"}, "stages.teachers.epochs": 1}
    assert (train(stage="teachers", overrides=one) / "colour" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"stage": "studnet"}, UnknownNameError, "no stage 'studnet'. Did you mean student?"),
        ({"stage": "teachers", "type_name": "shape"}, UnknownNameError, "no attribute type 'shape'"),
        ({"stage": "student", "type_name": "colour"}, UsageError, "per_type; here: teachers"),
        ({"overrides": {"evaluate.select_on": "holdout"}}, UsageError, "select_on is 'holdout', but .* train, val"),
        ({"overrides": {"trainer.devices": 0}}, UsageError, "trainer fields do not work here"),
        ({"overrides": {"stages.student.strategy.args.teachers": "student"}}, RecipeError, "does not come before"),
    ],
)
def test_what_cannot_be_is_said_in_words(
    train: Train, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    if "overrides" in arguments and "stages.student.strategy.args.teachers" in arguments["overrides"]:
        arguments["stage"] = "student"
    with pytest.raises(error, match=message):
        train(**arguments)


def test_best_weights_are_those_of_the_best_epoch(train: Train) -> None:
    """Each epoch is also a run's last: one that stops there keeps the same weights as the long run had then."""
    steady = SUPERVISED | {"stages.teachers.schedule": {"kind": "constant"}, "stages.teachers.epochs": 4}
    best = train("best", stage="teachers", overrides=steady)
    training = json.loads((best / "metrics.json").read_text())["training"]
    scores = [float(row["val/f1@1"]) for row in rows(best) if row["val/f1@1"]]
    epoch = scores.index(max(scores)) + 1
    assert (training["best"]["epoch"], training["best"]["f1@1"]) == (epoch, max(scores))
    short = steady | {"stages.teachers.epochs": epoch, "stages.teachers.keep": "last"}
    same, other = (
        load_file(best / "model.safetensors"),
        load_file(train("short", stage="teachers", overrides=short) / "model.safetensors"),
    )
    assert all(torch.equal(same[name], other[name]) for name in same)


def test_the_holdout_is_taken_from_train(train: Train) -> None:
    overrides = {"data.holdout": 0.25, "evaluate.select_on": "holdout"}
    table = plan(Path(__file__).parents[1] / "toy_plugin/recipe.yaml", overrides=overrides)["tables"]
    pictures = {row["split"]: row["pictures"] for row in table["pictures and labels"]}
    assert pictures == {"train": 36, "val": 12, "holdout": 12, "unlabelled": 16}
    folder = train(stage="teachers", overrides=overrides) / "colour"
    assert json.loads((folder / "metrics.json").read_text())["training"]["selected_on"] == "holdout"


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch, number: int = signal.SIGINT) -> None:
    """Ctrl-C, or another signal, in the midst of a step."""
    plain = TrainingModule.training_step

    def training_step(module: TrainingModule, batch: Any, batch_idx: int) -> Any:
        if batch_idx == step:
            signal.raise_signal(number)
        return plain(module, batch, batch_idx)

    monkeypatch.setattr(TrainingModule, "training_step", training_step)


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"stages.teachers.ema": 0.9},
        {"trainer.accumulate_grad_batches": 3},
        {"stages.teachers.epochs": None, "stages.teachers.steps": 13, "stages.teachers.validate_every": 2},
        {"stages.teachers.optimizer": {"lr": 0.1, "momentum": 0.9, "clip_norm": 0.1}},
    ],
    ids=["plain", "ema", "accumulate", "steps", "clip"],
)
def test_after_ctrl_c_a_run_goes_on_as_if_nothing_was(
    train: Train, monkeypatch: pytest.MonkeyPatch, overrides: dict[str, Any]
) -> None:
    chosen = {"stage": "teachers", "overrides": SUPERVISED | overrides}
    expected = train("whole", **chosen)
    with monkeypatch.context() as patch:
        interrupt_at(7, patch)
        with pytest.raises(KeyboardInterrupt, match=r"teachers was stopped; the same command goes on"):
            train("stopped", **chosen)
    found = train("stopped", **chosen)
    for name in ("log.csv", "model.safetensors", "metrics.json"):
        assert (found / name).read_bytes() == (expected / name).read_bytes()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_step_and_keeps_it(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    interrupt_at(4, monkeypatch, number)
    with pytest.raises(KeyboardInterrupt):
        train(stage="teachers", overrides=SUPERVISED)
    restart = torch.load(tmp_path / "run" / "teachers" / "last.ckpt", weights_only=True)
    assert restart["global_step"] == 5
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_loss_that_is_not_finite_ends_the_run(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MtssZooError, match="the loss is nan at step"):
        train(stage="teachers", overrides=SUPERVISED | {"stages.teachers.optimizer": {"lr": 1e30}})


def test_bad_pictures_are_named_and_tolerated(train: Train) -> None:
    overrides = {"data.dataset.args.bad": 3, "data.max_bad_images": 3}
    folder = train(stage="teachers", type_name="colour", overrides=overrides)
    lines = (folder / "bad_images.txt").read_text().splitlines()
    assert sorted(line.split("\t")[0] for line in lines) == ["tile 0", "tile 1", "tile 2"]


def test_too_many_bad_pictures_end_the_run_and_a_higher_limit_goes_on(train: Train, tmp_path: Path) -> None:
    chosen = {"stage": "teachers", "type_name": "colour"}
    few = {"data.dataset.args.bad": 3, "trainer.save_every": 1}
    with pytest.raises(DataError, match="3 pictures cannot be read, more than the 2 "):
        train(**chosen, overrides=few | {"data.max_bad_images": 2})
    assert (tmp_path / "run" / "teachers" / "colour" / "last.ckpt").is_file()
    expected = train("whole", **chosen, overrides=few | {"data.max_bad_images": 3})
    found = train(**chosen, overrides=few | {"data.max_bad_images": 3})
    assert (found / "log.csv").read_bytes() == (expected / "log.csv").read_bytes()


def test_batches_of_two_go_on_over_many_bad_pictures(train: Train) -> None:
    bad = {"data.dataset.args.bad": 12, "stages.teachers.batch_size": 2, "stages.teachers.epochs": 2}
    folder = train(stage="teachers", type_name="colour", overrides=bad)
    assert len((folder / "bad_images.txt").read_text().splitlines()) == 9  # of 12, three have no colour


def test_a_stage_starts_from_the_backbone_of_an_earlier_one(train: Train, tmp_path: Path) -> None:
    overrides = {"stages.student.init_from": "teachers", "stages.student.optimizer.lr": 1e-30, "trainer.log_every": 99}
    student = train(overrides=overrides | {"stages.teachers.per_type": False})
    start, end = (load_file(folder / "model.safetensors") for folder in (student.parent / "teachers", student))
    for name in ("backbone.0.weight", "backbone.1.bias", "backbone.6.weight"):
        torch.testing.assert_close(end[name], start[name], rtol=0, atol=1e-20)
    assert not torch.equal(end["heads.colour_head.projection.weight"], start["heads.colour_head.projection.weight"])


def test_a_stage_goes_on_with_the_heads_of_an_earlier_one(train: Train) -> None:
    overrides = {"stages.student.init_from": "teachers", "stages.student.optimizer.lr": 1e-30, "trainer.log_every": 99}
    student = train(overrides=overrides | {"stages.teachers.per_type": False, "stages.student.init_parts": "all"})
    start, end = (load_file(folder / "model.safetensors") for folder in (student.parent / "teachers", student))
    for name in ("backbone.0.weight", "heads.colour_head.projection.weight", "heads.marks_head.projection.bias"):
        torch.testing.assert_close(end[name], start[name], rtol=0, atol=1e-20)


def test_one_model_cannot_start_from_one_for_each_type(train: Train) -> None:
    train(stage="teachers", overrides={"stages.student.init_from": "teachers"})
    with pytest.raises(RecipeError, match=r"student starts from stage teachers, which trains one model for each"):
        train(stage="student", overrides={"stages.student.init_from": "teachers"})


def test_a_backbone_of_another_kind_does_not_fit(train: Train, tmp_path: Path) -> None:
    teacher = train(stage="teachers", type_name="colour")
    other = {"model.backbone": "resnet18", "stages.teachers.init_from": str(teacher)}
    with pytest.raises(CheckpointError, match="does not fit this one"):
        train("other", stage="teachers", type_name="colour", overrides=other)


def test_a_moving_average_takes_floats_and_copies_counters(toy_plugin: Path) -> None:
    """theta 1, then 2, 3, 5 with decay 0.9: 1.1, 1.29, 1.661."""
    model = mtss_zoo.build(toy_plugin / "recipe.yaml")
    statistics = model.backbone[1]
    with torch.no_grad():
        statistics.weight.fill_(1)
        statistics.running_mean.fill_(1)
    copy = MovingAverage(model, 0.9)
    for step, (value, expected) in enumerate(zip((2.0, 3.0, 5.0), (1.1, 1.29, 1.661), strict=True), start=1):
        with torch.no_grad():
            statistics.weight.fill_(value)
            statistics.running_mean.fill_(value)
            statistics.num_batches_tracked.fill_(step)
        copy.update_parameters(model)
        averaged = copy.module.backbone[1]
        assert averaged.weight.tolist() == pytest.approx([expected] * 8)
        assert averaged.running_mean.tolist() == pytest.approx([expected] * 8)
        assert averaged.num_batches_tracked == step


def test_a_plan_counts_everything_and_writes_nothing(toy_plugin: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    report = plan(toy_plugin / "recipe.yaml", overrides={"trainer.accumulate_grad_batches": 2})
    colour, marks, student = report["tables"]["stages"]
    assert (colour["stage"], marks["stage"], student["stage"]) == ("teachers/colour", "teachers/marks", "student")
    assert (colour["steps"], colour["pictures a step"], colour["epochs"]) == (6, 16, 3)
    assert (student["steps"], student["batches"]) == (12, "pictures 8")
    colour, _, student = report["tables"]["sizes"]
    # The convolution, the batch norm, the last layer, the head's projection, and its dictionary of 3 classes.
    assert colour["parameters"] == 224 + 16 + 264 + 72 + 24
    assert student["parameters"] - student["trained"] == 8 * (3 + 2)
    assert student["peak MB"] > 0
    assert report["problems"] == []
    assert list(tmp_path.iterdir()) == []


def test_a_plan_is_of_one_stage_or_type_as_a_training_is(toy_plugin: Path) -> None:
    recipe = toy_plugin / "recipe.yaml"
    labels = {
        type_name: [row["stage"] for row in plan(recipe, stage="teachers", type_name=type_name)["tables"]["stages"]]
        for type_name in (None, "marks")
    }
    assert labels == {None: ["teachers/colour", "teachers/marks"], "marks": ["teachers/marks"]}
    with pytest.raises(UnknownNameError, match="Did you mean student"):
        plan(recipe, stage="studnet")


def test_a_plan_counts_the_pictures_that_are_used(toy_plugin: Path) -> None:
    """Of 48 training tiles 36 have a colour, 12 each; half of them keep it, and half of the 12 others stay too."""
    half = {"data.label_share": 0.5, "data.unlabelled_share": 0.5}
    table = plan(toy_plugin / "recipe.yaml", overrides=half)["tables"]["pictures and labels"]
    assert {row["split"]: row["pictures"] for row in table} == {"train": 24, "val": 12, "unlabelled": 8 + 24}
    assert table[0]["colour"] == 18


def test_a_run_with_fewer_labels_reads_fewer(train: Train) -> None:
    half = {"data.label_share": 0.5, "trainer.log_every": 1}
    log = rows(train(stage="teachers", type_name="colour", overrides=half))
    assert len(log) == 3 * (18 // 8)


def test_the_slices_of_the_recipe_are_kept_with_the_metrics(train: Train) -> None:
    folder = train(stage="teachers", type_name="colour", overrides={"evaluate.slices": ["shop"]})
    measured = json.loads((folder / "metrics.json").read_text())
    (known,) = measured["slices"]["shop"].values()
    assert known["colour"] == {key: measured["types"]["colour"][key] for key in ("n", "f1@1", "acc@1")} | {
        "small": True
    }


def test_another_share_of_the_labels_is_another_run(train: Train) -> None:
    half = {"data.label_share": 0.5}
    train(stage="teachers", type_name="colour", overrides=half)
    with pytest.raises(UsageError, match=r"data\.label_share \(0\.5 there, 0\.25 now\)"):
        train(stage="teachers", overrides=half | {"data.label_share": 0.25})


def test_what_is_left_out_of_the_pool_is_said_when_it_is_first_read(
    toy_plugin: Path, tmp_path: Path, capsys: Any
) -> None:
    recipe, dataset = open_data(load_recipe(toy_plugin / "recipe.yaml"))
    run = expand(recipe, tmp_path, "student")[0]
    dataset.left_out = {3: "tile 1008"}
    context = Context(run, dataset)
    assert capsys.readouterr().err == ""
    assert len(context.unlabelled) == 15
    assert capsys.readouterr().err == "student: 1 unlabelled pictures are also in val and are left out.\n"
    assert len(context.unlabelled) == 15
    assert capsys.readouterr().err == ""


def test_a_plan_tells_what_is_missing_and_what_fails(toy_plugin: Path) -> None:
    report = plan(toy_plugin / "recipe.yaml", overrides={"data.dataset.args.bad": 2, "stages.student.batch_size": 99})
    assert report["problems"][0] == "2 pictures are missing."
    assert "student: an epoch of 64 pictures does not fill one batch of 99" in report["problems"][1]
    assert len(report["tables"]["stages"]) == 2


def test_where_nothing_can_be_validated_the_last_weights_are_kept(train: Train) -> None:
    """The first validation picture has no marks, so that F1 has no ground truth."""
    overrides = {"data.dataset.args.n_val": 1, "stages.teachers.epochs": 2}
    folder = train(stage="teachers", type_name="marks", overrides=overrides)
    assert [row["val/f1@1"] for row in rows(folder) if row["val/f1@1"]] == ["nan", "nan"]
    best = json.loads((folder / "metrics.json").read_text())["training"]["best"]
    assert best == {"f1@1": None, "step": 8, "epoch": 2.0}


@pytest.mark.parametrize(("precision", "mixed"), [("32-true", False), ("bf16-mixed", True)])
def test_what_is_prepared_has_the_precision_of_the_steps(
    train: Train, monkeypatch: pytest.MonkeyPatch, precision: str, mixed: bool
) -> None:
    """So that embeddings which were computed once are those of live teachers, and as fast."""
    seen = []
    monkeypatch.setattr(MTSSStrategy, "prepare", lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    train(overrides={"trainer.precision": precision})
    assert seen == [mixed]


def test_one_moving_average_is_enough(train: Train) -> None:
    semi_vit = {"name": "semi_vit", "args": {"mu": 1}}
    views = {name: {} for name in ("train", "weak", "strong")}
    stage = {"strategy": semi_vit, "loss": "cross_entropy", "epochs": 1, "batch_size": 4, "views": views, "ema": 0.9}
    overrides = {"data.types": ["colour"], "stages.student": stage | {"optimizer": {"lr": 0.1}}}
    with pytest.raises(RecipeError, match="'semi_vit' has a moving average of its own; leave out `ema`"):
        train(stage="student", overrides=overrides)


def test_both_models_of_a_strategy_are_measured(train: Train) -> None:
    semi_vit = {"name": "semi_vit", "args": {"mu": 1, "momentum": 0.5}}
    views = {name: {} for name in ("train", "weak", "strong")}
    stage = {"strategy": semi_vit, "loss": "cross_entropy", "epochs": 1, "batch_size": 4, "views": views}
    overrides = {"data.types": ["colour"], "stages.student": stage | {"optimizer": {"lr": 0.1}}}
    folder = train(stage="student", overrides=overrides)
    measured = json.loads((folder / "metrics.json").read_text())
    assert measured["types"]["colour"]["n"] == measured["others"]["student"]["types"]["colour"]["n"] == 9
    assert rows(folder)[-1]["val/f1@1"] and rows(folder)[-1]["val/f1@1/student"]


def test_pretraining_is_neither_validated_nor_measured(train: Train) -> None:
    tiny = {"name": "mae_vit_tiny", "args": {"image_size": [16, 16], "depth": 1}}
    mae = {"name": "mae", "args": {"decoder_width": 12, "decoder_depth": 1, "decoder_heads": 3, "pictures_every": 0}}
    stage = {"strategy": mae, "epochs": 1, "batch_size": 16, "optimizer": {"lr": 0.01}}
    changed = {"model": {"backbone": tiny}, "loss": None}
    folder = train(stage="student", overrides={"stages.student": stage | changed})
    assert list(json.loads((folder / "metrics.json").read_text())) == ["training"]
    assert "val/f1@1" not in rows(folder)[-1]


UNGUARDED = """
import multiprocessing, sys, mtss_zoo
if __name__ == "__main__":
    other = multiprocessing.get_context("spawn").Process(target=print)
    other.start()
    other.join()
else:
    mtss_zoo.train("mtss_quickstart", sys.argv[1])
"""


def test_a_script_without_a_main_block_is_not_run_again_by_its_readers(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(UNGUARDED)
    done = subprocess.run([sys.executable, str(script), str(tmp_path / "run")], capture_output=True, text=True)
    assert 'below a line `if __name__ == "__main__":`' in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_loss_of_one_type_is_no_part_of_the_models_of_others(train: Train) -> None:
    """Each model says in its recipe what it is, and opens by that."""
    overrides = {"stages.teachers.losses": {"marks": "bce", "colour": "focal_ranking"}, "stages.teachers.loss": None}
    folder = train(stage="teachers", overrides=overrides)
    for name in ("colour", "marks"):
        recipe = mtss_zoo.load(folder / name).recipe
        assert recipe is not None and list(recipe.stages["teachers"].losses) == [name]
