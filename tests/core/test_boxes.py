"""Boxes from a file: who has one from where, what a file may hold, and what is said of one that does not fit."""

import os
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtss_zoo import boxes as boxes_module
from mtss_zoo.boxes import BoxedSamples, Boxes, Coverage, chunks
from mtss_zoo.errors import DataError, UsageError
from mtss_zoo.evaluate import split_samples
from mtss_zoo.interfaces import AttributeSchema, Sample
from mtss_zoo.local_paths import without_local_paths
from mtss_zoo.recipe import DataSpec, Part
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.regime import RecipeDataset
from mtss_zoo.train import claim

CSV = "id,x1,y1,x2,y2,by\na,1,2,30,40,me\nb,,,,,me\nc,0,0,9.5,9.5,me\n"


@dataclass
class Rows:
    """Pictures a, b, c ..., some with a box of their own."""

    own: list[tuple[float, float, float, float] | None]
    names: Sequence[str] = "abcdefgh"

    def __len__(self) -> int:
        return len(self.own)

    def __getitem__(self, row: int) -> Sample:
        return Sample(self.names[row], os.fsencode(self.names[row]), {"colour": (0,)}, bbox=self.own[row])

    def label_pairs(self, type_name: str) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(len(self)), np.zeros(len(self), np.int64)


SCHEMA = AttributeSchema.from_dict({"types": [{"name": "colour", "kind": "single", "classes": 1}]})


@dataclass
class Shop:
    """Four pictures to learn from, one to measure on, one without labels."""

    schema: AttributeSchema = SCHEMA
    splits: tuple[str, ...] = ("train", "val")

    def split(self, name: str) -> Rows:
        return Rows([None] * 4, "abcd") if name == "train" else Rows([None], "e")

    def unlabelled(self) -> Rows:
        return Rows([None], "f")

    def check(self) -> list[str]:
        return ["something is missing."]


@pytest.fixture
def csv(tmp_path: Path) -> Path:
    path = tmp_path / "boxes.csv"
    path.write_text(CSV)
    return path


def test_the_own_box_comes_first_then_the_file_then_the_whole_picture(csv):
    pictures = BoxedSamples(Rows([(5, 5, 6, 6), None, None, None]), Boxes(csv))
    assert [pictures[row].bbox for row in range(4)] == [(5, 5, 6, 6), None, (0, 0, 9.5, 9.5), None]
    assert BoxedSamples(Rows([None]), Boxes(csv))[0].bbox == (1, 2, 30, 40)
    assert pictures[2].labels == {"colour": (0,)}
    assert pictures.label_pairs("colour")[0].tolist() == [0, 1, 2, 3]


def test_parquet_holds_the_same(csv, tmp_path):
    columns = {"id": ["c", "a", "b"], "x1": [0, 1, None], "y1": [0, 2, None], "x2": [9.5, 30, None]}
    pq.write_table(pa.table(columns | {"y2": [9.5, 40, None]}), tmp_path / "boxes.parquet")
    one, other = Boxes(csv), Boxes(tmp_path / "boxes.parquet")
    assert [one.of(name) for name in "abcd"] == [other.of(name) for name in "abcd"]
    assert one.whole.tolist() == other.whole.tolist() == [False, True, False]


def test_it_goes_into_worker_processes(csv):
    assert pickle.loads(pickle.dumps(Boxes(csv))).of("a") == (1, 2, 30, 40)


def test_a_file_name_in_another_encoding_is_found_by_its_text(tmp_path):
    """A name of bytes that are no UTF-8, as Python reads it from a folder."""
    (tmp_path / "boxes.csv").write_text("id,x1,y1,x2,y2\nd\ufffd.jpg,0,0,5,5\n")
    names, _ = next(chunks(Rows([None], ["d\udce9.jpg"])))
    assert (Boxes(tmp_path / "boxes.csv").of("d\udce9.jpg"), names) == ((0, 0, 5, 5), ["d\ufffd.jpg"])


def test_numbers_are_ids_too(tmp_path):
    (tmp_path / "boxes.csv").write_text("id,x1,y1,x2,y2\n007,0,0,5,5\n7,0,0,6,6\n")
    assert Boxes(tmp_path / "boxes.csv").of("007") == (0, 0, 5, 5)
    table = pa.table({"id": [7], "x1": [0], "y1": [0], "x2": [6], "y2": [6]})
    pq.write_table(table, tmp_path / "boxes.parquet")
    assert Boxes(tmp_path / "boxes.parquet").of("7") == (0, 0, 6, 6)


@given(st.sets(st.text(st.characters(codec="utf-8"), max_size=5), max_size=40), st.text(max_size=3))
def test_any_id_finds_its_row(tmp_path_factory, names, other):
    path = tmp_path_factory.mktemp("any") / "boxes.parquet"
    columns = {"id": pa.array([*names], pa.string())} | {c: np.arange(len(names)) for c in ("x1", "y1")}
    columns |= {c: np.arange(len(names)) + 1 for c in ("x2", "y2")}
    pq.write_table(pa.table(columns), path)
    found = Boxes(path)
    assert [found.of(name) for name in names] == [(i, i, i + 1, i + 1) for i in range(len(names))]
    assert (found.of(other) is None) == (other not in names)
    assert [found.ids[row].as_py() for row in found.rows([*names])] == [*names]
    assert (found.rows([other])[0] >= 0) == (other in names)


@pytest.mark.parametrize(
    "text, said",
    [
        ("id,x1,y1,x2\na,1,2,3\n", "boxes.csv is no list of boxes, .* columns id, x1, y1, x2, y2"),
        ("id,x1,y1,x2,y2\na,1,2,3,4\nb,0,0,1,1\na,,,,\n", "the id 'a' occurs twice"),
        ("id,x1,y1,x2,y2\na,1,2,3,\n", "id 'a': four numbers x1 < x2 and y1 < y2 are expected .* not 1 2 3 nan"),
        ("id,x1,y1,x2,y2\na,5,2,3,9\n", "id 'a': four numbers"),
        ("id,x1,y1,x2,y2\na,0,0,inf,9\n", "id 'a': four numbers"),
        ("id,x1,y1,x2,y2\na,left,0,1,9\n", "boxes.csv is no list of boxes"),
        ("", "boxes.csv is no list of boxes"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, text, said):
    (tmp_path / "boxes.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        Boxes(tmp_path / "boxes.csv")


def test_a_damaged_or_missing_file_is_named(tmp_path):
    (tmp_path / "boxes.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"boxes\.parquet is no list of boxes"):
        Boxes(tmp_path / "boxes.parquet")
    with pytest.raises(DataError, match=r"gone\.csv does not exist. Make it with `mtss-zoo data boxes`"):
        Boxes(tmp_path / "gone.csv")


def test_an_empty_list_gives_no_boxes(tmp_path):
    (tmp_path / "boxes.csv").write_text("id,x1,y1,x2,y2\n")
    found = Boxes(tmp_path / "boxes.csv")
    assert (len(found), found.of("a"), found.rows(["a"]).tolist()) == (0, None, [-1])
    assert Coverage(found, [Rows([None])]).problems() == []


def test_the_numbers_say_where_boxes_are_from(csv, monkeypatch):
    monkeypatch.setattr(boxes_module, "CHUNK", 2)
    found = Coverage(Boxes(csv), [Rows([None, None, (0, 0, 5, 5)]), Rows([None], "d")])
    assert (found.own, found.listed, found.whole, found.missing) == (1, 1, 1, 1)
    assert found.problems() == []  # c has its own, but it is a picture of this dataset
    assert "1 pictures have their own, 1 have one from" in found.remark()


def test_boxes_of_other_pictures_are_a_problem(csv):
    (said,) = Coverage(Boxes(csv), [Rows([None])]).problems()
    assert said.startswith(
        f"2 of the 3 ids of {csv} do not occur in this dataset: b, c. It was made for another version"
    )
    (said,) = Coverage(Boxes(csv), [Rows([None], "x")]).problems()
    assert said.startswith(f"no id of {csv} occurs in this dataset: it belongs to another one.")


def test_every_part_of_a_recipe_has_them(tmp_path):
    names = [*"abcdef", "also_unlabelled.0/train/0", "also_unlabelled.0/nobody"]
    path = tmp_path / "boxes.csv"
    path.write_text("id,x1,y1,x2,y2\n" + "".join(f"{name},0,0,5,5\n" for name in names))
    garments = Part(name="garments", args={"n_train": 1, "n_val": 1, "n_test": 1, "n_unlabelled": 0})
    data = DataSpec(dataset=Part(name="shop"), boxes=str(path), holdout=0.25, label_share=0.5)
    used = RecipeDataset(Shop(), data.model_copy(update={"also_unlabelled": [garments]}))
    pictures = [used.split(name) for name in ("train", "holdout", "val")] + [used.unlabelled()]
    boxes = {s[row].id: s[row].bbox for s in pictures for row in range(len(s))}
    joined = [name for name in boxes if name.startswith("also")]
    assert {name: boxes[name] for name in "abcdef"} == dict.fromkeys("abcdef", (0, 0, 5, 5))
    assert len(joined) == 1
    path.write_text(path.read_text().replace("also_unlabelled.0/train/0", joined[0]))
    used = RecipeDataset(Shop(), used.data)
    assert used.unlabelled()[len(used.unlabelled()) - 1].bbox == (0, 0, 5, 5)
    assert next(p for p in used.check() if "boxes.csv" in p).startswith("1 of the 8 ids of")
    assert used.remarks()[-1].startswith("boxes: 0 pictures have their own, 7 have one from")


def test_a_relative_path_is_in_the_folder_of_the_dataset_or_here(csv, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    data = DataSpec(dataset=Part(name="shop", args={"root": str(tmp_path)}), boxes="boxes.csv")
    assert RecipeDataset(Shop(), data).boxes.path == csv
    without_root = data.model_copy(update={"dataset": Part(name="shop", args={"root": None})})
    with pytest.raises(DataError, match="does not exist"):
        RecipeDataset(Shop(), without_root)
    (here / "boxes.csv").write_text(CSV)
    assert RecipeDataset(Shop(), without_root).boxes.path == Path("boxes.csv")


def test_a_published_recipe_names_none(csv):
    recipe = load_recipe("mtss_quickstart", {"data.boxes": str(csv)})
    assert without_local_paths(recipe) == without_local_paths(load_recipe("mtss_quickstart"))
    assert without_local_paths(load_recipe("mtss_quickstart", {"data.boxes": "boxes.csv"})).data.boxes is None


def test_a_run_does_not_go_on_with_other_boxes(tmp_path):
    claim(tmp_path, load_recipe("mtss_quickstart", {"data.boxes": "boxes.csv"}))
    with pytest.raises(UsageError, match=r"data\.boxes \(boxes\.csv there, None now\)"):
        claim(tmp_path, load_recipe("mtss_quickstart"))


def test_they_are_not_for_a_dataset_that_the_recipe_does_not_name(csv):
    recipe = load_recipe("mtss_quickstart", {"data.boxes": str(csv)})
    assert split_samples(recipe, "train", dataset=Shop())[0].bbox is None
