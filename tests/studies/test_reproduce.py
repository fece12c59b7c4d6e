"""Our rows below the paper's. Trainings are stood in for, but for the last test, which is the whole way in small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

import mtss_zoo.cross_domain
import mtss_zoo.robustness
from mtss_zoo.errors import UnknownNameError, UsageError
from mtss_zoo.json_text import to_json
from mtss_zoo.measures import Scored, measure
from mtss_zoo.paper_tables import paper_table, truncated
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.schema import AttributeSchema, AttributeType
from mtss_zoo.studies import reproduce as module
from mtss_zoo.studies.answers import MEASURED, write_answers
from mtss_zoo.studies.cells import CellRun, plan_study
from mtss_zoo.studies.gather import gather
from mtss_zoo.studies.numbers import numbers
from mtss_zoo.studies.reproduce import Wishes, fillings, reproduce, with_target

SCHEMA = AttributeSchema((AttributeType("colour", "single", ("red", "green", "blue", "black", "white", "grey")),))
PICTURES = 8


def right(run: CellRun, stage: str) -> int:
    """How many of the pictures a stage of a run gets right: no two cells the same."""
    return 1 + (len(run.name) + len(stage) + run.seed) % PICTURES


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Stands in for training: what is measured is `right` of the pictures."""

    def run_study(recipe: Any, out: Path, data_root: Any, overrides: Any, seeds: Any, processes: int) -> Any:
        study = plan_study(load_recipe(recipe, overrides), out, data_root, seeds)
        for run in study.runs:
            for stage in run.recipe.stages:
                owner, folder = study.owner(run, stage), study.folder(run) / stage
                if folder.exists():
                    continue
                folder.parent.mkdir(parents=True, exist_ok=True)
                if owner is not run:
                    folder.symlink_to(Path("..", owner.name, stage))
                else:
                    folder.mkdir()
                    truth = torch.eye(6, dtype=torch.bool)[torch.arange(PICTURES) % 6]
                    scores = truth.float() * (torch.arange(PICTURES) < right(run, stage))[:, None]
                    scored = {"colour": Scored(scores - truth.float() / 2, truth, torch.arange(PICTURES))}
                    write_answers(folder, scored)
                    (folder / MEASURED).write_text(to_json({"split": "val"} | measure(scored, SCHEMA)))
        return gather(study)

    monkeypatch.setattr(module, "run_study", run_study)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def labels(report: dict[str, Any]) -> list[str]:
    return [line["cells"]["model"] for line in report["ours"]]


def test_teachers_and_student_stand_below_the_papers(trained: Path) -> None:
    report = reproduce("table4")
    assert report["recipe set"] == "small"
    assert [line["cells"]["model"] for line in report["paper"]] == ["T", "S"] * 3
    assert labels(report) == ["T", "S"]
    teacher = report["ours"][0]["cells"]
    assert teacher["data"] == "garments"
    assert teacher["colour"] == teacher["all"] == 100 * (1 + (len("base") + len("teachers")) % PICTURES) / PICTURES
    assert report["columns"][-1] == "all" and "colour" in report["columns"]


def test_of_the_papers_rows_those_of_the_same_data_are_shown(trained: Path) -> None:
    report = reproduce("table4", "deepfashion")
    assert [line["cells"]["data"] for line in report["paper"]] == ["DeepFashion", "DeepFashion"]
    assert "neckline" not in report["columns"], "a column that the paper leaves empty for this data"


def test_every_cell_of_a_study_has_its_row(trained: Path) -> None:
    report = reproduce("table1")
    gammas = ["gamma-0", "gamma-0.5", "gamma-1", "gamma-2", "gamma-4"]
    assert labels(report) == [f"{word}, {gamma}" for gamma in gammas for word in "TS"]
    assert {"colour R@3", "colour R@5", "all R@3"} <= set(report["columns"])


def test_teachers_that_all_cells_have_are_shown_once(trained: Path) -> None:
    assert labels(reproduce("appendix_b"))[:2] == ["T", "S, unlabelled_share-1"]
    assert labels(reproduce("appendix_b")).count("T") == 1


def test_measures_of_the_only_type_and_rows_of_two_studies(trained: Path) -> None:
    report = reproduce("semi_vit_table2")
    assert labels(report)[:3] == ["ResNet18", "ViT, label_share-1", "Semi-ViT, label_share-1"]
    cells = report["ours"][0]["cells"]
    assert cells["Acc@1"] == 100 * (1 + (len("base") + len("finetune")) % PICTURES) / PICTURES
    assert 0 < cells["CE"] < 2, "nats, not percent"


def test_over_seeds_rows_are_means_with_deviations(trained: Path) -> None:
    (line,) = reproduce("table2", wishes=Wishes(seeds=[0, 1]))["ours"]
    # Seed 1 has the longer name base-seed1 and gets other pictures right.
    both = [1 + (len(name) + len("student") + seed) % PICTURES for name, seed in (("base", 0), ("base-seed1", 1))]
    assert line["runs"] == 2
    assert line["cells"]["R@1"] == pytest.approx(100 * sum(both) / 2 / PICTURES)
    assert line["sd"]["R@1"] == pytest.approx(100 * abs(both[0] - both[1]) / 2**0.5 / PICTURES)


def test_corrupted_pictures_are_measured_once(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def evaluate(run: Path, **asked: Any) -> Any:
        calls.append((run.name, asked))
        row = {"all": {"recall@3": 0.5747}, "colour": {}}
        return {"stages": {"student": {"clean": row, "mean": {"all": {"recall@3": 0.4296}, "colour": {}}}}}

    monkeypatch.setattr(mtss_zoo.robustness, "evaluate_corrupted", evaluate)
    for _ in range(2):
        report = reproduce("table7")
    assert report["ours"][0]["cells"] == {"model": "S, corrupt-0", "clean R@3": 57.47, "corrupted R@3": 42.96}
    assert [name for name, _ in calls] == ["corrupt-0", "corrupt-0.1", "corrupt-0.5", "corrupt-0.75"]
    assert calls[0][1] == {"max_images": 100}
    reproduce("table7", wishes=Wishes(variant="imagenet-c"))
    assert calls[4][1] == {"max_images": 100, "variant": "imagenet-c"}
    reproduce("table7", "deepfashion")
    assert calls[8][1] == {"variant": "imagenet-c"}, "as in the paper"


def across(run: Path, **asked: Any) -> Any:
    classes = {"floral": {"f1@1": 0.7046}, "polka": {"f1@1": 0.5}}
    stage = {"types": {"pattern": {"classes": classes}}, "all": {"f1@1": 0.6431}}
    return {"stages": {"teachers": stage, "student": stage}, "aliases": asked["aliases"]}


def test_classes_of_the_other_domain_stand_in_the_papers_columns(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mtss_zoo.cross_domain, "evaluate_across", across)
    report = reproduce("table6")
    assert labels(report) == ["T", "S, source", "S, target_too"]
    first = report["ours"][0]["cells"]
    assert (first["Flower"], first["polka"], first["All"]) == (70.46, 50, 64.31)


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every training is a fault."""
    monkeypatch.setattr(module, "run_study", lambda *_: pytest.fail("it trains first."))


def test_where_nobody_knows_the_shared_classes_the_user_is_asked_before_any_training(untrained: None) -> None:
    with pytest.raises(UsageError, match=r"--aliases MAP\.yaml"):
        reproduce("table6", "deepfashion")


@pytest.mark.parametrize(
    ("classes", "words"),
    [("{floral: [flora]}", "no class 'flora'"), ("{flower: [floral]}", "the dataset's pattern has no class 'flower'")],
)
def test_a_map_that_does_not_fit_is_refused_before_any_training(
    untrained: None, tmp_path: Path, classes: str, words: str
) -> None:
    (tmp_path / "map.yaml").write_text(f"types: {{pattern: {{classes: {classes}}}}}")
    with pytest.raises(UsageError, match=words):
        reproduce("table6", wishes=Wishes(aliases=tmp_path / "map.yaml"))


def test_the_users_map_of_shared_classes_is_the_one_that_is_measured_with(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trained / "map.yaml").write_text("types: {pattern: {classes: {floral: [floral]}}}")
    monkeypatch.setattr(mtss_zoo.cross_domain, "evaluate_across", across)
    reproduce("table6", wishes=Wishes(aliases="map.yaml"))
    (kept, *_) = trained.glob("reproduced/small/*/*/across.json")
    assert json.loads(kept.read_text())["aliases"] == "map.yaml"


def test_a_variant_that_does_not_exist_is_refused_before_any_training(untrained: None) -> None:
    with pytest.raises(UsageError, match="there are imaug and imagenet-c"):
        reproduce("table7", wishes=Wishes(variant="imagenetc"))


def test_the_other_domain_is_read_from_its_own_folder() -> None:
    recipe = with_target(load_recipe("study_domains_deepfashion"), "darn")
    source, target = (run.recipe.data for run in plan_study(recipe, Path("nowhere"), "deepfashion").runs)
    assert source.also_unlabelled == []
    assert [(part.name, part.args["root"]) for part in target.also_unlabelled] == [("darn", "darn")]
    assert target.dataset.args["root"] == "deepfashion"


def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no table"):
        reproduce("table9")
    with pytest.raises(UsageError, match=r"small, fashion, .*not 'deepfashion'"):
        reproduce("semi_vit_table2", "deepfashion")


def test_a_folder_of_data_without_a_recipe_set_is_deepfashion_where_the_table_has_it(trained: Path) -> None:
    assert reproduce("table4", wishes=Wishes(data_root="somewhere"))["recipe set"] == "deepfashion"
    with pytest.raises(UsageError, match=r"--recipe-set which of small, fashion, vest_neck_style, .* fits the data"):
        reproduce("semi_vit_table2", wishes=Wishes(data_root="somewhere"))


def test_imaterialist_stands_below_the_papers_rows_of_it(trained: Path) -> None:
    report = reproduce("table4", "imatfashion", wishes=Wishes(data_root="somewhere"))
    assert [line["cells"]["data"] for line in report["paper"]] == ["iMatFashion", "iMatFashion"]
    assert [line["cells"]["data"] for line in report["ours"]] == ["imaterialist_fashion"] * 2
    assert reproduce("table2", "imatfashion", wishes=Wishes(data_root="somewhere"))["ours"]
    (part,) = paper_table("table4").filled_by["imatfashion"]
    measured = {"types": {"color": {"f1@1": 0.5}, "style": {"f1@1": 0.25}}, "all": {"f1@1": 0.375}}
    (trained / "student").mkdir()
    (trained / "student" / MEASURED).write_text(to_json(measured))
    assert numbers(paper_table("table4"), part, trained, "student") == {"colour": 50, "style": 25, "all": 37.5}


def test_every_table_has_one_to_try_without_data() -> None:
    assert {f["table"] for f in fillings() if (f["recipe set"], f["dataset"]) == ("small", "garments")} == {
        f["table"] for f in fillings()
    }


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, zoo: Any) -> Any:
    monkeypatch.setenv("COLUMNS", "250")
    return lambda *args: zoo("reproduce", *args)


def test_without_a_name_all_tables_are_listed(command: Any) -> None:
    code, out, _ = command()
    assert code == 0
    assert "table4: Teacher (T) and student (S), F1@1 (MTSS, Table 4)" in out
    assert "--recipe-set fashion, with the dataset fashion_products: mtss_student_fashion_products" in out
    assert len(json.loads(command("--json")[1])) == len(fillings())


def test_people_see_both_in_one_table(command: Any, trained: Path) -> None:
    code, out, _ = command("table3", "--out", trained / "here")
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line.split()[:1] in (["paper"], ["ours"])]
    assert [row[0] for row in rows] == ["paper", "paper", "ours", "ours"]
    assert {"85.12", "67.46", "65.81", "57.43"} <= set(rows[0])


def test_numbers_of_semi_vit_are_printed_with_its_three_decimals(command: Any, trained: Path) -> None:
    code, out, _ = command("semi_vit_table2", "--out", trained / "here")
    assert code == 0
    rows = [line for line in out.splitlines() if "ResNet18" in line]
    assert {"79.736", "98.775", "0.615"} <= set(rows[0].split())
    assert rows[-1].split()[:1] == ["ours"]
    accuracy, _, entropy = rows[-1].split()[-3:]
    assert accuracy == truncated(100 * (1 + (len("base") + len("finetune")) % PICTURES) / PICTURES)
    assert len(entropy.partition(".")[2]) == 3


@pytest.mark.slow
def test_a_table_from_nothing(command: Any, tmp_path: Path) -> None:
    """Garments are drawn, six teachers and a student take a step each, and the table has their numbers."""
    tiny = {"n_train": 48, "n_val": 24, "n_test": 8, "n_unlabelled": 16}
    sets = [f"data.dataset.args.{key}={value}" for key, value in tiny.items()]
    for stage in ("teachers", "student"):
        sets += [f"stages.{stage}.epochs=null", f"stages.{stage}.steps=1", f"stages.{stage}.batch_size=8"]
    arguments = ["table4", "--out", tmp_path, "--json", *(word for s in sets for word in ("--set", s))]
    code, out, _ = command(*arguments)
    report = json.loads(out)
    assert code == 0
    assert labels(report) == ["T", "S"]
    metrics = json.loads((tmp_path / "mtss_small_garments/base/student/metrics.json").read_text())
    student = report["ours"][1]["cells"]
    assert student["category"] == pytest.approx(100 * metrics["types"]["category"]["f1@1"])
    assert student["all"] == pytest.approx(100 * metrics["all"]["f1@1"])
    # Table 2 is filled by the same student, which is not trained again.
    before = (tmp_path / "mtss_small_garments/base/student/model.safetensors").stat().st_mtime_ns
    code, out, _ = command("table2", *arguments[1:])
    assert code == 0
    assert json.loads(out)["ours"][0]["cells"]["F1@1"] == pytest.approx(100 * metrics["all"]["f1@1"])
    assert (tmp_path / "mtss_small_garments/base/student/model.safetensors").stat().st_mtime_ns == before
