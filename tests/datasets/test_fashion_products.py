"""Fashion Product Images: the exact layout with its hostile rows."""

from pathlib import Path

import pytest
from mtss_zoo_datasets.fashion_products import FashionProducts
from mtss_zoo_datasets.fashion_table import pattern_in
from PIL import Image

from mtss_zoo.errors import DataError, UnknownNameError, UsageError
from mtss_zoo.interfaces import AttributeSchema, AttributeType, Dataset

HEADER = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"
ROWS = """\
1,Men,Apparel,Topwear,Shirts,Blue,Fall,2011,Casual,Turtle Check Men Navy Blue Shirt
2,Women,Apparel,Dress,Dresses,Red,Summer,2012,,Femella Women Striped Red Dress
3,Men,Apparel,Topwear,Tshirts,Black,NA,2012,Casual,Puma Men "Evo" Black, White, Red T-shirt
4,Women,Apparel,Topwear,Shirts,NaN,Winter,2012,Formal,Solid Striped Shirt
5,Women,Apparel,Topwear,Shirts,Green,Winter,2012,Formal,No Picture Shirt
6,Women,Apparel,Topwear
1,Men,Apparel,Topwear,Tops,Blue,Fall,2011,Casual,The id again
7,Unisex,Accessories,Bags,Clutches,Gold,Summer,2016,Party,"Quoted, Floral Print Clutch"
8,Men,Apparel,Topwear,Shirts,Red,Fall,2011,Casual,"Unclosed quote
9,Men,Apparel,Topwear,Shirts,Blue,Fall,2011,Casual,Plain Shirt
"""
SPLITS = "id,split\n1,train\n2,train\n3,train\n4,val\n7,val\n8,train\n5,train\n77,val\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for key in (1, 2, 3, 4, 6, 7, 8, 9, 70, 71):
        Image.new("RGB", (6, 8)).save(tmp_path / "images" / f"{key}.jpg")
    (tmp_path / "images" / "notes.txt").write_text("not a picture")
    (tmp_path / "styles.csv").write_text(f"{HEADER}\n{ROWS}")
    (tmp_path / "splits.csv").write_text(SPLITS)
    return tmp_path


def named(dataset: FashionProducts, split: str, row: int) -> dict[str, str]:
    sample = dataset.split(split)[row]
    return {name: dataset.schema[name].classes[c] for name, (c,) in sample.labels.items()}


def test_rows_become_labels(root: Path) -> None:
    dataset = FashionProducts(str(root))
    assert isinstance(dataset, Dataset)
    assert dataset.splits == ("train", "val")
    assert [dataset.split("train")[row].id for row in range(4)] == ["1", "2", "3", "8"]
    expected = {"category": "Shirts", "colour": "Blue", "gender": "Men", "season": "Fall", "usage": "Casual"}
    assert named(dataset, "train", 0) == expected | {"pattern": "check"}
    assert dataset.split("train")[0].image == root / "images" / "1.jpg"


def test_the_classes_are_those_of_train_by_name(root: Path) -> None:
    schema = FashionProducts(str(root)).schema
    assert schema["category"].classes == ("Dresses", "Shirts", "Tshirts")
    assert schema["colour"].classes == ("Black", "Blue", "Red")
    assert schema["pattern"].classes == ("check", "striped")
    assert all(t.kind == "single" for t in schema)


def test_a_name_with_commas_and_quotes_stays_one_name(root: Path) -> None:
    sample = FashionProducts(str(root)).split("train")[2]
    assert sample.metadata["productDisplayName"] == 'Puma Men "Evo" Black, White, Red T-shirt'
    assert sample.metadata["year"] == "2012"


def test_a_quote_that_is_never_closed_swallows_no_other_row(root: Path) -> None:
    (root / "splits.csv").write_text(SPLITS + "9,train\n")
    dataset = FashionProducts(str(root))
    assert [dataset.split("train")[row].id for row in (3, 4)] == ["8", "9"]
    assert named(dataset, "train", 4)["pattern"] == "solid"


def test_empty_and_na_are_unknown(root: Path) -> None:
    dataset = FashionProducts(str(root))
    assert "usage" not in named(dataset, "train", 1)
    assert "season" not in named(dataset, "train", 2)
    assert "colour" not in named(dataset, "val", 0)


def test_a_class_that_train_does_not_have_is_unknown(root: Path) -> None:
    dataset = FashionProducts(str(root))
    assert dataset.split("val")[1].labels.keys() == {"season"}


def test_label_pairs(root: Path) -> None:
    rows, classes = FashionProducts(str(root)).split("train").label_pairs("category")
    assert (rows.tolist(), classes.tolist()) == ([0, 1, 2, 3], [1, 0, 2, 1])


def test_pictures_without_a_row_are_unlabelled(root: Path) -> None:
    pool = FashionProducts(str(root)).unlabelled()
    assert [pool[row].id for row in range(len(pool))] == ["6", "70", "71"]
    assert pool[1].labels == {}
    assert len(pool.label_pairs("colour")[0]) == 0


def test_check_says_in_words_what_is_wrong(root: Path) -> None:
    said = "\n".join(FashionProducts(str(root)).check())
    assert "styles.csv: 1 rows have commas without quotes in the product name, read as one: 3." in said
    assert "styles.csv: 1 rows do not have the columns of the first line and are left out: line 7." in said
    assert "styles.csv: 1 ids occur again; only their first rows count: 1." in said
    assert "images: 1 rows of styles.csv have no picture and are left out: 5." in said
    assert "splits.csv: 1 pictures of styles.csv are in no split and are left out: 9." in said
    assert "splits.csv: 1 ids are not in styles.csv: 77." in said
    assert not any("season" in sentence for sentence in said), "an empty cell is unknown, which is no fault"
    assert "category: 1 rows hold a value that the schema lacks, unknown: Clutches." in said


def test_a_clean_folder_has_no_problems(tmp_path: Path) -> None:
    from mtss_zoo_datasets import examples

    assert FashionProducts(**examples.fashion_products(tmp_path)).check() == []


def test_without_splits_the_id_decides(root: Path) -> None:
    rows = "".join(f"{n},Men,Apparel,Topwear,Shirts,Blue,Fall,2011,Casual,Shirt {n}\n" for n in range(100, 160))
    (root / "splits.csv").unlink()
    (root / "styles.csv").write_text(f"{HEADER}\n{rows}")
    for n in range(100, 160):
        (root / "images" / f"{n}.jpg").touch()
    dataset = FashionProducts(str(root))
    before = {name: {dataset.split(name)[i].id for i in range(len(dataset.split(name)))} for name in dataset.splits}
    assert list(before) == ["train", "val", "test"]
    assert len(before["train"]) > len(before["val"]) + len(before["test"])
    (root / "styles.csv").write_text(f"{HEADER}\n{''.join(reversed(rows.splitlines(keepends=True)))}")
    again = FashionProducts(str(root))
    assert {name: {again.split(name)[i].id for i in range(len(again.split(name)))} for name in again.splits} == before


def test_a_given_schema_keeps_its_order_and_its_classes(root: Path) -> None:
    colours = AttributeType("colour", "single", ("Red", "Green", "Blue"))
    dataset = FashionProducts(str(root), schema=AttributeSchema((colours,)))
    assert dataset.schema.types == (colours,)
    assert [dataset.split("train")[row].labels for row in range(3)] == [{"colour": (2,)}, {"colour": (0,)}, {}]
    assert "colour: 2 rows hold a value that the schema lacks, unknown: Black, Gold." in dataset.check()


def test_a_value_beyond_the_listed_ones_is_other_where_the_type_has_one(root: Path) -> None:
    categories = AttributeType("category", "single", ("Shirts", "other"), other="other")
    dataset = FashionProducts(str(root), schema=AttributeSchema((categories,)))
    assert [dataset.split("train")[row].labels for row in range(3)] == [{"category": (0,)}, *[{"category": (1,)}] * 2]
    assert dataset.split("val")[1].labels == {"category": (1,)}  # Clutches, which train does not have
    assert not any("category" in sentence for sentence in dataset.check())


def test_an_empty_cell_stays_unknown_beside_other(root: Path) -> None:
    colours = AttributeType("colour", "single", ("Red", "other"), other="other")
    assert FashionProducts(str(root), schema=AttributeSchema((colours,))).split("val")[0].labels == {}


def test_a_type_that_is_not_there_is_refused(root: Path) -> None:
    wrong = AttributeSchema((AttributeType("fabric", "single", ("silk",)),))
    with pytest.raises(UsageError, match="no single-label type fabric; its types are category, colour"):
        FashionProducts(str(root), schema=wrong)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("Lee Men Checks Parker Blue Shirt", "check"),
        ("Vans Men Blue Era Scilla Plaid Shoes", "check"),
        ("FNF Green Printed Sari", "printed"),
        ("Wrangler Men's Multicolor Striper T-shirt", "striped"),
        ("Vishudh Women Floral Print Orange Kurta", "floral"),
        ("109F Women Blue & Green Polka Dot Print Tunic", "dotted"),
        ("UCB Women's Graphic Print Pink Top", "graphic"),
        ("Plain Shirt", "solid"),
        ("Printed Stripes Shirt", None),
        ("Solid Striped Shirt", None),
        ("Puma Men Blockbuster Watch", None),
        ("Sprint Shoes", None),
    ],
)
def test_the_pattern_is_read_from_the_name(name: str, pattern: str | None) -> None:
    assert pattern_in(name) == pattern


def test_a_missing_folder_file_or_column_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data-root"):
        FashionProducts()
    with pytest.raises(DataError, match="nowhere: no such folder"):
        FashionProducts(str(tmp_path / "nowhere"))
    (root / "styles.csv").write_text("id,gender\n1,Men\n")
    with pytest.raises(DataError, match=r"styles.csv, line 1: columns articleType, .* are missing"):
        FashionProducts(str(root))
    (root / "styles.csv").unlink()
    with pytest.raises(DataError, match=r"styles.csv is missing"):
        FashionProducts(str(root))


def test_a_split_that_contradicts_itself_is_an_error(root: Path) -> None:
    (root / "splits.csv").write_text("id,split\n1,train\n1,val\n")
    with pytest.raises(DataError, match=r"splits.csv, line 3, column split: 1 is already in train"):
        FashionProducts(str(root))


def test_an_unknown_split_is_named_with_those_there_are(root: Path) -> None:
    with pytest.raises(UnknownNameError, match="no split 'test'; this dataset has train, val"):
        FashionProducts(str(root)).split("test")


def test_check_decodes_some_of_the_pictures(tmp_path: Path) -> None:
    from mtss_zoo_datasets import examples

    dataset = FashionProducts(**examples.fashion_products(tmp_path))
    assert dataset.tried == 48
    (tmp_path / "images/10.jpg").write_bytes(b"no picture")
    (problem,) = dataset.check()
    assert problem.startswith("1 of 48 pictures that were tried cannot be used: picture 10 (")
