"""One folder a class: with splits or without, and what lies in such folders besides."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from mtss_zoo_datasets.examples import picture
from mtss_zoo_datasets.imagefolder import ImageFolder

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset


def tree(root: Path, *paths: str) -> Path:
    for number, path in enumerate(paths):
        picture(root / path, "Red", number)
    return root


def labels(samples) -> dict[str, dict[str, tuple[int, ...]]]:
    return {samples[row].id: dict(samples[row].labels) for row in range(len(samples))}


def test_splits_by_their_usual_names(tmp_path: Path) -> None:
    tree(tmp_path, "Train/shirt/1.jpg", "Train/dress/2.JPEG", "validation/dress/3.png", "dev/shirt/4.webp")
    tree(tmp_path, "test/shirt/5.jpg", "unlabeled/6.jpg", "unlabeled/deeper/7.jpg")
    dataset = ImageFolder(str(tmp_path))
    assert isinstance(dataset, Dataset)
    assert dataset.schema.types == (AttributeType("category", "single", ("dress", "shirt")),)
    assert {name: labels(dataset.split(name)) for name in dataset.splits} == {
        "train": {"Train/dress/2.JPEG": {"category": (0,)}, "Train/shirt/1.jpg": {"category": (1,)}},
        "val": {"dev/shirt/4.webp": {"category": (1,)}, "validation/dress/3.png": {"category": (0,)}},
        "test": {"test/shirt/5.jpg": {"category": (1,)}},
    }
    assert labels(dataset.unlabelled()) == {"unlabeled/6.jpg": {}, "unlabeled/deeper/7.jpg": {}}
    assert dataset.split("train")[0].image == tmp_path / "Train/dress/2.JPEG"
    assert dataset.check() == [] and dataset.remarks() == []


def test_without_split_folders_splits_are_assigned_and_stay(tmp_path: Path) -> None:
    tree(tmp_path, *(f"{name}/{number}.jpg" for name in ("dress", "shirt") for number in range(20)), "unlabelled/x.png")
    dataset = ImageFolder(str(tmp_path), label="kind")
    sizes = {name: len(dataset.split(name)) for name in dataset.splits}
    assert sizes == {"train": 30, "val": 6, "test": 4}
    assert np.bincount(dataset.split("test").label_pairs("kind")[1]).tolist() == [2, 2]
    assert labels(dataset.split("test")) == labels(ImageFolder(str(tmp_path), label="kind").split("test"))
    assert labels(dataset.split("val")) != labels(ImageFolder(str(tmp_path), "kind", split_seed=1).split("val"))
    assert list(labels(dataset.unlabelled())) == ["unlabelled/x.png"]


def test_deeper_folders_belong_to_the_class_above_them(tmp_path: Path) -> None:
    tree(tmp_path, "train/dress/summer/a/1.jpg", "train/dress/2.jpg")
    found = labels(ImageFolder(str(tmp_path)).split("train"))
    assert found == {"train/dress/2.jpg": {"category": (0,)}, "train/dress/summer/a/1.jpg": {"category": (0,)}}


def test_hidden_files_and_other_files_are_counted(tmp_path: Path) -> None:
    tree(tmp_path, "train/dress/1.jpg", "other/2.jpg")
    for name in (
        ".DS_Store",
        "train/dress/._1.jpg",
        "train/.cache/3.jpg",
        "train/dress/notes.txt",
        "train/dress/x.pdf",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    dataset = ImageFolder(str(tmp_path))
    assert list(labels(dataset.split("train"))) == ["train/dress/1.jpg"]
    assert dataset.check() == []
    assert dataset.remarks() == [
        "3 hidden files and folders are passed over.",
        "2 files are no pictures and are passed over: train/dress/notes.txt, train/dress/x.pdf.",
        "folders that are called like no split are not read: other.",
    ]


def test_check_says_what_is_empty_lost_or_unreadable(tmp_path: Path) -> None:
    tree(tmp_path, "train/dress/1.jpg", "train/loose.jpg", "val/hat/2.jpg", "val/dress/3.jpg", "root.jpg")
    (tmp_path / "train/coat").mkdir()
    (tmp_path / "train/dress/bad.jpg").write_bytes(b"no picture")
    said = ImageFolder(str(tmp_path)).check()
    assert said[:-1] == [
        "1 pictures lie directly in train, so in no class, and are left out: train/loose.jpg.",
        "train/coat holds no pictures.",
        "1 pictures lie directly in the root, and are left out: root.jpg.",
        "1 pictures are of classes that train lacks, unknown: hat.",
    ]
    assert said[-1].startswith("1 of 4 pictures that were tried cannot be used: picture train/dress/bad.jpg")


def test_links_stand_for_splits_and_classes_but_are_not_followed_deeper_down(tmp_path: Path) -> None:
    tree(tmp_path, "data/dresses/1.jpg", "root/train/shirt/2.jpg")
    os.symlink(tmp_path / "data/dresses", tmp_path / "root/train/dress")
    os.symlink(tmp_path / "root", tmp_path / "root/train/shirt/loop")
    dataset = ImageFolder(str(tmp_path / "root"))
    assert list(labels(dataset.split("train"))) == ["train/dress/1.jpg", "train/shirt/2.jpg"]
    assert dataset.check() == ["train/shirt/loop is a link to a folder, which is not followed."]


def test_names_need_not_be_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9")
    tree(tmp_path, f"train/{name}/{name}.jpg")
    dataset = ImageFolder(str(tmp_path))
    (sample,) = [dataset.split("train")[0]]
    assert Path(sample.image).is_file()
    sample.id.encode("utf-8")
    assert dataset.schema["category"].classes == ("caf\N{REPLACEMENT CHARACTER}",)


def test_a_class_that_the_given_schema_lacks_is_unknown_or_other(tmp_path: Path) -> None:
    tree(tmp_path, "train/dress/1.jpg", "train/hat/2.jpg")
    for other, expected in ((None, {}), ("rest", {"category": (0,)})):
        given = AttributeSchema((AttributeType("category", "single", ("rest", "dress"), other),))
        dataset = ImageFolder(str(tmp_path), schema=given)
        assert labels(dataset.split("train")) == {"train/dress/1.jpg": {"category": (1,)}, "train/hat/2.jpg": expected}


def test_pictures_without_any_class_are_a_pool_to_pretrain_on(tmp_path: Path) -> None:
    dataset = ImageFolder(str(tree(tmp_path, "unlabelled/1.jpg", "unlabelled/2.jpg")))
    assert dataset.splits == ("train",) and len(dataset.split("train")) == 0
    assert list(labels(dataset.unlabelled())) == ["unlabelled/1.jpg", "unlabelled/2.jpg"]
    assert dataset.schema.types == (AttributeType("category", "single", ("unknown",)),)
    assert dataset.check() == [] and dataset.remarks()[0].startswith("no class of train has a picture.")
    necks = AttributeSchema((AttributeType("neck", "single", ("crew", "round")),))
    assert ImageFolder(str(tmp_path), schema=necks).schema == necks


def test_without_train_the_classes_are_those_of_the_other_splits(tmp_path: Path) -> None:
    dataset = ImageFolder(str(tree(tmp_path, "unlabelled/1.jpg", "test/hat/2.jpg")))
    assert dataset.splits == ("train", "test")
    assert labels(dataset.split("test")) == {"test/hat/2.jpg": {"category": (0,)}}


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (("test/dress/1.jpg",), "has a folder test but none that is called train"),
        (
            ("1.jpg",),
            r"no folder of a class holds a picture .*unlabelled/<picture>\. 1 pictures lie directly in the root",
        ),
        (("train/1.jpg", "val/dress/2.jpg"), "no class of train has a picture. 1 pictures lie directly in train"),
    ],
)
def test_a_tree_without_classes_is_refused(tmp_path: Path, paths: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageFolder(str(tree(tmp_path, *paths)))


def test_a_label_that_cannot_be_a_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a name is needed"):
        ImageFolder(str(tree(tmp_path, "train/dress/1.jpg")), label="a.b")
