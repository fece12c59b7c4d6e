"""`huggingface` on local trees in the format of the datasets library, hostile rows included."""

from __future__ import annotations

import io
import json
import os
import pickle
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mtss_zoo_datasets import hub_example, parquet_pictures
from mtss_zoo_datasets.hub_columns import values_of
from mtss_zoo_datasets.hub_labels import LabelColumn
from mtss_zoo_datasets.hub_names import class_names, class_names_beside
from mtss_zoo_datasets.hub_splits import chosen_splits, missing_files, split_files
from mtss_zoo_datasets.huggingface import HuggingFace
from mtss_zoo_datasets.splitting import split_by_hash
from PIL import Image

from mtss_zoo.errors import DataError, ImageError, UnknownNameError, UsageError
from mtss_zoo.images import decode
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset
from mtss_zoo.recipe_source import load_recipe
from mtss_zoo.stage import open_data

COLOUR = {"colour": "baseColour"}
FILES = {
    ("data/data-00000-of-00002.parquet", "data/data-00001-of-00002.parquet"): {"data": 2},
    ("data/train-00000-of-00001-6cff4c59f91661c3.parquet", "data/test-00000-of-00001-ab.parquet"): {
        "train": 1,
        "test": 1,
    },
    ("default/train/0000.parquet", "default/train/0001.parquet", "default/test/0000.parquet"): {
        "train": 2,
        "test": 1,
    },
    ("fashion_train.parquet", "fashion_test.parquet", "fashion_validation.parquet"): {
        "train": 1,
        "test": 1,
        "validation": 1,
    },
    ("part.0.parquet", "part.1.parquet"): {"train": 2},
    ("default/partial-train/0000.parquet",): {"train": 1},
}


def picture(number: int = 0) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(file, "PNG")
    return file.getvalue()


def write(path: Path, features: dict[str, Any] | None = None, group: int = 4, **columns: Any) -> Path:
    """One file as `Dataset.push_to_hub` writes it."""
    rows = len(next(iter(columns.values())))
    images = pa.array([{"bytes": picture(n), "path": f"{n}.png"} for n in range(rows)])
    metadata = {"huggingface": json.dumps({"info": {"features": features or {}}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": images} | columns).replace_schema_metadata(metadata)
    pq.write_table(table, path, row_group_size=group)
    return path


def one_split(root: Path, **columns: Any) -> Path:
    write(root / "data/train-00000-of-00001.parquet", **columns)
    return root


def labels(dataset: HuggingFace, split: str, type_name: str) -> dict[str, tuple[str, ...]]:
    classes, part = dataset.schema[type_name].classes, dataset.split(split)
    samples = [part[row] for row in range(len(part))]
    return {s.id: tuple(classes[c] for c in s.labels[type_name]) for s in samples if type_name in s.labels}


class TestCells:
    def test_the_example_by_hand(self, tmp_path: Path) -> None:
        dataset = HuggingFace(**hub_example.huggingface(tmp_path))
        assert isinstance(dataset, Dataset)
        assert {t.name: (t.kind, t.classes) for t in dataset.schema} == {
            "colour": ("single", ("Blue", "Green", "Red")),
            "season": ("single", ("Fall", "Summer")),
            "trims": ("multi", ("Blue", "Green")),
        }
        train = dataset.split("train")  # 0 to 23, the even ones before the odd ones; 3 and 15 have no label
        assert [train[row].id for row in (0, 1, 11, 12, 13)] == ["0", "2", "22", "1", "5"]
        assert train[1].labels == {"colour": (2,), "season": (1,), "trims": (0, 1)}
        assert [len(dataset.split("val")), len(dataset.unlabelled())] == [11, 15]
        assert dataset.check() == dataset.remarks() == []

    def test_what_says_nothing_is_unknown(self, tmp_path: Path) -> None:
        cells = ["Red", None, "NA", "NaN", "nan", "None", "", "  ", " Red "]
        dataset = HuggingFace(str(one_split(tmp_path, baseColour=cells)), types=COLOUR, splits={"train": "train"})
        assert labels(dataset, "train", "colour") == {"train/0": ("Red",), "train/8": ("Red",)}
        assert [dataset.unlabelled()[row].id for row in range(7)] == [f"train/{row}" for row in range(1, 8)]

    def test_numbers_have_the_names_that_the_library_recorded(self, tmp_path: Path) -> None:
        features = {"baseColour": {"names": ["red", "blue", "green"], "_type": "ClassLabel"}}
        one_split(tmp_path, features=features, baseColour=[1, 0, -1, None])
        dataset = HuggingFace(str(tmp_path), types=COLOUR, splits={"train": "train"})
        assert dataset.schema["colour"].classes == ("red", "blue", "green")  # all, in their order
        assert labels(dataset, "train", "colour") == {"train/0": ("blue",), "train/1": ("red",)}

    def test_columns_with_named_numbers_are_the_types_if_none_is_named(self, tmp_path: Path) -> None:
        features = {"label": {"names": ["0 bag", "1 boot"], "_type": "ClassLabel"}, "n": {"dtype": "int64"}}
        one_split(tmp_path, features=features, label=[1, 0], n=[5, 6])
        dataset = HuggingFace(str(tmp_path), splits={"train": "train"})
        assert dataset.schema.names == ("label",)

    def test_numbers_without_names_are_their_digits(self, tmp_path: Path) -> None:
        one_split(tmp_path, year=pa.array([2012.0, float("nan"), 2011.0, None]), size=[38, 40, 38, None])
        types = {"year": "year", "size": "size"}
        dataset = HuggingFace(str(tmp_path), types=types, splits={"train": "train"})
        assert [t.classes for t in dataset.schema] == [("2011", "2012"), ("38", "40")]

    def test_lists_are_several_and_an_empty_list_is_unknown(self, tmp_path: Path) -> None:
        features = {"marks": [{"names": ["zip", "logo"], "_type": "ClassLabel"}]}
        words = [["a", "b"], [], None, ["b", "NA", "b"]]
        one_split(tmp_path, features=features, words=words, marks=[[0, 1], [1], [], None])
        types = {"words": "words", "marks": "marks"}
        dataset = HuggingFace(str(tmp_path), types=types, splits={"train": "train"})
        assert [t.kind for t in dataset.schema] == ["multi", "multi"]
        assert labels(dataset, "train", "words") == {"train/0": ("a", "b"), "train/3": ("b",)}
        assert labels(dataset, "train", "marks") == {"train/0": ("zip", "logo"), "train/1": ("logo",)}

    def test_text_with_a_separator_is_several(self, tmp_path: Path) -> None:
        one_split(tmp_path, style=["Boho, Casual", "Casual", "", "NA, Boho"])
        dataset = HuggingFace(str(tmp_path), types={"style": "style"}, separator=",", splits={"train": "train"})
        assert dataset.schema["style"].kind == "multi"
        assert labels(dataset, "train", "style") == {
            "train/0": ("Boho", "Casual"),
            "train/1": ("Casual",),
            "train/3": ("Boho",),
        }

    @given(
        parts=st.lists(st.lists(st.sampled_from(["a", "b", "C", "NA", None, ""]), max_size=6), min_size=1, max_size=5)
    )
    def test_labels_do_not_depend_on_where_files_begin(self, parts: list[list[str | None]]) -> None:
        column = LabelColumn("c", pa.string(), None, None)
        for part in parts:
            column.add(pa.chunked_array([pa.array(part, pa.string())]), "file")
        names, found = column.finish()
        cells = [cell for part in parts for cell in part]
        assert names == tuple(sorted({cell for cell in cells if cell in ("a", "b", "C")}))
        expected = [(names.index(cell),) if cell in names else None for cell in cells]
        assert [found.at(row) for row in range(len(cells))] == expected

    @pytest.mark.parametrize(
        "feature",
        [
            {"names": ["x"], "_type": "ClassLabel"},
            [{"names": ["x"], "_type": "ClassLabel"}],
            {"feature": {"names": ["x"], "_type": "ClassLabel"}, "_type": "Sequence"},
            {"feature": {"names": ["x"], "_type": "ClassLabel"}, "_type": "List"},
        ],
    )
    def test_every_spelling_of_named_numbers(self, feature: Any) -> None:
        metadata = {"huggingface": json.dumps({"info": {"features": {"c": feature}}})}
        assert class_names(pa.schema([("c", pa.int64())], metadata)) == {"c": ("x",)}

    @pytest.mark.parametrize("wrap", [lambda inner: {"feature": inner, "_type": "Sequence"}, lambda inner: [inner]])
    def test_named_numbers_inside_another_column(self, wrap: Any) -> None:
        inner = {"category": {"names": ["x"], "_type": "ClassLabel"}, "area": {"dtype": "int64", "_type": "Value"}}
        metadata = {"huggingface": json.dumps({"info": {"features": {"objects": wrap(inner)}}})}
        assert class_names(pa.schema([], metadata)) == {"objects.category": ("x",)}

    @pytest.mark.parametrize("text", ["", "[]", "{}", '{"info": null}', '{"info": {"features": [1]}}', "\xff"])
    def test_metadata_that_is_none_says_nothing(self, text: str) -> None:
        assert class_names(pa.schema([("c", pa.int64())], {"huggingface": text})) == {}
        assert class_names_beside(text) == {}


# Objects of a photo: the datasets library writes a structure of lists, and since version 4 a list of structures.
OBJECTS = [[(7, 1), (8, 1), (9, 0)], [], None, [(6, 2)]]
AS_LISTS = pa.array(
    [None if o is None else {"area": [a for a, _ in o], "category": [c for _, c in o]} for o in OBJECTS],
    pa.struct([("area", pa.list_(pa.int64())), ("category", pa.list_(pa.int64()))]),
)
AS_STRUCTURES = pa.array(
    [None if o is None else [{"area": a, "category": c} for a, c in o] for o in OBJECTS],
    pa.list_(pa.struct([("area", pa.int64()), ("category", pa.int64())])),
)
inside = pytest.mark.parametrize("objects", [AS_LISTS, AS_STRUCTURES], ids=["structure", "list"])


class TestColumnsInsideColumns:
    @inside
    def test_the_objects_of_a_photo_are_its_classes(self, tmp_path: Path, objects: pa.Array) -> None:
        inner = {
            "area": {"dtype": "int64", "_type": "Value"},
            "category": {"names": ["a", "b", "c"], "_type": "ClassLabel"},
        }
        one_split(tmp_path, features={"objects": {"feature": inner, "_type": "Sequence"}}, objects=objects)
        dataset = HuggingFace(str(tmp_path), types={"garment": "objects.category"}, splits={"train": "train"})
        assert (dataset.schema["garment"].kind, dataset.schema["garment"].classes) == ("multi", ("a", "b", "c"))
        assert labels(dataset, "train", "garment") == {"train/0": ("a", "b"), "train/3": ("c",)}

    @inside
    def test_every_chunk_begins_anew(self, objects: pa.Array) -> None:
        table = pa.table({"objects": pa.chunked_array([objects[1:], objects[:2], objects[:0]])})
        cells = values_of(table, "objects.category").to_pylist()
        assert [cell or [] for cell in cells] == [[], [], [2], [1, 1, 0], []]

    @inside
    def test_a_misspelled_one_is_named(self, tmp_path: Path, objects: pa.Array) -> None:
        one_split(tmp_path, objects=objects)
        for column, meant in {"objects.categry": "category", "object.category": "objects"}.items():
            with pytest.raises(DataError, match=rf"has no column '{column}'. Did you mean {meant}\?"):
                HuggingFace(str(tmp_path), types={"garment": column}, splits={"train": "train"})

    def test_a_dot_may_be_part_of_a_name(self, tmp_path: Path) -> None:
        one_split(tmp_path, **{"base.colour": ["Red", "Blue"]})
        dataset = HuggingFace(str(tmp_path), types={"colour": "base.colour"}, splits={"train": "train"})
        assert labels(dataset, "train", "colour") == {"train/0": ("Red",), "train/1": ("Blue",)}

    def test_names_beside_the_files_serve_where_the_files_have_none(self, tmp_path: Path) -> None:
        """As in repositories of 2022, such as Fashionpedia's."""
        one_split(tmp_path, objects=AS_LISTS)
        category = {"num_classes": 3, "names": ["a", "b, c", "d"], "id": None, "_type": "ClassLabel"}
        features = {"objects": {"feature": {"category": category}, "length": -1, "_type": "Sequence"}}
        (tmp_path / "dataset_infos.json").write_text(json.dumps({"owner--set": {"features": features}}))
        dataset = HuggingFace(str(tmp_path), types={"garment": "objects.category"}, splits={"train": "train"})
        assert labels(dataset, "train", "garment") == {"train/0": ("a", "b, c"), "train/3": ("d",)}


class TestHostileRows:
    def test_pictures_that_cannot_be_decoded_are_found_and_named(self, tmp_path: Path) -> None:
        cells = [picture(), b"", None, b"<html>", picture()[:-40]]
        images = pa.array(
            [{"bytes": c, "path": "gone.jpg"} for c in cells] + [None],
            pa.struct([("bytes", pa.binary()), ("path", pa.string())]),
        )
        one_split(tmp_path, image=images, baseColour=["Red"] * 6)
        dataset = HuggingFace(str(tmp_path), types=COLOUR, splits={"train": "train"})
        train = dataset.split("train")
        assert decode(train[0].image, "0").shape == (3, 8, 8)
        for row in range(1, 6):
            with pytest.raises(ImageError, match=f"picture train/{row} "):
                decode(train[row].image, train[row].id)
        (problem,) = dataset.check()
        assert problem.startswith(
            "5 of 6 pictures that were tried cannot be used: picture train/1 cannot be used: it is empty"
        )

    def test_pictures_as_plain_bytes(self, tmp_path: Path) -> None:
        one_split(tmp_path, image=pa.array([picture(), None]), baseColour=["Red", "Red"])
        dataset = HuggingFace(str(tmp_path), types=COLOUR, splits={"train": "train"})
        assert dataset.split("train")[0].image == picture() and dataset.split("train")[1].image == b""

    @pytest.mark.parametrize(
        ("change", "error", "words"),
        [
            ({"types": {"colour": "basecolour"}}, DataError, r"no column 'basecolour'. Did you mean baseColour"),
            ({"image": "picture"}, DataError, r"has no column 'picture'. There are: baseColour, id, image, url"),
            ({"image": "url"}, DataError, r"the column 'url' holds string, not pictures. .*`mtss-zoo data fetch-urls`"),
            ({"id": "ids"}, DataError, r"has no column 'ids'. Did you mean id"),
            ({"id": "id"}, DataError, r"the column 'id' names 1 pictures twice, such as 7. Name another"),
            ({"id": "url"}, DataError, r"the column 'url' is empty in 1 rows"),
            ({"types": {"colour": "image"}}, DataError, r"the column 'image' holds struct.* but labels are text"),
            ({"types": None}, UsageError, r"say which columns are labels, such as .*There are image, baseColour, id"),
            ({"types": {"colour": "url"}, "schema": None}, None, ""),
            ({"splits": {"train": "data"}}, UnknownNameError, r"no split 'data'; it has train"),
            ({"unlabelled": "pool"}, UnknownNameError, r"no split 'pool'; it has train"),
            ({"config": "small"}, UnknownNameError, r"has no subsets, so none that is called 'small'"),
        ],
    )
    def test_what_is_asked_for_and_is_not_there(
        self, tmp_path: Path, change: dict[str, Any], error: type[Exception] | None, words: str
    ) -> None:
        one_split(tmp_path, baseColour=["Red", "Blue", "Red"], id=[7, 8, 7], url=["a", None, "b"])
        args: dict[str, Any] = {"types": COLOUR, "splits": {"train": "train"}} | change
        if error is None:
            assert HuggingFace(str(tmp_path), **args).splits == ("train",)
            return
        with pytest.raises(error, match=words):
            HuggingFace(str(tmp_path), **args)

    def test_a_number_without_a_name_is_named_with_its_file(self, tmp_path: Path) -> None:
        features = {"c": {"names": ["a", "b"], "_type": "ClassLabel"}}
        one_split(tmp_path, features=features, c=[0, 2])
        with pytest.raises(
            DataError, match=r"train-00000-of-00001.parquet: the column 'c' holds 2, but has names for 0 to 1"
        ):
            HuggingFace(str(tmp_path), splits={"train": "train"})

    def test_a_file_of_other_columns_is_named(self, tmp_path: Path) -> None:
        write(tmp_path / "data/train-00000-of-00002.parquet", baseColour=["Red"])
        write(tmp_path / "data/train-00001-of-00002.parquet", colour=["Red"])
        with pytest.raises(DataError, match=r"00001-of-00002.parquet has no column 'baseColour'. Did you mean colour"):
            HuggingFace(str(tmp_path), types=COLOUR)

    @pytest.mark.parametrize("content", [b"", b"PAR1", b"version https://git-lfs.github.com/spec/v1\n"])
    def test_a_file_that_is_no_parquet_is_named(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "train.parquet").write_bytes(content)
        with pytest.raises(DataError, match=r"train.parquet is no whole Parquet file: .* Fetch it again"):
            HuggingFace(str(tmp_path), types=COLOUR)

    def test_a_file_that_was_cut_off(self, tmp_path: Path) -> None:
        path = write(tmp_path / "train.parquet", baseColour=["Red"] * 20)
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(DataError, match=r"train.parquet is no whole Parquet file"):
            HuggingFace(str(tmp_path), types=COLOUR)

    def test_a_folder_without_parquet_and_one_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="has no Parquet files"):
            HuggingFace(str(tmp_path), types=COLOUR)
        with pytest.raises(DataError, match="absent: no such folder"):
            HuggingFace(str(tmp_path / "absent"), types=COLOUR)
        with pytest.raises(UsageError, match=r"data.dataset.args.repo, or .*--data-root"):
            HuggingFace()

    def test_a_type_without_any_label(self, tmp_path: Path) -> None:
        one_split(tmp_path, baseColour=["Red", "Blue"], season=pa.array([None, None], pa.string()))
        with pytest.raises(DataError, match="no row has a label of season"):
            HuggingFace(str(tmp_path), types=COLOUR | {"season": "season"}, splits={"train": "train"})

    def test_missing_files_of_a_set_are_counted(self, tmp_path: Path) -> None:
        write(tmp_path / "data/train-00000-of-00003-0123abcd.parquet", baseColour=["Red", "Blue"])
        dataset = HuggingFace(str(tmp_path), types=COLOUR, splits={"train": "train"})
        words = "2 of 3 Parquet files are missing, such as data/train-00001-of-00003."
        assert dataset.check() == [words]


class TestSplits:
    def test_one_split_is_divided_by_a_hash_of_the_ids(self, tmp_path: Path) -> None:
        ids = [str(n) for n in range(200)]
        one_split(tmp_path, baseColour=["Red", "Blue"] * 100, id=[int(i) for i in ids])
        dataset = HuggingFace(str(tmp_path), types=COLOUR, id="id")
        found = {name: set(labels(dataset, name, "colour")) for name in dataset.splits}
        assert found == {name: {i for i in ids if split_by_hash(i) == name} for name in ("train", "val", "test")}
        assert dataset.remarks() == [f"{tmp_path} has one split; a hash of the ids makes train, val, test of it."]
        other = HuggingFace(str(tmp_path), types=COLOUR, id="id", split_seed=1, val_share=0.5, test_share=0)
        assert other.splits == ("train", "val") and 70 < len(other.split("val")) < 130

    @given(key=st.text(st.characters(codec="utf-8")))
    def test_the_division_is_that_of_other_readers_unless_it_is_seeded(self, key: str) -> None:
        place = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") / 2**64
        assert split_by_hash(key) == ("train" if place < 0.75 else "val" if place < 0.9 else "test")

    def test_usual_names_and_others(self) -> None:
        files = {name: [] for name in ("train", "validation", "dev", "extra")}
        assert chosen_splits(files, None, None, "x").labelled == {
            "train": "train",
            "val": "validation",
            "dev": "dev",
            "extra": "extra",
        }
        assert chosen_splits(files, None, "extra", "x").unlabelled == "extra"
        with pytest.raises(UsageError, match="say which one is train"):
            chosen_splits({"a": [], "b": []}, None, None, "x")

    @pytest.mark.parametrize(("names", "sizes"), FILES.items())
    def test_names_of_files_say_the_split(self, names: tuple[str, ...], sizes: dict[str, int]) -> None:
        found = split_files(names, "", None, "x")
        assert {split: len(files) for split, files in found.items()} == sizes

    def test_the_card_goes_before_the_names(self) -> None:
        configs = "configs:\n- config_name: default\n  data_files:\n  - split: data\n    path: all/train-*\n"
        card = f"---\nlicense: mit\n{configs}---\n# photos\n"
        names = ["all/train-00000-of-00001.parquet", "all/test-00000-of-00001.parquet"]
        assert split_files(names, card, None, "x") == {"data": names[:1]}

    @pytest.mark.parametrize("files", ["all/*.parquet", "[all/*.parquet]", "[{path: ['all/*'], split: train}]"])
    def test_every_spelling_of_a_card(self, files: str) -> None:
        card = f"---\nconfigs: [{{config_name: a, data_files: {files}}}]\n---"
        assert split_files(["all/0.parquet", "b.parquet"], card, None, "x") == {"train": ["all/0.parquet"]}

    @pytest.mark.parametrize("card", ["", "# photos", "---\n: [\n---", "---\nconfigs: 3\n---", "---\n- a\n---"])
    def test_a_card_that_says_nothing(self, card: str) -> None:
        assert split_files(["test.parquet"], card, None, "x") == {"test": ["test.parquet"]}

    def test_several_subsets(self) -> None:
        names = ["small/train/0000.parquet", "large/train/0000.parquet"]
        assert split_files(names, "", "small", "x") == {"train": names[:1]}
        with pytest.raises(DataError, match="x has several subsets; name one as `config`: large, small"):
            split_files(names, "", None, "x")
        with pytest.raises(UnknownNameError, match=r"no subset 'smal'. Did you mean small"):
            split_files(names, "", "smal", "x")

    def test_half_a_conversion_is_said(self) -> None:
        (said,) = missing_files(["default/partial-train/0000.parquet"])
        assert said.startswith("default/partial-train is only the beginning")

    def test_hidden_copies_of_the_client_are_not_read(self, tmp_path: Path) -> None:
        one_split(tmp_path, baseColour=["Red"])
        write(tmp_path / ".cache/huggingface/download/data/train-00000-of-00001.parquet", baseColour=["Blue"])
        assert HuggingFace(str(tmp_path), types=COLOUR, splits={"train": "train"}).schema["colour"].classes == ("Red",)


class TestSchema:
    def test_classes_are_those_of_train_and_the_rest_is_said(self, tmp_path: Path) -> None:
        write(tmp_path / "train.parquet", baseColour=["Red", "Blue"])
        write(tmp_path / "test.parquet", baseColour=["Red", "Mauve"])
        dataset = HuggingFace(str(tmp_path), types=COLOUR)
        assert dataset.schema["colour"].classes == ("Blue", "Red")
        assert labels(dataset, "test", "colour") == {"test/0": ("Red",)}
        assert dataset.check() == ["colour: 1 labels are of classes that the schema lacks, unknown: Mauve."]

    def test_a_given_schema_decides(self, tmp_path: Path) -> None:
        one_split(tmp_path, baseColour=["Red", "Blue", "Mauve"])
        colour = AttributeType("colour", "multi", ("Mauve", "rest"), "rest")
        args = {"types": COLOUR, "splits": {"train": "train"}}
        dataset = HuggingFace(str(tmp_path), **args, schema=AttributeSchema((colour,)))
        assert [dataset.split("train")[row].labels["colour"] for row in range(3)] == [(1,), (1,), (0,)]
        with pytest.raises(UsageError, match=r"huggingface has no type size \(single\)"):
            HuggingFace(str(tmp_path), **args, schema=AttributeSchema((AttributeType("size", "single", ("S",)),)))


class TestPictures:
    @pytest.fixture
    def dataset(self, tmp_path: Path) -> HuggingFace:
        for part in range(3):
            write(tmp_path / f"train-{part:05d}-of-00003.parquet", baseColour=["Red"] * 10)
        return HuggingFace(str(tmp_path), types=COLOUR, splits={"train": "train"})

    def test_every_row_is_that_of_its_file(self, dataset: HuggingFace) -> None:
        train = dataset.split("train")
        assert [train[row].image for row in range(30)] == [picture(row % 10) for row in range(30)]
        assert train[-1].id == "train/29"

    def test_memory_is_bounded_by_bytes_and_files(self, dataset: HuggingFace, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(parquet_pictures, "CACHED_BYTES", 2 * 4 * len(picture()) + 100)
        monkeypatch.setattr(parquet_pictures, "OPEN_FILES", 2)
        train, pictures = dataset.split("train"), dataset._pictures
        for row in [*range(30), 0, 15, 29, 3]:
            assert train[row].image == picture(row % 10)
            assert len(pictures._open) <= 2 and 1 <= len(pictures._cached) <= 2

    def test_a_row_group_is_read_once_for_its_rows(self, dataset: HuggingFace, monkeypatch: pytest.MonkeyPatch) -> None:
        read: list[int] = []
        plain = pq.ParquetFile.read_row_group
        monkeypatch.setattr(
            pq.ParquetFile, "read_row_group", lambda file, g, *a, **k: read.append(g) or plain(file, g, *a, **k)
        )
        train = dataset.split("train")
        for row in (0, 3, 1, 9, 2):
            train[row]
        assert read == [0, 2]

    def test_a_copy_in_another_process_opens_files_of_its_own(self, dataset: HuggingFace) -> None:
        train = dataset.split("train")
        first = train[0].image
        assert len(pickle.dumps(train)) < 10_000 and pickle.loads(pickle.dumps(train))[0].image == first
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            fresh = not dataset._pictures._cached or dataset._pictures._process != os.getpid()
            os.write(write_end, b"same" if fresh and train[0].image == first else b"different")
            os._exit(0)
        os.waitpid(child, 0)
        assert os.read(read_end, 20) == b"same"


def test_a_recipe_takes_its_arguments(tmp_path: Path) -> None:
    args = {"repo": "owner/photos", "revision": "0" * 40, "types": COLOUR, "stream": True}
    recipe = load_recipe("mtss_quickstart", {"data.dataset": {"name": "huggingface", "args": args}})
    assert {k: recipe.data.dataset.args[k] for k in (*args, "image")} == args | {"image": "image"}


MNIST_CARD = """---
configs:
- config_name: fashion_mnist
  data_files:
  - {split: train, path: fashion_mnist/train-*}
  - {split: test, path: fashion_mnist/test-*}
---
"""
CARD = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: data\n    path: data/data-*\n---\n"


@pytest.mark.parametrize(
    ("name", "file", "card", "category", "key"),
    [
        ("mtss_student_fashion_products_hub", "data/train-00000-of-00001-6cff4c59f91661c3", None, "articleType", "id"),
        ("mtss_student_kagl", "data/data-00000-of-00001", CARD, "category3", "item_ID"),
    ],
)
def test_the_ready_recipes_read_their_repositories(
    tmp_path: Path, name: str, file: str, card: str | None, category: str, key: str
) -> None:
    rows = 60
    columns = {
        key: list(range(1000, 1000 + rows)),
        "gender": ["Men", "Women"] * 30,
        category: ["Tshirts", "Baby Dolls", "Watches"] * 20,
        "baseColour": ["Navy Blue", None] * 30,
        "season": ["Fall", "NA"] * 30,
        "year": pa.array([2011.0] * rows),
        "usage": ["Casual"] * rows,
    }
    write(tmp_path / f"{file}.parquet", **columns)
    if card:
        (tmp_path / "README.md").write_text(card)
    recipe = load_recipe(name)
    resolved, data = open_data(recipe.model_copy(update={"data": recipe.data.rooted(tmp_path)}))
    assert data.splits == ("train", "val", "test") and sum(len(data.split(s)) for s in data.splits) == rows
    assert resolved.attribute_schema == recipe.attribute_schema
    sample = data.split("train")[0]
    said = {t: recipe.attribute_schema[t].classes[c] for t, (c,) in sample.labels.items()}
    row = int(sample.id) - 1000
    expected = {"category": columns[category][row], "gender": columns["gender"][row], "usage": "Casual"}
    assert said.items() >= {k: v for k, v in expected.items() if v != "Baby Dolls"}.items()
    assert data.check() == ["category: 20 labels are of classes that the schema lacks, unknown: Baby Dolls."]


@pytest.mark.parametrize(
    ("name", "files", "splits", "columns"),
    [
        (
            "resnet18_fashion_mnist",
            ("fashion_mnist/train-00000-of-00001", "fashion_mnist/test-00000-of-00001"),
            ["train", "test", "holdout"],
            {"label": [9, 0, 3, 5] * 5},
        ),
        (
            "mtss_student_fashionpedia",
            ("data/train-00000-of-00001-fe108070118553c3", "data/val-00000-of-00001-0b29e85429788213"),
            ["train", "val"],
            {"objects": [{"bbox_id": [1, 2], "category": [0, 45]}] * 20},
        ),
        (
            "mtss_student_deepfashion_multimodal",
            ("data/data-00000-of-00001",),
            ["train", "val", "test"],
            {"category1": ["women", "men"] * 10, "category2": ["tees", "pants", "dresses", None] * 5},
        ),
    ],
)
def test_the_other_ready_recipes(
    tmp_path: Path, name: str, files: tuple[str, ...], splits: list[str], columns: dict[str, Any]
) -> None:
    recipe = load_recipe(name)
    args = recipe.data.dataset.args
    (tmp_path / "README.md").write_text(MNIST_CARD if args["config"] else CARD if len(files) == 1 else "")
    given = recipe.attribute_schema
    named = {"_type": "ClassLabel", "names": given and list(next(iter(given)).classes)}
    features = {"label": named, "objects": {"feature": {"category": named}, "_type": "Sequence"}} if given else {}
    for number, file in enumerate(files):
        ids = {args["id"]: [f"{number}-{n}" for n in range(20)]} if args["id"] else {}
        write(tmp_path / f"{file}.parquet", features=features, **columns, **ids)
    resolved, data = open_data(recipe.model_copy(update={"data": recipe.data.rooted(tmp_path)}))
    assert list(data.splits) == splits
    assert resolved.attribute_schema == (given or data.schema)
    assert data.split("train")[0].labels.keys() == args["types"].keys()
