"""``data check`` of every picture and of every class, and ``--set`` with a dataset's name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from mtss_zoo_datasets import example_folders, example_trees
from mtss_zoo_datasets.examples import picture

from mtss_zoo.build import build_dataset
from mtss_zoo.recipe import DataSpec, Part
from mtss_zoo.trust import readable
from mtss_zoo.trust.readable import decode_all

Zoo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Pictures in two classes and unlabelled ones; a broken one is the fifth, which is none of the 50 tried of 63."""
    for number in range(60):
        picture(tmp_path / "shop/train" / ("dress" if number < 58 else "shirt") / f"{number:02d}.png", "Red", number)
    picture(tmp_path / "shop/val/dress/60.png", "Blue", 60)
    for number in (61, 62):
        picture(tmp_path / f"shop/unlabelled/{number}.png", "Green", number)
    (tmp_path / "shop/train/dress/04.png").write_bytes(b"no picture")
    return tmp_path / "shop"


class TestAll:
    def test_every_picture_is_decoded_where_it_is_asked_for(self, zoo: Zoo, shop: Path) -> None:
        code, out, _ = zoo("data", "check", "imagefolder", "--root", shop, "--json")
        report = json.loads(out)
        assert code == 0 and report["problems"] == [] and report["decoded"] == {"pictures": 50}
        code, out, _ = zoo("data", "check", "imagefolder", "--root", shop, "--all", "--json")
        report = json.loads(out)
        assert code == 1 and (report["decoded"]["pictures"], report["decoded"]["unreadable"]) == (63, 1)
        (problem,) = report["problems"]
        assert problem.startswith("1 of all 63 pictures cannot be used: picture train/dress/04.png (")
        assert [problem.endswith(fault) for fault in report["decoded"]["faults"]] == [True]

    def test_the_number_is_always_printed(self, zoo: Zoo, shop: Path) -> None:
        assert (
            "50 pictures were decoded as a test; --all decodes"
            in zoo("data", "check", "imagefolder", "--root", shop)[1]
        )
        (shop / "train/dress/04.png").unlink()
        code, out, _ = zoo("data", "check", "imagefolder", "--root", shop, "--all")
        assert code == 0 and "all 62 pictures were decoded.\nno problems." in out

    def test_faults_beyond_a_thousand_are_only_counted(self, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(readable, "NAMED", 2)
        monkeypatch.setattr(readable, "BLOCK", 8)
        for path in (shop / "train/dress").iterdir():
            path.write_bytes(b"")
        samples = build_dataset(DataSpec(dataset=Part(name="imagefolder", args={"root": str(shop)}))).split("train")
        done = decode_all([samples, samples])
        assert (done.pictures, done.unreadable, len(done.faults)) == (120, 116, 2)


class TestClasses:
    def test_labels_are_counted_class_by_class_and_split_by_split(self, zoo: Zoo, shop: Path) -> None:
        report = json.loads(zoo("data", "check", "imagefolder", "--root", shop, "--json")[1])
        assert report["labels"] == {"category": {"dress": {"train": 58, "val": 1}, "shirt": {"train": 2, "val": 0}}}
        assert report["types"]["category"] == {"kind": "single", "classes": 2, "rare": 1}
        lines = [line.split() for line in zoo("data", "check", "imagefolder", "--root", shop)[1].splitlines()]
        assert ["category", "train", "val"] in lines and ["shirt", "2", "0"] in lines

    def test_of_many_classes_only_the_rare_ones_are_counted(self, zoo: Zoo, tmp_path: Path) -> None:
        for number in range(41):
            picture(tmp_path / f"train/class_{number}/{number}.png", "Red", number)
        lines = [line.split() for line in zoo("data", "check", "imagefolder", "--root", tmp_path)[1].splitlines()]
        assert ["category", "single", "41", "41"] in lines and ["class_3", "1"] not in lines


class TestSet:
    FINE = ("--set", "data.dataset.args.variant=fine")

    def test_an_argument_reaches_the_dataset(self, zoo: Zoo, tmp_path: Path) -> None:
        example_trees.deepfashion(tmp_path)
        (tmp_path / "Anno_coarse").rename(tmp_path / "Anno_fine")
        code, _, err = zoo("data", "check", "deepfashion", "--root", tmp_path)
        assert code == 1 and "variant: fine, as with --set data.dataset.args.variant=fine." in err
        code, _, err = zoo("data", "check", "deepfashion", "--root", tmp_path, *self.FINE)
        assert code == 1 and "of the lists Anno_fine/train.txt" in err

    @pytest.mark.parametrize("command", ["check", "duplicates", "pack", "boxes"])
    def test_all_commands_that_take_a_dataset_take_its_arguments(self, zoo: Zoo, tmp_path: Path, command: str) -> None:
        root = tmp_path / "folders"
        example_folders.imagefolder(root)
        more = {"pack": ("--out", tmp_path / "out"), "boxes": ("--detector", "callable:nowhere:nothing")}.get(
            command, ()
        )
        given = ("data", command, "imagefolder", "--root", root, *more)
        code, _, err = zoo(*given, "--set", "data.dataset.args.labl=colour")
        assert (
            code == 2
            and "data.dataset.args.labl: dataset 'imagefolder' has no such argument. Did you mean label" in err
        )
        code, _, err = zoo(*given, "--set", "data.holdout=0.1")
        assert code == 2 and "imagefolder is a dataset, of which only arguments can be set" in err
        if command == "check":
            report = json.loads(zoo(*given, "--set", "data.dataset.args.label=colour", "--json")[1])
            assert list(report["types"]) == ["colour"]

    def test_of_a_recipe_everything_can_be_set(self, zoo: Zoo) -> None:
        small = ("--set", "data.dataset.args.n_train=40", "--set", "data.holdout=0.25")
        report = json.loads(zoo("data", "check", "mtss_quickstart", *small, "--json")[1])
        assert report["pictures"]["train"] + report["pictures"]["holdout"] == 40 and report["pictures"]["holdout"] >= 8
