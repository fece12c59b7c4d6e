"""A user's own data: one specification for CSV, JSONL and Parquet, and errors that name file, line and column."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from mtss_zoo_datasets.manifest import Manifest
from mtss_zoo_datasets.row_samples import RowSamples
from PIL import Image

from mtss_zoo.errors import DataError, UnknownNameError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset

TYPES = "types: [{name: colour, kind: single}, {name: trims, kind: multi, classes: [zip, lace, belt]}]"
ROWS: list[dict[str, Any]] = [
    {"image": "a.jpg", "id": "A", "split": "train", "colour": "red", "trims": ["zip", "lace"], "shop": "in"},
    {"image": "b.jpg", "id": "B", "split": "train", "colour": "blue", "trims": None, "shop": None},
    {"image": "/else/c.jpg", "id": "C", "split": "Val", "colour": "blue", "trims": ["belt"], "shop": "us"},
    {"image": "d.jpg", "id": "D", "split": "test", "colour": "mauve", "trims": ["zip"], "shop": "us"},
    {"image": "e.jpg", "id": "E", "split": "unlabeled", "colour": "red", "trims": None, "shop": "in"},
    {"image": "f.jpg", "id": "F", "split": None, "colour": None, "trims": None, "shop": "in"},
]


def write(folder: Path, rows: list[dict[str, Any]], suffix: str = ".csv", schema: str = TYPES) -> Manifest:
    (folder / "schema.yaml").write_text(schema)
    path = folder / f"manifest{suffix}"
    if suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif suffix == ".jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        cells = [
            ["" if v is None else "|".join(v) if isinstance(v, list) else str(v) for v in r.values()] for r in rows
        ]
        path.write_text("".join(f"{','.join(row)}\n" for row in [list(rows[0]), *cells]))
    return Manifest(str(folder), file=path.name)


def text(folder: Path, lines: str, schema: str = TYPES, **args: Any) -> Manifest:
    (folder / "schema.yaml").write_text(schema)
    (folder / "manifest.csv").write_text(lines)
    return Manifest(str(folder), **args)


def ids(samples: RowSamples) -> list[str]:
    return [samples[row].id for row in range(len(samples))]


def labels(samples: RowSamples) -> list[dict[str, tuple[int, ...]]]:
    return [dict(samples[row].labels) for row in range(len(samples))]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_three_formats_say_the_same(tmp_path: Path, suffix: str) -> None:
    dataset = write(tmp_path, ROWS, suffix)
    assert isinstance(dataset, Dataset)
    assert dataset.splits == ("train", "val", "test")
    assert dataset.schema["colour"].classes == ("blue", "red")
    assert dataset.schema["trims"].classes == ("zip", "lace", "belt")
    assert {name: ids(dataset.split(name)) for name in dataset.splits} == {
        "train": ["A", "B"],
        "val": ["C"],
        "test": ["D"],
    }
    assert labels(dataset.split("train")) == [{"colour": (1,), "trims": (0, 1)}, {"colour": (0,)}]
    assert labels(dataset.split("test")) == [{"trims": (0,)}]
    assert ids(dataset.unlabelled()) == ["E", "F"]
    assert dataset.unlabelled()[0].labels == {}
    first, second = dataset.split("train")[0], dataset.split("train")[1]
    assert first.image == tmp_path / "a.jpg"
    assert (first.metadata, second.metadata) == ({"shop": "in"}, {})
    assert dataset.split("val")[0].image == Path("/else/c.jpg")
    rows, classes = dataset.split("train").label_pairs("trims")
    assert (rows.tolist(), classes.tolist()) == ([0, 0], [0, 1])


def test_check_names_missing_pictures_and_labels_that_train_lacks(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    said = write(tmp_path, ROWS).check()
    assert "5 of 6 pictures are missing: b.jpg, /else/c.jpg, d.jpg, e.jpg, f.jpg." in said
    assert "colour: 1 labels are of classes that the schema lacks, unknown: mauve." in said


def test_the_example_tree_has_no_problems(tmp_path: Path) -> None:
    from mtss_zoo_datasets import examples

    dataset = Manifest(**examples.manifest(tmp_path))
    assert dataset.check() == []
    assert [len(dataset.split("train")), len(dataset.split("val")), len(dataset.unlabelled())] == [24, 12, 12]


def test_the_id_is_the_path_where_there_is_none(tmp_path: Path) -> None:
    dataset = text(tmp_path, "image,split,colour,trims\nx/a.jpg,train,red,\n", image_root="photos")
    assert dataset.split("train")[0].id == "x/a.jpg"
    assert dataset.split("train")[0].image == tmp_path / "photos" / "x" / "a.jpg"


def test_a_given_schema_is_followed_exactly_and_needs_no_schema_file(tmp_path: Path) -> None:
    write(tmp_path, ROWS)
    (tmp_path / "schema.yaml").unlink()
    colours = AttributeType("colour", "single", ("red", "green"))
    dataset = Manifest(str(tmp_path), schema=AttributeSchema((colours,)))
    assert dataset.schema.types == (colours,)
    assert ids(dataset.split("train")) == ["A", "B"]
    assert labels(dataset.split("train")) == [{"colour": (0,)}, {}]
    assert "colour: 3 labels are of classes that the schema lacks, unknown: blue, mauve." in dataset.check()


def test_boxes(tmp_path: Path) -> None:
    dataset = text(tmp_path, "image,split,colour,trims,bbox\na,train,red,,1 2 30.5 40\nb,train,red,,\n")
    assert dataset.split("train")[0].bbox == (1, 2, 30.5, 40)
    assert dataset.split("train")[1].bbox is None
    dataset = text(tmp_path, "image,split,colour,trims,x1,y1,x2,y2\na,train,red,,1,2,3,4\nb,train,red,,,,,\n")
    assert [dataset.split("train")[row].bbox for row in (0, 1)] == [(1, 2, 3, 4), None]
    rows = [{**row, "bbox": [0, 1, 2, 3]} for row in ROWS]
    assert write(tmp_path, rows, ".jsonl").split("train")[1].bbox == (0, 1, 2, 3)


VEST = "types: [{name: neck, kind: single, classes: [V, round, other], other: other}]"


@pytest.mark.parametrize("header", ["image,answers", "image,answer_1,answer_2,answer_3", "image,neck.answers"])
def test_crowd_answers_become_labels_where_two_agree(tmp_path: Path, header: str) -> None:
    between = "," if "answer_1" in header else "|"
    answers = [["v", "V ", "round"], ["V", "round", "other"], ["round", "Round", ""], ["V", "", ""]]
    lines = [f"{number}.jpg,{between.join(cells)}" for number, cells in enumerate(answers)]
    dataset = text(tmp_path, "\n".join([header, *lines]), VEST)
    samples = [dataset.split(name)[row] for name in dataset.splits for row in range(len(dataset.split(name)))]
    found = {sample.id: (sample.labels["neck"], sample.metadata["agreement"]) for sample in samples}
    assert found == {"0.jpg": ((0,), "0.667"), "2.jpg": ((1,), "1.000")}
    assert ids(dataset.unlabelled()) == ["1.jpg", "3.jpg"]


def test_answers_of_several_types_have_a_column_each_and_a_label_goes_before_them(tmp_path: Path) -> None:
    lines = "image,split,colour,colour.answers,trims\na,train,,red|Red|blue,\nb,train,blue,red|red,zip\n"
    assert labels(text(tmp_path, lines).split("train")) == [{"colour": (1,)}, {"colour": (0,), "trims": (0,)}]


def test_missing_splits_are_assigned_by_group_and_never_torn(tmp_path: Path) -> None:
    lines = [f"{n}.jpg,c{n % 4},item{n // 3}" for n in range(600)]
    schema = "types: [{name: kind, kind: single}]"
    dataset = text(tmp_path, "\n".join(["image,kind,item_id", *lines]), schema)
    items = {name: {int(key.split(".")[0]) // 3 for key in ids(dataset.split(name))} for name in dataset.splits}
    assert not items["train"] & items["val"] and not items["train"] & items["test"] and not items["val"] & items["test"]
    sizes = [len(dataset.split(name)) for name in ("train", "val", "test")]
    assert sizes[2] == pytest.approx(60, abs=12)
    assert sizes[0] == pytest.approx(450, abs=20)
    assert sum(sizes) == 600


def test_a_row_without_a_split_follows_its_group(tmp_path: Path) -> None:
    lines = "image,split,colour,trims,group\na,train,red,,1\nb,test,red,,2\nc,,red,,2\nd,,red,,1\n"
    dataset = text(tmp_path, lines)
    assert [ids(dataset.split(name)) for name in dataset.splits] == [["a", "d"], ["b", "c"]]


def test_check_names_torn_groups(tmp_path: Path) -> None:
    dataset = text(tmp_path, "image,split,colour,trims,group\na,train,red,,1\nb,test,red,,1\nc,train,red,,2\n")
    assert "1 groups are in more than one split." in dataset.check()


def test_unlabelled_pictures_of_val_and_test_are_dropped_and_counted(tmp_path: Path) -> None:
    lines = (
        "image,id,split,colour,trims\na.jpg,1,train,red,\nb.jpg,2,val,red,\nx//c.jpg,3,test,red,\n"
        f"./b.jpg,4,unlabeled,,\n{tmp_path}/x/./c.jpg,5,unlabeled,,\nother.jpg,2,unlabeled,,\ny/../x/c.jpg,6,,,\na.jpg,7,,,\n"
    )
    dataset = text(tmp_path, lines)
    assert ids(dataset.unlabelled()) == ["7"]
    assert "4 unlabelled pictures are also in val or test and were dropped." in dataset.check()


def test_check_names_a_picture_in_train_and_in_test(tmp_path: Path) -> None:
    dataset = text(tmp_path, "image,id,split,colour,trims\na.jpg,1,train,red,\n./a.jpg,2,test,red,\nb,3,train,red,\n")
    assert "1 pictures of train are also in val or test, such as a.jpg." in dataset.check()


OTHER = "types: [{name: colour, kind: single, classes: [red, other], other: other}, {name: trims, kind: multi}]"


def test_a_value_that_is_not_listed_is_other_where_the_type_has_one(tmp_path: Path) -> None:
    lines = "image,split,colour,trims\na,train,red,zip\nb,train,mauve,\nc,train,,zip|lace\nd,val,teal,\n"
    dataset = text(tmp_path, lines, OTHER)
    assert dataset.schema["colour"].other == "other"
    assert [known.get("colour") for known in labels(dataset.split("train"))] == [(0,), (1,), None]
    assert labels(dataset.split("val")) == [{"colour": (1,)}]
    given = Manifest(str(tmp_path), schema=dataset.schema)
    assert labels(given.split("train")) == labels(dataset.split("train"))


def test_several_values_that_are_not_listed_are_other_once(tmp_path: Path) -> None:
    schema = "types: [{name: trims, kind: multi, classes: [zip, other], other: other}]"
    dataset = text(tmp_path, "image,split,trims\na,train,lace|zip|belt\n", schema)
    assert labels(dataset.split("train")) == [{"trims": (0, 1)}]


def test_where_the_classes_are_those_of_train_other_is_one_more(tmp_path: Path) -> None:
    schema = "types: [{name: colour, kind: single, other: other}]"
    dataset = text(tmp_path, "image,split,colour\na,train,red\nb,val,mauve\nc,val,red\n", schema)
    assert dataset.schema["colour"].classes == ("red", "other")
    assert labels(dataset.split("val")) == [{"colour": (1,)}, {"colour": (0,)}]


def test_two_answers_that_are_not_listed_agree_on_other(tmp_path: Path) -> None:
    lines = "image,split,answers\na,train,boat|halter|V\nb,val,v|V|boat\n"
    dataset = text(tmp_path, lines, VEST)
    assert labels(dataset.split("train")) == [{"neck": (2,)}]
    assert labels(dataset.split("val")) == [{"neck": (0,)}]


def test_an_assigned_test_set_is_balanced_with_other_as_one_class(tmp_path: Path) -> None:
    schema = "types: [{name: kind, kind: single, classes: [a, rest], other: rest}]"
    lines = "".join(f"{n}.jpg,{'a' if n < 50 else f'rare{n}'}\n" for n in range(100))
    dataset = text(tmp_path, f"image,kind\n{lines}", schema)
    assert np.bincount(dataset.split("test").label_pairs("kind")[1]).tolist() == [5, 5]


GOOD = "a.jpg,1,train,red,zip,0 0 9 9\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (",2,train,red,,", "line 4, column image: a path is needed."),
        ("https://x/b.jpg,2,train,red,,", "line 4, column image: a file is needed, not an address."),
        ("b.jpg,1,train,red,,", "line 4, column id: '1' occurs a second time; an id names one picture."),
        ("b.jpg,2,dev,red,,", "line 4, column split: 'dev' is none of train, val, test, unlabeled"),
        ("b.jpg,2,train,red|blue,,", "line 4, column colour: two labels, but this type is single."),
        ("b.jpg,2,train,red,zpi,", "line 4, column trims: 'zpi' is not among the classes of the schema file."),
        ("b.jpg,2,train,red,,1 2 3", "line 4, column bbox: four numbers x1 y1 x2 y2 are expected, not 3."),
        ("b.jpg,2,train,red,,1 2 3 x", "line 4, column bbox: 'x' is not a number."),
        ("b.jpg,2,train,red,,5 5 5 9", "line 4, column bbox: x1 < x2 and y1 < y2 are expected, not 5 5 5 9."),
        ("b.jpg,2,train,red", "line 4: 4 cells where the header has 6 columns."),
        ("b.jpg,2,train,red,,,,", "line 4: 8 cells where the header has 6 columns."),
    ],
)
def test_a_bad_row_is_named_by_file_line_and_column(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        text(tmp_path, f"image,id,split,colour,trims,bbox\n{GOOD}\n{line}\nz.jpg,3,train,red,,\n")
    assert str(error.value).startswith(f"{tmp_path}/manifest.csv, {message}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            '{"image": "b", "split": "train", "colour": 3}',
            "line 2, column colour: number where earlier lines have text.",
        ),
        ('{"image": "b", "split": "train"', "line 2: this is not JSON"),
        ("[1, 2]", "line 2: one object {...} a line is expected."),
    ],
)
def test_a_bad_json_line_is_named(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "schema.yaml").write_text("types: [{name: colour}]")
    (tmp_path / "manifest.jsonl").write_text('{"image": "a", "split": "train", "colour": "red"}\n' + line + "\n")
    with pytest.raises(DataError) as error:
        Manifest(str(tmp_path), file="manifest.jsonl")
    assert message in str(error.value)


def test_texts_that_look_like_dates_or_numbers_stay_as_they_are(tmp_path: Path) -> None:
    rows = [{"image": "a", "split": "train", "colour": "2012", "season": "2012-01-01"}]
    sample = write(tmp_path, rows, ".jsonl", "types: [{name: colour}]").split("train")[0]
    assert sample.metadata == {"season": "2012-01-01"}
    rows = [{"image": "a", "split": "train", "colour": 7}]
    assert write(tmp_path, rows, ".jsonl", "types: [{name: colour}]").schema["colour"].classes == ("7",)


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (
            "types: [{name: colour}, {name: fabric}]",
            "there is no column 'fabric' for this attribute type; the columns are image, split",
        ),
        ("types: [{name: colour, kind: both}]", "types[0]: kind is 'both', but it is single or multi."),
        ("types: [{name: colour, classes: [a, a]}]", "types[0]: a class occurs twice."),
        ("types: [{name: colour, classes: [a], other: b}]", "types[0]: other is 'b', which is not among the classes."),
        (
            "types: [{name: colour, clases: [a]}]",
            "types[0]: clases is unknown; an entry has classes, kind, name, other.",
        ),
        ("types: [{kind: single}]", "types[0]: an entry with a `name` is expected."),
        ("types: {", "A schema file is YAML or JSON"),
        ("colour", "a schema file is a mapping of keys"),
        ("types: colour", "a list `types` is expected"),
        ("types: [{name: colour, classes: [yes, no]}]", "types[0]: the class true is not text. Put what YAML reads as"),
        ("types: [{name: colour, classes: [red, 2012]}]", "types[0]: the class 2012 is not text."),
        ("types: [{name: colour, other: no}]", "types[0]: the class false is not text."),
    ],
)
def test_a_bad_schema_file_is_named(tmp_path: Path, schema: str, message: str) -> None:
    with pytest.raises(DataError) as error:
        text(tmp_path, "image,split,colour\na,train,red\n", schema)
    assert message in str(error.value)


def test_classes_in_quotes_and_dates_are_text(tmp_path: Path) -> None:
    schema = "types: [{name: colour, classes: ['yes', \"2012\", 2020-13-45, 2020-01-31]}]"
    dataset = text(tmp_path, "image,split,colour\na,train,yes\n", schema)
    assert dataset.schema["colour"].classes == ("yes", "2012", "2020-13-45", "2020-01-31")


def test_a_schema_file_may_be_json(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"types": [{"name": "colour", "kind": "single"}]}')
    dataset = text(tmp_path, "image,split,colour\na,train,red\n", schema_file="schema.json")
    assert dataset.schema["colour"].classes == ("red",)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data-root"):
        Manifest()
    with pytest.raises(DataError, match=r"schema.yaml: no such schema file"):
        Manifest(str(tmp_path))
    (tmp_path / "schema.yaml").write_text(TYPES)
    with pytest.raises(DataError, match=r"manifest.csv: no such manifest"):
        Manifest(str(tmp_path))
    (tmp_path / "manifest.txt").touch()
    with pytest.raises(DataError, match=r"a manifest is a .csv, .jsonl or .parquet file"):
        Manifest(str(tmp_path), file="manifest.txt")
    with pytest.raises(DataError, match=r"manifest.csv: there is no column 'image'"):
        text(tmp_path, "picture,colour,trims\na,red,\n")
    with pytest.raises(DataError, match=r"no row with a known label is in the split train"):
        text(tmp_path, "image,split,colour,trims\na,val,red,\n")
    with pytest.raises(DataError, match=r"the manifest has no rows"):
        text(tmp_path, "image,split,colour,trims\n")
    with pytest.raises(UnknownNameError, match="no attribute type 'fabric' to balance by; there are colour, trims"):
        text(tmp_path, "image,split,colour,trims\na,train,red,\n", balance="fabric")


@pytest.mark.parametrize("lines", ["image,split\na,train\nb,\n", "image,colour\na,\nb,\n"], ids=["no column", "empty"])
def test_pictures_without_any_label_are_a_pool_to_pretrain_on(tmp_path: Path, lines: str) -> None:
    for schema, classes in (
        ("{name: colour}", ("unknown",)),
        ("{name: colour, classes: [red, blue]}", ("red", "blue")),
    ):
        dataset = text(tmp_path, lines, f"types: [{schema}]")
        assert dataset.splits == ("train",) and ids(dataset.split("train")) == []
        assert ids(dataset.unlabelled()) == ["a", "b"]
        assert dataset.schema["colour"].classes == classes
        (remark,) = dataset.remarks()
        assert "no row with a known label is in the split train (columns: image, " in remark
        again = Manifest(str(tmp_path), schema=dataset.schema)
        assert again.schema == dataset.schema and len(again.unlabelled()) == 2


def test_without_train_the_classes_are_those_of_the_other_splits(tmp_path: Path) -> None:
    dataset = text(tmp_path, "image,split,colour,trims\na,test,red,zip\nb,,,\n")
    assert dataset.splits == ("train", "test")
    assert labels(dataset.split("test")) == [{"colour": (0,), "trims": (0,)}]


def test_an_unknown_split_is_named_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="no split 'dev'; this dataset has train, val, test"):
        write(tmp_path, ROWS).split("dev")


def test_samples_travel_to_worker_processes(tmp_path: Path) -> None:
    samples = write(tmp_path, ROWS).split("train")
    assert pickle.loads(pickle.dumps(samples))[0] == samples[0]


def test_no_python_object_is_kept_for_a_row(tmp_path: Path) -> None:
    lines = "image,split,colour,trims,shop\n" + "".join(f"{n}.jpg,train,c{n % 3},zip,s{n}\n" for n in range(2000))
    dataset = text(tmp_path, lines)
    held = [
        value for value in vars(dataset).values() if isinstance(value, (list, dict, tuple, set)) and len(value) > 99
    ]
    assert held == []
    assert isinstance(dataset._images, pa.Array)
    assert np.asarray(dataset.split("train").label_pairs("colour")[0]).shape == (2000,)


@pytest.mark.parametrize("column", ["group", "item_id"])
def test_a_holdout_keeps_a_product_together_and_so_does_the_packed_copy(tmp_path: Path, column: str) -> None:
    from mtss_zoo.build import build_dataset
    from mtss_zoo.packing.run import pack
    from mtss_zoo.recipe import DataSpec, Part
    from mtss_zoo.regime import RecipeDataset

    for number in range(60):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    lines = [f"{n}.png,train,{'ab'[n // 3 % 2]},{f'p{n // 3}' if n < 45 else ''}" for n in reversed(range(60))]
    (tmp_path / "schema.yaml").write_text("types: [{name: kind}]")
    (tmp_path / "manifest.csv").write_text("\n".join([f"image,split,kind,{column}", *lines]))
    data = DataSpec(dataset=Part(name="manifest", args={"root": str(tmp_path)}), holdout=0.2)
    pack(data, tmp_path / "packed", workers=0)
    held = []
    for spec in (data, data.model_copy(update={"dataset": Part(name="packed", args={"root": f"{tmp_path}/packed"})})):
        used = RecipeDataset(build_dataset(spec), spec)
        products = [
            {samples[row].metadata.get(column) for row in range(len(samples))} - {None}
            for samples in (used.split("train"), used.split("holdout"))
        ]
        assert len(products[1]) >= 2 and not products[0] & products[1]
        held.append(ids(used.split("holdout")))
    assert held[0] == held[1] and len(held[0]) == 12


def test_check_decodes_some_of_the_pictures_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"no picture")
    for number in range(1, 60):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    lines = "".join(f"{number}.png,train,red,\n" for number in range(70))
    dataset = text(tmp_path, f"image,split,colour,trims\n{lines}")
    missing, unreadable = dataset.check()
    assert missing == "10 of 70 pictures are missing: 60.png, 61.png, 62.png, 63.png, 64.png ..." + "."
    assert unreadable.startswith("1 of 50 pictures that were tried cannot be used: picture 0.png")
    assert dataset.tried == 50
