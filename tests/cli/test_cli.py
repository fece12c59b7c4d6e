"""The command line: tables for people, JSON for programs, exit code 0, 1 (it failed) or 2 (you asked wrongly)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from PIL import Image

TINY = """
name: tiny
data:
  dataset: {name: garments, args: {n_train: 24, n_val: 12, n_test: 12, n_unlabelled: 24, image_size: 32}}
  types: [category, colour]
  image_size: [32, 32]
  workers: 0
model:
  backbone: resnet18
  head: {name: label_embedding, args: {dim: 8}}
stages:
  teachers:
    strategy: supervised
    loss: focal_ranking
    per_type: true
    batch_size: 8
    steps: 2
    optimizer: {name: adamw, lr: 1e-3}
  student:
    strategy: mtss
    loss: embedding_distillation
    batch_size: 8
    steps: 2
    optimizer: {name: adamw, lr: 1e-3}
"""


@pytest.fixture
def zoo(monkeypatch, zoo, tmp_path):
    """``zoo("list", "--json")`` gives exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    return zoo


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory) -> Path:
    """A tiny recipe, trained once for all tests of this file."""
    import mtss_zoo

    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.yaml").write_text(TINY)
    mtss_zoo.train(folder / "tiny.yaml", out=folder / "run")
    return folder / "run"


class TestCatalogue:
    def test_list_shows_recipes_and_components(self, zoo):
        code, out, _ = zoo("list")
        assert code == 0
        for name in ("mtss_quickstart", "resnet50", "focal_ranking", "supervised", "garments"):
            assert name in out

    def test_list_narrows_by_wildcard_and_kind_and_speaks_json(self, zoo):
        code, out, _ = zoo("list", "resnet*", "--kind", "backbone", "--json")
        assert code == 0
        assert [row["name"] for row in json.loads(out)] == ["resnet18", "resnet50"]

    def test_a_wrong_kind_is_asked_wrongly(self, zoo):
        code, _, err = zoo("list", "--kind", "optimiser")
        assert code == 2 and "none of recipe, study, backbone" in err

    def test_show_prints_what_loads_again(self, zoo, tmp_path):
        code, out, _ = zoo("show", "mtss_quickstart", "--set", "model.head.args.dim=32")
        assert code == 0
        (tmp_path / "shown.yaml").write_text(out)
        assert yaml.safe_load(out)["model"]["head"]["args"]["dim"] == 32
        assert zoo("show", tmp_path / "shown.yaml")[1] == out

    def test_show_of_a_misspelt_name_offers_the_right_one(self, zoo):
        code, out, err = zoo("show", "mtss_quickstrat")
        assert (code, out) == (2, "") and "Did you mean mtss_quickstart" in err

    def test_a_bad_recipe_shows_every_fault(self, zoo, tmp_path):
        (tmp_path / "bad.yaml").write_text(TINY.replace("batch_size: 8", "batch_size: 0").replace("dim:", "dimm:"))
        code, _, err = zoo("show", "bad.yaml")
        assert code == 2
        assert [line.split(":")[1] for line in err.removeprefix("error: ").splitlines()] == ["10", "16", "22"]

    def test_schema_is_json_that_knows_the_keys(self, zoo, tmp_path):
        assert zoo("schema", "--out", tmp_path / "recipe.schema.json")[0] == 0
        assert "stages" in json.loads((tmp_path / "recipe.schema.json").read_text())["properties"]

    def test_plugins_lists_packages(self, zoo):
        code, out, _ = zoo("plugins", "--json")
        assert code == 0
        assert {row["plugin"]: row["error"] for row in json.loads(out)}["losses"] is None

    @pytest.mark.parametrize("day", ["2020-01-31", "2020-13-45"])
    def test_a_date_in_an_override_is_text_as_it_is_in_a_recipe(self, zoo, day):
        code, out, _ = zoo("show", "mtss_quickstart", "--set", f"summary={day}", "--json")
        assert code == 0 and json.loads(out)["summary"] == day

    @pytest.mark.parametrize("setting", ["no-equals-sign", "=1", "a=[1", "a=!!python/name:os.system", "seed=0x_"])
    def test_a_bad_override_is_asked_wrongly(self, zoo, setting):
        code, _, err = zoo("show", "mtss_quickstart", "--set", setting)
        assert code == 2 and "--set" in err


class TestRun:
    def test_train_says_where_the_model_is_and_skips_what_is_finished(self, zoo, run_folder):
        code, out, err = zoo("train", run_folder.parent / "tiny.yaml", "--out", run_folder)
        assert code == 0
        assert str(run_folder / "student") in out
        assert "teachers/category: finished before" in err

    def test_dry_run_prints_the_plan_and_trains_nothing(self, zoo, tmp_path):
        (tmp_path / "tiny.yaml").write_text(TINY)
        code, out, _ = zoo("train", "tiny.yaml", "--dry-run", "--out", "run")
        assert code == 0
        assert "student" in out and "parameters" in out
        assert not (tmp_path / "run").exists() and not (tmp_path / "runs").exists()

    def test_dry_run_plans_the_stage_that_is_asked_for(self, zoo, tmp_path):
        (tmp_path / "tiny.yaml").write_text(TINY)
        code, out, _ = zoo("train", "tiny.yaml", "--dry-run", "--json", "--stage", "teachers", "--type", "colour")
        assert code == 0
        assert [row["stage"] for row in json.loads(out)["tables"]["stages"]] == ["teachers/colour"]
        assert zoo("train", "tiny.yaml", "--dry-run", "--stage", "techers")[0] == 2

    def test_dry_run_that_finds_a_problem_fails(self, zoo, tmp_path):
        (tmp_path / "tiny.yaml").write_text(TINY)
        args = ("--dry-run", "--stage", "student", "--set", "stages.student.strategy.args.teachers=techers")
        code, out, _ = zoo("train", "tiny.yaml", *args)
        assert code == 1 and "problem: student: stage student needs stage 'techers'" in out

    def test_json_without_dry_run_is_refused(self, zoo, tmp_path):
        (tmp_path / "tiny.yaml").write_text(TINY)
        code, _, err = zoo("train", "tiny.yaml", "--json")
        assert code == 2 and "--json can be given with --dry-run only" in err
        assert not (tmp_path / "runs").exists()

    def test_evaluate_puts_teachers_and_student_side_by_side(self, zoo, run_folder):
        code, out, _ = zoo("evaluate", run_folder, "--json")
        report = json.loads(out)
        assert code == 0
        assert set(report["stages"]) == {"teachers", "student"}
        assert set(report["stages"]["student"]["types"]) == {"category", "colour"}
        assert len(report["gain"]["all"]["f1@1 relative"]) == 3
        table = zoo("evaluate", run_folder)[1]
        assert "teachers on val, 12 pictures" in table and "student on val" in table and "mean of types" in table
        assert all(word in table for word in ("F1@1", "R@1", "R@3", "Acc@1", "Acc@5", "CE"))
        assert "student beside teachers" in table

    def test_no_table_of_evaluate_breaks_a_number_on_a_narrow_terminal(self, zoo, run_folder, monkeypatch):
        monkeypatch.setenv("COLUMNS", "200")
        wide = zoo("evaluate", run_folder)[1]
        monkeypatch.setenv("COLUMNS", "80")
        assert zoo("evaluate", run_folder)[1] == wide

    def test_evaluate_shows_the_slices_that_are_asked_for(self, zoo, run_folder):
        code, out, _ = zoo("evaluate", run_folder, "--slice", "domain")
        assert code == 0
        assert "colour by domain: Acc@1 in %" in out and "studio" in out and "n < 30" in out
        code, _, err = zoo("evaluate", run_folder, "--slice", "domian")
        assert code == 2 and "Did you mean domain?" in err
        code, out, _ = zoo("evaluate", run_folder / "student", "--slice", "domain", "--json")
        assert json.loads(out)["stages"]["student"]["slices"]["domain"]["studio"]["colour"]["small"] is True

    def test_evaluate_lists_the_classes_of_a_type_with_n_and_map(self, zoo, run_folder):
        code, out, _ = zoo("evaluate", run_folder, "--classes", "colour")
        assert code == 0
        assert "colour: recall@1 of each class" in out and "mAP" in out and "black" in out
        code, _, err = zoo("evaluate", run_folder, "--classes", "color")
        assert code == 2 and "Did you mean colour?" in err

    def test_evaluate_of_one_checkpoint_on_another_split(self, zoo, run_folder):
        code, out, _ = zoo("evaluate", run_folder / "teachers" / "colour", "--split", "test", "--json")
        assert code == 0 and json.loads(out)["split"] == "test"

    def test_evaluate_of_an_unknown_split_names_the_splits(self, zoo, run_folder):
        code, _, err = zoo("evaluate", run_folder / "student", "--split", "tset")
        assert code == 2 and "val" in err and "test" in err

    def test_predict_gives_every_picture_and_names_the_broken_one(self, zoo, run_folder, tmp_path):
        Image.new("RGB", (40, 50), "navy").save(tmp_path / "shirt.jpg")
        (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
        code, out, err = zoo("predict", run_folder / "student", "broken.jpg", "shirt.jpg", "--json", "--top-k", "2")
        assert code == 1 and "broken.jpg" in err
        (answer,) = json.loads(out)
        assert answer["image"] == "shirt.jpg"
        assert {name: len(best) for name, best in answer["attributes"].items()} == {"category": 2, "colour": 2}
        code, out, _ = zoo("predict", run_folder / "student", "shirt.jpg")
        assert code == 0 and "shirt.jpg" in out and "colour" in out

    def test_predict_with_an_untrained_recipe_says_what_to_do(self, zoo):
        code, _, err = zoo("predict", "mtss_quickstart", "shirt.jpg")
        assert code == 1 and "mtss-zoo train mtss_quickstart" in err

    def test_a_folder_without_a_model_is_an_error_in_words(self, zoo, tmp_path):
        code, _, err = zoo("predict", tmp_path, "shirt.jpg")
        assert code == 1 and "no checkpoint folder" in err and "Traceback" not in err


class TestData:
    def test_check_counts_and_is_content(self, zoo):
        code, out, _ = zoo("data", "check", "garments", "--json")
        report = json.loads(out)
        assert code == 0 and report["problems"] == [] and report["pictures"]["train"] > 0

    def test_check_names_what_is_missing_on_disk(self, zoo, tmp_path):
        code, _, err = zoo("data", "check", "fashion_products", "--root", tmp_path / "nowhere")
        assert code == 1 and "nowhere" in err

    @pytest.mark.parametrize(
        "command", [("data", "check", "garments", "--root"), ("train", "tiny.yaml", "--data-root")]
    )
    def test_a_dataset_that_reads_no_folder_takes_none(self, zoo, tmp_path, command):
        (tmp_path / "tiny.yaml").write_text(TINY)
        code, _, err = zoo(*command, tmp_path)
        assert (code, err) == (2, "error: dataset garments reads no folder: leave --data-root, or --root, out.\n")

    def test_check_finds_pictures_that_are_measured_on_too(self, zoo, tmp_path):
        from mtss_zoo_datasets import examples

        examples.manifest(tmp_path)
        assert zoo("data", "check", "manifest", "--root", tmp_path)[0] == 0
        # Of the example's rows, 0 and 1 train, 2 is val and 3 unlabelled.
        for copy in (0, 3):
            (tmp_path / f"pictures/{copy}.jpg").write_bytes((tmp_path / "pictures/2.jpg").read_bytes())
        code, out, _ = zoo("data", "check", "manifest", "--root", tmp_path, "--json")
        report = json.loads(out)
        assert code == 1 and report["pictures"] == {"train": 24, "val": 12, "unlabelled": 11}
        twin = "pictures/2.jpg"
        assert report["repeated"] == {"train": {"pictures/0.jpg": twin}, "unlabelled": {"pictures/3.jpg": twin}}
        assert f"1 pictures of train are also in val: pictures/0.jpg (there {twin})." in report["problems"]

    def test_check_of_a_recipe_counts_what_it_trains_on(self, zoo, tmp_path):
        (tmp_path / "tiny.yaml").write_text(TINY.replace("workers: 0", "workers: 0\n  label_share: 0.5"))
        code, out, _ = zoo("data", "check", "tiny.yaml", "--json")
        report = json.loads(out)["pictures"]
        assert code == 0 and report["train"] < 16 and report["train"] + report["unlabelled"] == 48

    def test_check_of_an_unknown_name(self, zoo):
        assert zoo("data", "check", "garmets")[0] == 2
