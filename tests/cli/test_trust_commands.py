"""``data duplicates``, ``data suspects`` and ``evaluate --aliases``: tables, JSON, CSV, and what is asked wrongly."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import mtss_zoo

Zoo = Callable[..., tuple[int, str, str]]
ALIASES = Path(__file__).parents[2] / "docs/garments_street.yaml"
RECIPE = """
name: tiny
data:
  dataset: {name: garments, args: {n_train: 24, n_val: 12, n_test: 12, n_unlabelled: 24, image_size: 32}}
  types: [pattern, details]
  image_size: [32, 32]
  workers: 0
model:
  backbone: {name: timm, args: {name: test_resnet}}
  head: {name: label_embedding, args: {dim: 8}}
stages:
  teachers:
    strategy: supervised
    loss: focal_ranking
    per_type: true
    batch_size: 4
    steps: 1
    optimizer: {name: adamw, lr: 1e-3}
  student:
    strategy: mtss
    loss: embedding_distillation
    batch_size: 8
    steps: 1
    optimizer: {name: adamw, lr: 1e-3}
"""


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch, zoo: Zoo, tmp_path: Path) -> Zoo:
    """``zoo("list", "--json")`` gives exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    return zoo


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.yaml").write_text(RECIPE)
    mtss_zoo.train(folder / "tiny.yaml", out=folder / "run")
    return folder / "run"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The picture of train is in val again, in another file and with another label, and a product has two photos."""
    folder = tmp_path / "shop"
    folder.mkdir()
    noise = [Image.effect_noise((40, 50), 90 + i).convert("RGB") for i in range(3)]
    for name, picture in (("a.png", 0), ("b.bmp", 0), ("c.png", 1), ("d.png", 1), ("e.png", 2)):
        noise[picture].save(folder / name)
    (folder / "schema.yaml").write_text("types: [{name: colour, kind: single, classes: [red, blue]}]\n")
    (folder / "manifest.csv").write_text(
        "image,split,colour,item_id\na.png,train,red,1\nb.bmp,val,blue,2\nc.png,train,red,3\nd.png,train,red,3\n"
        "e.png,unlabeled,,4\n"
    )
    return folder


def test_duplicates_are_shown_written_and_given_as_json(zoo: Zoo, shop: Path) -> None:
    code, out, _ = zoo("data", "duplicates", "manifest", "--root", shop, "--out", "found.csv")
    assert code == 0
    assert "train + val" in out and "a.png, b.bmp" in out and "colour: red / blue" in out
    assert "1 groups of one product in one split are left out." in out
    with Path("found.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["group", "kind", "split", "id", "product", "labels that contradict"],
        ["0", "identical", "train", "a.png", "1", "colour=red"],
        ["0", "identical", "val", "b.bmp", "2", "colour=blue"],
    ]
    report = json.loads(zoo("data", "duplicates", "manifest", "--root", shop, "--json")[1])
    assert report["pictures"] == {"train": 3, "val": 1, "unlabelled": 1}
    assert report["groups"][0]["conflicts"] == {"colour": {"red": ["a.png"], "blue": ["b.bmp"]}}


def test_duplicates_of_a_distance_too_large_are_asked_wrongly(zoo: Zoo) -> None:
    code, _, err = zoo("data", "duplicates", "garments", "--distance", "12")
    assert code == 2 and "0 (equal hashes) to 11 bits" in err


def test_suspects_are_listed_by_type(zoo: Zoo, run_folder: Path) -> None:
    code, out, _ = zoo("data", "suspects", run_folder, "--split", "val", "--json")
    report = json.loads(out)
    assert code == 0 and report["split"] == "val"
    assert set(report["types"]) == {"pattern", "details"}
    for found in report["types"].values():
        assert found["models"] == ["teachers", "student"]
        assert len(found["suspects"]) == min(50, found["found"]) and found["n"] <= 12
    code, out, _ = zoo("data", "suspects", run_folder, "--split", "val", "--top", "2", "--out", "doubts.csv")
    assert code == 0 and "labels of val doubted by teachers and student" in out
    with Path("doubts.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["type", "id", "image", "label", "suggested", "score"]
    assert len(rows) == 1 + sum(min(2, found["found"]) for found in report["types"].values())


def test_suspects_of_something_that_is_no_run_are_asked_wrongly(zoo: Zoo, tmp_path: Path) -> None:
    code, _, err = zoo("data", "suspects", tmp_path)
    assert code == 2 and "no recipe.yaml" in err


def test_evaluate_on_another_domain_puts_the_shared_classes_side_by_side(zoo: Zoo, run_folder: Path) -> None:
    across = ("--aliases", ALIASES, "--dataset", "mtss_quickstart_street")
    code, out, _ = zoo("evaluate", run_folder, *across, "--split", "val")
    assert code == 0
    assert "pattern on val of mtss_quickstart_street" in out and "student over teachers" in out
    assert all(word in out for word in ("floral", "leopard", "all", "teachers"))
    report = json.loads(zoo("evaluate", run_folder / "student", *across[:-1], "garments", "--json")[1])
    assert (report["split"], report["dataset"]) == ("test", "garments")
    assert report["stages"]["student"]["types"]["pattern"]["n"] < report["pictures"]


def test_aliases_and_dataset_go_together(zoo: Zoo, run_folder: Path) -> None:
    for alone in (("--aliases", ALIASES), ("--dataset", "garments")):
        code, _, err = zoo("evaluate", run_folder, *alone)
        assert code == 2 and "go together" in err
    code, _, err = zoo("evaluate", run_folder, "--aliases", ALIASES, "--corruptions", "--max-images", "3")
    assert code == 2 and "--corruptions and --max-images cannot be given with --aliases" in err
