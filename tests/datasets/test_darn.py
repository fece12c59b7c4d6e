"""DARN by the lists of ASEN: their exact form, what they leave open, and what may be wrong."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mtss_zoo_datasets import example_trees
from mtss_zoo_datasets.darn import Darn

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset

PUBLISHED = {
    "clothes category": 20,
    "clothes button": 13,
    "clothes color": 55,
    "clothes length": 7,
    "clothes pattern": 28,
    "clothes shape": 11,
    "collar shape": 26,
    "sleeve length": 8,
    "sleeve shape": 17,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    example_trees.darn(tmp_path)
    return tmp_path


def rewrite_meta(root: Path, change: Callable[[dict[str, Any]], object]) -> None:
    meta = json.loads((root / "meta.json").read_text())
    change(meta["DARN"])
    (root / "meta.json").write_text(json.dumps(meta))


def append(path: Path, line: str) -> None:
    path.write_text(path.read_text() + line + "\n")


def test_a_line_gives_the_values_of_one_picture(root: Path) -> None:
    dataset = Darn(str(root))
    assert isinstance(dataset, Dataset)
    assert {name: len(dataset.split(name)) for name in dataset.splits} == {"train": 24, "val": 12, "test": 12}
    sample = dataset.split("train")[5]
    assert (sample.id, sample.image) == ("pic/5.jpg", root / "DARN/pic/5.jpg")
    assert sample.labels == {"clothes pattern": (2,), "sleeve length": (1,)}
    assert dataset.check() == [] and len(dataset.unlabelled()) == 0


def test_queries_and_candidates_together_label_the_pictures_of_val_and_test(root: Path) -> None:
    assert Darn(str(root)).split("val")[4].labels == {"clothes pattern": (1,), "sleeve length": (0,)}
    (root / "DARN/query_valid.txt").unlink()
    assert Darn(str(root)).split("val")[4].labels == {"clothes pattern": (1,)}


def test_a_whole_list_of_labels_goes_before_queries_and_candidates(root: Path) -> None:
    (root / "DARN/label_valid.txt").write_text("0 1 1\n")
    dataset = Darn(str(root))
    assert len(dataset.split("val")) == 1 and dataset.split("val")[0].labels == {"sleeve length": (1,)}


def test_types_are_single_and_their_classes_are_numbers_unless_they_are_named(root: Path) -> None:
    pattern = Darn(str(root)).schema["clothes pattern"]
    assert pattern == AttributeType("clothes pattern", "single", ("0", "1", "2"))
    rewrite_meta(root, lambda meta: meta.update(ATTRIBUTES_VALUES={"clothes pattern": ["Flower", "Stripe", "Dot"]}))
    schema = Darn(str(root)).schema
    assert schema["clothes pattern"].classes == ("Flower", "Stripe", "Dot")
    assert schema["sleeve length"].classes == ("0", "1")


def test_the_attributes_as_the_lists_have_them(root: Path) -> None:
    rewrite_meta(root, lambda meta: meta.update(ATTRIBUTES=list(PUBLISHED), ATTRIBUTES_NUM=PUBLISHED))
    schema = Darn(str(root)).schema
    assert schema.names == tuple(PUBLISHED) and sum(len(t) for t in schema) == 185


def test_an_attribute_without_a_value_is_unknown_and_a_picture_without_any_is_unlabelled(root: Path) -> None:
    lines = (root / "DARN/label_train.txt").read_text().splitlines()
    (root / "DARN/label_train.txt").write_text("\n".join(["0 1 1", "1", *lines[3:]]))
    dataset = Darn(str(root))
    assert dataset.split("train")[0].labels == {"sleeve length": (1,)}
    assert [dataset.unlabelled()[row].id for row in range(2)] == ["pic/1.jpg", "pic/2.jpg"]
    assert dataset.check() == []


def test_dead_addresses_leave_no_picture_and_are_counted(root: Path) -> None:
    for number in (0, 7, 30):
        (root / f"DARN/pic/{number}.jpg").unlink()
    dataset = Darn(str(root))
    assert [len(dataset.split(name)) for name in dataset.splits] == [22, 11, 12]
    assert dataset.split("train")[0].id == "pic/1.jpg" and dataset.split("train")[0].labels["sleeve length"] == (1,)
    assert dataset.check() == [
        "filenames_train.txt: 2 of 24 pictures are missing, left out: pic/0.jpg, pic/7.jpg.",
        "filenames_valid.txt: 1 of 12 pictures are missing, left out: pic/30.jpg.",
    ]


def test_a_second_value_of_a_single_type_is_counted_and_the_first_one_kept(root: Path) -> None:
    append(root / "DARN/label_train.txt", "0 1 1 0 0")
    dataset = Darn(str(root))
    assert dataset.split("train")[0].labels == {"clothes pattern": (0,), "sleeve length": (0,)}
    assert dataset.check() == [
        "filenames_train.txt: 1 pictures have several values of sleeve length; the first one counts."
    ]


def test_a_picture_that_is_listed_twice_counts_once_with_the_labels_of_both_lines(root: Path) -> None:
    append(root / "DARN/filenames_train.txt", "pic/3.jpg")
    lines = (root / "DARN/label_train.txt").read_text().replace("3 0 0 1 1\n", "3 0 0\n", 1)
    (root / "DARN/label_train.txt").write_text(lines + "24 1 1\n")
    dataset = Darn(str(root))
    assert len(dataset.split("train")) == 24
    assert dataset.split("train")[3].labels == {"clothes pattern": (0,), "sleeve length": (1,)}
    assert dataset.check() == ["filenames_train.txt: 1 lines repeat a picture, which counts once."]


def test_another_dataset_of_the_same_lists(root: Path) -> None:
    meta = json.loads((root / "meta.json").read_text())
    (root / "meta.json").write_text(json.dumps({"fashionAI": meta["DARN"]}))
    (root / "DARN").rename(root / "fashionAI")
    assert len(Darn(str(root), name="fashionAI").split("train")) == 24


def test_meta_may_lie_in_the_folder_of_the_dataset(root: Path) -> None:
    meta = json.loads((root / "meta.json").read_text())
    (root / "meta.json").unlink()
    (root / "DARN/meta.json").write_text(json.dumps(meta["DARN"]))
    assert len(Darn(str(root)).schema) == 2


def test_paths_with_spaces_and_white_space_around_lines(root: Path) -> None:
    (root / "DARN/pic/0.jpg").rename(root / "DARN/pic/blue dress.jpg")
    for path in (root / "DARN").glob("*.txt"):
        text = path.read_text().replace("pic/0.jpg", "pic/blue dress.jpg")
        path.write_bytes(text.replace("\n", " \r\n").encode() + b"\r\n")
    dataset = Darn(str(root))
    assert dataset.split("train")[0].id == "pic/blue dress.jpg" and dataset.check() == []


HOSTILE = {
    "words": ("0 pattern 1", "label_train.txt, line 25: numbers are expected, not '0 pattern 1'"),
    "half a pair": ("0 0 1 1", "line 25: an attribute without a value is at the end"),
    "no such picture": ("24 0 1", "line 25: there is no picture 24; they are 0 to 23"),
    "a picture before the first": ("-1 0 1", "line 25: there is no picture -1"),
    "no such attribute": ("0 2 1", "line 25: there is no attribute 2, only 2"),
    "no such value": ("0 1 2", "line 25: sleeve length has no value 2, only 2"),
    "a negative value": ("0 1 -1", "line 25: sleeve length has no value -1"),
}


@pytest.mark.parametrize(("line", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_fault_is_named_by_file_and_line(root: Path, line: str, message: str) -> None:
    append(root / "DARN/label_train.txt", line)
    with pytest.raises(DataError, match=message):
        Darn(str(root))


META = {
    "another dataset": ('{"FashionAI": {}}', "DARN with a list ATTRIBUTES is expected. It describes FashionAI"),
    "no JSON": ("{", r"meta.json: this is not JSON in UTF-8"),
    "a list": ("[]", "DARN with a list ATTRIBUTES is expected"),
    "no counts": ('{"DARN": {"ATTRIBUTES": ["a"]}}', "ATTRIBUTES_NUM does not say how many values 'a' has"),
    "counts in a list": (
        '{"DARN": {"ATTRIBUTES": ["a"], "ATTRIBUTES_NUM": [2]}}',
        "does not say how many values 'a' has",
    ),
    "odd names": (
        '{"DARN": {"ATTRIBUTES": ["a"], "ATTRIBUTES_NUM": {"a": 2}, "ATTRIBUTES_VALUES": {"a": ["x"]}}}',
        "ATTRIBUTES_VALUES does not name the 2 values that ATTRIBUTES_NUM gives 'a'",
    ),
}


@pytest.mark.parametrize(("text", "message"), META.values(), ids=META)
def test_a_fault_in_meta_is_named(root: Path, text: str, message: str) -> None:
    (root / "meta.json").write_text(text)
    with pytest.raises(DataError, match=message):
        Darn(str(root))


@pytest.mark.parametrize("missing", ["meta.json", "DARN/filenames_train.txt", "DARN/label_train.txt"])
def test_a_missing_file_is_named(root: Path, missing: str) -> None:
    (root / missing).unlink()
    with pytest.raises(DataError, match=f"{missing} is missing"):
        Darn(str(root))


def test_a_missing_folder_and_pictures_that_are_all_missing_are_named(root: Path) -> None:
    with pytest.raises(DataError, match="FashionAI: no such folder; it holds"):
        Darn(str(root), name="FashionAI")
    (root / "DARN/pic").rename(root / "pic")
    with pytest.raises(DataError, match=r"no picture of train is here with a label. filenames_train.txt: 24 of 24"):
        Darn(str(root))


@pytest.mark.parametrize("file", ["filenames_train.txt", "label_train.txt"])
def test_an_empty_list_leaves_nothing_to_train_on(root: Path, file: str) -> None:
    (root / "DARN" / file).write_text("")
    with pytest.raises(DataError, match=r"there is no picture 0|no picture of train is here with a label"):
        Darn(str(root))


def test_a_given_schema_decides_on_types_and_classes(root: Path) -> None:
    pattern = AttributeType("clothes pattern", "single", ("rest", "2"), other="rest")
    dataset = Darn(str(root), schema=AttributeSchema((pattern,)))
    assert [dataset.split("train")[row].labels["clothes pattern"] for row in range(3)] == [(0,), (0,), (1,)]
    with pytest.raises(UsageError, match=r"darn has no type pattern \(single\); its types are clothes pattern"):
        Darn(str(root), schema=AttributeSchema((AttributeType("pattern", "single", ("a",)),)))


def test_a_mark_of_utf_8_costs_no_picture(root: Path) -> None:
    before = {name: Darn(str(root)).split(name) for name in ("train", "val", "test")}
    for path in (root / "DARN").glob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    for name, samples in before.items():
        marked = Darn(str(root)).split(name)
        assert [marked[row] for row in range(len(marked))] == [samples[row] for row in range(len(samples))]
