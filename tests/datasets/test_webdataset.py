"""Tar shards as they are: keys, labels, splits, and everything that may be wrong with them."""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import os
import pickle
import tarfile
from pathlib import Path
from typing import Any

import pytest
from mtss_zoo_datasets.examples import picture
from mtss_zoo_datasets.webdataset import WebDataset

from mtss_zoo.errors import DataError, ImageError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset

TYPES = "types: [{name: colour, kind: single}, {name: trims, kind: multi, classes: [zip, lace]}]"


@pytest.fixture
def jpeg(tmp_path: Path) -> bytes:
    picture(tmp_path / "made/1.jpg", "Red", 1)
    return (tmp_path / "made/1.jpg").read_bytes()


def write(path: Path, *members: tuple[str, Any], mode: str = "w") -> Path:
    """A tar of names with bytes, text, or what becomes JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members:
            data = (
                content if isinstance(content, bytes) else content if isinstance(content, str) else json.dumps(content)
            )
            data = data.encode() if isinstance(data, str) else data
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def labels(samples) -> dict[str, dict[str, tuple[int, ...]]]:
    return {samples[row].id: dict(samples[row].labels) for row in range(len(samples))}


@pytest.fixture
def shop(tmp_path: Path, jpeg: bytes) -> Path:
    root = tmp_path / "shop"
    write(
        root / "train-000.tar",
        ("a.jpg", jpeg),
        ("a.json", {"colour": "red", "trims": ["lace", "zip"], "price": 9.5, "brand": "x", "tags": [1]}),
        ("b.json", {"colour": None, "trims": "zip"}),
        ("b.JPEG", jpeg),
        ("c.jpg", jpeg),
    )
    write(root / "train-001.tar", ("a.png", jpeg), ("a.json", {"colour": "blue", "trims": []}))
    write(root / "val-0.tar", ("d.jpg", jpeg), ("d.json", {"colour": "mauve"}), ("e.jpg", jpeg))
    write(root / "unlabelled.tar", ("f.jpg", jpeg), ("f.json", {"colour": "red", "brand": "y"}))
    (root / "schema.yaml").write_text(TYPES)
    return root


def test_files_of_one_key_are_a_picture_with_its_labels(shop: Path, jpeg: bytes) -> None:
    dataset = WebDataset(str(shop))
    assert isinstance(dataset, Dataset)
    assert dataset.schema["colour"].classes == ("blue", "red")
    assert labels(dataset.split("train")) == {
        "train-000.tar/a.jpg": {"colour": (1,), "trims": (0, 1)},
        "train-000.tar/b.JPEG": {"trims": (0,)},
        "train-001.tar/a.png": {"colour": (0,)},
    }
    first = dataset.split("train")[0]
    assert first.image == jpeg
    assert first.metadata == {"price": "9.5", "brand": "x"}


def test_a_picture_of_train_without_labels_is_unlabelled_and_one_of_val_is_unknown(shop: Path) -> None:
    dataset = WebDataset(str(shop))
    assert labels(dataset.unlabelled()) == {"train-000.tar/c.jpg": {}, "unlabelled.tar/f.jpg": {}}
    assert dataset.unlabelled()[1].metadata["brand"] == "y"
    assert labels(dataset.split("val")) == {"val-0.tar/d.jpg": {}, "val-0.tar/e.jpg": {}}
    assert "colour: 1 labels are of classes that the schema lacks, unknown: mauve." in dataset.check()


def test_files_of_one_key_need_not_follow_each_other(tmp_path: Path, jpeg: bytes) -> None:
    write(tmp_path / "train.tar", ("x/1.jpg", jpeg), ("x/2.jpg", jpeg), ("x/1.cls", "hat\n"), ("x/2.cls", "coat"))
    dataset = WebDataset(str(tmp_path))
    assert labels(dataset.split("train")) == {
        "train.tar/x/1.jpg": {"category": (1,)},
        "train.tar/x/2.jpg": {"category": (0,)},
    }


def test_a_class_alone_may_be_a_number_in_the_listed_classes(tmp_path: Path, jpeg: bytes) -> None:
    write(tmp_path / "train.tar", ("1.jpg", jpeg), ("1.cls", "1"), ("2.jpg", jpeg), ("2.json", {"kind": 0}))
    (tmp_path / "schema.yaml").write_text("types: [{name: kind, classes: [hat, coat]}]")
    assert [*labels(WebDataset(str(tmp_path)).split("train")).values()] == [{"kind": (1,)}, {"kind": (0,)}]
    (tmp_path / "schema.yaml").unlink()
    assert WebDataset(str(tmp_path), label="kind").schema["kind"].classes == ("0", "1")


def test_json_goes_before_a_class_alone(tmp_path: Path, jpeg: bytes) -> None:
    write(tmp_path / "train.tar", ("1.jpg", jpeg), ("1.cls", "hat"), ("1.json", {"category": "coat"}))
    assert WebDataset(str(tmp_path)).schema["category"].classes == ("coat",)


def test_text_files_are_labels_where_they_are_asked_for(tmp_path: Path, jpeg: bytes) -> None:
    write(tmp_path / "train.tar", ("1.jpg", jpeg), ("1.txt", " coat "), ("1.cls", "3"))
    assert WebDataset(str(tmp_path), label_file="txt").schema["category"].classes == ("coat",)
    assert "1 files in tars are neither" in WebDataset(str(tmp_path)).remarks()[0]


def test_shards_by_range_and_by_star(shop: Path) -> None:
    dataset = WebDataset(str(shop), train="train-{000..001}.tar", val="v*.tar")
    assert [len(dataset.split(name)) for name in dataset.splits] == [3, 2]
    assert list(labels(WebDataset(str(shop), train="train-000.tar").split("train"))) == [
        "train-000.tar/a.jpg",
        "train-000.tar/b.JPEG",
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"train": "train-{000..002}.tar"}, r"train: no file .*train-002.tar"),
        ({"test": "t-*.tar"}, r"test: no file"),
        ({"train": "*.tar"}, r"is in train and in (val|unlabelled); change one of the patterns"),
    ],
)
def test_patterns_that_cannot_be_are_refused(shop: Path, args: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        WebDataset(str(shop), **args)


def test_without_tars_of_train_those_there_are_named(tmp_path: Path, jpeg: bytes) -> None:
    write(tmp_path / "shop-1.tar", ("1.jpg", jpeg))
    with pytest.raises(DataError, match=r"has no tar of train.*it has shop-1.tar. Say which are"):
        WebDataset(str(tmp_path))


@pytest.mark.parametrize("name", ["train-0.tar.gz", "train-0.tgz", "train-0.tar"])
def test_compressed_tars_are_refused_by_name(tmp_path: Path, jpeg: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(gzip.compress(write(tmp_path / "x", ("1.jpg", jpeg)).read_bytes()))
    with pytest.raises(DataError, match=f"{name} is compressed with gzip.* Uncompress it"):
        WebDataset(str(tmp_path))


def test_a_tar_that_is_cut_off_gives_what_it_still_has(tmp_path: Path, jpeg: bytes) -> None:
    path = write(tmp_path / "train.tar", ("1.cls", "hat"), ("1.jpg", jpeg), ("2.cls", "coat"), ("2.jpg", jpeg))
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.rindex(jpeg[-20:]) - 100])
    dataset = WebDataset(str(tmp_path))
    assert list(labels(dataset.split("train"))) == ["train.tar/1.jpg"]
    said = dataset.check()
    assert any("cut off or damaged" in s or "is no uncompressed tar, or is damaged" in s for s in said)
    assert "1 files are cut off: train.tar/2.jpg." in said


def test_a_tar_that_changes_after_it_was_read_gives_bad_pictures(shop: Path) -> None:
    train = WebDataset(str(shop)).split("train")
    os.truncate(shop / "train-001.tar", 600)
    with pytest.raises(ImageError, match=r"train-001.tar/a.png cannot be used: .* ends before it does"):
        train[2]


def test_repeated_keys_and_labels_without_pictures_are_counted(tmp_path: Path, jpeg: bytes) -> None:
    write(tmp_path / "train.tar", ("1.jpg", jpeg), ("1.cls", "hat"), ("1.png", b"other"), ("2.cls", "coat"))
    dataset = WebDataset(str(tmp_path))
    assert dataset.split("train")[0].image == jpeg
    assert dataset.check() == [
        "1 files repeat the key of an earlier one, which counts: train.tar/1.png.",
        "1 labels have no picture: train.tar/2.cls.",
    ]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff\xfe", b"[" * 100_000, b"{'colour': 1}"])
def test_labels_that_cannot_be_read_are_unknown_and_counted(shop: Path, jpeg: bytes, content: bytes) -> None:
    write(shop / "train-002.tar", ("z.jpg", jpeg), ("z.json", content))
    dataset = WebDataset(str(shop))
    assert "train-002.tar/z.jpg" in labels(dataset.unlabelled())
    said = "1 files of labels cannot be read, so that these are unknown: train-002.tar/z.jpg, json."
    assert said in dataset.check()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"trims": "belt"}, r"train-002.tar/z.jpg: trims is 'belt', which is not among the classes of the schema file"),
        ({"colour": ["red", "blue"]}, r"train-002.tar/z.jpg, json: 2 labels of colour, but this type is single"),
        ({"colour": {"name": "red"}}, r"train-002.tar/z.jpg, json: colour is \{\"name\": \"red\"\}, but a class"),
    ],
)
def test_labels_that_do_not_fit_the_schema_are_named(shop: Path, jpeg: bytes, content: Any, message: str) -> None:
    write(shop / "train-002.tar", ("z.jpg", jpeg), ("z.json", content))
    with pytest.raises(DataError, match=message):
        WebDataset(str(shop))


def test_a_type_without_labels_is_refused(tmp_path: Path, jpeg: bytes) -> None:
    write(tmp_path / "train.tar", ("1.jpg", jpeg), ("1.json", {"colour": "red"}))
    (tmp_path / "schema.yaml").write_text("types: [{name: colour}, {name: trims}]")
    with pytest.raises(DataError, match=r"no picture of train has a label of trims. schema.yaml names the types"):
        WebDataset(str(tmp_path))


@pytest.mark.parametrize("name", ["train", "unlabelled"])
def test_pictures_without_any_label_are_a_pool_to_pretrain_on(tmp_path: Path, jpeg: bytes, name: str) -> None:
    write(tmp_path / f"{name}.tar", ("1.jpg", jpeg), ("1.json", {"colour": "red"}))
    dataset = WebDataset(str(tmp_path))
    assert dataset.splits == ("train",) and len(dataset.split("train")) == 0
    assert list(labels(dataset.unlabelled())) == [f"{name}.tar/1.jpg"]
    assert dataset.schema.types == (AttributeType("category", "single", ("unknown",)),)
    assert "no picture of train has a label. schema.yaml names the types" in dataset.remarks()[-1]


def test_under_a_given_schema_other_classes_are_unknown(shop: Path) -> None:
    given = AttributeSchema((AttributeType("colour", "single", ("green", "red")),))
    dataset = WebDataset(str(shop), schema=given)
    assert labels(dataset.split("train"))["train-000.tar/a.jpg"] == {"colour": (1,)}
    assert "colour: 2 labels are of classes that the schema lacks, unknown: blue, mauve." in dataset.check()


def test_names_are_names_and_nothing_is_written(tmp_path: Path, jpeg: bytes) -> None:
    root = tmp_path / "root"
    with tarfile.open(write(root / "train.tar", ("../../out.jpg", jpeg), ("/etc/1.jpg", jpeg)), "a") as tar:
        for name, kind in (
            ("passwd.jpg", tarfile.SYMTYPE),
            ("hard.jpg", tarfile.LNKTYPE),
            ("pipe.jpg", tarfile.FIFOTYPE),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "/etc/passwd"
            tar.addfile(link)
        tar.addfile(label := tarfile.TarInfo("../../out.cls"), io.BytesIO())
        folder = tarfile.TarInfo("dir.jpg")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    write(root / "train-1.tar", ("1.jpg", jpeg), ("1.cls", "hat"))
    before = sorted(tmp_path.rglob("*"))
    dataset = WebDataset(str(root))
    assert list(labels(dataset.unlabelled())) == ["train.tar/../../out.jpg", "train.tar//etc/1.jpg"]
    assert dataset.unlabelled()[0].image == jpeg
    assert dataset.remarks() == [
        "3 files in tars are neither pictures nor labels, and are passed over: train.tar/passwd.jpg, "
        "train.tar/hard.jpg, train.tar/pipe.jpg."
    ]
    assert label.size == 0 and sorted(tmp_path.rglob("*")) == before


def _read(samples, row: int, answers) -> None:
    answers.put(samples[row].image == samples[0].image)


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_other_processes_read_the_same(shop: Path, start: str) -> None:
    train = WebDataset(str(shop)).split("train")
    assert train[0].image  # so that the tar is open here
    context = multiprocessing.get_context(start)
    if start == "spawn":  # what it would send there
        assert pickle.loads(pickle.dumps(train))[2].image == train[2].image
        return
    answers = context.SimpleQueue()
    processes = [context.Process(target=_read, args=(train, 1, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [answers.get() for _ in processes] == [True, True]
