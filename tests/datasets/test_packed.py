"""A packed folder is read as it was written; one that somebody changed is refused by name, or `check` says so."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mtss_zoo_datasets.example_folders import packed
from mtss_zoo_datasets.packed import Packed

from mtss_zoo.errors import DataError, ImageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset


@pytest.fixture
def root(tmp_path: Path) -> Path:
    packed(tmp_path)
    return tmp_path


def change(root: Path, row: int, **values: Any) -> None:
    rows = pq.read_table(root / "manifest.parquet").to_pylist()
    rows[row].update({name.replace("__", "."): value for name, value in values.items()})
    pq.write_table(pa.Table.from_pylist(rows), root / "manifest.parquet")


def test_a_row_becomes_a_sample(root: Path) -> None:
    dataset = Packed(str(root))
    assert isinstance(dataset, Dataset)
    assert dataset.splits == ("train", "val")
    assert [len(dataset.split(name)) for name in dataset.splits] == [24, 12] and len(dataset.unlabelled()) == 12
    sample = dataset.split("train")[1]
    assert (sample.id, sample.bbox, sample.metadata) == ("item 1", (1.0, 2.0, 20.0, 30.5), {"shop": "here"})
    assert sample.labels == {"colour": (1,), "trims": (0,)} and sample.answers == {"colour": (1, 0)}
    assert dataset.split("train")[0].bbox is None


def test_none_of_the_classes_is_another_thing_than_unknown(root: Path) -> None:
    change(root, 1, labels__trims=[])
    change(root, 4, labels__trims=None)
    train = Packed(str(root)).split("train")
    assert train[1].labels["trims"] == () and "trims" not in train[2].labels


def test_a_given_schema_is_followed_in_labels_and_answers(root: Path) -> None:
    given = AttributeSchema((AttributeType("colour", "single", ("rest", "Green"), "rest"),))
    sample = Packed(str(root), schema=given).split("train")[1]
    assert (sample.labels, sample.answers) == ({"colour": (1,)}, {"colour": (1, 0)})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"labels__colour": ["Mauve"]}, r"row 7, column labels.colour: 'Mauve' is none of the classes"),
        ({"labels__colour": ["Red", "Blue"]}, r"row 7, column labels.colour: several labels, but this type is single"),
        ({"answers__colour": ["?"]}, r"row 7, column answers.colour: '\?' is none"),
        ({"bbox": [1.0, 2.0]}, r"row 7, column bbox: four numbers x1 y1 x2 y2 are expected, not 2"),
        ({"id": None}, r"row 7, column id: a value is needed"),
        ({"shard": None}, r"row 7, column shard: a value is needed"),
        ({"shard": "../../etc/passwd"}, r"the shard '../../etc/passwd' is not the name of a file in this folder"),
        ({"offset": "x"}, r"no manifest of a packed folder"),
    ],
)
def test_a_row_that_cannot_be_is_named(root: Path, values: dict[str, Any], message: str) -> None:
    if "offset" in values:
        table = pq.read_table(root / "manifest.parquet")
        column = pa.array(["x"] * len(table))
        table = table.set_column(table.column_names.index("offset"), "offset", column)
        pq.write_table(table, root / "manifest.parquet")
    else:
        change(root, 7, **values)
    with pytest.raises(DataError, match=message):
        Packed(str(root))


@pytest.mark.parametrize(("offset", "size"), [(-1, 9), (0, -5), (10**15, 9), (0, 10**15)])
def test_places_outside_of_a_tar_are_bad_pictures(root: Path, offset: int, size: int) -> None:
    change(root, 0, offset=offset, size=size)
    with pytest.raises(ImageError, match="picture item 0 cannot be used"):
        Packed(str(root)).split("train")[0]


def test_check_names_tars_that_are_missing_or_cut_off(root: Path) -> None:
    (root / "shard-000000.tar").unlink()
    os.truncate(root / "shard-000001.tar", 9000)
    said = Packed(str(root)).check()
    assert said[0].endswith("pictures are lost: shard-000000.tar is missing, shard-000001.tar is cut off.")


def test_what_is_missing_is_named(root: Path, tmp_path: Path) -> None:
    (root / "schema.yaml").write_text("types: [{name: colour}]")
    with pytest.raises(DataError, match="colour has no classes"):
        Packed(str(root))
    (root / "schema.yaml").write_text(json.dumps({"types": [{"name": "fabric", "classes": ["wool"]}]}))
    with pytest.raises(DataError, match=r"there is no column 'labels.fabric'"):
        Packed(str(root))
    (root / "manifest.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match="this is no manifest of a packed folder"):
        Packed(str(root))
    (root / "manifest.parquet").unlink()
    with pytest.raises(DataError, match="no such manifest; `mtss-zoo data pack` writes one"):
        Packed(str(root))
    (root / "pack.json").write_text("{}")
    with pytest.raises(DataError, match="is not packed to the end"):
        Packed(str(root))


def test_no_python_object_is_kept_for_a_row(root: Path) -> None:
    dataset = Packed(str(root))
    for holder in (dataset, dataset._table):
        assert [v for v in vars(holder).values() if isinstance(v, list | dict | tuple | set) and len(v) > 20] == []
    assert isinstance(dataset._table.ids, pa.Array) and isinstance(dataset._table.offset, np.ndarray)
