"""iMaterialist-Fashion-2018: both spellings of its JSON, the label map, and pictures that were never downloaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mtss_zoo_datasets import example_trees
from mtss_zoo_datasets.imaterialist_fashion import IMaterialistFashion
from mtss_zoo_datasets.imaterialist_files import read_label_map, read_split

from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.files import json_items
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset, Sample, Samples

TASKS = {1: "category", 2: "color", 3: "gender", 4: "material", 5: "neckline", 6: "pattern", 8: "sleeve", 9: "style"}
SIZES = (105, 21, 3, 34, 11, 28, 5, 21)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    example_trees.imaterialist_fashion(tmp_path)
    return tmp_path


def rewrite(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data))


def said(sample: Sample, schema: AttributeSchema) -> dict[str, tuple[str, ...]]:
    return {name: tuple(schema[name].classes[c] for c in labels) for name, labels in sample.labels.items()}


def every(samples: Samples) -> list[Sample]:
    return [samples[row] for row in range(len(samples))]


def test_annotations_become_labels(root: Path) -> None:
    dataset = IMaterialistFashion(str(root))
    assert isinstance(dataset, Dataset)
    assert dataset.splits == ("train", "val")
    sample = dataset.split("train")[2]
    assert (sample.id, sample.image) == ("train/3.jpg", root / "train/3.jpg")
    expected = {"category": ("Hosiery, Stockings, Tights",), "color": ("Red",), "pattern": ("Plain",)}
    assert said(sample, dataset.schema) == expected
    assert dataset.check() == []


def test_every_type_is_multi_and_its_labels_are_no_range_of_ids(root: Path) -> None:
    schema = IMaterialistFashion(str(root)).schema
    assert {t.name: t.classes for t in schema} == {
        "category": ("Blouses", "Hosiery, Stockings, Tights"),
        "color": ("Blue", "Red"),
        "pattern": ("Argyle", "Plain"),
    }
    assert all(t.kind == "multi" for t in schema)


def test_a_type_without_a_label_is_unknown(root: Path) -> None:
    assert set(IMaterialistFashion(str(root)).split("train")[0].labels) == {"category"}


def test_several_labels_of_one_type(root: Path) -> None:
    rewrite(root / "train.json", lambda data: data["annotations"][0].update(labelId=["3", "6", "3"]))
    sample = IMaterialistFashion(str(root)).split("train")[0]
    assert sample.labels == {"color": (0, 1)}


def documented(data: dict[str, Any]) -> None:
    """The spelling of the documentation: other keys, numbers for ids, a list for the address."""
    data["images"] = [{"image_id": int(i["imageId"]), "url": [i["url"]]} for i in data["images"]]
    data["annotations"] = [
        {"image_id": int(a["imageId"]), "label_id": [int(label) for label in a["labelId"]]} for a in data["annotations"]
    ]


def test_the_documented_spelling_gives_the_same(root: Path) -> None:
    before = every(IMaterialistFashion(str(root)).split("train"))
    rewrite(root / "train.json", documented)
    dataset = IMaterialistFashion(str(root))
    assert every(dataset.split("train")) == before and dataset.check() == []


def test_the_other_name_of_the_validation_file_and_of_its_folder(root: Path) -> None:
    (root / "validation.json").rename(root / "val.json")
    (root / "validation").rename(root / "val")
    dataset = IMaterialistFashion(str(root))
    assert dataset.split("val")[0].image == root / "val/1.jpg" and len(dataset.split("val")) == 12


def test_pictures_may_lie_in_images(root: Path) -> None:
    (root / "images").mkdir()
    for split in ("train", "validation", "test"):
        (root / split).rename(root / "images" / split)
    dataset = IMaterialistFashion(str(root))
    assert dataset.split("train")[0].image == root / "images/train/1.jpg" and dataset.check() == []


def test_ids_that_start_again_in_each_split_name_different_pictures(root: Path) -> None:
    dataset = IMaterialistFashion(str(root))
    samples = [*every(dataset.split("train")), *every(dataset.split("val")), *every(dataset.unlabelled())]
    assert len({sample.id for sample in samples}) == len(samples) == 48


def test_pictures_of_test_and_those_without_annotation_are_unlabelled(root: Path) -> None:
    rewrite(root / "train.json", lambda data: data["annotations"].pop(0))
    rewrite(root / "train.json", lambda data: data["annotations"][0].update(labelId=[]))
    dataset = IMaterialistFashion(str(root))
    assert len(dataset.split("train")) == 22
    pool = every(dataset.unlabelled())
    assert [s.id for s in pool[:3]] == ["train/1.jpg", "train/2.jpg", "test/1.jpg"] and len(pool) == 14
    assert all(not sample.labels for sample in pool)


def test_missing_pictures_are_skipped_and_counted(root: Path) -> None:
    for name in ("train/1.jpg", "train/9.jpg", "test/4.jpg"):
        (root / name).unlink()
    dataset = IMaterialistFashion(str(root))
    assert len(dataset.split("train")) == 22 and len(dataset.unlabelled()) == 11
    assert dataset.check() == [
        "train.json: 2 of 24 pictures are missing, left out: train/1.jpg, train/9.jpg.",
        "test.json: 1 of 12 pictures are missing, left out: test/4.jpg.",
    ]


def test_without_any_picture_of_train_there_is_nothing_to_train_on(root: Path) -> None:
    (root / "train").rename(root / "elsewhere")
    message = r"no picture of train is here with a label. train.json: 24 of 24 pictures are missing"
    with pytest.raises(DataError, match=message):
        IMaterialistFashion(str(root))


def test_a_split_of_which_no_picture_was_downloaded_does_not_exist(root: Path) -> None:
    (root / "validation").rename(root / "elsewhere")
    dataset = IMaterialistFashion(str(root))
    assert dataset.splits == ("train",)
    assert "validation.json: 12 of 12 pictures are missing" in dataset.check()[0]


def test_pictures_that_cannot_be_decoded_are_found_among_some_that_are_tried(root: Path) -> None:
    (root / "train/1.jpg").write_bytes(b"<html>404</html>")
    (problem,) = IMaterialistFashion(str(root)).check()
    assert problem.startswith("1 of 48 pictures that were tried cannot be used: picture train/1.jpg")


def test_repeated_and_unlisted_annotations_and_unknown_labels_are_counted(root: Path) -> None:
    def change(data: dict[str, Any]) -> None:
        data["annotations"][1]["labelId"] += ["229", "0"]
        data["annotations"].append({"imageId": "1", "labelId": ["6"]})
        data["annotations"].append({"imageId": "77", "labelId": ["6"]})

    rewrite(root / "train.json", change)
    dataset = IMaterialistFashion(str(root))
    assert set(dataset.split("train")[0].labels) == {"category"}
    assert dataset.check() == [
        "train.json: 1 annotations repeat a picture; only its first one counts: 1.",
        "train.json: 1 pictures have annotations but are not among images: 77.",
        "train.json: 2 labels are not in the label map and are left out: 0, 229.",
        "train.json: 1 of 25 pictures are missing, left out: train/77.jpg.",
    ]


def test_other_parts_of_the_json_do_not_matter(root: Path) -> None:
    data = json.loads((root / "train.json").read_text())
    odd = {"license": [{"id": 1, "deep": {"list": [1, [2]]}}, None], "more": 3.5, "none": None, **data, "last": []}
    (root / "train.json").write_text(json.dumps(odd, indent=1).replace("\n", "\r\n"), encoding="utf-8-sig")
    assert len(IMaterialistFashion(str(root)).split("train")) == 24


ANNOTATION = '{"labelId": ["4"], "imageId": "1"}'
HOSTILE = {
    "no annotation": ("[]", r"train.json, annotations\[0\]: an entry with imageId is expected"),
    "no labels": ('{"imageId": "1"}', r"annotations\[0\]: an entry with labelId is expected"),
    "one label": ('{"imageId": "1", "labelId": "4"}', r"annotations\[0\]: a list of labels is expected, not '4'"),
    "a label in words": ('{"imageId": "1", "labelId": ["Blue"]}', r"annotations\[0\]: an id is expected, not 'Blue'"),
    "half an id": ('{"imageId": 1.5, "labelId": []}', r"annotations\[0\]: an id is expected, not '1.5'"),
    "a huge id": ('{"imageId": "1' + "0" * 30 + '", "labelId": []}', r"annotations\[0\]: an id is expected"),
    "no id": ('{"imageId": null, "labelId": []}', r"annotations\[0\]: an id is expected, not 'None'"),
    "no JSON": ("{imageId}", r"train.json, annotations\[0\]: this is not JSON"),
    "a comma too many": (ANNOTATION + ", ", r"annotations\[1\]: this is not JSON"),
    "a comma too few": (ANNOTATION + " " + ANNOTATION, r"annotations\[0\]: '\]' is expected, not '\{'"),
    "deep nesting": ("[" * 100_000 + "]" * 100_000, r"annotations\[0\]: this is not JSON"),
}


@pytest.mark.parametrize(("entries", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_fault_is_named_by_file_and_entry(root: Path, entries: str, message: str) -> None:
    (root / "train.json").write_text(f'{{"annotations": [{entries}]}}')
    with pytest.raises(DataError, match=message):
        IMaterialistFashion(str(root))


@pytest.mark.parametrize("cut", [0, 1, 30, -1])
def test_a_file_that_is_cut_off_is_refused(root: Path, cut: int) -> None:
    path = root / "train.json"
    path.write_text(path.read_text()[:cut])
    with pytest.raises(DataError, match=r"train.json, .*(is expected, not the end of the file|this is not JSON)"):
        IMaterialistFashion(str(root))


def test_text_that_is_not_utf8_is_refused(root: Path) -> None:
    (root / "train.json").write_bytes(b'{"images": [{"imageId": "1", "url": "caf\xe9"}]}')
    with pytest.raises(DataError, match=r"train.json: this is not JSON in UTF-8"):
        IMaterialistFashion(str(root))


@pytest.mark.parametrize("missing", ["train.json", "iMat_fashion_2018_label_map_228.csv"])
def test_a_missing_file_is_named(root: Path, missing: str) -> None:
    (root / missing).unlink()
    with pytest.raises(DataError, match=f"{missing}"):
        IMaterialistFashion(str(root))


def test_the_label_map_as_published(tmp_path: Path) -> None:
    """228 labels in eight tasks, sorted by name, so that tasks are mixed; task 7 does not exist."""
    tasks = [task for task, size in zip(TASKS, SIZES, strict=True) for _ in range(size)]
    rows = [f"{i},{tasks[i * 5 % 228]},name {i},{TASKS[tasks[i * 5 % 228]]}" for i in range(1, 229)]
    path = tmp_path / "label_map.csv"
    path.write_bytes("\r\n".join(["labelId,taskId,labelName,taskName", *rows]).encode())
    label_map = read_label_map(path)
    assert {t.name: len(t) for t in label_map.types} == dict(zip(TASKS.values(), SIZES, strict=True))
    types, classes = label_map.places(np.array([0, 1, 228, 229]))
    assert types.tolist() == [-1, 0, 0, -1] and classes.tolist() == [-1, 0, 104, -1]


LABEL_MAPS = {
    "": "a table is expected with columns labelId, taskId, labelName, taskName",
    "id,taskId,labelName,taskName\n1,1,a,b\n": "a table is expected with columns labelId",
    "labelId,taskId,labelName,taskName\n1,1,a,b\n1,2,c,d\n": "line 3, column labelId: 1 is there twice",
    "labelId,taskId,labelName,taskName\none,1,a,b\n": "line 2, column labelId: an id is expected, not 'one'",
    "labelId,taskId,labelName,taskName\n1\n": "line 2, column taskId: an id is expected, not 'None'",
}


@pytest.mark.parametrize(("text", "message"), LABEL_MAPS.items())
def test_a_fault_in_the_label_map_is_named(root: Path, text: str, message: str) -> None:
    (root / "iMat_fashion_2018_label_map_228.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        IMaterialistFashion(str(root))


def test_equal_class_names_of_a_task_are_told_apart(root: Path) -> None:
    path = root / "iMat_fashion_2018_label_map_228.csv"
    path.write_text(path.read_text().replace("Red", "Blue"))
    assert IMaterialistFashion(str(root)).schema["color"].classes == ("Blue", "Blue (6)")


def test_a_given_schema_decides_on_types_and_classes(root: Path) -> None:
    color = AttributeType("color", "multi", ("Red", "Green"))
    dataset = IMaterialistFashion(str(root), schema=AttributeSchema((color,)))
    assert dataset.schema.types == (color,)
    assert {sample.labels["color"] for sample in every(dataset.split("train"))} == {(0,)}
    assert "train.json: color: 8 labels are of classes that the schema lacks, unknown: Blue." in dataset.check()
    with pytest.raises(UsageError, match=r"imaterialist_fashion has no type size \(multi\)"):
        IMaterialistFashion(str(root), schema=AttributeSchema((AttributeType("size", "multi", ("s",)),)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.dictionaries(st.text(max_size=6), st.lists(VALUES, max_size=4) | VALUES, max_size=4),
    block=st.integers(1, 40),
    indent=st.sampled_from([None, 1]),
)
def test_items_are_those_of_the_json_whatever_is_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: dict[str, Any], block: int, indent: int | None
) -> None:
    monkeypatch.setattr(json_items, "BLOCK", block)
    path = tmp_path / "file.json"
    path.write_text(json.dumps(data, indent=indent), encoding="utf-8")
    expected = [(name, i, item) for name, part in data.items() if isinstance(part, list) for i, item in enumerate(part)]
    assert list(json_items.read_items(path)) == expected


def test_ids_and_labels_are_flat_arrays(root: Path) -> None:
    read = read_split(root / "train.json")
    assert read.listed.tolist() == read.annotated.tolist() == list(range(1, 25))
    assert read.rows.tolist()[:6] == [0, 1, 1, 2, 2, 2] and read.label_ids.tolist()[:6] == [4, 2, 3, 4, 6, 5]
